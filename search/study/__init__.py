"""Experiments on the search, and the scripts that made the bundled models."""
