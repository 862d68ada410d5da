"""LCMD: the row farthest from its center, in the cluster with the largest spread."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._greedy import GreedySelector
from skactive._landmarks import DistanceLandmarks, Landmarks
from skactive._rows import Rows
from skactive._threads import one_thread
from skactive._ties import SCORE_TOLERANCE
from skactive._validation import check_choice
from skactive.selection._nearest_center import NearestCenter

__all__ = ["LCMDSelector"]


class LCMDState(NamedTuple):
    """What one pick hands to the next."""

    centers: NearestCenter
    # (n_samples,) whether a row may be picked and has a direction, where that matters.
    counted: Tensor
    # (n_samples,) score of the first center where none is labeled; not used once there is one.
    preference: Tensor | None
    # Share of its size that a cluster keeps when a row of it is picked; of late, on average.
    kept_share: float


# By how much the last pick changes that average.
_NEWEST = 0.1


class LCMDSelector(GreedySelector[LCMDState]):
    r"""Pick from the largest cluster the row at the maximum distance: LCMD.

    Each row belongs to its nearest center: a labeled row or a pick. The size of the cluster of a
    center :math:`c` is :math:`\sum_{x : c(x) = c} \|x - c\|^2`. The next pick is the row
    farthest from its center, in the largest cluster, and becomes a center. So picks are far
    from each other as in k-center, but not where a few outliers lie.

    Distances are float64 differences of rows: near ties go to the lowest row
    (1e-12 of the score), to the earliest center (1e-9 of the distance) and to the cluster of the
    earliest center (1e-12 of the size). Time is O(n d) a pick; products in float32, with
    bounds on their rounding, find the rows that a new center may be nearest to, and those with
    dozens of rows that may be picked next are computed together. Memory beside the pool is some
    hundred bytes a row, at most 64 MiB of it for these products.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows. The picks for a smaller budget
        are the first ones for a larger.
    metric : {"euclidean", "cosine"}, default="euclidean"
        "cosine" is the Euclidean distance between rows of unit norm.
    init : {"norm", "medoid", "random", "farthest"}, default="norm"
        First center where nothing is labeled: the row with the largest norm, as in the paper (the
        lowest row, where all norms are 1), the row nearest the mean, a random row, or the row
        farthest from the mean.
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
        before. The paper takes gradients with a random projection:
        ``NetworkEmbedding(kind="ntk", sketch_dim=512)``.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the order picked.
    scores_ : ndarray of shape (n_selected,)
        Distance of each pick to the nearest center before it; infinite for the first one where
        nothing is labeled.
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
    D. Holzmüller, V. Zaverkin, J. Kästner, I. Steinwart: A Framework and Benchmark for Deep
    Batch Active Learning for Regression. Journal of Machine Learning Research 24, 2023.

    Examples
    --------
    >>> from skactive import LCMDSelector
    >>> X = [[0.0], [1.0], [2.0], [3.0], [100.0], [102.0]]
    >>> selector = LCMDSelector(budget=3).fit(X)
    >>> selector.indices_
    array([5, 0, 3])
    >>> selector.scores_
    array([ inf, 102.,   3.])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        metric: str = "euclidean",
        init: str = "norm",
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        verbose: bool = False,
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.metric = metric
        self.init = init
        self.random_state = random_state
        self.device = device
        self.verbose = verbose
        self.network = network
        self.embedding = embedding

    def _check_params(self) -> None:
        check_choice(self.metric, "metric", ("euclidean", "cosine"))
        check_choice(self.init, "init", ("norm", "medoid", "random", "farthest"))

    def _accepts_sparse(self) -> bool:
        return True

    def _uses_unit_norm(self) -> bool:
        return bool(self.metric == "cosine")

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return DistanceLandmarks(unit_norm=self._uses_unit_norm())

    def _start(self, pool: Pool) -> LCMDState:
        rows, counted = pool.rows, pool.candidates
        if self._uses_unit_norm():
            rows, counted = rows.unit(), counted & (pool.rows.squared_norms() > 0)
        preference = None if len(pool.labeled) else self._first_center(rows, pool)
        return LCMDState(NearestCenter(rows), counted, preference, kept_share=0.5)

    def _first_center(self, rows: Rows, pool: Pool) -> Tensor:
        if self.init == "random":
            order = pool.random_state.permutation(rows.n_samples)
            return torch.as_tensor(order, dtype=torch.float64, device=rows.device)
        if self.init == "norm":
            return rows.squared_norms()
        from_mean = rows.distances(rows.mean()[None, :])[:, 0]
        return -from_mean if self.init == "medoid" else from_mean

    def _condition(self, state: LCMDState, labeled: NDArray[np.int64]) -> LCMDState:
        step = state.centers.max_prepared
        for start in range(0, len(labeled), step):
            block = labeled[start : start + step]
            state.centers.prepare(block)
            for row in block:
                state.centers.add(int(row))
        return state

    def _score_floor(self, state: LCMDState, first_score: float) -> float:
        # Differences of rows are exact to rounding, those of unit rows to rounding of the units.
        return 1e-4 if self._uses_unit_norm() else 0.0

    def _score(self, state: LCMDState) -> Tensor:
        if state.preference is not None:
            return state.preference
        squares, sizes = state.centers.squares, _cluster_sizes(state)
        largest = float(sizes.max())
        if largest == np.inf:
            raise ValueError(
                "the size of the largest cluster == inf, must be finite. Rescale the features to a "
                "moderate range, for instance with sklearn.preprocessing.StandardScaler."
            )
        if not largest > 0:  # all rows lie at centers
            return squares
        # The earliest of the clusters that tie as the largest.
        cluster = (sizes >= largest * (1 - SCORE_TOLERANCE)).to(torch.uint8).argmax()
        return torch.where(state.centers.nearest == cluster, squares, -torch.inf)

    def _step(self, state: LCMDState, row: int) -> LCMDState:
        centers = state.centers
        if not centers.is_prepared(row):
            centers.prepare(_likely_picks(state, row))
        own = int(centers.nearest[row])
        members = ((centers.nearest == own) & state.counted).nonzero()[:, 0]
        total, share = float(centers.squares[members].sum()), state.kept_share
        centers.add(row)
        if 0 < total < np.inf:
            kept = centers.squares[members[centers.nearest[members] == own]]
            share += _NEWEST * (float(kept.sum()) / total - share)
        return state._replace(preference=None, kept_share=share)

    def _pool_scores(self, pool: Pool) -> tuple[Tensor, float]:
        # Only the rows of the largest cluster have one.
        raise TypeError(
            f"{self!r} does not pick by scores of single rows, so there are none to draw from. "
            "Use a selector that does, for instance CoreSetSelector()."
        )

    def _select(self, pool: Pool) -> Selection:
        with one_thread():  # sweeps of the pool have threads of their own
            return super()._select(pool)

    def _finish(self, state: LCMDState, selection: Selection) -> Selection:
        scores = np.sqrt(np.maximum(selection.scores, 0.0))
        if len(scores) == state.centers.n_centers:
            scores[0] = np.inf
        return Selection(selection.indices, scores)

    def _draws_at_random(self) -> bool:
        return bool(self.init == "random")


