"""Cosine similarity and information density against row by row formulas."""

import warnings

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skactive import (
    ActiveLearningLoop,
    CosineSimilaritySelector,
    InformationDensitySelector,
    ITLSelector,
    UncertaintySelector,
)
from skactive.exceptions import ColdStartWarning, ZeroNormWarning
from skactive.testing import check_selector
from tests.reference.relevance import (
    best_rows,
    cosines,
    density,
    information_density,
    mean_similarity,
)
from tests.strategies import problems


def fit(selector, X, y=None, **fit_params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        return selector.fit(X, y, **fit_params)


def assert_best(selector, scores, labeled, last=()):
    """The picks are those of the twin's scores, up to ties that its rounding may decide."""
    expected = best_rows(scores, labeled, len(selector.indices_), last)
    np.testing.assert_allclose(selector.scores_, scores[selector.indices_], atol=1e-11)
    np.testing.assert_allclose(scores[selector.indices_], scores[expected], atol=1e-11)
    if len(np.unique(scores.round(9))) == len(scores):
        np.testing.assert_array_equal(selector.indices_, expected)


# Cosine similarity


@settings(max_examples=100, deadline=None)
@given(problem=problems(targets=True), directed=st.booleans())
def test_cosine_similarity_equals_row_by_row(problem, directed):
    X = problem.X.astype(np.float64)
    targets = problem.target_rows if directed else X
    selector = CosineSimilaritySelector(problem.budget)
    fit(selector, problem.X, labeled=problem.labeled, X_target=targets if directed else None)
    last = np.flatnonzero(~X.any(1))
    assert_best(selector, mean_similarity(X, targets), problem.positions, last)


def test_itl_with_one_target_and_one_pick():
    """The information about one target grows with the cosine, where none is more negative."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        X, target = rng.normal(size=(50, 5)), rng.normal(size=(1, 5))
        X[X @ target[0] < 0] *= -0.1
        ours = CosineSimilaritySelector(1).fit(X, X_target=target).indices_
        assert ours == ITLSelector(1).fit(X, X_target=target).indices_


def test_itl_does_not_mind_the_sign():
    X, target = np.array([[1.0, 1.0], [-1.0, 0.1]]), np.array([[1.0, 0.0]])
    assert CosineSimilaritySelector(1).fit(X, X_target=target).indices_ == [0]
    assert ITLSelector(1).fit(X, X_target=target).indices_ == [1]


def test_cosine_similarities_that_cancel_tie():
    """The pool has no direction: rounding must not give it one."""
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    X = np.column_stack([np.cos(angles), np.sin(angles)]) * np.arange(1, 61)[:, None]
    np.testing.assert_array_equal(CosineSimilaritySelector(9).fit(X).indices_, np.arange(9))


def test_transform_gives_cosines():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4))
    for selector in (CosineSimilaritySelector(4), InformationDensitySelector(4)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ColdStartWarning)
            selector.fit(X)
        expected = cosines(X, X[selector.indices_])
        np.testing.assert_allclose(selector.transform(X), expected, atol=1e-12)


# Information density


def classes_of(X):
    return np.array(["a", "b", "c"])[(X[:, 0] > 0).astype(int) + (X.sum(1) > 0.5)]


@pytest.mark.parametrize("criterion", ["entropy", "margin", "least_confidence"])
@pytest.mark.parametrize("beta", [0.0, 0.5, 3])
@pytest.mark.parametrize("directed", [True, False])
def test_information_density_equals_row_by_row(criterion, beta, directed):
    rng = np.random.default_rng(7)
    X = rng.normal(size=(120, 4)) + [1, 0, 0, -0.5]
    X[50:60] = X[10]
    X[:, 3] = 2.0
    y, labeled = classes_of(X), rng.permutation(120)[:25]
    model = LogisticRegression().fit(X[labeled], y[labeled])
    targets = rng.normal(size=(9, 4)) if directed else None
    selector = InformationDensitySelector(
        30, criterion=criterion, beta=beta, estimator=FrozenEstimator(model)
    ).fit(X, y, labeled=labeled, X_target=targets)
    unlabeled = np.delete(X, labeled, axis=0)
    reference = targets if directed else unlabeled
    scores = information_density(X, reference, model.predict_proba(X), criterion, beta)
    expected = best_rows(scores, labeled, 30)
    np.testing.assert_array_equal(selector.indices_, expected)
    np.testing.assert_allclose(selector.scores_, scores[expected], rtol=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    problem=problems(targets=True), beta=st.sampled_from([0.5, 1.0, 2.0]), directed=st.booleans()
)
def test_density_alone_without_a_model(problem, beta, directed):
    X = problem.X.astype(np.float64)
    targets = problem.X_target if directed else None
    labeled = problem.labeled
    selector = InformationDensitySelector(problem.budget, beta=beta)
    with pytest.warns(ColdStartWarning):
        fit(selector, problem.X, np.zeros(len(X), dtype=int), labeled=labeled, X_target=targets)
    unlabeled = np.delete(X, problem.positions, axis=0)
    reference = problem.target_rows if directed else unlabeled
    scores = density(X, reference) ** beta
    assert_best(selector, scores, problem.positions, np.flatnonzero(~X.any(1)))


def test_without_weight_it_is_uncertainty_sampling():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 3))
    y, labeled = classes_of(X), np.arange(20)
    ours = InformationDensitySelector(20, beta=0, criterion="margin").fit(X, y, labeled=labeled)
    theirs = UncertaintySelector(20, criterion="margin").fit(X, y, labeled=labeled)
    np.testing.assert_array_equal(ours.indices_, theirs.indices_)
    np.testing.assert_allclose(ours.scores_, theirs.scores_)


def test_an_outlier_scores_low():
    """Both rows lie on the border between the classes; one of them has company."""
    X = np.array([[1.0, 3.0], [3.0, 1.0], [2.0, 2.0], [2.2, 2.0], [2.0, 2.2], [-5.0, -5.0]])
    y = [0, 1, -1, -1, -1, -1]
    border = FrozenEstimator(LogisticRegression(fit_intercept=False).fit(X[:2], y[:2]))
    ours = InformationDensitySelector(4, estimator=border).fit(X, y, labeled=[0, 1])
    np.testing.assert_array_equal(ours.indices_[[0, -1]], [2, 5])


def test_models():
    """One handed to fit, one fitted by the selector, and one that is frozen and needs no labels."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(60, 3))
    y, labeled = classes_of(X), np.arange(30)
    model = GaussianNB().fit(X[labeled], y[labeled])
    handed = InformationDensitySelector(8).fit(X, y, labeled=labeled, estimator=model)
    fitted = InformationDensitySelector(8, estimator=GaussianNB()).fit(X, y, labeled=labeled)
    frozen = InformationDensitySelector(8, estimator=FrozenEstimator(model)).fit(X, labeled=labeled)
    np.testing.assert_array_equal(handed.indices_, fitted.indices_)
    np.testing.assert_array_equal(handed.indices_, frozen.indices_)


def test_float32_probabilities_do_not_decide_ties():
    """Copies of a row, of which a model with rounding says now this, now that."""

    class Shaky(GaussianNB):
        def predict_proba(self, X):
            shaken = super().predict_proba(X).astype(np.float32)
            return shaken + np.float32(1e-7) * (-1) ** np.arange(len(X))[:, None].astype("f4")

    rng = np.random.default_rng(3)
    X = np.repeat(rng.normal(size=(20, 3)), 2, axis=0)
    model = Shaky().fit(X[:20], classes_of(X)[:20])
    picks = InformationDensitySelector(20, estimator=FrozenEstimator(model)).fit(X).indices_
    assert all(row % 2 == 0 or row - 1 in picks[:t] for t, row in enumerate(picks))


def test_seed_of_the_model():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(80, 3))
    forest = RandomForestClassifier(3)
    scores = [
        InformationDensitySelector(5, estimator=forest, random_state=seed)
        .fit(X, classes_of(X), labeled=np.arange(30))
        .scores_
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).any()


