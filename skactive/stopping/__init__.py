"""Rules that say when labelling has gone far enough."""

from skactive.stopping._base import AllOf, AnyOf, StoppingRule
from skactive.stopping._base import check_stopping as check_stopping
from skactive.stopping._limits import MaxCost, MaxLabels, MaxRounds, TimeLimit
from skactive.stopping._plateau import ScorePlateau
from skactive.stopping._predictions import StablePredictions
from skactive.stopping._selection import CoverageRadius, TargetUncertainty

__all__ = [
    "AllOf",
    "AnyOf",
    "CoverageRadius",
    "MaxCost",
    "MaxLabels",
    "MaxRounds",
    "ScorePlateau",
    "StablePredictions",
    "StoppingRule",
    "TargetUncertainty",
    "TimeLimit",
]
