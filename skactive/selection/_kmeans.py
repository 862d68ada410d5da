"""k-means: one pick for each of as many clusters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import BaseSelector, Pool, Selection
from skactive._kmeans import Clusters, k_means
from skactive._kmeans_lloyd import Settled
from skactive._landmarks import DistanceLandmarks, Landmarks
from skactive._nearest_rows import nearest_rows
from skactive._validation import check_choice, check_number

__all__ = ["KMeansSelector"]


class KMeansSelector(BaseSelector):
    r"""Pick the rows nearest to the centers of k-means clusters.

    As many centers as picks are placed such that
    :math:`\sum_i \min_j \|x_i - c_j\|^2` is small: k-means++ draws where they start, Lloyd's
    iteration moves each to the mean of the rows it is nearest to. Labeled rows are centers that
    do not move, so that the picks go where nothing is labeled. Then each center that moves takes
    its nearest row, no row twice: the center of the largest cluster first.

    Distances are compared in float64, ties go to the lowest row and the lowest center, and the
    picks depend on nothing but the pool and `random_state`. Time is O(n d b) an iteration at most;
    bounds spare the rows whose cluster cannot have changed. Memory beside the pool is O(n + b d),
    and a memory map is streamed. Rows of a dask array or data frame stay where they are: each
    iteration sends the centers that have moved to all partitions, which answer with the sums of
    their rows in the clusters that have changed. The picks for a smaller budget are not the first
    ones for a larger.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    metric : {"euclidean", "cosine"}, default="euclidean"
        "cosine" is the Euclidean distance between rows of unit norm; their means are not
        normalised. Rows of zeros then belong to no cluster and are picked last.
    n_init : int >= 1, default=1
        Starts to try, of which the one with the smallest inertia is kept.
    max_iter : int >= 1, default=300
        Most iterations. Fewer suffice where no row changes its cluster any more, or where the
        squared moves of all centers sum up to no more than 1e-4 of the mean variance of the
        features, as in :class:`sklearn.cluster.KMeans`.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
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
        Row positions in the order of their clusters: the largest first.
    scores_ : ndarray of shape (n_selected,)
        Number of rows in the cluster of each pick.
    centers_ : ndarray of shape (n_selected, n_features)
        The center of each pick, of unit rows under "cosine".
    inertia_ : float
        Sum of the squared distances of all rows to the nearest center, labeled rows included
        among the centers; rows of zeros under "cosine" left out.
    n_iter_ : int
        Iterations of the start that was kept.
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
    D. Arthur, S. Vassilvitskii: k-means++: The Advantages of Careful Seeding. SODA 2007.

    K. Pourahmadi, P. Nooralinejad, H. Pirsiavash: A Simple Baseline for Low-Budget Active
    Learning. 2021.

    Examples
    --------
    >>> from skactive import KMeansSelector
    >>> X = [[0.0], [1.0], [2.0], [10.0], [11.0]]
    >>> selector = KMeansSelector(budget=2, random_state=0).fit(X)
    >>> selector.indices_
    array([1, 3])
    >>> selector.centers_.ravel()
    array([ 1. , 10.5])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        metric: str = "euclidean",
        n_init: int = 1,
        max_iter: int = 300,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.metric = metric
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.device = device
        self.network = network
        self.embedding = embedding

    def _check_params(self) -> None:
        check_choice(self.metric, "metric", ("euclidean", "cosine"))
        check_number(self.n_init, "n_init", minimum=1, strict=False, integer=True)
        check_number(self.max_iter, "max_iter", minimum=1, strict=False, integer=True)

    def _accepts_sparse(self) -> bool:
        return True

    def _uses_unit_norm(self) -> bool:
        return bool(self.metric == "cosine")

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return DistanceLandmarks(unit_norm=self._uses_unit_norm())

    def _select(self, pool: Pool) -> Selection:
        rows, directed = pool.rows, None
        candidates, fixed = pool.candidates, pool.labeled
        if self._uses_unit_norm():
            directed = pool.rows.squared_norms() > 0
            rows, candidates = rows.unit(), candidates & directed
            fixed = fixed[directed[torch.as_tensor(fixed)].cpu().numpy()]
        n_clusters = min(pool.n_picks, int(candidates.sum()))
        # Rows of zeros, where no others are left.
        rest = (pool.candidates & ~candidates).nonzero()[: pool.n_picks - n_clusters, 0]
        last = rest.cpu().numpy()
        ranked = Ranked.none(rows.take(last[:0]))
        if n_clusters:
            clusters = k_means(
                rows,
                n_clusters,
                random_state=pool.random_state,
                n_init=int(self.n_init),
                max_iter=int(self.max_iter),
                weights=None if directed is None else directed.to(torch.float64),
                fixed=fixed,
                candidates=candidates,
            )
            sizes = _sizes(clusters.assignment, directed, len(clusters.centers))
            ranked = Ranked.of(clusters, sizes, len(fixed))
        indices = nearest_rows(rows, ranked.centers, candidates)
        return self._complete(ranked, indices, last, rows.take(last))

    def _complete(
        self, ranked: Ranked, indices: NDArray[np.int64], last: NDArray[np.int64], points: Tensor
    ) -> Selection:
        """Set the attributes; the picks of the clusters, then rows that belong to none."""
        self.centers_ = torch.cat([ranked.centers, points]).cpu().numpy()
        self.inertia_, self.n_iter_ = ranked.inertia, ranked.n_iter
        scores = np.concatenate([ranked.sizes.cpu().numpy(), np.zeros(len(last))])
        return Selection(np.concatenate([indices, last]), scores.astype(np.float64))

    def _partitioned(self) -> Callable[[Any, Any], Selection]:
        from skactive.distributed._kmeans import select_k_means

        return select_k_means

    def _draws_at_random(self) -> bool:
        return True


class Ranked(NamedTuple):
    """Clusters whose centers move, the largest first."""

    centers: Tensor
    sizes: Tensor
    """Number of rows of each."""
    inertia: float
    n_iter: int

    @classmethod
    def of(cls, found: Clusters | Settled, sizes: Tensor, n_fixed: int) -> Ranked:
        """Of all clusters; the first ones have fixed centers."""
        sizes, order = sizes[n_fixed:].sort(descending=True, stable=True)
        return cls(found.centers[n_fixed:][order], sizes, found.inertia, found.n_iter)

    @classmethod
    def none(cls, points: Tensor) -> Ranked:
        """No clusters, given no points."""
        return cls(points, points[:, 0], 0.0, 0)


def _sizes(assignment: Tensor, directed: Tensor | None, n_clusters: int) -> Tensor:
    """Rows of each cluster; those without direction belong to none."""
    counted = assignment if directed is None else assignment[directed]
    return torch.bincount(counted, minlength=n_clusters)
