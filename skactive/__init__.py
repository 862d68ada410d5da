"""Pick the samples worth labelling, with scikit-learn's own API."""

from skactive._aligned_proxy import AlignedProxy
from skactive._base import BaseSelector, Pool, Selection
from skactive._batch_sampler import ActiveBatchSampler
from skactive._greedy import GreedySelector
from skactive._linearized_retrain import linearized_retrain
from skactive._loop import ActiveLearningLoop
from skactive._sampler import SelectionSampler
from skactive.embedding import NetworkEmbedding
from skactive.selection._activeft import ActiveFTSelector
from skactive.selection._coreset import CoreSetSelector
from skactive.selection._itl import ITLSelector
from skactive.selection._lookahead import MLMOCSelector
from skactive.selection._random import RandomSelector
from skactive.selection._vtl import VTLSelector

__version__ = "0.1.0"

__all__ = [
    "ActiveBatchSampler",
    "ActiveFTSelector",
    "ActiveLearningLoop",
    "AlignedProxy",
    "BaseSelector",
    "CoreSetSelector",
    "GreedySelector",
    "ITLSelector",
    "MLMOCSelector",
    "NetworkEmbedding",
    "Pool",
    "RandomSelector",
    "Selection",
    "SelectionSampler",
    "VTLSelector",
    "linearized_retrain",
]
