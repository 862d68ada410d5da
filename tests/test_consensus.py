"""Several annotators: votes, what is made of them, and whom to ask again."""

import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from skactive import ActiveLearningLoop
from skactive.exceptions import OracleError
from skactive.oracles import (
    DONT_KNOW,
    NOT_YET,
    Answers,
    ArrayOracle,
    ConsensusOracle,
    consensus,
)
from tests.loops import FirstRows, make_pool

multiannotator = pytest.importorskip("cleanlab.multiannotator")

X, Y = make_pool(200)
MODEL = LogisticRegression().fit(X[::4], Y[::4])
ALL = np.arange(len(X))
TEXTS = np.array(["x", "yy", "z"])


def noisy_votes(accuracies, seed=0, share=1.0):
    """Votes of annotators of these accuracies about `share` of the rows; None elsewhere."""
    votes = np.empty((len(Y), len(accuracies)), dtype=object)
    for j, accuracy in enumerate(accuracies):
        oracle = ArrayOracle(Y, noise=1 - accuracy, abstain=1 - share, random_state=seed + j)
        votes[:, j] = oracle(X, ALL).labels
    return votes


# The function


@given(
    votes=st.integers(1, 5).flatmap(
        lambda n_annotators: st.lists(
            st.lists(
                st.sampled_from(["a", "b", "c", None, DONT_KNOW, NOT_YET]),
                min_size=n_annotators,
                max_size=n_annotators,
            ),
            min_size=1,
            max_size=8,
        )
    )
)
@settings(deadline=None)
def test_majority_vote_by_counting(votes):
    found = consensus(votes, random_state=0)
    for i, row in enumerate(votes):
        counts = Counter(vote for vote in row if isinstance(vote, str))
        assert found.n_votes[i] == counts.total()
        if not counts:
            assert found.labels[i] is DONT_KNOW and np.isnan(found.agreement[i])
            continue
        assert counts[found.labels[i]] == max(counts.values())
        assert found.agreement[i] == pytest.approx(max(counts.values()) / counts.total())
    for j, column in enumerate(zip(*votes, strict=True)):
        pairs = [
            vote == label
            for vote, label in zip(column, found.labels, strict=True)
            if isinstance(vote, str)
        ]
        if pairs:
            assert found.annotator_quality[j] == pytest.approx(np.mean(pairs))
        else:
            assert np.isnan(found.annotator_quality[j])
    assert found.quality is None


@pytest.mark.parametrize(
    ("votes", "labels"),
    [
        (np.array([[1, 1, 2], [3, 2, 3]], dtype=np.uint8), [1, 3]),
        (np.array([[1, 1, 2], [3, np.nan, 3]]), [1, 3]),
        (np.array([["a", "a", "b"], ["b", "c", "b"]]), ["a", "b"]),
        ([[True, True, False], [False, None, False]], [True, False]),
        ([["a", "a", None], ["b", np.nan, "b"]], ["a", "b"]),
        (pd.DataFrame({"ann": ["a", None], "bob": ["a", "b"]}, index=[5, 4]), ["a", "b"]),
        (pd.DataFrame({"ann": [1, pd.NA], "bob": [1, 2]}, dtype="Int64"), [1, 2]),
        ([[-7, -7], [10**12, None]], [-7, 10**12]),
    ],
    ids=["uint8", "float", "text", "bool", "lists", "frame", "Int64", "large"],
)
def test_kinds_of_votes(votes, labels):
    found = consensus(votes)
    assert found.labels.tolist() == labels
    assert type(found.labels[0].item()) is type(labels[0]) or found.labels.dtype.kind == "f"


def test_ties_are_broken_by_random_state_alone():
    votes = np.tile([["a", "b", "c"]], (300, 1))
    np.random.seed(0)
    state = np.random.get_state()[1].copy()
    first, again, other = (consensus(votes, random_state=s).labels for s in (0, 0, 1))
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert min(Counter(first.tolist()).values()) > 70


def test_a_single_tied_row():
    for method in ("majority_vote", "crowdlab"):
        found = consensus(
            [["a", "b"]], method=method, pred_probs=[[0.5, 0.5]], classes=["a", "b"], random_state=0
        )
        assert found.labels[0] in ("a", "b") and found.agreement.tolist() == [0.5]


