"""Clusters of processes on this machine, and pools for them."""

import contextlib
import time

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

from skactive import (
    ActiveFTSelector,
    CoreSetSelector,
    ITLSelector,
    UncertaintySelector,
    VTLSelector,
)

# Selectors that take dask collections; a new one is one line here.
SELECTORS = {
    "k-center": lambda: CoreSetSelector(40),
    "k-center, cosine": lambda: CoreSetSelector(40, metric="cosine", init="farthest"),
    "k-center, random": lambda: CoreSetSelector(20, init="random", random_state=0),
    "ITL": lambda: ITLSelector(20),
    "ITL, linear": lambda: ITLSelector(15, kernel="linear"),
    "VTL": lambda: VTLSelector(10),
    "uncertainty": lambda: UncertaintySelector(20, random_state=0),
    "ActiveFT": lambda: ActiveFTSelector(10, random_state=0, max_iter=10),
}
N_LABELED = 12


def make_pool(n_samples=1000, n_features=8, seed=0):
    """Rows around some centers, of which a few are twice there, and their labels."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 5, n_samples)
    X = rng.standard_normal((n_samples, n_features)) + 3 * label[:, None]
    X[-20:] = X[:20]
    return X.astype(np.float32), label % 3


def in_parts(X, n_parts):
    """X as a dask array of about so many partitions."""
    return da.from_array(X, chunks=(-(-len(X) // n_parts), -1))


def fit(selector, X, y=None):
    """Fit to a pool with some labeled rows where the labels are given."""
    labeled = None if y is None else np.arange(N_LABELED) * 7
    return selector.fit(X, y, labeled=labeled)


def assert_same_picks(selector, expected):
    np.testing.assert_array_equal(selector.indices_, expected.indices_)
    np.testing.assert_allclose(selector.scores_, expected.scores_, rtol=1e-6)
    np.testing.assert_array_equal(selector.components_, expected.components_)


@contextlib.contextmanager
def cluster_of(n_workers, *, threads_per_worker=1, config=None, **kwargs):
    """A client of a fresh cluster, which writes no warnings of its own when processes die."""
    kwargs = {"memory_limit": "2GB", "dashboard_address": ":0"} | kwargs
    with (
        dask.config.set({"distributed.worker.daemon": True, **(config or {})}),
        LocalCluster(
            n_workers=n_workers, threads_per_worker=threads_per_worker, **kwargs
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def n_tasks(client):
    """Tasks that the scheduler remembers."""
    return client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
