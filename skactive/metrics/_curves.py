"""What labels have brought: numbers from learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skactive._validation import check_choice, check_number

__all__ = [
    "LearningCurve",
    "area_under_learning_curve",
    "labels_needed",
    "labels_saved",
    "learning_curve",
]

COUNTS = ("n_labeled", "n_bought", "cost")


class LearningCurve(NamedTuple):
    """Scores of a model after more and more labels."""

    n_labels: NDArray[np.float64]
    """Labels, or their cost, of shape (n_rounds,)."""
    scores: NDArray[np.float64]
    """Score with as many, of shape (n_rounds,); greater is better."""


def learning_curve(history: Any, *, x: str = "n_labeled") -> LearningCurve:
    """The learning curve of a loop: labels and score of each round that trained a model.

    Parameters
    ----------
    history : ActiveLearningLoop or list of dict
        A fitted loop, or its ``history_``. Of each entry ``score`` and `x` are read; rounds
        without a score, with ``fitted`` False, or without a label more than the round before
        are left out.
    x : {"n_labeled", "n_bought", "cost"}, default="n_labeled"
        What to count: labels owned and bought, labels bought, or what they cost.

    Returns
    -------
    curve : LearningCurve
        The pair ``n_labels, scores``, for ``area_under_learning_curve(*curve)`` and the like.

    Examples
    --------
    >>> from skactive.metrics import learning_curve
    >>> curve = learning_curve(
    ...     [{"n_labeled": 10, "score": 0.5}, {"n_labeled": 20, "score": 0.75}]
    ... )
    >>> curve.scores
    array([0.5 , 0.75])
    """
    check_choice(x, "x", COUNTS)
    if isinstance(history, BaseEstimator):
        check_is_fitted(history, "history_")
    entries = getattr(history, "history_", history)
    if not isinstance(entries, Sequence) or not all(
        isinstance(entry, Mapping) for entry in entries
    ):
        raise TypeError(
            f"history must be a fitted ActiveLearningLoop or a list of dicts, a round each; got "
            f"{type(history).__name__}. Pass loop.history_."
        )
    counts: list[float] = []
    scores: list[float] = []
    for entry in entries:
        missing = [name for name in (x, "score") if name not in entry]
        if missing:
            raise ValueError(
                f"history must hold {x!r} and 'score' in every entry; got one without "
                f"{missing[0]!r}. Pass loop.history_."
            )
        count, score = float(entry[x]), float(entry["score"])
        if entry.get("fitted", True) and score == score and (not counts or count > counts[-1]):
            counts.append(count)
            scores.append(score)
    if not counts:
        raise ValueError(
            f"history must hold a score; got none in {len(entries)} rounds. Pass X_val and y_val "
            "to the loop's fit."
        )
    return LearningCurve(np.array(counts), np.array(scores))


def area_under_learning_curve(
    n_labels: Any,
    scores: Any,
    *,
    min_labels: float | None = None,
    max_labels: float | None = None,
    scale: str = "linear",
) -> float:
    r"""Mean score along a learning curve: the area under it, divided by its width.

    The curve is linear between its points, over the labels or over their logarithm, which gives
    each doubling of the labels the same weight. Curves compare over the same range only.

    Parameters
    ----------
    n_labels : array-like of shape (n_rounds,)
        Labels, increasing.
    scores : array-like of shape (n_rounds,)
        Score with as many.
    min_labels, max_labels : float or None, default=None
        Range to look at, within that of `n_labels`; None means its ends.
    scale : {"linear", "log"}, default="linear"
        Whether labels or their logarithms are spaced evenly. "log" looks at positive `n_labels`
        only.

    Returns
    -------
    area : float
        In the units of the score: 1 for a curve that is 1 everywhere.

    References
    ----------
    I. Guyon, G. Cawley, G. Dror, V. Lemaire: Results of the Active Learning Challenge. JMLR
    Workshop and Conference Proceedings 16, 2011.

    Examples
    --------
    >>> from skactive.metrics import area_under_learning_curve
    >>> area_under_learning_curve([10, 20, 40], [0.5, 0.75, 1.0])
    0.791...
    >>> area_under_learning_curve([10, 20, 40], [0.5, 0.75, 1.0], max_labels=20)
    0.625
    >>> round(area_under_learning_curve([10, 20, 40], [0.5, 0.75, 1.0], scale="log"), 6)
    0.75
    """
    check_choice(scale, "scale", ("linear", "log"))
    curve = check_curve(n_labels, scores)
    low = _check_limit(min_labels, "min_labels", curve.n_labels, curve.n_labels[0])
    high = _check_limit(max_labels, "max_labels", curve.n_labels, curve.n_labels[-1])
    if not low < high:
        raise ValueError(
            f"The curve is looked at from {low:g} to {high:g} labels, must be over a range. Pass a "
            "curve of two points or more, and min_labels < max_labels."
        )
    known, values = curve
    inside = known[(known > low) & (known < high)]
    places = np.concatenate([[low], inside, [high]])
    if scale == "log":
        positive = known > 0
        known, values = known[positive], values[positive]
        # From 0 to the first positive count the curve would be infinitely wide.
        if len(known) == 0 or low < known[0]:
            first = f" {known[0]:g}" if len(known) else " one that is there"
            raise ValueError(
                f"scale == 'log' needs n_labels > 0 and a curve from there on; got {low:g}. Count "
                f"'n_labeled', or pass min_labels of at least{first}."
            )
        known, places = np.log(known), np.log(places)
    heights = np.interp(places, known, values)
    steps = np.diff(places)
    return float(steps @ (heights[1:] + heights[:-1]) / 2 / steps.sum())


def labels_needed(n_labels: Any, scores: Any, goal: float) -> float:
    """Labels after which a learning curve first reaches a score.

    Between rounds the score is taken to be linear in the labels. A score that was reached is not
    taken back where the curve falls again later.

    Parameters
    ----------
    n_labels : array-like of shape (n_rounds,)
        Labels, increasing.
    scores : array-like of shape (n_rounds,)
        Score with as many; greater is better.
    goal : float
        The score to reach.

    Returns
    -------
    n_needed : float
        Infinite where the goal is not reached; the first of `n_labels` where that suffices, which
        fewer might have done, too.

    Examples
    --------
    >>> from skactive.metrics import labels_needed
    >>> labels_needed([10, 20, 40], [0.5, 0.75, 1.0], 0.875)
    30.0
    >>> labels_needed([10, 20, 40], [0.5, 0.75, 1.0], 1.5)
    inf
    """
    curve = check_curve(n_labels, scores)
    check_number(goal, "goal", minimum=-np.inf)
    reached = np.flatnonzero(curve.scores >= goal)
    if len(reached) == 0:
        return float("inf")
    last = reached[0]
    if last == 0:
        return float(curve.n_labels[0])
    (before, after), (low, high) = (values[last - 1 : last + 1] for values in curve)
    return float(before + (after - before) * ((goal - low) / (high - low)))


def labels_saved(
    n_labels: Any,
    scores: Any,
    baseline_n_labels: Any,
    baseline_scores: Any,
    goal: float | None = None,
) -> float:
    """Labels that a learning curve needs less than a baseline to reach the same score.

    Of two loops: ``labels_saved(*learning_curve(loop), *learning_curve(baseline))``. For several
    runs pass mean curves, since runs that never reach the goal make a mean of savings infinite.

    Parameters
    ----------
    n_labels, scores : array-like of shape (n_rounds,)
        The curve, as for :func:`labels_needed`.
    baseline_n_labels, baseline_scores : array-like of shape (n_rounds_baseline,)
        The curve of the baseline, for instance of random picks.
    goal : float or None, default=None
        The score to reach; None means the last one of the baseline.

    Returns
    -------
    n_saved : float
        Negative where more are needed; infinite where only the baseline fails to reach the goal,
        minus infinite where only the curve does, NaN where both do.

    Examples
    --------
    >>> from skactive.metrics import labels_saved
    >>> labels_saved([10, 20, 40], [0.5, 0.75, 1.0], [10, 20, 40], [0.25, 0.5, 0.75])
    20.0
    """
    baseline = check_curve(baseline_n_labels, baseline_scores, "baseline_")
    if goal is None:
        goal = float(baseline.scores[-1])
    own, others = labels_needed(n_labels, scores, goal), labels_needed(*baseline, goal)
    return others - own if np.isfinite(own) or np.isfinite(others) else float("nan")


def _check_limit(limit: Any, name: str, n_labels: NDArray[np.float64], default: float) -> float:
    if limit is None:
        return float(default)
    check_number(limit, name, minimum=-np.inf)
    if not n_labels[0] <= limit <= n_labels[-1]:
        raise ValueError(
            f"{name} == {limit!r}, must lie within the curve, from {n_labels[0]:g} to "
            f"{n_labels[-1]:g} labels: what is beyond is not known."
        )
    return float(limit)


def check_curve(n_labels: Any, scores: Any, prefix: str = "") -> LearningCurve:
    """Two flat, finite arrays of the same length, the first one increasing."""
    arrays = []
    for values, name in ((n_labels, f"{prefix}n_labels"), (scores, f"{prefix}scores")):
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 1 or len(array) == 0:
            raise ValueError(
                f"{name} must be a flat array of one number a round; got shape {array.shape}. For "
                "a loop pass *learning_curve(loop)."
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite; got NaN or infinity. Leave such rounds out.")
        arrays.append(array)
    if len(arrays[0]) != len(arrays[1]):
        raise ValueError(
            f"{prefix}n_labels and {prefix}scores must be of the same length; got {len(arrays[0])} "
            f"and {len(arrays[1])}."
        )
    if (np.diff(arrays[0]) <= 0).any():
        raise ValueError(
            f"{prefix}n_labels must increase from round to round; got "
            f"{arrays[0].tolist()[:8]}. Sort the curve and leave repeated counts out."
        )
    return LearningCurve(*arrays)
