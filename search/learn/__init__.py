"""Networks, their training and the search itself."""
