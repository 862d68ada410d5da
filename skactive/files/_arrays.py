"""Feature arrays: .npy, mapped into memory, and .npz."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from skactive.files._errors import FileError, existing_file, some

ARRAY_SUFFIXES = (".npy", ".npz")
_FEATURE_NAMES = ("X", "features", "embeddings")


def read_array(path: Path) -> NDArray[Any]:
    """The array of a .npy file, which stays on disk until it is used."""
    existing_file(path)
    if is_zipfile(path):
        raise FileError(f"{path} is an .npz file by what it holds. Rename it.")
    try:
        # Not np.load, which leaves a file open that it cannot read.
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header leads to TokenError, zlib.error and others
        raise FileError(f"{path} cannot be read as .npy: {_reason(error)}") from error
    return array


def read_features(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Features (n, d) as floats, and ids where an .npz file has them."""
    if path.suffix.lower() == ".npz":
        features, ids = _read_npz(path)
    else:
        features, ids = read_array(path), None
    return as_features(features, path), ids


def as_features(features: NDArray[Any], path: Path) -> NDArray[Any]:
    """Two-dimensional floats in the byte order of the machine; float32 and float64 untouched."""
    if features.dtype.kind not in "fiub":
        raise FileError(
            f"{path} holds values of type {features.dtype}, must hold numbers. Turn what the rows "
            "stand for into features first."
        )
    if features.ndim != 2:
        raise FileError(
            f"{path} has shape {features.shape}, must be two-dimensional, (rows, features). "
            "Reshape it: X.reshape(len(X), -1)."
        )
    if 0 in features.shape:
        raise FileError(f"{path} has shape {features.shape}, must have a row and a feature.")
    kind, size = features.dtype.kind, features.dtype.itemsize
    if kind == "f" and size in (4, 8) and features.dtype.isnative:
        return features
    exact_in_float32 = size <= 2 or (kind == "f" and size == 4)
    return features.astype(np.float32 if exact_in_float32 else np.float64)


def _read_npz(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    existing_file(path)
    if not is_zipfile(path):
        raise FileError(f"{path} cannot be read as .npz: it is damaged, or no such file.")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:
        raise FileError(f"{path} cannot be read as .npz: {_reason(error)}") from error
    ids = arrays.pop("ids", None)
    named = [name for name in _FEATURE_NAMES if name in arrays]
    if len(arrays) > 1 and len(named) != 1:
        raise FileError(
            f"{path} holds several arrays, {some(arrays)}: which are the features? Name them "
            f"'{_FEATURE_NAMES[0]}', or save them alone."
        )
    if not arrays:
        raise FileError(f"{path} holds no features. Save them as '{_FEATURE_NAMES[0]}'.")
    features = arrays[named[0]] if named else next(iter(arrays.values()))
    return features, None if ids is None else _checked_ids(ids, len(features), path)


def _checked_ids(ids: NDArray[Any], n_rows: int, path: Path) -> NDArray[Any]:
    if ids.shape != (n_rows,) or ids.dtype.kind not in "iuU":
        raise FileError(
            f"{path}: 'ids' must be {n_rows} ints or texts; got shape {ids.shape}, type "
            f"{ids.dtype}."
        )
    values, counts = np.unique(ids, return_counts=True)
    if len(values) < n_rows:
        raise FileError(f"{path}: ids must be unique; {values[counts > 1][0]!r} is there twice.")
    return ids


def _reason(error: Exception) -> str:
    if "pickle" in str(error).lower():
        return "it holds Python objects, or is no such file. Save an array of numbers."
    return f"{error or type(error).__name__}. It is damaged or not complete: save it again."
