"""What travels between the processes of a cluster: round trips and bytes."""

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("distributed")

from distributed import wait
from distributed.comm.tcp import TCP

from skactive import CoreSetSelector, ITLSelector, VTLSelector
from skactive.distributed._cluster import ClusterPartitions
from skactive.distributed._greedy import Lister
from tests.distributed_data import cluster_of, in_parts, make_pool

MAKE = [CoreSetSelector, ITLSelector, VTLSelector]


@pytest.fixture(scope="module")
def two_workers():
    with cluster_of(2) as client:
        yield client


@pytest.fixture
def counted(monkeypatch):
    """How often each function has been sent to the parts, and how many blocks were picked."""
    found = Counter()
    sent, committed = ClusterPartitions.map, Lister.commit

    def map(self, function, *args, **kwargs):
        found[function.__name__] += 1
        return sent(self, function, *args, **kwargs)

    def commit(self, *args):
        found["blocks"] += 1
        committed(self, *args)

    monkeypatch.setattr(ClusterPartitions, "map", map)
    monkeypatch.setattr(Lister, "commit", commit)
    return found


@pytest.mark.parametrize(
    "selector, round_trips",
    [(CoreSetSelector(200), 1), (ITLSelector(60), 1), (VTLSelector(60), 2)],
    ids=["k-center", "ITL", "VTL"],
)
def test_round_trips_of_a_block(selector, round_trips, two_workers, counted):
    """One where the proposed picks stand, two where the parts have to confirm them."""
    X, _ = make_pool(4000, 8)
    selector.fit(in_parts(X, 6))
    n_blocks = counted.pop("blocks")
    assert 1 < n_blocks < selector.budget
    ties = counted.pop("settle", 0)  # rows that are twice there, or bounds that were too loose
    assert ties <= 0.2 * n_blocks
    assert counted["advance"] + counted["_rival"] <= round_trips * n_blocks + 1
    at_start_and_end = counted.total() - counted["advance"] - counted["_rival"]
    assert at_start_and_end <= 8


class Traffic:
    """Bytes that processes send: each message once for every connection that it takes.

    Client and scheduler live in this process, where all that is written to sockets is counted.
    Workers count the results that they send; their short messages to the scheduler are left out.
    """

    def __init__(self, monkeypatch, client):
        self._client = client
        self._here = 0
        write = TCP.write

        async def counted(comm, *args, **kwargs):
            n_bytes = await write(comm, *args, **kwargs)
            self._here += n_bytes
            return n_bytes

        monkeypatch.setattr(TCP, "write", counted)

    def total(self):
        sent = self._client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total)
        return self._here + sum(sent.values())

    def of(self, work):
        before = self.total()
        work()
        return self.total() - before


@pytest.mark.parametrize("make", MAKE, ids=["k-center", "ITL", "VTL"])
def test_what_travels_does_not_grow_with_the_pool(make, two_workers, monkeypatch):
    traffic = Traffic(monkeypatch, two_workers)
    found = {}
    for n_samples in (5_000, 40_000):
        X, _ = make_pool(n_samples, 32)
        pool = two_workers.persist(in_parts(X, 8))
        wait(pool)
        assert traffic.of(lambda: None) < 5000
        found[n_samples] = traffic.of(lambda pool=pool: make(30).fit(pool))
    assert found[40_000] < 1.5 * found[5_000]


@pytest.mark.parametrize("make", MAKE, ids=["k-center", "ITL", "VTL"])
def test_bytes_of_a_pick(make, two_workers, monkeypatch):
    """Some shortlisted rows of 1.5 KB, which take two connections each to the driver."""
    X = np.random.default_rng(0).standard_normal((6_000, 384)).astype(np.float32)
    pool = two_workers.persist(in_parts(X, 8))
    wait(pool)
    traffic = Traffic(monkeypatch, two_workers)
    few, many = (traffic.of(lambda b=b: make(b).fit(pool)) for b in (20, 80))
    assert many - few < 60 * 200_000
