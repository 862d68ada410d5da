"""Uncertainty sampling, against one row at a time."""

import inspect
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import BernoulliNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch.utils.data import TensorDataset

from skactive import ActiveLearningLoop, UncertaintySelector
from skactive.exceptions import ColdStartWarning
from skactive.testing import selector_checks
from tests.networks import fitted_classifier, images, three_classes
from tests.reference.uncertainty import best_rows, entropy, least_confidence, margin

CRITERIA = {"margin": margin, "entropy": entropy, "least_confidence": least_confidence}
LABELED = [0, 1, 2, 3, 4, 5]


def problem(n=60, seed=0):
    X = np.random.RandomState(seed).standard_normal((n, 4))
    return X, np.digitize(X[:, 0], [-0.4, 0.4])


def expected_picks(probabilities, criterion, labeled, budget):
    scores = np.array([CRITERIA[criterion](p) for p in probabilities])
    return best_rows(scores, labeled, budget), scores


@pytest.mark.parametrize(
    "check",
    selector_checks(UncertaintySelector(criterion="entropy", estimator=BernoulliNB())),
    ids=lambda check: check.__name__,
)
def test_contract(check):
    check()


@st.composite
def probability_pools(draw):
    """Rows of small fractions, many of which tie, or of continuous probabilities."""
    n, c = draw(st.integers(2, 20)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    if draw(st.booleans()):
        X = rng.dirichlet(np.full(c, 0.5), size=n)
    else:
        X = rng.multinomial(4, np.full(c, 1 / c), size=n) / 4
    labeled = draw(st.lists(st.integers(0, n - 1), max_size=n - 1, unique=True))
    return X, labeled, draw(st.integers(1, n - len(labeled)))


@given(probability_pools(), st.sampled_from(list(CRITERIA)))
def test_precomputed_probabilities(pool, criterion):
    X, labeled, budget = pool
    selector = UncertaintySelector(budget, criterion=criterion, estimator="precomputed")
    selector.fit(X, labeled=labeled)
    picks, scores = expected_picks(X, criterion, labeled, budget)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.scores_, scores[picks], atol=1e-12)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_default_model(criterion):
    """A logistic regression on standardised features of the labeled rows."""
    X, y = problem()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    probabilities = model.fit(X[LABELED], y[LABELED]).predict_proba(X)
    selector = UncertaintySelector(8, criterion=criterion).fit(X, y, labeled=LABELED)
    picks, scores = expected_picks(probabilities, criterion, LABELED, 8)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.scores_, scores[picks])


def test_models_from_outside_are_asked_as_they_are():
    X, y = problem()
    model = RandomForestClassifier(30, random_state=0).fit(X[:40], y[:40])
    picks, _ = expected_picks(model.predict_proba(X), "margin", LABELED, 8)
    handed_over = UncertaintySelector(8).fit(X, y, labeled=LABELED, estimator=model)
    np.testing.assert_array_equal(handed_over.indices_, picks)
    frozen = clone(UncertaintySelector(8, estimator=FrozenEstimator(model)))
    np.testing.assert_array_equal(frozen.fit(X, labeled=LABELED).indices_, picks)  # without y


def test_other_models_are_fitted_to_the_labeled_rows():
    X, y = problem()
    forest = RandomForestClassifier(30, random_state=0)
    fitted = clone(forest).fit(X[LABELED], y[LABELED])
    picks, _ = expected_picks(fitted.predict_proba(X), "margin", LABELED, 8)
    other = clone(forest).fit(X[:40], y[:40])
    selector = UncertaintySelector(8, estimator=forest)
    selector.fit(X, y, labeled=LABELED, estimator=other)
    np.testing.assert_array_equal(selector.indices_, picks)
    assert not hasattr(forest, "classes_")


def test_two_classes_have_one_order():
    p = np.random.default_rng(0).random(50)
    X = np.column_stack([p, 1 - p])
    expected = np.argsort(np.abs(p - 0.5))[:9]
    for criterion in CRITERIA:
        selector = UncertaintySelector(9, criterion=criterion, estimator="precomputed")
        np.testing.assert_array_equal(selector.fit(X).indices_, expected)


@pytest.mark.parametrize("labeled", [[], [7, 8]], ids=["no label", "one class"])
def test_cold_start_draws_rows(labeled):
    X, y = problem()
    y = np.zeros_like(y)
    with pytest.warns(ColdStartWarning, match="UncertaintySelector"):
        selector = UncertaintySelector(50, random_state=3).fit(X, y, labeled=labeled)
    assert len(np.setdiff1d(selector.indices_, labeled)) == 50
    assert not np.array_equal(selector.indices_, np.sort(selector.indices_))
    np.testing.assert_array_equal(selector.scores_, 0)
    with pytest.warns(ColdStartWarning):
        smaller = UncertaintySelector(5, random_state=3).fit(X, y, labeled=labeled)
    np.testing.assert_array_equal(smaller.indices_, selector.indices_[:5])


