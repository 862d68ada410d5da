"""Where labels come from, what may be asked, and that none that was answered is lost."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skactive import ActiveLearningLoop, CoreSetSelector, ITLSelector, MLMOCSelector, RandomSelector
from skactive.exceptions import OracleError
from tests.loops import FirstRows, NearLargestLabel, Oracle, logistic, make_pool

X, Y = make_pool()
N = len(X)
rng = np.random.default_rng(0)


def nearest():
    return KNeighborsClassifier(n_neighbors=3)


def make_loop(estimator=None, selector=None, **params):
    params = {"budget": 25, "batch_size": 10, **params}
    return ActiveLearningLoop(estimator or nearest(), selector or CoreSetSelector(), **params)


CLEAN = make_loop().fit(X, Y)


def assert_same_run(loop, expected, pool=X):
    np.testing.assert_array_equal(loop.labeled_indices_, expected.labeled_indices_)
    np.testing.assert_array_equal(loop.predict(pool), expected.predict(X))


# Oracles


def test_an_oracle_is_asked_once_for_each_row_selected():
    oracle = Oracle(X, Y)
    loop = make_loop().fit(X, oracle=oracle)
    assert oracle.n_calls == loop.n_rounds_ == 3
    assert oracle.asked == loop.labeled_indices_.tolist()
    assert len(oracle.asked) == 25
    assert_same_run(loop, CLEAN)


@pytest.mark.parametrize("selector", [RandomSelector(), ITLSelector(), MLMOCSelector()], ids=str)
def test_nothing_is_asked_twice_nor_beyond_the_budget(selector):
    oracle = Oracle(X, Y)
    loop = make_loop(selector=selector, budget=0.5, random_state=0)
    loop.fit(X, Y, labeled=np.arange(20), oracle=oracle)
    assert len(oracle.asked) == 60
    assert not set(oracle.asked) & set(range(20))
    assert loop.labeled_indices_.tolist() == [*range(20), *oracle.asked]


def test_with_an_oracle_y_is_read_at_labeled_rows_only():
    owned = [2, 30, 77]
    expected = make_loop().fit(X, Y, labeled=owned)
    for garbage in (np.full(N, -1), np.full(N, np.nan), np.full(N, None), np.full(N, "?", object)):
        garbage[owned] = Y[owned]
        for y in (garbage, garbage.tolist(), pd.Series(garbage)):
            loop = make_loop().fit(X, y, labeled=owned, oracle=Oracle(X, Y))
            assert_same_run(loop, expected)
            np.testing.assert_array_equal(loop.y_labeled_, expected.y_labeled_)
            assert loop.y_labeled_.dtype.kind in "if"


def test_without_an_oracle_y_is_read_at_asked_rows_only():
    others = np.setdiff1d(np.arange(N), CLEAN.labeled_indices_)
    y = Y.copy()
    y[others] = rng.permutation([7, -1] * N)[: len(others)]
    assert_same_run(make_loop().fit(X, y), CLEAN)
    y = Y.astype(float)
    y[others] = rng.permutation([np.nan, np.inf] * N)[: len(others)]
    assert_same_run(make_loop().fit(X, y), CLEAN)
    y = Y.astype(object)
    y[others] = rng.permutation(np.array([None, "?", np.nan, pd.NA] * N, object))[: len(others)]
    assert_same_run(make_loop().fit(X, y), CLEAN)
    assert_same_run(make_loop().fit(X, y.tolist()), CLEAN)
    assert_same_run(make_loop().fit(X, pd.Series(y)), CLEAN)


class Ledger:
    """Labels that can be looked up one at a time, and remember it."""

    def __init__(self, labels):
        self.labels = labels
        self.read = []

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, row):
        self.read.append(row)
        return self.labels[row]

    def __iter__(self):
        raise AssertionError("all labels were read")


@pytest.mark.parametrize(
    "selector", [CoreSetSelector(), NearLargestLabel(), MLMOCSelector()], ids=str
)
def test_y_is_looked_up_row_by_row(selector):
    ledger = Ledger(Y)
    loop = make_loop(selector=selector).fit(X, ledger, labeled=[5, 60])
    assert ledger.read == loop.labeled_indices_.tolist()
    assert ledger.read[:2] == [5, 60]
    assert len(set(ledger.read)) == 27
    assert_same_run(loop, make_loop(selector=selector).fit(X, Y, labeled=[5, 60]))


@pytest.mark.parametrize(
    "selector", [ITLSelector(), NearLargestLabel(), MLMOCSelector(), RandomSelector()], ids=str
)
def test_labels_not_bought_change_nothing(selector):
    expected = make_loop(selector=selector, random_state=0).fit(X, Y)
    y = np.where(np.isin(np.arange(N), expected.labeled_indices_), Y, 1000)
    assert_same_run(make_loop(selector=selector, random_state=0).fit(X, y), expected)


@pytest.mark.parametrize("ids", [np.arange(N) + 5000, [f"row {i}" for i in range(N)]], ids=type)
def test_oracles_get_ids_where_there_are_some(ids):
    row_of = {name: row for row, name in enumerate(ids)}

    def oracle(rows, names):
        positions = [row_of[name] for name in names]
        np.testing.assert_array_equal(rows, X[positions])
        return Y[positions]

    loop = make_loop().fit(X, oracle=oracle, ids=ids)
    assert_same_run(loop, CLEAN)
    assert loop.labeled_ids_.tolist() == [ids[i] for i in loop.labeled_indices_]


def test_oracles_may_do_as_they_like_with_what_they_get():
    def oracle(rows, indices):
        labels = Y[indices]
        indices[:] = 0
        rows[:] = np.nan
        return labels

    pool = X.copy()
    loop = make_loop().fit(pool, oracle=oracle)
    np.testing.assert_array_equal(pool, X)
    assert_same_run(loop, CLEAN)


def test_answers_are_copied():
    answer = np.zeros(10, dtype=int)

    def oracle(rows, indices):
        answer[: len(indices)] = Y[indices]
        return answer[: len(indices)]

    loop = make_loop().fit(X, oracle=oracle)
    np.testing.assert_array_equal(loop.y_labeled_, Y[loop.labeled_indices_])


# Kinds of pools

WORDS = np.array(["red", "blue", "green"])


def texts():
    return [" ".join(rng.choice(["red", "blue", "green", "sky", "sea"], 6)) for _ in range(N)]


def flat():
    return FunctionTransformer(lambda images: images.reshape(len(images), -1))


IMAGES = X.reshape(N, 1, 3, 2).astype(np.float32)
FRAME = pd.DataFrame(X, columns=list("abcdef"), index=rng.permutation(N))


@pytest.mark.parametrize(
    ("pool", "kind", "estimator", "selector"),
    [
        (X, np.ndarray, logistic(), ITLSelector()),
        (np.asfortranarray(X, dtype=np.float32), np.ndarray, logistic(), ITLSelector()),
        (X.tolist(), list, logistic(), ITLSelector()),
        (FRAME, pd.DataFrame, logistic(), ITLSelector()),
        (pl.DataFrame(X, schema=list("abcdef")), pl.DataFrame, logistic(), ITLSelector()),
        (torch.tensor(X), torch.Tensor, logistic(), ITLSelector()),
        (sparse.csr_matrix(X), sparse.csr_matrix, logistic(), ITLSelector()),
        (sparse.csc_array(X), sparse.csr_array, logistic(), RandomSelector(random_state=0)),
        (
            texts(),
            list,
            make_pipeline(TfidfVectorizer(), logistic()),
            make_pipeline(TfidfVectorizer(), CoreSetSelector()),
        ),
        (
            IMAGES,
            np.ndarray,
            make_pipeline(flat(), StandardScaler(), logistic()),
            make_pipeline(flat(), ITLSelector()),
        ),
    ],
    ids=[
        "array",
        "Fortran",
        "list",
        "frame",
        "polars",
        "tensor",
        "CSR",
        "CSC",
        "texts",
        "images",
    ],
)
def test_kinds_of_pools(pool, kind, estimator, selector):
    asked = []

    def take(indices):
        if isinstance(pool, list):
            return [pool[i] for i in indices]
        return pool.iloc[indices] if hasattr(pool, "iloc") else as_csr(pool)[indices]

    def as_csr(pool):
        return pool.tocsr() if sparse.issparse(pool) else pool

    def oracle(rows, indices):
        assert isinstance(rows, kind)
        expected = take(indices)
        if sparse.issparse(rows):
            assert (rows != expected).nnz == 0
        elif isinstance(rows, pd.DataFrame):
            pd.testing.assert_frame_equal(rows, expected)
        else:
            np.testing.assert_array_equal(rows, expected)
        asked.extend(indices.tolist())
        return Y[indices]

    ids = np.arange(N)  # the index of the frame would else name its rows
    loop = make_loop(estimator, selector).fit(pool, oracle=oracle, ids=ids)
    assert asked == loop.labeled_indices_.tolist()
    assert len(set(asked)) == 25
    model = estimator.fit(take(asked), Y[asked])
    np.testing.assert_array_equal(loop.predict(pool), model.predict(as_csr(pool)))
    simulated = make_loop(estimator, selector).fit(pool, Y)
    np.testing.assert_array_equal(simulated.labeled_indices_, loop.labeled_indices_)


def test_a_frame_gives_its_feature_names():
    loop = make_loop().fit(FRAME, Y)
    assert loop.feature_names_in_.tolist() == list("abcdef")
    assert loop.n_features_in_ == 6
    assert_same_run(loop, CLEAN, FRAME)


def test_texts_have_no_features_to_count():
    estimator = make_pipeline(TfidfVectorizer(), logistic())
    selector = make_pipeline(TfidfVectorizer(), ITLSelector())
    pool = texts()
    loop = make_loop(estimator, selector).fit(pool, Y)
    assert not hasattr(loop, "n_features_in_")
    assert loop.selector_[0].vocabulary_.keys() == {"red", "blue", "green", "sky", "sea"}
    assert sparse.issparse(loop.selector_[1].components_)


# Kinds of labels

TARGETS = X @ rng.normal(size=(6, 2))
NAMES = np.array(["x", "y", "zed"])[Y]


@pytest.mark.parametrize("form", ["array", "list", "series", "oracle", "oracle of lists"])
@pytest.mark.parametrize(
    ("estimator", "y", "dtype_kind"),
    [
        (nearest(), Y, "i"),
        (nearest(), Y.astype(np.uint8), "u"),
        (nearest(), NAMES, "U"),
        (nearest(), NAMES.astype(object), "O"),
        (nearest(), Y > 0, "b"),
        (nearest(), Y.astype(float), "f"),
        (Ridge(), TARGETS[:, 0], "f"),
        (Ridge(), TARGETS.astype(np.float32), "f"),
        (MultiOutputClassifier(nearest()), np.column_stack([Y, Y % 2]), "i"),
        (nearest(), np.column_stack([Y > 0, Y > 1, Y != 1]).astype(int), "i"),
        (DecisionTreeClassifier(random_state=0), np.array(["x", "y"])[[Y % 2, Y // 2]].T, "U"),
    ],
    ids=[
        "int",
        "uint8",
        "str",
        "object",
        "bool",
        "float classes",
        "regression",
        "two regressions",
        "two classifications",
        "multilabel",
        "two of text",
    ],
)
def test_kinds_of_labels(estimator, y, dtype_kind, form):
    if form == "array":
        loop = make_loop(estimator).fit(X, y)
    elif form == "list":
        loop = make_loop(estimator).fit(X, y.tolist())
    elif form == "series":
        # The index is shuffled: rows are meant by position, not by name.
        make = pd.Series if y.ndim == 1 else pd.DataFrame
        loop = make_loop(estimator).fit(X, make(y, index=rng.permutation(N)))
    elif form == "oracle":
        loop = make_loop(estimator).fit(X, oracle=Oracle(X, y))
    else:
        oracle = Oracle(X, y)
        loop = make_loop(estimator).fit(X, oracle=lambda *asked: oracle(*asked).tolist())
    labeled = CLEAN.labeled_indices_
    np.testing.assert_array_equal(loop.labeled_indices_, labeled)
    np.testing.assert_array_equal(loop.y_labeled_, y[labeled])
    if form in ("array", "oracle"):
        assert loop.y_labeled_.dtype == y.dtype
    model = estimator.fit(X[labeled], y[labeled])
    np.testing.assert_array_equal(loop.predict(X), model.predict(X))


@pytest.mark.parametrize("dtype", ["Int64", "string", "category", "boolean"])
def test_pandas_types_of_labels(dtype):
    texts = dtype in ("string", "category")
    y = np.array(["x", "y", "zed"])[Y] if texts else Y > 0 if dtype == "boolean" else Y
    series = pd.Series(y, index=rng.permutation(N)).astype(dtype)
    loop = make_loop().fit(X, series)
    np.testing.assert_array_equal(loop.y_labeled_, y[CLEAN.labeled_indices_])
    others = np.setdiff1d(np.arange(N), CLEAN.labeled_indices_)
    series.iloc[others] = pd.NA
    assert_same_run(make_loop().fit(X, series), loop)
    series.iloc[CLEAN.labeled_indices_[3]] = pd.NA
    with pytest.raises(ValueError, match="NaN"):
        make_loop().fit(X, series)


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (nearest(), NAMES),
        (nearest(), NAMES.astype(object)),
        (nearest(), Y > 0),
        (Ridge(), TARGETS[:, 0]),
        (Ridge(), TARGETS),
        (nearest(), np.column_stack([Y > 0, Y > 1]).astype(int)),
    ],
    ids=["text", "object", "bool", "regression", "two regressions", "multilabel"],
)
def test_kinds_of_labels_for_a_selector_that_reads_them(estimator, y):
    loop = make_loop(estimator, MLMOCSelector()).fit(X, y)
    first = loop.history_[0]["indices"]
    second = MLMOCSelector(budget=10).fit(X, y, labeled=first).indices_
    np.testing.assert_array_equal(loop.history_[1]["indices"], second)
    others = np.setdiff1d(np.arange(N), loop.labeled_indices_)
    y = y.copy()
    y[others] = y[rng.permutation(others)]
    again = make_loop(estimator, MLMOCSelector()).fit(X, y)
    np.testing.assert_array_equal(again.labeled_indices_, loop.labeled_indices_)


def test_bool_and_int_answers_may_be_mixed():
    y = (Y > 0).astype(int)
    answers = iter([y.astype(bool), y, y.astype(float)])
    loop = make_loop().fit(X, oracle=lambda rows, indices: next(answers)[indices])
    np.testing.assert_array_equal(loop.y_labeled_, y[loop.labeled_indices_])


# Answers that are none


class FailsAt:
    """Answers properly until the given call, then gives `answer(labels)`."""

    def __init__(self, call, answer, y=Y):
        self.oracle = Oracle(X, y)
        self.call, self.answer = call, answer

    def __call__(self, rows, indices):
        labels = self.oracle(rows, indices)
        return self.answer(labels) if self.oracle.n_calls == self.call else labels


def put(labels, **values):
    labels = labels.tolist()
    for position, value in values.items():
        labels[int(position[1:])] = value
    return labels


def as_float(labels):
    labels = labels.astype(float)
    labels[[2, 3]] = np.nan, np.inf
    return labels


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize(
    ("answer", "y", "lost", "message"),
    [
        (lambda labels: labels[:7], Y, "all", r"the 10 rows asked, as .*got shape \(7,\). It is"),
        (lambda labels: 1, Y, "all", r"the 10 rows asked, as .*; got shape \(\). It is kept as"),
        (lambda labels: {-1: 2}, Y, "all", "name rows that were asked.* got 1 other"),
        (lambda labels: [[1], [2, 3]] * 5, Y, "all", "10 rows .*; got rows of different lengths"),
        (lambda labels: [1, [2, 3]] * 5, Y, "all", "10 rows .*; got rows of different lengths"),
        (as_float, Y, [2, 3], "not hold NaN, infinity or None; got 2 of them among 10 labels"),
        (lambda a: put(a, _4=None), Y, [4], "got 1 of them among 10 labels, first for row"),
        (lambda a: put(a, _4=np.nan), Y, [4], "got 1 of them among 10 labels, first for row"),
        (lambda a: put(a, _0=None), NAMES, [0], "got 1 of them among 10 labels, first for row"),
        (lambda a: put(a, _0=np.nan), NAMES, [0], "got 1 of them among 10 labels, first for row"),
        (lambda a: pd.array(put(a, _9=pd.NA)), Y, [9], "got 1 of them among 10 labels, first for"),
        (lambda a: np.full(len(a), np.nan), Y, "all", "got 10 of them among 10 labels, first for"),
        (
            lambda a: put(a, _4="x"),
            Y,
            "all",
            "hold labels of one kind; got numbers and texts. Write",
        ),
        (
            lambda a: put(a, _4=1),
            NAMES,
            "all",
            "hold labels of one kind; got numbers and texts. Write",
        ),
    ],
    ids=[
        "too few",
        "scalar",
        "strange name",
        "ragged",
        "ragged with scalars",
        "NaN and inf",
        "a None",
        "a NaN",
        "a None in texts",
        "a NaN in texts",
        "pandas.NA",
        "all NaN",
        "a text in numbers",
        "a number in texts",
    ],
)
def test_bad_answers(call, answer, y, lost, message):
    oracle = FailsAt(call, answer, y)
    loop = make_loop()
    with pytest.raises(OracleError, match=f"the oracle's answer must.*{message}") as caught:
        loop.fit(X, oracle=oracle)
    asked, error = oracle.oracle.asked, caught.value
    batch = asked[-10:]
    lost = batch if lost == "all" else [batch[i] for i in lost]
    if "first for row" in message:
        assert f"first for row {lost[0]}." in str(error)
    kept = [row for row in asked if row not in lost]
    assert error.labeled_indices.tolist() == kept
    np.testing.assert_array_equal(error.y_labeled, y[kept])
    assert repr(error.answer) == repr(answer(y[batch]))
    assert [
        f"The {len(kept)} labels known" in note for note in getattr(error, "__notes__", [])
    ] == ([True] if kept else [])
    assert loop.__getstate__().keys() == make_loop().__getstate__().keys()


def test_labels_outside_of_classes():
    oracle = FailsAt(2, lambda labels: put(labels, _3=8, _6=9))
    with pytest.raises(
        OracleError, match=r"classes == \[0, 1, 2\]; got 8 for row (\d+)."
    ) as caught:
        make_loop(classes=[2, 1, 0]).fit(X, oracle=oracle)
    asked = oracle.oracle.asked
    assert f"for row {asked[13]}." in str(caught.value)
    kept = [row for row in asked if row not in (asked[13], asked[16])]
    assert caught.value.labeled_indices.tolist() == kept
    np.testing.assert_array_equal(caught.value.y_labeled, Y[kept])


@pytest.mark.parametrize(
    "y", [NAMES, NAMES.astype(object), np.column_stack([NAMES, NAMES])], ids=lambda y: str(y.dtype)
)
def test_texts_outside_of_classes(y):
    with pytest.raises(OracleError, match=r"classes == \['x', 'y'\]; got .*'zed'.* for row \d+"):
        make_loop(classes=["x", "y"]).fit(X, y)


def test_classes_of_another_kind():
    classes = [str(i) for i in range(40)]  # so many that NumPy looks them up as texts
    with pytest.raises(
        OracleError, match=r"^y must hold labels from classes == \['0', .*; got \d for row"
    ):
        make_loop(classes=classes).fit(X, Y)
    with pytest.raises(OracleError, match=r"y at the labeled rows .* classes == \[7, 8\]; got 1 f"):
        make_loop(classes=[7, 8]).fit(X, np.ones(N, dtype=int), labeled=[3])


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        (Y, NAMES, "same kind as the labels before, int64; got <U3. NumPy would turn"),
        (NAMES, Y, "same kind as the labels before, <U3; got int64. NumPy would turn"),
        (Y.astype(object), NAMES.astype(object), "same kind as the labels before, int64; got obj"),
        (Y, np.column_stack([Y, Y]), r"shape of the labels before, \(10,\); got \(10, 2\). Give"),
        (TARGETS, TARGETS[:, :1], r"shape of the labels before, \(10, 2\); got \(10, 1\). Give"),
    ],
    ids=["texts after numbers", "numbers after texts", "objects", "more outputs", "fewer outputs"],
)
def test_answers_unlike_the_first(first, then, message):
    answers = iter([first, then])
    estimator = Ridge() if first.ndim == 2 else nearest()
    with pytest.raises(OracleError, match=message) as caught:
        make_loop(estimator).fit(X, oracle=lambda rows, indices: next(answers)[indices])
    kept = caught.value.labeled_indices
    assert len(kept) == 10
    np.testing.assert_array_equal(caught.value.y_labeled, first[kept])
    np.testing.assert_array_equal(caught.value.answer.shape, (10, *then.shape[1:]))


def test_an_oracle_unlike_the_owned_labels():
    with pytest.raises(
        OracleError, match="same kind as the labels before, int64; got <U3"
    ) as caught:
        make_loop().fit(X, Y, labeled=[1, 2], oracle=Oracle(X, NAMES))
    assert caught.value.labeled_indices.tolist() == [1, 2]


@pytest.mark.parametrize("missing", [None, np.nan, np.inf, pd.NA], ids=str)
def test_owned_labels_that_are_missing(missing):
    y = Y.astype(object)
    y[4] = missing
    with pytest.raises(
        OracleError, match="y at the labeled rows .*first for row 4. Leave rows wit"
    ):
        make_loop().fit(X, y, labeled=[3, 4])


def test_missing_labels_of_a_simulated_oracle():
    y = Y.astype(float)
    y[CLEAN.labeled_indices_[14]] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN") as caught:
        make_loop().fit(X, y)
    assert caught.value.labeled_indices.tolist() == CLEAN.labeled_indices_[:10].tolist()


# Oracles that fail


class Unwell(Exception):
    pass


def failing_at(call, error, y=Y):
    oracle = Oracle(X, y)

    def fail(rows, indices):
        if oracle.n_calls == call - 1:
            raise error
        return oracle(rows, indices)

    return fail


@pytest.mark.parametrize("error", [Unwell("away"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_was_answered_is_kept_when_an_oracle_fails(error):
    loop = make_loop()
    with pytest.raises(type(error)) as caught:
        loop.fit(X, oracle=failing_at(3, error))
    assert caught.value is error
    assert error.labeled_indices.tolist() == CLEAN.labeled_indices_[:20].tolist()
    np.testing.assert_array_equal(error.y_labeled, Y[error.labeled_indices])
    (note,) = error.__notes__
    assert "The 20 labels" in note and "`labeled_indices`" in note and "labeled=" in note
    with pytest.raises(NotFittedError):
        loop.predict(X)
    for name in ("estimator_", "selector_", "history_", "labeled_indices_", "classes_"):
        assert not hasattr(loop, name)


def test_a_failure_at_the_first_question_has_no_labels_to_tell_of():
    with pytest.raises(Unwell) as caught:
        make_loop().fit(X, oracle=failing_at(1, Unwell()))
    assert len(caught.value.labeled_indices) == len(caught.value.y_labeled) == 0
    assert not hasattr(caught.value, "__notes__")
    with pytest.raises(Unwell) as caught:
        make_loop().fit(X, Y, labeled=[8, 3], oracle=failing_at(1, Unwell()))
    assert caught.value.labeled_indices.tolist() == [8, 3]
    np.testing.assert_array_equal(caught.value.y_labeled, Y[[8, 3]])


def test_a_failing_score_keeps_the_labels():
    def scoring(model, X, y):
        raise Unwell("no idea")

    with pytest.raises(Unwell) as caught:
        make_loop(scoring=scoring).fit(X, Y, X_val=X, y_val=Y)
    assert caught.value.labeled_indices.tolist() == CLEAN.labeled_indices_[:10].tolist()


def test_a_former_fit_survives_a_failed_one():
    loop = make_loop().fit(X, Y)
    before = dict(vars(loop))
    with pytest.raises(KeyboardInterrupt):
        loop.fit(
            X[::-1].copy(), oracle=lambda rows, indices: (_ for _ in ()).throw(KeyboardInterrupt)
        )
    assert vars(loop).keys() == before.keys()
    assert all(vars(loop)[name] is value for name, value in before.items())
    assert_same_run(loop, CLEAN)


@pytest.mark.parametrize("y", [Y, NAMES, TARGETS], ids=["int", "text", "two regressions"])
def test_going_on_after_a_failure(y):
    """The labels on the exception, owned by the next fit, lead to where the first was going."""
    estimator = Ridge() if y.dtype.kind == "f" else nearest()
    loop = make_loop(estimator)
    expected = make_loop(estimator).fit(X, y)
    with pytest.raises(Unwell) as caught:
        loop.fit(X, oracle=failing_at(3, Unwell(), y))
    known, labels = caught.value.labeled_indices, caught.value.y_labeled
    filled = np.zeros(y.shape, dtype=labels.dtype)
    filled[known] = labels
    oracle = Oracle(X, y)
    loop.set_params(budget=25 - len(known)).fit(X, filled, labeled=known, oracle=oracle)
    assert not set(oracle.asked) & set(known.tolist())
    assert len(oracle.asked) == 5
    assert_same_run(loop, expected)
    np.testing.assert_array_equal(loop.y_labeled_, expected.y_labeled_)


def test_oracle_errors_can_be_pickled():
    with pytest.raises(OracleError) as caught:
        make_loop().fit(X, oracle=FailsAt(2, lambda labels: labels[:3]))
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == str(caught.value)
    np.testing.assert_array_equal(error.answer, caught.value.answer)
    np.testing.assert_array_equal(error.labeled_indices, caught.value.labeled_indices)
    np.testing.assert_array_equal(error.y_labeled, caught.value.y_labeled)


def test_constant_first_answers_and_going_on():
    """A run that ends with a single class can be continued as well."""
    y = np.sort(Y)
    with pytest.raises(ValueError, match="at least 2 classes") as caught:
        make_loop(logistic(), FirstRows()).fit(X, y)
    known = caught.value.labeled_indices
    loop = make_loop(logistic(), FirstRows(), budget=40)
    loop.fit(X, y, labeled=known)
    assert loop.labeled_indices_.tolist() == list(range(65))
    assert [entry["fitted"] for entry in loop.history_] == [False, False, True, True, True]