def test_probabilities_break_ties():
    votes = [["b", "a"], ["b", "a"], ["c", "c"]]
    found = consensus(
        votes, pred_probs=[[0.2, 0.3, 0.5], [0.4, 0.3, 0.3], [1, 0, 0]], classes=["a", "b", "c"]
    )
    assert found.labels.tolist() == ["b", "a", "c"]
    # The columns are those of classes, in any order.
    found = consensus(votes, pred_probs=[[0.3, 0.2], [0.3, 0.4], [0, 1]], classes=["b", "a"])
    assert found.labels.tolist() == ["b", "a", "c"]


def test_crowdlab_is_cleanlabs():
    votes = noisy_votes([0.9, 0.7, 0.6, 0.5], share=0.7)
    votes = votes[[any(v is not DONT_KNOW for v in row) for row in votes]]
    rows = len(votes)
    probabilities = MODEL.predict_proba(X[:rows])
    found = consensus(
        votes, method="crowdlab", pred_probs=probabilities, classes=MODEL.classes_, random_state=0
    )
    numbers = np.array([[np.nan if v is DONT_KNOW else v for v in row] for row in votes])
    expected = multiannotator.get_label_quality_multiannotator(
        numbers.astype(float), probabilities, verbose=False
    )
    table = expected["label_quality"]
    assert (found.labels == table["consensus_label"]).mean() == 1
    np.testing.assert_allclose(found.quality, table["consensus_quality_score"], atol=1e-6)
    np.testing.assert_allclose(found.agreement, table["annotator_agreement"])
    np.testing.assert_allclose(
        found.annotator_quality,
        expected["annotator_stats"].sort_index()["annotator_quality"],
        atol=1e-6,
    )


def test_crowdlab_finds_out_whom_to_trust():
    votes = noisy_votes([0.95, 0.4, 0.4, 0.4])
    by_majority = consensus(votes, random_state=0)
    by_crowdlab = consensus(
        votes,
        method="crowdlab",
        pred_probs=MODEL.predict_proba(X),
        classes=MODEL.classes_,
        random_state=0,
    )
    assert by_crowdlab.annotator_quality.argmax() == 0
    assert (by_crowdlab.labels == Y).mean() > (by_majority.labels == Y).mean() + 0.1
    right = by_crowdlab.labels == Y
    assert by_crowdlab.quality[right].mean() > by_crowdlab.quality[~right].mean()


def test_crowdlab_with_rows_and_annotators_without_votes():
    votes = [["a", None, "a"], [None] * 3, ["b", None, "a"], ["b", None, "b"]]
    found = consensus(votes, method="crowdlab", pred_probs=np.full((4, 2), 0.5), classes=["a", "b"])
    assert found.labels[1] is DONT_KNOW and np.isnan(found.quality[1])
    assert found.labels[0] == "a" and found.labels[3] == "b"
    assert np.isnan(found.annotator_quality).tolist() == [False, True, False]


def test_crowdlab_without_comparisons_takes_the_votes():
    found = consensus(
        [["a", None], [None, "b"]],
        method="crowdlab",
        pred_probs=[[0, 1], [1, 0]],
        classes=["a", "b"],
    )
    assert found.labels.tolist() == ["a", "b"] and found.quality is None


def test_crowdlab_with_a_class_the_model_has_not_seen():
    votes = np.where(Y == 2, "new", np.array(["a", "b", "new"])[Y])[:, None].repeat(3, axis=1)
    model = LogisticRegression().fit(X[Y < 2], Y[Y < 2])
    found = consensus(
        votes, method="crowdlab", pred_probs=model.predict_proba(X), classes=["a", "b"]
    )
    np.testing.assert_array_equal(found.labels, votes[:, 0])


def test_votes_for_a_single_class():
    for method in ("majority_vote", "crowdlab"):
        found = consensus([[1, 1], [1, None]], method=method, pred_probs=[[1], [1]], classes=[1])
        assert found.labels.tolist() == [1, 1] and found.agreement.tolist() == [1, 1]


