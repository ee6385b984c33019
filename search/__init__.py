"""Architecture search, training and export: what makes models, as opposed to firmware.

Needs the ``search`` extra (TensorFlow). ``codegen.cli`` alone knows of this package: it adds the verbs of
:mod:`search.cli`.
"""
