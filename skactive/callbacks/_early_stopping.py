"""Stops a loop that has ceased to improve."""

from __future__ import annotations

from typing import Any

from skactive._validation import check_number
from skactive.callbacks._base import Callback
from skactive.stopping._history import check_monitor
from skactive.stopping._plateau import no_gain

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Stop when a number of the record has ceased to improve.

    Parameters
    ----------
    monitor : str, default="score"
        A key of the entries of ``loop.history_``, or of their ``measures``.
    patience : int >= 1, default=5
        Trainings in a row that do not improve the best value by more than `threshold`.
    threshold : float >= 0, default=1e-4
        In units of what is monitored.
    lower_is_better : bool, default=False
        Whether to improve is to fall. Scores are always better when higher.

    See Also
    --------
    skactive.stopping.ScorePlateau : The same for scores, as a rule that combines with others and
        that a loop with a journal asks again when it is started once more.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from skactive.callbacks import EarlyStopping
    >>> history = [
    ...     {"score": score, "fitted": True, "n_labeled": 10 * n}
    ...     for n, score in enumerate([0.7, 0.8, 0.8, 0.79], start=1)
    ... ]
    >>> loop = SimpleNamespace(history_=history)
    >>> EarlyStopping(patience=2).on_round_end(loop, history[-1])
    'score has not improved on 0.8 by more than 0.0001 for 2 rounds.'
    """

    def __init__(
        self,
        monitor: str = "score",
        patience: int = 5,
        threshold: float = 1e-4,
        lower_is_better: bool = False,
    ) -> None:
        self.monitor = monitor
        self.patience = patience
        self.threshold = threshold
        self.lower_is_better = lower_is_better

    def on_loop_begin(self, loop: Any, X: Any) -> None:
        """Refuse bad parameters."""
        check_monitor(self.monitor)
        check_number(self.patience, "patience", minimum=1, strict=False, integer=True)
        check_number(self.threshold, "threshold", strict=False)

    def on_round_end(self, loop: Any, entry: dict[str, Any]) -> str | None:
        """Look for a better value among the latest rounds."""
        return no_gain(
            loop.history_,
            self.monitor,
            self.patience,
            self.threshold,
            lower_is_better=self.lower_is_better,
        )