def test_no_votes():
    found = consensus([[None, DONT_KNOW], [np.nan, NOT_YET]])
    assert list(found.labels) == [DONT_KNOW] * 2 and found.n_votes.tolist() == [0, 0]
    found = consensus(np.empty((0, 3)))
    assert found.labels.shape == found.agreement.shape == (0,)


PROBABILITIES = {"pred_probs": [[0.5, 0.5]], "classes": [0, 1]}


@pytest.mark.parametrize(
    ("votes", "params", "message"),
    [
        ([0, 1], {}, r"votes must be of shape \(n_rows, n_annotators\), .*; got shape \(2,\)"),
        ([[0, 1]], {"method": "mean"}, "method == 'mean', must be one of 'majority_vote', 'cro"),
        ([[0, 1]], {"method": "crowdlab"}, "pred_probs is None, but method='crowdlab' weighs"),
        ([[0, 1]], {"pred_probs": [[0.5, 0.5]]}, "classes is None, .* classes=model.classes_"),
        ([[0, 1]] * 2, PROBABILITIES, r"n_classes\) == \(2, 2\); got shape \(1, 2\)"),
        ([[0, 1]], {**PROBABILITIES, "pred_probs": [[np.nan, 1]]}, "must be finite prob"),
        ([[0, 1]], {**PROBABILITIES, "pred_probs": [[-1, 2]]}, "got shape .* from -1.0 to 2.0"),
        ([[0, 1]], {**PROBABILITIES, "classes": [1, 1]}, r"classes must differ .*; got \[1, 1\]"),
        ([[0, 1]], {**PROBABILITIES, "classes": ["0", "1"]}, "must hold labels of one kind"),
        ([[0, "a"]], {}, "votes and classes must hold labels of one kind; got numbers and texts"),
        ([[0.5, 1.0]], {}, "votes must be for classes; got 0.5. For regression"),
    ],
)
def test_votes_that_are_not_allowed(votes, params, message):
    with pytest.raises(ValueError, match=message):
        consensus(votes, **params)


