"""Dask collections of all kinds on a cluster: picks and errors of the same rows in memory."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("distributed")

import dask
import dask.array as da
import dask.dataframe as dd
import pandas as pd
import torch
from scipy import sparse

from skactive import CoreSetSelector, ITLSelector
from skactive.distributed import _cluster, take_rows
from tests.distributed_data import (
    assert_same_picks,
    cluster_of,
    in_parts,
    make_pool,
    n_tasks,
    wait_until,
)

X, _ = make_pool(600, 6)
NAMES = [f"feature {j}" for j in range(X.shape[1])]
FRAME = pd.DataFrame(X.astype(np.float64), columns=NAMES)


@pytest.fixture(scope="module", autouse=True)
def client():
    with cluster_of(2) as client:
        yield client


@pytest.fixture(scope="module")
def expected():
    return CoreSetSelector(20).fit(X)


def fit(X, budget=20, **options):
    return CoreSetSelector(budget).fit(X, **options)


def blocks_with(change):
    """X in three partitions after a change of some of its blocks."""
    lengths = (250, 250, 100)
    parts = np.split(X, np.cumsum(lengths)[:-1])
    make = dask.delayed(change)
    arrays = [
        da.from_delayed(make(part, p), (np.nan, X.shape[1]), dtype=X.dtype)
        for p, part in enumerate(parts)
    ]
    return da.concatenate(arrays, allow_unknown_chunksizes=True)


def unchanged(part, p):
    return part


def fortran(part, p):
    return np.asfortranarray(part)


def reversed_twice(part, p):
    return np.ascontiguousarray(part[::-1, ::-1])[::-1, ::-1]


def read_only(part, p):
    part = part.copy()
    part.flags.writeable = False
    return part


def broken(part, p):
    if p == 1:
        raise OSError("no such volume")
    return part


@pytest.mark.parametrize("change", [unchanged, fortran, reversed_twice, read_only])
def test_blocks_of_any_layout(change, expected):
    assert_same_picks(fit(blocks_with(change)), expected)


@pytest.mark.parametrize("share", [0.4, 0.0], ids=["held", "read for every call"])
def test_unknown_chunks_and_empty_partitions(share, expected, monkeypatch):
    """Boolean indexing leaves chunks of unknown lengths, here of none; 0: workers without room."""
    monkeypatch.setattr(_cluster, "_HELD_SHARE", share)
    padded = np.concatenate([np.full((200, X.shape[1]), -9, X.dtype), X])
    pool = da.from_array(padded, chunks=(100, -1))
    pool = pool[pool[:, 0] > -9]
    assert np.isnan(pool.chunks[0][0])
    assert_same_picks(fit(pool), fit(X[X[:, 0] > -9]))


@pytest.mark.parametrize("selector", [CoreSetSelector(20), ITLSelector(8)], ids=["k-center", "ITL"])
def test_rows_that_no_worker_holds(selector, client, monkeypatch):
    expected = selector.fit(X).indices_
    monkeypatch.setattr(_cluster, "_HELD_SHARE", 0.0)
    np.testing.assert_array_equal(selector.fit(in_parts(X, 5)).indices_, expected)
    wait_until(lambda: n_tasks(client) == 0)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float16, np.float64, ">f4"])
def test_types(dtype):
    rounded = np.abs(X * 4).astype(dtype)
    assert_same_picks(fit(in_parts(rounded, 3)), fit(rounded))


def test_column_chunks(expected):
    assert_same_picks(fit(da.from_array(X, chunks=(200, 4))), expected)
    assert_same_picks(fit(da.from_array(X, chunks=(200, 4)).persist()), expected)


def test_frame_with_names():
    selector, expected = fit(dd.from_pandas(FRAME, npartitions=4)), fit(FRAME)
    assert_same_picks(selector, expected)
    np.testing.assert_array_equal(selector.feature_names_in_, NAMES)
    np.testing.assert_array_equal(selector.transform(FRAME), expected.transform(FRAME))


def test_frame_after_a_filter_and_its_values():
    frame = dd.from_pandas(FRAME, npartitions=5)
    kept = frame[frame[NAMES[0]] > 3]
    expected = fit(FRAME[FRAME[NAMES[0]] > 3])
    assert_same_picks(fit(kept), expected)
    assert_same_picks(fit(kept.values), expected)
    assert_same_picks(fit(kept.persist()), expected)


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    for p in range(3):
        FRAME[p::3].to_parquet(tmp_path / f"{p}.parquet")
    expected = fit(pd.concat([FRAME[p::3] for p in range(3)]))
    assert_same_picks(fit(dd.read_parquet(tmp_path)), expected)


def test_small_parquet_files_of_which_some_columns_are_taken(tmp_path):
    """dask reads several of them as one, into fewer blocks than it says there are partitions."""
    pytest.importorskip("pyarrow")
    wide = pd.DataFrame(np.tile(FRAME, 5)).rename(columns=str)
    wide["id"] = [f"row {i}" for i in range(len(wide))]
    for p, rows in enumerate(np.array_split(np.arange(len(wide)), 7)):
        wide.iloc[rows].to_parquet(tmp_path / f"{p}.parquet")
    pool = dd.read_parquet(tmp_path)
    names = [str(j) for j in range(X.shape[1])]
    expected = fit(wide[names])
    assert_same_picks(fit(pool[names]), expected)
    assert_same_picks(fit(pool.persist()[names]), expected)
    ids = take_rows(pool["id"], expected.indices_)
    assert ids.tolist() == [f"row {i}" for i in expected.indices_]


def test_work_on_the_workers_before(client, expected):
    """A pool that is being computed, and one made of another that is."""
    pool = client.persist(in_parts(X / 2, 4))
    assert_same_picks(fit(pool * 2), expected)


def test_not_finite_as_in_memory():
    spoilt = X.copy()
    spoilt[401, 2], spoilt[402, 0] = np.nan, np.inf
    with pytest.raises(ValueError) as in_memory:
        fit(spoilt)
    assert "401" in str(in_memory.value)
    with pytest.raises(ValueError) as in_parts_:
        fit(in_parts(spoilt, 5))
    assert str(in_parts_.value) == str(in_memory.value)


def test_error_of_one_partition(client):
    selector = fit(X)
    before = dict(vars(selector))
    with pytest.raises(OSError, match="no such volume"):
        selector.fit(blocks_with(broken))
    assert vars(selector) == before
    wait_until(lambda: n_tasks(client) == 0)


@pytest.mark.parametrize(
    "pool, error",
    [
        (da.from_array(X[:, 0], chunks=100), ValueError),
        (da.from_array(X.astype(object), chunks=(100, -1)), ValueError),
        (da.from_array(X.astype(str), chunks=(100, -1)), ValueError),
        (da.from_array(X, chunks=(100, -1)).map_blocks(sparse.csr_matrix), TypeError),
        (dd.from_pandas(FRAME.assign(name="x"), npartitions=2), ValueError),
        (da.from_array(X[:0], chunks=(100, -1)), ValueError),
    ],
    ids=["1-D", "objects", "strings", "sparse", "frame with strings", "no rows"],
)
def test_refused(pool, error):
    with pytest.raises(error, match=r"\."):
        fit(pool)


def test_threads_of_one_process(expected):
    """Parts are worked on at the same time, and torch has its threads back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with cluster_of(2, threads_per_worker=2, processes=False):
            for _ in range(5):
                assert_same_picks(fit(in_parts(X, 6)), expected)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_adaptive_cluster_without_workers(expected):
    with cluster_of(0) as client:
        client.cluster.adapt(minimum=0, maximum=2, interval="100 ms")
        assert_same_picks(fit(in_parts(X, 6)), expected)


def test_workers_that_spill(expected):
    """Parts go to the disk and come back."""
    config = {
        "distributed.worker.memory.target": 1e-6,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
    }
    with cluster_of(1, config=config) as client:
        assert_same_picks(fit(in_parts(X, 6)), expected)
        assert_same_picks(ITLSelector(8).fit(in_parts(X, 6)), ITLSelector(8).fit(X))
        [metrics] = client.run(
            lambda dask_worker: dict(dask_worker.data.cumulative_metrics)
        ).values()
        assert metrics["disk-read", "bytes"] > 100_000
