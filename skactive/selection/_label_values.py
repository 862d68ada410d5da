"""Known labels as NumPy arrays, and what kind they are."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.multiclass import type_of_target
from torch import Tensor


def known_labels(y_labeled: Any, labeled: NDArray[np.int64]) -> tuple[NDArray[Any], str]:
    """Labels of a definite type, and their ``type_of_target``.

    Parameters
    ----------
    y_labeled : array-like of shape (n_labeled,) or (n_labeled, n_outputs)
    labeled : ndarray of shape (n_labeled,)
        Rows of the labels, for errors.
    """
    values = label_array(y_labeled)
    refuse_missing_labels(values, labeled)
    # Labels of a column of objects become numbers or strings: what the unlabeled rows hold
    # (None, NaN) must not decide the type.
    values = np.asarray(values.tolist())
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # of numbers above 2^63
        warnings.simplefilter("ignore", UserWarning)  # many classes for few labels are normal here
        return values, type_of_target(values)


def class_labels(y_labeled: Any, labeled: NDArray[np.int64], owner: str) -> NDArray[Any]:
    """One class for each labeled row, of shape (n_labeled,)."""
    values, kind = known_labels(y_labeled, labeled)
    if kind not in ("binary", "multiclass"):
        raise ValueError(
            f"{owner} needs classes: y must be of shape (n_samples,) and hold whole numbers, "
            f"strings or booleans at the labeled rows; got {kind} labels of shape {values.shape}. "
            "Other labels suit MLMOCSelector."
        )
    return values.reshape(-1)


def real_labels(y_labeled: Any, labeled: NDArray[np.int64], owner: str) -> NDArray[np.float64]:
    """One number for each labeled row, of shape (n_labeled,)."""
    values, _ = known_labels(y_labeled, labeled)
    if values.dtype.kind not in "fiub" or values.size != len(labeled):
        raise ValueError(
            f"{owner} needs numbers: y must be of shape (n_samples,) and hold a real number at "
            f"each labeled row; got labels of type {values.dtype} and shape {values.shape}. "
            "Classes suit UncertaintySelector."
        )
    return values.reshape(-1).astype(np.float64)


def label_array(y: Any) -> NDArray[Any]:
    if isinstance(y, Tensor):
        y = y.detach().cpu()
    return np.asarray(y.toarray() if sparse.issparse(y) else y)


def refuse_missing_labels(values: NDArray[Any], labeled: NDArray[np.int64]) -> None:
    for row, entry in zip(labeled, values, strict=True):
        for value in np.ravel(entry):
            if _is_missing(value):
                raise ValueError(
                    f"y must hold a finite label for every labeled row; got {value} in row "
                    f"{row}. Label the row or leave it out of labeled."
                )


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value) or value in (math.inf, -math.inf)
    except TypeError:  # pandas.NA refuses to be compared
        return True
