"""What is searched: architectures, their costs and limits."""
