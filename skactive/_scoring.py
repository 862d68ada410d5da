"""Scores of the model after each round."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils.validation import check_consistent_length

from skactive._dask import is_dask
from skactive._indexing import counted, n_samples_of


class HeldOutScore(NamedTuple):
    """What scores a fitted loop on held-out data; NaN without any."""

    scorer: Any
    X_val: Any
    y_val: Any

    def __call__(self, loop: Any) -> float:
        return np.nan if self.scorer is None else float(self.scorer(loop, self.X_val, self.y_val))


def held_out_score(loop: Any, scoring: Any, X_val: Any, y_val: Any) -> HeldOutScore:
    """The score of a loop, from its arguments."""
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
        return HeldOutScore(None, None, None)
    if is_dask(y_val):
        y_val = y_val.compute()
    X_val = counted(X_val)
    if is_dask(X_val):
        check_consistent_length(range(n_samples_of(X_val)), y_val)
    else:
        check_consistent_length(X_val, y_val)
    return HeldOutScore(check_scoring(loop, scoring), X_val, y_val)
