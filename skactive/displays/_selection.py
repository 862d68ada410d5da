"""Where the picks lie in the pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import _num_samples

from skactive._extras import require
from skactive._validation import check_labeled, check_number
from skactive.displays._projection import features_of, project, rows_of
from skactive.displays._style import GREY, add_legend, axes_for, is_dark, style
from skactive.metrics._inputs import label_kind

__all__ = ["SelectionDisplay"]

_COLORMAP = "viridis"  # of even steps in lightness
_MOST_NAMES = 18  # as many classes as the legend has room for
_LARGE, _SMALL = 130, 30  # areas of markers with and without a number, in points²


class SelectionDisplay:
    """Draw the pool in a plane, with the picks in the order in which they were made.

    Rows of the pool are grey points, labeled rows crosses, targets hollow triangles. The first
    picks bear their numbers. Needs matplotlib, ``pip install "skactive[plots]"``. Made best by
    ``from_estimator``.

    Parameters
    ----------
    points : array-like of shape (n_points, 2)
        Rows of the pool in the plane.
    picks : array-like of shape (n_picks, 2)
        The picks, in the order made.
    labeled : array-like of shape (n_labeled, 2) or None, default=None
        Labeled rows.
    targets : array-like of shape (n_targets, 2) or None, default=None
        Points one wants to predict well.
    values : array-like of shape (n_picks,) or None, default=None
        Labels of the picks: classes get a colour and a marker each, numbers a scale of colours.
    axis_names : tuple of two str, default=("feature 0", "feature 1")
        Labels of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of the axes.
    pool_ : matplotlib PathCollection
        The grey points.
    picks_ : list of matplotlib PathCollection
        The picks: those without number by their marker, then the others, the first one last.
    texts_ : list of matplotlib Text
        The numbers of the first picks.
    colorbar_ : matplotlib Colorbar or None
        What colours stand for, where that is a number.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn.datasets import load_iris
    >>> from skactive import CoreSetSelector
    >>> from skactive.displays import SelectionDisplay
    >>> X = load_iris().data
    >>> display = SelectionDisplay.from_estimator(CoreSetSelector(budget=5).fit(X), X)
    >>> [text.get_text() for text in display.texts_]
    ['1', '2', '3', '4', '5']
    """

    def __init__(
        self,
        *,
        points: ArrayLike,
        picks: ArrayLike,
        labeled: ArrayLike | None = None,
        targets: ArrayLike | None = None,
        values: ArrayLike | None = None,
        axis_names: tuple[str, str] = ("feature 0", "feature 1"),
    ) -> None:
        self.points = points
        self.picks = picks
        self.labeled = labeled
        self.targets = targets
        self.values = values
        self.axis_names = axis_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        y: Any = None,
        labeled: Any = None,
        X_target: Any = None,
        projection: Any = None,
        max_points: int = 20_000,
        random_state: int | np.random.RandomState | None = 0,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Draw what a fitted selector has picked.

        Parameters
        ----------
        estimator : selector, or Pipeline ending in one
            The fitted selector. What it computes from `X`, by steps before it or by an embedding,
            is what is drawn.
        X : array-like or CSR matrix of shape (n_samples, n_features)
            The pool it was fitted to.
        y : array-like of shape (n_samples,), default=None
            Labels, to colour the picks by instead of their order; read at the picks only.
        labeled : array-like, default=None
            Rows whose label was known, as a mask or as positions.
        X_target : array-like of shape (n_targets, n_features), default=None
            The targets it was fitted to.
        projection : transformer or None, default=None
            What gives each row two coordinates. One that is fitted is used as it is, another one
            cloned and fitted to the rows drawn. None takes two features as they are, and the
            first two principal components of more.
        max_points : int >= 1, default=20000
            Larger pools are represented by as many rows drawn at random, beside the picks and
            the labeled rows.
        random_state : int, RandomState instance or None, default=0
            Draws them.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        **plot_params : dict
            Passed to ``plot``.

        Returns
        -------
        display : SelectionDisplay
        """
        check_number(max_points, "max_points", minimum=1, strict=False, integer=True)
        X, X_target, selector = features_of(estimator, X, X_target)
        n_samples, picks = _num_samples(X), selector.indices_
        if n_samples != selector.n_samples_fit_:
            raise ValueError(
                f"X must be the pool that the selector was fitted to, of {selector.n_samples_fit_} "
                f"rows; got {n_samples}."
            )
        if y is not None and _num_samples(y) != n_samples:
            raise ValueError(
                f"y must hold a label for each of the {n_samples} rows of X, of any kind where no "
                f"row is picked; got {_num_samples(y)}."
            )
        known = check_labeled(labeled, n_samples)
        rows = np.arange(n_samples)
        if n_samples > max_points:
            rows = check_random_state(random_state).choice(n_samples, max_points, replace=False)
        # Each row once; those of the pool first.
        drawn = np.unique(np.concatenate([rows, picks, known]))
        plane = project(
            rows_of(X, drawn, "X"),
            None if X_target is None else rows_of(X_target, slice(None), "X_target"),
            projection,
        )
        names = getattr(selector, "feature_names_in_", None)
        as_they_are = projection is None and plane.axis_names[0] == "feature 0"

        def place(positions: NDArray[np.int64]) -> NDArray[np.float64]:
            return plane.points[np.searchsorted(drawn, positions)]

        display = cls(
            points=place(np.setdiff1d(rows, np.concatenate([picks, known]))),
            picks=place(picks),
            labeled=place(known) if len(known) else None,
            targets=plane.targets,
            values=None if y is None else np.asarray(_safe_indexing(y, picks)),
            axis_names=(
                (str(names[0]), str(names[1]))
                if as_they_are and names is not None and not hasattr(selector, "embedding_")
                else plane.axis_names
            ),
        )
        return display.plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        n_numbers: int = 30,
        pool_kw: Mapping[str, Any] | None = None,
        picks_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the pool and the picks.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        n_numbers : int >= 0, default=30
            Picks that bear their number. Where there are more, and no `y`, a colour bar tells the
            order.
        pool_kw, picks_kw : dict or None, default=None
            Passed to matplotlib's ``scatter``, over the looks of the display.

        Returns
        -------
        self : SelectionDisplay
        """
        check_number(n_numbers, "n_numbers", strict=False, integer=True)
        self.ax_ = axes_for(ax, type(self).__name__, 7.2)
        self.figure_ = self.ax_.figure
        self.texts_: list[Any] = []
        self.picks_: list[Any] = []
        self.colorbar_ = None
        # As many points as pixels: a vector graphic would hold each of them.
        looks = {"s": 9, "color": GREY, "linewidths": 0, "rasterized": True, "label": "pool"}
        self.pool_ = self.ax_.scatter(*np.transpose(self.points), **{**looks, **(pool_kw or {})})
        if self.targets is not None:
            looks = {"s": 28, "marker": "^", "facecolors": "none", "edgecolors": "#D55E00"}
            self.ax_.scatter(*np.transpose(self.targets), label="targets", zorder=2, **looks)
        if self.labeled is not None:
            looks = {"s": 34, "marker": "x", "color": "black", "linewidths": 1.2}
            self.ax_.scatter(*np.transpose(self.labeled), label="labeled", zorder=2.5, **looks)
        self._draw_picks(n_numbers, picks_kw or {})
        self.ax_.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1])
        return self

    def _draw_picks(self, n_numbers: int, picks_kw: Mapping[str, Any]) -> None:
        colors, markers, legend = self._looks(n_numbers)
        places = np.asarray(self.picks, dtype=np.float64)
        effects = require("matplotlib.patheffects", "plots", type(self).__name__)
        # Early picks lie on top of later ones, each number right above its marker.
        late = np.arange(n_numbers, len(places))[::-1]
        for marker in sorted({markers[k] for k in late}):
            some = [k for k in late if markers[k] == marker]
            looks = {"s": _SMALL, "edgecolors": "black", "linewidths": 0.5, "zorder": 3}
            looks |= {"marker": marker, "color": [colors[k] for k in some], **picks_kw}
            self.picks_.append(self.ax_.scatter(*places[some].T, **looks))
        for k in range(min(n_numbers, len(places)))[::-1]:
            level = 4 - k / n_numbers
            looks = {"s": _LARGE, "edgecolors": "white", "linewidths": 0.8, "zorder": level}
            looks |= {"marker": markers[k], "color": colors[k], **picks_kw}
            self.picks_.append(self.ax_.scatter(*places[k], **looks))
            text = self.ax_.annotate(
                str(k + 1),
                places[k],
                ha="center",
                va="center_baseline",
                fontsize=7,
                color="white" if is_dark(colors[k]) else "black",
                zorder=level + 0.5 / n_numbers,
                # Legible where it is wider than the marker, too.
                path_effects=[effects.withStroke(linewidth=2, foreground=colors[k])],
            )
            self.texts_.insert(0, text)
        for name, looks in legend.items():
            self.ax_.scatter([], [], label=name, s=60, **looks)
        add_legend(self.ax_)

    def _looks(self, n_numbers: int) -> tuple[Any, list[str], dict[str, dict[str, Any]]]:
        """Colour and marker of each pick, and the entries of a legend."""
        n_picks = len(np.asarray(self.picks))
        if self.values is None:
            order = np.arange(1, n_picks + 1)
            colors = self._scale(order, "pick" if n_picks > n_numbers else None)
            return colors, ["o"] * n_picks, {"picks": {"color": colors[0], "marker": "o"}}
        values = np.asarray(self.values)
        if values.shape != (n_picks,):
            raise ValueError(
                f"The labels must be one for each of the {n_picks} picks; got an array of shape "
                f"{values.shape}. Pass a single output."
            )
        if label_kind(values, "y").startswith("continuous"):
            colors = self._scale(values, "label of the pick")
            return colors, ["o"] * n_picks, {"picks": {"color": colors[0], "marker": "o"}}
        classes, codes = np.unique(values, return_inverse=True)
        of_class = [{k: style(c)[k] for k in ("color", "marker")} for c in range(len(classes))]
        legend = {f"picks: {label}": of_class[c] for c, label in enumerate(classes[:_MOST_NAMES])}
        if len(classes) > _MOST_NAMES:
            legend[f"and {len(classes) - _MOST_NAMES} other classes"] = {"color": "none"}
        colors, markers = ([of_class[c][key] for c in codes] for key in ("color", "marker"))
        return colors, markers, legend

    def _scale(self, numbers: NDArray[Any], name: str | None) -> Any:
        """Colours of numbers, with a bar to read them by where it has a name."""
        matplotlib = require("matplotlib", "plots", type(self).__name__)
        require("matplotlib.cm", "plots", type(self).__name__)
        low, high = numbers.min(), numbers.max()
        limits = matplotlib.colors.Normalize(low, high if high > low else low + 1)
        scale = matplotlib.cm.ScalarMappable(limits, matplotlib.colormaps[_COLORMAP])
        if name is not None:
            self.colorbar_ = self.figure_.colorbar(
                scale, ax=self.ax_, location="bottom", label=name, shrink=0.8, aspect=40
            )
        return scale.to_rgba(numbers)
