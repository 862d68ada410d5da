"""BADGE: diverse rows with large loss gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from skactive._base import BaseSelector, Pool, Selection
from skactive._kmeans import k_means_plus_plus
from skactive._landmarks import DistanceLandmarks, Landmarks
from skactive._memory import check_memory
from skactive._threads import one_thread
from skactive._ties import SCORE_TOLERANCE, best_row
from skactive.selection._factored_points import FactoredLandmarks, FactoredPoints
from skactive.selection._linear_head import predicted_classes
from skactive.selection._network_model import (
    is_embedding_of,
    last_layer,
    network_behind,
    network_embedding,
)
from skactive.selection._pool_model import PoolModel, pool_classifier, rounding_error

__all__ = ["BADGESelector"]


class BADGESelector(BaseSelector):
    r"""Pick diverse rows with large loss gradients, by k-means++.

    The label that the model predicts, :math:`\hat y(x)`, is taken for the true one. The gradient
    of the cross-entropy with respect to the weights of the last layer is then

    .. math:: g_x = (p(x) - e_{\hat y(x)}) \otimes h(x)

    with class probabilities :math:`p` and features :math:`h`: long where the model is uncertain,
    and in another direction for other classes and features. The first pick is the row with the
    longest gradient, as in the code of the authors; each further one is drawn with probability
    proportional to the squared distance :math:`\min_s \|g_x - g_s\|^2` to the picks :math:`s` so
    far. Once all of them are 0 the rest is drawn uniformly.

    The features are the rows of `X` for any classifier with ``predict_proba``, and the inputs of
    the last linear layer for a network. The gradients, of n_classes · n_features entries, are
    never formed:

    .. math:: \|g_x - g_y\|^2 = |e_x|^2 |h_x|^2 + |e_y|^2 |h_y|^2
              - 2 \langle e_x, e_y \rangle \langle h_x, h_y \rangle

    and where this loses digits, the squared norm of the difference of the factors.
    Only unlabeled rows have such gradients: labeled rows train the model and are no centers.
    Time is O(n (n_features + n_classes)) a pick, after the model has seen all rows once; memory
    beside the pool is 8 n_classes bytes a row and O(n). With nothing labeled and no model the rows
    are drawn uniformly.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    estimator : classifier or None, default=None
        The model. None means the one handed to ``fit``: in an
        :class:`~skactive.ActiveLearningLoop` that of the round before; without one, a logistic
        regression on standardised features is fitted to the labeled rows. A FrozenEstimator is
        asked as it is; any other estimator is cloned and fitted to the labeled rows. A network
        (skorch net, module, or Pipeline ending in one) that is frozen or handed over gives the
        features as well.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. The picks for a smaller budget are the first ones for a larger.
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
        Row positions in the order picked.
    scores_ : ndarray of shape (n_selected,)
        Squared distance of the gradient of each pick to those of the picks before; the squared
        norm for the first one. Zeros where there was no model.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        Features of the selected rows; ``transform`` gives the Euclidean distances to them. With a
        network as the model they are ``[p - e, h]`` side by side, and the distances are those
        between gradients.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only with a network or `embedding`.

    Raises
    ------
    TypeError
        If the model has no ``predict_proba``, or a network does not end in a linear layer.

    References
    ----------
    J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal: Deep Batch Active Learning by
    Diverse, Uncertain Gradient Lower Bounds. ICLR 2020.

    Examples
    --------
    >>> from skactive import BADGESelector
    >>> X = [[-2.0], [-1.0], [-0.5], [0.5], [1.0], [2.0]]
    >>> y = [0, -1, -1, -1, -1, 1]  # -1: not yet known
    >>> BADGESelector(budget=2, random_state=0).fit(X, y, labeled=[0, 5]).indices_
    array([1, 3])
    """

    _needs_labels = True

    def __init__(
        self,
        budget: int | float = 10,
        *,
        estimator: Any = None,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.estimator = estimator
        self.random_state = random_state
        self.device = device
        self.network = network
        self.embedding = embedding

    def _accepts_sparse(self) -> bool:
        return True

    def _has_prefix_property(self) -> bool:
        return True

    def _needs_model(self) -> bool:
        return super()._needs_model() or (self.estimator is None and self.network is None)

    def _embed_pool(self, X: Any, X_target: Any, estimator: Any) -> tuple[Any, Any]:
        network = network_behind(self.network, self.estimator, estimator)
        if network is None:
            return super()._embed_pool(X, X_target, estimator)
        if self.embedding is not None:
            raise ValueError(
                f"embedding == {self.embedding!r} has no meaning where a network is the model, "
                "whose last layer makes the gradients. Leave it out, or pass another estimator."
            )
        embedding = network_embedding("loss_gradient", factored=True)
        self.embedding_ = embedding.fit(X, estimator=network)
        last_layer(self.embedding_, type(self).__name__)  # refuses networks without
        return self.embedding_.transform(X), X_target

    @property
    def _n_outputs(self) -> int | None:
        """Of the network that is the model."""
        embedding = getattr(self, "embedding_", None)
        if network_is_model(embedding):
            return last_layer(embedding, type(self).__name__).out_features
        return None

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        n_outputs = self._n_outputs
        return DistanceLandmarks() if n_outputs is None else FactoredLandmarks(n_outputs)

    def _select(self, pool: Pool) -> Selection:
        n_outputs = self._n_outputs
        if n_outputs is None:
            model = pool_classifier(self.estimator, pool, type(self).__name__)
            if model is None:
                candidates = np.flatnonzero(pool.candidates.cpu().numpy())
                drawn = pool.random_state.permutation(candidates)[: pool.n_picks]
                return Selection(drawn.astype(np.int64), np.zeros(pool.n_picks))
            errors, rounding = _label_errors(model, pool)
            gradients = FactoredPoints(pool.rows, errors, rounding)
        else:
            errors = _leading_columns(pool, n_outputs)
            rounding = rounding_error(np.empty(0, dtype=np.float32))
            gradients = FactoredPoints(pool.rows, errors, rounding, n_outputs)
        return self._draw(pool, gradients, errors, rounding)

    def _draw(
        self, pool: Pool, gradients: FactoredPoints, errors: Tensor, rounding: float
    ) -> Selection:
        """The longest gradient, then k-means++."""
        features = gradients.feature_squares()
        norms = features * errors.square().sum(1)
        # What an error of the probabilities makes of the squared norms, in which rows tie.
        margin = float((features * (2 * errors.abs().sum(1) + rounding)).max()) * rounding
        first, _ = best_row(
            norms.cpu().numpy(), pool.candidates.cpu().numpy(), margin / SCORE_TOLERANCE
        )
        with one_thread():  # sweeps of the pool have threads of their own
            indices, scores = k_means_plus_plus(
                gradients,
                pool.n_picks,
                centers=np.empty(0, dtype=np.int64),
                candidates=pool.candidates,
                random_state=pool.random_state,
                first=first,
            )
        scores[0] = float(norms[first])
        return Selection(indices, scores)

    def _draws_at_random(self) -> bool:
        return True


def network_is_model(embedding: Any) -> bool:
    """Whether the features are the factors of a network's loss gradients."""
    return is_embedding_of(embedding, "loss_gradient") and bool(embedding.factored)


