"""Rows and labels handed to a measure."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import type_of_target

from skactive._rows import Rows
from skactive._validation import check_features, check_finite, resolve_device


def as_rows(
    X: Any, name: str, *, accept_sparse: bool = True, device: torch.device | None = None
) -> Rows:
    """The rows of a feature matrix, finite; on the device of a tensor unless told otherwise."""
    # An estimator that forgets: scikit-learn's checks note the width and the names on one.
    X = check_features(BaseEstimator(), X, reset=True, accept_sparse=accept_sparse, name=name)
    rows = Rows(X, resolve_device("auto", X) if device is None else device)
    check_finite(rows, name)
    return rows


def two_samples(X: Any, Y: Any, *, accept_sparse: bool = True) -> tuple[Rows, Rows]:
    """Two sets of rows of the same width, on the device of the first."""
    first = as_rows(X, "X", accept_sparse=accept_sparse)
    second = as_rows(Y, "Y", accept_sparse=accept_sparse, device=first.device)
    if first.n_features != second.n_features:
        raise ValueError(
            f"Y must have the {first.n_features} features of X; got {second.n_features}. Pass both "
            "through the same preprocessing."
        )
    return first, second


def label_kind(labels: Any, name: str) -> str:
    """The ``type_of_target`` of an array, many classes for few labels included."""
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return str(type_of_target(labels, input_name=name))
