"""The checks of the selector contract, in the order they run."""

from skactive._contract import _determinism, _selection, _fitted, _pipelines  # noqa: F401, I001
from skactive._contract._suite import CHECKS, Check

__all__ = ["CHECKS", "Check"]
