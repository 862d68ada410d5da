"""Cover as many rows as possible with balls of one radius."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._greedy import GreedySelector
from skactive._kmeans import k_means
from skactive._landmarks import DistanceLandmarks, Landmarks
from skactive._rows import Rows
from skactive._validation import check_choice, check_number
from skactive.selection._ball_graph import BallGraph
from skactive.selection._pair_sweep import PairSweep
from skactive.selection._pure_radius import pure_radius

__all__ = ["ProbCoverSelector"]


@dataclass
class BallCover:
    """Which rows the balls so far cover, and what each further ball would add."""

    graph: BallGraph
    # Rows that may still be picked: those with a direction, and the others after them.
    available: NDArray[np.bool_]
    postponed: NDArray[np.bool_]
    times: NDArray[np.int64]  # how many balls cover each row
    level: int  # rows covered at most so often count
    gains: NDArray[np.int64]  # of them in the ball around each row
    coverage: list[float]  # share of rows covered after each ball

    def add(self, row: int) -> None:
        """Put a ball around a row."""
        ball = self.graph.neighbours(row)
        leaving = ball[self.times[ball] == self.level]
        self.times[ball] += 1
        self.gains -= self.graph.count(leaving)
        self.available[row] = False
        self.postponed[row] = False
        self.coverage.append(float((self.times > 0).mean()))

    def raise_level(self) -> None:
        """Where no ball would add a row, count those as well that are covered more often."""
        choice = self.available if self.available.any() else self.postponed
        if not choice.any() or self.gains[choice].max() > 0:
            return
        # Rows that count already are in no ball that is left, nor will they be.
        rest = np.flatnonzero(self.times > self.level)
        for row in rest[self.times[rest].argsort()]:
            if choice[self.graph.neighbours(row)].any():
                self.level = int(self.times[row])
                break
        self.gains = self.graph.count(np.flatnonzero(self.times <= self.level))


class ProbCoverSelector(GreedySelector[BallCover]):
    r"""Pick the rows whose balls of one radius cover most of the pool.

    Every labeled and every picked row covers the rows closer to it than a radius
    :math:`\delta`. The next pick is the row that covers most rows not covered yet,

    .. math:: \arg\max_x |\{x' \notin C : \|x - x'\| < \delta\}|, \quad
        C = \bigcup_{s \in D} B_\delta(s).

    So dense regions come first, and rows far from all others last: it is meant for few labels on
    features that are good already, such as those of a self-supervised network.

    The radius follows from pseudo-labels, the clusters of k-means: a ball is pure when all its
    rows have the same one, and :math:`\delta` is the largest radius at which a share `purity` of
    the balls around the rows is pure. It is found exactly, from the distance of every row to the
    nearest row of another cluster, not on a grid.

    Once no pick would cover a new row, rows covered once count as uncovered, then those covered
    twice, and so on: what has been covered least often comes next. Ties go to the lowest row
    number. Distances within 1e-9 of the radius count as equal to it, so as not covered; a row
    always covers itself.

    Time is O(n² d) for the radius and again for the graph of all pairs closer than it, by
    products of matrices in float32 with bounds on their rounding; pairs too close to the radius
    for them are decided in float64. The picks then take O(n) each and, in all, time proportional
    to the pairs, each time that all rows have been covered once more. Memory beside the pool is
    4 bytes a pair, and O(n); a graph that would not fit is refused before it is built.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    radius : "auto" or float > 0, default="auto"
        Radius :math:`\delta` of the balls, a Euclidean distance (for ``metric="cosine"`` between
        rows of unit norm, so at most 2). "auto" finds it with the three parameters below, which
        are not used otherwise.
    purity : float in (0, 1], default=0.95
        Share of the balls that are pure at the radius. Less gives larger balls.
    n_clusters : int >= 1, default=10
        Pseudo-labels: the number of classes expected. At most one for each row.
    n_reference : int >= 1 or None, default=10000
        In larger pools the purity is that of the balls around so many rows, drawn at random; the
        rows inside are always looked for in the whole pool. None means around all rows.
    metric : {"cosine", "euclidean"}, default="cosine"
        "cosine" is the Euclidean distance between rows of unit norm.
    random_state : int, RandomState instance or None, default=None
        Seed of k-means and of the reference rows, for ``radius="auto"``.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available. The
        graph is kept on the CPU.
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
        Rows that each pick covers for the first time (or once more than before, after no pick
        would cover a new one).
    radius_ : float
        Radius of the balls; infinite where all rows are in one cluster, 0 where too many rows
        of different clusters are equal.
    coverage_ : ndarray of shape (n_selected,)
        Share of all rows covered after each pick.
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
    O. Yehuda, A. Dekel, G. Hacohen, D. Weinshall: Active Learning Through a Covering Lens.
    NeurIPS 2022.

    Examples
    --------
    >>> from skactive import ProbCoverSelector
    >>> X = [[0.0], [5.0], [5.5], [6.0], [0.5]]
    >>> selector = ProbCoverSelector(budget=2, radius=1.0, metric="euclidean").fit(X)
    >>> selector.indices_
    array([2, 0])
    >>> selector.scores_
    array([3., 2.])
    >>> selector.coverage_
    array([0.6, 1. ])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        radius: str | float = "auto",
        purity: float = 0.95,
        n_clusters: int = 10,
        n_reference: int | None = 10_000,
        metric: str = "cosine",
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        verbose: bool = False,
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.radius = radius
        self.purity = purity
        self.n_clusters = n_clusters
        self.n_reference = n_reference
        self.metric = metric
        self.random_state = random_state
        self.device = device
        self.verbose = verbose
        self.network = network
        self.embedding = embedding

    def _check_params(self) -> None:
        if not isinstance(self.radius, str):
            check_number(self.radius, "radius", hint="Or 'auto', to find it by purity.")
        elif self.radius != "auto":
            raise ValueError(
                f"radius == {self.radius!r}, must be 'auto' or a finite number > 0. Try 'auto', "
                "which finds it by purity."
            )
        meaning = (
            "At most 1: it is the share of balls that hold rows of one cluster only; try 0.95."
        )
        check_number(self.purity, "purity", hint=meaning)
        if self.purity > 1:
            raise ValueError(f"purity == {self.purity!r}, must be in (0, 1]. {meaning}")
        check_number(self.n_clusters, "n_clusters", minimum=1, strict=False, integer=True)
        if self.n_reference is not None:
            check_number(self.n_reference, "n_reference", minimum=1, strict=False, integer=True)
        check_choice(self.metric, "metric", ("cosine", "euclidean"))

    def _accepts_sparse(self) -> bool:
        return True

    def _uses_unit_norm(self) -> bool:
        return bool(self.metric == "cosine")

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return DistanceLandmarks(unit_norm=self._uses_unit_norm())

    def _start(self, pool: Pool) -> BallCover:
        rows = pool.rows.unit() if self._uses_unit_norm() else pool.rows
        sweep = PairSweep(rows)
        self.radius_ = self._choose_radius(rows, sweep, pool.random_state)
        graph = BallGraph(sweep, self.radius_)
        available = pool.candidates.cpu().numpy()
        last = np.zeros_like(available)
        if self._uses_unit_norm():
            last = (pool.rows.squared_norms() == 0).cpu().numpy()
        return BallCover(
            graph,
            available & ~last,
            available & last,
            times=np.zeros(rows.n_samples, dtype=np.int64),
            level=0,
            gains=graph.degrees(),
            coverage=[],
        )

    def _choose_radius(
        self, rows: Rows, sweep: PairSweep, random_state: np.random.RandomState
    ) -> float:
        if not isinstance(self.radius, str):
            return float(self.radius)
        n_samples = rows.n_samples
        n_clusters = min(int(self.n_clusters), n_samples)
        labels = k_means(rows, n_clusters, random_state=random_state).assignment
        centers = np.arange(n_samples)
        if self.n_reference is not None and self.n_reference < n_samples:
            centers = np.sort(random_state.permutation(n_samples)[: int(self.n_reference)])
        return pure_radius(sweep, labels, float(self.purity), centers)

    def _score(self, state: BallCover) -> Tensor:
        state.raise_level()
        return torch.as_tensor(state.gains, dtype=torch.float64)

    def _step(self, state: BallCover, row: int) -> BallCover:
        state.add(row)
        return state

    def _finish(self, state: BallCover, selection: Selection) -> Selection:
        self.coverage_ = np.array(state.coverage[-len(selection.indices) :])
        return selection

    def _draws_at_random(self) -> bool:
        return isinstance(self.radius, str)
