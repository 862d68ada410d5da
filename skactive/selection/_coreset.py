"""Core-set selection: cover the pool with balls of the smallest radius."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._greedy import GreedySelector
from skactive._landmarks import DistanceLandmarks, Landmarks
from skactive._rows import Rows
from skactive._shortlist import Rivals, Shortlist
from skactive._validation import check_choice, check_number
from skactive.selection._centers import PoolCenters
from skactive.selection._cover import Cover
from skactive.selection._local_cover import LocalCover
from skactive.selection._radius_curve import curve_of_scores, radius_curve
from skactive.selection._robust_k_center import robust_k_center

__all__ = ["CoreSetSelector"]

_SHORTLIST_ENTRIES = 3 * 2**15
_FEW_ROWS = 16  # among which the farthest of all is sought


class CoverState(NamedTuple):
    """What one block of picks hands to the next."""

    pool: Pool
    # Distances to the nearest center, of all rows or of those of a shortlist.
    cover: Cover
    local: LocalCover | None
    # (n_rows,) score of the first center where none is labeled; not used once there is one.
    preference: Tensor | None


class CoreSetSelector(GreedySelector[CoverState]):
    r"""Pick the rows that cover the pool: k-center.

    The greedy method picks the row farthest from all centers so far,
    :math:`\arg\max_x \min_{s \in D} \|x - s\|`; labeled rows are the first centers. Its
    covering radius is at most twice the smallest possible one, so that ``covering_radius_ / 2``
    is a certified lower bound. The picks are those of float64 differences between all rows, and
    near ties (1e-12 of the distance) go to the lowest row number.

    Time is O(n d) a pick at most. Rows are compared with many picks at once, in float32 with
    bounds on its rounding, and only those that may still be the farthest: for 1,000 picks out of
    50,000 rows a quarter to two fifths of all pairs. Memory beside the pool is 110 bytes a row,
    the picks and labeled rows once more, and chunks of a few MiB within scikit-learn's
    ``working_memory``; a memory map is streamed.

    The robust method then looks for the smallest radius :math:`\delta` for which a mixed
    integer program is feasible: centers :math:`u`, outliers :math:`o`, with
    :math:`\sum_{j : d_{ij} \le \delta} u_j + o_i \ge 1` for every row, budget
    :math:`\sum_j u_j = b`, and :math:`\sum_i o_i \le \Xi`. It needs all pairwise distances
    and solves one integer program a step: it is meant for pools of hundreds of rows.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    method : {"greedy", "robust"}, default="greedy"
        How to search; only the greedy picks for a smaller budget are the first ones for a
        larger.
    strategy : {"greedy", "two_round"}, default="greedy"
        Greedy method: "two_round" is for dask pools on slow networks. Each part of the pool picks
        its own centers, and the picks are chosen among these: two round trips in all, and a
        covering radius of at most four times the smallest possible one. A pool in memory is a
        single part, for which both are the same.
    metric : {"euclidean", "cosine"}, default="euclidean"
        "cosine" is the Euclidean distance between rows of unit norm.
    init : {"medoid", "random", "farthest"}, default="medoid"
        First center where nothing is labeled: the row with the smallest sum of squared
        distances to all rows (nearest the mean), a random row, or the row farthest from the
        mean.
    outlier_fraction : float in [0, 1), default=1e-4
        Robust method: share of the rows that may stay uncovered, :math:`\Xi / n`.
    node_limit : int >= 1, default=10000
        Robust method: branch-and-bound nodes per radius. Where they do not suffice, the best
        centers found so far are kept and a ConvergenceWarning says so.
    random_state : int, RandomState instance or None, default=None
        Seed for ``init="random"``.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
    verbose : bool, default=False
        Show a progress bar.
    network : skorch net, torch.nn.Module or None, default=None
        Network that turns the raw inputs `X` (images, texts as tokens, ...) into features, as in
        :class:`~skactive.embedding.NetworkEmbedding`; shorthand for a Pipeline with that step.
    embedding : str, transformer or None, default=None
        Which features: a `kind` of NetworkEmbedding, or any transformer. None means
        "last_layer" where there is a network. A kind without `network` takes the `estimator`
        handed to ``fit``: in an :class:`~skactive.ActiveLearningLoop` the model of the round
        before.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the order picked; farthest first.
    scores_ : ndarray of shape (n_selected,)
        Distance of each pick to the nearest center before it; infinite for the first one where
        nothing is labeled.
    covering_radius_ : float
        Largest distance of a row to its nearest center, outliers of the robust method aside.
    radius_curve_ : ndarray of shape (n_selected,)
        Largest distance of any row to its nearest center after each pick.
    outliers_ : ndarray of shape (n_outliers,)
        Rows beyond the covering radius; empty for the greedy method.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the distances to them.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only with `network` or `embedding`. ``transform`` and
        ``represent`` then take raw inputs, too.

    References
    ----------
    O. Sener, S. Savarese: Active Learning for Convolutional Neural Networks: A Core-Set
    Approach. ICLR 2018.

    G. Malkomes, M. Kusner, W. Chen, K. Weinberger, B. Moseley: Fast Distributed k-Center Clustering
    with Outliers on Massive Data. NeurIPS 2015 ("two_round").

    T. Gonzalez: Clustering to Minimize the Maximum Intercluster Distance. Theoretical Computer
    Science 38, 1985.

    Examples
    --------
    >>> from skactive import CoreSetSelector
    >>> X = [[0.0], [1.0], [2.0], [10.0]]
    >>> selector = CoreSetSelector(budget=2).fit(X)
    >>> selector.indices_
    array([2, 3])
    >>> selector.covering_radius_
    2.0
    >>> CoreSetSelector(budget=2, method="robust").fit(X).covering_radius_
    1.0
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        method: str = "greedy",
        strategy: str = "greedy",
        metric: str = "euclidean",
        init: str = "medoid",
        outlier_fraction: float = 1e-4,
        node_limit: int = 10_000,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        verbose: bool = False,
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.method = method
        self.strategy = strategy
        self.metric = metric
        self.init = init
        self.outlier_fraction = outlier_fraction
        self.node_limit = node_limit
        self.random_state = random_state
        self.device = device
        self.verbose = verbose
        self.network = network
        self.embedding = embedding

    def _check_params(self) -> None:
        check_choice(self.method, "method", ("greedy", "robust"))
        check_choice(self.strategy, "strategy", ("greedy", "two_round"))
        if self.method == "robust" and self.strategy == "two_round":
            raise ValueError(
                "strategy == 'two_round', must be 'greedy' for method='robust', which needs all "
                "rows at once. Use method='greedy'."
            )
        check_choice(self.metric, "metric", ("euclidean", "cosine"))
        check_choice(self.init, "init", ("medoid", "random", "farthest"))
        check_number(self.outlier_fraction, "outlier_fraction", strict=False)
        if self.outlier_fraction >= 1:
            raise ValueError(
                f"outlier_fraction == {self.outlier_fraction!r}, must be < 1. It is the share of "
                "rows that may stay uncovered; try 1e-4."
            )
        check_number(self.node_limit, "node_limit", minimum=1, strict=False, integer=True)

    def _accepts_sparse(self) -> bool:
        return True

    def _uses_unit_norm(self) -> bool:
        return bool(self.metric == "cosine")

    def _has_prefix_property(self) -> bool:
        return bool(self.method == "greedy" and self.strategy == "greedy")

    def _partitioned(self) -> Callable[[Any, Any], Selection]:
        from skactive.distributed._core_set import select_core_set

        return select_core_set

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return DistanceLandmarks(unit_norm=self._uses_unit_norm())

    def _start(self, pool: Pool) -> CoverState:
        rows = self._compared_rows(pool)
        preference = None if len(pool.labeled) else self._first_center(rows, pool)
        return CoverState(pool, Cover(rows, PoolCenters(rows)), None, preference)

    def _compared_rows(self, pool: Pool) -> Rows:
        return pool.rows.unit() if self._uses_unit_norm() else pool.rows

    def _first_center(self, rows: Rows, pool: Pool) -> Tensor:
        if self.init == "random":
            order = pool.random_state.permutation(rows.n_samples)
            return torch.as_tensor(order, dtype=torch.float64, device=rows.device)
        from_mean = rows.distances(rows.mean()[None, :])[:, 0]
        return -from_mean if self.init == "medoid" else from_mean

    def _condition(self, state: CoverState, labeled: NDArray[np.int64]) -> CoverState:
        return self._advance(state, labeled, None)[0] if len(labeled) else state

    def _score_floor(self, state: CoverState, first_score: float) -> float:
        # Differences of rows are exact to rounding, those of unit rows to rounding of the units.
        return 1e-2 if self._uses_unit_norm() else 0.0

    def _restrict(self, state: CoverState, rows: NDArray[np.int64]) -> CoverState:
        preference = state.preference
        if preference is not None:
            preference = preference[torch.as_tensor(rows)].cpu()
        return state._replace(local=state.cover.restrict(rows), preference=preference)

    def _score(self, state: CoverState) -> Tensor:
        if state.preference is not None:
            return state.preference
        assert state.local is not None  # only shortlists are scored
        return state.local.nearest

    def _sharpen(self, state: CoverState, choice: Tensor) -> None:
        if state.preference is None:
            state.cover.sharpen(choice, self._shortlist_size(state))

    def _upper(self, state: CoverState) -> Tensor:
        return state.cover.upper if state.preference is None else state.preference

    def _step(self, state: CoverState, row: int) -> CoverState:
        assert state.local is not None
        state.local.add(row)
        return state

    def _scores_only_fall(self) -> bool:
        return True

    def _block_size(self, state: CoverState) -> int:
        return self._shortlist_size(state) if state.preference is None else 1

    def _shortlist_size(self, state: CoverState) -> int:
        if state.preference is not None:  # a single pick
            return _FEW_ROWS
        return self._n_listed(int(state.cover.rows.n_features))

    def _n_listed(self, n_features: int) -> int:
        # Not so many that their features would not fit the caches.
        return max(64, min(512, _SHORTLIST_ENTRIES // n_features))

    def _advance(
        self, state: CoverState, picks: NDArray[np.int64], rivals: Rivals | None
    ) -> tuple[CoverState, int]:
        state.cover.add(picks)
        return state._replace(preference=None), len(picks)

    def _finish(self, state: CoverState, selection: Selection) -> Selection:
        if not len(state.pool.labeled):
            selection.scores[0] = np.inf
        self._describe_cover(self._radius_curve(state, selection))
        return selection

    def _describe_cover(self, radius_curve: NDArray[np.float64]) -> None:
        self.radius_curve_ = radius_curve
        self.covering_radius_ = float(radius_curve[-1])
        self.outliers_ = np.empty(0, dtype=np.int64)

    def _radius_curve(self, state: CoverState, selection: Selection) -> NDArray[np.float64]:
        """Largest distance of any row to its nearest center after each pick."""
        pool, cover = state.pool, state.cover
        centers = len(pool.labeled) + int(pool.candidates.sum())
        if centers < pool.rows.n_samples:
            return radius_curve(
                cover.rows, cover.rows.take(pool.labeled), cover.rows.take(selection.indices)
            )
        # All rows but the centers could have been picked: the radius is the score of the next.
        every = torch.ones_like(pool.candidates)
        cover.sharpen(every, _FEW_ROWS)
        left = Shortlist(
            cover.upper, every, 0.0, cover.restrict, lambda local: local.nearest, _FEW_ROWS
        )
        zeros = np.empty(0, dtype=np.int64)
        if self._uses_unit_norm():
            zeros = np.flatnonzero((pool.rows.squared_norms() == 0).cpu().numpy())
        return curve_of_scores(selection, float(left.state.nearest.max()), pool.labeled, zeros)

    def _select(self, pool: Pool) -> Selection:
        greedy = super()._select(pool)
        if self.method == "greedy":
            return greedy
        rows = self._compared_rows(pool)
        _check_pairwise_memory(rows.n_samples)
        points = rows.dense()
        distances = Rows(points, rows.device).distances(points).cpu().numpy()
        n_outliers = int(self.outlier_fraction * rows.n_samples)
        cover = robust_k_center(
            distances,
            candidates=self._possible_centers(pool),
            fixed=pool.labeled,
            start=greedy.indices,
            n_outliers=n_outliers,
            node_limit=int(self.node_limit),
        )
        if not cover.proven:
            warnings.warn(
                f"node_limit == {self.node_limit} did not suffice to find the smallest radius or "
                f"to prove it; {cover.radius:g} is the best found. Raise node_limit.",
                ConvergenceWarning,
                stacklevel=4,
            )
        # The order among the chosen centers: farthest first, as in the greedy method.
        chosen = torch.zeros_like(pool.candidates)
        chosen[torch.as_tensor(cover.centers)] = True
        selection = super()._select(replace(pool, candidates=chosen))
        self.covering_radius_ = cover.radius
        self.outliers_ = cover.outliers
        return selection

    def _possible_centers(self, pool: Pool) -> NDArray[np.int64]:
        """Candidates; those without direction only where the others do not suffice."""
        possible = pool.candidates
        if self._uses_unit_norm():
            directed = possible & (pool.rows.squared_norms() > 0)
            possible = directed if int(directed.sum()) >= pool.n_picks else possible
        return np.flatnonzero(possible.cpu().numpy())


def _check_pairwise_memory(n_samples: int) -> None:
    needed = 8 * n_samples**2 / 2**20
    limit = float(get_config()["working_memory"])
    if needed > max(limit, 1.0):
        raise ValueError(
            f"method == 'robust' needs all pairwise distances, {needed:.0f} MiB for {n_samples} "
            f"rows, more than scikit-learn's working_memory of {limit:g} MiB. Use "
            "method='greedy', pass fewer rows, or raise the limit with "
            "sklearn.set_config(working_memory=...)."
        )
