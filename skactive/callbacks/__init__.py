"""Callbacks: what else is to happen while a loop runs."""

from skactive.callbacks._base import Callback
from skactive.callbacks._base import check_callbacks as check_callbacks
from skactive.callbacks._checkpoint import Checkpoint
from skactive.callbacks._early_stopping import EarlyStopping
from skactive.callbacks._plot import LearningCurvePlot
from skactive.callbacks._progress import ProgressBar
from skactive.callbacks._table import PrintTable

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "LearningCurvePlot",
    "PrintTable",
    "ProgressBar",
]
