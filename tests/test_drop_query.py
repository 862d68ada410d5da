"""DropQuery: copies of rows with dropped features, against a loop over rows and copies."""

import numpy as np
import pytest
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skactive import ActiveLearningLoop, ALFAMixSelector, DropQuerySelector
from skactive.exceptions import ColdStartWarning
from tests.networks import any_width_net, conv_classifier, images, three_classes
from tests.reference.drop_query import candidates
from tests.strategies import pools


def make_problem(n_samples=120, n_classes=3, n_features=8):
    return make_classification(
        n_samples, n_features=n_features, n_informative=5, n_classes=n_classes, random_state=0
    )


MODELS = [
    LogisticRegression(),
    make_pipeline(StandardScaler(), LogisticRegression()),
    GaussianNB(),
    RandomForestClassifier(7, random_state=0),
]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_candidates_are_those_of_the_loop(model, n_classes):
    X, y = make_problem(n_classes=n_classes)
    model.fit(X[:40], y[:40])
    for rate, n_copies in ((0.75, 3), (0.4, 2), (0.5, 5)):
        selector = DropQuerySelector(
            6,
            estimator=FrozenEstimator(model),
            dropout_rate=rate,
            n_dropout_samples=n_copies,
            random_state=3,
        ).fit(X, y, labeled=range(40))
        expected = candidates(X, range(40), model.predict, rate, n_copies, np.random.RandomState(3))
        np.testing.assert_array_equal(selector.candidate_indices_, expected)
        assert 0 < len(expected) < 80
        n_found = min(6, len(expected))
        assert np.isin(selector.indices_[:n_found], expected).all()
        assert selector.scores_.sum() == len(expected)


@settings(max_examples=60)
@given(
    X=pools(min_rows=4),
    rate=st.sampled_from([0.1, 0.5, 0.75]),
    n_copies=st.integers(1, 4),
    memory=st.sampled_from([1e-4, 1.0]),
)
def test_candidates_do_not_depend_on_chunks(X, rate, n_copies, memory):
    rng = np.random.default_rng(0)
    model = LogisticRegression()
    model.classes_ = np.arange(3)
    model.coef_, model.intercept_ = rng.normal(size=(3, X.shape[1])), rng.normal(size=3)
    by = {"dropout_rate": rate, "n_dropout_samples": n_copies, "random_state": 5}
    selector = DropQuerySelector(2, estimator=FrozenEstimator(model), **by)
    with sklearn.config_context(working_memory=memory):
        selector.fit(X, np.zeros(len(X), dtype=int), labeled=[1])
    expected = candidates(
        X.astype(np.float64), [1], model.predict, rate, n_copies, np.random.RandomState(5)
    )
    np.testing.assert_array_equal(selector.candidate_indices_, expected)


def test_linear_models_need_not_predict_the_copies(monkeypatch):
    """Products of matrices find the same candidates as the classifier's own predictions."""
    X, y = make_problem()
    model = make_pipeline(StandardScaler(), LogisticRegression())
    by = {"estimator": model, "random_state": 0}
    fast = DropQuerySelector(10, **by).fit(X, y, labeled=range(40))
    monkeypatch.setattr("skactive.selection._head_selector.linear_head", lambda model: None)
    slow = DropQuerySelector(10, **by).fit(X, y, labeled=range(40))
    np.testing.assert_array_equal(fast.candidate_indices_, slow.candidate_indices_)
    np.testing.assert_array_equal(fast.indices_, slow.indices_)


def test_models_from_outside_read_what_they_were_fitted_to():
    pandas = pytest.importorskip("pandas")
    X, y = make_problem()
    frame = pandas.DataFrame(X, columns=list("abcdefgh"))
    model = RandomForestClassifier(7, random_state=0)
    by_frame = DropQuerySelector(5, random_state=0)
    by_frame.fit(frame, y, labeled=range(40), estimator=model.fit(frame[:40], y[:40]))
    by_array = DropQuerySelector(5, random_state=0)
    by_array.fit(X, y, labeled=range(40), estimator=model.fit(X[:40], y[:40]))
    np.testing.assert_array_equal(by_frame.indices_, by_array.indices_)
    fitted_here = DropQuerySelector(5, estimator=model, random_state=0)
    fitted_here.fit(X.astype(np.float32), y, labeled=range(40))
    assert len(fitted_here.indices_) == 5


def test_models_of_other_inputs_are_refused():
    X, y = make_problem()
    forest = RandomForestClassifier(7, random_state=0).fit(X, y)
    selector = DropQuerySelector(estimator=FrozenEstimator(forest), embedding=StandardScaler())
    selector.set_params(embedding=make_pipeline(StandardScaler(), _First(3)))
    with pytest.raises(TypeError, match="changes the 3 features of"):
        selector.fit(X, y, labeled=range(40))


