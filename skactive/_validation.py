"""Checks of what users pass in, with errors that say what to do about it."""

from __future__ import annotations

import sys
import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data
from torch import Tensor

from skactive._rows import Rows
from skactive.exceptions import BudgetWarning, ZeroNormWarning


def check_budget(budget: Any, n_samples: int, n_candidates: int, *, name: str = "budget") -> int:
    """Number of rows to pick, at most `n_candidates`.

    Parameters
    ----------
    budget : int >= 1 or float in (0, 1]
        A count, or a share of `n_samples`.
    """
    allowed = "an int >= 1 or a float in (0, 1]"
    if isinstance(budget, (bool, np.bool_)) or not isinstance(budget, Real):
        raise TypeError(
            f"{name} == {budget!r}, must be {allowed}; got {type(budget).__name__}. "
            f"Pass the number of rows to pick, for instance {name}=10."
        )
    if isinstance(budget, Integral):
        if budget < 1:
            raise ValueError(
                f"{name} == {budget}, must be {allowed}. Pick at least one row: {name}=1."
            )
        count = int(budget)
    else:
        if not 0 < float(budget) <= 1:
            raise ValueError(
                f"{name} == {budget}, must be {allowed}. A float is a share of the rows; "
                f"for a number of rows pass an int."
            )
        count = max(1, int(float(budget) * n_samples))
    if count > n_candidates:
        warnings.warn(
            f"{name} asks for {count} rows but only {n_candidates} are left to pick: all of "
            f"them are selected. Lower {name} or pass more rows.",
            BudgetWarning,
            stacklevel=2,
        )
        count = n_candidates
    return count


def check_batch_size(size: Any, n_samples: int, name: str) -> int:
    """Labels of one round. What exceeds the labels left is cut without a warning."""
    return check_budget(size, n_samples, sys.maxsize, name=name)


def check_labeled(labeled: Any, n_samples: int) -> NDArray[np.int64]:
    """Positions of the labeled rows, from a boolean mask or from positions."""
    if labeled is None:
        return np.empty(0, dtype=np.int64)
    positions = np.asarray(labeled)
    allowed = f"a boolean mask of length {n_samples} or unique positions in [0, {n_samples})"
    if positions.ndim != 1:
        raise ValueError(
            f"labeled must be {allowed}; got an array of {positions.ndim} dimensions. "
            "Pass a flat list or array."
        )
    if positions.size == 0 and positions.dtype != bool:
        return np.empty(0, dtype=np.int64)
    if positions.dtype == bool:
        if len(positions) != n_samples:
            raise ValueError(
                f"labeled must be {allowed}; got a mask of length {len(positions)}. "
                "Make the mask as long as X."
            )
        return np.flatnonzero(positions).astype(np.int64)
    if positions.dtype.kind not in "iu":
        raise ValueError(
            f"labeled must be {allowed}; got values of type {positions.dtype}. "
            "Convert it with .astype(bool) or .astype(int)."
        )
    if len(positions) == n_samples and np.isin(positions, (0, 1)).all():
        raise ValueError(
            f"labeled must be {allowed}; got {n_samples} integers that are all 0 or 1, which "
            "looks like a mask. Pass labeled.astype(bool) if it is one."
        )
    _check_positions(positions, n_samples, "labeled", allowed)
    return positions.astype(np.int64)


def check_pool_labeled(labeled: Any, n_samples: int) -> NDArray[np.int64]:
    """The same, where some rows must be left to pick."""
    positions = check_labeled(labeled, n_samples)
    if len(positions) == n_samples:
        raise ValueError(
            f"labeled covers all {n_samples} rows, so nothing is left to pick. Pass a pool "
            "with unlabeled rows."
        )
    return positions


