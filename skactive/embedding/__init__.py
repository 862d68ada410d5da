"""Features of a torch network: last layer, loss gradients, neural tangent kernels."""

from skactive.embedding._network_embedding import NetworkEmbedding

__all__ = ["NetworkEmbedding"]
