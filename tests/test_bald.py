"""BALD and BatchBALD, against enumeration of all configurations of labels."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import BernoulliNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNetClassifier
from torch import nn

from skactive import ActiveLearningLoop, BALDSelector
from skactive.exceptions import ColdStartWarning
from skactive.selection._dropout import DropoutMembers
from skactive.selection._joint_labels import JointLabels
from skactive.testing import selector_checks
from tests.networks import (
    assert_untouched,
    fitted_classifier,
    images,
    state_of,
    three_classes,
)
from tests.reference.uncertainty import bald, batch_bald, best_rows, joint_information

LABELED = [0, 1, 2, 3, 4, 5, 6, 7]


def problem(n=60, seed=0):
    X = np.random.RandomState(seed).standard_normal((n, 4))
    return X, np.digitize(X[:, 0], [-0.4, 0.4])


def opinions(n=40, n_members=5, n_classes=3, seed=0):
    """Probabilities of shape (n, n_members, n_classes)."""
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.3), size=(n, n_members))


def precomputed(budget, **params):
    return BALDSelector(budget, estimator="precomputed", **params)


@pytest.mark.parametrize(
    "check",
    selector_checks(
        BALDSelector(estimator=[BernoulliNB(), DecisionTreeClassifier(random_state=0)])
    ),
    ids=lambda check: check.__name__,
)
def test_contract(check):
    check()


# The method


@st.composite
def member_pools(draw):
    """Rows on which members agree, disagree or are sure, many of which tie."""
    n, k, c = draw(st.integers(2, 8)), draw(st.integers(2, 4)), draw(st.integers(2, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    if draw(st.booleans()):
        X = rng.dirichlet(np.full(c, 0.5), size=(n, k))
    else:
        X = rng.multinomial(2, np.full(c, 1 / c), size=(n, k)) / 2
    if draw(st.booleans()):
        X = X[rng.integers(0, n, n)]
    labeled = draw(st.lists(st.integers(0, n - 1), max_size=n - 1, unique=True))
    return X, labeled, draw(st.integers(1, min(4, n - len(labeled))))


@given(member_pools())
def test_bald_of_single_rows(pool):
    X, labeled, budget = pool
    selector = precomputed(budget, strategy="top").fit(X, labeled=labeled)
    scores = np.array([bald(members) for members in X])
    np.testing.assert_allclose(selector.scores_, scores[selector.indices_], atol=1e-12)
    # The twin's sums are off by rounding, too, which decides between scores that are 0.
    picks = best_rows(np.round(scores, 13), labeled, budget)
    np.testing.assert_allclose(scores[selector.indices_], scores[picks], atol=1e-12)
    if (np.diff(np.sort(scores)) > 1e-10).all():
        np.testing.assert_array_equal(selector.indices_, picks)


@settings(max_examples=50)
@given(member_pools())
def test_batch_bald(pool):
    X, labeled, budget = pool
    selector = precomputed(budget).fit(X, labeled=labeled)
    _, expected = batch_bald(X, labeled, budget)
    np.testing.assert_allclose(selector.information_gain_, expected, atol=1e-10)
    for b in range(1, budget + 1):
        joint = joint_information(X[selector.indices_[:b]])
        np.testing.assert_allclose(selector.information_gain_[b - 1], joint, atol=1e-10)
    np.testing.assert_allclose(np.cumsum(selector.scores_), expected, atol=1e-10)
    assert not np.isin(selector.indices_, labeled).any()


@pytest.mark.parametrize("seed", range(5))
def test_picks_of_batch_bald(seed):
    X = opinions(12, n_members=6, seed=seed)
    labeled = [0, 4]
    picks, _ = batch_bald(X, labeled, 4)
    for dtype in (np.float64, np.float32):
        selector = precomputed(4).fit(X.astype(dtype), labeled=labeled)
        np.testing.assert_array_equal(selector.indices_, picks)


def test_near_duplicates_are_left_out():
    X = np.concatenate([np.repeat(opinions(1), 5, axis=0), 0.7 * opinions(8, seed=1) + 0.1])
    X[:5, :, :] = [[0.99, 0.01, 0.0], [0.0, 0.01, 0.99], [0.01, 0.99, 0.0]] + 2 * [[1.0, 0.0, 0.0]]
    assert precomputed(5, strategy="top").fit_select(X).tolist() == [0, 1, 2, 3, 4]
    picks = precomputed(5).fit_select(X)
    assert picks[0] == 0 and (picks < 5).sum() < 3


def test_ties_go_to_the_lowest_row():
    X = np.repeat(opinions(4), 3, axis=0)
    for strategy in ("top", "greedy"):
        picks = precomputed(1, strategy=strategy).fit_select(X)
        assert picks[0] % 3 == 0
    same = np.repeat(opinions(1), 70, axis=0)
    assert precomputed(1).fit_select(same).tolist() == [0]


def test_members_that_agree_tell_nothing():
    X = np.repeat(opinions(20, n_members=1), 4, axis=1)
    selector = precomputed(3).fit(X)
    np.testing.assert_allclose(selector.information_gain_, 0, atol=1e-12)
    np.testing.assert_array_equal(selector.indices_, [0, 1, 2])


# Configurations that are drawn


def test_drawn_configurations_estimate_the_same():
    X = opinions(30, n_members=6)
    exact = precomputed(6, max_configurations=3**6).fit(X)
    drawn = precomputed(6, max_configurations=500, random_state=0).fit(X)
    np.testing.assert_array_equal(drawn.indices_[:5], exact.indices_[:5])  # 3 ** 5 > 500 > 3 ** 4
    many = JointLabels.empty(6, 600, 0, torch.device("cpu"))
    for row in exact.indices_:
        many = many.add(torch.from_numpy(X[row]))
    assert not many.is_exact
    assert many.information == pytest.approx(exact.information_gain_[-1], abs=0.1)


def test_draws_are_unbiased():
    """Mean of the estimated information over seeds, against enumeration."""
    X = torch.from_numpy(opinions(3, n_members=4, seed=2))
    estimates = []
    for seed in range(200):
        labels = JointLabels.empty(4, 40, seed, torch.device("cpu"))
        for row in torch.cat([X, X, X]):  # 3 ** 9 configurations
            labels = labels.add(row)
        assert not labels.is_exact and len(labels.weights) == 40
        estimates.append(labels.information)
    expected = joint_information(np.concatenate([X.numpy()] * 3))
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert error < 0.02
    assert abs(np.mean(estimates) - expected) < 4 * error


def test_configurations_in_pieces(monkeypatch):
    X = opinions(30, n_members=6)
    expected = precomputed(5).fit(X)
    monkeypatch.setattr("skactive.selection._joint_labels._BLOCK_BYTES", 16 * 3 * 7)
    pieces = precomputed(5).fit(X)
    np.testing.assert_array_equal(pieces.indices_, expected.indices_)
    np.testing.assert_allclose(pieces.scores_, expected.scores_)


def test_at_least_one_configuration_of_each_member():
    selector = precomputed(6, max_configurations=1, random_state=0).fit(opinions(30, n_members=7))
    assert len(np.unique(selector.indices_)) == 6
    assert (selector.information_gain_ <= np.log(7) + 1e-12).all()


def test_impossible_configurations_are_not_counted():
    """Members that are sure of everything leave as many configurations as members at most."""
    X = np.eye(4)[np.random.default_rng(0).integers(0, 4, size=(50, 6))]
    labels = JointLabels.empty(6, 24, 0, torch.device("cpu"))
    for row in torch.from_numpy(X[:20]):
        labels = labels.add(row)
    assert labels.is_exact and len(labels.weights) <= 6
    selector = precomputed(20, max_configurations=24).fit(X)
    assert selector.information_gain_[-1] == pytest.approx(np.log(6))


@pytest.mark.parametrize("max_configurations", [50, 10_000])
def test_prefixes_and_chunks(max_configurations):
    X = opinions(200, n_members=8, n_classes=4)
    selector = precomputed(12, max_configurations=max_configurations, random_state=0)
    full = clone(selector).fit(X)
    for budget in (1, 5, 9):
        smaller = clone(selector).set_params(budget=budget).fit(X)
        np.testing.assert_array_equal(smaller.indices_, full.indices_[:budget])
        np.testing.assert_allclose(smaller.information_gain_, full.information_gain_[:budget])
    with config_context(working_memory=1e-3):
        again = clone(selector).fit(X)
    np.testing.assert_array_equal(again.indices_, full.indices_)


def test_bounds_are_bounds_and_do_not_change_the_picks():
    X = opinions(300, n_members=6)
    seen = []

    class Watched(BALDSelector):
        def _upper(self, state):
            upper, scores = super()._upper(state), self._score(state)
            seen.append(bool((upper >= scores - 1e-12).all()))
            return upper

    class Plain(BALDSelector):
        def _upper(self, state):
            return self._score(state)

    params = {"estimator": "precomputed", "max_configurations": 300, "random_state": 0}
    watched, plain = Watched(10, **params).fit(X), Plain(10, **params).fit(X)
    np.testing.assert_array_equal(watched.indices_, plain.indices_)
    assert seen == [True] * 10


def test_batch_bald_of_scikit_activeml():
    batch_bald_of_peer = pytest.importorskip("skactiveml.pool").batch_bald
    for seed in range(3):
        X = opinions(80, n_members=8, n_classes=4, seed=seed)
        utilities = batch_bald_of_peer(
            X.swapaxes(0, 1).copy(), 6, n_MC_samples=4**6, eps=1e-12, random_state=0
        )
        selector = precomputed(6, max_configurations=4**6).fit(X)
        np.testing.assert_array_equal(selector.indices_, np.nanargmax(utilities, axis=1))
        gained = selector.information_gain_
        np.testing.assert_allclose(gained, np.nanmax(utilities, axis=1), atol=1e-9)


# Ensembles


def members_of_forest(forest, X):
    return np.stack([tree.predict_proba(X.astype(np.float32)) for tree in forest], axis=1)


def expected_picks(members, labeled, budget):
    scores = np.array([bald(row) for row in members])
    return best_rows(scores, labeled, budget)


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_forests(kind):
    X, y = problem()
    forest = kind(15, max_depth=2, random_state=0).fit(X[:30], y[:30])
    picks = expected_picks(members_of_forest(forest, X), LABELED, 8)
    selector = BALDSelector(8, strategy="top")
    selector.fit(X, y, labeled=LABELED, estimator=forest)
    np.testing.assert_array_equal(selector.indices_, picks)
    fitted = BALDSelector(8, strategy="top", estimator=kind(15, max_depth=2, random_state=0))
    fitted.fit(X, y, labeled=np.arange(30))
    np.testing.assert_array_equal(
        fitted.indices_, expected_picks(members_of_forest(forest, X), np.arange(30), 8)
    )


def test_default_forest():
    X, y = problem()
    selector = BALDSelector(5, n_members=7, random_state=0).fit(X, y, labeled=LABELED)
    again = BALDSelector(5, n_members=7, random_state=0).fit(X, y, labeled=LABELED)
    np.testing.assert_array_equal(selector.indices_, again.indices_)
    assert 0 < selector.information_gain_[-1] <= np.log(7) + 1e-12


def test_bagging_whose_members_know_some_classes_and_features():
    X, y = problem(200)
    y = np.array(["a", "b", "c"])[y]
    bagging = BaggingClassifier(
        KNeighborsClassifier(3), 12, max_samples=4, max_features=0.5, random_state=0
    ).fit(X[:30], y[:30])
    assert min(len(member.classes_) for member in bagging.estimators_) < 3
    members = np.zeros((len(X), 12, 3))
    for k, member in enumerate(bagging.estimators_):
        values = member.predict_proba(X[:, bagging.estimators_features_[k]])
        for column, number in enumerate(member.classes_):
            members[:, k, number] = values[:, column]
    np.testing.assert_allclose(members.mean(1), bagging.predict_proba(X))
    selector = BALDSelector(8, strategy="top", estimator=FrozenEstimator(bagging))
    np.testing.assert_array_equal(selector.fit(X).indices_, expected_picks(members, [], 8))


def committee():
    return [LogisticRegression(), DecisionTreeClassifier(max_depth=2, random_state=0)]


def test_committees():
    """A list, a voting classifier and a list of fitted ones ask the same members."""
    X, y = problem()
    y = np.array(["a", "b", "c"])[y]
    fitted = [clone(member).fit(X[LABELED], y[LABELED]) for member in committee()]
    members = np.stack([member.predict_proba(X) for member in fitted], axis=1)
    picks = expected_picks(members, LABELED, 6)
    voting = VotingClassifier([(str(i), m) for i, m in enumerate(committee())], voting="soft")
    for estimator in (committee(), voting, [FrozenEstimator(member) for member in fitted]):
        selector = BALDSelector(6, strategy="top", estimator=estimator)
        selector = clone(selector).fit(X, y, labeled=LABELED)
        np.testing.assert_array_equal(selector.indices_, picks)


def test_committees_of_nets_and_other_classifiers():
    """Each is fitted to features of its own type, whichever comes first."""
    X, y = problem()
    net = NeuralNetClassifier(
        Small,
        criterion=nn.CrossEntropyLoss,
        max_epochs=2,
        train_split=None,
        verbose=0,
    )
    estimators = [LogisticRegression(), net, make_pipeline(StandardScaler(), net)]
    for order in (estimators, estimators[::-1]):
        selector = BALDSelector(6, estimator=order, random_state=0).fit(X, y, labeled=LABELED)
        assert len(np.setdiff1d(selector.indices_, LABELED)) == 6
        assert 0 < selector.information_gain_[-1] <= np.log(3)


def test_many_members_and_classes_are_asked_about_few_rows_at_a_time():
    """Answers take 24 bytes for each member and class of a row."""
    X, y = problem(300)
    asked = []

    class Watched(LogisticRegression):
        def predict_proba(self, X):
            asked.append(len(X))
            return np.full((len(X), 500), 1 / 500)

    fitted = Watched().fit(X, y)
    fitted.classes_ = np.arange(500)
    frozen = [FrozenEstimator(fitted)] * 4
    selector = BALDSelector(1, estimator=frozen, strategy="top")
    with config_context(working_memory=1):
        selector.fit(X)
    assert max(asked) == 2**20 // (24 * 4 * 500)


def test_sparse_pools():
    X, y = problem()
    X *= np.abs(X) > 0.3
    forest = RandomForestClassifier(6, random_state=0)
    for estimator in (forest, BaggingClassifier(DecisionTreeClassifier(), 6, random_state=0)):
        selector = BALDSelector(6, estimator=estimator, random_state=0)
        expected = clone(selector).fit(X, y, labeled=LABELED).indices_
        given = sparse.csr_matrix(X)
        np.testing.assert_array_equal(selector.fit_select(given, y, labeled=LABELED), expected)
        fitted = clone(estimator).fit(given[LABELED], y[LABELED])
        handed = BALDSelector(6, random_state=0).fit(given, estimator=FrozenEstimator(fitted))
        assert len(handed.indices_) == 6 and sparse.issparse(handed.components_)


def test_frozen_members_need_no_labels_and_may_know_different_classes():
    X, y = problem()
    first = BernoulliNB().fit(X[y < 2], y[y < 2])
    second = BernoulliNB().fit(X[y > 0], y[y > 0])
    members = np.zeros((len(X), 2, 3))
    members[:, 0, :2], members[:, 1, 1:] = first.predict_proba(X), second.predict_proba(X)
    frozen = [FrozenEstimator(first), FrozenEstimator(second)]
    selector = BALDSelector(6, strategy="top", estimator=frozen).fit(X, labeled=LABELED)
    scores = np.array([bald(row) for row in members])
    np.testing.assert_allclose(selector.scores_, scores[selector.indices_])
    np.testing.assert_allclose(selector.scores_, scores[best_rows(scores, LABELED, 6)])


def test_pipelines_and_searches_around_an_ensemble():
    pandas = pytest.importorskip("pandas")
    X, y = problem()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    forest = RandomForestClassifier(8, random_state=0)
    search = GridSearchCV(make_pipeline(StandardScaler(), forest), {}, cv=2).fit(frame, y)
    model = search.best_estimator_
    members = members_of_forest(model[-1], model[:-1].transform(frame))
    selector = BALDSelector(6, strategy="top")
    selector.fit(frame, y, labeled=LABELED, estimator=search)
    np.testing.assert_array_equal(selector.indices_, expected_picks(members, LABELED, 6))


def test_loop_over_texts():
    rng = np.random.RandomState(0)
    words = np.array("good great fine bad awful poor film day the was".split())
    X = [" ".join(words[rng.randint(10, size=5)]) for _ in range(40)]
    y = [int(sum(word in text for word in words[:3]) > 1) for text in X]
    model = make_pipeline(TfidfVectorizer(), RandomForestClassifier(10))
    loop = ActiveLearningLoop(model, BALDSelector(), budget=20, batch_size=5, random_state=0)
    loop.fit(X, y)
    assert [entry["selected_by"] for entry in loop.history_][2:] == 2 * ["BALDSelector"]
    assert loop.selector_.transform(X).shape == (40, 5)


def test_cold_start_draws_rows():
    X, y = problem()
    with pytest.warns(ColdStartWarning, match="BALDSelector"):
        selector = BALDSelector(9, random_state=0).fit(X)
    assert len(np.unique(selector.indices_)) == 9 and not hasattr(selector, "information_gain_")
    np.testing.assert_array_equal(selector.scores_, 0)
    with pytest.warns(ColdStartWarning):
        other = BALDSelector(9, random_state=1, estimator=committee()).fit(X)
    assert not np.array_equal(selector.indices_, other.indices_)


# Networks with dropout


class Small(nn.Module):
    """A multilayer perceptron with dropout and batch norm."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 3)
        )

    def forward(self, X):
        return self.layers(X)


