"""Features of a torch network: last layer, loss gradients, neural tangent kernels."""

from skactive.embedding._network_embedding import NetworkEmbedding
from skactive.embedding._ntk import empirical_ntk

__all__ = ["NetworkEmbedding", "empirical_ntk"]
