"""What of a model need not be computed: an equal graph with less in it, bit for bit.

Nothing here knows of runtimes or boards. :func:`micronets_gen.simplify.simplify.simplify` runs the passes.
"""
