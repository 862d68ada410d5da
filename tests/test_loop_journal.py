"""Loops with a journal: they go on where they were, and refuse what does not belong to them."""

import multiprocessing
import os
import pickle
import stat

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skactive import (
    ActiveFTSelector,
    ActiveLearningLoop,
    CoreSetSelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
)
from skactive.exceptions import JournalError, JournalInUseError, JournalMismatchError, OracleError
from skactive.journal import read_journal
from skactive.oracles import DONT_KNOW
from skactive.stopping import StablePredictions
from tests.loops import logistic, make_pool
from tests.test_loop_people import assert_same

X, Y = make_pool()
N = len(X)


class Interrupted(Exception):
    pass


class UntilCall:
    """Answers, and fails at one call, before or after it has the labels."""

    def __init__(self, last):
        self.last, self.asked = last, []

    def __call__(self, rows, indices):
        if len(self.asked) == self.last:
            raise Interrupted
        self.asked.append(indices.tolist())
        return Y[indices]


def make_loop(path, selector=None, estimator=None, **params):
    params = {"budget": 25, "batch_size": 5, "random_state": 0, **params}
    return ActiveLearningLoop(
        estimator or logistic(), selector or CoreSetSelector(), journal=path, **params
    )


def interrupted_fit(make, *args, **kwargs):
    """Fit in as many pieces as there are rounds, each with an object of its own."""
    asked = []
    for _ in range(100):
        oracle = UntilCall(1)
        try:
            loop = make().fit(*args, oracle=oracle, **kwargs)
        except Interrupted:
            asked += oracle.asked
        else:
            return loop, asked + oracle.asked
    raise AssertionError("never finished")


PARTS = {
    "core-set": {},
    "random": {"selector": RandomSelector()},
    "ITL after scaling": {"selector": make_pipeline(StandardScaler(), ITLSelector())},
    "ActiveFT, seeded": {"selector": ActiveFTSelector(max_iter=10)},
    "MLMOC on a sample": {"selector": MLMOCSelector(n_candidates=30)},
    "an estimator with a seed": {"estimator": SGDClassifier()},
    "warm start": {"estimator": SGDClassifier(), "warm_start": True},
    "a rule that compares models": {"stopping": StablePredictions(threshold=0.9, window=1)},
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS.keys())
def test_an_interrupted_run_is_the_same_run(parts, tmp_path):
    expected = make_loop(None, **parts).fit(X, Y, X_val=X, y_val=Y)
    loop, asked = interrupted_fit(
        lambda: make_loop(tmp_path / "labels.db", **parts), X, X_val=X, y_val=Y
    )
    np.testing.assert_array_equal(loop.labeled_indices_, expected.labeled_indices_)
    np.testing.assert_array_equal(loop.predict(X), expected.predict(X))
    assert [e["score"] for e in loop.history_] == [e["score"] for e in expected.history_]
    assert [e["measures"] for e in loop.history_] == [e["measures"] for e in expected.history_]
    assert loop.stop_reason_ == expected.stop_reason_
    assert np.concatenate(asked).tolist() == expected.labeled_indices_.tolist()  # each row once


def test_a_run_that_has_ended_asks_nothing_more(tmp_path):
    loop = make_loop(tmp_path / "labels.db").fit(X, Y)
    again = make_loop(tmp_path / "labels.db").fit(X, oracle=UntilCall(0))
    assert_same(again, loop)
    for entry, other in zip(loop.history_, again.history_, strict=True):
        np.testing.assert_equal(entry, other)  # seconds, too


def test_a_larger_budget_goes_on(tmp_path):
    make_loop(tmp_path / "labels.db", budget=10).fit(X, Y)
    loop = make_loop(tmp_path / "labels.db", budget=25).fit(X, Y)
    assert_same(loop, make_loop(None).fit(X, Y))


