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
    from skactive.selection._alfa_mix import ALFAMixSelector as ALFAMixSelector
    from skactive.selection._auto import AutoSelector as AutoSelector
    from skactive.selection._badge import BADGESelector as BADGESelector
    from skactive.selection._bald import BALDSelector as BALDSelector
    from skactive.selection._class_balanced import ClassBalanced as ClassBalanced
    from skactive.selection._coreset import CoreSetSelector as CoreSetSelector
    from skactive.selection._cosine_similarity import (
        CosineSimilaritySelector as CosineSimilaritySelector,
    )
    from skactive.selection._ctl import CTLSelector as CTLSelector
    from skactive.selection._drop_query import DropQuerySelector as DropQuerySelector
    from skactive.selection._expected_model_change import (
        ExpectedModelChangeSelector as ExpectedModelChangeSelector,
    )
    from skactive.selection._facility_location import (
        FacilityLocationSelector as FacilityLocationSelector,
    )
    from skactive.selection._greedy_sampling import GreedySamplingSelector as GreedySamplingSelector
    from skactive.selection._information_density import (
        InformationDensitySelector as InformationDensitySelector,
    )
    from skactive.selection._itl import ITLSelector as ITLSelector
    from skactive.selection._kmeans import KMeansSelector as KMeansSelector
    from skactive.selection._lcmd import LCMDSelector as LCMDSelector
    from skactive.selection._leverage_score import LeverageScoreSelector as LeverageScoreSelector
    from skactive.selection._lookahead import MLMOCSelector as MLMOCSelector
    from skactive.selection._probcover import ProbCoverSelector as ProbCoverSelector
    from skactive.selection._random import RandomSelector as RandomSelector
    from skactive.selection._stochastic_batch import StochasticBatch as StochasticBatch
    from skactive.selection._subsample_pool import SubsamplePool as SubsamplePool
    from skactive.selection._typiclust import TypiClustSelector as TypiClustSelector
    from skactive.selection._uncertainty import UncertaintySelector as UncertaintySelector
    from skactive.selection._variance import VarianceSelector as VarianceSelector
    from skactive.selection._vtl import VTLSelector as VTLSelector

__version__ = "0.1.0"

# Where each name lives: a command line that imports this package must not wait for torch.
_MODULES = {
    "ALFAMixSelector": "skactive.selection._alfa_mix",
    "ActiveBatchSampler": "skactive._batch_sampler",
    "ActiveFTSelector": "skactive.selection._activeft",
    "ActiveLearningLoop": "skactive._loop",
    "AlignedProxy": "skactive._aligned_proxy",
    "AutoSelector": "skactive.selection._auto",
    "BADGESelector": "skactive.selection._badge",
    "BALDSelector": "skactive.selection._bald",
    "BaseSelector": "skactive._base",
    "CTLSelector": "skactive.selection._ctl",
    "ClassBalanced": "skactive.selection._class_balanced",
    "CoreSetSelector": "skactive.selection._coreset",
    "CosineSimilaritySelector": "skactive.selection._cosine_similarity",
    "DropQuerySelector": "skactive.selection._drop_query",
    "ExpectedModelChangeSelector": "skactive.selection._expected_model_change",
    "FacilityLocationSelector": "skactive.selection._facility_location",
    "GreedySamplingSelector": "skactive.selection._greedy_sampling",
    "GreedySelector": "skactive._greedy",
    "ITLSelector": "skactive.selection._itl",
    "InformationDensitySelector": "skactive.selection._information_density",
    "KMeansSelector": "skactive.selection._kmeans",
    "LCMDSelector": "skactive.selection._lcmd",
    "LeverageScoreSelector": "skactive.selection._leverage_score",
    "MLMOCSelector": "skactive.selection._lookahead",
    "NetworkEmbedding": "skactive.embedding",
    "Pool": "skactive._base",
    "ProbCoverSelector": "skactive.selection._probcover",
    "RandomSelector": "skactive.selection._random",
    "Selection": "skactive._base",
    "SelectionSampler": "skactive._sampler",
    "StochasticBatch": "skactive.selection._stochastic_batch",
    "SubsamplePool": "skactive.selection._subsample_pool",
    "TypiClustSelector": "skactive.selection._typiclust",
    "UncertaintySelector": "skactive.selection._uncertainty",
    "VTLSelector": "skactive.selection._vtl",
    "VarianceSelector": "skactive.selection._variance",
    "linearized_retrain": "skactive._linearized_retrain",
}
__all__ = sorted(_MODULES)

# Modules that `import skactive` alone has always offered.
_SUBMODULES = frozenset(
    {
        "callbacks",
        "displays",
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
