"""What a linked image holds: sections, symbols, stack, code."""
