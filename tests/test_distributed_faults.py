"""Workers that die, stop, dawdle or are not there: the same picks, or an error with a remedy.

``SKACTIVE_KILLS`` says how many are killed; ``make soak`` takes more.
"""

import contextlib
import os
import signal
import threading

import numpy as np
import pytest

pytest.importorskip("distributed")

import dask
from distributed import wait

from skactive import CoreSetSelector, ITLSelector, VTLSelector
from skactive.distributed._cluster import ClusterPartitions
from tests.distributed_data import (
    assert_same_picks,
    cluster_of,
    in_parts,
    make_pool,
    n_tasks,
    wait_until,
)

N_KILLS = int(os.environ.get("SKACTIVE_KILLS", "6"))
X, _ = make_pool(3000, 8)
MAKE = {
    "k-center": lambda: CoreSetSelector(120),
    "ITL": lambda: ITLSelector(25),
    "VTL": lambda: VTLSelector(15),
}


@pytest.fixture(scope="module")
def expected():
    return {name: make().fit(X) for name, make in MAKE.items()}


@pytest.fixture(scope="module")
def client():
    config = {
        "distributed.scheduler.allowed-failures": 10,
        "distributed.comm.timeouts.connect": "5s",
    }
    with cluster_of(3, config=config) as client:
        yield client


class AtCall:
    """Does something while the n-th call to the parts is under way."""

    def __init__(self, monkeypatch, n, action, delay=0.0):
        self.n_calls = 0
        original = ClusterPartitions.map

        def map(partitions, *args, **kwargs):
            self.n_calls += 1
            if self.n_calls != n:
                return original(partitions, *args, **kwargs)
            timer = threading.Timer(delay, action)
            timer.start()
            try:
                return original(partitions, *args, **kwargs)
            finally:
                timer.join()

        monkeypatch.setattr(ClusterPartitions, "map", map)


def processes(client):
    """Process ids of the workers."""
    wait_until(lambda: len(client.nthreads()) >= 2)
    return sorted(client.run(os.getpid).values())


def n_calls_of(make, monkeypatch):
    with monkeypatch.context() as patch:
        counter = AtCall(patch, 0, None)
        make().fit(in_parts(X, 5))
    return counter.n_calls


@pytest.mark.parametrize("name", MAKE)
def test_killed_workers_change_no_pick(name, client, expected, monkeypatch):
    rng = np.random.default_rng(len(name))
    n_calls = n_calls_of(MAKE[name], monkeypatch)
    for _ in range(-(-N_KILLS // len(MAKE))):
        victim = int(rng.choice(processes(client)))
        with monkeypatch.context() as patch:
            at = int(rng.integers(1, n_calls + 1))
            AtCall(patch, at, lambda pid=victim: os.kill(pid, signal.SIGKILL), rng.uniform(0, 0.05))
            assert_same_picks(MAKE[name]().fit(in_parts(X, 5)), expected[name])


def test_stopped_worker_is_given_up(expected, monkeypatch):
    """After ten seconds without a sign of life."""
    with cluster_of(2, config={"distributed.scheduler.worker-ttl": "10s"}) as client:
        victim = processes(client)[0]
        AtCall(monkeypatch, 4, lambda: os.kill(victim, signal.SIGSTOP))
        try:
            assert_same_picks(MAKE["k-center"]().fit(in_parts(X, 5)), expected["k-center"])
        finally:
            with contextlib.suppress(ProcessLookupError):  # the nanny was faster
                os.kill(victim, signal.SIGKILL)


def test_slow_worker_changes_no_pick(client, expected, monkeypatch):
    """It gets its processor every now and then."""
    victim = processes(client)[0]
    stop = threading.Event()

    def hold_up():
        while not stop.is_set():
            os.kill(victim, signal.SIGSTOP)
            stop.wait(0.1)
            os.kill(victim, signal.SIGCONT)
            stop.wait(0.02)

    thread = threading.Thread(target=hold_up)
    AtCall(monkeypatch, 2, thread.start)
    try:
        assert_same_picks(MAKE["k-center"]().fit(in_parts(X, 5)), expected["k-center"])
    finally:
        stop.set()
        thread.join()


def test_interrupted_fit_leaves_nothing_behind(client, monkeypatch):
    """Neither on the cluster nor in the selector."""
    selector = CoreSetSelector(5).fit(X)
    before = dict(vars(selector))
    selector.set_params(budget=100)
    AtCall(monkeypatch, 5, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        selector.fit(in_parts(X, 5))
    assert vars(selector) == before | {"budget": 100}
    wait_until(lambda: n_tasks(client) == 0)
    monkeypatch.undo()
    selector.fit(in_parts(X, 5))  # the cluster is as good as before


def test_worker_that_dies_every_time(client):
    """The work is given up; the last test of these, as it costs some workers."""
    pool = in_parts(X, 2)
    deadly = pool.map_blocks(die, dtype=X.dtype, chunks=pool.chunks, meta=X[:0])
    client.run_on_scheduler(allow_no_failures)
    with pytest.raises(RuntimeError, match="Give each worker more memory, or X smaller chunks"):
        CoreSetSelector(5).fit(deadly)
    wait_until(lambda: n_tasks(client) == 0)


def die(block):
    os._exit(1)


def allow_no_failures(dask_scheduler):
    dask_scheduler.allowed_failures = 0


def test_all_workers_lost():
    with cluster_of(1) as client:
        pool = client.persist(in_parts(X, 3))
        wait(pool)
        client.cluster.scale(0)
        wait_until(lambda: not client.nthreads())
        with dask.config.set({"skactive.no-workers-timeout": "1s"}):
            with pytest.raises(TimeoutError, match="no workers for 1 seconds.* Start some;"):
                CoreSetSelector(5).fit(pool)
            with pytest.raises(TimeoutError, match="no workers for 1 seconds"):
                CoreSetSelector(5).fit(in_parts(X, 3))
