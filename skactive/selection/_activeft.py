"""ActiveFT: learn unit vectors that stand for the pool, and pick the rows next to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import Tags
from torch import Tensor
from torch.nn.functional import normalize
from tqdm.auto import tqdm

from skactive._base import BaseSelector, Pool, Selection
from skactive._landmarks import KernelLandmarks, Landmarks
from skactive._rows import Rows
from skactive._ties import RELATIVE_TOLERANCE, first_minimum
from skactive._validation import check_choice, check_number
from skactive.kernels import CosineKernel
from skactive.selection._activeft_loss import (
    LOSSES,
    largest_similarity,
    most_similar,
    plain_cost,
    sweep,
    transport_cost,
)

__all__ = ["ActiveFTSelector"]

_ROUNDING = 1e-12  # of sums of unit vectors with weights that add up to 1


class ActiveFTSelector(BaseSelector):
    r"""Pick rows that are spread like the pool and unlike each other.

    B unit vectors :math:`\theta_j`, the centers, start at rows of the pool and are moved with
    Adam; then each takes its most similar row. With :math:`f_i` the N rows of the pool after
    division by their norms, :math:`c_i = \arg\max_j f_i^\top \theta_j` the component that row
    i belongs to, found anew at every iteration, and C the number of components, ``loss="kl"``
    minimizes

    .. math::

        -\frac{1}{N \tau} \sum_i f_i^\top \theta_{c_i} + \frac{\lambda}{C} \sum_j
        \log \sum_{k \neq j} \exp(\theta_j^\top \theta_k / \tau),

    the form of the paper, and ``loss="contrastive"`` that of its authors' program,

    .. math::

        -\frac{1}{N} \sum_i \log \frac{e_i}{e_i + \lambda \sum_k
        \exp(\bar\theta_k^\top \theta_{c_i} / \tau)},
        \quad e_i = \exp(f_i^\top \theta_{c_i} / \tau),

    where :math:`\bar\theta_k` counts as a constant in the gradient. Labeled rows are further
    components that do not move: C is B plus their number. Rows of zeros have no direction and
    become neither. There are as many centers as picks, but never more than candidates of
    different directions, so that no two start at the same place; where picks are left over, the
    centers take another row each, in the same order.

    An iteration costs O(N C d) time for d features; memory beside the pool is O(N + C d). All
    arithmetic is float64, near ties (1e-9) go to the lowest row or component, and entries of the
    gradient below :math:`10^{-12} (1 + \lambda) / \tau` count as 0, so that rounding decides
    nothing. The picks for a smaller budget are not the first ones for a larger.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    loss : {"kl", "contrastive"}, default="kl"
        What the centers minimize.
    temperature : float > 0, default=0.07
        :math:`\tau`; the smaller, the more does repulsion act on the nearest components alone.
    balance : float >= 0, default=1.0
        :math:`\lambda`, the weight of the repulsion between components.
    learning_rate : float > 0, default=1e-3
        Step size of Adam.
    max_iter : int >= 1, default=300
        Largest number of steps.
    tol : float >= 0, default=0.0
        Stop after a step before which the loss had fallen by less than this share of its
        magnitude; 0 takes all `max_iter` steps.
    init : {"random", "k-means++"}, default="random"
        Rows at which the centers start: drawn uniformly, or each with probability proportional
        to its squared distance from the labeled rows and the starts before.
    random_state : int, RandomState instance or None, default=None
        Seed for `init`.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
    verbose : bool, default=False
        Show a progress bar.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the order of their centers: those most rows belong to first.
    scores_ : ndarray of shape (n_selected,)
        Cosine similarity of each pick to its center.
    centers_ : ndarray of shape (n_selected, n_features)
        The center of each pick.
    loss_curve_ : ndarray of shape (n_iter_,)
        Loss before each step.
    n_iter_ : int
        Steps taken.
    emd_bound_ : float
        :math:`\frac1N \sum_i \min_s \|f_i - s\|` over the picks and labeled rows s, of unit norm
        too: the cost of moving every row to its nearest representative. The earth mover's
        distance between the pool and the representatives is not larger, when each of them is
        weighted by the rows it stands for.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the cosine similarities to them.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.

    References
    ----------
    Y. Xie, H. Lu, J. Yan, X. Yang, M. Tomizuka, W. Zhan: Active Finetuning: Exploiting
    Annotation Budget in the Pretraining-Finetuning Paradigm. CVPR 2023.

    Examples
    --------
    >>> from skactive import ActiveFTSelector
    >>> X = [[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.0, 1.0]]
    >>> ActiveFTSelector(budget=2, init="k-means++", random_state=0).fit(X).indices_
    array([0, 4])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        loss: str = "kl",
        temperature: float = 0.07,
        balance: float = 1.0,
        learning_rate: float = 1e-3,
        max_iter: int = 300,
        tol: float = 0.0,
        init: str = "random",
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        verbose: bool = False,
    ) -> None:
        self.budget = budget
        self.loss = loss
        self.temperature = temperature
        self.balance = balance
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def _check_params(self) -> None:
        check_choice(self.loss, "loss", tuple(LOSSES))
        check_choice(self.init, "init", tuple(STARTS))
        check_number(self.temperature, "temperature", hint="Try the paper's 0.07.")
        check_number(self.balance, "balance", strict=False, hint="0 is no repulsion.")
        check_number(self.learning_rate, "learning_rate", hint="Try 1e-3.")
        check_number(self.max_iter, "max_iter", minimum=1, strict=False, integer=True)
        check_number(self.tol, "tol", strict=False, hint="0 takes all max_iter steps.")

    def _accepts_sparse(self) -> bool:
        return True

    def _uses_unit_norm(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        return tags

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return KernelLandmarks(CosineKernel())

    def _select(self, pool: Pool) -> Selection:
        rows = pool.rows.unit()
        directed = (rows.squared_norms() > 0).cpu().numpy()
        labeled = pool.labeled[directed[pool.labeled]]
        fixed = rows.take(labeled)
        centers = self._optimize(rows, fixed, rows.take(self._starts(rows, pool, labeled)))
        mass = sweep(rows, torch.cat([fixed, centers]), plain_cost).slopes[len(fixed) :]
        centers = centers[mass.argsort(descending=True, stable=True)]
        indices = _pick_rows(rows, centers, pool)
        centers = centers[torch.arange(pool.n_picks, device=centers.device) % len(centers)]
        self.centers_ = centers.cpu().numpy()
        self.emd_bound_ = transport_cost(rows, rows.take(np.append(pool.labeled, indices)))
        return Selection(indices, (rows.take(indices) * centers).sum(1).cpu().numpy())

    def _starts(self, rows: Rows, pool: Pool, labeled: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows where the centers start: at least one."""
        directed = rows.squared_norms() > 0
        candidates = torch.nonzero(pool.candidates & directed)[:, 0].cpu().numpy()
        starts = STARTS[self.init](rows, candidates, labeled, pool.n_picks, pool.random_state)
        if len(starts):
            return starts
        # Only copies of labeled rows are left, or only rows of zeros.
        return candidates[:1] if len(candidates) else pool.candidates.nonzero()[0].cpu().numpy()

    def _optimize(self, rows: Rows, fixed: Tensor, centers: Tensor) -> Tensor:
        """Move the centers by gradient steps on the sphere."""
        evaluate = LOSSES[self.loss]
        optimizer = torch.optim.Adam([centers], lr=self.learning_rate)
        # Adam's first steps follow the sign of an entry however small: where the gradient
        # vanishes, as on equal rows, rounding would choose the direction.
        rounding = _ROUNDING * (1 + self.balance) / self.temperature
        curve: list[float] = []
        bar = tqdm(
            range(self.max_iter), desc=type(self).__name__, unit="step", disable=not self.verbose
        )
        for _ in bar:
            components = torch.cat([fixed, centers])
            loss, centers.grad = evaluate(
                rows, components, len(fixed), self.temperature, self.balance
            )
            centers.grad[centers.grad.abs() < rounding] = 0
            curve.append(loss)
            optimizer.step()
            centers = normalize(centers, out=centers)
            if self.tol > 0 and len(curve) > 1 and curve[-2] - loss < self.tol * abs(loss):
                break
        if not bool(centers.isfinite().all()):
            raise ValueError(
                f"ActiveFTSelector's centers overflowed: temperature == {self.temperature!r}, "
                f"balance == {self.balance!r}, learning_rate == {self.learning_rate!r}. Use a "
                "higher temperature, or a lower balance or learning_rate."
            )
        self.loss_curve_ = np.array(curve)
        self.n_iter_ = len(curve)
        return centers


def random_starts(
    rows: Rows,
    candidates: NDArray[np.int64],
    labeled: NDArray[np.int64],
    n_starts: int,
    random_state: np.random.RandomState,
) -> NDArray[np.int64]:
    """Candidates of different directions, which no labeled row has."""
    order = np.append(labeled, random_state.permutation(candidates))
    probe = torch.from_numpy(random_state.standard_normal((rows.n_features, 1))).to(rows.device)
    # Rows of the same direction have the same product with a random vector, others do not.
    products = rows.matmul(probe)[:, 0].cpu().numpy()[order]
    ascending = products.argsort()
    gaps = np.diff(products[ascending], prepend=-np.inf)
    direction = np.empty_like(order)
    direction[ascending] = np.cumsum(gaps > RELATIVE_TOLERANCE)
    first = np.sort(np.unique(direction, return_index=True)[1])
    return order[first[first >= len(labeled)][:n_starts]]


def distant_starts(
    rows: Rows,
    candidates: NDArray[np.int64],
    labeled: NDArray[np.int64],
    n_starts: int,
    random_state: np.random.RandomState,
) -> NDArray[np.int64]:
    """k-means++: candidates drawn by their squared distance from the nearest start so far."""
    nearest = largest_similarity(rows, rows.take(labeled))
    starts: list[int] = []
    while len(starts) < n_starts:
        squares = 2 - 2 * nearest.cpu().numpy()[candidates]
        squares[squares < RELATIVE_TOLERANCE] = 0  # copies of a start
        if not squares.any():
            break
        start = random_state.choice(candidates, p=squares / squares.sum())
        nearest = torch.maximum(nearest, largest_similarity(rows, rows.take([start])))
        starts.append(int(start))
    return np.array(starts, dtype=np.int64)


STARTS = {"random": random_starts, "k-means++": distant_starts}


def _pick_rows(rows: Rows, centers: Tensor, pool: Pool) -> NDArray[np.int64]:
    """For each center in turn the most similar candidate that is left; rows of zeros last."""
    directed = rows.squared_norms() > 0
    zeros = torch.nonzero(pool.candidates & ~directed)[:, 0].tolist()
    available = pool.candidates & directed
    best = most_similar(rows, centers, available).tolist()
    indices: list[int] = []
    for j in range(min(pool.n_picks, int(available.sum()))):
        center = j % len(centers)
        row = best[center]
        if not available[row]:
            similarity = rows.matmul(centers[center][:, None]).T
            left = torch.where(available, -similarity, torch.inf)
            row = int(first_minimum(left, torch.ones_like(left[:, :1])))
        available[row] = False
        indices.append(row)
    return np.array((indices + zeros)[: pool.n_picks], dtype=np.int64)
