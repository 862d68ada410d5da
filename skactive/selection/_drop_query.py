"""DropQuery: rows whose predicted class does not survive dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool
from skactive._threads import one_thread
from skactive._validation import check_number
from skactive.selection._head_selector import HeadSelector
from skactive.selection._linear_head import LinearHead, predicted_classes
from skactive.selection._network_model import is_network
from skactive.selection._pool_model import PoolModel, check_probabilities, rounding_error

__all__ = ["DropQuerySelector"]

_CHUNK_BYTES = 2**19  # of copies at a time, which stay in the caches


class DropQuerySelector(HeadSelector):
    r"""Pick clusters of rows whose predicted class does not survive dropout.

    Of each unlabeled row :math:`n\_dropout\_samples` copies are made, in each of which every
    feature is set to 0 with probability `dropout_rate` :math:`\rho` and divided by
    :math:`1 - \rho` otherwise. Rows for which more than half of the copies are predicted to be of
    another class than the row itself are candidates. k-means divides the candidates, scaled to
    unit norm, into as many clusters as there are rows to pick, and the candidate nearest to each
    center is picked. With fewer candidates than picks all of them are picked and the rest is
    drawn at random, as it is in the code of the authors.

    For linear classifiers (also behind scalers or projections in a Pipeline) and for the last
    linear layer of a network, the predictions are products of matrices; any other classifier
    predicts every copy. Time is O(n_dropout_samples · n · n_features · n_classes) and that of
    k-means on the candidates; memory beside the pool is O(n), and a copy of the candidates
    where they are less than a quarter of the pool. With nothing labeled and no model the rows are
    drawn at random; the authors take the rows nearest to the centers of k-means on the whole pool
    then, which is :class:`~skactive.KMeansSelector` as ``init_selector`` of a loop.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    estimator : classifier or None, default=None
        The model. None means the one handed to ``fit``: in an
        :class:`~skactive.ActiveLearningLoop` that of the round before; without one, a logistic
        regression on standardised features is fitted to the labeled rows. A FrozenEstimator is
        asked as it is; any other estimator is cloned and fitted to the labeled rows. It must read
        the same features as the selector. A network (skorch net, module, or Pipeline ending in
        one) that is frozen or handed over gives the features as well: the inputs of its last
        linear layer.
    dropout_rate : float in (0, 1), default=0.75
        Share of the features that are dropped, :math:`\rho`.
    n_dropout_samples : int, default=3
        Copies of each row.
    random_state : int, RandomState instance or None, default=None
        Seed of the dropout and of k-means. The picks for a smaller budget are not the first ones
        for a larger.
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
        If the model has no ``predict_proba``, or does not read the features.

    References
    ----------
    S. R. Gupte, J. Aklilu, J. J. Nirschl, S. Yeung-Levy: Revisiting Active Learning in the Era of
    Vision Foundation Models. TMLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skactive import DropQuerySelector
    >>> X = np.random.RandomState(0).normal(size=(50, 8))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> selector = DropQuerySelector(budget=3, random_state=0).fit(X, y, labeled=range(10))
    >>> len(selector.indices_), bool(np.isin(selector.indices_, selector.candidate_indices_).all())
    (3, True)
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        estimator: Any = None,
        dropout_rate: float = 0.75,
        n_dropout_samples: int = 3,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.estimator = estimator
        self.dropout_rate = dropout_rate
        self.n_dropout_samples = n_dropout_samples
        self.random_state = random_state
        self.device = device
        self.network = network
        self.embedding = embedding

    def _check_params(self) -> None:
        check_number(self.dropout_rate, "dropout_rate")
        if self.dropout_rate >= 1:
            raise ValueError(
                f"dropout_rate == {self.dropout_rate!r}, must be < 1. It is the share of the "
                "features that are dropped; try 0.75."
            )
        check_number(
            self.n_dropout_samples, "n_dropout_samples", minimum=1, strict=False, integer=True
        )

    def _doubtful_rows(self, pool: Pool, model: LinearHead | PoolModel | None) -> NDArray[np.int64]:
        if model is None:
            return np.empty(0, dtype=np.int64)
        if isinstance(model, LinearHead):
            with one_thread():  # small products, which threads would only hold up
                counts = self._head_changes(pool, model)
        else:
            counts = self._model_changes(pool, model)
        doubtful = (2 * counts > self.n_dropout_samples) & pool.candidates.cpu().numpy()
        return np.flatnonzero(doubtful).astype(np.int64)

    def _head_changes(self, pool: Pool, head: LinearHead) -> NDArray[np.int64]:
        """How many copies of each row are predicted to be of another class, of shape (n,)."""
        counts = np.empty(pool.rows.n_samples, dtype=np.int64)
        kept_share = 1 - float(self.dropout_rate)
        n_columns = max(int(self.n_dropout_samples) * pool.rows.n_features, len(head.bias))
        for part in pool.rows.slices(n_columns, limit=_CHUNK_BYTES):
            features = pool.rows.take(part)
            predicted = predicted_classes(head.outputs(features))
            kept = torch.from_numpy(self._kept(pool, len(features))).to(features.device)
            copies = (features[:, None] * kept).flatten(0, 1)
            outputs = torch.addmm(head.bias, copies, head.weight.T, alpha=1 / kept_share)
            changed = predicted_classes(outputs).reshape(len(features), -1) != predicted[:, None]
            counts[part] = changed.sum(1).cpu().numpy()
        return counts

    def _model_changes(self, pool: Pool, model: PoolModel) -> NDArray[np.int64]:
        """The same for a classifier of any kind, which predicts all copies."""
        counts = np.empty(pool.rows.n_samples, dtype=np.int64)
        # Other models get the same numbers from rows of single and of double precision.
        dtype = np.dtype(np.float32 if is_network(model.model) else np.float64)
        for part, batch in model.batches():
            predicted = _predictions(model, batch)
            changes = np.zeros(len(predicted), dtype=np.int64)
            kept = self._kept(pool, len(predicted))
            for copy in range(kept.shape[1]):
                factors = kept[:, copy] / (1 - self.dropout_rate)
                changes += _predictions(model, _scaled(batch, factors, dtype)) != predicted
            counts[part] = changes
        return counts

    def _kept(self, pool: Pool, n_rows: int) -> NDArray[np.bool_]:
        """Which features of the next rows each copy keeps: (n_rows, n_copies, n_features).

        They are drawn row by row, so that chunks of any size get the same.
        """
        shape = n_rows, int(self.n_dropout_samples), pool.rows.n_features
        kept: NDArray[np.bool_] = pool.random_state.random_sample(shape) >= self.dropout_rate
        return kept


def _predictions(model: PoolModel, batch: Any) -> NDArray[np.int64]:
    """Columns of the predicted classes."""
    values = np.asarray(model.model.predict_proba(batch))
    probabilities = check_probabilities(values, len(batch), model.model)
    outputs: Tensor = torch.from_numpy(probabilities)
    return predicted_classes(outputs, rounding_error(values)).numpy()


def _scaled(batch: Any, factors: NDArray[np.float64], dtype: np.dtype[Any]) -> Any:
    """The batch times factors, in the container that the model was fitted to."""
    values = (np.asarray(batch, dtype=np.float64) * factors).astype(dtype)
    if not hasattr(batch, "columns"):
        return values
    frame = type(batch)(values)
    frame.columns = list(batch.columns)
    return frame