def _check_positions(
    positions: NDArray[Any], n_samples: int, name: str, allowed: str, *, unique: bool = True
) -> None:
    outside = positions[(positions < 0) | (positions >= n_samples)]
    if len(outside):
        raise ValueError(
            f"{name} must be {allowed}; got {outside[0]}. Positions count from 0; negative "
            "ones are refused because they usually are mistakes."
        )
    if unique:
        values, counts = np.unique(positions, return_counts=True)
        if (counts > 1).any():
            raise ValueError(
                f"{name} must be {allowed}; got {values[counts > 1][0]} more than once. "
                f"Pass np.unique({name})."
            )


def check_features(
    estimator: Any, X: Any, *, reset: bool, accept_sparse: bool, name: str = "X"
) -> Any:
    """A numeric, two-dimensional matrix of the width seen in fit; its values are not yet read."""
    _check_shape(X, name)
    if isinstance(X, Tensor):
        X = _check_tensor(X, name)
        return validate_data(estimator, X, reset=reset, skip_check_array=True)
    _refuse_text(X, name)
    return validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse="csr" if accept_sparse else False,
        ensure_all_finite=False,
    )


def check_targets(X_target: Any, n_features: int, *, accept_sparse: bool) -> Any:
    """Target rows as wide as the pool."""
    _check_shape(X_target, "X_target")
    if isinstance(X_target, Tensor):
        X_target = _check_tensor(X_target, "X_target")
    else:
        _refuse_text(X_target, "X_target")
        X_target = check_array(
            X_target,
            accept_sparse="csr" if accept_sparse else False,
            ensure_all_finite=False,
            input_name="X_target",
        )
    if X_target.shape[1] != n_features:
        raise ValueError(
            f"X_target must have the {n_features} features of X; got {X_target.shape[1]}. "
            "Pass the targets through the same preprocessing as the pool."
        )
    return X_target


def check_target_positions(X_target: Any, n_samples: int) -> NDArray[np.int64]:
    """Targets of a precomputed kernel: positions of pool rows."""
    positions = np.asarray(X_target)
    allowed = f"positions of rows in [0, {n_samples}) when kernel='precomputed'"
    if positions.ndim != 1 or positions.dtype.kind not in "iu" or len(positions) == 0:
        raise ValueError(
            f"X_target must be {allowed}; got an array of shape {positions.shape} and type "
            f"{positions.dtype}. Pass the row numbers of the targets as a list of ints."
        )
    _check_positions(positions, n_samples, "X_target", allowed, unique=False)
    return positions.astype(np.int64)


def check_finite(rows: Rows, name: str) -> None:
    """Refuse NaN, infinity and rows whose squared norm overflows."""
    suspicious = np.flatnonzero(~np.isfinite(rows.squared_norms().cpu().numpy()))
    if not len(suspicious):
        return
    entries_finite = np.array([bool(rows.take([i]).isfinite().all()) for i in suspicious])
    bad = suspicious[~entries_finite]
    if len(bad):
        raise ValueError(not_finite(name, len(bad), rows.n_samples, bad[0]))
    raise ValueError(too_large(name, len(suspicious), suspicious[0]))


def not_finite(name: str, count: int, n_samples: int, first: int) -> str:
    """What to say of rows with NaN or infinity."""
    return (
        f"{name} must be finite; got NaN or infinity in {count} of {n_samples} rows, "
        f"first in row {first}. Impute them (sklearn.impute.SimpleImputer) or drop the rows."
    )


def too_large(name: str, count: int, first: int) -> str:
    """What to say of finite rows whose squared norm overflows."""
    return (
        f"{name} must have rows of a norm below 1e154; got {count} larger ones, first "
        f"row {first}. Divide {name} by its largest absolute value."
    )


def warn_zero_norm(rows: Rows, owner: str) -> None:
    """One warning that counts the rows without direction."""
    zero = np.flatnonzero((rows.squared_norms() == 0).cpu().numpy())
    if len(zero):
        warnings.warn(zero_norm(zero, rows.n_samples, owner), ZeroNormWarning, stacklevel=2)


