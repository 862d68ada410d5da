"""Learning curves of several loops, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skactive._validation import check_choice
from skactive.displays._style import add_legend, axes_for, log_ticks, style
from skactive.metrics import LearningCurve, learning_curve
from skactive.metrics._curves import check_curve

__all__ = ["LabelingCurveDisplay"]

LABELS = {
    "n_labeled": "labels, owned and bought",
    "n_bought": "labels bought",
    "cost": "cost of the labels",
}
_BANDS = ("std", "sem", "quantiles")
_MOST_MARKERS = 12


class Band(NamedTuple):
    """Several runs as one line."""

    places: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class LabelingCurveDisplay:
    """Compare learning curves: the score over the labels, one line for each way to pick.

    Several runs of one name, for instance with different seeds, become a line of their mean and a
    band of their spread. Needs matplotlib, ``pip install "skactive[plots]"``. Made best by
    ``from_estimator`` or ``from_history``.

    Parameters
    ----------
    curves : dict of str to list of LearningCurve
        The runs of each name; see :func:`skactive.metrics.learning_curve`.
    x : {"n_labeled", "n_bought", "cost"}, default="n_labeled"
        What the curves count, for the label of the axis.
    score_name : str, default="score on held-out data"
        Label of the other axis, with its unit.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of the axes.
    lines_ : list of matplotlib Line2D
        The mean curves, in the order of `curves`.
    bands_ : list of matplotlib PolyCollection or None
        The spread of each; None for a single run.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skactive.displays import LabelingCurveDisplay
    >>> random = [{"n_labeled": 10, "score": 0.5}, {"n_labeled": 20, "score": 0.75}]
    >>> ours = [{"n_labeled": 10, "score": 0.625}, {"n_labeled": 20, "score": 0.875}]
    >>> display = LabelingCurveDisplay.from_history({"random": random, "ours": ours})
    >>> [line.get_label() for line in display.lines_]
    ['random', 'ours']
    """

    def __init__(
        self,
        *,
        curves: Mapping[str, list[LearningCurve]],
        x: str = "n_labeled",
        score_name: str = "score on held-out data",
    ) -> None:
        self.curves = curves
        self.x = x
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        loops: Any,
        *,
        x: str = "n_labeled",
        score_name: str = "score on held-out data",
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw the curves of fitted loops.

        Parameters
        ----------
        loops : ActiveLearningLoop, list of them, or dict of str to either
            Fitted with `X_val` and `y_val`. A list holds runs of the same, a dict names what is
            compared.
        x, score_name, ax, **plot_params
            As in ``from_history``.

        Returns
        -------
        display : LabelingCurveDisplay
        """
        return cls.from_history(loops, x=x, score_name=score_name, ax=ax, **plot_params)

    @classmethod
    def from_history(
        cls,
        histories: Any,
        *,
        x: str = "n_labeled",
        score_name: str = "score on held-out data",
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw the curves that loops have recorded.

        Parameters
        ----------
        histories : history, list of histories, or dict of str to either
            A history is the ``history_`` of a loop, a list of dicts with `x` and ``score``, or a
            :class:`~skactive.metrics.LearningCurve`. A list holds runs of the same, a dict names
            what is compared.
        x : {"n_labeled", "n_bought", "cost"}, default="n_labeled"
            What to count: labels owned and bought, labels bought, or what they cost.
        score_name : str, default="score on held-out data"
            Label of the other axis, with its unit.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        **plot_params : dict
            Passed to ``plot``.

        Returns
        -------
        display : LabelingCurveDisplay
        """
        check_choice(x, "x", tuple(LABELS))
        named = histories if isinstance(histories, Mapping) else {"": histories}
        curves = {str(name): _runs(runs, x) for name, runs in named.items()}
        return cls(curves=curves, x=x, score_name=score_name).plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        band: str | None = "std",
        log_x: bool = False,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the curves.

        Runs of one name that count differently, as costs do, are interpolated linearly between
        their rounds, over the labels that all of them have seen.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        band : {"std", "sem", "quantiles"} or None, default="std"
            Spread of several runs: their standard deviation around the mean, the standard error
            of the mean, or from the 10 % to the 90 % quantile. None draws the mean alone.
        log_x : bool, default=False
            Give each doubling of the labels the same width.
        line_kw : dict or None, default=None
            Passed to each call of matplotlib's ``plot``, over the looks of the display.

        Returns
        -------
        self : LabelingCurveDisplay
        """
        if band is not None:
            check_choice(band, "band", _BANDS)
        if not self.curves:
            raise ValueError(
                "curves must hold at least one history; got an empty dict. Name what to draw."
            )
        summaries = {name: _summary(runs, band, name) for name, runs in self.curves.items()}
        self._check_log(summaries, log_x)
        self.ax_ = axes_for(ax, type(self).__name__, 7.8 if any(self.curves) else 6.4)
        self.figure_ = self.ax_.figure
        self.lines_, self.bands_ = [], []
        n_before = len(self.ax_.lines)
        for place, (name, summary) in enumerate(summaries.items()):
            every = -(-len(summary.places) // _MOST_MARKERS)
            looks = {
                **style(n_before + place),
                "markersize": 5,
                "markevery": (place % every, every),
                "label": name or "_single",  # matplotlib leaves such a name out of legends
                **(line_kw or {}),
            }
            (line,) = self.ax_.plot(summary.places, summary.mean, **looks)
            self.lines_.append(line)
            self.bands_.append(self._draw_band(summary, line, len(self.curves[name]), band))
        self._finish(log_x)
        return self

    def _draw_band(self, summary: Band, line: Any, n_runs: int, band: str | None) -> Any:
        if band is None or n_runs == 1:
            return None
        looks = {"color": line.get_color(), "alpha": 0.15, "linewidth": 0}
        return self.ax_.fill_between(summary.places, summary.low, summary.high, **looks)

    def _finish(self, log_x: bool) -> None:
        self.ax_.set(xlabel=LABELS[self.x], ylabel=self.score_name)
        self.ax_.grid(alpha=0.3)
        if log_x:
            self.ax_.set_xscale("log")
            log_ticks(self.ax_.xaxis)
        elif self.x != "cost":
            self.ax_.locator_params(axis="x", integer=True)
        if any(self.curves):
            # Long dashes do not fit a short handle.
            add_legend(self.ax_, handlelength=3.2)

    def _check_log(self, summaries: Mapping[str, Band], log_x: bool) -> None:
        lowest = min(summary.places[0] for summary in summaries.values())
        if log_x and lowest <= 0:
            raise ValueError(
                f"log_x == True needs counts above 0; got {lowest:g} {LABELS[self.x]}. Use "
                "x='n_labeled', or leave rounds without labels out."
            )


def _runs(runs: Any, x: str) -> list[LearningCurve]:
    """The curves of one name, from one history or a list of them."""
    if isinstance(runs, LearningCurve):
        return [runs]
    if not isinstance(runs, (list, tuple)) or any(isinstance(run, Mapping) for run in runs):
        return [learning_curve(runs, x=x)]
    return [curve for run in runs for curve in _runs(run, x)]


def _summary(runs: list[LearningCurve], band: str | None, name: str) -> Band:
    """Mean and spread of the runs at all counts that lie within each."""
    if not runs:
        raise ValueError(f"curves must hold runs; got none for {name!r}. Leave the name out.")
    runs = [check_curve(*run) for run in runs]
    low = max(run.n_labels[0] for run in runs)
    high = min(run.n_labels[-1] for run in runs)
    if low > high:
        raise ValueError(
            f"The runs of {name!r} have no count of labels in common: one begins at {low:g}, "
            f"another one ends at {high:g}. Draw them under different names."
        )
    places = np.unique(np.concatenate([run.n_labels for run in runs]))
    places = places[(places >= low) & (places <= high)]
    scores = np.array([np.interp(places, *run) for run in runs])
    mean = scores.mean(axis=0)
    if band == "quantiles":
        return Band(places, mean, *np.quantile(scores, (0.1, 0.9), axis=0))
    spread = scores.std(axis=0, ddof=1) if len(runs) > 1 else np.zeros_like(mean)
    if band == "sem":
        spread = spread / np.sqrt(len(runs))
    return Band(places, mean, mean - spread, mean + spread)
