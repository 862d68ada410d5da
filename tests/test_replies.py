"""What oracles may reply, and what is read from it."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skactive._labels import LabelBook
from skactive._replies import plain_value, read_reply
from skactive.exceptions import OracleError
from skactive.oracles import DONT_KNOW, NOT_YET, Answers

ROWS = np.array([7, 3, 5, 0])
TEXT_NAMES = np.array(["g", "c", "e", "zero"])


def read(reply, rows=ROWS, names=None):
    return read_reply(reply, rows, rows if names is None else names, "the answer")


def assert_empty(reply):
    assert reply.rows.size == reply.unknown.size == reply.costs.size == len(reply.details) == 0
    assert len(reply.labels) == 0


# Whole replies


@pytest.mark.parametrize(
    "labels",
    [
        np.array([1, 2, 1, 0], dtype=np.uint8),
        [1, 2, 1, 0],
        ["a", "b", "a", "c"],
        pd.Series(["a", "b", "a", "c"], index=[9, 8, 7, 6], dtype="category"),
        np.array([[1.5, 2], [3, 4], [5, 6], [7, 8]], dtype=np.float32),
        [[1, 2], [3, 4], [5, 6], [7, 8]],
        # Not for reading, but for LabelBook to refuse:
        [1, 2],
        3,
        "abcd",
        [[1], [2, 3], 4, 5],
        [1, [2, 3], [[4]], 5],
        [1, DONT_KNOW],
        [None, np.nan, 1, 2],
        {1, 2, 3, 4},
    ],
    ids=repr,
)
def test_one_entry_a_row_goes_through_unchanged(labels):
    reply = read(labels)
    assert reply.labels is labels
    np.testing.assert_array_equal(reply.rows, ROWS)
    assert reply.unknown.size == 0 and reply.error is None
    assert reply.costs.tolist() == [1.0] * 4
    assert reply.details == [None] * 4


def test_nothing_yet():
    reply = read(None)
    assert_empty(reply)
    assert reply.error is None


@pytest.mark.parametrize(
    "labels",
    [
        ["x", DONT_KNOW, NOT_YET, "y"],
        ("x", DONT_KNOW, NOT_YET, "y"),
        np.array(["x", DONT_KNOW, NOT_YET, "y"], dtype=object),
        pd.Series(["x", DONT_KNOW, NOT_YET, "y"], index=[4, 3, 2, 1], dtype=object),
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_sentinels_among_labels(labels):
    reply = read(labels)
    assert reply.rows.tolist() == [7, 0]
    assert list(reply.labels) == ["x", "y"]
    assert isinstance(reply.labels, np.ndarray if hasattr(labels, "dtype") else list)
    assert reply.unknown.tolist() == [3]
    assert reply.costs.tolist() == [1.0] * 3


def test_scalars_beside_sentinels_keep_their_dtype():
    reply = read([np.float32(1.5), DONT_KNOW, np.float32(2.5), NOT_YET])
    assert LabelBook().check(reply.rows, reply.labels).labels.dtype == np.float32


@pytest.mark.parametrize("as_type", [list, lambda rows: np.array(rows, dtype=object)])
def test_sentinels_in_several_outputs(as_type):
    """A row is as unknown as its least known output."""
    labels = [[1, 2], [DONT_KNOW, 3], [NOT_YET, 4], [NOT_YET, DONT_KNOW]]
    reply = read(as_type(labels))
    assert reply.rows.tolist() == [7]
    assert np.array(reply.labels).tolist() == [[1, 2]]
    assert reply.unknown.tolist() == [3, 0]


def test_only_sentinels():
    reply = read([DONT_KNOW] * 4)
    assert reply.rows.size == len(reply.labels) == 0
    assert reply.unknown.tolist() == ROWS.tolist()
    assert_empty(read([NOT_YET] * 4))


# Replies by name


@pytest.mark.parametrize("names", [None, TEXT_NAMES, TEXT_NAMES.astype(object), ROWS.astype("u1")])
def test_dict(names):
    called = ROWS if names is None else names
    reply = read(
        {called[2]: 8, called[0]: 9, called[1]: DONT_KNOW, called[3]: NOT_YET}, ROWS, names
    )
    assert reply.rows.tolist() == [5, 7]
    assert reply.labels == [8, 9]
    assert reply.unknown.tolist() == [3]
    assert reply.error is None


def test_names_compare_by_value():
    assert read({np.int32(3): 1, 5.0: 2}).rows.tolist() == [3, 5]
    assert read({np.str_("c"): 1}, ROWS, TEXT_NAMES).rows.tolist() == [3]
    dates = np.array(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"], dtype="M8[D]")
    assert read({dates[1].item(): 1}, ROWS, dates).rows.tolist() == [3]
    assert plain_value(np.int64(3)) == 3 and type(plain_value(np.int64(3))) is int


def test_answers_align_costs_and_details():
    answers = Answers(
        [0, 7, 3, 5],
        np.array(["p", DONT_KNOW, "q", NOT_YET], dtype=object),
        costs=np.array([1, 2, 3, 4]),
        details=[{"by": "p"}, {"by": "unknown"}, None, {"by": "late"}],
    )
    reply = read(answers)
    assert reply.rows.tolist() == [0, 3] and reply.labels.tolist() == ["p", "q"]
    assert reply.unknown.tolist() == [7]
    assert reply.costs.tolist() == [1, 3, 2] and reply.costs.dtype == np.float64
    assert reply.details == [{"by": "p"}, None, {"by": "unknown"}]
    assert reply.error is None


def test_answers_keep_arrays():
    labels = np.array([4, 5, 6], dtype=np.uint8)
    assert read(Answers([0, 3, 5], labels, costs=0.5)).labels is labels
    reply = read(Answers([0, 99, 5], labels, costs=0.5))
    assert reply.labels.tolist() == [4, 6] and reply.labels.dtype == np.uint8
    assert reply.costs.tolist() == [0.5, 0.5]


def test_details_are_what_json_gives_back():
    detail = {"seconds": np.float32(1.5), "spans": np.array([1, 2]), 3: ("a", None)}
    (read_detail,) = read(Answers([0], ["x"], details=[detail])).details
    assert read_detail == {"seconds": 1.5, "spans": [1, 2], "3": ["a", None]}
    assert json.loads(json.dumps(read_detail)) == read_detail


# What is wrong, and what is kept all the same


@pytest.mark.parametrize(
    ("given", "kept", "message"),
    [
        ({99: 1, 3: 2}, [3], "rows that were asked, for instance 7; got 1 other names, first 99"),
        ({"3": 1, 5: 2}, [5], "got 1 other names, first '3'. Use the indices that"),
        ({True: 1, 5: 2}, [5], "got 1 other names, first True"),
        (Answers([[3], 5], [1, 2]), [5], r"got 1 other names, first \[3\]"),
        (Answers([3, 3, 5], [1, 2, 2]), [5], "name each row once; got 3 more than once. Such"),
        (Answers([3, 3, 5], [1, 1, 2]), [5], "name each row once; got 3 more than once. Such"),
        (Answers([3, 8, 3, 5], [1] * 4), [5], "first 8. .* got 3 more than once"),
        (Answers([3, 5], [1, 2, 3]), [], "one label for each of its indices; got 2 of indices an"),
        (Answers(3, "x"), [], "got no list of indices and no list of labels"),
        (Answers([3], "x"), [], "got 1 of indices and no list of labels"),
    ],
    ids=lambda value: repr(value) if not isinstance(value, str) else None,
)
def test_bad_names(given, kept, message):
    reply = read(given)
    assert reply.rows.tolist() == kept
    assert len(reply.labels) == len(reply.costs) == len(reply.details) == len(kept)
    assert isinstance(reply.error, OracleError)
    with pytest.raises(OracleError, match=f"^the answer must .*{message}"):
        raise reply.error
    assert reply.error.answer is given


def test_a_mask_is_no_list_of_names():
    """True is not taken for the row 1."""
    rows = np.arange(4)
    reply = read(Answers(np.array([True, False, True, False]), [1] * 4), rows)
    assert_empty(reply)
    assert "got 4 other names, first True" in str(reply.error)


@pytest.mark.parametrize(
    ("costs", "read_costs", "message"),
    [
        ([1, -2, 3], [1, 1, 3], r"finite numbers >= 0, one for all or each of 3; got -2\.0\. The"),
        ([1, np.nan, 3], [1, 1, 3], "got nan"),
        (np.inf, [1, 1, 1], "got inf"),
        ([1, None, 3], [1, 1, 3], "got nan"),
        ([1, 2], [1, 1, 1], r"got shape \(2,\)"),
        ("dear", [1, 1, 1], "got 'dear'"),
        ({"a": 1}, [1, 1, 1], "got {'a': 1}"),
    ],
)
def test_bad_costs_lose_no_label(costs, read_costs, message):
    reply = read(Answers([7, 3, 0], ["x", "y", DONT_KNOW], costs=costs))
    assert reply.rows.tolist() == [7, 3] and reply.unknown.tolist() == [0]
    assert reply.costs.tolist() == read_costs
    with pytest.raises(OracleError, match=f"must have costs .*{message}.* at a cost of 1"):
        raise reply.error


@pytest.mark.parametrize(
    ("details", "kept", "message"),
    [
        ([{"a": 1}, object()], [{"a": 1}, None], "got .*object object"),
        ([{"a": 1}, {"b": object()}], [{"a": 1}, None], "got .*'b': .*object object"),
        ([{"a": 1}, "well"], [{"a": 1}, None], "got well"),
        ([{"a": 1}], [None, None], r"list of 2, .*; got \[\{'a': 1\}\]"),
        ({"a": 1}, [None, None], "list of 2, .*; got {'a': 1}"),
    ],
)
def test_bad_details_lose_no_label(details, kept, message):
    reply = read(Answers([7, 3], ["x", "y"], details=details))
    assert reply.rows.tolist() == [7, 3] and reply.details == kept
    with pytest.raises(OracleError, match=f"must have details .*{message}.* are recorded without"):
        raise reply.error


# Any way of giving the answers


@st.composite
def piecewise(draw):
    """Labels, some unknown, and the same in pieces of any form, in any order."""
    n = draw(st.integers(1, 12))
    value = draw(
        st.sampled_from(
            [
                st.integers(-5, 5),
                st.sampled_from(["a", "bc", ""]),
                st.booleans(),
                st.floats(-5, 5),
                st.tuples(st.integers(0, 3), st.integers(0, 3)).map(list),
            ]
        )
    )
    truth = draw(st.lists(value | st.just(DONT_KNOW), min_size=n, max_size=n))
    costs = draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    order = draw(st.permutations(range(n)))
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=4)))
    pieces = [list(order[a:b]) for a, b in zip([0, *cuts], [*cuts, n], strict=True)]
    forms = [draw(st.sampled_from(["answers", "dict", "list", "arrays"])) for _ in pieces]
    has_ids = draw(st.booleans())
    return truth, costs, pieces, forms, has_ids


@given(piecewise())
@settings(deadline=None)
def test_any_split_in_any_order_gives_the_same_labels(case):
    truth, costs, pieces, forms, has_ids = case
    n = len(truth)
    names = np.array([f"id {i}" for i in range(n)]) if has_ids else np.arange(n)
    still_open, found, price = list(range(n)), {}, {}
    for piece, form in zip(pieces, forms, strict=True):
        asked = np.array(still_open, dtype=np.int64)
        if form == "list":
            reply = [truth[row] if row in piece else NOT_YET for row in still_open]
        elif form == "dict":
            reply = {names[row]: truth[row] for row in piece}
        else:
            labels = [truth[row] for row in piece]
            if form == "arrays":
                labels = np.empty(len(piece), dtype=object)
                labels[:] = [truth[row] for row in piece]
            reply = Answers(names[piece], labels, costs=[costs[row] for row in piece])
        read_piece = read(reply, asked, names[asked])
        assert read_piece.error is None
        assert len(read_piece.details) == len(read_piece.costs)
        found |= zip(read_piece.rows.tolist(), read_piece.labels, strict=True)
        found |= dict.fromkeys(read_piece.unknown.tolist(), DONT_KNOW)
        answered = np.concatenate([read_piece.rows, read_piece.unknown]).tolist()
        assert sorted(answered) == sorted(piece)
        has_price = form in ("answers", "arrays")
        assert read_piece.costs.tolist() == [costs[row] if has_price else 1 for row in answered]
        price |= zip(answered, read_piece.costs, strict=True)
        still_open = [row for row in still_open if row not in answered]
    assert still_open == [] and len(price) == n
    for row, label in enumerate(truth):
        assert found[row] is label if label is DONT_KNOW else np.array_equal(found[row], label)
