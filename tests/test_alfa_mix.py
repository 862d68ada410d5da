"""ALFA-Mix: the closed form against mixing feature by feature; picks by k-means."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    PolynomialFeatures,
    StandardScaler,
)
from torch import nn

from skactive import ActiveLearningLoop, ALFAMixSelector
from skactive._kmeans import k_means
from skactive._rows import Rows
from skactive.exceptions import ColdStartWarning
from skactive.selection._alfa_mix import class_anchors, smallest_caps
from skactive.selection._linear_head import LinearHead, linear_head
from tests.networks import conv_classifier, images, three_classes
from tests.reference import alfa_mix as reference
from tests.reference.drop_query import nearest_candidates
from tests.strategies import pools

CPU = torch.device("cpu")


def make_problem(n_samples=150, n_classes=3, n_features=6, seed=0):
    return make_classification(
        n_samples,
        n_features=n_features,
        n_informative=4,
        n_redundant=0,
        n_classes=n_classes,
        n_clusters_per_class=1,
        random_state=seed,
    )


def known_head(weight, bias):
    """A fitted classifier with these coefficients."""
    model = LogisticRegression()
    model.classes_ = np.arange(len(bias))
    model.coef_, model.intercept_ = weight, bias
    if len(bias) == 2:  # whose outputs have only one difference
        model.coef_, model.intercept_ = weight[1:] - weight[:1], bias[1:] - bias[:1]
    return FrozenEstimator(model)


# Candidates


@settings(max_examples=100)
@given(
    X=pools(min_rows=4),
    n_classes=st.integers(2, 4),
    step=st.sampled_from([0.05, 0.2, 0.3, 1.0]),
    n_labeled=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_candidates_are_the_rows_that_mixing_changes(X, n_classes, step, n_labeled, seed):
    n_labeled = min(n_labeled, len(X) - 1)
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(n_classes, X.shape[1])), rng.normal(size=n_classes)
    if n_classes == 2:
        weight[0], bias[0] = 0, 0
    y = rng.integers(n_classes, size=len(X))
    labeled = rng.permutation(len(X))[:n_labeled]
    expected, cap, closest = reference.candidates(
        X.astype(np.float64), y, labeled, weight, bias, step, n_picks=1
    )
    assume(closest > 1e-9)
    selector = ALFAMixSelector(
        1, estimator=known_head(weight, bias), alpha_cap=step, random_state=0
    ).fit(X, y, labeled=labeled)
    np.testing.assert_array_equal(selector.candidate_indices_, expected)
    np.testing.assert_allclose(selector.alpha_cap_, cap)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_candidates_of_a_fitted_model(n_classes):
    X, y = make_problem(n_classes=n_classes)
    X[:, 2] = 0.1  # which no mixture moves, whatever the weight
    model = LogisticRegression().fit(X[:30] + np.linspace(0, 1, 30)[:, None], y[:30])
    assert (model.coef_[:, 2] != 0).all()
    weight, bias = model.coef_, model.intercept_
    if n_classes == 2:
        weight, bias = np.vstack([0 * weight, weight]), np.append(0, bias)
    expected, cap, _ = reference.candidates(X, y, np.arange(30), weight, bias, 0.02, 10)
    selector = ALFAMixSelector(
        10, estimator=FrozenEstimator(model), alpha_cap=0.02, random_state=0
    ).fit(X, y, labeled=np.arange(30))
    assert 10 < len(expected) < 100
    np.testing.assert_array_equal(selector.candidate_indices_, expected)
    assert selector.alpha_cap_ == pytest.approx(cap)
    assert np.isin(selector.indices_, expected).all()


def test_smallest_caps_are_where_the_prediction_changes():
    X, y = make_problem()
    model = LogisticRegression().fit(X[:30], y[:30])
    head = linear_head(model)
    anchors = class_anchors(Rows(X, CPU), np.arange(30), y[:30], 3)
    caps = smallest_caps(Rows(X, CPU), head, anchors)
    assert np.isfinite(caps).all()
    for z, cap in zip(X, caps, strict=True):
        for share, expected in ((1 - 1e-6, False), (1 + 1e-6, True)):
            changed, _ = reference.changed_rows(
                z[None], anchors.numpy(), model.coef_, model.intercept_, share * cap
            )
            assert changed[0] == expected


@pytest.mark.parametrize("predicted", [0, 1])
def test_models_that_are_certain_have_gradients(predicted):
    """Probabilities of 1 - 1e-40 and 1e-400 count as 1 and 0, but the directions are known."""
    sign = 2 * predicted - 1
    X = np.array([[1.0, 0.5], [10.0, 0.0], [1.0, 3.0]]) * sign
    weight = torch.tensor([[0.0, 0.0], [90.0, 0.0]]).double()
    head = LinearHead(weight - weight[predicted], torch.zeros(2).double())
    anchor = torch.tensor([[-2.0 * sign, 1.0]]).double()
    expected = 2**0.5 * np.abs(X[:, 0]) / np.linalg.norm(X - anchor.numpy(), axis=1)
    np.testing.assert_allclose(smallest_caps(Rows(X, CPU), head, anchor), expected)


def test_models_that_predict_one_class_alone_have_no_candidates():
    X, y = make_problem()
    head = LinearHead(
        torch.zeros(3, 6, dtype=torch.float64), torch.tensor([0.0, 1.0, 0.0]).double()
    )
    anchors = class_anchors(Rows(X, CPU), np.arange(30), y[:30], 3)
    assert np.isinf(smallest_caps(Rows(X, CPU), head, anchors)).all()
    model = known_head(np.zeros((3, 6)), np.array([0.0, 1.0, 0.0]))
    selector = ALFAMixSelector(7, estimator=model, random_state=0).fit(X, y, labeled=range(30))
    assert len(selector.candidate_indices_) == 0
    assert selector.alpha_cap_ == 1.0
    assert len(set(selector.indices_)) == 7
    assert (selector.scores_ == 0).all()
    assert (selector.indices_ >= 30).all()


def test_anchors_are_means_of_classes():
    X, y = make_problem()
    labeled = np.r_[np.flatnonzero(y == 2)[:4], np.flatnonzero(y == 0)[:3]]
    names = np.array(["a", "b", "c"])[y]
    anchors = class_anchors(Rows(X, CPU), labeled, names[labeled], 3).numpy()
    np.testing.assert_allclose(anchors, reference.class_anchors(X, y, labeled, 3))
    assert len(anchors) == 3
    constant = np.full((4000, 2), 0.1)
    mean = class_anchors(Rows(constant, CPU), np.arange(3000), np.zeros(3000), 1)
    assert (mean == 0.1).all()


# Picks


@pytest.mark.parametrize("n_candidates", [25, 120])  # copied, and masked
def test_picks_are_nearest_to_the_centers(n_candidates, monkeypatch):
    found = []

    def spy(rows, n_clusters, **params):
        found.append(k_means(rows, n_clusters, **params))
        return found[-1]

    monkeypatch.setattr("skactive.selection._clustered_picks.k_means", spy)
    X, y = make_problem(160)
    X[50:60] = X[40:50]
    rows = np.arange(30, 30 + n_candidates)
    monkeypatch.setattr(ALFAMixSelector, "_doubtful_rows", lambda self, pool, model: rows)
    selector = ALFAMixSelector(8, random_state=0).fit(X, y, labeled=range(20))
    (clusters,) = found
    assignment = clusters.assignment.numpy()
    if n_candidates > 40:
        assignment = assignment[rows]
    picks, sizes = nearest_candidates(X, rows, clusters.centers.numpy(), assignment)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_array_equal(selector.scores_, sizes)
    assert sum(sizes) == n_candidates


@pytest.mark.parametrize("n_others", [5, 200])  # masked, and left out of a copy
def test_rows_that_are_no_candidates_do_not_move_the_centers(n_others, monkeypatch):
    rng = np.random.default_rng(0)
    directions = np.eye(4)
    blobs = np.repeat(directions, 10, axis=0) + 0.01 * rng.normal(size=(40, 4))
    X = np.vstack([blobs, -np.ones((n_others, 4)) + 0.1 * rng.normal(size=(n_others, 4))])
    monkeypatch.setattr(ALFAMixSelector, "_doubtful_rows", lambda self, pool, model: np.arange(40))
    with pytest.warns(ColdStartWarning):
        selector = ALFAMixSelector(4, random_state=0).fit(X)
    assert sorted(selector.indices_ // 10) == [0, 1, 2, 3]
    assert (selector.scores_ == 10).all()


@pytest.mark.parametrize("n_candidates", [0, 3, 6])
def test_too_few_candidates_are_filled_at_random(n_candidates, monkeypatch):
    X, y = make_problem()
    rows = np.arange(40, 40 + n_candidates)
    monkeypatch.setattr(ALFAMixSelector, "_doubtful_rows", lambda self, pool, model: rows)
    drawn = set()
    for seed in range(5):
        selector = ALFAMixSelector(6, random_state=seed).fit(X, y, labeled=range(20))
        np.testing.assert_array_equal(selector.indices_[:n_candidates], rows)
        rest = selector.indices_[n_candidates:]
        drawn.add(tuple(rest))
        assert len(set(selector.indices_)) == 6
        assert (rest >= 20).all()
        assert selector.scores_.tolist() == [1] * n_candidates + [0] * (6 - n_candidates)
    assert len(drawn) == (1 if n_candidates == 6 else 5)


def test_equal_candidates_are_picked_once_and_the_rest_is_drawn(monkeypatch):
    X = np.vstack([np.tile([1.0, 0.0], (10, 1)), np.tile([0.0, 1.0], (10, 1)), -np.eye(2)])
    monkeypatch.setattr(ALFAMixSelector, "_doubtful_rows", lambda self, pool, model: np.arange(20))
    with pytest.warns(ColdStartWarning):
        selector = ALFAMixSelector(5, random_state=0).fit(X)
    assert set(selector.indices_[:2]) == {0, 10}
    assert selector.scores_.tolist() == [10, 10, 0, 0, 0]
    assert len(set(selector.indices_)) == 5


class Imprecise(StandardScaler):
    """Equal rows differ by the rounding of single precision, and from one seed to the next."""

    def __init__(self, seed=0):
        super().__init__()
        self.seed = seed

    def transform(self, X):
        noise = np.random.default_rng(self.seed).uniform(-1e-7, 1e-7, size=X.shape)
        return (super().transform(X) * (1 + noise)).astype(np.float32)


@pytest.mark.parametrize("n_candidates", [20, 80])  # copied, and masked
def test_rounding_of_features_decides_nothing(n_candidates, monkeypatch):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(10, 5)), 10, axis=0)
    rows = np.arange(100 - n_candidates, 100)
    monkeypatch.setattr(ALFAMixSelector, "_doubtful_rows", lambda self, pool, model: rows)
    found = []
    for seed in range(5):
        selector = ALFAMixSelector(12, embedding=Imprecise(seed), random_state=0)
        found.append(selector.fit(X, np.arange(100) % 3, labeled=range(20)).indices_)
        np.testing.assert_array_equal(found[-1], found[0])
    n_different = n_candidates // 10
    np.testing.assert_array_equal(np.sort(found[0][:n_different]), rows[::10])
    assert len(set(found[0])) == 12


# Models


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(5, random_state=0),
        make_pipeline(PolynomialFeatures(), LogisticRegression(max_iter=1000)),
        make_pipeline(MinMaxScaler(clip=True), LogisticRegression()),
    ],
    ids=str,
)
def test_other_models_are_refused(model):
    X, y = make_problem()
    assert linear_head(model.fit(X, y)) is None
    with pytest.raises(TypeError, match="linear in the 6 features"):
        ALFAMixSelector(estimator=model).fit(X, y, labeled=range(40))


def test_heads_of_other_features_are_refused():
    X, y = make_problem()
    model = FrozenEstimator(LogisticRegression().fit(X[:, :4], y))
    with pytest.raises(TypeError, match="linear in the 6 features"):
        ALFAMixSelector(estimator=model).fit(X, y, labeled=range(40))


@pytest.mark.parametrize("frozen", [False, True])
def test_models_that_do_not_read_the_features_are_refused(frozen):
    X, y = make_problem()
    X *= 10
    model = LogisticRegression().fit(X, y)
    selector = ALFAMixSelector(embedding=StandardScaler(), random_state=0)
    handed = {} if frozen else {"estimator": model}
    if frozen:
        selector.set_params(estimator=FrozenEstimator(model))
    with pytest.raises(TypeError, match="the model reads X"):
        selector.fit(X, y, labeled=range(40), **handed)
    selector.set_params(estimator=LogisticRegression()).fit(X, y, labeled=range(40), **handed)
    expected = ALFAMixSelector(estimator=LogisticRegression(), random_state=0)
    expected.fit(StandardScaler().fit_transform(X), y, labeled=range(40))
    np.testing.assert_array_equal(selector.indices_, expected.indices_)


def test_scales_of_the_features_are_part_of_the_head():
    """Picks of a scaler and a classifier are those of the composed coefficients."""
    X, y = make_problem()
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:40], y[:40])
    head = linear_head(pipe)
    composed = known_head(head.weight.numpy(), head.bias.numpy())
    picks = ALFAMixSelector(9, random_state=0).fit(X, y, labeled=range(40), estimator=pipe)
    expected = ALFAMixSelector(9, estimator=composed, random_state=0).fit(X, y, labeled=range(40))
    np.testing.assert_array_equal(picks.indices_, expected.indices_)
    default = ALFAMixSelector(9, random_state=0).fit(X, y, labeled=range(40))
    assert default.alpha_cap_ == 0.2


# Networks, cold starts, parameters


def test_networks_end_in_their_head():
    X, y = make_problem()
    X = X.astype(np.float32)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        features = network[:2](torch.from_numpy(X)).numpy()
    assert (features == 0).any()  # features that mixtures may not move
    weight, bias = (p.detach().double().numpy() for p in network[2].parameters())
    expected, _, _ = reference.candidates(
        features.astype(np.float64), y, np.arange(30), weight, bias, 0.1, 10
    )
    by = {"budget": 10, "alpha_cap": 0.1, "random_state": 0}
    for selector, handed in (
        (ALFAMixSelector(network=network, **by), None),
        (ALFAMixSelector(estimator=FrozenEstimator(network), **by), None),
        (ALFAMixSelector(**by), network),
        (ALFAMixSelector(embedding="last_layer", **by), network),
    ):
        selector.fit(X, y, labeled=range(30), estimator=handed)
        np.testing.assert_array_equal(selector.candidate_indices_, expected)
        assert selector.components_.shape == (10, 8)
        assert selector.transform(X).shape == (150, 10)
    with pytest.raises(ValueError, match="embedding == 'ntk' has no meaning"):
        ALFAMixSelector(network=network, embedding="ntk").fit(X, y, labeled=range(30))


def test_networks_with_one_output():
    X, y = make_problem(n_classes=2)
    X = X.astype(np.float32)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())
    with torch.no_grad():
        features = network[:2](torch.from_numpy(X)).numpy().astype(np.float64)
    weight, bias = (p.detach().double().numpy() for p in network[2].parameters())
    expected, _, _ = reference.candidates(
        features, y, np.arange(30), np.vstack([0 * weight, weight]), np.append(0, bias), 0.1, 10
    )
    selector = ALFAMixSelector(10, network=network, alpha_cap=0.1, random_state=0)
    selector.fit(X, y, labeled=range(30))
    np.testing.assert_array_equal(selector.candidate_indices_, expected)


def test_loop_around_a_network():
    X = images(60)
    loop = ActiveLearningLoop(
        conv_classifier(), ALFAMixSelector(), budget=20, batch_size=10, random_state=0
    )
    loop.fit(X, three_classes(X))
    assert len(set(loop.labeled_indices_)) == 20


def test_cold_starts():
    X, y = make_problem()
    with pytest.warns(ColdStartWarning, match="No row is labeled"):
        selector = ALFAMixSelector(5, random_state=0).fit(X)
    assert np.isnan(selector.alpha_cap_)
    assert len(set(selector.indices_)) == 5
    model = LogisticRegression().fit(X, y)
    with pytest.warns(ColdStartWarning, match="nothing to mix"):
        with_model = ALFAMixSelector(5, random_state=0).fit(X, estimator=model)
    np.testing.assert_array_equal(with_model.indices_, selector.indices_)
    assert ALFAMixSelector()._needs_model()
    assert not ALFAMixSelector(estimator=LogisticRegression())._needs_model()
    assert not ALFAMixSelector(network=nn.Linear(2, 2))._needs_model()


@pytest.mark.parametrize("alpha_cap", [0, 1.5, -0.1, np.nan, True, "0.2", None])
def test_bad_caps(alpha_cap):
    with pytest.raises((ValueError, TypeError), match="alpha_cap"):
        ALFAMixSelector(alpha_cap=alpha_cap).fit(np.eye(3))
