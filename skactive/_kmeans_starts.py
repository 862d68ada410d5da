"""k-means++: points drawn one after the other by their squared distance from those before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skactive._points import Points

# Points drawn by the same distances. One sweep over all points then serves those that are kept.
_N_DRAWS = 64


def k_means_plus_plus(
    points: Points,
    n_picks: int,
    *,
    centers: NDArray[np.int64],
    candidates: Tensor,
    random_state: np.random.RandomState,
    weights: Tensor | None = None,
    first: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw points by D²: by their squared distance to the nearest center or pick so far.

    Some are drawn at once, by their distances from the picks before, and each is kept with the
    probability that is left of its own after those kept just before it: the picks have exactly
    the distribution of draws one by one, and those for a smaller `n_picks` are the first ones for
    a larger. Points without any distance left are drawn uniformly, after all others.

    D. Arthur, S. Vassilvitskii: k-means++: The Advantages of Careful Seeding. SODA 2007.

    Parameters
    ----------
    points : Points
    n_picks : int
        At most as many as there are candidates.
    centers : ndarray of shape (n_centers,)
        Positions of the first centers, such as labeled rows.
    candidates : boolean tensor of shape (n_samples,)
        What may be drawn; no center among them.
    random_state : RandomState
    weights : tensor of shape (n_samples,), default=None
        Factors >= 0 of the probabilities, also of the first draw; 1 when None.
    first : int, default=None
        The first pick where there is no center; None draws it.

    Returns
    -------
    indices, scores : ndarray of shape (n_picks,)
        The picks in order, and D² of each when it was picked; infinite for the first where there
        is no center.
    """
    free = candidates.cpu().numpy().copy()
    factors = np.ones(points.n_samples) if weights is None else weights.cpu().numpy()
    picks: list[int] = []
    scores: list[float] = []
    nearest = points.nearest_squares(centers).cpu().numpy()
    if not len(centers) and n_picks:
        picks.append(_first(factors * free, free, random_state) if first is None else first)
        scores.append(np.inf)
        free[picks] = False
        nearest = points.nearest_squares(np.array(picks)).cpu().numpy()
    while len(picks) < n_picks:
        shares = _shares(np.where(free, nearest, 0.0) * factors)
        if shares is None:
            rest = random_state.permutation(np.flatnonzero(free))[: n_picks - len(picks)]
            picks.extend(rest.tolist())
            scores.extend(nearest[rest].tolist())
            break
        drawn = shares.searchsorted(random_state.random_sample(_N_DRAWS), side="right")
        limits = random_state.random_sample(_N_DRAWS) * nearest[drawn]
        among = points.squares_among(drawn).cpu().numpy()
        kept: list[int] = []
        for i, limit in enumerate(limits):
            left = min(nearest[drawn[i]], among[i, kept].min(initial=np.inf))
            if left > limit and len(picks) < n_picks:
                kept.append(i)
                picks.append(int(drawn[i]))
                scores.append(float(left))
        free[picks] = False
        if len(picks) < n_picks:
            added = points.nearest_squares(drawn[kept]).cpu().numpy()
            np.minimum(nearest, added, out=nearest)
    return np.array(picks, dtype=np.int64), np.array(scores, dtype=np.float64)


def _first(
    weights: NDArray[np.float64], free: NDArray[np.bool_], random_state: np.random.RandomState
) -> int:
    shares = _shares(weights)
    if shares is None:
        return int(random_state.choice(np.flatnonzero(free)))
    return int(shares.searchsorted(random_state.random_sample(), side="right"))


def _shares(weights: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Cumulative shares of the weights; None where all are 0."""
    largest = float(weights.max())
    if not np.isfinite(largest):
        raise ValueError(
            f"the largest squared distance == {largest!r}, must be finite. Rescale the features "
            "to a moderate range, for instance with sklearn.preprocessing.StandardScaler."
        )
    if largest <= 0:
        return None
    shares: NDArray[np.float64] = (weights / largest).cumsum()
    shares /= shares[-1]
    return shares
