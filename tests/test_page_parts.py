"""What the labelling page is made of."""

import csv
import io
import string
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

import skactive
from skactive._record import Asked, Told
from skactive.labelling import _reasons
from skactive.labelling._board import Board, Question
from skactive.labelling._curve import N_FOLDS, HeldOut, LearningCurve, deal_folds
from skactive.labelling._labels import assign_keys, parse_labels
from skactive.labelling._reasons import reason
from tests.loops import make_pool
from tests.reference import curve as reference

X, Y = make_pool()
Y = np.array(["no", "maybe", "yes"], dtype=object)[Y]
NOBODY = np.empty(0, dtype=np.int64)
texts = st.text(min_size=1).map(str.strip).filter(lambda text: text and "\0" not in text)


@given(st.lists(texts, min_size=2, unique=True))
def test_labels_are_read_as_they_were_written(labels):
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="").writerow(labels)
    assert parse_labels(line.getvalue()) == labels


def test_spaces_around_labels_do_not_count():
    assert parse_labels('good, bad , "so, so"') == ["good", "bad", "so, so"]


@pytest.mark.parametrize("text", ["", "one", "a,,b", "a,b,a", ",", '"a,b'])
def test_labels_that_cannot_be(text):
    with pytest.raises(ValueError, match="labels"):
        parse_labels(text)


@given(st.lists(texts, min_size=1, max_size=60, unique=True))
def test_no_key_means_two_things(labels):
    choices = assign_keys(labels)
    keys = Counter(key for choice in choices for key in choice.keys)
    assert [choice.label for choice in choices] == labels
    assert set(keys.values()) == {1}
    assert not set(keys) & {"s", "l", "u"}
    assert set(keys) <= set(string.ascii_lowercase + string.digits)
    for place, (label, own) in enumerate(choices[:9]):
        digits = [label] if label in string.digits else [str(place + 1)]
        if digits[0] in labels and digits[0] != label:
            digits = []
        assert [key for key in own if key.isdigit()] == digits


def test_there_are_keys_for_thirty_two_labels():
    keys = [choice.keys for choice in assign_keys([f"label {i}" for i in range(40)])]
    assert [len(own) for own in keys] == [2] * 9 + [1] * 14 + [0] * 17


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["spam", "ham", "other", "usual", "猫"], ["1p", "2h", "3o", "4a", "5b"]),
        (list("0123456789"), list("0123456789")),
        (["1", "0", "neither"], ["1", "0", "3n"]),
        (["none", "1", "2", "many"], ["n", "1", "2", "4m"]),
        (["bad", "b", "A"], ["1d", "2b", "3a"]),
        (["s", "l", "S"], ["1a", "2b", "3c"]),
    ],
)
def test_keys_are_the_label_or_letters_of_it(labels, expected):
    assert ["".join(choice.keys) for choice in assign_keys(labels)] == expected


@given(st.lists(st.sampled_from("abc"), min_size=10, max_size=40))
def test_folds_leave_two_classes_to_train_on(labels):
    labels = np.array(labels, dtype=object)
    folds = deal_folds(labels)
    if folds is None:
        assert sorted(Counter(labels.tolist()).values())[:-1] in ([], [1], [1, 1])
    else:
        assert reference.is_fair(labels, folds)


def test_the_curve_is_cross_validation():
    rows, labels = np.arange(25, 0, -1), Y[np.arange(25, 0, -1)]
    curve = LearningCurve(LogisticRegression(), X, None, 8)
    computed = []
    while (size := curve.missing(rows, labels)) is not None:
        curve.compute(rows, labels, size)
        computed.append(size)
    assert computed == [24, 16]  # the newest first, and none of fewer than ten labels
    for size, found in curve.points(len(rows)):
        kept = rows[:size]
        expected = reference.accuracy(LogisticRegression(), X[kept], labels[:size], N_FOLDS)
        assert found == pytest.approx(expected)