def _label_errors(model: PoolModel, pool: Pool) -> tuple[Tensor, float]:
    """p − e of all rows, of shape (n_samples, n_classes), and the rounding error of p."""
    n_samples, device = pool.rows.n_samples, pool.rows.device
    errors, rounding = torch.empty(0), 0.0
    for part, values, error in model.probabilities():
        if part.start == 0:
            n_classes = values.shape[1]
            check_memory(
                8 * n_samples * n_classes,
                device,
                f"The class probabilities of {n_samples} rows and {n_classes} classes",
                "Pass a part of the pool.",
            )
            errors = torch.empty(n_samples, n_classes, dtype=torch.float64, device=device)
        probabilities = torch.from_numpy(values)
        predicted = predicted_classes(probabilities, error)
        probabilities[torch.arange(len(values)), predicted] -= 1
        errors[part] = probabilities.to(device)
        rounding = max(rounding, error)
    return errors, rounding


def _leading_columns(pool: Pool, n_columns: int) -> Tensor:
    """The first columns of all rows, of shape (n_samples, n_columns)."""
    columns = torch.empty(
        pool.rows.n_samples, n_columns, dtype=torch.float64, device=pool.rows.device
    )
    for part, chunk in pool.rows.chunks():
        columns[part] = chunk[:, :n_columns]
    return columns
