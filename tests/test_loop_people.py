"""Labels that come late, in any order, in parts, or not at all."""

import itertools
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skactive import (
    ActiveLearningLoop,
    CoreSetSelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
)
from skactive.exceptions import JournalMismatchError, OracleError
from skactive.oracles import DONT_KNOW, NOT_YET, Answers
from skactive.stopping import MaxLabels, StablePredictions
from tests.loops import FirstRows, NearLargestLabel, logistic, make_pool, slow_loop

X, Y = make_pool()
N = len(X)


class NoScores(BaseEstimator):
    """A selector that is not one of ours and says nothing but which rows."""

    def __init__(self, budget=10):
        self.budget = budget

    def fit(self, X, y=None, *, labeled=None):
        self.indices_ = np.setdiff1d(np.arange(len(X)), labeled)[: self.budget]
        return self


def make_loop(selector=None, estimator=None, **params):
    params = {"budget": 25, "batch_size": 10, "random_state": 0, **params}
    return ActiveLearningLoop(estimator or logistic(), selector or CoreSetSelector(), **params)


def labelled_by_hand(loop, **params):
    """Ask and tell until the loop has ended."""
    while len(rows := loop.ask(X, **params)):
        loop.tell(rows, Y[rows])
    return loop


def assert_same(loop, expected):
    np.testing.assert_array_equal(loop.labeled_indices_, expected.labeled_indices_)
    np.testing.assert_array_equal(loop.y_labeled_, expected.y_labeled_)
    np.testing.assert_array_equal(loop.predict_proba(X), expected.predict_proba(X))
    for entry, other in zip(loop.history_, expected.history_, strict=True):
        assert entry.keys() == other.keys()
        for key in entry.keys() - {"seconds_select", "seconds_oracle", "seconds_fit"}:
            np.testing.assert_equal(entry[key], other[key])


# Asking and telling


@pytest.mark.parametrize(
    "selector", [CoreSetSelector(), RandomSelector(), ITLSelector(), MLMOCSelector()], ids=str
)
def test_asking_and_telling_is_fitting(selector):
    expected = make_loop(selector).fit(X, Y, X_val=X, y_val=Y)
    loop = labelled_by_hand(make_loop(selector), X_val=X, y_val=Y)
    assert_same(loop, expected)
    assert loop.termination_condition_ == expected.termination_condition_ == "budget"
    assert loop.stop_reason_ == "25 labels were bought, the budget is 25."


def test_the_picks_are_those_of_a_slow_loop():
    labeled, _ = slow_loop(logistic(), CoreSetSelector(), X, Y, budget=25, batch_size=10)
    assert labelled_by_hand(make_loop()).labeled_indices_.tolist() == labeled


def test_open_questions_are_asked_again():
    loop = make_loop()
    rows = loop.ask(X)
    np.testing.assert_array_equal(loop.ask(X), rows)
    loop.tell(rows[[3, 1]], Y[rows[[3, 1]]])
    np.testing.assert_array_equal(loop.ask(X), np.delete(rows, [1, 3]))
    np.testing.assert_array_equal(loop.pending_indices_, np.delete(rows, [1, 3]))
    np.testing.assert_array_equal(loop.labeled_indices_, rows[[3, 1]])


@pytest.mark.parametrize("selector", [CoreSetSelector(), ITLSelector()], ids=str)
def test_pending_rows_count_as_labeled_where_labels_are_not_read(selector):
    loop = make_loop(selector)
    asked = [*loop.ask(X), *loop.ask(X, ahead=True)]
    at_once = clone(selector).set_params(budget=20).fit(X).indices_
    np.testing.assert_array_equal(asked, at_once)
    assert len(loop.ask(X, ahead=True)) == 5  # the rest of the budget
    assert len(loop.ask(X, ahead=True)) == 0
    assert loop.termination_condition_ == "waiting for labels"
    assert loop.stop_reason_ == "25 rows asked have no answer yet."