def test_without_a_seed_one_is_drawn_and_kept(tmp_path):
    def make(name):
        return make_loop(tmp_path / name, RandomSelector(), random_state=None)

    whole = make("whole.db").fit(X, Y)
    other, _ = interrupted_fit(lambda: make("other.db"), X)
    assert whole.labeled_indices_.tolist() != other.labeled_indices_.tolist()
    again = make("other.db").fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), other.predict_proba(X))


def test_labels_come_back_as_they_were(tmp_path):
    names = np.array(["naïve", "a\x00b", "🦆" * 30])[Y]
    for labels in (names, Y.astype(np.int8), Y > 0, Y / 3, np.stack([Y, Y > 0], 1)):
        path = tmp_path / f"{labels.dtype}{labels.ndim}.db"
        estimator = None if labels.dtype.kind != "f" and labels.ndim == 1 else _tree(labels)
        first = make_loop(path, estimator=estimator).fit(X, labels)
        again = make_loop(path, estimator=estimator).fit(X, oracle=UntilCall(0))
        np.testing.assert_array_equal(first.y_labeled_, labels[first.labeled_indices_])
        np.testing.assert_array_equal(again.y_labeled_, first.y_labeled_)
        assert again.y_labeled_.dtype == first.y_labeled_.dtype


def _tree(labels):
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeRegressor if labels.dtype.kind == "f" else DecisionTreeClassifier
    return kind(random_state=0)


def test_owned_labels_begin_the_journal(tmp_path):
    def make():
        return make_loop(tmp_path / "labels.db")

    expected = make_loop(None).fit(X, Y, labeled=[3, 5])
    loop, asked = interrupted_fit(make, X, Y, labeled=[3, 5])
    assert_same(loop, expected)
    with pytest.raises(JournalMismatchError, match="labeled"):
        make().fit(X, Y, labeled=[3, 6])
    answers = read_journal(tmp_path / "labels.db")["answers"]
    assert [answer["row"] for answer in answers] == expected.labeled_indices_.tolist()


# People in other processes


@pytest.mark.parametrize("selector", [CoreSetSelector(), MLMOCSelector()], ids=str)
@settings(max_examples=15, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**31 - 1)), max_size=10))
def test_new_objects_are_as_good_as_one(selector, steps, tmp_path_factory):
    """Each call is made by a new object; another run has one object and no journal."""
    path = tmp_path_factory.mktemp("journal") / "labels.db"
    names = np.array([f"row {i}" for i in range(N)])
    row_of = {name: i for i, name in enumerate(names)}

    def make(journal=path):
        return make_loop(journal, selector, batch_size=4, budget=15)

    single, is_begun = make(None), False
    for step, seed in steps:
        random = np.random.default_rng(seed)
        if step < 2:
            expected = single.ask(X, ids=names, ahead=bool(step))
            found = make().ask(X, ids=names, ahead=bool(step))
            assert found.tolist() == expected.tolist()
            is_begun = True
        elif is_begun:
            some = random.permutation(names[single.pending_indices_])[: random.integers(1, 5)]
            labels = [DONT_KNOW if random.random() < 0.2 else Y[row_of[name]] for name in some]
            single.tell(some, labels)
            make().tell(some, labels)
    if is_begun:
        make_loop_again = make()
        expected = single.ask(X, ids=names, ahead=True)
        found = make_loop_again.ask(X, ids=names, ahead=True)
        assert found.tolist() == expected.tolist()
        np.testing.assert_array_equal(make_loop_again.labeled_ids_, single.labeled_ids_)


def test_labels_told_elsewhere_reach_a_living_loop(tmp_path):
    loop, elsewhere = make_loop(tmp_path / "labels.db"), make_loop(tmp_path / "labels.db")
    rows = loop.ask(X)
    elsewhere.tell(rows, Y[rows])
    assert not set(loop.ask(X)) & set(rows)
    np.testing.assert_array_equal(loop.labeled_indices_, rows)
    with pytest.raises(OracleError, match="the first answer stays"):
        elsewhere.tell(rows[:1], [1 - Y[rows[0]]])


