"""How long layers and networks take on a board: a designed set of models, built, run and timed (paper, section 3)."""