def test_pending_rows_are_left_out_where_labels_are_read():
    loop = make_loop(NearLargestLabel(), batch_size=5)
    first = loop.ask(X)
    loop.tell(first, Y[first])
    pending = loop.ask(X)
    ahead = loop.ask(X, ahead=True)
    rest = np.setdiff1d(np.arange(N), pending)
    selector = NearLargestLabel(budget=5)
    selector.fit(X[rest], Y[rest], labeled=np.searchsorted(rest, first))
    np.testing.assert_array_equal(ahead, rest[selector.indices_])


def test_pending_rows_are_left_out_of_a_precomputed_kernel():
    K = X @ X.T + np.eye(N)
    loop = make_loop(MLMOCSelector(kernel="precomputed"), estimator=logistic(), batch_size=5)
    rows = loop.ask(K)
    loop.tell(rows, Y[rows])
    asked = [*rows, *loop.ask(K), *loop.ask(K, ahead=True)]
    assert len(set(asked)) == 15


def test_the_model_learns_what_is_told_in_the_next_question():
    loop = make_loop(batch_size=25)
    rows = loop.ask(X)
    loop.tell(rows, Y[rows])
    assert not hasattr(loop, "estimator_")
    assert len(loop.ask(X)) == 0
    np.testing.assert_array_equal(
        loop.predict_proba(X), logistic().fit(X[rows], Y[rows]).predict_proba(X)
    )


def test_telling_needs_a_question():
    with pytest.raises(ValueError, match="call ask"):
        make_loop().tell([0], [1])
    loop = make_loop()
    rows = loop.ask(X)
    other = np.setdiff1d(np.arange(N), rows)[0]
    with pytest.raises(OracleError, match="what was told must name rows that were asked") as caught:
        loop.tell([rows[0], other], [Y[rows[0]], 0])
    assert caught.value.answer is not None
    np.testing.assert_array_equal(loop.labeled_indices_, rows[:1])  # the usable one is kept


def test_the_same_answer_twice_does_no_harm_and_another_is_refused():
    loop = make_loop()
    rows = loop.ask(X)
    loop.tell(rows[:3], Y[rows[:3]])
    loop.tell(rows[:4], Y[rows[:4]])
    np.testing.assert_array_equal(loop.labeled_indices_, rows[:4])
    with pytest.raises(OracleError, match="the first answer stays"):
        loop.tell(rows[[0, 4]], [1 - Y[rows[0]], Y[rows[4]]])
    np.testing.assert_array_equal(loop.labeled_indices_, rows[:5])
    np.testing.assert_array_equal(loop.y_labeled_, Y[rows[:5]])
    with pytest.raises(OracleError, match="no label"):
        loop.tell(rows[:1], [DONT_KNOW])


def test_answers_are_corrected():
    loop = make_loop(batch_size=5)
    rows = loop.ask(X)
    wrong = (Y[rows] + 1) % 3
    loop.tell(rows, [*wrong[:2], DONT_KNOW, *Y[rows[3:]]])
    loop.ask(X)
    with pytest.raises(OracleError, match="the first answer stays"):
        loop.tell(rows[:1], Y[rows[:1]])
    loop.tell(rows[:3], [Y[rows[0]], DONT_KNOW, Y[rows[2]]], replace=True)
    loop.tell(rows[3:], Y[rows[3:]], replace=True)  # as they were
    assert loop.labeled_indices_.tolist() == rows[[3, 4, 0, 2]].tolist()
    np.testing.assert_array_equal(loop.y_labeled_, Y[loop.labeled_indices_])
    loop.ask(X, ahead=True)
    entry = loop.history_[-1]
    assert (entry["n_bought"], entry["n_unknown"], entry["cost"]) == (4, 1, 8.0)
    assert entry["indices"].tolist() == rows[[0, 2]].tolist()
    expected = logistic().fit(X[loop.labeled_indices_], loop.y_labeled_)
    np.testing.assert_array_equal(loop.predict_proba(X), expected.predict_proba(X))
    assert not set(loop.pending_indices_) & set(rows)


