"""ALFA-Mix: rows whose predicted class changes when features of a class are mixed in."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool
from skactive._rows import Rows
from skactive._threads import for_each
from skactive._ties import RELATIVE_TOLERANCE
from skactive._validation import check_number
from skactive.exceptions import ColdStartWarning
from skactive.selection._head_selector import HeadSelector
from skactive.selection._label_values import class_labels
from skactive.selection._linear_head import LinearHead, predicted_classes
from skactive.selection._pool_model import PoolModel

__all__ = ["ALFAMixSelector"]

_NO_ROWS = np.empty(0, dtype=np.int64)
_ANCHOR_ROWS = 1024  # labeled rows that are averaged at a time
_CHUNK_BYTES = 2**18  # all that is computed from a chunk stays in the caches of one core


class ALFAMixSelector(HeadSelector):
    r"""Pick clusters of rows whose predicted class changes when they are mixed with others.

    The features :math:`z` of an unlabeled row are mixed with an anchor :math:`z^*`, the mean of
    the labeled rows of one class: :math:`\tilde z = (1 - \alpha) z + \alpha z^*`, with a factor
    for each feature. To first order the loss :math:`\ell` at the predicted class grows most, for
    changes of a given length, with

    .. math:: \alpha = \epsilon \,
              \frac{\|z^* - z\| \, \nabla_z \ell}{\|\nabla_z \ell\|} \oslash (z^* - z).

    Rows whose predicted class then changes, for any anchor, are candidates. k-means divides the
    candidates, scaled to unit norm, into as many clusters as there are rows to pick, and the
    candidate nearest to each center is picked. As in the code of the authors, :math:`\epsilon` is
    a cap over :math:`\sqrt{n\_features}`; the cap is `alpha_cap` first and grows by as much until
    there are more candidates than picks, or it is 1 or more; a class that is not yet known has the
    mean of all labeled rows as anchor; and with fewer candidates than picks all of them are picked
    and the rest is drawn at random.

    With a linear head the mixture is :math:`z` moved along the gradient, but for the features in
    which row and anchor agree. The cap at which a row becomes a candidate is then known in closed
    form, so that the search takes one sweep: O(n · n_features · (n_classes + n_anchors)) time,
    and that of k-means on the candidates. Memory beside the pool is O(n), and a copy of the
    candidates where they are less than a quarter of the pool. With nothing labeled the rows are
    drawn at random; the authors take random rows, too.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    estimator : classifier or None, default=None
        The model. None means the one handed to ``fit``: in an
        :class:`~skactive.ActiveLearningLoop` that of the round before; without one, a logistic
        regression on standardised features is fitted to the labeled rows. A FrozenEstimator is
        asked as it is; any other estimator is cloned and fitted to the labeled rows. It must be
        linear in the features: a linear classifier, also behind scalers or PCA in a Pipeline. A
        network (skorch net, module, or Pipeline ending in one) that is frozen or handed over
        gives the features as well: the inputs of its last linear layer.
    alpha_cap : float in (0, 1], default=0.2
        First cap, and by how much it grows.
    random_state : int, RandomState instance or None, default=None
        Seed of k-means and of what is drawn at random. The picks for a smaller budget are not the
        first ones for a larger.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
    network : skorch net, torch.nn.Module or None, default=None
        Network that reads the raw inputs `X` and is the model, unless there is an `estimator`:
        then it only turns `X` into features, as in :class:`~skactive.embedding.NetworkEmbedding`.
    embedding : str, transformer or None, default=None
        Which features, for a model that is no network: a `kind` of NetworkEmbedding, or any
        transformer.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions; those of the largest clusters first, those drawn at random last.
    scores_ : ndarray of shape (n_selected,)
        Number of candidates in the cluster of each pick; 0 for rows drawn at random.
    candidate_indices_ : ndarray of shape (n_candidates,)
        Positions of the candidates, ascending.
    alpha_cap_ : float
        The cap that was reached; NaN where there was no model.
    components_ : ndarray of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the Euclidean distances to them.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only with a network or `embedding`.

    Raises
    ------
    TypeError
        If the model is not linear in the features, or does not read them.

    References
    ----------
    A. Parvaneh, E. Abbasnejad, D. Teney, G. R. Haffari, A. van den Hengel, J. Q. Shi: Active
    Learning by Feature Mixing. CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skactive import ALFAMixSelector
    >>> X = np.random.RandomState(0).normal(size=(50, 2))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> selector = ALFAMixSelector(budget=3, random_state=0).fit(X, y, labeled=range(10))
    >>> selector.candidate_indices_, selector.alpha_cap_
    (array([16, 20, 23, 25, 31, 34, 38, 40, 44]), 0.2)
    >>> bool(np.isin(selector.indices_, selector.candidate_indices_).all())
    True
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        estimator: Any = None,
        alpha_cap: float = 0.2,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.estimator = estimator
        self.alpha_cap = alpha_cap
        self.random_state = random_state
        self.device = device
        self.network = network
        self.embedding = embedding

    def _check_params(self) -> None:
        check_number(self.alpha_cap, "alpha_cap")
        if self.alpha_cap > 1:
            raise ValueError(
                f"alpha_cap == {self.alpha_cap!r}, must be <= 1. It is the first cap of the "
                "mixing factors; try 0.2."
            )

    def _doubtful_rows(self, pool: Pool, model: LinearHead | PoolModel | None) -> NDArray[np.int64]:
        self.alpha_cap_ = np.nan
        if model is None:
            return _NO_ROWS
        if isinstance(model, PoolModel):
            raise TypeError(
                f"ALFAMixSelector needs a classifier that is linear in the {pool.rows.n_features} "
                f"features; got {model.model!r}. Use for instance LogisticRegression(), also "
                "behind StandardScaler() or PCA() in a Pipeline, or a network that ends in a "
                "linear layer; DropQuerySelector takes any classifier."
            )
        if pool.y_labeled is None:
            warnings.warn(
                "No row is labeled, so ALFAMixSelector has nothing to mix the rows with and draws "
                "them at random. Pass y and labeled.",
                ColdStartWarning,
                stacklevel=2,
            )
            return _NO_ROWS
        labels = class_labels(pool.y_labeled, pool.labeled, type(self).__name__)
        anchors = class_anchors(pool.rows, pool.labeled, labels, len(model.bias))
        caps = smallest_caps(pool.rows, model, anchors, max(self._rounding, RELATIVE_TOLERANCE))
        caps[~pool.candidates.cpu().numpy()] = np.inf
        cap = 0.0
        changed = np.zeros(len(caps), dtype=bool)
        for step in range(1, int(np.ceil(1 / self.alpha_cap - RELATIVE_TOLERANCE)) + 1):
            cap = step * float(self.alpha_cap)
            changed = caps < cap
            if np.count_nonzero(changed) > pool.n_picks:
                break
        self.alpha_cap_ = cap
        return np.flatnonzero(changed).astype(np.int64)


