"""Reports: the same facts for a terminal, for programs and as a page with pictures."""
