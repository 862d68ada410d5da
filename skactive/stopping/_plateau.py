"""Scores that have ceased to improve."""

from __future__ import annotations

import math
from typing import Any

from skactive._validation import check_number
from skactive.stopping._base import StoppingRule
from skactive.stopping._history import recorded

__all__ = ["ScorePlateau"]


class ScorePlateau(StoppingRule):
    """Stop when the score on held-out data has ceased to rise.

    It needs labels that are not used for training, `X_val` and `y_val` of the loop's ``fit``:
    where these would have to be bought, :class:`StablePredictions` does without.

    Parameters
    ----------
    patience : int >= 1, default=3
        Trainings in a row that do not raise the best score by more than `tol`.
    tol : float >= 0, default=1e-3
        In units of the score.

    See Also
    --------
    skactive.callbacks.EarlyStopping : The same for any number of a round's record.

    Examples
    --------
    >>> from skactive.stopping import ScorePlateau
    >>> scores = [0.6, 0.7, 0.7, 0.69]
    >>> history = [
    ...     {"score": score, "fitted": True, "n_labeled": 10 * n}
    ...     for n, score in enumerate(scores, start=1)
    ... ]
    >>> ScorePlateau(patience=2).reason(history)
    'score has not improved on 0.7 by more than 0.001 for 2 rounds.'
    """

    def __init__(self, patience: int = 3, tol: float = 1e-3) -> None:
        self.patience = patience
        self.tol = tol

    def check(self) -> None:
        """Refuse bad parameters."""
        check_number(self.patience, "patience", minimum=1, strict=False, integer=True)
        check_number(self.tol, "tol", strict=False)

    def reason(self, history: list[dict[str, Any]]) -> str | None:
        """Look for a better score among the latest rounds."""
        return no_gain(history, "score", self.patience, self.tol)


def no_gain(
    history: list[dict[str, Any]],
    name: str,
    patience: int,
    threshold: float,
    *,
    lower_is_better: bool = False,
) -> str | None:
    """A sentence, if a number has not improved by more than a threshold for too many rounds."""
    best, n_rounds = math.nan, 0
    for value in recorded(history, name):
        gain = best - value if lower_is_better else value - best
        if gain <= threshold:  # not so for the first one, whose gain is NaN
            n_rounds += 1
        else:
            best, n_rounds = value, 0
    if n_rounds < patience:
        return None
    return (
        f"{name} has not improved on {best:.4g} by more than {threshold:.4g} for {n_rounds} rounds."
    )
