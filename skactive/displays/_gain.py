"""What each pick has brought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skactive._validation import check_choice
from skactive.displays._style import add_legend, axes_for, style

__all__ = ["GainDisplay"]

# What selectors record, the most telling first, and how the axis calls it.
VALUES = {
    "information_gain_": "information that the label adds (nats)",
    "radius_curve_": "covering radius (units of the features)",
    "coverage_": "share of the rows covered",
    "target_variance_": "mean variance on the targets",
    "scores_": "score when picked",
}
_LEAST_BEND = 0.1
_LEAST_PICKS = 5
_MOST_MARKERS = 40


class GainDisplay:
    """Draw what each pick brought, and where that flattens.

    The knee is the pick whose value lies farthest from the straight line between the first and
    the last value, both axes scaled to their range (Satopää et al., 2011). It is marked where that
    distance is at least a tenth of the range and there are five picks or more: a help for the
    eye, which moves with the number of picks looked at, not a rule to stop by (see
    :mod:`skactive.stopping`). Needs matplotlib,
    ``pip install "skactive[plots]"``. Made best by ``from_estimator``.

    Parameters
    ----------
    values : array-like of shape (n_picks,)
        A number for each pick, in the order picked. Infinite ones are not drawn.
    value_name : str, default="score when picked"
        Label of the axis, with its unit.
    name : str or None, default=None
        Name of the selector, for a legend.

    Attributes
    ----------
    knee_ : int or None
        Number of picks at the knee, counted from 1; None where the curve hardly bends.
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of the axes.
    line_ : matplotlib Line2D
        The curve.

    References
    ----------
    V. Satopää, J. Albrecht, D. Irwin, B. Raghavan: Finding a "Kneedle" in a Haystack: Detecting
    Knee Points in System Behavior. ICDCS Workshops, 2011.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn.datasets import load_iris
    >>> from skactive import CoreSetSelector
    >>> from skactive.displays import GainDisplay
    >>> selector = CoreSetSelector(budget=30).fit(load_iris().data)
    >>> display = GainDisplay.from_estimator(selector)
    >>> display.ax_.get_ylabel()
    'covering radius (units of the features)'
    >>> display.knee_
    4
    """

    def __init__(
        self, *, values: ArrayLike, value_name: str = VALUES["scores_"], name: str | None = None
    ) -> None:
        self.values = values
        self.value_name = value_name
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        attribute: str | None = None,
        name: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw what a fitted selector has recorded of its picks.

        Parameters
        ----------
        estimator : selector, or Pipeline ending in one
            The fitted selector.
        attribute : {"information_gain_", "radius_curve_", "coverage_", "target_variance_", \
                "scores_"} or None, default=None
            What to draw; None means the first of these that the selector has. The information
            gain, which adds up over the picks, is drawn pick by pick.
        name : str or None, default=None
            Name for a legend, to compare several selectors on the same axes.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        **plot_params : dict
            Passed to ``plot``.

        Returns
        -------
        display : GainDisplay
        """
        selector = estimator[-1] if isinstance(estimator, Pipeline) else estimator
        check_is_fitted(selector, "indices_")
        if attribute is None:
            attribute = next(known for known in VALUES if hasattr(selector, known))
        check_choice(attribute, "attribute", tuple(VALUES))
        if not hasattr(selector, attribute):
            recorded = [known for known in VALUES if hasattr(selector, known)]
            raise ValueError(
                f"attribute == {attribute!r}, which {type(selector).__name__} has not; use one of "
                f"{', '.join(map(repr, recorded))}."
            )
        values = np.asarray(getattr(selector, attribute), dtype=np.float64)
        if attribute == "information_gain_":
            values = np.diff(values, prepend=0.0)
        display = cls(values=values, value_name=VALUES[attribute], name=name)
        return display.plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        knee: bool = True,
        log_y: bool = False,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the values over the picks.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        knee : bool, default=True
            Mark where the curve flattens.
        log_y : bool, default=False
            Draw the values on a logarithmic axis; those that are not positive are left out. The
            knee stays that of the values themselves.
        line_kw : dict or None, default=None
            Passed to matplotlib's ``plot``, over the looks of the display.

        Returns
        -------
        self : GainDisplay
        """
        values = np.asarray(self.values, dtype=np.float64)
        if values.ndim != 1:
            raise ValueError(
                f"values must be flat, a number a pick; got an array of shape {values.shape}. Draw "
                "one curve at a time."
            )
        finite = np.isfinite(values)
        drawn = finite & ((values > 0) | (not log_y))
        if not drawn.any():
            raise ValueError(
                f"values must hold a number that can be drawn; got none among {len(values)}. With "
                "log_y=True it has to be positive."
            )
        picks = np.arange(1, len(values) + 1)
        self.knee_ = find_knee(picks[finite], values[finite])
        self.ax_ = axes_for(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        looks = {
            **style(len(self.ax_.lines)),
            "markersize": 4,
            "markevery": -(-int(drawn.sum()) // _MOST_MARKERS),
            "label": self.name or "_single",
            **(line_kw or {}),
        }
        (self.line_,) = self.ax_.plot(picks[drawn], values[drawn], **looks)
        if knee and self.knee_ is not None and drawn[self.knee_ - 1]:
            self._mark(values[self.knee_ - 1])
        self._finish(log_y)
        return self

    def _mark(self, value: float) -> None:
        color = self.line_.get_color()
        # Not a line, which the next selector on these axes would count as a curve.
        looks = {"s": 110, "facecolors": "none", "edgecolors": color, "linewidths": 1.5}
        self.ax_.scatter([self.knee_], [value], zorder=3, **looks)
        rises = self.line_.get_ydata()[-1] > self.line_.get_ydata()[0]
        self.ax_.annotate(
            f"knee: {self.knee_} picks",
            (self.knee_, value),
            xytext=(10, -14 if rises else 12),
            textcoords="offset points",
            va="top" if rises else "bottom",
            color=color,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1},
        )

    def _finish(self, log_y: bool) -> None:
        self.ax_.set(xlabel="pick", ylabel=self.value_name)
        self.ax_.grid(alpha=0.3)
        self.ax_.locator_params(axis="x", integer=True)
        if log_y:
            self.ax_.set_yscale("log")
        elif min(self.line_.get_ydata()) >= 0:
            # Not set_ylim, after which further curves would be cut.
            self.ax_.update_datalim([(1, 0)])
            self.ax_.autoscale_view()
        if self.name is not None:
            add_legend(self.ax_)


def find_knee(places: Any, values: Any) -> int | None:
    """The place farthest from the line between the ends, if it is a tenth of the range from it."""
    height = np.ptp(values)
    if len(values) < _LEAST_PICKS or height == 0:
        return None
    along = (places - places[0]) / (places[-1] - places[0])
    chord = values[0] + along * (values[-1] - values[0])
    distances = np.abs(values - chord) / height
    best = int(distances.argmax())
    return int(places[best]) if distances[best] >= _LEAST_BEND else None
