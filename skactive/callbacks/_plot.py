"""Draws the learning curve while a loop runs."""

from __future__ import annotations

from os import PathLike
from typing import Any

from skactive._extras import require
from skactive._replacing import replacing
from skactive._validation import check_choice
from skactive.callbacks._base import Callback
from skactive.callbacks._files import check_path
from skactive.stopping._history import recorded, trained

__all__ = ["LearningCurvePlot"]

_LABELS = {
    "n_labeled": "labels, owned and bought",
    "n_bought": "labels bought",
    "cost": "cost of the labels",
}


class LearningCurvePlot(Callback):
    """Draw the score over the labels, anew after each round.

    At any time the file is a whole picture. Needs matplotlib, ``pip install skactive[plots]``,
    and held-out data, `X_val` and `y_val` of the loop's ``fit``.

    Parameters
    ----------
    path : str or Path
        File to write, in a folder that exists; what is there is replaced. Its suffix says in
        which format: ``.png``, ``.svg``, ``.pdf`` or another one that matplotlib knows.
    x : {"n_bought", "n_labeled", "cost"}, default="n_bought"
        What the score is drawn over.

    Examples
    --------
    >>> from skactive import ActiveLearningLoop, ITLSelector
    >>> from skactive.callbacks import LearningCurvePlot
    >>> from sklearn.linear_model import LogisticRegression
    >>> loop = ActiveLearningLoop(
    ...     LogisticRegression(), ITLSelector(), callbacks=[LearningCurvePlot("curve.png")]
    ... )
    """

    def __init__(self, path: str | PathLike[str], x: str = "n_bought") -> None:
        self.path = path
        self.x = x

    def on_loop_begin(self, loop: Any, X: Any) -> None:
        """Refuse what cannot be drawn or written, before any label is bought."""
        check_choice(self.x, "x", tuple(_LABELS))
        formats = sorted(_canvas().get_supported_filetypes())
        if _suffix(self.path) not in formats:
            raise ValueError(
                f"path == {self.path!r}, must end in one of {', '.join(formats)}. Try 'curve.png'."
            )

    def on_round_end(self, loop: Any, entry: dict[str, Any]) -> None:
        """Draw all rounds so far that have a score."""
        rounds = [e for e in trained(loop.history_) if e["score"] == e["score"]]
        scores = recorded(loop.history_, "score")
        if not scores:  # no model yet
            return
        canvas = _canvas()
        figure = canvas.figure
        axes = figure.add_subplot()
        axes.plot([e[self.x] for e in rounds], scores, marker="o", markersize=4)
        axes.set_xlabel(_LABELS[self.x])
        if self.x != "cost":
            axes.locator_params(axis="x", integer=True)
        scoring = getattr(loop, "scoring", None)
        axes.set_ylabel(scoring if isinstance(scoring, str) else "score on held-out data")
        axes.grid(alpha=0.3)
        with replacing(check_path(self.path)) as unfinished, open(unfinished, "wb") as file:
            canvas.print_figure(file, format=_suffix(self.path), dpi=150)


def _canvas() -> Any:
    """An empty figure, apart from those that the user has open."""
    figure = require("matplotlib.figure", "plots", "LearningCurvePlot")
    backend = require("matplotlib.backends.backend_agg", "plots", "LearningCurvePlot")
    return backend.FigureCanvasAgg(figure.Figure(figsize=(6, 4), layout="constrained"))


def _suffix(path: Any) -> str:
    return check_path(path).suffix[1:].lower()
