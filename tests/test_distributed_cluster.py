"""Pools on the workers of a cluster: the picks, what travels, and what is left behind."""

import numpy as np
import pytest

pytest.importorskip("distributed")

from distributed import futures_of

from skactive import CoreSetSelector
from tests.distributed_data import (
    SELECTORS,
    assert_same_picks,
    cluster_of,
    fit,
    in_parts,
    make_pool,
    n_tasks,
    wait_until,
)

X, Y = make_pool()


@pytest.fixture(scope="module")
def expected():
    """Picks of NumPy input, each found once."""
    found = {}

    def picks(name):
        if name not in found:
            found[name] = fit(SELECTORS[name](), X, Y)
        return found[name]

    return picks


@pytest.fixture(scope="module", params=[1, 4, 2], ids="{} workers".format)
def client(request):
    with cluster_of(request.param) as client:
        yield client


@pytest.mark.parametrize("n_parts", [1, 3, 7, 50])
@pytest.mark.parametrize("name", SELECTORS)
def test_picks_are_those_of_numpy(client, name, n_parts, expected):
    assert_same_picks(fit(SELECTORS[name](), in_parts(X, n_parts), Y), expected(name))


def test_nothing_is_left_on_the_cluster(client):
    fit(CoreSetSelector(30), in_parts(X, 7))
    wait_until(lambda: n_tasks(client) == 0)
    wait_until(lambda: not any(client.run(lambda dask_worker: len(dask_worker.data)).values()))


def test_persisted_pool_stays_with_its_owner(client):
    pool = client.persist(in_parts(X, 7))
    fit(CoreSetSelector(30), pool)
    wait_until(lambda: n_tasks(client) == len(futures_of(pool)))
    np.testing.assert_array_equal(pool.compute(), X)