def test_living_loops_ask_in_turn(tmp_path):
    """As the workers of a web server do."""
    loops = [make_loop(tmp_path / "labels.db", warm_start=True, estimator=_sgd()) for _ in "ab"]
    held_out = {"y": Y, "labeled": np.arange(8), "X_val": X, "y_val": Y}
    for loop in [*loops, *loops, *loops]:
        rows = loop.ask(X, **held_out)
        loop.tell(rows, Y[rows])
    expected = make_loop(None, warm_start=True, estimator=_sgd()).fit(X, **held_out)
    for loop in loops:
        assert len(loop.ask(X, **held_out)) == 0
        np.testing.assert_array_equal(loop.labeled_indices_, expected.labeled_indices_)
        np.testing.assert_array_equal(loop.decision_function(X), expected.decision_function(X))
        assert [e["score"] for e in loop.history_] == [e["score"] for e in expected.history_]


def _sgd():
    return SGDClassifier()


@pytest.mark.parametrize("warm_start", [True, False])
def test_corrections_do_not_change_what_was_learned_before(warm_start, tmp_path):
    def make(name):
        rule = StablePredictions(threshold=1.0, window=50)
        return make_loop(
            tmp_path / name, RandomSelector(), _sgd(), warm_start=warm_start, stopping=rule
        )

    owned = {"y": Y, "labeled": np.arange(8)}
    living = make("living.db")
    first, wrong = living.ask(X, **owned), (Y + 1) % 3
    steps = [
        lambda loop: loop.tell(first, wrong[first]),
        lambda loop: loop.ask(X, **owned),
        lambda loop: loop.tell(first[:2], Y[first[:2]], replace=True),
        lambda loop: loop.ask(X, **owned, ahead=True),
        lambda loop: loop.tell(loop.ask(X, **owned)[:1], [DONT_KNOW], replace=True),
        lambda loop: loop.ask(X, **owned, ahead=True),
        lambda loop: loop.tell(first[2:], [*Y[first[2:-1]], DONT_KNOW], replace=True),
        lambda loop: loop.ask(X, **owned, ahead=True),
    ]
    make("anew.db").ask(X, **owned)
    for step in steps:
        step(living)
        step(anew := make("anew.db"))
        anew.ask(X, **owned)
    np.testing.assert_array_equal(anew.labeled_indices_, living.labeled_indices_)
    np.testing.assert_array_equal(anew.decision_function(X), living.decision_function(X))
    assert [e["measures"] for e in anew.history_] == [e["measures"] for e in living.history_]


def test_corrections_are_kept_beside_what_they_correct(tmp_path):
    def make():
        return make_loop(tmp_path / "labels.db")

    living = make()
    rows = living.ask(X)
    make().tell(rows, [DONT_KNOW, *((Y[rows[1:]] + 1) % 3)])
    make().tell(rows[:2], [Y[rows[0]], DONT_KNOW], replace=True)
    make().tell(rows[[2, 0]], Y[rows[[2, 0]]], replace=True)
    journal = read_journal(tmp_path / "labels.db")
    labels = {answer["row"]: answer["label"] for answer in journal["answers"]}
    wrong = (Y[rows[3:]] + 1) % 3
    assert labels == dict(zip(rows, [Y[rows[0]], None, Y[rows[2]], *wrong], strict=True))
    assert [answer["row"] for answer in journal["corrected"]] == rows[[1, 2, 0]].tolist()
    new = make()
    np.testing.assert_array_equal(new.ask(X), living.ask(X))
    np.testing.assert_array_equal(new.labeled_indices_, living.labeled_indices_)
    np.testing.assert_array_equal(new.y_labeled_, [labels[row] for row in new.labeled_indices_])
    assert new.history_[-1]["n_unknown"] == 1


