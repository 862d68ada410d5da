"""The loop around networks: the model of the round before, warm starts, seeds; the shorthand."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

from skactive import (
    ActiveFTSelector,
    ActiveLearningLoop,
    CoreSetSelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
    VTLSelector,
)
from skactive._seeds import RANDOM_PICKS, TRAINING, Seeds
from skactive.embedding import NetworkEmbedding
from tests.networks import (
    AnyWidth,
    ConvNet,
    assert_untouched,
    conv_classifier,
    fitted_classifier,
    images,
    state_of,
    three_classes,
)

X = images(60)
Y = three_classes(X)
SHORTHAND = [
    ITLSelector(5),
    VTLSelector(5),
    CoreSetSelector(5, random_state=0),
    ActiveFTSelector(5, max_iter=5, random_state=0),
    MLMOCSelector(5),
]


def conv_net():
    torch.manual_seed(0)
    return ConvNet()


def on_features(selector, features, **fit_params):
    return clone(selector).fit(features, Y, labeled=[1, 2, 3], **fit_params)


# The shorthand


@pytest.mark.parametrize("selector", SHORTHAND, ids=lambda selector: type(selector).__name__)
def test_the_shorthand_selects_on_the_features(selector):
    net = conv_net()
    features = NetworkEmbedding(net).fit_transform(X)
    plain = on_features(selector, features)
    before = state_of(net)
    for params in (
        {"network": net, "embedding": "last_layer"},
        {"network": net, "embedding": NetworkEmbedding()},
        {"embedding": NetworkEmbedding(net)},
        {"embedding": FrozenEstimator(NetworkEmbedding(net).fit(X))},
    ):
        short = clone(selector).set_params(**params).fit(X, Y, labeled=[1, 2, 3])
        np.testing.assert_array_equal(short.indices_, plain.indices_)
        np.testing.assert_allclose(short.transform(X), plain.transform(features))
        np.testing.assert_array_equal(short.represent(X), plain.represent(features))
    assert_untouched(net, before)


@pytest.mark.parametrize("selector", SHORTHAND[:4], ids=lambda selector: type(selector).__name__)
def test_a_network_alone_means_its_last_layer(selector):
    net = conv_net()
    plain = on_features(selector, NetworkEmbedding(net).fit_transform(X))
    short = clone(selector).set_params(network=net).fit(X, Y, labeled=[1, 2, 3])
    np.testing.assert_array_equal(short.indices_, plain.indices_)


def test_targets_pass_the_same_network():
    embedding = NetworkEmbedding(conv_net()).fit(X)
    short = ITLSelector(5, embedding=embedding).fit(X, X_target=X[:4])
    plain = ITLSelector(5).fit(embedding.transform(X), X_target=embedding.transform(X[:4]))
    np.testing.assert_array_equal(short.indices_, plain.indices_)


def test_any_transformer_is_an_embedding():
    rows = X.reshape(len(X), -1)
    short = CoreSetSelector(5, embedding=PCA(3, random_state=0)).fit(rows)
    plain = CoreSetSelector(5).fit(PCA(3, random_state=0).fit_transform(rows))
    np.testing.assert_array_equal(short.indices_, plain.indices_)
    assert isinstance(short.embedding_, PCA)


def test_a_kind_without_a_network_takes_the_estimator():
    net = fitted_classifier()
    short = CoreSetSelector(5, embedding="logits").fit(X, estimator=net)
    plain = CoreSetSelector(5).fit(NetworkEmbedding(net, kind="logits").fit_transform(X))
    np.testing.assert_array_equal(short.indices_, plain.indices_)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"embedding": "logits"}, NotFittedError, "network is None"),
        ({"embedding": "layer"}, ValueError, "kind == 'layer'"),
        ({"embedding": 3}, TypeError, "embedding == 3, must be None, a kind"),
        ({"network": nn.Flatten(), "embedding": PCA()}, ValueError, "takes no network"),
        (
            {"network": conv_net(), "embedding": NetworkEmbedding(conv_net())},
            ValueError,
            "given twice",
        ),
        ({"network": LogisticRegression()}, TypeError, "must be a skorch net"),
        ({"network": conv_classifier()}, NotFittedError, "is not fitted"),
    ],
)
def test_errors_of_the_shorthand(params, error, message):
    params = {name: value for name, value in params.items() if value is not None}
    if params.get("embedding") == "layer":
        params["network"] = conv_net()
    with pytest.raises(error, match=message):
        CoreSetSelector(5, **params).fit(X)


def test_images_are_drawn_at_random_as_they_are():
    rows = X.reshape(60, -1)
    drawn, plain = RandomSelector(5, random_state=0).fit(X), RandomSelector(5, random_state=0)
    np.testing.assert_array_equal(drawn.indices_, plain.fit(rows).indices_)
    np.testing.assert_array_equal(drawn.transform(X[:4]), plain.transform(rows[:4]))
    np.testing.assert_array_equal(drawn.represent(X), plain.represent(rows))


# The model of the round before


class Recording(NetworkEmbedding):
    """Notes what the network knew when features were made."""

    log = []

    def fit(self, X, y=None, *, estimator=None):
        super().fit(X, y, estimator=estimator)
        Recording.log.append(self.transform(X))
        return self


def trained(rows, seed):
    torch.manual_seed(seed)
    return conv_classifier().fit(X[rows], Y[rows])


@pytest.mark.parametrize("in_pipeline", [True, False])
def test_embeddings_follow_the_network_of_the_round_before(in_pipeline, monkeypatch):
    monkeypatch.setattr(Recording, "log", [])
    selector = (
        make_pipeline(Recording(), CoreSetSelector())
        if in_pipeline
        else CoreSetSelector(embedding=Recording())
    )
    loop = ActiveLearningLoop(conv_classifier(), selector, budget=30, batch_size=10, random_state=0)
    loop.fit(X, Y)
    assert [entry["selected_by"] for entry in loop.history_] == [
        "random",
        "CoreSetSelector",
        "CoreSetSelector",
    ]
    assert len(Recording.log) == 2
    assert not np.allclose(Recording.log[0], Recording.log[1])
    # The second batch, by hand: the network of the first round, trained on its ten labels.
    seeds = Seeds(0)
    first = seeds.of(RANDOM_PICKS, 1).choice(np.arange(60), 10, replace=False)
    np.testing.assert_array_equal(loop.labeled_indices_[:10], first)
    net = trained(first, seeds.of(TRAINING, len(first)).randint(np.iinfo(np.int32).max))
    features = NetworkEmbedding(net).fit_transform(X)
    np.testing.assert_allclose(Recording.log[0], features, rtol=1e-5)


def test_an_embedding_with_a_network_of_its_own_does_not_follow(monkeypatch):
    monkeypatch.setattr(Recording, "log", [])
    pipe = make_pipeline(Recording(conv_net()), CoreSetSelector())
    loop = ActiveLearningLoop(conv_classifier(), pipe, budget=20, batch_size=10, random_state=0)
    loop.fit(X, Y)
    assert len(Recording.log) == 1  # computed once for all rounds
    assert [entry["selected_by"] for entry in loop.history_] == ["CoreSetSelector"] * 2


def test_the_first_batch_by_an_initial_selector():
    first = make_pipeline(NetworkEmbedding(conv_net()), CoreSetSelector())
    loop = ActiveLearningLoop(
        conv_classifier(),
        ITLSelector(embedding="last_layer"),
        init_selector=first,
        budget=20,
        batch_size=10,
    )
    loop.fit(X, Y)
    expected = CoreSetSelector(10).fit(NetworkEmbedding(conv_net()).fit_transform(X)).indices_
    np.testing.assert_array_equal(loop.labeled_indices_[:10], expected)
    assert [entry["selected_by"] for entry in loop.history_] == ["CoreSetSelector", "ITLSelector"]


def test_pipelines_around_the_net_of_the_loop():
    rows = np.random.RandomState(0).standard_normal((60, 4)).astype(np.float32) * 50
    net = NeuralNetClassifier(
        AnyWidth, criterion=nn.CrossEntropyLoss, max_epochs=2, verbose=0, train_split=None
    )
    loop = ActiveLearningLoop(
        make_pipeline(StandardScaler(), net),
        ITLSelector(embedding="logits"),
        budget=20,
        batch_size=10,
        random_state=0,
    )
    loop.fit(rows, np.arange(60) % 3)
    assert loop.history_[1]["selected_by"] == "ITLSelector"
    features = loop.selector_.embedding_.transform(rows)
    assert features.shape == (60, 3)


def test_frozen_networks_survive_the_loops_clones():
    net = fitted_classifier()
    loop = ActiveLearningLoop(
        conv_classifier(), CoreSetSelector(network=FrozenEstimator(net)), budget=20, batch_size=10
    )
    expected = CoreSetSelector(10).fit(NetworkEmbedding(net).fit_transform(X)).indices_
    np.testing.assert_array_equal(loop.fit(X, Y).labeled_indices_[:10], expected)
    loop.set_params(selector__network=net)
    with pytest.raises(NotFittedError, match=r"FrozenEstimator\(net\)"):
        loop.fit(X, Y)


# Searches


@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
def test_grids_over_the_networks_parameters():
    rows = X.reshape(60, -1)
    net = NeuralNetClassifier(
        Hidden, criterion=nn.CrossEntropyLoss, max_epochs=3, verbose=0, train_split=None
    )
    loop = ActiveLearningLoop(
        net, CoreSetSelector(embedding="last_layer"), budget=20, batch_size=10, random_state=0
    )
    grid = {"estimator__lr": [1e-9, 0.1], "estimator__module__hidden": [4, 16]}
    search = GridSearchCV(loop, grid, cv=2, error_score="raise").fit(rows, Y)
    best = search.best_estimator_
    assert best.estimator_.lr == search.best_params_["estimator__lr"]
    assert (
        best.estimator_.module_.layers[0].out_features
        == (search.best_params_["estimator__module__hidden"])
    )
    width = best.selector_.embedding_.transform(rows).shape[1]
    assert width == search.best_params_["estimator__module__hidden"]


class Hidden(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 3))

    def forward(self, X):
        return self.layers(X)


# Seeds and warm starts


def test_the_loops_seed_is_the_networks():
    def curve(seed):
        loop = ActiveLearningLoop(
            conv_classifier(),
            CoreSetSelector(embedding="last_layer"),
            budget=30,
            batch_size=10,
            random_state=seed,
        )
        before = torch.get_rng_state()
        loop.fit(X, Y)
        assert torch.equal(torch.get_rng_state(), before)
        return loop.predict_proba(X)

    torch.manual_seed(1)
    first = curve(0)
    np.testing.assert_array_equal(first, curve(0))
    assert not np.allclose(first, curve(1))


def test_warm_starts_go_on_training():
    loop = ActiveLearningLoop(
        conv_classifier(), RandomSelector(), budget=30, batch_size=10, random_state=0
    )
    fresh = loop.fit(X, Y).estimator_
    assert [row["epoch"] for row in fresh.history] == [1, 2]
    warm = loop.set_params(warm_start=True).fit(X, Y).estimator_
    assert [row["epoch"] for row in warm.history] == [1, 2, 3, 4, 5, 6]
    assert not loop.estimator.initialized_ and not loop.estimator.warm_start
    again = loop.fit(X, Y).estimator_  # a new fit starts afresh
    np.testing.assert_array_equal(again.predict_proba(X), warm.predict_proba(X))


def test_the_model_a_selector_saw_is_not_trained_further():
    selector = CoreSetSelector(embedding="last_layer")
    loop = ActiveLearningLoop(
        conv_classifier(), selector, budget=20, batch_size=10, random_state=0, warm_start=True
    )
    loop.fit(X, Y)
    assert loop.selector_.embedding_.network_ is not loop.estimator_
    assert len(loop.selector_.embedding_.network_.history) == 2


class Counting(LogisticRegression):
    """Counts how often one object was fitted."""

    def fit(self, X, y):
        self.n_fits_ = getattr(self, "n_fits_", 0) + 1
        return super().fit(X, y)


def test_warm_starts_of_other_estimators():
    rows = X.reshape(60, -1)
    pipe = Pipeline([("scale", StandardScaler()), ("model", Counting(max_iter=1000))])
    loop = ActiveLearningLoop(pipe, RandomSelector(), budget=30, batch_size=10, random_state=0)
    assert loop.fit(rows, Y).estimator_[-1].n_fits_ == 1
    loop.set_params(warm_start=True)
    assert loop.fit(rows, Y).estimator_[-1].n_fits_ == 3
    assert loop.fit(rows, Y).estimator_[-1].n_fits_ == 3  # another fit starts from nothing
    assert loop.estimator_[-1].warm_start and not pipe[-1].warm_start


@pytest.mark.parametrize(
    ("estimator", "warm_start", "error", "message"),
    [
        (LogisticRegression(), 1, TypeError, "warm_start == 1, must be True or False"),
        (KNeighborsClassifier(), True, ValueError, "has no parameter warm_start"),
        (make_pipeline(PCA(), KNeighborsClassifier()), True, ValueError, "no parameter warm_start"),
    ],
)
def test_what_cannot_start_warm(estimator, warm_start, error, message):
    with pytest.raises(error, match=message):
        ActiveLearningLoop(estimator, warm_start=warm_start).fit(X.reshape(60, -1), Y)