def test_many_picks_and_ties():
    """More picks than a shortlist holds, of rows that tie in large groups."""
    p = np.random.default_rng(0).integers(0, 8, 3000) / 16
    X = np.column_stack([p, 1 - p])
    selector = UncertaintySelector(2000, estimator="precomputed").fit(X)
    np.testing.assert_array_equal(selector.indices_, np.argsort(-p, kind="stable")[:2000])


def test_scores_of_all_rows_are_open_to_meta_selectors():
    X = np.random.default_rng(0).dirichlet(np.ones(3), size=30)
    selector = UncertaintySelector(3, estimator="precomputed", criterion="entropy")
    seen = []

    class Watched(UncertaintySelector):
        def _start(self, pool):
            seen.append(self._score(self._condition(super()._start(pool), pool.labeled)))
            return super()._start(pool)

    Watched(3, estimator="precomputed", criterion="entropy").fit(X)
    np.testing.assert_allclose(seen[0].numpy(), [entropy(p) for p in X])
    assert selector.fit(X).scores_[0] == seen[0].max()


# Networks


def test_network_that_reads_images():
    net = fitted_classifier()
    X = images()
    y = three_classes(X)
    probabilities = net.predict_proba(X)
    selector = UncertaintySelector(6).fit(X, y, labeled=[0, 1], estimator=net)
    picks, _ = expected_picks(probabilities.astype(float), "margin", [0, 1], 6)
    np.testing.assert_array_equal(selector.indices_, picks)
    # Images have no other features than what the model says about them.
    distances = np.linalg.norm(probabilities[:, None] - probabilities[picks][None], axis=-1)
    np.testing.assert_allclose(selector.transform(X), distances, atol=1e-6)
    np.testing.assert_array_equal(selector.represent(X)[picks], np.arange(6))
    assert not hasattr(selector, "n_features_in_")
    with config_context(working_memory=0.01):
        again = clone(selector).fit(torch.from_numpy(X), y, labeled=[0, 1], estimator=net)
    np.testing.assert_array_equal(again.indices_, picks)


def test_rounding_of_a_network_does_not_decide():
    """Equal images in batches of different sizes."""
    net = fitted_classifier()
    X = np.repeat(images(7), 9, axis=0)
    selector = UncertaintySelector(63, estimator=FrozenEstimator(net)).fit(X)
    groups = selector.indices_.reshape(-1, 9)
    np.testing.assert_array_equal(groups - groups[:, :1], np.tile(np.arange(9), (7, 1)))


# Texts and frames

FILLERS = "the a film was it day we saw once".split()
WORDS = {"good": "good great fine lovely".split(), "bad": "bad awful poor sad".split()}


def sentences(n=40):
    rng = np.random.RandomState(0)
    y = np.array(["good", "bad"])[rng.randint(2, size=n)]
    return [" ".join(rng.permutation([*rng.choice(WORDS[c], 2), *FILLERS[:4]])) for c in y], y


def text_model():
    return make_pipeline(TfidfVectorizer(), LogisticRegression())


def as_series(X):
    return pytest.importorskip("pandas").Series(X, index=np.arange(100, 100 + len(X)))


@pytest.mark.parametrize("form", [list, np.array, as_series])
def test_loop_over_texts(form):
    texts, y = sentences()
    X = form(texts)
    loop = ActiveLearningLoop(
        text_model(), UncertaintySelector(), budget=20, batch_size=5, random_state=0
    )
    loop.fit(X, y)
    assert [entry["selected_by"] for entry in loop.history_] == ["random"] + 3 * [
        "UncertaintySelector"
    ]
    assert loop.score(X, y) == 1.0
    known = loop.labeled_indices_[:-5]
    model = text_model().fit([texts[i] for i in known], y[known])
    picks, _ = expected_picks(model.predict_proba(texts), "margin", known, 5)
    np.testing.assert_array_equal(loop.labeled_indices_[-5:], picks)
    assert loop.selector_.transform(X).shape == (40, 5)


def test_frames_with_words():
    frame = pytest.importorskip("pandas").DataFrame(
        {"colour": ["red", "blue", "red", "blue", "red"], "size": [1.0, 2.0, 3.0, 1.5, 2.2]}
    )
    y = np.array([0, 1, 1, 0, 1])
    columns = make_column_transformer((OneHotEncoder(), ["colour"]), (StandardScaler(), ["size"]))
    model = make_pipeline(columns, LogisticRegression()).fit(frame, y)
    selector = UncertaintySelector(2).fit(frame, y, labeled=[0], estimator=model)
    picks, _ = expected_picks(model.predict_proba(frame), "margin", [0], 2)
    np.testing.assert_array_equal(selector.indices_, picks)


