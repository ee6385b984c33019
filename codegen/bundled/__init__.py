"""The models that travel with the package."""
