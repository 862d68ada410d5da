"""Pick rows of which every row, or every target, is similar to one."""

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
from skactive._targeted import TargetedSelector
from skactive._validation import check_choice
from skactive.selection._facility_gains import FacilityGains

__all__ = ["FacilityLocationSelector"]


class FacilityState(NamedTuple):
    """What one pick hands to the next."""

    gains: FacilityGains
    scale: float  # of the function, in the units of the gains
    start: Tensor  # (n_targets,) covers before any row
    objective: list[float]  # after each row


class FacilityLocationSelector(TargetedSelector, GreedySelector[FacilityState]):
    r"""Pick rows such that every row of the pool is similar to one of them: facility location.

    Greedily maximizes

    .. math:: f(S) = \sum_i \max_{s \in S} \mathrm{sim}(i, s),

    the sum over all rows of the pool, or over `X_target`; labeled rows belong to :math:`S` from
    the start. With similarities that are not negative, f is monotone and submodular, and the
    greedy picks reach at least :math:`1 - 1/e` of the largest possible value (Nemhauser, Wolsey,
    Fisher, 1978). The similarities are

    - "cosine": :math:`\max(0, \cos(i, s))`;
    - "euclidean": :math:`R^2 - \|x_i - x_s\|^2`, so that f falls short of its largest value by the
      sum of squared distances to the nearest pick, the cost of k-medoids. R is the largest
      distance of a target plus the largest of a row from the mean row. It changes no pick, only
      the first score where nothing is labeled.

    Unlike k-center it does not chase outliers: a row counts for those it stands for.

    The picks are those of float64 arithmetic on all pairs, near ties (1e-12 of the numbers summed)
    going to the lowest row number. Gains only fall as picks are added (Minoux, 1978), so that only
    the rows whose last bound exceeds the best gain are looked at again, by float32 products with
    bounds on their rounding. A look at one row takes O(m d) for m targets, or the number of targets
    it could still add to, where these are listed: fewer with every pick. The first picks look at
    all n rows; how few the later ones look at depends on the data. Memory beside the pool is
    O(n + m), what is at work for 256 rows and a chunk of targets, and lists of at most 256 MiB
    (and scikit-learn's ``working_memory``); never n x m.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    metric : {"cosine", "euclidean"}, default="cosine"
        The similarity, as above.
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
        By how much each pick raises f.
    objective_curve_ : ndarray of shape (n_selected,)
        f after each pick.
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
    P. Mirchandani, R. Francis (eds.): Discrete Location Theory. Wiley, 1990.

    K. Wei, R. Iyer, J. Bilmes: Submodularity in Data Subset Selection and Active Learning.
    ICML 2015.

    M. Minoux: Accelerated Greedy Algorithms for Maximizing Submodular Set Functions.
    Optimization Techniques, 1978.

    Examples
    --------
    >>> from skactive import FacilityLocationSelector
    >>> X = [[0.0], [1.0], [2.0], [10.0], [11.0], [30.0]]
    >>> selector = FacilityLocationSelector(budget=3, metric="euclidean").fit(X)
    >>> selector.indices_
    array([3, 5, 1])
    >>> selector.scores_[1:]
    array([400., 243.])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        metric: str = "cosine",
        device: Any = "auto",
        verbose: bool = False,
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.metric = metric
        self.device = device
        self.verbose = verbose
        self.network = network
        self.embedding = embedding

    def _check_params(self) -> None:
        check_choice(self.metric, "metric", ("cosine", "euclidean"))

    def _accepts_sparse(self) -> bool:
        return True

    def _uses_unit_norm(self) -> bool:
        return bool(self.metric == "cosine")

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return DistanceLandmarks(unit_norm=self._uses_unit_norm())

    def _start(self, pool: Pool) -> FacilityState:
        rows = pool.rows
        targets: Rows = rows if pool.targets is None else pool.targets
        if self._uses_unit_norm():
            gains = FacilityGains(
                rows.unit(), targets.unit(), halved=False, base=0.0, available=pool.candidates
            )
            return FacilityState(gains, 1.0, gains.covers.clone(), [])
        mean = rows.mean()[None, :]
        radius = rows.distances(mean).max() + targets.distances(mean).max()
        gains = FacilityGains(
            rows, targets, halved=True, base=float(radius) ** 2, available=pool.candidates
        )
        return FacilityState(gains, 2.0, gains.covers.clone(), [])

    def _condition(self, state: FacilityState, labeled: NDArray[np.int64]) -> FacilityState:
        if len(labeled):
            state.gains.add_many(labeled)
        return state

    def _score_floor(self, state: FacilityState, first_score: float) -> float:
        return state.scale * state.gains.magnitude

    def _score(self, state: FacilityState) -> Tensor:
        return state.scale * state.gains.scores(state.gains.magnitude)

    def _score_all(self, state: FacilityState) -> Tensor:
        # As if every row might tie with the best.
        return state.scale * state.gains.scores(torch.inf)

    def _step(self, state: FacilityState, row: int) -> FacilityState:
        state.gains.add(row)
        objective = state.scale * (state.gains.covers - state.start).sum()
        state.objective.append(float(objective))
        return state

    def _finish(self, state: FacilityState, selection: Selection) -> Selection:
        self.objective_curve_ = np.array(state.objective)
        return selection