def test_without_cleanlab(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    monkeypatch.setitem(sys.modules, "cleanlab.multiannotator", None)
    with pytest.raises(ImportError, match=r'pip install "skactive\[annotators\]"'):
        consensus([[1, 1]])
    asked = []
    oracle = ConsensusOracle({"ann": lambda rows, indices: asked.append(indices)})
    with pytest.raises(ImportError, match=r'pip install "skactive\[annotators\]"'):
        oracle(X[:1], [0])
    assert asked == []


# The oracle


class Annotator:
    """Says what an oracle says, and remembers what it was asked."""

    def __init__(self, oracle):
        self.oracle = oracle
        self.asked = []

    def __call__(self, rows, indices):
        assert len(rows) == len(indices)
        np.testing.assert_array_equal(rows, X[indices])
        self.asked.extend(indices.tolist())
        return self.oracle(rows, indices)


def says(votes, **params):
    """An annotator with these votes, a dict by row; NOT_YET elsewhere."""
    return Annotator(
        lambda rows, indices: Answers(
            indices, [votes.get(int(i), NOT_YET) for i in indices], **params
        )
    )


def ask(oracle, rows):
    rows = np.asarray(rows)
    return oracle(X[rows], rows)


def test_votes_costs_and_details():
    annotators = {
        "ann": says({0: "a", 1: "a", 2: DONT_KNOW}, costs=0.5),
        "bob": says({0: "a", 1: "b", 2: DONT_KNOW}, costs=2),
        "cem": lambda rows, indices: {0: "b", 1: "b", 2: DONT_KNOW},
    }
    answers = ask(ConsensusOracle(annotators), [0, 1, 2])
    assert answers.indices.tolist() == [0, 1, 2]
    assert answers.labels == ["a", "b", DONT_KNOW]
    assert answers.costs.tolist() == [3.5, 3.5, 3.5]
    assert answers.details == [
        {"votes": {"ann": "a", "bob": "a", "cem": "b"}, "agreement": pytest.approx(2 / 3)},
        {"votes": {"ann": "a", "bob": "b", "cem": "b"}, "agreement": pytest.approx(2 / 3)},
        {"votes": {"ann": None, "bob": None, "cem": None}, "agreement": None},
    ]


def test_details_of_annotators():
    oracle = ConsensusOracle(
        {
            "ann": says({3: 1}, details=[{"seconds": np.float64(2.5)}]),
            "bob": says({3: 1}),
        }
    )
    (detail,) = ask(oracle, [3]).details
    assert detail["annotators"] == {"ann": {"seconds": 2.5}}


def test_a_row_waits_for_enough_annotators():
    late = {0: "a"}
    ann, bob = says({0: "a", 1: "b", 2: "a"}), says(late)
    oracle = ConsensusOracle({"ann": ann, "bob": bob})
    assert ask(oracle, [0, 1, 2]).indices.tolist() == [0]
    assert len(ask(oracle, [1, 2]).labels) == 0
    late |= {1: DONT_KNOW, 2: "a"}
    answers = ask(oracle, [2, 1])
    assert answers.indices.tolist() == [2, 1] and answers.labels == ["a", "b"]
    assert ann.asked == [0, 1, 2] and bob.asked == [0, 1, 2, 1, 2, 2, 1]
    assert oracle.votes_["ann"] == {0: "a", 1: "b", 2: "a"}
    assert oracle.votes_["bob"] == {0: "a", 2: "a", 1: DONT_KNOW}


def test_min_votes():
    oracle = ConsensusOracle({"ann": says({0: 1}), "bob": says({1: 2}), "cem": says({1: 2})})
    assert ask(oracle.set_params(min_votes=1), [0, 1, 2]).indices.tolist() == [0, 1]
    oracle = ConsensusOracle(oracle.annotators, min_votes=2)
    assert ask(oracle, [0, 1, 2]).indices.tolist() == [1]


@given(
    delays=st.lists(st.integers(0, 3), min_size=3, max_size=3),
    order=st.permutations(range(12)),
    cut=st.integers(0, 12),
)
@settings(deadline=None, max_examples=30)
def test_late_answers_give_the_same_labels(delays, order, cut):
    def annotators(delays):
        return {
            str(j): ArrayOracle(Y, noise=0.4, abstain=0.2, delay=delay, random_state=j)
            for j, delay in enumerate(delays)
        }

    params = {"estimator": MODEL}  # so that there are no ties
    expected = ask(ConsensusOracle(annotators([0, 0, 0]), **params), range(12))
    oracle = ConsensusOracle(annotators(delays), **params)
    labels, costs = {}, {}
    for part in (list(order[:cut]), list(order[cut:])):
        for _ in range(max(delays) + 1):
            still_open = [row for row in part if row not in labels]
            answers = ask(oracle, np.array(still_open, dtype=int))
            labels |= zip(answers.indices.tolist(), answers.labels, strict=True)
            costs |= zip(answers.indices.tolist(), answers.costs, strict=True)
    assert [labels[row] for row in range(12)] == list(expected.labels)
    assert [costs[row] for row in range(12)] == expected.costs.tolist()


def test_crowdlab_learns_from_all_votes_so_far():
    votes = noisy_votes([0.95, 0.4, 0.4])
    oracle = ConsensusOracle(
        {name: says(dict(enumerate(column))) for name, column in zip("abc", votes.T, strict=True)},
        method="crowdlab",
        estimator=MODEL,
        random_state=0,
    )
    for start in range(0, 200, 20):
        answers = ask(oracle, range(start, start + 20))
    whole = consensus(
        votes,
        method="crowdlab",
        pred_probs=MODEL.predict_proba(X),
        classes=MODEL.classes_,
        random_state=0,
    )
    np.testing.assert_array_equal(answers.labels, whole.labels[180:])
    np.testing.assert_allclose(
        [detail["quality"] for detail in answers.details], whole.quality[180:], atol=1e-6
    )
    np.testing.assert_allclose(oracle.consensus_.quality, whole.quality, atol=1e-6)


def test_votes_survive_an_annotator_who_fails():
    def away(rows, indices):
        raise RuntimeError("away")

    ann = says({0: "a", 1: "b"}, costs=3)
    annotators = {"ann": ann, "bob": away}
    oracle = ConsensusOracle(annotators)
    with pytest.raises(RuntimeError, match="away") as caught:
        ask(oracle, [0, 1])
    assert caught.value.votes == {"ann": {0: "a", 1: "b"}, "bob": {}}
    assert "votes_ of the oracle" in caught.value.__notes__[0]
    annotators["bob"] = says({0: "a", 1: "b"})
    answers = ask(oracle, [0, 1])
    assert answers.labels == ["a", "b"] and answers.costs.tolist() == [4, 4]
    assert ann.asked == [0, 1]


@pytest.mark.parametrize(
    ("reply", "kept", "message"),
    [
        ({5: "a", 99: "b"}, {5: "a"}, "'ann' must name rows that were asked, .* first 99"),
        (["a", None], {5: "a"}, "'ann' must not hold NaN, .* for row 6"),
        (["a"], {}, "'ann' must hold one label for each of the 2 rows"),
        ([["a", "b"], ["c", "d"]], {}, r"'ann' must hold a single label a row; got shape \(2, 2\)"),
        ([["a", "b"], DONT_KNOW], {6: DONT_KNOW}, "'ann' must hold a single label a row"),
        (Answers([5], ["a"], costs=-1), {5: "a"}, "'ann' must have costs"),
    ],
)
def test_bad_answers_of_an_annotator(reply, kept, message):
    bob = says({5: "a", 6: "b"})
    oracle = ConsensusOracle({"ann": lambda rows, indices: reply, "bob": bob})
    with pytest.raises(OracleError, match=f"^the answer of annotator {message}"):
        ask(oracle, [5, 6])
    assert oracle.votes_ == {"ann": kept, "bob": {5: "a", 6: "b"}}  # who was asked all the same


def test_annotators_speak_of_the_same_classes():
    oracle = ConsensusOracle({"ann": says({0: "1"}), "bob": says({0: 1})})
    with pytest.raises(OracleError, match="annotator 'bob' must be of the same kind as the labels"):
        ask(oracle, [0])
    assert oracle.votes_ == {"ann": {0: "1"}, "bob": {}}


def test_ids():
    names = np.array([f"n{i}" for i in range(len(X))])
    annotators = {str(j): ArrayOracle(TEXTS[Y], ids=names) for j in range(2)}
    answers = ConsensusOracle(annotators)(X[[7, 3]], names[[7, 3]])
    assert answers.indices.tolist() == ["n7", "n3"]
    assert answers.labels == TEXTS[Y][[7, 3]].tolist()


def test_in_the_loop():
    annotators = {
        str(j): ArrayOracle(Y, noise=0.2, delay=j, random_state=j, cost=j + 1) for j in range(3)
    }
    loop = ActiveLearningLoop(LogisticRegression(), FirstRows(), budget=30, batch_size=10)
    oracle = ConsensusOracle(annotators, min_votes=1, estimator=MODEL)
    loop.fit(X, oracle=oracle)
    assert sorted(loop.labeled_indices_) == list(range(30))
    expected = ArrayOracle(Y, noise=0.2, random_state=0)(X, loop.labeled_indices_).labels
    assert loop.y_labeled_.tolist() == expected
    assert loop.history_[-1]["cost"] == 30.0


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"annotators": []}, TypeError, r"annotators == \[\], must be a dict from names to orac"),
        ({"annotators": {}}, TypeError, "must be a dict from names to oracles"),
        ({"annotators": {"ann": [1, 2]}}, TypeError, "must be a dict from names to oracles"),
        ({"method": "mean"}, ValueError, "method == 'mean', must be one of"),
        ({"method": "crowdlab"}, ValueError, "estimator is None, but method='crowdlab'"),
        ({"min_votes": 0}, ValueError, "min_votes == 0, must be an int >= 1"),
        ({"min_votes": 1.5}, TypeError, "min_votes == 1.5, must be an int >= 1"),
        ({"min_votes": 2}, ValueError, "min_votes == 2, must be <= 1, the number of annotators"),
    ],
    ids=str,
)
def test_parameters_that_are_not_allowed(params, error, message):
    oracle = ConsensusOracle(**{"annotators": {"ann": ArrayOracle(Y)}, **params})
    with pytest.raises(error, match=message):
        ask(oracle, [0])