def test_a_larger_budget_or_another_rule_counts_at_once():
    loop = labelled_by_hand(make_loop(budget=10))
    loop.set_params(budget=25)
    assert_same(labelled_by_hand(loop), make_loop().fit(X, Y))
    loop.set_params(budget=100, stopping=MaxLabels(30))
    assert len(labelled_by_hand(loop).labeled_indices_) == 35
    assert loop.stop_reason_.startswith("35 labels")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda loop: loop.set_params(selector__metric="cosine").ask(X), "selector__metric"),
        (lambda loop: loop.set_params(estimator__C=5.0).ask(X), "estimator__C: 1.0 before, 5.0"),
        (lambda loop: loop.ask(X, Y, labeled=[3, 4]), "labeled"),
        (lambda loop: loop.ask(X, ids=np.arange(N) + 1), "ids: not those of before"),
    ],
    ids=["selector", "estimator", "labels owned", "ids"],
)
def test_other_parameters_are_refused_on_the_way(change, message):
    loop = make_loop()
    rows = loop.ask(X)
    with pytest.raises(JournalMismatchError, match=message):
        change(loop)
    np.testing.assert_array_equal(loop.pending_indices_, rows)


def test_a_journal_is_not_set_on_the_way(tmp_path):
    loop = make_loop()
    rows = loop.ask(X)
    loop.set_params(journal=tmp_path / "labels.db")
    with pytest.raises(ValueError, match="under way"):
        loop.ask(X)
    with pytest.raises(ValueError, match="under way"):
        loop.tell(rows, Y[rows])
    assert_same(labelled_by_hand(loop.set_params(journal=None)), make_loop().fit(X, Y))


class FailsOnce:
    """Scores, but for one call."""

    def __init__(self):
        self.n_calls = 0

    def __call__(self, loop, X_val, y_val):
        self.n_calls += 1
        if self.n_calls == 2:
            raise KeyboardInterrupt
        return 0.5


@pytest.mark.parametrize("warm_start", [True, False])
def test_a_model_is_trained_once_although_its_score_failed(warm_start):
    def make():
        return make_loop(
            RandomSelector(),
            SGDClassifier(),
            warm_start=warm_start,
            stopping=StablePredictions(window=20),
            scoring=FailsOnce(),
        )

    loop, held_out = make(), {"X_val": X, "y_val": Y, "y": Y, "labeled": np.arange(8)}
    with pytest.raises(KeyboardInterrupt):
        while len(rows := loop.ask(X, **held_out)):
            loop.tell(rows, Y[rows])
    while len(rows := loop.ask(X, **held_out)):
        loop.tell(rows, Y[rows])
    expected = make().set_params(scoring=lambda *args: 0.5).fit(X, **held_out)
    np.testing.assert_array_equal(loop.decision_function(X), expected.decision_function(X))
    assert [e["measures"] for e in loop.history_] == [e["measures"] for e in expected.history_]


class SlowSelector(RandomSelector):
    """Waits until somebody has told something, or nobody will."""

    def fit(self, X, y=None, *, labeled=None):
        if len(labeled):
            STARTED.set()
            TOLD.wait(5)
        return super().fit(X, y, labeled=labeled)


STARTED, TOLD = threading.Event(), threading.Event()


def test_a_thread_tells_while_another_asks(tmp_path):
    loop = make_loop(SlowSelector(), journal=tmp_path / "labels.db", batch_size=4)
    STARTED.clear(), TOLD.clear()
    rows = loop.ask(X)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(loop.ask, X, ahead=True)
        assert STARTED.wait(60)
        loop.tell(rows[:2], Y[rows[:2]])
        loop.tell(rows[2:], Y[rows[2:]])
        was_waiting = not asking.done()
        TOLD.set()
        ahead = asking.result()
    assert was_waiting and not set(ahead) & set(rows)
    np.testing.assert_array_equal(loop.ask(X), ahead)
    np.testing.assert_array_equal(loop.labeled_indices_, rows)


