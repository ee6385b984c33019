"""Modelled against measured time: published firmware images, run on a virtual board and timed by the cycle model.

``python -m benchmarks.timing`` fetches images whose speed was measured on real boards, runs one inference of each and
writes a table of what was measured and what the model says. Nothing that is fetched is part of this repository.
"""
