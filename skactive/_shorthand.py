"""The parameters `network` and `embedding` of selectors: a Pipeline step without the Pipeline."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import has_fit_parameter


def make_embedding(network: Any, embedding: Any) -> Any:
    """What turns raw inputs into features; None where neither parameter is set.

    Parameters
    ----------
    network : net, module or None
        As for :class:`NetworkEmbedding`.
    embedding : str, transformer or None
        A kind of network features, or what makes the features.
    """
    if network is None and embedding is None:
        return None
    # Not above: it brings skorch, for which a selector without a network need not wait.
    from skactive.embedding import NetworkEmbedding

    if embedding is None or isinstance(embedding, str):
        return NetworkEmbedding(network, kind=embedding or "last_layer")
    if not hasattr(embedding, "transform"):
        raise TypeError(
            f"embedding == {embedding!r}, must be None, a kind of NetworkEmbedding such as "
            "'last_layer', or a transformer, for instance NetworkEmbedding(kind='ntk')."
        )
    copy = embedding if isinstance(embedding, FrozenEstimator) else clone(embedding)
    if network is None:
        return copy
    if not isinstance(embedding, NetworkEmbedding):
        raise ValueError(
            f"network was given, but embedding == {embedding!r} takes no network. Leave network "
            "out, or pass a NetworkEmbedding."
        )
    if embedding.network is not None:
        raise ValueError(
            "network was given twice, to the selector and to its embedding. Leave one of them out."
        )
    return copy.set_params(network=network)


def needs_model(step: Any) -> bool:
    """Whether a step, or a kind of network features, takes its network from ``fit(estimator=)``."""
    if isinstance(step, str):
        return True
    return bool(step._needs_model()) if hasattr(step, "_needs_model") else False


def estimator_for(step: Any, estimator: Any) -> dict[str, Any]:
    """The fit parameter that hands over the model of the round before, where it is taken."""
    return {"estimator": estimator} if has_fit_parameter(step, "estimator") else {}
