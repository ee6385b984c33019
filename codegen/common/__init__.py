"""What every package may use: files, templates, numbers as text."""
