"""What a person asks for, from end to end: build, run, check, bench."""
