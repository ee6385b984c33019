"""Deterministic measurements of generated firmware: ``python -m benchmarks.run``."""