def test_in_a_loop():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(100, 3))
    loop = ActiveLearningLoop(
        LogisticRegression(),
        InformationDensitySelector(),
        n_initial=10,
        budget=30,
        batch_size=10,
        random_state=0,
    )
    loop.fit(X, classes_of(X))
    assert len(loop.labeled_indices_) == 30
    assert loop.score(X, classes_of(X)) > 0.7


def test_refuses_bad_parameters():
    X = np.eye(3)
    with pytest.raises(ValueError, match="beta == -1, must be a finite number >= 0"):
        InformationDensitySelector(1, beta=-1).fit(X)
    with pytest.raises(ValueError, match="criterion == 'gini', must be one of"):
        InformationDensitySelector(1, criterion="gini").fit(X)


# Both


@pytest.mark.parametrize("Selector", [CosineSimilaritySelector, InformationDensitySelector])
def test_does_not_depend_on_the_form_of_the_pool(Selector):
    rng = np.random.default_rng(5)
    X = np.repeat(rng.integers(-2, 3, size=(300, 6)), 2, axis=0).astype(np.float32)
    y, labeled = classes_of(X), np.arange(40)
    expected = fit(Selector(50), X, y, labeled=labeled)
    for form in (X.astype(np.float64), np.asfortranarray(X), sparse.csr_matrix(X)):
        picks = fit(Selector(50), form, y, labeled=labeled).indices_
        np.testing.assert_array_equal(picks, expected.indices_)
    with sklearn.config_context(working_memory=0.01):
        picks = fit(Selector(50), X, y, labeled=labeled).indices_
    np.testing.assert_array_equal(picks, expected.indices_)


def test_contract_with_a_model():
    model = LogisticRegression(C=9)
    check_selector(InformationDensitySelector(5, criterion="margin", beta=2, estimator=model))
