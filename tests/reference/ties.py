"""The tie rule: what lies within rounding of the best counts as equal, the lowest row wins."""

import numpy as np


def lowest_best(scores, available, first):
    """Lowest available row within 1e-12 of the best score (or of the first pick's)."""
    best = scores[available].max()
    scale = max(abs(best), abs(first))
    return int(np.flatnonzero(available & (scores >= best - 1e-12 * scale))[0])