def fitted_net(**params):
    X, y = problem()
    torch.manual_seed(0)
    net = NeuralNetClassifier(
        Small,
        criterion=nn.CrossEntropyLoss,
        max_epochs=3,
        train_split=None,
        verbose=0,
        **params,
    )
    return net.fit(X.astype(np.float32), y)


@pytest.mark.parametrize("strategy", ["top", "greedy"])
def test_dropout_does_not_depend_on_batches_and_leaves_the_net_alone(strategy):
    net = fitted_net()
    X, y = problem()
    X = X.astype(np.float32)
    before = state_of(net.module_)
    selector = BALDSelector(8, strategy=strategy, random_state=0)
    full = clone(selector).fit(X, y, labeled=LABELED, estimator=net)
    assert full.scores_.min() > 0
    for setting in ({"working_memory": 1e-3}, {"working_memory": 1}):
        with config_context(**setting):
            again = clone(selector).fit(X, y, labeled=LABELED, estimator=net)
        np.testing.assert_array_equal(again.indices_, full.indices_)
        np.testing.assert_allclose(again.scores_, full.scores_, atol=1e-5)
    assert_untouched(net.module_, before)
    other = clone(selector).set_params(random_state=1).fit(X, y, labeled=LABELED, estimator=net)
    assert not np.array_equal(other.scores_, full.scores_)