def zero_norm(zero: NDArray[np.int64], n_samples: int, owner: str) -> str:
    """What to say of rows without direction."""
    return (
        f"{len(zero)} of {n_samples} rows have zero norm (first: row {zero[0]}): they "
        f"have no direction, so {owner} picks them last."
    )


def check_choice(value: Any, name: str, allowed: tuple[str, ...]) -> None:
    """One of a few strings."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} == {value!r}, must be one of {', '.join(map(repr, allowed))}.")


def check_number(
    value: Any,
    name: str,
    *,
    minimum: float = 0.0,
    strict: bool = True,
    integer: bool = False,
    hint: str = "",
) -> None:
    """A finite number above `minimum` (or at least `minimum`, if not `strict`)."""
    kind = Integral if integer else Real
    sign = ">" if strict else ">="
    allowed = f"{'an int' if integer else 'a finite number'} {sign} {minimum:g}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, kind):
        raise TypeError(f"{name} == {value!r}, must be {allowed}. {hint}".rstrip())
    if not np.isfinite(float(value)) or value < minimum or (strict and value == minimum):
        raise ValueError(f"{name} == {value!r}, must be {allowed}. {hint}".rstrip())


def check_is_estimator(estimator: Any) -> None:
    """Refuse what cannot be cloned and fitted."""
    if isinstance(estimator, type) or not (
        hasattr(estimator, "fit") and hasattr(estimator, "get_params")
    ):
        raise TypeError(
            f"estimator == {estimator!r}, must be an instance with fit and get_params, for "
            "instance LogisticRegression()."
        )


def resolve_device(device: Any, X: Any) -> torch.device:
    """The torch device to compute on."""
    if isinstance(device, str) and device == "auto":
        if isinstance(X, Tensor):
            return X.device
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device == {device!r}, must be 'auto', 'cpu', 'cuda' or a torch.device."
        ) from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device == {device!r}, but this torch build sees no CUDA device. Use device='cpu' "
            "or install a CUDA build of torch."
        )
    return resolved


def _check_shape(X: Any, name: str) -> None:
    """What scikit-learn says of arrays without rows or of more dimensions, with a remedy."""
    shape = tuple(getattr(X, "shape", ()))
    if len(shape) > 2:
        raise ValueError(
            f"Found array with dim {len(shape)} for {name}, while dim <= 2 is required. Reshape "
            f"each sample to a row of features: {name}.reshape(len({name}), -1)."
        )
    if shape and shape[0] == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={shape}) for {name} while a minimum of 1 is "
            "required. Pass at least one row."
        )


def _check_tensor(X: Tensor, name: str) -> Tensor:
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array for {name}, got {X.ndim}D tensor instead. Reshape it to "
            "(n_samples, n_features)."
        )
    if X.is_complex() or X.layout != torch.strided:
        raise ValueError(
            f"{name} must be a dense tensor of real numbers; got {X.dtype}, layout {X.layout}."
        )
    if X.shape[1] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={tuple(X.shape)}) for {name} while a minimum "
            "of 1 is required. Pass at least one column."
        )
    return X.detach()


def _refuse_text(X: Any, name: str) -> None:
    """scikit-learn would silently turn numeric strings in object arrays into numbers."""
    if hasattr(X, "toarray") or (isinstance(X, np.ndarray) and X.dtype.kind in "fiub"):
        return
    values = np.asarray(X.head(1) if hasattr(X, "dtypes") else X)
    if values.dtype == object:
        values = np.asarray(X)
        holds_text = any(isinstance(value, (str, bytes)) for value in values.ravel())
    else:
        holds_text = values.dtype.kind in "USV"
    if holds_text:
        raise ValueError(
            f"{name} must hold numbers; got strings. Encode text first, for instance with "
            "sklearn.feature_extraction.text.TfidfVectorizer or "
            "sklearn.preprocessing.OneHotEncoder in a Pipeline."
        )