def _cluster_sizes(state: LCMDState) -> Tensor:
    """Sum of the squared distances to each center, of the rows that count."""
    centers = state.centers
    weights = torch.where(state.counted, centers.squares, 0.0)
    return torch.bincount(centers.nearest, weights, minlength=centers.n_centers)


def _likely_picks(state: LCMDState, row: int) -> NDArray[np.int64]:
    """A row, and others that may be picked soon: the farthest ones of the largest clusters."""
    centers = state.centers
    n_others = centers.n_worthwhile - 1
    if centers.n_centers == 0 or n_others == 0:
        return np.array([row])
    sizes = _cluster_sizes(state)
    # Every pick from a cluster is expected to shrink it by the same factor.
    largest = sizes.argsort(descending=True, stable=True)[: n_others + 1]
    expected = torch.zeros_like(sizes)
    expected[largest] = sizes[largest]
    rows = (state.counted & (expected[centers.nearest] > 0)).nonzero()[:, 0].cpu().numpy()
    clusters = centers.nearest.cpu().numpy()[rows]
    order = np.lexsort((-centers.squares.cpu().numpy()[rows], clusters))
    rows, clusters = rows[order], clusters[order]
    rank = np.arange(len(rows)) - np.searchsorted(clusters, clusters)
    sizes_then = expected.cpu().numpy()[clusters] * state.kept_share**rank
    likely = rows[np.argsort(-sizes_then, kind="stable")]
    picks: NDArray[np.int64] = np.append(row, likely[likely != row][:n_others])
    return picks