@pytest.mark.parametrize("kind", ["gaps", "categories", "dates"])
def test_frames_whose_first_row_does_not_tell(kind):
    pandas = pytest.importorskip("pandas")
    words = pandas.Series([None, "red", "blue", "red", "blue", "red"])
    if kind == "categories":
        words = words.astype("category")
    if kind == "dates":
        words = pandas.to_datetime(pandas.Series(["2020-01-01"] * 6))
    frame = pandas.DataFrame({"what": words, "size": [1.0, 2.0, 3.0, 1.5, 2.2, 0.1]})
    y = np.array([0, 1, 1, 0, 1, 0])
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["what"]), (StandardScaler(), ["size"])),
        LogisticRegression(),
    ).fit(frame, y)
    selector = UncertaintySelector(2).fit(frame, y, labeled=[0], estimator=model)
    picks, _ = expected_picks(model.predict_proba(frame), "margin", [0], 2)
    np.testing.assert_array_equal(selector.indices_, picks)


def test_gaps_do_not_make_words():
    """Numbers in columns of objects are features, with or without a model."""
    X, y = problem()
    model = LogisticRegression().fit(X, y)
    selector = UncertaintySelector(3).fit(X.astype(object), y, labeled=[0], estimator=model)
    assert not hasattr(selector, "embedding_")


@pytest.mark.parametrize("embedding", [None, "last_layer"])
def test_inputs_in_a_dict_or_a_dataset(embedding):
    net = fitted_classifier()
    X = images()
    y = three_classes(X)
    selector = UncertaintySelector(5, embedding=embedding)
    expected = clone(selector).fit(X, y, labeled=[0, 1], estimator=net)
    name = next(iter(inspect.signature(net.module_.forward).parameters))
    for form in ({name: X}, TensorDataset(torch.from_numpy(X), torch.from_numpy(y))):
        selector.fit(form, y, labeled=[0, 1], estimator=net)
        np.testing.assert_array_equal(selector.indices_, expected.indices_)
        np.testing.assert_allclose(selector.transform(form), expected.transform(X), atol=1e-5)


def test_texts_without_a_model_are_refused():
    texts, y = sentences()
    with pytest.raises(ValueError, match="TfidfVectorizer"):
        UncertaintySelector(2).fit(np.array(texts)[:, None], y, labeled=[0, 1])


def test_fit_on_texts_leaves_nothing_for_the_next_fit():
    texts, y = sentences()
    model = text_model().fit(texts, y)
    selector = UncertaintySelector(2).fit(texts, y, labeled=[0], estimator=model)
    assert hasattr(selector, "embedding_")
    X, y = problem()
    selector.fit(X, y, labeled=LABELED)
    assert not hasattr(selector, "embedding_") and selector.n_features_in_ == 4


def test_embedding_makes_the_features():
    texts, y = sentences()
    selector = UncertaintySelector(3, embedding=TfidfVectorizer()).fit(texts, y, labeled=[0, 1, 2])
    tfidf = TfidfVectorizer().fit_transform(texts)
    expected = UncertaintySelector(3).fit(tfidf, y, labeled=[0, 1, 2])
    np.testing.assert_array_equal(selector.indices_, expected.indices_)


# Mistakes


@pytest.mark.parametrize(
    "params, message",
    [
        ({"criterion": "gini"}, "'margin', 'entropy', 'least_confidence'"),
        ({"estimator": "svm"}, "estimator == 'svm', must be one of 'precomputed'"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        UncertaintySelector(1, **params).fit(np.eye(3))


@pytest.mark.parametrize("row", [[0.5, 0.6], [1.5, -0.5]])
def test_rows_that_are_no_probabilities(row):
    with pytest.raises(ValueError, match="sum to 1 in each row.*Divide the probabilities"):
        UncertaintySelector(1, estimator="precomputed").fit([[0.5, 0.5], row])


def test_probabilities_in_bfloat16():
    """Of the narrow types the one whose rows are furthest from summing to 1."""
    X = torch.tensor(np.random.default_rng(0).dirichlet(np.ones(3), size=200)).bfloat16()
    selector = UncertaintySelector(5, estimator="precomputed").fit(X)
    values = X.double().numpy()
    picks, _ = expected_picks(values / values.sum(1, keepdims=True), "margin", [], 5)
    np.testing.assert_array_equal(selector.indices_, picks)


def test_classes_in_place_of_estimators():
    X, y = problem()
    with pytest.raises(TypeError, match="must be an instance with fit"):
        UncertaintySelector(1, estimator=LogisticRegression).fit(X, y, labeled=LABELED)


def test_models_without_probabilities():
    X, y = problem()
    with pytest.raises(TypeError, match="predict_proba"):
        UncertaintySelector(1).fit(X, y, labeled=[0], estimator=LinearRegression().fit(X, y))
