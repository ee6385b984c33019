"""Architecture search, training and export: what makes models, as opposed to firmware.

Needs the ``search`` extra (TensorFlow). ``micronets_gen.cli.main`` alone knows of this package: it adds the verbs of
:mod:`micronets_gen.cli.search`.
"""
