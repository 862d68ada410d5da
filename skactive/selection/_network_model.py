"""Networks as the models that selectors ask: what goes into and out of their last layer."""

from __future__ import annotations

from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from torch import nn


def network_behind(network: Any, estimator: Any, handed: Any) -> Any:
    """The network that a selector is to ask; None where its model is another one.

    Parameters
    ----------
    network, estimator : object or None
        Parameters of the selector. With both the network only makes the features.
    handed : object or None
        The model given to ``fit``.
    """
    if estimator is None:
        model = handed if network is None else network
    else:
        model = estimator if isinstance(estimator, FrozenEstimator) else None
    return model if is_network(model) else None


def is_network(model: Any) -> bool:
    """Whether a model is a module or skorch net, or a Pipeline that ends in one."""
    if isinstance(model, FrozenEstimator):
        model = model.estimator
    if isinstance(model, Pipeline):
        model = model[-1]
    if isinstance(model, FrozenEstimator):
        model = model.estimator
    # Skorch nets by their shape: skorch itself is slow to import.
    return isinstance(model, nn.Module) or hasattr(model, "initialize_module")


def last_layer(embedding: Any, owner: str) -> nn.Linear:
    """The layer whose inputs, or gradients, a NetworkEmbedding gives."""
    from skactive.embedding._view import view_network

    view = view_network(embedding.network_, owner=owner)
    layer = view.submodule(embedding.layer_, "layer")
    if view.is_regressor or not isinstance(layer, nn.Linear):
        raise TypeError(
            f"{owner} needs a network that classifies and ends in a linear layer; got "
            f"{type(view.module).__name__}, layer {embedding.layer_!r} of which is "
            f"{layer!r}. Use network=... for the features and estimator=LogisticRegression() "
            "for the classes."
        )
    return layer


def network_embedding(kind: str, **params: Any) -> Any:
    """A NetworkEmbedding, imported when it is needed."""
    from skactive.embedding import NetworkEmbedding

    return NetworkEmbedding(kind=kind, **params)


def is_embedding_of(embedding: Any, kind: str) -> bool:
    """Whether a transformer gives features of that kind of a network."""
    return getattr(embedding, "kind", None) == kind and hasattr(embedding, "layer_")
