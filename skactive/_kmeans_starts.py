"""k-means++: points drawn one after the other by their squared distance from those before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skactive._points import Points
from skactive._weighted_rows import WeightedRows

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
    remaining = PointsLeft(points, centers, candidates, weights)
    return draw_all(
        remaining, n_picks, has_centers=len(centers) > 0, random_state=random_state, first=first
    )


class Drawn(NamedTuple):
    """Points drawn by the same distances; some may be drawn twice."""

    positions: NDArray[np.int64]
    squares: NDArray[np.float64]
    """Of the distance of each to what was picked before."""
    among: NDArray[np.float64]
    """Squared distances between them, of shape (n_drawn, n_drawn)."""


class Remaining(ABC):
    """What may be drawn, and the squared distances by which it is."""

    @property
    @abstractmethod
    def n_free(self) -> int:
        """How many points may be drawn."""

    @property
    @abstractmethod
    def is_used_up(self) -> bool:
        """Whether none of them has any distance left."""

    @abstractmethod
    def draw(self, shares: NDArray[np.float64]) -> Drawn:
        """The points where the shares in the sum of all squares are reached, each in [0, 1)."""

    @abstractmethod
    def pick(self, positions: NDArray[np.int64]) -> None:
        """Make points centers that have just been drawn, or any other ones."""

    @abstractmethod
    def at(self, ranks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Positions and squares of those that may be drawn, by their ranks among these."""


def draw_all(
    remaining: Remaining,
    n_picks: int,
    *,
    has_centers: bool,
    random_state: np.random.RandomState,
    first: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """As `k_means_plus_plus`, wherever the points are."""
    head = np.empty(0, dtype=np.int64)
    if not has_centers and n_picks:
        if first is not None:
            head = np.array([first], dtype=np.int64)
        elif remaining.is_used_up:
            head, _ = remaining.at(np.array([random_state.randint(remaining.n_free)]))
        else:
            head = remaining.draw(random_state.random_sample(1)).positions
        if n_picks > 1:
            remaining.pick(head)
    n_left = n_picks - len(head)
    picks, scores = draw_distant(remaining, n_left, random_state)
    n_left -= len(picks)
    rest, squares = np.empty(0, dtype=np.int64), np.empty(0)
    if n_left:
        rest, squares = remaining.at(random_state.permutation(remaining.n_free)[:n_left])
    indices = np.concatenate([head, picks, rest])
    return indices, np.concatenate([np.full(len(head), np.inf), scores, squares])


def draw_distant(
    remaining: Remaining, n_picks: int, random_state: np.random.RandomState
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Picks as long as there is any distance left, and their squares when they were picked."""
    picks: list[int] = []
    scores: list[float] = []
    while len(picks) < n_picks and not remaining.is_used_up:
        drawn = remaining.draw(random_state.random_sample(_N_DRAWS))
        limits = random_state.random_sample(_N_DRAWS) * drawn.squares
        kept: list[int] = []
        for i, limit in enumerate(limits):
            left = min(drawn.squares[i], drawn.among[i, kept].min(initial=np.inf))
            if left > limit and len(picks) + len(kept) < n_picks:
                kept.append(i)
                scores.append(float(left))
        picks.extend(drawn.positions[kept].tolist())
        if len(picks) < n_picks:
            remaining.pick(drawn.positions[kept])
    return np.array(picks, dtype=np.int64), np.array(scores, dtype=np.float64)


class Nearest:
    """Squared distances of some points to the nearest center, and which of them may be drawn.

    Parameters
    ----------
    free : boolean ndarray of shape (n_samples,)
    unknown : float
        The square before there is any center.
    factors : ndarray of shape (n_samples,) or None
        Of the probabilities.
    """

    def __init__(
        self,
        free: NDArray[np.bool_],
        unknown: float,
        factors: NDArray[np.float64] | None = None,
    ) -> None:
        self.free = free
        self.squares = np.full(len(free), unknown)
        self._factors = factors
        self._has_centers = False
        self._weigh()

    def add(self, squares: NDArray[np.float64], positions: NDArray[np.int64]) -> None:
        """Take squared distances to further centers into account, and no longer draw some."""
        if self._has_centers:
            np.minimum(self.squares, squares, out=self.squares)
        else:
            self.squares = squares
        self._has_centers = True
        self.free[positions] = False
        self._weigh()

    def _weigh(self) -> None:
        weights = np.where(self.free, self.squares, 0.0)
        self.weighted = WeightedRows(weights if self._factors is None else weights * self._factors)


class PointsLeft(Remaining):
    """Points in memory; parameters as those of `k_means_plus_plus`."""

    def __init__(
        self,
        points: Points,
        centers: NDArray[np.int64],
        candidates: Tensor,
        weights: Tensor | None = None,
    ) -> None:
        self._points = points
        factors = None if weights is None else weights.cpu().numpy()
        self._nearest = Nearest(candidates.cpu().numpy().copy(), points.unknown_square, factors)
        if len(centers):
            self.pick(centers)

    @property
    def n_free(self) -> int:
        return int(self._nearest.free.sum())

    @property
    def is_used_up(self) -> bool:
        return self._nearest.weighted.total == 0

    def draw(self, shares: NDArray[np.float64]) -> Drawn:
        weighted = self._nearest.weighted
        positions = weighted.find(shares * weighted.total)
        among = self._points.squares_among(positions).cpu().numpy()
        return Drawn(positions, self._nearest.squares[positions], among)

    def pick(self, positions: NDArray[np.int64]) -> None:
        squares = self._points.nearest_squares(positions).cpu().numpy()
        self._nearest.add(squares, positions)

    def at(self, ranks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        positions = np.flatnonzero(self._nearest.free)[ranks]
        return positions, self._nearest.squares[positions]
