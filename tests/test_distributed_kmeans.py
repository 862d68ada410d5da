"""KMeansSelector on dask pools: the clusters and picks of the same rows in memory."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skactive import KMeansSelector
from skactive._kmeans import k_means
from skactive._kmeans_lloyd import Problem, lloyd
from skactive._nearest_rows import nearest_rows
from skactive._rows import Rows
from skactive.exceptions import ZeroNormWarning
from tests.strategies import pools

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

from skactive.distributed import _kmeans as parted  # noqa: E402
from skactive.distributed._fit import open_partitions  # noqa: E402
from skactive.distributed._nearest_rows import nearest_rows as nearest_in_parts  # noqa: E402
from skactive.distributed._streamed import StreamedPartitions  # noqa: E402

CPU = torch.device("cpu")


def blobs(n=300, d=6, k=12, seed=0, spread=0.3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(k, d))[rng.integers(k, size=n)] + spread * rng.normal(size=(n, d))


def in_parts(X, n_parts):
    return da.from_array(X, chunks=(-(-len(X) // n_parts), -1))


@pytest.fixture
def calls(monkeypatch):
    """Names of the functions that parts are called with."""
    names = []
    original = StreamedPartitions.map

    def counted(self, function, *args, **kwargs):
        names.append(function.__name__)
        return original(self, function, *args, **kwargs)

    monkeypatch.setattr(StreamedPartitions, "map", counted)
    return names


def check_same(selector, X, labeled, parts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        expected = selector.fit(X, labeled=labeled)
        expected = {name: value for name, value in vars(expected).items() if name.endswith("_")}
        for n_parts in parts:
            selector.fit(in_parts(X, n_parts), labeled=labeled)
            np.testing.assert_array_equal(selector.indices_, expected["indices_"])
            np.testing.assert_array_equal(selector.scores_, expected["scores_"])
            np.testing.assert_allclose(
                selector.centers_,
                expected["centers_"],
                rtol=1e-10,
                atol=1e-12 * float(np.abs(X).max()),
            )
            np.testing.assert_allclose(
                selector.inertia_, expected["inertia_"], rtol=1e-9, atol=1e-25
            )
            assert selector.n_iter_ == expected["n_iter_"]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("kind", ["clusters", "copies", "grid", "far", "sizes"])
@pytest.mark.parametrize("labeled", [None, "some"])
def test_as_in_memory(metric, kind, labeled):
    X = blobs()
    if kind == "copies":
        X[150:250] = X[:100]
        X[260:275] = 0
    elif kind == "grid":
        X = np.random.default_rng(0).integers(0, 3, size=(300, 3)).astype(float)
    elif kind == "far":
        X = (X + 1e3).astype(np.float32)
    elif kind == "sizes":
        X *= np.array([1e-3, 1.0, 1.0, 30.0])[np.random.default_rng(1).integers(4, size=(300, 1))]
    labeled = None if labeled is None else np.r_[np.arange(0, len(X), 40), 269]
    parts = (7,) if labeled is None else (1, 50) if metric == "cosine" else (3,)
    check_same(KMeansSelector(20, metric=metric, random_state=1), X, labeled, parts)


@pytest.mark.parametrize("kw", [{"n_init": 3}, {"max_iter": 1}, {"max_iter": 2}, {"budget": 1}])
def test_parameters(kw):
    check_same(KMeansSelector(**({"budget": 20, "random_state": 2} | kw)), blobs(), None, (1, 3))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_all_rows(metric):
    """More picks than rows that belong to clusters."""
    X = blobs(60, d=3)
    X[10:25] = 0
    labeled = [3, 12, 20]
    check_same(KMeansSelector(57, metric=metric, random_state=0), X, labeled, (1, 7))
    X[:] = 0
    check_same(KMeansSelector(4, metric=metric, random_state=0), X, labeled, (1, 7))


def test_frames_and_unknown_chunks():
    X = blobs()
    expected = KMeansSelector(10, random_state=0).fit_select(X)
    lazy = in_parts(X, 3)
    lazy = lazy[lazy[:, 0] > -np.inf]
    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abcdef")), npartitions=4)
    for collection in (lazy, frame):
        found = KMeansSelector(10, random_state=0).fit_select(collection)
        np.testing.assert_array_equal(found, expected)


def check_lloyd(X, start, fixed, unit_norm, max_iter, n_parts):
    rows = Rows(X, CPU)
    rows, weights = (rows.unit(), rows.unit().squared_norms()) if unit_norm else (rows, None)
    start = rows.take(start)
    expected = k_means(
        rows,
        len(start),
        random_state=np.random.RandomState(0),
        max_iter=max_iter,
        weights=weights,
        start=start,
        fixed=np.array(fixed, dtype=np.int64),
    )
    parts = open_partitions(in_parts(X, n_parts))
    parts.open("cpu")
    data = parted._measure(parts, unit_norm)
    mean = torch.from_numpy(data.mean)
    problem = Problem(mean, data.variance, rows.take(fixed), max_iter, 1e-4)
    pool = parted._AssignedParts(parts, data)
    found = lloyd(pool, problem, start)
    scale = max(1.0, float(np.abs(X).max()))
    np.testing.assert_allclose(found.centers, expected.centers, rtol=1e-10, atol=1e-12 * scale)
    np.testing.assert_allclose(found.inertia, expected.inertia, rtol=1e-9, atol=1e-20 * scale**2)
    assert found.n_iter == expected.n_iter
    sizes = np.bincount(expected.assignment, minlength=len(found.centers))
    np.testing.assert_array_equal(pool.sizes()[1], sizes)
    assigned = np.concatenate([part.state.nearest.nearest for part in parts._parts])
    np.testing.assert_array_equal(assigned, expected.assignment)


@settings(max_examples=40)
@given(X=pools(min_rows=2, max_rows=25), data=st.data())
def test_lloyd_from_anywhere(X, data):
    """From starts that leave clusters empty, too."""
    positions = st.integers(0, len(X) - 1)
    starts = data.draw(st.lists(positions, min_size=1, max_size=8), label="starts")
    fixed = data.draw(st.lists(positions, unique=True, max_size=4), label="fixed")
    unit_norm = data.draw(st.booleans(), label="unit_norm")
    max_iter = data.draw(st.sampled_from([1, 2, 300]), label="max_iter")
    n_parts = data.draw(st.integers(1, 6), label="n_parts")
    check_lloyd(X, starts, fixed, unit_norm, max_iter, n_parts)


@pytest.mark.parametrize("unit_norm, n_parts", [(False, 1), (False, 50), (True, 7)])
def test_empty_clusters_take_the_farthest_rows(n_parts, unit_norm, calls):
    X = blobs(300, k=5)
    X[200:250] = X[:50]  # rows that are equally far, in other parts
    X[7] = 0
    check_lloyd(X, [4] * 12, [0, 30], unit_norm, 300, n_parts)
    assert "assign_rows" in calls and calls.count("find_next") >= 11


def take_in_parts(X, centers, available, n_parts, unit_norm=False):
    parts = open_partitions(in_parts(X, n_parts))
    parts.open("cpu")
    out = np.flatnonzero(~available)
    parts.map(_take_out, own=parts.split(out), reads=False)
    rows = Rows(X, CPU).unit() if unit_norm else Rows(X, CPU)
    return nearest_in_parts(parts, centers, float(rows.squared_norms().max()), unit_norm)


def _take_out(part, message, own):
    part.available[torch.as_tensor(own)] = False


@pytest.mark.parametrize("unit_norm", [False, True])
@pytest.mark.parametrize("n_parts", [1, 7])
@pytest.mark.parametrize("kind", ["far", "close", "copies"])
def test_nearest_rows(kind, n_parts, unit_norm, calls):
    """More centers than notes are made for at once, at the same places as others."""
    rng = np.random.default_rng(0)
    X = blobs(450, d=3, k=6)
    if kind == "close":  # float32 products tell none of them from the next
        X = 1e5 + 1e-3 * X
    elif kind == "copies":
        X = X[rng.integers(12, size=450)]
    rows = Rows(X, CPU).unit() if unit_norm else Rows(X, CPU)
    centers = rows.take(rng.integers(450, size=300))
    centers[::3] += 1e-4 * torch.from_numpy(rng.normal(size=(100, 3)))
    available = rng.random(450) < 0.8
    expected = nearest_rows(rows, centers, torch.from_numpy(available))
    found = take_in_parts(X, centers.numpy(), available, n_parts, unit_norm)
    np.testing.assert_array_equal(found, expected)
    assert calls.count("note") <= 12


def test_rows_read_for_an_iteration(calls):
    """Once, and for few things besides."""
    X = blobs()
    selector = KMeansSelector(12, random_state=0).fit(in_parts(X, 5))
    assert calls.count("follow") == selector.n_iter_
    assert calls.count("finish") == calls.count("measure") == calls.count("note") == 1
    assert len(calls) < 2 * selector.n_iter_ + 16


def test_a_part_survives_being_sent():
    """What it keeps does not grow with the features of its rows, other than by the centers."""
    import pickle

    X = blobs(2000, d=40)
    parts = open_partitions(in_parts(X, 2))
    parts.open("cpu")
    data = parted._measure(parts, False)
    pool = parted._AssignedParts(parts, data)
    pool.update(torch.from_numpy(X[:5]))
    part = parts._parts[1]
    sent = pickle.dumps(part)
    assert len(sent) < 100 * part.n_samples + 20_000
    found = pickle.loads(sent).state
    np.testing.assert_array_equal(found.nearest.nearest, part.state.nearest.nearest)


def test_on_a_cluster():
    distributed = pytest.importorskip("distributed")
    X = blobs()
    selector = KMeansSelector(10, random_state=0, metric="cosine")
    expected = selector.fit_select(X)
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"
    ):
        found = selector.fit_select(in_parts(X, 4))
    np.testing.assert_array_equal(found, expected)
