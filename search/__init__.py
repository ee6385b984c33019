"""Architecture search, training and export: what makes models, as opposed to firmware.

Needs the ``search`` extra (TensorFlow); nothing in ``codegen`` imports this package.
"""
