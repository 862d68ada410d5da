"""The data of the benchmarks, made from seeds, chunk by chunk: no copy, so no peak of memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks import features

N_CENTERS = 100
N_CLASSES = 10
NOISE = 0.1
SEED = 0
# Numbers in one chunk: 8 MiB of float32.
CHUNK_SIZE = 2**21

Pool = NDArray[np.float32]


def clustered_chunks(n: int, d: int, seed: int) -> Iterator[tuple[Pool, NDArray[np.int64]]]:
    """Unit rows around random centers that do not depend on n, and the center of each."""
    centers = np.random.default_rng(SEED).standard_normal((N_CENTERS, d), dtype=np.float32)
    rng = np.random.default_rng([SEED, seed])
    step = max(1, CHUNK_SIZE // d)
    for start in range(0, n, step):
        center = rng.integers(N_CENTERS, size=min(step, n - start))
        X = rng.standard_normal((len(center), d), dtype=np.float32)
        X *= np.float32(0.7)
        X += centers[center]
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        yield X, center


def clustered(n: int, d: int, seed: int = 0) -> Pool:
    X = np.empty((n, d), dtype=np.float32)
    start = 0
    for chunk, _ in clustered_chunks(n, d, seed):
        X[start : start + len(chunk)] = chunk
        start += len(chunk)
    return X


def mapped(n: int, d: int) -> Pool:
    """The same rows in a temporary file that has no name and vanishes with the array."""
    with tempfile.TemporaryFile() as file:
        for chunk, _ in clustered_chunks(n, d, seed=0):
            file.write(chunk.data)
        file.flush()
        return np.memmap(file, dtype=np.float32, mode="r", shape=(n, d))


# What a contender gets: the arguments of its function.


def make_pool(n: int, d: int, budget: int) -> dict[str, Any]:
    return {"X": clustered(n, d), "budget": budget}


def make_mapped_pool(n: int, d: int, budget: int) -> dict[str, Any]:
    return {"X": mapped(n, d), "budget": budget}


def make_noisy_pool(n: int, d: int, budget: int) -> dict[str, Any]:
    return {**make_pool(n, d, budget), "noise": NOISE}


def make_directed(n: int, d: int, n_targets: int, budget: int) -> dict[str, Any]:
    return {**make_noisy_pool(n, d, budget), "targets": clustered(n_targets, d, seed=1)}


def make_mapped_directed(n: int, d: int, n_targets: int, budget: int) -> dict[str, Any]:
    targets = clustered(n_targets, d, seed=1)
    return {**make_mapped_pool(n, d, budget), "noise": NOISE, "targets": targets}


def make_centers(n: int, d: int, budget: int, iterations: int) -> dict[str, Any]:
    return {**make_pool(n, d, budget), "iterations": iterations, "seed": SEED}


def make_real_centers(n: int, budget: int, iterations: int) -> dict[str, Any]:
    X = features.load()[:n]
    return {"X": X, "budget": budget, "iterations": iterations, "seed": SEED}


def make_labeled(n: int, d: int, n_labeled: int, budget: int) -> dict[str, Any]:
    center = np.concatenate([center for _, center in clustered_chunks(n, d, seed=0)])
    X, y = clustered(n, d), center % N_CLASSES
    return {"X": X, "y": y, "labeled": np.arange(n_labeled), "budget": budget, "noise": NOISE}


class Split(NamedTuple):
    """A pool whose rows `labeled` are known at the start, and the rows to be predicted."""

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    labeled: NDArray[np.int64]
    X_test: NDArray[np.float64]
    y_test: NDArray[np.int64]


def make_digits(n_splits: int, n_first: int, budget: int) -> dict[str, Any]:
    X, y = load_digits(return_X_y=True)
    splits = []
    for seed in range(n_splits):
        X_pool, X_test, y_pool, y_test = train_test_split(
            X / 16, y, test_size=0.5, random_state=seed
        )
        labeled = np.random.RandomState(seed).permutation(len(X_pool))[:n_first]
        splits.append(Split(X_pool, y_pool, labeled, X_test, y_test))
    return {"splits": splits, "budget": budget}