def test_models_of_inputs_as_wide_as_the_features_are_refused():
    X, y = make_problem()
    model = LogisticRegression().fit(10 * X, y)
    selector = DropQuerySelector(embedding=StandardScaler(), random_state=0)
    with pytest.raises(TypeError, match="the model reads X"):
        selector.fit(10 * X, y, labeled=range(40), estimator=model)


class _First(StandardScaler):
    """The first columns."""

    def __init__(self, n_columns=1):
        super().__init__()
        self.n_columns = n_columns

    def transform(self, X):
        return X[:, : self.n_columns]


def test_seeds_decide_the_masks():
    X, y = make_problem()
    found = {
        tuple(
            DropQuerySelector(5, random_state=seed).fit(X, y, labeled=range(40)).candidate_indices_
        )
        for seed in (0, 0, 1, 2)
    }
    assert len(found) == 3


def test_certain_models_leave_random_picks():
    X, y = make_problem()
    model = LogisticRegression().fit(X, y)
    model.coef_ = np.zeros_like(model.coef_)
    selector = DropQuerySelector(5, estimator=FrozenEstimator(model), random_state=0)
    selector.fit(X, y, labeled=range(100))
    assert len(selector.candidate_indices_) == 0
    assert len(set(selector.indices_)) == 5
    assert (selector.indices_ >= 100).all()


def test_candidates_of_networks_are_those_of_their_last_layer():
    X, y = make_problem()
    X = X.astype(np.float32)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 10), nn.ReLU(), nn.Linear(10, 3))
    with torch.no_grad():
        features = network[:2](torch.from_numpy(X)).numpy().astype(np.float64)
    weight, bias = (p.detach().double().numpy() for p in network[2].parameters())
    expected = candidates(
        features,
        range(40),
        lambda rows: (rows @ weight.T + bias).argmax(1),
        0.75,
        3,
        np.random.RandomState(1),
    )
    for selector, handed in (
        (DropQuerySelector(6, network=network, random_state=1), None),
        (DropQuerySelector(6, random_state=1), network),
    ):
        selector.fit(X, y, labeled=range(40), estimator=handed)
        np.testing.assert_array_equal(selector.candidate_indices_, expected)


@pytest.mark.parametrize("selector", [DropQuerySelector, ALFAMixSelector])
@pytest.mark.parametrize("seed", [1, 9, 11])
def test_batches_of_a_network_do_not_matter(selector, seed):
    """Rows of equal inputs, fewer than picks, get features that are equal to rounding only."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh())
    network.append(nn.Linear(16, 3))
    X = np.sign(np.random.default_rng(seed).normal(size=(30, 4))).astype(np.float32)
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    picks = []
    for memory in (1e-4, 5e-4, 2e-3, 1024):
        with sklearn.config_context(working_memory=memory):
            fitted = selector(6, network=network, random_state=0)
            picks.append(fitted.fit(X, y, labeled=[2, 5, 11, 17, 23, 28]).indices_)
        np.testing.assert_array_equal(picks[-1], picks[0])


def test_nets_to_be_fitted_read_the_features():
    X, y = make_problem()
    net = any_width_net(max_epochs=3)
    selector = DropQuerySelector(6, estimator=net, random_state=0).fit(X, y, labeled=range(40))
    assert len(set(selector.indices_)) == 6
    assert not net.initialized_


def test_loop_around_a_network():
    X = images(60)
    loop = ActiveLearningLoop(
        conv_classifier(), DropQuerySelector(), budget=20, batch_size=10, random_state=0
    )
    loop.fit(X, three_classes(X))
    assert len(set(loop.labeled_indices_)) == 20


def test_cold_start_is_random():
    X, _ = make_problem()
    with pytest.warns(ColdStartWarning, match="DropQuerySelector"):
        selector = DropQuerySelector(7, random_state=0).fit(X)
    assert len(set(selector.indices_)) == 7
    assert len(selector.candidate_indices_) == 0


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"dropout_rate": 0}, ValueError),
        ({"dropout_rate": 1.0}, ValueError),
        ({"dropout_rate": np.nan}, ValueError),
        ({"dropout_rate": "0.5"}, TypeError),
        ({"dropout_rate": True}, TypeError),
        ({"n_dropout_samples": 0}, ValueError),
        ({"n_dropout_samples": 2.5}, TypeError),
        ({"n_dropout_samples": True}, TypeError),
    ],
)
def test_bad_parameters(params, error):
    with pytest.raises(error, match=next(iter(params))):
        DropQuerySelector(**params).fit(np.eye(3))