@pytest.mark.parametrize("has_journal", [False, True])
def test_many_threads_share_a_loop(has_journal, tmp_path):
    journal = tmp_path / "labels.db" if has_journal else None
    loop = make_loop(RandomSelector(), journal=journal, budget=24, batch_size=3)
    loop.ask(X)

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(100):
            if seed < 2:
                loop.ask(X, ahead=True)
            rows = random.permutation(loop.pending_indices_)[:2]
            loop.tell(rows, Y[rows])
            if loop.termination_condition_ == "budget":
                return

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))
    labelled_by_hand(loop)
    assert len(set(loop.labeled_indices_)) == len(loop.labeled_indices_) == 24
    np.testing.assert_array_equal(loop.y_labeled_, Y[loop.labeled_indices_])


def test_another_pool_is_refused():
    loop = make_loop()
    rows = loop.ask(X)
    np.testing.assert_array_equal(loop.ask(X.copy()), rows)
    with pytest.raises(JournalMismatchError, match="X: as many rows"):
        loop.ask(X + 1)
    with pytest.raises(JournalMismatchError, match="119 now"):
        loop.ask(X[:-1])
    np.testing.assert_array_equal(loop.ask(X), rows)


def test_a_loop_is_pickled_in_the_middle():
    loop, expected = make_loop(), make_loop().fit(X, Y)
    while len(rows := loop.ask(X)):
        loop = pickle.loads(pickle.dumps(loop))
        loop.tell(rows, Y[rows])
    assert_same(loop, expected)


def test_clones_and_fits_begin_anew():
    loop = make_loop()
    rows = loop.ask(X)
    loop.tell(rows, Y[rows])
    np.testing.assert_array_equal(clone(loop).ask(X), rows)
    loop.fit(X, Y)
    assert_same(loop, make_loop().fit(X, Y))


# Answers in parts, and none


def test_what_nobody_knows_is_not_asked_again():
    hopeless = set(range(0, N, 3))

    def oracle(rows, indices):
        return [DONT_KNOW if i in hopeless else Y[i] for i in indices.tolist()]

    loop = make_loop(budget=40).fit(X, oracle=oracle)
    assert len(loop.labeled_indices_) == 40 and not hopeless & set(loop.labeled_indices_.tolist())
    entry = loop.history_[-1]
    assert entry["n_bought"] == 40 and 0 < entry["n_unknown"] <= len(hopeless)
    loop = make_loop(MLMOCSelector(), budget=N).fit(X, oracle=oracle)
    assert loop.termination_condition_ == "pool exhausted"
    assert len(loop.labeled_indices_) == N - len(hopeless)


def test_a_pool_that_nobody_knows():
    loop = make_loop()
    loop.fit(X, oracle=lambda rows, indices: [DONT_KNOW] * len(rows))
    assert loop.termination_condition_ == "pool exhausted"
    assert loop.history_[-1]["n_unknown"] == N and not loop.history_[-1]["fitted"]
    assert not hasattr(loop, "estimator_")


