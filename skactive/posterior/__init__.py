"""Gaussian posteriors over the pool, in weight space and in function space."""

from skactive.posterior._base import GaussianPosterior, LocalPosterior, SweptPosterior
from skactive.posterior._choice import gaussian_posterior
from skactive.posterior._function_space import FunctionSpacePosterior
from skactive.posterior._observations import Observations
from skactive.posterior._part import PartPosterior
from skactive.posterior._proposal import Proposal
from skactive.posterior._running import Steps
from skactive.posterior._weight_space import WeightSpacePosterior
from skactive.posterior._weights import QuadraticForms, Weights, WeightsProposal

__all__ = [
    "FunctionSpacePosterior",
    "GaussianPosterior",
    "LocalPosterior",
    "Observations",
    "PartPosterior",
    "Proposal",
    "QuadraticForms",
    "Steps",
    "SweptPosterior",
    "WeightSpacePosterior",
    "Weights",
    "WeightsProposal",
    "gaussian_posterior",
]
