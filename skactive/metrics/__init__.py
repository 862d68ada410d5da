"""Measures of picks, of labels and of learning curves.

- How well picks stand for a pool: ``coverage_radius``, ``maximum_mean_discrepancy``,
  ``wasserstein_distance``, ``sliced_wasserstein_distance``; ``class_balance`` of their labels.
- What labels bring: ``learning_curve`` reads the history of a loop,
  ``area_under_learning_curve``, ``labels_needed`` and ``labels_saved`` take what it returns.
- How much features know about labels: ``logme``.
"""

from skactive.metrics._balance import class_balance
from skactive.metrics._coverage import coverage_radius
from skactive.metrics._curves import (
    LearningCurve,
    area_under_learning_curve,
    labels_needed,
    labels_saved,
    learning_curve,
)
from skactive.metrics._discrepancy import maximum_mean_discrepancy
from skactive.metrics._logme import logme
from skactive.metrics._sliced import sliced_wasserstein_distance
from skactive.metrics._transport import wasserstein_distance

__all__ = [
    "LearningCurve",
    "area_under_learning_curve",
    "class_balance",
    "coverage_radius",
    "labels_needed",
    "labels_saved",
    "learning_curve",
    "logme",
    "maximum_mean_discrepancy",
    "sliced_wasserstein_distance",
    "wasserstein_distance",
]
