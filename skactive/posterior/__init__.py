"""Gaussian posteriors over the pool, in weight space and in function space."""

from skactive.posterior._base import GaussianPosterior, LocalPosterior
from skactive.posterior._choice import gaussian_posterior
from skactive.posterior._function_space import FunctionSpacePosterior
from skactive.posterior._proposal import Proposal
from skactive.posterior._running import Steps
from skactive.posterior._weight_space import WeightSpacePosterior

__all__ = [
    "FunctionSpacePosterior",
    "GaussianPosterior",
    "LocalPosterior",
    "Proposal",
    "Steps",
    "WeightSpacePosterior",
    "gaussian_posterior",
]
