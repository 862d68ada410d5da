"""BADGE: k-means++ on loss gradients that are never formed."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNetBinaryClassifier
from torch import nn

from skactive import ActiveLearningLoop, BADGESelector, CoreSetSelector
from skactive._rows import Rows
from skactive.embedding import NetworkEmbedding
from skactive.exceptions import ColdStartWarning
from skactive.selection._factored_points import FactoredLandmarks, FactoredPoints
from skactive.testing import check_selector
from tests.networks import conv_classifier, fitted_classifier, images, three_classes
from tests.reference.badge import loss_gradients, pick_shares, squared_distances
from tests.strategies import pools

CPU = torch.device("cpu")


class Known(ClassifierMixin, BaseEstimator):
    """Gives a softmax of the first features as probabilities, exactly the same for equal rows."""

    def __init__(self, n_classes=3):
        self.n_classes = n_classes
        self.classes_ = np.arange(n_classes)

    def fit(self, X, y):
        raise AssertionError("a frozen model was fitted")

    def predict_proba(self, X):
        X = np.asarray(X, dtype=np.float64)
        logits = np.stack([X[:, i % X.shape[1]] * (i + 1) for i in range(self.n_classes)], 1)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)


def small_pool(n_samples=12, n_features=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, n_features))


def known(budget, seed=0, n_classes=3):
    return BADGESelector(budget, estimator=FrozenEstimator(Known(n_classes)), random_state=seed)


# Distances


@settings(max_examples=100)
@given(X=pools(), n_classes=st.integers(2, 4))
def test_distances_are_those_of_the_gradients(X, n_classes):
    P = Known(n_classes).predict_proba(X.astype(np.float64))
    errors = P - np.eye(n_classes)[P.argmax(1)]
    G = loss_gradients(P, X.astype(np.float64))
    expected = squared_distances(G)
    points = FactoredPoints(Rows(X, CPU), torch.from_numpy(errors), 0.0)
    rows = np.arange(len(X))
    scale = (G**2).sum(1).max()
    np.testing.assert_allclose(points.squares_from(rows), expected, rtol=1e-9, atol=1e-14 * scale)
    np.testing.assert_allclose(points.squares_among(rows), expected, rtol=1e-9, atol=1e-14 * scale)
    some = rows[: 1 + len(X) // 2]
    nearest = points.nearest_squares(some)
    np.testing.assert_array_equal(nearest, points.squares_from(some).amin(1))
    equal = (X[:, None] == X[None]).all(2)
    assert (points.squares_from(rows).numpy()[equal] == 0).all()
    factors = Rows(np.hstack([errors, X.astype(np.float64)]), CPU)
    landmarks = FactoredLandmarks(n_classes)
    distances = landmarks.transform(factors, factors)
    np.testing.assert_allclose(distances**2, expected, rtol=1e-9, atol=1e-14 * scale)


def test_close_rows_far_from_the_origin():
    """Expanded squares would lose all digits of the distances."""
    rng = np.random.default_rng(1)
    X = 1e6 + rng.normal(size=(20, 4))
    errors = np.tile([0.3, -0.3], (20, 1))
    points = FactoredPoints(Rows(X, CPU), torch.from_numpy(errors), 0.0)
    expected = 2 * 0.3**2 * squared_distances(X)
    np.testing.assert_allclose(points.squares_from(np.arange(20)), expected, rtol=1e-6)


# Picks


@settings(max_examples=100)
@given(X=pools(min_rows=4), data=st.data())
def test_scores_are_squared_distances_to_the_picks_before(X, data):
    budget = data.draw(st.integers(1, len(X) - 1))
    labeled = data.draw(st.lists(st.integers(0, len(X) - 1), unique=True, max_size=len(X) - budget))
    y = np.arange(len(X)) % 3
    selector = known(budget).fit(X, y, labeled=labeled)
    X = X.astype(np.float64)
    G = loss_gradients(Known().predict_proba(X), X)
    squares, norms = squared_distances(G), (G**2).sum(1)
    candidates = ~np.isin(np.arange(len(X)), labeled)
    picks = selector.indices_
    assert len(set(picks)) == budget
    assert candidates[picks].all()
    scale = max(1e-300, norms.max())
    assert norms[picks[0]] >= norms[candidates].max() - 1e-9 * scale
    np.testing.assert_allclose(selector.scores_[0], norms[picks[0]], rtol=1e-9, atol=1e-12 * scale)
    for t in range(1, budget):
        nearest = squares[:, picks[:t]].min(1)
        np.testing.assert_allclose(
            selector.scores_[t], nearest[picks[t]], rtol=1e-9, atol=1e-12 * scale
        )
        if selector.scores_[t] == 0:  # drawn only where no distance is left
            assert nearest[candidates].max() <= 1e-12 * scale


def assert_drawn_with(counts, shares, n_draws):
    deviation = np.sqrt(n_draws * shares * (1 - shares))
    assert (np.abs(counts - n_draws * shares) <= 4.5 * deviation + 1e-9).all()


def test_draws_have_the_distribution_of_the_written_out_gradients():
    X = small_pool()
    labeled = [1, 7]
    y = np.zeros(len(X), dtype=int)
    candidates = ~np.isin(np.arange(len(X)), labeled)
    shares = pick_shares(loss_gradients(Known().predict_proba(X), X), candidates, 3)
    n_draws = 800
    counts = np.zeros((3, len(X)))
    for seed in range(n_draws):
        picks = known(3, seed).fit(X, y, labeled=labeled).indices_
        counts[np.arange(3), picks] += 1
    assert_drawn_with(counts, shares, n_draws)


def test_scikit_activeml_draws_alike_but_for_the_origin():
    """There the distances to the origin, which give the first pick, stay as one more center."""
    query = pytest.importorskip("skactiveml.pool").Badge
    classifier = pytest.importorskip("skactiveml.classifier").SklearnClassifier
    X, y_true = make_classification(24, 4, n_redundant=0, n_informative=3, n_classes=3,
                                    n_clusters_per_class=1, random_state=0)  # fmt: skip
    labeled = np.arange(8)
    y = np.full(len(X), np.nan)
    y[labeled] = y_true[labeled]
    model = LogisticRegression().fit(X[labeled], y_true[labeled])
    theirs = classifier(LogisticRegression(), classes=[0, 1, 2]).fit(X, y)
    G = loss_gradients(model.predict_proba(X), X)
    n_draws = 600
    counts = np.zeros((2, 3, len(X)))
    for seed in range(n_draws):
        ours = BADGESelector(3, estimator=FrozenEstimator(model), random_state=seed)
        counts[0, np.arange(3), ours.fit(X, y, labeled=labeled).indices_] += 1
        picks = query(random_state=seed).query(X, y, theirs, fit_clf=False, batch_size=3)
        counts[1, np.arange(3), picks] += 1
    candidates = np.arange(len(X)) >= 8
    for count, origin in zip(counts, [False, True], strict=True):
        assert_drawn_with(count, pick_shares(G, candidates, 3, origin), n_draws)


def test_smaller_budgets_are_prefixes_and_seeds_matter():
    X = small_pool(200)
    long = known(60).fit(X).indices_
    for budget in (1, 7, 59):
        np.testing.assert_array_equal(known(budget).fit(X).indices_, long[:budget])
    assert not np.array_equal(known(60, seed=1).fit(X).indices_, long)


def test_duplicates_of_picks_come_last():
    X = np.repeat(small_pool(6), 3, axis=0)
    selector = known(18).fit(X)
    assert len({tuple(X[row]) for row in selector.indices_[:6]}) == 6
    assert (selector.scores_[:6] > 0).all()
    assert (selector.scores_[6:] == 0).all()
    assert selector.indices_[0] % 3 == 0  # of equal rows the lowest


def test_certain_models_leave_uniform_draws():
    class Certain(Known):
        def predict_proba(self, X):
            return np.eye(3)[np.arange(len(X)) % 3]

    X = small_pool(30)
    selector = BADGESelector(10, estimator=FrozenEstimator(Certain()), random_state=0).fit(X)
    assert len(set(selector.indices_)) == 10
    assert (selector.scores_ == 0).all()


def test_the_first_pick_is_the_lowest_of_those_that_tie_within_rounding():
    class Rounding(Known):
        def predict_proba(self, X):
            noise = np.random.RandomState(len(X)).uniform(-1e-16, 1e-16, size=len(X))
            return np.stack([0.5 + noise, 0.5 - noise], 1)

    X = np.ones((40, 3))
    for n_samples in (20, 40):
        selector = BADGESelector(1, estimator=FrozenEstimator(Rounding()), random_state=0)
        assert selector.fit(X[:n_samples]).indices_[0] == 0


# Models


def test_cold_start_is_random():
    X = small_pool(50)
    with pytest.warns(ColdStartWarning, match="BADGESelector"):
        selector = BADGESelector(10, random_state=0).fit(X)
    assert len(set(selector.indices_)) == 10
    assert (selector.scores_ == 0).all()
    assert BADGESelector()._needs_model()
    assert not BADGESelector(estimator=LogisticRegression())._needs_model()
    assert not BADGESelector(network=nn.Linear(2, 2))._needs_model()


def test_estimators_are_cloned_and_fitted_to_the_labeled_rows():
    X, y = make_classification(80, n_features=6, n_classes=3, n_informative=4, random_state=0)
    labeled = np.arange(20)
    garbage = np.where(np.isin(np.arange(80), labeled), y, -1)
    forest = RandomForestClassifier(10, random_state=0)
    frozen = FrozenEstimator(RandomForestClassifier(10, random_state=0).fit(X[:20], y[:20]))
    picks = BADGESelector(8, estimator=forest, random_state=0).fit(X, garbage, labeled=labeled)
    given = BADGESelector(8, estimator=frozen, random_state=0).fit(X, y, labeled=labeled)
    handed = BADGESelector(8, random_state=0).fit(X, y, labeled=labeled, estimator=frozen)
    np.testing.assert_array_equal(picks.indices_, given.indices_)
    np.testing.assert_array_equal(picks.indices_, handed.indices_)
    assert not hasattr(forest, "classes_")


def test_models_without_probabilities_are_refused():
    with pytest.raises(TypeError, match="predict_proba"):
        BADGESelector(estimator=FrozenEstimator(CoreSetSelector())).fit(small_pool())


def test_sparse_rows_give_the_same_picks():
    X = np.where(small_pool(60, 5) > 0.5, small_pool(60, 5, seed=1), 0.0)
    y = (X[:, 0] > 0).astype(int)
    labeled = np.r_[np.flatnonzero(y == 0)[:4], np.flatnonzero(y == 1)[:4]]
    model = LogisticRegression()
    dense = BADGESelector(9, estimator=model, random_state=0).fit(X, y, labeled=labeled)
    csr = BADGESelector(9, estimator=model, random_state=0)
    csr.fit(sparse.csr_matrix(X), y, labeled=labeled)
    np.testing.assert_array_equal(dense.indices_, csr.indices_)


# Networks


def mlp(n_outputs, n_features=5):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(n_features, 8), nn.ReLU(), nn.Linear(8, n_outputs))


def hidden_features(network, X):
    with torch.no_grad():
        return network[:2](torch.from_numpy(X)).numpy()


class LastLayer(Known):
    """The end of a network, in float64."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def predict_proba(self, X):
        weight, bias = (p.detach().double().numpy() for p in self.layer.parameters())
        logits = X @ weight.T + bias
        if logits.shape[1] == 1:
            logits = np.hstack([np.zeros_like(logits), logits])
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)


