"""Simulated oracles: what they say depends on their parameters and the row alone."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skactive import ActiveLearningLoop
from skactive.oracles import DONT_KNOW, NOT_YET, Answers, ArrayOracle
from tests.loops import FirstRows, make_pool

rng = np.random.default_rng(0)
N = 4000
Y = rng.integers(0, 4, N)
TARGETS = rng.standard_normal(N)
ALL = np.arange(N)


def told(oracle, indices=ALL):
    return np.array(oracle(None, indices).labels)


# The truth


@pytest.mark.parametrize(
    "y",
    [
        Y.astype(np.uint8),
        np.array(list("abcd"))[Y],
        Y > 1,
        TARGETS.astype(np.float32),
        np.column_stack([Y, Y % 2]),
        Y.tolist(),
        pd.Series(np.array(list("abcd"))[Y], index=rng.permutation(N), dtype="category"),
    ],
    ids=["uint8", "text", "bool", "float32", "two outputs", "list", "category"],
)
def test_the_truth_by_default(y):
    rows = np.array([5, 17, 2])
    answers = ArrayOracle(y)(None, rows)
    assert isinstance(answers, Answers)
    assert answers.indices.tolist() == rows.tolist()
    np.testing.assert_array_equal(np.array(answers.labels), np.asarray(y)[rows])
    if isinstance(y, np.ndarray):
        assert np.array(answers.labels).dtype == y.dtype
    assert answers.costs.tolist() == [1.0] * 3


def test_answers_in_the_loop():
    X, y = make_pool()
    loop = ActiveLearningLoop(LogisticRegression(), FirstRows(), budget=30, batch_size=10)
    by_y = clone(loop).fit(X, y)
    by_oracle = clone(loop).fit(X, oracle=ArrayOracle(y, cost=2.5))
    np.testing.assert_array_equal(by_oracle.labeled_indices_, by_y.labeled_indices_)
    np.testing.assert_array_equal(by_oracle.y_labeled_, by_y.y_labeled_)
    assert by_oracle.history_[-1]["cost"] == 75.0


def test_rows_nobody_knows_in_the_loop():
    X, y = make_pool()
    mask = np.isin(np.arange(len(y)), [1, 4, 12])
    names = np.array([f"row {i}" for i in range(len(y))])
    oracle = ArrayOracle(y, ids=names, abstain=mask)
    loop = ActiveLearningLoop(LogisticRegression(), FirstRows(), budget=20, batch_size=10)
    loop.fit(X, oracle=oracle, ids=names)
    assert sorted(loop.labeled_indices_) == [row for row in range(23) if not mask[row]]
    np.testing.assert_array_equal(loop.y_labeled_, y[loop.labeled_indices_])
    assert loop.history_[-1]["n_unknown"] == 3
    assert loop.history_[-1]["cost"] == 23.0


# Noise


@pytest.mark.parametrize("y", [Y, np.array(list("abcd"))[Y].astype(object)], ids=["int", "text"])
def test_noise_among_classes(y):
    labels = told(ArrayOracle(y, noise=0.3, random_state=0))
    wrong = labels != y
    assert abs(wrong.mean() - 0.3) < 0.03
    for true in np.unique(y):  # by all others alike
        counts = Counter(labels[wrong & (y == true)])
        assert true not in counts and len(counts) == 3
        assert min(counts.values()) > 0.5 * max(counts.values())
    assert set(told(ArrayOracle(y, noise=1.0, random_state=0)) == y) == {False}


def test_noise_of_several_outputs():
    y = np.column_stack([Y, Y % 2])
    wrong = told(ArrayOracle(y, noise=0.2, random_state=0)) != y
    assert (abs(wrong.mean(axis=0) - 0.2) < 0.03).all()
    assert abs(wrong.all(axis=1).mean() - 0.04) < 0.02


def test_noise_of_regression_targets():
    y = np.column_stack([TARGETS, 5 * TARGETS]).astype(np.float32)
    labels = told(ArrayOracle(y, noise=2.0, random_state=0))
    assert labels.dtype == np.float32
    errors = labels - y
    assert (abs(errors.mean(axis=0)) < 0.1).all()
    assert (abs(errors.std(axis=0) - 2.0) < 0.1).all()
    half = told(ArrayOracle(y.astype(float), noise=1.0, random_state=0)) - y
    np.testing.assert_allclose(errors, 2 * half, atol=1e-5)


def test_more_noise_adds_to_the_same_noise():
    few = told(ArrayOracle(Y, noise=0.1, abstain=0.1, random_state=3))
    many = told(ArrayOracle(Y, noise=0.3, abstain=0.3, random_state=3))
    silent_few, silent_many = few == DONT_KNOW, many == DONT_KNOW
    assert silent_few.sum() < silent_many.sum() and silent_many[silent_few].all()
    wrong_few, wrong_many = (few != Y) & ~silent_many, (many != Y) & ~silent_many
    assert wrong_few.sum() < wrong_many.sum() and wrong_many[wrong_few].all()
    np.testing.assert_array_equal(few[wrong_few], many[wrong_few])


@given(
    order=st.permutations(range(20)),
    cuts=st.lists(st.integers(0, 20), max_size=4).map(sorted),
    delay=st.integers(0, 2),
)
@settings(deadline=None)
def test_what_a_row_gets_does_not_depend_on_the_order(order, cuts, delay):
    params = {"noise": 0.5, "abstain": 0.3, "cost": np.arange(N), "random_state": 1}
    expected = ArrayOracle(Y, **params)(None, ALL)
    oracle = ArrayOracle(Y, delay=delay, **params)
    n_heard = 0
    for start, stop in zip([0, *cuts], [*cuts, 20], strict=True):
        rows = np.array(order[start:stop], dtype=np.int64)
        for _ in range(delay):
            assert all(label is NOT_YET for label in oracle(None, rows).labels)
        answers = oracle(None, rows)
        assert list(answers.labels) == [expected.labels[row] for row in rows]
        assert answers.costs.tolist() == rows.tolist()
        n_heard += len(rows)
    assert n_heard == 20


def test_a_row_does_not_depend_on_the_rows_after_it():
    params = {"noise": 0.5, "abstain": 0.3, "random_state": 2}
    short, long = ArrayOracle(Y[:50], **params), ArrayOracle(Y, **params)
    assert list(short(None, np.arange(50)).labels) == list(long(None, np.arange(50)).labels)


def test_random_state():
    params = {"noise": 0.5, "abstain": 0.2}
    first = told(ArrayOracle(Y, random_state=0, **params))
    np.testing.assert_array_equal(told(ArrayOracle(Y, random_state=0, **params)), first)
    for other in (1, np.random.RandomState(0), None):
        assert (told(ArrayOracle(Y, random_state=other, **params)) != first).mean() > 0.3
    state = [np.random.RandomState(5) for _ in range(2)]
    once, again = (told(ArrayOracle(Y, random_state=s, **params)) for s in state)
    np.testing.assert_array_equal(once, again)
    unseeded = ArrayOracle(Y, **params)  # but of one mind
    np.testing.assert_array_equal(told(unseeded), told(unseeded))


def test_noise_is_not_that_of_a_loop_with_the_same_seed():
    """Rows drawn by random_state=0 are neither more nor less noisy than others."""
    wrong = told(ArrayOracle(Y, noise=0.5, random_state=0)) != Y
    drawn = np.random.RandomState(0).random_sample(N) < 0.5
    assert abs(wrong[drawn].mean() - wrong[~drawn].mean()) < 0.05


# Abstentions, costs, delays, ids


def test_abstentions():
    labels = told(ArrayOracle(Y, abstain=0.25, random_state=0))
    assert abs((labels == DONT_KNOW).mean() - 0.25) < 0.03
    mask = Y == 2
    labels = told(ArrayOracle(Y, abstain=mask))
    np.testing.assert_array_equal(labels == DONT_KNOW, mask)
    np.testing.assert_array_equal(labels[~mask], Y[~mask])


def test_costs():
    costs = rng.random(N)
    assert ArrayOracle(Y, cost=0)(None, [3, 4]).costs.tolist() == [0, 0]
    answers = ArrayOracle(Y, cost=costs, abstain=Y == Y[3])(None, [4, 3])
    assert answers.costs.tolist() == costs[[4, 3]].tolist()


def test_delays_are_counted_by_row_and_survive_pickling():
    oracle = ArrayOracle(Y, delay=2)
    assert oracle(None, [1, 2]).labels == [NOT_YET, NOT_YET]
    oracle = pickle.loads(pickle.dumps(oracle))
    assert oracle(None, [2, 3]).labels == [NOT_YET, NOT_YET]
    assert oracle(None, [1, 2, 3]).labels == [NOT_YET, Y[2], NOT_YET]
    assert oracle(None, [1, 2, 3]).labels == [Y[1], Y[2], Y[3]]
    assert clone(oracle)(None, [2]).labels == [NOT_YET]


def test_ids():
    names = np.array([f"n{i}" for i in range(N)])[::-1]
    oracle = ArrayOracle(Y, ids=names, cost=np.arange(N))
    answers = oracle(None, names[[7, 3]])
    assert answers.labels == [Y[7], Y[3]] and answers.costs.tolist() == [7, 3]
    assert answers.indices.tolist() == names[[7, 3]].tolist()
    numbers = ArrayOracle([5, 6, 7], ids=[30, 10, 20])
    assert numbers(None, np.array([10, 30], dtype=np.int32)).labels == [6, 5]


def test_sentinels():
    for sentinel, name in [(DONT_KNOW, "DONT_KNOW"), (NOT_YET, "NOT_YET")]:
        assert repr(sentinel) == str(sentinel) == name
        assert pickle.loads(pickle.dumps(sentinel)) is sentinel
    assert DONT_KNOW != NOT_YET


def test_parameters():
    oracle = ArrayOracle([1, 2], noise=0.5, random_state=3)
    assert oracle.get_params()["noise"] == 0.5
    assert "noise=0.5" in repr(oracle)
    assert vars(oracle).keys() == oracle.get_params().keys()


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"noise": -0.1}, ValueError, r"noise == -0.1, must be a finite number >= 0"),
        ({"noise": "some"}, TypeError, "noise == 'some', must be"),
        ({"noise": 2.0}, ValueError, "noise == 2, must be a probability <= 1 as y holds classes"),
        ({"noise": 0.1, "y": [1, 1]}, ValueError, "y holds the single class .*1.*. Use noise=0"),
        ({"abstain": 1.5}, ValueError, "abstain == 1.5, must be a probability <= 1 or a mask"),
        ({"abstain": None}, TypeError, "abstain == None, must be .* Or pass a boolean mask"),
        ({"abstain": [0, 1]}, ValueError, r"boolean mask of shape \(2,\); got .* type int64. For"),
        ({"abstain": [True]}, ValueError, r"boolean mask of shape \(2,\); got shape \(1,\)"),
        ({"cost": -1}, ValueError, "cost == -1, must be a finite number >= 0. Or pass one"),
        ({"cost": [1]}, ValueError, r"cost must be .* or 2 of them, .*; got shape \(1,\)"),
        ({"cost": [1, np.nan]}, ValueError, "cost must be .* or 2 of them, .* nan"),
        ({"cost": [1, -1]}, ValueError, r"cost must be .*, from -1.0 to 1.0"),
        ({"delay": -1}, ValueError, "delay == -1, must be an int >= 0"),
        ({"delay": 0.5}, TypeError, "delay == 0.5, must be an int >= 0"),
        ({"ids": ["a"]}, ValueError, "ids must be 2 different names, .*; got 1, 1 of them"),
        ({"ids": ["a", "a"]}, ValueError, "ids must be 2 different names, .*; got 2, 1 of them"),
        ({"random_state": "x"}, ValueError, "'x' cannot be used to seed"),
        ({"y": [1, None]}, ValueError, "y must not hold NaN, .* pass a mask as abstain"),
        ({"y": [1, "a"]}, ValueError, "y must hold labels of one kind"),
    ],
    ids=str,
)
def test_parameters_that_are_not_allowed(params, error, message):
    oracle = ArrayOracle(**{"y": [1, 2], **params})
    with pytest.raises(error, match=message):
        oracle(None, [0])


@pytest.mark.parametrize(
    ("ids", "indices", "error", "message"),
    [
        (None, [2], ValueError, r"positions in \[0, 2\); got 2. Give the oracle the labels of all"),
        (None, [-1], ValueError, r"positions in \[0, 2\); got -1"),
        (None, ["a"], TypeError, "positions in y, as this oracle has no ids; got .*'a'.* Pass ids"),
        (["a", "b"], ["c"], ValueError, "'c', which is not among the ids of this oracle. Give"),
        (["a", "b"], [0], ValueError, "0, which is not among the ids of this oracle"),
    ],
)
def test_rows_that_there_are_not(ids, indices, error, message):
    with pytest.raises(error, match=message):
        ArrayOracle([1, 2], ids=ids)(None, np.array(indices))
