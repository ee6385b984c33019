"""The parts of a data set."""

from __future__ import annotations

PARTS = ("train", "validation", "test")

PART_FOLDERS = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}
"""What people call them."""
