"""``transform`` and ``represent`` of dask collections."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from torch import nn

from skactive import (
    ActiveFTSelector,
    BADGESelector,
    CoreSetSelector,
    ITLSelector,
    KMeansSelector,
    RandomSelector,
    StochasticBatch,
    SubsamplePool,
    TypiClustSelector,
    UncertaintySelector,
)
from skactive.distributed._lazy import _light

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

SELECTORS = [
    ActiveFTSelector(5, random_state=0),
    CoreSetSelector(5),
    CoreSetSelector(5, metric="cosine"),
    CoreSetSelector(5, embedding=PCA(2)),
    ITLSelector(5),
    KMeansSelector(5, random_state=0),
    RandomSelector(5, random_state=0),
    StochasticBatch(CoreSetSelector(), budget=5, mode="softrank", random_state=0),
    SubsamplePool(CoreSetSelector(), budget=5, n_candidates=30, random_state=0),
    TypiClustSelector(5, random_state=0),
]


def pool(n=120, d=4, dtype=np.float64, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)
    X[10] = X[11]
    return X


def never(block):
    """A block that must not be read."""
    if len(block):  # dask looks at empty ones
        raise AssertionError("a block has been computed")
    return block


@pytest.mark.parametrize("selector", SELECTORS, ids=str)
def test_as_in_memory(selector):
    X = pool()
    selector.fit(X)
    lazy = da.from_array(X, chunks=(30, -1))
    X_new, picks = selector.transform(lazy), selector.represent(lazy)
    assert X_new.chunks == ((30,) * 4, (5,)) and picks.chunks == ((30,) * 4,)
    assert X_new.dtype == np.float64 and picks.dtype == np.int64
    np.testing.assert_allclose(X_new.compute(), selector.transform(X), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(picks.compute(), selector.represent(X))


@pytest.mark.parametrize("n_parts", [1, 3, 7, 50])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_any_partitioning_and_type(n_parts, dtype):
    X = (9 * pool()).astype(dtype)
    selector = CoreSetSelector(4).fit(X)
    lazy = da.from_array(X, chunks=(-(-len(X) // n_parts), 3))  # columns in chunks, too
    X_new = selector.transform(lazy)
    assert X_new.dtype == X_new._meta.dtype == selector.transform(X).dtype
    found = X_new.compute()
    assert found.dtype == X_new.dtype
    np.testing.assert_allclose(found, selector.transform(X), rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(selector.represent(lazy), selector.represent(X))


def test_numbers_that_are_objects():
    X = pool()
    selector = CoreSetSelector(4).fit(X)
    lazy = da.from_array(X, chunks=(30, -1))
    X_new = selector.transform(lazy.astype(object)).compute()
    np.testing.assert_array_equal(X_new, selector.transform(X.astype(object)))
    with pytest.raises(ValueError, match="strings"):
        selector.transform(lazy.astype(str))


def test_unknown_chunks_and_empty_blocks():
    X = pool()
    selector = CoreSetSelector(4).fit(X)
    kept = (X[:, 0] > 0) & (np.arange(len(X)) >= 30)  # nothing in the first block
    lazy = da.from_array(X, chunks=(30, -1))
    lazy = lazy[da.from_array(kept, chunks=30)]
    X_new, picks = selector.transform(lazy), selector.represent(lazy)
    assert np.isnan(X_new.shape[0]) and X_new.shape[1] == 4
    assert X_new.chunks[1] == (4,) and np.isnan(X_new.chunks[0]).all()
    np.testing.assert_allclose(X_new.compute(), selector.transform(X[kept]), atol=1e-12)
    np.testing.assert_array_equal(picks.compute(), selector.represent(X[kept]))


def test_frames():
    frame = pd.DataFrame(pool(dtype=np.float32), columns=list("abcd"))
    selector = CoreSetSelector(4).fit(frame)
    lazy = dd.from_pandas(frame, npartitions=3)
    X_new = selector.transform(lazy)
    assert isinstance(X_new, da.Array) and X_new.dtype == np.float32
    np.testing.assert_allclose(X_new.compute(), selector.transform(frame), atol=1e-6)
    np.testing.assert_array_equal(selector.represent(lazy).compute(), selector.represent(frame))
    with pytest.raises(ValueError, match="feature names"):
        selector.transform(lazy[["b", "a", "c", "d"]])


def test_frames_of_mixed_numbers():
    frame = pd.DataFrame(pool(), columns=list("abcd"))
    frame["a"] = frame["a"].astype(np.float32)
    frame["b"] = pd.array(np.arange(len(frame)), dtype="Int64")
    selector = CoreSetSelector(4).fit(frame)
    X_new = selector.transform(dd.from_pandas(frame, npartitions=3))
    assert X_new.dtype == np.float64
    np.testing.assert_allclose(X_new.compute(), selector.transform(frame), rtol=1e-12)


def test_names_are_warned_of_once():
    frame = pd.DataFrame(pool(), columns=list("abcd"))
    lazy = dd.from_pandas(frame, npartitions=3)
    selector = CoreSetSelector(4).fit(frame.to_numpy())
    with pytest.warns(UserWarning, match="feature names"):
        X_new = selector.transform(lazy)
    expected = _distances(frame.to_numpy(), selector.components_)
    np.testing.assert_allclose(X_new.compute(), expected, atol=1e-12)
    selector = CoreSetSelector(4).fit(frame)
    with pytest.warns(UserWarning, match="feature names"):
        X_new = selector.transform(da.from_array(frame.to_numpy(), chunks=(50, -1)))
    assert X_new.compute().shape == (len(frame), 4)


def _distances(X, points):
    return np.sqrt(((X[:, None] - points[None]) ** 2).sum(2))


def test_nothing_is_computed_before():
    X = pool()
    lazy = da.from_array(X, chunks=(30, -1)).map_blocks(never, dtype=X.dtype)
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=3).map_partitions(
        never, meta=pd.DataFrame(X[:0])
    )
    selector = CoreSetSelector(4).fit(X)
    for collection in (lazy, frame):
        for result in (selector.transform(collection), selector.represent(collection)):
            with pytest.raises(AssertionError, match="has been computed"):
                result.compute()


@pytest.mark.parametrize("method", ["transform", "represent"])
def test_errors_come_early(method):
    X = pool()
    selector = CoreSetSelector(4).fit(X)
    with pytest.raises(ValueError, match="3 features"):
        getattr(selector, method)(da.from_array(X[:, :3], chunks=(30, -1)))
    with pytest.raises(ValueError, match="dim"):
        getattr(selector, method)(da.from_array(X[:, None], chunks=(30, -1, -1)))
    with pytest.raises(sklearn.exceptions.NotFittedError):
        getattr(CoreSetSelector(4), method)(da.from_array(X, chunks=(30, -1)))


def test_what_is_not_finite_comes_late():
    X = pool()
    selector = CoreSetSelector(4).fit(X)
    X[100] = np.nan
    X_new = selector.transform(da.from_array(X, chunks=(30, -1)))
    assert np.isfinite(X_new[:90].compute()).all()
    with pytest.raises(ValueError, match="must be finite"):
        X_new.compute()


def test_frames_as_output_are_refused():
    X = pool()
    selector = CoreSetSelector(4).fit(X)
    lazy = da.from_array(X, chunks=(30, -1))
    with sklearn.config_context(transform_output="pandas"), pytest.raises(ValueError, match="dask"):
        selector.transform(lazy)
    selector.set_output(transform="pandas")
    with pytest.raises(ValueError, match=r"set_output\(transform='default'\)"):
        selector.transform(lazy)
    assert selector.represent(lazy).compute().shape == (len(X),)


def test_raw_inputs_of_a_network():
    images = np.random.default_rng(0).normal(size=(40, 2, 3)).astype(np.float32)
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    selector = CoreSetSelector(4, network=network).fit(images)
    lazy = da.from_array(images, chunks=(15, -1, -1))
    X_new = selector.transform(lazy)
    assert X_new.chunks == ((15, 15, 10), (4,)) and X_new.dtype == np.float32
    np.testing.assert_allclose(X_new.compute(), selector.transform(images), atol=1e-5)
    np.testing.assert_array_equal(selector.represent(lazy), selector.represent(images))


def test_models_beside_the_picks():
    X = pool(d=3)
    y = (X[:, 0] > 0).astype(int)
    lazy = da.from_array(X, chunks=(50, -1))
    labeled = np.arange(20)
    for selector in (UncertaintySelector(5), BADGESelector(5, random_state=0)):
        model = LogisticRegression().fit(X[labeled], y[labeled])
        selector.fit(X, y, labeled=labeled, estimator=model)
        np.testing.assert_allclose(selector.transform(lazy), selector.transform(X), atol=1e-12)


def test_what_is_sent_does_not_grow_with_the_pool():
    sizes = []
    for n in (100, 1000):
        X = pool(n)
        selector = TypiClustSelector(5, random_state=0).fit(X)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            sizes.append(len(pickle.dumps(_light(selector, X[:1]))))
    assert sizes[1] <= sizes[0] + 100
