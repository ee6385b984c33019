"""Modelled time: cycles of an exact image on a core with its memories."""
