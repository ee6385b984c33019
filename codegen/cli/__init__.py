"""The command line: verbs, options and help."""