def test_the_curve_on_held_out_rows():
    rows, labels = np.arange(20), Y[:20].copy()
    curve = LearningCurve(LogisticRegression(), X, HeldOut(X[50:], Y[50:]), 10)
    curve.compute(rows, labels, 20)
    expected = np.mean(LogisticRegression().fit(X[:20], Y[:20]).predict(X[50:]) == Y[50:])
    assert curve.points(20) == [(20, pytest.approx(expected))]


def test_a_correction_computes_the_points_after_it_anew():
    rows, labels = np.arange(20), Y[:20].copy()
    curve = LearningCurve(LogisticRegression(), X, None, 10)
    curve.compute(rows, labels, 10)
    curve.compute(rows, labels, 20)
    assert curve.missing(rows, labels) is None
    labels[15] = "no" if labels[15] == "yes" else "yes"
    assert curve.missing(rows, labels) == 20


def test_no_curve_of_a_single_class():
    rows, labels = np.arange(20), np.array(["a"] * 19 + ["b"], dtype=object)
    curve = LearningCurve(LogisticRegression(), X, None, 10)
    for size in (20, 10):
        curve.compute(rows, labels, size)
    assert curve.points(20) == []
    assert curve.missing(rows, labels) is None


def test_a_long_curve_has_few_points():
    sizes = LearningCurve(LogisticRegression(), X, None, 1).sizes(1000)
    assert len(sizes) == 20
    assert (sizes[0], sizes[-1]) == (10, 1000)


def asked(batch, rows):
    return Asked(batch, np.array(rows), None, np.ones(len(rows)) / 2, "ITLSelector", 0, {}, 0.0)


def told(number, labels, unknown=(), replaces=False):
    n = len(labels) + len(unknown)
    rows, values = np.array(list(labels), dtype=np.int64), np.array(list(labels.values()))
    unknown = np.array(unknown, dtype=np.int64)
    return Told(number, rows, values, unknown, np.ones(n), [None] * n, 0.0, replaces)


def test_the_board_knows_what_is_open_and_what_was_answered():
    board = Board()
    board.take([asked(1, [7, 3, 5])], [Told(0, NOBODY, None, NOBODY, np.empty(0), [], 0.0)])
    assert list(board.open) == [7, 3, 5]
    assert board.questions[3] == Question(1, 2, 3, 0.5, "ITLSelector")
    board.take([asked(2, [1])], [told(1, {5: "a"}), told(2, {}, [7])])
    assert (list(board.open), board.n_batches, board.n_told) == ([3, 1], 2, 2)
    board.take([], [told(3, {7: "b"}, [5], replaces=True)])
    assert board.answers == {5: None, 7: "b"}
    assert (board.before(None), board.before(7), board.before(5)) == (7, 5, None)
    rows, labels = board.labeled()
    assert (rows.tolist(), labels.tolist(), board.n_labels) == ([7], ["b"], 1)


@pytest.mark.parametrize(
    ("selected_by", "gain", "expected"),
    [
        ("ITLSelector", 0.51234, "(ITLSelector, information gain 0.512 nats)."),
        ("CoreSetSelector", np.inf, "farthest from those picked before (CoreSetSelector)."),
        ("RandomSelector", 0.0, "it was drawn at random."),
        ("random", np.nan, "because the model had too few labels to choose by."),
        ("OwnSelector", 2.0, "it scored best (OwnSelector, score 2)."),
    ],
)
def test_reasons_in_words(selected_by, gain, expected):
    found = reason(selected_by, gain, 2, 10, 3)
    assert found.startswith("Pick 2 of 10 in batch 3: ")
    assert found.endswith(expected)


def test_there_is_a_reason_for_every_selector():
    names = [name for name in skactive.__all__ if name.endswith("Selector")]
    abstract = ("BaseSelector", "GreedySelector")
    assert [n for n in names if n not in (*abstract, *_reasons._WORDS)] == []
    assert [n for n in _reasons._WORDS if n not in (*names, "random")] == []
