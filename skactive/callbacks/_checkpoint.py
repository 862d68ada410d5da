"""Saves the model of a loop while it runs."""

from __future__ import annotations

from os import PathLike
from typing import Any

import joblib

from skactive._replacing import replacing
from skactive.callbacks._base import Callback
from skactive.callbacks._files import check_path
from skactive.stopping._history import check_monitor, record, recorded, trained

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Save ``loop.estimator_`` after each round, or when it has become better.

    At any time the file is a whole one that ``joblib.load`` reads: it is written under another
    name beside and renamed.

    Parameters
    ----------
    path : str or Path
        File to write, in a folder that exists; what is there is replaced.
    monitor : str or None, default=None
        With a key of the entries of ``loop.history_``, or of their ``measures``, such as
        "score", only a model with the best value so far is saved; None saves each.
    lower_is_better : bool, default=False
        Whether the best value of `monitor` is the lowest one.

    Examples
    --------
    >>> import os, tempfile
    >>> from types import SimpleNamespace
    >>> import joblib
    >>> from skactive.callbacks import Checkpoint
    >>> loop = SimpleNamespace(estimator_="a model", history_=[{"fitted": True}])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.joblib")
    ...     Checkpoint(path).on_round_end(loop, loop.history_[-1])
    ...     joblib.load(path)
    'a model'
    """

    def __init__(
        self,
        path: str | PathLike[str],
        monitor: str | None = None,
        lower_is_better: bool = False,
    ) -> None:
        self.path = path
        self.monitor = monitor
        self.lower_is_better = lower_is_better

    def on_loop_begin(self, loop: Any, X: Any) -> None:
        """Refuse a path that cannot be written, before any label is bought."""
        if self.monitor is not None:
            check_monitor(self.monitor)
        check_path(self.path)

    def on_round_end(self, loop: Any, entry: dict[str, Any]) -> None:
        """Save the model, if there is one to save."""
        if not entry["fitted"] or not self._is_best(loop.history_):
            return
        with replacing(check_path(self.path)) as unfinished, open(unfinished, "wb") as file:
            joblib.dump(loop.estimator_, file)

    def _is_best(self, history: list[dict[str, Any]]) -> bool:
        if self.monitor is None:
            return True
        values = recorded(history, self.monitor)
        if trained(history)[-1] is not history[-1] or self.monitor not in record(history[-1]):
            return False  # nothing new
        best = min(values) if self.lower_is_better else max(values)
        return values[-1] == best and values.count(best) == 1