def test_each_dropout_member_is_one_network():
    """A mask is the same for all rows: the perceptron with some hidden units left out."""
    net = fitted_net()
    X = problem()[0].astype(np.float32)
    linear = net.module_.layers[-1]
    with torch.no_grad():
        net.module_.eval()
        hidden = net.module_.layers[:-1](torch.from_numpy(X)).double()
        weight, bias = linear.weight.double(), linear.bias.double()
    for values in DropoutMembers(net, 5, 0, "test")(X):
        logits = torch.from_numpy(values).double().log()
        differences = logits - logits[:, :1] - (bias - bias[0])
        # Linear in the hidden units: the mask is what solves it for all rows.
        solution = torch.linalg.lstsq(hidden, differences[:, 1:]).solution
        masks = solution / (weight[1:] - weight[0]).T
        used = hidden.abs().sum(0) > 1
        kept = masks[used].mean(1)
        assert ((kept.abs() < 0.1) | ((kept - 1 / 0.6).abs() < 0.1)).all(), kept
        assert (kept.abs() < 0.1).any() and (kept > 1).any()


class Identity(nn.Module):
    """Images in, what dropout leaves of them out: its members are its masks."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, X):
        return self.layer(X).flatten(1)


@pytest.mark.parametrize(
    "layer, n_masked",
    [
        (nn.Dropout(0.3), 48),
        (nn.Dropout2d(0.3), 3),
        (nn.AlphaDropout(0.3), 48),
        (nn.FeatureAlphaDropout(0.3), 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_masks_have_the_distribution_of_the_layer(layer, n_masked):
    """Mean and second moment over many masks, as torch has them in training mode."""
    torch.manual_seed(0)
    X = torch.randn(1, 3, 4, 4)
    module = Identity(layer)
    members = DropoutMembers(module, 1, 0, "test")
    ours = []
    for member in range(4000):
        with members._masks(member), torch.no_grad():
            module.eval()
            ours.append(module(X)[0])
    ours = torch.stack(ours)
    module.train()
    theirs = module(X.expand(4000, -1, -1, -1))
    for power in (1, 2):
        a, b = (ours**power).mean(0), (theirs**power).mean(0)
        error = ((ours**power).std(0) + (theirs**power).std(0)) / np.sqrt(4000)
        assert ((a - b).abs() <= 5 * error + 1e-6).all()
    dropped = (ours == ours.flatten().mode().values).reshape(4000, n_masked, -1)
    assert 0.25 < dropped.double().mean() < 0.35
    assert (dropped == dropped[:, :, :1]).all()  # whole channels, where the layer drops them


def test_members_see_all_classes_of_a_convolutional_net():
    net = fitted_classifier()
    X = images()
    y = three_classes(X)
    selector = BALDSelector(6, n_members=5, random_state=0)
    selector.fit(X, y, labeled=[0, 1], estimator=net)
    assert len(np.unique(selector.indices_)) == 6 and selector.transform(X).shape == (40, 6)
    pool = np.repeat(X[:5], 4, axis=0)
    top = BALDSelector(20, strategy="top", estimator=FrozenEstimator(net), random_state=0)
    groups = top.fit(pool).indices_.reshape(5, 4)
    np.testing.assert_array_equal(groups - groups[:, :1], np.tile(np.arange(4), (5, 1)))


def test_pipeline_around_a_net_in_a_loop():
    X, y = problem()
    net = NeuralNetClassifier(
        Small, criterion=nn.CrossEntropyLoss, max_epochs=2, train_split=None, verbose=0
    )
    to_float = FunctionTransformer(lambda X: np.asarray(X, dtype=np.float32))
    loop = ActiveLearningLoop(
        make_pipeline(StandardScaler(), to_float, net),
        BALDSelector(n_members=4),
        budget=15,
        batch_size=5,
        classes=[0, 1, 2],
        random_state=0,
    )
    picks = loop.fit(X, y).labeled_indices_
    np.testing.assert_array_equal(clone(loop).fit(X, y).labeled_indices_, picks)
    assert loop.history_[-1]["selected_by"] == "BALDSelector"


# Mistakes


@pytest.mark.parametrize(
    "params, message",
    [
        ({"strategy": "batch"}, "'greedy', 'top'"),
        ({"n_members": 1}, "n_members == 1, must be an int >= 2"),
        ({"max_configurations": 0}, "max_configurations == 0"),
        ({"estimator": "committee"}, "must be one of 'precomputed'"),
        ({"estimator": [LogisticRegression()]}, "at least two classifiers"),
        (
            {"estimator": [LogisticRegression(), FrozenEstimator(LogisticRegression())]},
            "all fitted and wrapped in FrozenEstimator",
        ),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        BALDSelector(1, **params).fit(np.eye(4))


def test_precomputed_needs_three_dimensions():
    with pytest.raises(ValueError, match=re.escape("(n_samples, n_members, n_classes)")):
        precomputed(1).fit(np.eye(4))
    with pytest.raises(ValueError, match="sum to 1"):
        precomputed(1).fit(np.ones((4, 3, 2)))


def test_models_without_members():
    X, y = problem()
    for model in (LogisticRegression(), AdaBoostClassifier(n_estimators=3)):
        with pytest.raises(TypeError, match="compares the members of an ensemble"):
            BALDSelector(1).fit(X, y, labeled=[0], estimator=model.fit(X, y))


def test_nets_without_dropout():
    net = fitted_net()
    net.module_.layers[3] = nn.Dropout(0.0)
    X, y = problem()
    with pytest.raises(ValueError, match="no dropout modules"):
        BALDSelector(1).fit(X.astype(np.float32), y, labeled=[0], estimator=net)
