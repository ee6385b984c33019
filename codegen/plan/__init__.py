"""What is decided before anything is written: memory, placement, fit."""
