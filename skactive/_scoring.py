"""Scores of the model after each round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils.validation import check_consistent_length


def held_out_score(loop: Any, scoring: Any, X_val: Any, y_val: Any) -> Callable[[], float]:
    """What scores the loop's latest model on held-out data; NaN without any."""
    if (X_val is None) != (y_val is None):
        missing = "X_val" if X_val is None else "y_val"
        raise ValueError(
            f"X_val and y_val must be given together; got {missing} == None. Pass both to "
            "score the model after each round, or neither."
        )
    if isinstance(scoring, (list, tuple, set, dict)):
        raise TypeError(
            f"scoring == {scoring!r}, must be a str, a callable or None: a round has "
            "one score. Keep the score to watch."
        )
    if X_val is None and scoring is not None:
        raise ValueError(
            f"scoring == {scoring!r} needs held-out data: pass X_val and y_val to fit, "
            "or leave scoring at None."
        )
    if X_val is None:
        return lambda: np.nan
    check_consistent_length(X_val, y_val)
    scorer = check_scoring(loop, scoring)
    return lambda: float(scorer(loop, X_val, y_val))