def test_rows_left_open_are_asked_again_and_the_loop_goes_on():
    asked = []

    def oracle(rows, indices):
        asked.append(indices.tolist())
        seen = [i for i in indices.tolist() if sum(i in rows for rows in asked) > 1]
        return {i: Y[i] for i in (seen or indices[: len(indices) // 2].tolist())}

    loop = make_loop().fit(X, oracle=oracle)
    assert len(loop.labeled_indices_) == 25
    assert loop.termination_condition_ == "budget"
    np.testing.assert_array_equal(loop.y_labeled_, Y[loop.labeled_indices_])
    assert asked[1] == asked[0][5:]


def test_a_loop_without_answers_returns_and_says_so():
    answers = itertools.chain([[*Y[:1], NOT_YET]], itertools.repeat(None))
    loop = make_loop(FirstRows(), batch_size=2, budget=4)
    loop.fit(X, oracle=lambda rows, indices: next(answers))
    assert loop.termination_condition_ == "waiting for labels"
    assert loop.pending_indices_.tolist() == [1, 2, 3]
    assert loop.labeled_indices_.tolist() == [0]


def test_costs_are_added_up():
    loop = make_loop()
    rows = loop.ask(X)
    loop.tell(rows[:2], Y[rows[:2]], costs=[0.5, 2.0])
    loop.tell(rows[2:], Y[rows[2:]], costs=3.0)
    loop.ask(X)
    assert loop.history_[-1]["cost"] == 2.5 + 8 * 3.0

    def oracle(rows, indices):
        return Answers(indices, Y[indices], costs=0.25)

    assert make_loop().fit(X, oracle=oracle).history_[-1]["cost"] == 25 * 0.25


def test_gains_are_the_scores_of_the_selector():
    loop = make_loop(ITLSelector()).fit(X, Y)
    gains = ITLSelector(budget=10).fit(X).scores_
    np.testing.assert_array_equal(loop.history_[0]["gains"], gains)
    loop = make_loop(MLMOCSelector(), estimator=logistic(), init_selector=NoScores()).fit(X, Y)
    assert np.isnan(loop.history_[0]["gains"]).all()
    assert (loop.history_[1]["gains"] > 0).all()


# Names of rows


def test_the_index_of_a_frame_names_its_rows():
    frame = pd.DataFrame(X, index=[f"row {i}" for i in range(N)])
    labels = pd.Series(Y, index=frame.index)
    asked = []

    def oracle(rows, names):
        assert rows.index.tolist() == names.tolist()
        asked.extend(names)
        return labels[names].to_numpy()

    loop = make_loop().fit(frame, oracle=oracle)
    assert loop.labeled_ids_.tolist() == asked
    assert [name for entry in loop.history_ for name in entry["ids"]] == asked
    by_hand = make_loop()
    while len(names := by_hand.ask(frame)):
        by_hand.tell(names[::-1], labels[names[::-1]])
    assert sorted(by_hand.labeled_ids_) == sorted(asked)
    np.testing.assert_array_equal(by_hand.y_labeled_, labels[by_hand.labeled_ids_])


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2026-01-01", periods=N, freq="h"),
        pd.MultiIndex.from_product([["a", "b"], range(N // 2)]),
        pd.RangeIndex(N, 2 * N),
        pd.Index(np.arange(N) / 4),
    ],
    ids=["times", "pairs", "numbers", "fractions"],
)
def test_indices_of_any_kind(index):
    frame = pd.DataFrame(X, index=index)
    loop = make_loop()
    while len(names := loop.ask(frame)):
        loop.tell(list(names), Y[frame.index.get_indexer(list(names))])
    assert loop.labeled_indices_.tolist() == make_loop().fit(X, Y).labeled_indices_.tolist()


def test_positions_where_an_index_says_nothing():
    for index in (np.arange(N), np.zeros(N, dtype=int)):
        frame = pd.DataFrame(X, index=index)
        assert make_loop().ask(frame).tolist() == make_loop().ask(X).tolist()
    with pytest.raises(ValueError, match="ids must be unique; got 1 different"):
        make_loop().ask(X, ids=["a"] * N)


def test_names_keep_their_types():
    names = [i if i % 2 else f"row {i}" for i in range(N)]
    loop = make_loop(budget=N, batch_size=N)
    asked = loop.ask(X, ids=names)
    assert sorted(asked, key=str) == sorted(names, key=str)
    loop.tell(names, Y)
    np.testing.assert_array_equal(loop.y_labeled_, Y[loop.labeled_indices_])


@pytest.mark.parametrize("unit", ["D", "s", "ns"])
@pytest.mark.parametrize("kind", ["M", "m"])
def test_times_are_names(kind, unit):
    names = np.arange(N) * np.timedelta64(1, "D") + np.zeros(1, dtype=f"{kind}8[{unit}]")
    loop = make_loop()
    expected = make_loop().ask(X)
    asked = loop.ask(X, ids=names)
    np.testing.assert_array_equal(asked.astype(names.dtype), names[expected])
    loop.tell(names[expected], Y[expected])
    loop.tell(asked, Y[expected])
    np.testing.assert_array_equal(loop.labeled_indices_, expected)


@pytest.mark.parametrize("missing", [np.nan, None, pd.NaT, pd.NA], ids=str)
def test_missing_names(missing):
    names = [missing, *range(1, N)]
    with pytest.raises(ValueError, match="ids must name every row; got 1 missing"):
        make_loop().ask(X, ids=names)
    frame = pd.DataFrame(X, index=pd.Index(names, dtype=object))
    assert make_loop().ask(frame).tolist() == make_loop().ask(X).tolist()


def test_times_that_differ_by_nanoseconds_are_no_names():
    with pytest.raises(ValueError, match="count to the microsecond"):
        make_loop().ask(X, ids=np.arange(N).astype("M8[ns]"))


@pytest.mark.parametrize("indices", [3, None, "abc", {"a": 1}, [[1, 2]]], ids=str)
def test_what_is_no_list_of_names(indices):
    loop = make_loop()
    loop.ask(X)
    with pytest.raises(OracleError, match="what was told must"):
        loop.tell(indices, [0])


def test_a_series_in_another_order_is_refused():
    labels, loop = pd.Series(Y), make_loop()
    rows = loop.ask(X)
    in_order = np.sort(rows)
    for answer in (labels[in_order], pd.DataFrame({"label": labels[in_order]})):
        with pytest.raises(OracleError, match="in another order"):
            loop.tell(rows, answer)
        with pytest.raises(OracleError, match="in another order"):
            make_loop().fit(X, oracle=lambda X_rows, indices: labels[np.sort(indices)])
    loop.tell(in_order[:4], labels[in_order[:4]])
    table = pd.DataFrame({"row": rows, "label": Y[rows]}, index=rows[::-1])
    loop.tell(table["row"], table["label"])
    np.testing.assert_array_equal(loop.y_labeled_, Y[loop.labeled_indices_])
    by_position = make_loop().fit(X, oracle=lambda X_rows, indices: pd.Series(Y[indices]))
    np.testing.assert_array_equal(by_position.y_labeled_, Y[by_position.labeled_indices_])


@pytest.mark.parametrize("random_state", [-1, "0", 1.5, np.random.default_rng(0)], ids=str)
def test_what_is_no_seed(random_state):
    with pytest.raises(ValueError, match="random_state == .*, must be None, an int >= 0"):
        make_loop(random_state=random_state).ask(X)


def test_names_are_right_in_cross_validation():
    frame = pd.DataFrame(X, index=[f"row {i}" for i in range(N)])
    known = dict(zip(frame.index, Y, strict=True))

    def oracle(rows, names):
        return [known[name] for name in names]

    search = GridSearchCV(make_loop(), {"batch_size": [5, 10]}, cv=3)
    search.fit(frame, Y, oracle=oracle)
    assert search.best_score_ > 0.6


# One information, one question


@settings(max_examples=40)
@given(
    st.sampled_from([CoreSetSelector(), MLMOCSelector(), RandomSelector()]),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2**31 - 1)), max_size=12),
)
def test_any_order_of_answers(selector, steps):
    """Every row is asked once, only asked rows are labeled, and the budget holds."""
    loop = make_loop(selector, batch_size=4, budget=15, estimator=logistic())
    asked = []
    for step, seed in steps:
        rng = np.random.default_rng(seed)
        if step < 2:
            rows = loop.ask(X, ahead=bool(step))
            new = [row for row in rows if row not in asked]
            assert step == 1 or not new or len(new) == len(rows)
            asked.extend(new)
        elif asked:
            rows = rng.permutation(loop.pending_indices_)[: rng.integers(1, 5)]
            unknown = rng.random(len(rows)) < 0.2
            loop.tell(rows, [DONT_KNOW if u else Y[r] for r, u in zip(rows, unknown, strict=True)])
    if asked:
        assert len(set(asked)) == len(asked)
        assert len(loop.labeled_indices_) + len(loop.pending_indices_) <= 15
        assert set(loop.labeled_indices_) <= set(asked)
        np.testing.assert_array_equal(loop.y_labeled_, Y[loop.labeled_indices_])


def test_regression_in_a_pipeline():
    loop = ActiveLearningLoop(
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(), ITLSelector()),
        budget=12,
        batch_size=4,
    )
    while len(rows := loop.ask(X)):
        loop.tell(rows, X[rows] @ np.arange(6.0))
    assert loop.score(X, X @ np.arange(6.0)) > 0.9
