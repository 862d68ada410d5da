"""TypiClust: the most typical row of each uncovered cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from skactive._base import BaseSelector, Pool, Selection
from skactive._fast_squares import FastSquares
from skactive._kmeans import k_means
from skactive._landmarks import DistanceLandmarks, Landmarks
from skactive._rows import Rows
from skactive._validation import check_choice, check_number
from skactive.selection._typicality import TypicalRows

__all__ = ["TypiClustSelector"]


class TypiClustSelector(BaseSelector):
    r"""Pick typical rows of different clusters: TypiClust, for low budgets.

    k-means divides the pool, labeled rows included, into
    :math:`\min(n_\text{labeled} + b, k_\max)` clusters. The next pick comes from the cluster with
    the fewest labeled rows and picks, of these from the largest, and is the row of it with the
    highest typicality,

    .. math:: \Bigl(\frac1K \sum_{x' \in \mathrm{NN}_K(x)} \|x - x'\|\Bigr)^{-1},

    over its K nearest neighbours in the cluster, K = min(`n_neighbors`, rows of the cluster - 1).
    Labeled rows and picks stay neighbours of the others. Clusters of less than `min_cluster_size`
    rows are passed over while any other has rows left, and so are clusters without candidates.
    Rows alone in their cluster have the typicality 0. Ties go to the lowest row, and between
    clusters to the one whose center was drawn first.

    The rules are those of the paper. The authors' code differs: it takes squared distances, at
    most half of the rows left as neighbours, drops clusters of 5 rows, too, and goes round the
    clusters in the order of the first round.

    Time is that of k-means, see :class:`~skactive.KMeansSelector`, and O(m² d) for each cluster
    of m rows from which a row is picked, in float32 with bounds on its rounding; distances
    that may decide are float64. Memory beside the pool is O(n + k d). The picks for a smaller
    budget are not the first ones for a larger.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    metric : {"euclidean", "cosine"}, default="euclidean"
        "cosine" is the Euclidean distance between rows of unit norm, which the authors take for
        embeddings of networks. Rows of zeros then belong to no cluster and are picked last.
    n_neighbors : int >= 1, default=20
        Neighbours that tell how typical a row is.
    min_cluster_size : int >= 1, default=5
        Rows a cluster needs to be considered first.
    max_clusters : int >= 1, default=500
        Most clusters; with a larger budget several rows are picked from some.
    max_iter : int >= 1, default=300
        Most iterations of k-means.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts of k-means.
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
        Row positions in the order picked.
    scores_ : ndarray of shape (n_selected,)
        Typicality of each pick; infinite where all its neighbours are copies of it.
    cluster_labels_ : ndarray of shape (n_samples,)
        Cluster of each row; -1 for rows of zeros under "cosine".
    centers_ : ndarray of shape (n_clusters, n_features)
        Centers of the clusters, of unit rows under "cosine".
    n_iter_ : int
        Iterations of k-means.
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
    G. Hacohen, A. Dekel, D. Weinshall: Active Learning on a Budget: Opposite Strategies Suit
    High and Low Budgets. ICML 2022.

    Examples
    --------
    >>> from skactive import TypiClustSelector
    >>> X = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0], [20.0], [20.5], [21.0], [21.5], [26.0]]
    >>> selector = TypiClustSelector(budget=2, n_neighbors=3, random_state=0).fit(X)
    >>> selector.indices_
    array([1, 7])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        metric: str = "euclidean",
        n_neighbors: int = 20,
        min_cluster_size: int = 5,
        max_clusters: int = 500,
        max_iter: int = 300,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        verbose: bool = False,
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.metric = metric
        self.n_neighbors = n_neighbors
        self.min_cluster_size = min_cluster_size
        self.max_clusters = max_clusters
        self.max_iter = max_iter
        self.random_state = random_state
        self.device = device
        self.verbose = verbose
        self.network = network
        self.embedding = embedding

    def _check_params(self) -> None:
        check_choice(self.metric, "metric", ("euclidean", "cosine"))
        for name in ("n_neighbors", "min_cluster_size", "max_clusters", "max_iter"):
            check_number(getattr(self, name), name, minimum=1, strict=False, integer=True)

    def _accepts_sparse(self) -> bool:
        return True

    def _uses_unit_norm(self) -> bool:
        return bool(self.metric == "cosine")

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return DistanceLandmarks(unit_norm=self._uses_unit_norm())

    def _select(self, pool: Pool) -> Selection:
        rows, directed = pool.rows, torch.ones_like(pool.candidates)
        if self._uses_unit_norm():
            rows, directed = rows.unit(), pool.rows.squared_norms() > 0
        labels = self._cluster(rows, directed, pool)
        available = (pool.candidates & directed).cpu().numpy()
        last = (pool.candidates & ~directed).nonzero()[:, 0].cpu().numpy()
        picks, scores = self._pick(rows, labels, available, pool)
        last = last[: pool.n_picks - len(picks)]
        self.cluster_labels_ = labels.cpu().numpy()
        return Selection(
            np.append(picks, last).astype(np.int64), np.append(scores, np.zeros(len(last)))
        )

    def _cluster(self, rows: Rows, directed: Tensor, pool: Pool) -> Tensor:
        """Cluster of each row, -1 for those without direction; sets the fitted attributes."""
        n_clusters = min(len(pool.labeled) + pool.n_picks, self.max_clusters, int(directed.sum()))
        self.centers_, self.n_iter_ = np.empty((0, rows.n_features)), 0
        if not n_clusters:
            return torch.full_like(directed, -1, dtype=torch.int64)
        clusters = k_means(
            rows,
            n_clusters,
            random_state=pool.random_state,
            max_iter=int(self.max_iter),
            weights=directed.to(torch.float64) if self._uses_unit_norm() else None,
            candidates=directed,
        )
        self.centers_ = clusters.centers.cpu().numpy()
        self.n_iter_ = clusters.n_iter
        return torch.where(directed, clusters.assignment, -1)

    def _pick(
        self, rows: Rows, labels: Tensor, available: NDArray[np.bool_], pool: Pool
    ) -> tuple[list[int], list[float]]:
        """Rows from the clusters in turn, and their typicality."""
        turns = _Turns(labels.cpu().numpy(), available, pool.labeled, int(self.min_cluster_size))
        fast = FastSquares(rows)
        typical: dict[int, TypicalRows] = {}
        picks: list[int] = []
        scores: list[float] = []
        n_picks = min(pool.n_picks, int(available.sum()))
        for _ in tqdm(
            range(n_picks), desc=type(self).__name__, unit="pick", disable=not self.verbose
        ):
            cluster = turns.next()
            if cluster not in typical:
                members = (labels == cluster).nonzero()[:, 0]
                if len(members) == 1:
                    picks.append(int(members[0]))
                    scores.append(0.0)
                    continue
                n_neighbors = min(int(self.n_neighbors), len(members) - 1)
                typical[cluster] = TypicalRows(fast, members, available, n_neighbors)
            row, distance = typical[cluster].take()
            picks.append(row)
            scores.append(1 / distance if distance > 0 else np.inf)
        return picks, scores

    def _draws_at_random(self) -> bool:
        return True


class _Turns:
    """Which cluster the next pick comes from."""

    def __init__(
        self,
        labels: NDArray[np.int64],
        available: NDArray[np.bool_],
        labeled: NDArray[np.int64],
        min_size: int,
    ) -> None:
        n_clusters = int(labels.max(initial=-1)) + 1
        inside = labels >= 0
        self._sizes = np.bincount(labels[inside], minlength=n_clusters)
        known = labels[labeled]
        self._known = np.bincount(known[known >= 0], minlength=n_clusters)
        self._left = np.bincount(labels[inside & available], minlength=n_clusters)
        self._is_small = self._sizes < min_size

    def next(self) -> int:
        """The least known of the clusters with rows left, the largest of these; small ones last."""
        open_ones = np.flatnonzero(self._left > 0)
        keys = (-self._sizes[open_ones], self._known[open_ones], self._is_small[open_ones])
        cluster = int(open_ones[np.lexsort(keys)[0]])
        self._known[cluster] += 1
        self._left[cluster] -= 1
        return cluster
