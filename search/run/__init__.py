"""A search or a training from request to firmware."""
