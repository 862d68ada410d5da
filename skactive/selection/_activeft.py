"""ActiveFT: learn unit vectors that stand for the pool, and pick the rows next to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize
from tqdm.auto import tqdm

from skactive._base import BaseSelector, Pool, Selection
from skactive._landmarks import KernelLandmarks, Landmarks
from skactive._rows import Rows
from skactive._validation import check_choice, check_number
from skactive.kernels import CosineKernel
from skactive.selection._activeft_loss import LOSSES
from skactive.selection._activeft_picks import pick_rows, transport_cost
from skactive.selection._activeft_segments import RowSegments, Segments
from skactive.selection._activeft_starts import STARTS

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

    An iteration costs O(C² d) time for d features, and O(C d) for each row whose component the
    angles that the components have turned leave in doubt: all rows at first, soon few
    (``loss="contrastive"`` adds O(N d)). Memory beside the pool is O(N + C d). Float32 products
    only propose: assignments, sums, gradients and picks are those of float64 arithmetic. Near ties
    (1e-9) go to the lowest row or component, and entries of the gradient below
    :math:`10^{-12} (1 + \lambda) / \tau` count as 0, so that rounding decides nothing. The picks
    for a smaller budget are not the first ones for a larger.

    Rows of a dask array or data frame stay on their workers, and the picks are the same. In each
    iteration the centers go to every worker, 8 B d bytes, and back comes 16 d bytes for each
    component of a partition that rows have joined or left (``loss="contrastive"``: 8 d for each
    that has rows there). This process needs O(C d) memory, and ``init="random"`` 8 bytes a row.

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
    embedding_ : transformer
        What made the features; only with `network` or `embedding`. ``transform`` and
        ``represent`` then take raw inputs, too.

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
        network: Any = None,
        embedding: Any = None,
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
        self.network = network
        self.embedding = embedding

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

    def _draws_at_random(self) -> bool:
        return True

    def _partitioned(self) -> Callable[[Any, Any], Selection]:
        from skactive.distributed._activeft import select_activeft

        return select_activeft

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return KernelLandmarks(CosineKernel())

    def _select(self, pool: Pool) -> Selection:
        rows = pool.rows.unit()
        directed = (rows.squared_norms() > 0).cpu().numpy()
        labeled = pool.labeled[directed[pool.labeled]]
        components = rows.take(np.append(labeled, self._starts(rows, pool, labeled)))
        centers = self._optimize(RowSegments(rows, components), components, len(labeled))
        indices = pick_rows(rows, centers, pool.candidates, pool.n_picks)
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

    def _optimize(self, segments: Segments, components: Tensor, n_fixed: int) -> Tensor:
        """Centers after gradient steps on the sphere, those of most rows first.

        The components are the fixed ones, then the centers; these are changed.
        """
        centers = components[n_fixed:]  # a view
        evaluate = LOSSES[self.loss](segments, components[:n_fixed], self.temperature, self.balance)
        is_fused = centers.device.type in ("cpu", "cuda")  # one pass without temporaries
        optimizer = torch.optim.Adam([centers], lr=self.learning_rate, fused=is_fused)
        # Adam's first steps follow the sign of an entry however small: where the gradient
        # vanishes, as on equal rows, rounding would choose the direction.
        rounding = _ROUNDING * (1 + self.balance) / self.temperature
        curve: list[Tensor] = []
        bar = tqdm(
            range(self.max_iter), desc=type(self).__name__, unit="step", disable=not self.verbose
        )
        for _ in bar:
            loss, centers.grad = evaluate(components)
            torch.hardshrink(centers.grad, rounding, out=centers.grad)
            curve.append(loss)
            optimizer.step()
            optimizer.zero_grad()  # before the next gradient takes memory
            normalize(centers, out=centers)
            if self.tol > 0 and len(curve) > 1 and curve[-2] - loss < self.tol * abs(loss):
                break
        if not bool(centers.isfinite().all()):
            raise ValueError(
                f"ActiveFTSelector's centers overflowed: temperature == {self.temperature!r}, "
                f"balance == {self.balance!r}, learning_rate == {self.learning_rate!r}. Use a "
                "higher temperature, or a lower balance or learning_rate."
            )
        self.loss_curve_ = torch.stack(curve).cpu().numpy()
        self.n_iter_ = len(curve)
        mass = segments.sizes(components)[n_fixed:]
        return centers[mass.argsort(descending=True, stable=True)]
