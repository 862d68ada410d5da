"""A bar that shows how much of the budget is spent."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

from numpy.typing import NDArray
from tqdm.auto import tqdm

from skactive._indexing import n_samples_of
from skactive.callbacks._base import Callback

__all__ = ["ProgressBar"]


class ProgressBar(Callback):
    """Show labels bought, of those in the budget, and the latest score.

    ``ActiveLearningLoop(verbose=True)`` adds one.

    Examples
    --------
    >>> from skactive import ActiveLearningLoop, ITLSelector
    >>> from skactive.callbacks import ProgressBar
    >>> from sklearn.linear_model import LogisticRegression
    >>> loop = ActiveLearningLoop(
    ...     LogisticRegression(), ITLSelector(), callbacks=[ProgressBar()]
    ... )
    """

    _bar: Any = None
    _n_samples = 0

    def on_loop_begin(self, loop: Any, X: Any) -> None:
        """Start at what an earlier process has bought."""
        self.on_loop_end(loop)
        self._n_samples = n_samples_of(X)
        budget = loop.budget
        if not isinstance(budget, Integral):
            budget = max(1, int(budget * self._n_samples))
        n_bought = loop.history_[-1]["n_bought"] if loop.history_ else 0
        total = min(int(budget), self._n_samples)
        self._bar = tqdm(total=total, initial=n_bought, unit="label")

    def on_labels(self, loop: Any, indices: NDArray[Any], labels: NDArray[Any]) -> None:
        """Count labels as they come in."""
        if self._bar is not None:
            self._bar.update(len(indices))

    def on_round_end(self, loop: Any, entry: dict[str, Any]) -> None:
        """Show the score, and count labels that have come in through other processes."""
        if self._bar is None:  # left behind in another process
            return
        n_owned = entry["n_labeled"] - entry["n_bought"]
        self._bar.total = min(self._bar.total, self._n_samples - n_owned)
        self._bar.n = entry["n_bought"]
        if not math.isnan(entry["score"]):
            self._bar.set_postfix(score=f"{entry['score']:.4g}", refresh=False)
        self._bar.refresh()

    def on_loop_end(self, loop: Any) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def __getstate__(self) -> dict[str, Any]:
        # A bar holds on to the terminal, and a loop that is fitted keeps its parameters.
        state = super().__getstate__()
        return {name: state[name] for name in state if name not in ("_bar", "_n_samples")}
