"""Pick the samples worth labelling, with scikit-learn's own API."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skactive._aligned_proxy import AlignedProxy as AlignedProxy
    from skactive._base import BaseSelector as BaseSelector
    from skactive._base import Pool as Pool
    from skactive._base import Selection as Selection
    from skactive._batch_sampler import ActiveBatchSampler as ActiveBatchSampler
    from skactive._greedy import GreedySelector as GreedySelector
    from skactive._linearized_retrain import linearized_retrain as linearized_retrain
    from skactive._loop import ActiveLearningLoop as ActiveLearningLoop
    from skactive._sampler import SelectionSampler as SelectionSampler
    from skactive.embedding import NetworkEmbedding as NetworkEmbedding
    from skactive.selection._activeft import ActiveFTSelector as ActiveFTSelector
    from skactive.selection._coreset import CoreSetSelector as CoreSetSelector
    from skactive.selection._itl import ITLSelector as ITLSelector
    from skactive.selection._lookahead import MLMOCSelector as MLMOCSelector
    from skactive.selection._random import RandomSelector as RandomSelector
    from skactive.selection._vtl import VTLSelector as VTLSelector

__version__ = "0.1.0"

# Where each name lives: a command line that imports this package must not wait for torch.
_MODULES = {
    "ActiveBatchSampler": "skactive._batch_sampler",
    "ActiveFTSelector": "skactive.selection._activeft",
    "ActiveLearningLoop": "skactive._loop",
    "AlignedProxy": "skactive._aligned_proxy",
    "BaseSelector": "skactive._base",
    "CoreSetSelector": "skactive.selection._coreset",
    "GreedySelector": "skactive._greedy",
    "ITLSelector": "skactive.selection._itl",
    "MLMOCSelector": "skactive.selection._lookahead",
    "NetworkEmbedding": "skactive.embedding",
    "Pool": "skactive._base",
    "RandomSelector": "skactive.selection._random",
    "Selection": "skactive._base",
    "SelectionSampler": "skactive._sampler",
    "VTLSelector": "skactive.selection._vtl",
    "linearized_retrain": "skactive._linearized_retrain",
}
__all__ = sorted(_MODULES)

# Modules that `import skactive` alone has always offered.
_SUBMODULES = frozenset(
    {
        "callbacks",
        "embedding",
        "exceptions",
        "finetuning",
        "journal",
        "kernels",
        "metrics",
        "oracles",
        "posterior",
        "selection",
        "stopping",
    }
)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value
    if name in _SUBMODULES:
        return import_module(f"skactive.{name}")
    raise AttributeError(f"module 'skactive' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})
