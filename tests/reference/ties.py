"""The tie rule: what lies within rounding of the best counts as equal, the lowest row wins."""

import numpy as np

# The package takes 1e-12; the twins invert matrices outright, whose rounding is larger.
TOLERANCE = 1e-10


def lowest_best(scores, available, first):
    """Lowest available row that ties with the best, relative to it or to the first pick's score."""
    best = scores[available].max()
    scale = max(abs(best), abs(first))
    return int(np.flatnonzero(available & (scores >= best - TOLERANCE * scale))[0])