def test_a_loop_that_only_tells_reads_what_is_new(tmp_path):
    asking, telling = make_loop(tmp_path / "labels.db"), make_loop(tmp_path / "labels.db")
    while len(rows := asking.ask(X)):
        telling.tell(rows[:3], Y[rows[:3]])
        telling.tell(rows[3:], Y[rows[3:]])
    expected = make_loop(None).fit(X, Y).labeled_indices_
    np.testing.assert_array_equal(asking.labeled_indices_, expected)
    telling.set_params(journal=tmp_path / "other.db")
    with pytest.raises(ValueError, match="holds no questions yet"):
        telling.tell(rows[:1], Y[rows[:1]])
    telling.journal = tmp_path / "labels.db"
    with pytest.raises(OracleError, match="were asked"):
        telling.tell([-1], [0])


def test_telling_before_asking(tmp_path):
    with pytest.raises(ValueError, match="holds no questions yet"):
        make_loop(tmp_path / "labels.db").tell([0], [1])
    assert not (tmp_path / "labels.db").exists()


def hold(path, started, finish):
    def oracle(rows, indices):
        started.set()
        finish.wait(60)
        return Y[indices]

    make_loop(path).fit(X, oracle=oracle)


def test_a_second_process_is_refused_and_told_who_is_first(tmp_path):
    context = multiprocessing.get_context("spawn")
    started, finish = context.Event(), context.Event()
    first = context.Process(target=hold, args=(tmp_path / "labels.db", started, finish))
    first.start()
    try:
        assert started.wait(60)
        for act in (lambda loop: loop.fit(X, Y), lambda loop: loop.ask(X)):
            with pytest.raises(JournalInUseError, match=str(first.pid)):
                act(make_loop(tmp_path / "labels.db"))
        questions = read_journal(tmp_path / "labels.db")["questions"]
        assert len(questions) == 5
        rows = [question["row"] for question in questions]
        make_loop(tmp_path / "labels.db").tell(rows[:2], Y[rows[:2]])  # people go on
    finally:
        finish.set()
        first.join(60)
    assert first.exitcode == 0
    loop = make_loop(tmp_path / "labels.db").fit(X, oracle=UntilCall(0))
    assert sorted(loop.labeled_indices_) == sorted(make_loop(None).fit(X, Y).labeled_indices_)


# What does not belong together


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 6}, "batch_size: 5 .*6"),
        ({"random_state": 1}, "random_state: 0 .*1"),
        ({"selector": CoreSetSelector(metric="cosine")}, "selector__metric"),
        ({"selector": RandomSelector()}, "selector: .*CoreSet.*Random"),
        ({"estimator": logistic(C=2.0)}, r"estimator__C: 1.0 .*2.0"),
    ],
    ids=["batch size", "seed", "parameter of the selector", "selector", "estimator"],
)
def test_other_parameters_are_refused_by_name(changed, message, tmp_path):
    path = tmp_path / "labels.db"
    make_loop(path, budget=10).fit(X, Y)
    before = read_journal(path)
    with pytest.raises(JournalMismatchError, match=message):
        make_loop(path, **changed).fit(X, oracle=UntilCall(0))
    with pytest.raises(JournalMismatchError, match=message):
        make_loop(path, **changed).ask(X)
    np.testing.assert_equal(read_journal(path), before)


def test_other_pools_are_refused(tmp_path):
    path = tmp_path / "labels.db"
    make_loop(path, budget=10).fit(X, Y)
    for other in (X[:-1], X + 1e-9, X.astype(np.float32)):
        with pytest.raises(JournalMismatchError, match="X: "):
            make_loop(path).fit(other, Y[: len(other)])
    with pytest.raises(JournalMismatchError, match="ids: "):
        make_loop(path).fit(X, Y, ids=np.arange(N) + 1)
    loop = make_loop(path).fit(np.asfortranarray(X), Y)
    assert_same(loop, make_loop(None).fit(X, Y))