def class_anchors(
    rows: Rows, labeled: NDArray[np.int64], labels: NDArray[Any], n_classes: int
) -> Tensor:
    """Mean rows of the known classes, and of all labeled rows where classes are missing.

    Returns
    -------
    anchors : float64 tensor of shape (n_anchors, n_features)
    """
    known, of_class = np.unique(labels, return_inverse=True)
    groups = [labeled[of_class == i] for i in range(len(known))]
    if len(known) < n_classes:
        groups.append(labeled)
    return torch.stack([_mean(rows, group) for group in groups])


def _mean(rows: Rows, positions: NDArray[np.int64]) -> Tensor:
    """Of shape (n_features,). Features that are the same in all rows come out as they are."""
    first = rows.take(positions[:1])[0]
    total = torch.zeros_like(first)
    for start in range(0, len(positions), _ANCHOR_ROWS):
        total += (rows.take(positions[start : start + _ANCHOR_ROWS]) - first).sum(0)
    return first + total / len(positions)


def smallest_caps(
    rows: Rows, head: LinearHead, anchors: Tensor, tolerance: float = RELATIVE_TOLERANCE
) -> NDArray[np.float64]:
    """The cap above which mixing with some anchor changes the predicted class of each row.

    Along a line, outputs of a linear head change at constant rates, so that another class
    overtakes the predicted one at a known length, and stays ahead.

    Parameters
    ----------
    rows : Rows
    head : LinearHead
    anchors : tensor of shape (n_anchors, n_features)
    tolerance : float
        Features of row and anchor agree that differ by no more than this share.

    Returns
    -------
    caps : ndarray of shape (n_samples,)
        Infinite where no cap does.
    """
    caps = torch.empty(rows.n_samples, dtype=torch.float64, device=rows.device)

    def work(part: slice) -> None:
        caps[part] = _chunk_lengths(rows.take(part), head, anchors, tolerance)

    parts = rows.slices(max(rows.n_features, len(head.bias)), limit=_CHUNK_BYTES)
    if rows.device.type == "cpu":
        for_each(parts, work)
    else:
        for part in parts:
            work(part)
    return caps.mul_(rows.n_features**0.5).cpu().numpy()


def _chunk_lengths(features: Tensor, head: LinearHead, anchors: Tensor, tolerance: float) -> Tensor:
    """How far to go, as a share of the distance to an anchor, of shape (n_rows,)."""
    outputs = head.outputs(features)
    predicted = predicted_classes(outputs)[:, None]
    # The gradient divided by the probability of the other classes, which may be too small to keep.
    errors = outputs.scatter(1, predicted, -torch.inf).softmax(1)
    errors.scatter_(1, predicted, -1.0)
    directions = errors @ head.weight
    lengths = directions.norm(dim=1, keepdim=True)
    directions /= lengths.where(lengths > 0, torch.inf)
    speeds = directions @ head.weight.T
    gaps = (outputs.gather(1, predicted) - outputs).clamp_(min=0.0)
    shared = _change_lengths(speeds, predicted, gaps, head)
    best = torch.full_like(shared, torch.inf)
    for anchor in anchors:
        away = (anchor - features).abs_()
        fixed = away <= tolerance * anchor.abs()  # no mixture moves these features
        change = shared
        if bool(fixed.any()):
            some = fixed.any(1)
            change = shared.clone()
            moved = speeds[some] - (directions[some] * fixed[some]) @ head.weight.T
            change[some] = _change_lengths(moved, predicted[some], gaps[some], head)
        best = torch.minimum(best, (change / away.norm(dim=1)).nan_to_num_(nan=torch.inf))
    return best


def _change_lengths(speeds: Tensor, predicted: Tensor, gaps: Tensor, head: LinearHead) -> Tensor:
    """How far to go until another class overtakes the predicted one, of shape (n_rows,)."""
    gains = speeds - speeds.gather(1, predicted)
    moves = gains > 1e-12 * head.weight.norm(dim=1).max()
    return torch.where(moves, gaps / gains, torch.inf).amin(1)