@pytest.mark.parametrize("n_outputs", [1, 2, 4])
def test_networks_are_asked_for_features_and_probabilities(n_outputs):
    X = small_pool(70, 5).astype(np.float32)
    network = mlp(n_outputs)
    on_features = BADGESelector(
        12, estimator=FrozenEstimator(LastLayer(network[2])), random_state=0
    )
    on_features.fit(hidden_features(network, X).astype(np.float64))
    selector = BADGESelector(12, network=network, random_state=0).fit(X)
    np.testing.assert_array_equal(selector.indices_, on_features.indices_)
    scale = 2 if n_outputs == 1 else 1  # one error instead of two of opposite signs
    np.testing.assert_allclose(scale * selector.scores_, on_features.scores_, rtol=1e-3)
    frozen = BADGESelector(12, estimator=FrozenEstimator(network), random_state=0).fit(X)
    np.testing.assert_array_equal(frozen.indices_, selector.indices_)
    handed = BADGESelector(12, random_state=0).fit(X, estimator=network)
    np.testing.assert_array_equal(handed.indices_, selector.indices_)


def test_transform_of_a_networks_picks_gives_distances_of_gradients():
    X = small_pool(30, 5).astype(np.float32)
    network = mlp(3)
    selector = BADGESelector(4, network=network, random_state=0).fit(X)
    G = NetworkEmbedding(network, kind="loss_gradient").fit_transform(X).astype(np.float64)
    expected = np.linalg.norm(G[:, None] - G[selector.indices_], axis=2)
    np.testing.assert_allclose(selector.transform(X), expected, atol=1e-4)
    np.testing.assert_array_equal(selector.represent(X[selector.indices_]), np.arange(4))
    assert selector.n_features_in_ == 5