def test_what_only_ends_or_shows_a_loop_is_free(tmp_path):
    path = tmp_path / "labels.db"
    make_loop(path, budget=10).fit(X, Y)
    rule = StablePredictions(threshold=0.5, window=1)
    loop = make_loop(path, verbose=True, stopping=rule).fit(X, Y)
    assert loop.labeled_indices_.tolist()[:10] == read_rows(path)[:10]


def read_rows(path):
    return [answer["row"] for answer in read_journal(path)["answers"]]


def test_clones_have_no_journal(tmp_path):
    path = tmp_path / "labels.db"
    loop = make_loop(path)
    with pytest.raises(ValueError, match="cross-validation"):
        clone(loop).fit(X, Y)
    with pytest.raises(ValueError, match="cross-validation"):
        clone(make_pipeline(StandardScaler(), loop)).fit(X, Y)
    search = GridSearchCV(loop, {"batch_size": [5, 10]}, error_score="raise")
    with pytest.raises(ValueError, match="cross-validation"):
        search.fit(X, Y)
    assert not path.exists()
    assert_same(clone(loop).set_params(journal=path).fit(X, Y), make_loop(None).fit(X, Y))
    assert_same(pickle.loads(pickle.dumps(loop)).fit(X, Y), loop.fit(X, Y))


# What can go wrong outside


def test_errors_of_the_oracle_leave_all_labels_in_the_journal(tmp_path):
    path = tmp_path / "labels.db"
    answers = iter([list(Y[:4]) + [None]])
    with pytest.raises(OracleError, match="NaN, infinity or None"):
        make_loop(path).fit(X, oracle=lambda rows, indices: next(answers))
    assert len(read_rows(path)) == 4
    oracle = UntilCall(100)
    make_loop(path).fit(X, oracle=oracle)
    assert len(oracle.asked[0]) == 1  # the one without an answer


def test_an_error_says_how_to_go_on(tmp_path):
    with pytest.raises(Interrupted) as caught:
        make_loop(tmp_path / "labels.db").fit(X, oracle=UntilCall(2))
    [note] = caught.value.__notes__
    assert "10 labels" in note and "call fit again with the same arguments" in note
    assert "labeled=" not in note


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (Y[:5], np.arange(5).astype("M8[D]")),
        (np.arange(5).astype("M8[D]"), Y[:5]),
        (np.array(["a", "b", "a", "b", "a"]), [b"\xff"] * 5),
    ],
    ids=["times after numbers", "numbers after times", "bytes after texts"],
)
def test_labels_that_no_array_holds_together_are_not_written(first, then, tmp_path):
    loop = make_loop(tmp_path / "labels.db", estimator=DummyClassifier(strategy="stratified"))
    loop.tell(loop.ask(X)[:3], first[:3])
    with pytest.raises(OracleError, match="same kind as the labels before"):
        loop.tell(loop.ask(X), then[3:])
    assert len(read_rows(tmp_path / "labels.db")) == 3
    assert make_loop(tmp_path / "labels.db").tell([], [])


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(JournalError, match="journal"):
        make_loop(tmp_path / "labels.db").fit(X, Y)


def test_no_such_folder(tmp_path):
    with pytest.raises(JournalError, match="journal"):
        make_loop(tmp_path / "missing" / "labels.db").fit(X, Y)


def test_a_frame_of_texts_with_a_journal(tmp_path):
    pool = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]}, index=[f"r{i}" for i in range(N)])
    path = tmp_path / "labels.db"
    while len(names := make_loop(path).ask(pool)):
        make_loop(path).tell(names, Y[pool.index.get_indexer(names)])
    journal = read_journal(path)
    assert [a["id"] for a in journal["answers"]] == [q["id"] for q in journal["questions"]]
    assert len(journal["answers"]) == 25
