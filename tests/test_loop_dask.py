"""The loop on dask pools: the same answers, without the pool in memory."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier

from skactive import ActiveLearningLoop, CoreSetSelector, ITLSelector, UncertaintySelector
from skactive._indexing import rows_of
from skactive.embedding import NetworkEmbedding
from skactive.exceptions import JournalMismatchError
from skactive.journal._fingerprint import fingerprint
from skactive.stopping import StablePredictions
from tests.loops import make_pool

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

NAMES = list("abcdef")


@pytest.fixture(autouse=True)
def _no_pool_in_memory(monkeypatch):
    def refuse(self, *args, **kwargs):
        assert self.ndim == 1, "a dask array was turned into a NumPy array"
        return self.compute()

    monkeypatch.setattr(da.Array, "__array__", refuse)


class Longest(BaseEstimator):
    """Picks the longest rows; whole numbers, so that rounding decides nothing."""

    def __init__(self, budget=10):
        self.budget = budget

    def fit(self, X, y=None, *, labeled=None):
        if isinstance(X, da.Array):
            squares = (X**2).sum(axis=1).compute()
        elif hasattr(X, "map_partitions"):
            squares = X.map_partitions(_squares, meta=np.empty(0)).compute()
        else:
            squares = _squares(X)
        order = np.lexsort([np.arange(len(squares)), -squares])
        self.indices_ = order[~np.isin(order, labeled)][: self.budget]
        self.scores_ = np.asarray(squares[self.indices_], dtype=float)
        return self


class Given(BaseEstimator):
    """Picks rows of a list, without a look at the pool."""

    def __init__(self, rows=(), budget=10):
        self.rows = rows
        self.budget = budget

    def fit(self, X, y=None, *, labeled=None):
        left = [row for row in self.rows if row not in set(labeled)]
        self.indices_ = np.array(left[: self.budget])
        return self


class Nearest(Longest):
    """The same for a selector that reads labels: it is not shown rows that are closed."""

    _needs_labels = True


def _squares(rows):
    return (np.asarray(rows, dtype=np.float64) ** 2).sum(axis=1)


def whole_pool(dtype=np.float64):
    X, y = make_pool()
    return np.round(4 * X).astype(dtype), y


def frame_of(X, index=None):
    return pd.DataFrame(X, columns=NAMES, index=index)


def unknown_lengths(X, chunks=17):
    """An array that dask knows the number of columns of, with parts without any rows."""
    parts = [X[:0], *np.split(X, range(chunks, len(X), chunks)), X[:0]]
    shape = (np.nan, *X.shape[1:])
    blocks = [da.from_delayed(dask.delayed(part), shape, dtype=X.dtype) for part in parts]
    return da.concatenate(blocks, allow_unknown_chunksizes=True)


def frame_with_empty_parts(X):
    frame = frame_of(X)
    parts = [frame[:0], frame[:50], frame[50:50], frame[50:]]
    return dd.from_delayed([dask.delayed(part) for part in parts], meta=frame[:0])


POOLS = {
    "array": lambda X: da.from_array(X, chunks=(32, -1)),
    "split columns": lambda X: da.from_array(X, chunks=(25, 4)),
    "unknown lengths": unknown_lengths,
    "frame": lambda X: dd.from_pandas(frame_of(X), npartitions=5),
    "empty partitions": frame_with_empty_parts,
}


def in_memory(name, X):
    return frame_of(X) if name in ("frame", "empty partitions") else X


def as_pandas(values):
    return values.to_numpy() if hasattr(values, "iloc") else values


class Watched:
    """A dask array that counts how often its parts are computed."""

    def __init__(self, X, chunks=10, allowed=None):
        self.computed = Counter()
        self.allowed = allowed

        def note(block, block_id=None):
            self.computed[block_id[0]] += 1
            if self.allowed is not None and block_id[0] not in self.allowed:
                raise AssertionError(f"part {block_id[0]} was computed")
            return block

        chunks = (chunks, *X.shape[1:])
        meta = np.empty((0,) * X.ndim, dtype=X.dtype)
        self.X = da.from_array(X, chunks=chunks).map_blocks(note, dtype=X.dtype, meta=meta)


def logistic(**params):
    return LogisticRegression(max_iter=1000, **params)


@pytest.mark.parametrize("name", POOLS)
def test_same_as_in_memory(name):
    X, y = whole_pool()
    params = {"budget": 30, "batch_size": 8}
    expected = ActiveLearningLoop(logistic(), Longest(), **params)
    expected.fit(in_memory(name, X), y, labeled=[3, 100, 4])
    loop = ActiveLearningLoop(logistic(), Longest(), **params)
    pool = POOLS[name](X)
    loop.fit(pool, y, labeled=[3, 100, 4])
    np.testing.assert_array_equal(loop.labeled_indices_, expected.labeled_indices_)
    np.testing.assert_array_equal(loop.y_labeled_, expected.y_labeled_)
    np.testing.assert_array_equal(loop.estimator_.coef_, expected.estimator_.coef_)
    for entry, other in zip(loop.history_, expected.history_, strict=True):
        np.testing.assert_array_equal(entry["gains"], other["gains"])
    for method in ("predict", "predict_proba", "decision_function"):
        lazily = getattr(loop, method)(pool)
        assert isinstance(lazily, da.Array)
        values = getattr(expected, method)(in_memory(name, X))
        assert lazily.dtype == values.dtype
        assert lazily._meta.dtype == values.dtype
        assert lazily.ndim == values.ndim
        assert lazily.shape[1:] == values.shape[1:]
        assert lazily.numblocks[0] == pool.npartitions // (2 if name == "split columns" else 1)
        # A product is rounded by the shape of its factors.
        np.testing.assert_allclose(lazily.compute(), values, rtol=1e-12)
        in_rows = getattr(loop, method)(in_memory(name, X))
        assert isinstance(in_rows, np.ndarray)
        np.testing.assert_array_equal(in_rows, values)
    assert loop.score(pool, y) == expected.score(in_memory(name, X), y)


@pytest.mark.parametrize("name", POOLS)
def test_oracle_gets_rows_in_memory_in_the_order_asked(name):
    X, y = whole_pool()
    rows = [90, 3, 55, 4, 119, 0]
    seen = []

    def oracle(X_rows, indices):
        assert type(X_rows) is type(in_memory(name, X))
        np.testing.assert_array_equal(as_pandas(X_rows), X[indices])
        seen.extend(indices.tolist())
        return y[indices]

    loop = ActiveLearningLoop(KNeighborsClassifier(1), Given(rows), budget=6, batch_size=6)
    loop.fit(POOLS[name](X), oracle=oracle)
    assert seen == rows
    np.testing.assert_array_equal(loop.estimator_._fit_X, X[rows])  # trained on them, in order


def test_only_partitions_with_rows_asked_are_computed():
    X, y = whole_pool()
    pool = Watched(X, allowed={2, 9})
    loop = ActiveLearningLoop(logistic(), Given([95, 24, 21, 92]), budget=4, batch_size=2)
    loop.fit(pool.X, oracle=lambda rows, indices: y[indices], labeled=[])
    assert loop.labeled_indices_.tolist() == [95, 24, 21, 92]
    assert set(pool.computed) == {2, 9}
    n_before = pool.computed.total()
    loop.predict(pool.X), loop.predict_proba(pool.X), loop.decision_function(pool.X)
    assert pool.computed.total() == n_before  # lazily


def test_lengths_are_counted_once():
    X, y = whole_pool()
    watched = Watched(X, chunks=60)
    pool = watched.X[watched.X[:, 0] > -np.inf]  # of unknown lengths
    assert np.isnan(pool.shape[0])
    rows = [5, 10, 3, 17, 20, 30]
    loop = ActiveLearningLoop(logistic(), Given(rows), budget=6, batch_size=2)
    loop.fit(pool, oracle=lambda rows, indices: y[indices])
    # The second part is read for its length alone, the first for 3 questions and 3 trainings.
    assert watched.computed == {0: 7, 1: 1}
    loop.ask(pool)
    n_before = watched.computed[1]
    loop.ask(pool)
    assert watched.computed[1] == n_before


@pytest.mark.parametrize("form", ["array", "series", "unknown lengths", "two outputs"])
def test_y_is_computed_at_rows_asked_only(form):
    X, y = whole_pool()
    labels = np.column_stack([y, y > 0]) if form == "two outputs" else y
    watched = Watched(labels, allowed={1, 2})
    y_lazy = watched.X
    if form == "unknown lengths":
        watched.allowed = None
        y_lazy = y_lazy[y_lazy >= 0]
    elif form == "series":
        y_lazy = dd.from_pandas(pd.Series(y), npartitions=4)
    rows = [28, 11, 13, 25, 14, 19]
    loop = ActiveLearningLoop(KNeighborsClassifier(1), Given(rows), budget=4, batch_size=4)
    loop.fit(da.from_array(X, chunks=(50, -1)), y_lazy, labeled=rows[:2])
    np.testing.assert_array_equal(loop.y_labeled_, labels[rows])
    if form in ("array", "two outputs"):
        assert set(watched.computed) == {1, 2}


def test_labeled_mask_and_weights_of_dask():
    X, y = whole_pool()
    mask = np.zeros(len(X), dtype=bool)
    mask[[2, 70]] = True
    weights = np.arange(1.0, 1 + len(X))
    with config_context(enable_metadata_routing=True):
        estimator = logistic().set_fit_request(sample_weight=True)
        loops = [
            ActiveLearningLoop(estimator, Longest(), budget=10, batch_size=10).fit(
                pool, y, labeled=mask, sample_weight=sample_weight
            )
            for pool, sample_weight in (
                (X, weights),
                (unknown_lengths(X), unknown_lengths(weights)),
            )
        ]
    np.testing.assert_array_equal(*[loop.labeled_indices_ for loop in loops])
    np.testing.assert_array_equal(*[loop.estimator_.coef_ for loop in loops])


def test_index_of_a_frame_names_its_rows():
    X, y = whole_pool()
    names = [f"row {i}" for i in range(len(X))]
    frame = frame_of(X, index=names)
    loop = ActiveLearningLoop(logistic(), Longest(), budget=6, batch_size=3)
    # Sorted by name, so that positions are other ones.
    pool = dd.from_pandas(frame, npartitions=3)
    loop.fit(pool, oracle=lambda rows, ids: y[[names.index(name) for name in ids]])
    in_order = sorted(names)
    assert loop.labeled_ids_.tolist() == [in_order[i] for i in loop.labeled_indices_]
    repeated = dd.concat([pool.reset_index(drop=True)] * 2)  # an index that is no name
    loop.fit(repeated, np.tile(y, 2))
    assert not hasattr(loop, "labeled_ids_") or len(set(loop.labeled_ids_)) == 6
    loop.fit(repeated, np.tile(y, 2), ids=da.arange(240, chunks=50) + 1000)
    np.testing.assert_array_equal(loop.labeled_ids_, loop.labeled_indices_ + 1000)


def test_lengths_must_agree():
    X, y = whole_pool()
    loop = ActiveLearningLoop(logistic(), Longest())
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[120, 100\]"):
        loop.fit(unknown_lengths(X), y[:100])
    with pytest.raises(ValueError, match="0 sample"):
        loop.fit(da.empty((0, 3)), y[:0])
    with pytest.raises(TypeError, match="dask array or data frame"):
        loop.fit(dask.delayed(X), y)


@pytest.mark.parametrize("name", POOLS)
def test_ask_and_tell_with_a_journal(name, tmp_path):
    X, y = whole_pool()
    forms = [POOLS[name](X), in_memory(name, X), POOLS[name](X)]
    if name in ("array", "split columns", "unknown lengths"):
        forms.append(da.from_array(X, chunks=(100, 3)))
    expected = ActiveLearningLoop(logistic(), Longest(), budget=12, batch_size=4).fit(X, y)
    for pool in forms:  # each of them in a process of its own
        loop = ActiveLearningLoop(
            logistic(), Longest(), budget=12, batch_size=4, journal=str(tmp_path / "labels.db")
        )
        rows = loop.ask(pool)
        np.testing.assert_array_equal(loop.ask(pool), rows)
        loop.tell(rows, y[rows])
    loop.ask(forms[0])
    n_expected = min(12, 4 * len(forms))
    np.testing.assert_array_equal(loop.labeled_indices_, expected.labeled_indices_[:n_expected])
    loop = ActiveLearningLoop(
        logistic(), Longest(), budget=12, batch_size=4, journal=str(tmp_path / "labels.db")
    )
    with pytest.raises(JournalMismatchError, match="other values"):
        loop.ask(POOLS[name](X + 1))


def test_another_pool_is_refused_while_asking():
    X, y = whole_pool()
    loop = ActiveLearningLoop(logistic(), Longest(), budget=12, batch_size=4)
    rows = loop.ask(unknown_lengths(X))
    np.testing.assert_array_equal(loop.ask(da.from_array(X, chunks=50)), rows)
    with pytest.raises(JournalMismatchError, match="other values"):
        loop.ask(da.from_array(X + 1, chunks=50))


@pytest.mark.parametrize("name", ["array", "frame"])
def test_pending_rows_are_kept_from_selectors_that_read_labels(name):
    X, y = whole_pool()
    asked = []
    for pool in (in_memory(name, X), POOLS[name](X)):
        loop = ActiveLearningLoop(logistic(), Nearest(), budget=20, batch_size=5)
        first = loop.ask(pool, y, labeled=[0, 1, 2, 3, 60])
        second = loop.ask(pool, y, labeled=[0, 1, 2, 3, 60], ahead=True)
        assert not set(first) & set(second)
        asked.append([*first, *second])
    assert asked[0] == asked[1]


def test_unknown_lengths_stay_unknown_in_predictions():
    X, y = whole_pool()
    loop = ActiveLearningLoop(logistic(), Longest(), budget=10, batch_size=10).fit(X, y)
    pool = unknown_lengths(X.astype(np.float32))
    proba = loop.predict_proba(pool)  # the loop has not seen such a pool: one row is computed
    assert np.isnan(proba.chunks[0]).all()
    assert proba.chunks[1:] == ((3,),)
    assert proba.dtype == proba.compute().dtype == loop.predict_proba(X.astype(np.float32)).dtype
    assert proba.compute().shape == (120, 3)
    loop.fit(frame_of(X), y)
    predicted = loop.predict(frame_with_empty_parts(X))
    assert np.isnan(predicted.chunks[0]).all()
    np.testing.assert_array_equal(predicted.compute(), loop.predict(frame_of(X)))


def test_columns_of_classes_without_labels():
    X, y = whole_pool()
    classes = [0, 1, 2, 7]
    loop = ActiveLearningLoop(logistic(), Longest(), budget=20, classes=classes)
    pool = da.from_array(X, chunks=(50, 3))
    loop.fit(pool, y)
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        lazily = getattr(loop, method)(pool)
        assert lazily.chunks == ((50, 50, 20), (4,))
        np.testing.assert_allclose(lazily.compute(), getattr(loop, method)(X), rtol=1e-12)
    with pytest.raises(NotFittedError):
        ActiveLearningLoop(logistic(), classes=classes).predict_proba(pool)


class Both(KMeans):
    """An estimator that trains without labels and transforms."""

    def fit(self, X, y=None):
        return super().fit(X)


def test_transform():
    X, y = whole_pool()
    pool = dd.from_pandas(frame_of(X), npartitions=3)
    loop = ActiveLearningLoop(Both(2, n_init=1, random_state=0), Longest(), budget=20)
    loop.fit(pool, y)
    lazily = loop.transform(pool)
    assert isinstance(lazily, da.Array)
    np.testing.assert_allclose(lazily.compute(), loop.transform(frame_of(X)), rtol=1e-9)
    framed = loop.set_output(transform="pandas").transform(pool)
    assert framed.columns.tolist() == ["both0", "both1"]
    pd.testing.assert_frame_equal(framed.compute(), loop.transform(frame_of(X)))
    array = da.from_array(X, chunks=(50, 2))
    loop.set_output(transform="default").fit(array, y)
    assert loop.transform(array).chunks == ((50, 50, 20), (2,))


def test_lists_of_outputs_and_sparse_blocks():
    X, y = whole_pool()
    pool = da.from_array(X, chunks=(50, 2))
    loop = ActiveLearningLoop(KNeighborsClassifier(1), Longest(), budget=20)
    loop.fit(pool, np.column_stack([y, y > 1]))
    lazily = loop.predict_proba(pool)
    for one, other in zip(lazily, loop.predict_proba(X), strict=True):
        np.testing.assert_array_equal(one.compute(), other)
    csr = da.from_array(X, chunks=(50, 6)).map_blocks(
        sparse.csr_matrix, dtype=X.dtype, meta=sparse.csr_matrix((0, 0))
    )
    loop = ActiveLearningLoop(logistic(), Given([90, 3, 55, 4]), budget=4).fit(csr, y)
    expected = ActiveLearningLoop(logistic(), Given([90, 3, 55, 4]), budget=4)
    expected.fit(sparse.csr_matrix(X), y)
    np.testing.assert_array_equal(loop.predict(csr).compute(), expected.predict(X))
    encoder = OneHotEncoder(handle_unknown="ignore")
    encoded = ActiveLearningLoop(encoder, Longest(), budget=20).fit(pool, y)
    blocks = encoded.transform(pool)
    np.testing.assert_array_equal(
        blocks.map_blocks(lambda block: block.toarray(), meta=np.empty((0, 0))).compute(),
        encoded.transform(X).toarray(),
    )


def test_score():
    X, y = whole_pool()
    pool = da.from_array(X, chunks=(50, 2))
    labels = da.from_array(y, chunks=40)
    weights = np.arange(len(y), dtype=float)
    for estimator in (make_pipeline(StandardScaler(), logistic()), Ridge()):
        with config_context(enable_metadata_routing=True):
            if isinstance(estimator, Ridge):
                estimator.set_score_request(sample_weight=True).set_fit_request(sample_weight=False)
            loop = ActiveLearningLoop(estimator, Longest(), budget=20).fit(pool, labels)
            assert loop.score(pool, labels) == pytest.approx(loop.score(X, y), rel=1e-12)
            if isinstance(estimator, Ridge):
                lazily = loop.score(pool, labels, sample_weight=da.from_array(weights, chunks=9))
                at_once = loop.score(X, y, sample_weight=weights)
                assert lazily == pytest.approx(at_once, rel=1e-12)
    loop = ActiveLearningLoop(Both(2, n_init=1, random_state=0), Longest(), budget=20)
    with pytest.raises(TypeError, match="score of Both cannot be put together"):
        loop.fit(pool, y).score(pool)


def test_parameters_of_a_row_cannot_be_cut():
    X, y = whole_pool()
    pool = da.from_array(X, chunks=(50, 2))
    with config_context(enable_metadata_routing=True):
        estimator = Scaled().set_predict_request(scale=True)
        loop = ActiveLearningLoop(estimator, Longest(), budget=20).fit(pool, y)
        np.testing.assert_allclose(
            loop.predict(pool, scale=2.0).compute(), loop.predict(X, scale=2.0), rtol=1e-12
        )
        with pytest.raises(TypeError, match="scale == ndarray, which cannot be cut"):
            loop.predict(pool, scale=np.ones(len(X)))


class Scaled(Ridge):
    """A regressor whose predictions have a unit."""

    def predict(self, X, scale=1.0):
        return scale * super().predict(X)


def test_held_out_data_of_dask():
    X, y = whole_pool()
    scores = []
    for pool, labels in ((X, y), (unknown_lengths(X), da.from_array(y, chunks=33))):
        for scoring in (None, "accuracy"):
            loop = ActiveLearningLoop(
                logistic(), Longest(), budget=10, batch_size=5, scoring=scoring
            )
            loop.fit(da.from_array(X, chunks=50), y, X_val=pool, y_val=labels)
            scores.append([entry["score"] for entry in loop.history_])
    assert scores[0] == scores[1] == scores[2] == scores[3]
    with pytest.raises(ValueError, match="inconsistent"):
        loop.fit(X, y, X_val=unknown_lengths(X), y_val=y[:7])


@pytest.mark.parametrize("max_samples", [None, 50])
@pytest.mark.parametrize("name", ["array", "unknown lengths", "frame"])
def test_stopping_rules_and_the_progress_bar(name, max_samples, capsys):
    X, y = whole_pool()
    measured = []
    for pool in (in_memory(name, X), POOLS[name](X)):
        rule = StablePredictions(threshold=0.5, window=1, max_samples=max_samples)
        loop = ActiveLearningLoop(
            logistic(), Longest(), budget=40, batch_size=8, stopping=rule, verbose=True
        )
        loop.fit(pool, y)
        assert loop.termination_condition_ == "stopping rule"
        measured.append([entry["measures"] for entry in loop.history_])
    assert measured[0] == measured[1]
    assert "label" in capsys.readouterr().err


class Centred(TransformerMixin, BaseEstimator):
    """A step that takes dask arrays, as those of dask_ml do."""

    def fit(self, X, y=None):
        mean = X.mean(axis=0)
        self.mean_ = mean.compute() if hasattr(mean, "compute") else mean
        return self

    def transform(self, X):
        return X - self.mean_


def _doubled(rows):
    return 2 * rows


def pipelines(X):
    """Pipelines that end in a selector, whose steps do not load the pool."""
    scaler = FrozenEstimator(StandardScaler().fit(X[:50]))
    twice = FunctionTransformer(_doubled)
    return {
        "frozen": make_pipeline(scaler, Longest()),
        "stateless": make_pipeline(twice, Longest()),
        "both": make_pipeline(twice, scaler, FunctionTransformer(np.round), Longest()),
        "supervised": make_pipeline(scaler, LinearDiscriminantAnalysis(), Longest()),
        "of dask": make_pipeline(Centred(), FunctionTransformer(np.round), Longest()),
    }


@pytest.mark.parametrize("kind", pipelines(whole_pool()[0]))
@pytest.mark.parametrize("name", POOLS)
def test_steps_before_the_selector(kind, name):
    X, y = whole_pool()
    if kind == "of dask" and isinstance(in_memory(name, X), pd.DataFrame):
        pytest.skip("the step takes arrays only")
    results = []
    for pool in (in_memory(name, X), POOLS[name](X)):
        loop = ActiveLearningLoop(
            logistic(),
            pipelines(in_memory(name, X))[kind],
            budget=20,
            batch_size=10,
            init_selector=Longest(),
        )
        results.append(loop.fit(pool, y, labeled=[0, 1, 60, 90, 110]).labeled_indices_)
        assert len(loop.selector_.steps) == len(pipelines(in_memory(name, X))[kind].steps)
    np.testing.assert_array_equal(*results)


def test_steps_on_frames():
    X, y = whole_pool()
    frame = frame_of(X).assign(word=["ab", "b", "a b a"] * 40)
    step = make_column_transformer(
        (StandardScaler(), NAMES), (CountVectorizer(token_pattern=r"\w+"), "word")
    )
    step = FrozenEstimator(step.fit(frame))
    picks = []
    for pool in (frame, dd.from_pandas(frame, npartitions=4)):
        loop = ActiveLearningLoop(
            make_pipeline(step, logistic()), make_pipeline(step, Longest()), budget=20
        )
        picks.append(loop.fit(pool, y).labeled_indices_)
    np.testing.assert_array_equal(*picks)
    np.testing.assert_array_equal(loop.predict(pool).compute(), loop.predict(frame))


@pytest.mark.parametrize("kind", ["array", "series"])
def test_texts(kind):
    X, y = whole_pool()
    texts = np.array([" ".join(f"w{int(x) % 5}" for x in row) for row in X], dtype=object)
    pool = da.from_array(texts, chunks=32)
    if kind == "series":
        texts = pd.Series(texts, name="text")
        pool = dd.from_pandas(texts, npartitions=4)
    words = CountVectorizer().fit(texts)
    step = FrozenEstimator(make_pipeline(words, FunctionTransformer(_dense)))
    loops = [
        ActiveLearningLoop(
            make_pipeline(CountVectorizer(), logistic()), make_pipeline(step, Longest()), budget=30
        ).fit(rows, y)
        for rows in (texts, pool)
    ]
    np.testing.assert_array_equal(*[loop.labeled_indices_ for loop in loops])
    lazily = loops[1].predict_proba(pool)
    assert lazily.shape[1:] == (3,)
    np.testing.assert_allclose(lazily.compute(), loops[0].predict_proba(texts), rtol=1e-12)


def _dense(rows):
    return rows.toarray()


def test_networks_as_steps_and_as_models():
    X, y = whole_pool(np.float32)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
    results = []
    for pool in (X, da.from_array(X, chunks=(7, 4))):
        torch.manual_seed(1)
        net = NeuralNetClassifier(
            torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.Softmax(dim=-1)),
            max_epochs=2,
            train_split=None,
            verbose=0,
        )
        loop = ActiveLearningLoop(
            net,
            make_pipeline(NetworkEmbedding(network), FunctionTransformer(np.round), Longest()),
            budget=20,
            batch_size=10,
            random_state=0,
        )
        loop.fit(pool, y.astype(np.int64))
        results.append((loop.labeled_indices_, np.asarray(loop.predict_proba(pool)[:, 0])))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5)


def test_steps_that_would_load_the_pool_are_refused():
    X, y = whole_pool()
    pool = da.from_array(X, chunks=50)
    loop = ActiveLearningLoop(logistic(), make_pipeline(StandardScaler(), Longest()))
    with pytest.raises(TypeError, match=r"'standardscaler'.*FrozenEstimator.*dask_ml"):
        loop.fit(pool, y)


def test_steps_read_only_the_partitions_of_labeled_rows():
    X, y = whole_pool()
    watched = Watched(X, allowed={1, 2})
    step = LinearDiscriminantAnalysis()
    rows = [28, 11, 13, 25, 14, 19]
    loop = ActiveLearningLoop(logistic(), make_pipeline(step, Given(rows)), budget=3)
    loop.fit(watched.X, y, labeled=rows[:3])
    assert set(watched.computed) == {1, 2}


def test_rows_twice_none_and_outside():
    X, _ = whole_pool()
    for pool in (unknown_lengths(X), dd.from_pandas(frame_of(X), npartitions=3)):
        rows = np.array([119, 3, 119, 0])
        np.testing.assert_array_equal(as_pandas(rows_of(pool, rows)), X[rows])
        assert rows_of(pool, rows[:0]).shape == (0, 6)
        with pytest.raises(IndexError):
            rows_of(pool, np.array([120]))


def test_rows_of_a_frame_keep_index_and_categories():
    words = ["a", "b", "c", "d", "a", "c"]
    frame = pd.DataFrame({"word": words, "x": range(6)}, index=list("uvwxyz"))
    pool = dd.from_pandas(frame, npartitions=3)
    pool["word"] = pool["word"].astype("category")  # of which each partition knows its own
    rows = rows_of(pool, np.array([5, 0, 2]))
    assert rows.index.tolist() == ["z", "u", "w"]
    assert rows["word"].tolist() == ["c", "a", "c"]
    assert rows["word"].dtype == "category"


def same_fingerprints():
    """Rows in memory, and the same as dask collections."""
    X, y = whole_pool()
    frame = frame_of(X).assign(
        kind=pd.Categorical(["u", "v", None, "u"] * 30),
        day=pd.date_range("2024-01-01", periods=120, tz="Europe/Berlin"),
        count=pd.array([1, None, 3] * 40, dtype="Int64"),
    )
    images = np.arange(120 * 3 * 4, dtype=np.float32).reshape(120, 3, 4)
    texts = np.array(["a", "bc", None, "d"] * 30, dtype=object)
    pairs = np.array([(i, 2.0 * i) for i in range(20)], dtype=[("a", "i4"), ("b", "f8")])
    csr = sparse.csr_matrix(np.where(X > 1, X, 0))
    as_csr = da.from_array(csr.toarray(), chunks=(33, 6)).map_blocks(
        sparse.csr_matrix, dtype=X.dtype, meta=sparse.csr_matrix((0, 0))
    )
    return {
        "array": (X, da.from_array(X, chunks=(7, 6)), da.from_array(X, chunks=(100, 4))),
        "unknown lengths": (X, unknown_lengths(X), unknown_lengths(X, chunks=50)),
        "images": (images, da.from_array(images, chunks=(50, 2, 3))),
        "labels": (y, da.from_array(y, chunks=11)),
        "objects": (texts, da.from_array(texts, chunks=11)),
        "fields": (pairs, da.from_array(pairs, chunks=6)),
        "sparse": (csr, as_csr, as_csr.rechunk((50, 6))),
        "frame": (frame, *[dd.from_pandas(frame, npartitions=n) for n in (1, 7)]),
        "empty parts": (frame_of(X), frame_with_empty_parts(X)),
        "series": (frame["a"], dd.from_pandas(frame["a"], npartitions=4)),
    }


@pytest.mark.parametrize("kind", same_fingerprints())
def test_fingerprint_is_that_of_the_rows_in_memory(kind):
    first, *others = same_fingerprints()[kind]
    assert [fingerprint(other) for other in others] == [fingerprint(first)] * len(others)


def test_fingerprint_tells_pools_apart():
    X, _ = whole_pool()
    frame = frame_of(X)
    pools = [X, X + 1, X[::-1], X[:-1], X.astype(np.float32), X.reshape(60, 12)]
    digests = {fingerprint(da.from_array(pool, chunks=50)) for pool in pools}
    frames = [frame, frame + 1, frame[::-1].reset_index(drop=True), frame[["b", "a"]]]
    digests |= {fingerprint(dd.from_pandas(each, npartitions=3)) for each in frames}
    assert len(digests) == 10


def test_fingerprint_of_categories_that_partitions_know_on_their_own():
    words = pd.DataFrame({"word": ["b", "a", "c", "a", "b", "b"]})
    pools = [dd.from_pandas(words, npartitions=n).astype("category") for n in (1, 2, 3)]
    assert len({fingerprint(pool) for pool in pools}) == 1
    other = words.replace({"c": "a"})
    assert fingerprint(dd.from_pandas(other, npartitions=2).astype("category")) != fingerprint(
        pools[0]
    )


def test_fingerprint_reads_partitions_once():
    X, _ = whole_pool()
    watched = Watched(X)
    fingerprint(watched.X)
    assert watched.computed == dict.fromkeys(range(12), 1)


@pytest.mark.parametrize(
    "selector",
    [CoreSetSelector(), ITLSelector(), UncertaintySelector()],
    ids=lambda selector: type(selector).__name__,
)
def test_selectors_of_the_package(selector):
    X, y = make_pool()
    picks = []
    frame = dd.from_pandas(pd.DataFrame(X, columns=NAMES), npartitions=3)
    for pool in (X, da.from_array(X, chunks=(17, 4)), unknown_lengths(X), frame):
        loop = ActiveLearningLoop(logistic(), selector, budget=20, batch_size=4, random_state=0)
        first = loop.ask(pool)
        loop.tell(first, y[first])
        second = loop.ask(pool)
        ahead = loop.ask(pool, ahead=True)
        assert len({*first, *second, *ahead}) == 12
        picks.append([*first, *second, *ahead])
    assert picks.count(picks[0]) == len(picks)


def test_fitted_loop_can_be_pickled():
    X, y = whole_pool()
    pool = dd.from_pandas(frame_of(X), npartitions=3)
    loop = ActiveLearningLoop(logistic(), Longest(), budget=12).fit(pool, y)
    copy = pickle.loads(pickle.dumps(loop))
    np.testing.assert_array_equal(copy.predict(pool).compute(), loop.predict(frame_of(X)))


def test_with_a_cluster():
    distributed = pytest.importorskip("distributed")
    X, y = whole_pool()
    pool = da.from_array(X, chunks=(50, 4))
    expected = ActiveLearningLoop(logistic(), Longest(), budget=12, batch_size=4).fit(X, y)
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"
    ):
        loop = ActiveLearningLoop(logistic(), Longest(), budget=12, batch_size=4).fit(pool, y)
        predicted = loop.predict(pool).compute()
        assert fingerprint(pool) == fingerprint(X)
    np.testing.assert_array_equal(loop.labeled_indices_, expected.labeled_indices_)
    np.testing.assert_array_equal(predicted, expected.predict(X))
