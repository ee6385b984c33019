"""Boards and SoC families as data."""
