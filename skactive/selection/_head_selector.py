"""What selectors share that find doubtful rows and pick among them by k-means."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive._base import BaseSelector, Pool, Selection
from skactive.selection._clustered_picks import clustered_picks
from skactive.selection._linear_head import LinearHead, layer_head, linear_head
from skactive.selection._network_model import (
    last_layer,
    network_behind,
    network_embedding,
)
from skactive.selection._pool_model import PoolModel, pool_classifier, rounding_error


class HeadSelector(BaseSelector):
    """Base of selectors that change the features and see whether the prediction changes.

    The subclass finds the rows whose prediction does; k-means picks among these.
    """

    estimator: Any
    random_state: Any

    # By how much the features of a row may differ from one batch to another, for a norm of 1.
    _rounding = 0.0
    _needs_labels = True

    @abstractmethod
    def _doubtful_rows(self, pool: Pool, model: LinearHead | PoolModel | None) -> NDArray[np.int64]:
        """Ascending positions of the candidates, none without a model."""

    def _needs_model(self) -> bool:
        return super()._needs_model() or (self.estimator is None and self.network is None)

    def _embed_pool(self, X: Any, X_target: Any, estimator: Any) -> tuple[Any, Any]:
        network = network_behind(self.network, self.estimator, estimator)
        if network is None:
            features, X_target = super()._embed_pool(X, X_target, estimator)
            self._rounding = 0.0 if features is X else _feature_rounding(features)
            return features, X_target
        if self.embedding not in (None, "last_layer"):
            raise ValueError(
                f"embedding == {self.embedding!r} has no meaning where a network is the model: "
                "the features are the inputs of its last linear layer. Leave it out, or pass "
                "another estimator."
            )
        embedding = network_embedding("last_layer")
        self.embedding_ = embedding.fit(X, estimator=network)
        last_layer(self.embedding_, type(self).__name__)  # refuses networks without
        features = self.embedding_.transform(X)
        self._rounding = _feature_rounding(features)
        return features, X_target

    def _model(self, pool: Pool) -> LinearHead | PoolModel | None:
        """What predicts the classes, as a linear head where it is one."""
        owner = type(self).__name__
        if network_behind(self.network, self.estimator, pool.estimator) is not None:
            return layer_head(last_layer(self.embedding_, owner)).to(pool.rows.device)
        model = pool_classifier(self.estimator, pool, owner)
        if model is None:
            return None
        reads_inputs = model.model is self.estimator or model.model is pool.estimator
        if reads_inputs and hasattr(self, "embedding_"):
            raise TypeError(
                f"{owner} changes the {pool.rows.n_features} features of {self.embedding_!r}, but "
                f"the model reads X: {model.model!r}. Pass an estimator that is fitted to the "
                "features, such as estimator=LogisticRegression(), or leave out the embedding."
            )
        head = linear_head(model.model)
        if head is None or head.weight.shape[1] != pool.rows.n_features:
            return model
        return head.to(pool.rows.device)

    def _select(self, pool: Pool) -> Selection:
        self.candidate_indices_ = self._doubtful_rows(pool, self._model(pool))
        return clustered_picks(pool, self.candidate_indices_, self._rounding)

    def _draws_at_random(self) -> bool:
        return True


def _feature_rounding(features: Any) -> float:
    """Of single precision, unless the features are of double precision."""
    is_double = str(getattr(features, "dtype", "float64")) == "float64"
    return rounding_error(np.empty(0, dtype=np.float64 if is_double else np.float32))