def test_a_network_with_an_estimator_gives_features_only():
    X = small_pool(60, 5).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    network, model = mlp(3), LogisticRegression()
    selector = BADGESelector(5, network=network, estimator=model, random_state=0)
    selector.fit(X, y, labeled=range(20))
    expected = BADGESelector(5, estimator=model, random_state=0)
    expected.fit(hidden_features(network, X), y, labeled=range(20))
    np.testing.assert_array_equal(selector.indices_, expected.indices_)


@pytest.mark.parametrize("binary", [False, True])
def test_loops_around_networks(binary):
    X = images(60)
    y = three_classes(X)
    net = conv_classifier()
    if binary:
        y = (y > 0).astype(np.float32)
        net = NeuralNetBinaryClassifier(
            type(fitted_classifier().module_), module__n_outputs=1, max_epochs=2,
            train_split=None, verbose=0,
        )  # fmt: skip
    loop = ActiveLearningLoop(net, BADGESelector(), budget=20, batch_size=10, random_state=0)
    loop.fit(X, y)
    assert len(set(loop.labeled_indices_)) == 20


def test_networks_that_cannot_be_asked_are_refused():
    X = small_pool(20, 5).astype(np.float32)
    with pytest.raises(ValueError, match="embedding == 'logits' has no meaning"):
        BADGESelector(network=mlp(3), embedding="logits").fit(X)
    headless = nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 4), nn.Unflatten(1, (1, 4)))
    headless.extend([nn.Conv1d(1, 1, 2), nn.Flatten()])
    with pytest.raises(ValueError, match="last linear layer"):
        BADGESelector(network=headless).fit(X)


# Contract


def test_contract_with_a_forest():
    check_selector(
        BADGESelector(estimator=RandomForestClassifier(5, random_state=0), random_state=0)
    )


def test_memory_is_checked(monkeypatch):
    def refuse(needed, device, what, remedy):
        if "class probabilities" in what:
            raise MemoryError(what)

    monkeypatch.setattr("skactive.selection._badge.check_memory", refuse)
    with warnings.catch_warnings(), pytest.raises(MemoryError, match="12 rows and 3 classes"):
        known(2).fit(small_pool())
