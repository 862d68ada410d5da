"""Dask collections, told apart without dask."""

from __future__ import annotations

from typing import Any


def is_dask(X: Any) -> bool:
    """Whether X is a collection of dask, of which only the description is here."""
    return hasattr(X, "__dask_graph__")
