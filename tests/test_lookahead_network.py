"""MLMOCSelector with a network against retraining the linearized network, and real training."""

import copy
import pickle
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNet, NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from torch import nn
from torch.utils.data import TensorDataset

from skactive import ActiveLearningLoop, MLMOCSelector, _memory
from skactive._linearized_retrain import linearized_retrain
from skactive.embedding import NetworkEmbedding
from tests.networks import assert_untouched, conv_classifier, fitted_classifier, images, state_of
from tests.networks import three_classes as classes_of_images
from tests.reference import lookahead_network as reference

KINDS = ["pntk", "diagonal", "full"]
CRITERIA = ["output_change", "expected_output_change", "expected_error"]
ROWS = {"none": [], "one": [3], "some": [1, 5, 9, 14]}


def mlp(n_outputs=3, *, width=6, n_features=4, seed=0, last=None):
    torch.manual_seed(seed)
    layers = [nn.Linear(n_features, width), nn.Tanh(), nn.Linear(width, n_outputs)]
    return nn.Sequential(*layers, *([last] if last else [])).double()


def pool(n=24, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def fitted(kind, module, **params):
    """A skorch net around a module as it is."""
    net = kind(module, verbose=0, **params)
    net.initialize()
    net.module_.load_state_dict(module.state_dict())
    return net


def binary_net(module):
    return fitted(NeuralNetBinaryClassifier, module)


LABELS = {
    # The network, y as passed to fit, the beliefs of the twin, y as its targets.
    "logits": lambda y: (mlp(), y, reference.Softmax(3), np.eye(3)[y]),
    "log probabilities": lambda y: (
        mlp(last=nn.LogSoftmax(dim=1)),
        y,
        reference.Softmax(3),
        np.eye(3)[y],
    ),
    "probabilities": lambda y: (
        mlp(last=nn.Softmax(dim=1)),
        y,
        reference.Shares(3),
        np.eye(3)[y],
    ),
    "a logit": lambda y: (mlp(1), y % 2, reference.Logit(), 2.0 * (y % 2)[:, None] - 1),
    "indicators": lambda y: (
        mlp(2),
        np.column_stack([y % 2, y // 2]),
        "indicators",
        2.0 * np.column_stack([y % 2, y // 2]) - 1,
    ),
    "a value": lambda y: (mlp(1), y - 0.3, "values", y[:, None] - 0.3),
    "values": lambda y: (
        mlp(2),
        np.column_stack([y - 0.3, y**2]),
        "values",
        np.column_stack([y - 0.3, y**2]),
    ),
}


def compare(X, labeled, budget, *, kind, labels, criterion, sequential, ratio=0.1, seed=0):
    """Fit the selector and its slow twin; picks and scores have to agree."""
    if (kind, labels) == ("pntk", "probabilities"):
        return  # refused
    y = np.random.default_rng(seed).integers(0, 3, len(X))
    network, y, beliefs, targets = LABELS[labels](y)
    selector = MLMOCSelector(
        budget,
        network=network,
        ntk=kind,
        noise_ratio=ratio,
        criterion=criterion,
        sequential=sequential,
    )
    spoiled = y.astype(object)
    spoiled[np.setdiff1d(np.arange(len(X)), labeled)] = None
    if labels == "indicators" and not len(labeled):
        beliefs, targets = reference.Softmax(2), np.empty((len(X), 2))  # nobody says otherwise
    if labels == "values" and not len(labeled):
        network = selector.network = fitted(NeuralNetRegressor, network)
    if labels == "a logit" and not len(labeled):
        network = selector.network = binary_net(network)
    selector.fit(X, spoiled, labeled=labeled)
    K, f = dense(network, X, kind)
    noise = ratio * reference.mean_variance(K)
    picks, scores = reference.select(
        beliefs, criterion, K, f, labeled, targets[labeled], noise, budget, sequential=sequential
    )
    np.testing.assert_allclose(selector.noise_variance_, noise)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.scores_, scores, rtol=1e-8, atol=1e-10 * abs(scores[0]))


def dense(network, X, kind):
    """Kernel and outputs by plain autograd."""
    module = getattr(network, "module_", network)
    inputs = torch.as_tensor(X)
    K = reference.tangent_kernel(reference.jacobian(module, inputs), kind)
    return K, module(inputs).detach().numpy()


# Against the twin ----------------------------------------------------------------------------


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labeled", ROWS.values(), ids=ROWS)
def test_picks_equal_retraining(labeled, kind, criterion, sequential):
    case = {"criterion": criterion, "sequential": sequential}
    compare(pool(), labeled, 4, kind=kind, labels="logits", **case)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", list(LABELS)[1:])
def test_labels_equal_retraining(labels, kind, criterion):
    for labeled in ROWS.values():
        for sequential in (False, True):
            case = {"criterion": criterion, "sequential": sequential}
            compare(
                pool(12, seed=1),
                [row for row in labeled if row < 12],
                3,
                kind=kind,
                labels=labels,
                **case,
            )


@given(
    n=st.integers(3, 12),
    repeats=st.integers(1, 3),
    labels=st.sampled_from(list(LABELS)),
    kind=st.sampled_from(KINDS),
    criterion=st.sampled_from(CRITERIA),
    sequential=st.booleans(),
    ratio=st.sampled_from([0.01, 0.1, 1.0]),
    seed=st.integers(0, 2**16),
    data=st.data(),
)
@settings(max_examples=60)
def test_any_problem_equals_retraining(n, repeats, data, seed, **case):
    X = np.repeat(pool(n, seed=seed), repeats, axis=0)
    rows = st.lists(st.integers(0, len(X) - 1), max_size=len(X) - 1, unique=True)
    labeled = data.draw(rows, label="labeled")
    budget = data.draw(st.integers(1, min(4, len(X) - len(labeled))), label="budget")
    compare(X, labeled, budget, seed=seed, **case)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("kind", KINDS)
def test_the_subsample_is_scored_and_summed_over(kind, criterion):
    X, labeled = pool(), [1, 5, 9]
    y = np.random.default_rng(0).integers(0, 3, len(X))
    K, f = dense(mlp(), X, kind)
    for sequential in (False, True):
        selector = MLMOCSelector(
            3,
            network=mlp(),
            ntk=kind,
            criterion=criterion,
            sequential=sequential,
            n_candidates=7,
            n_reference=9,
            random_state=0,
        ).fit(X, y, labeled=labeled)
        rng = np.random.RandomState(0)
        unlabeled = np.setdiff1d(np.arange(len(X)), labeled)
        candidates, order = rng.permutation(unlabeled)[:7], rng.permutation(unlabeled)
        known, Y, current = list(labeled), list(np.eye(3)[y[labeled]]), f
        noise = selector.noise_variance_
        np.testing.assert_allclose(noise, 0.1 * reference.mean_variance(K))
        best = []
        for step in range(3):
            U = [row for row in order if row not in known][:9]
            case = criterion, K, f, current, known, Y, noise, U
            left = [x for x in candidates if x not in selector.indices_[:step]]
            scores = {x: reference.score(reference.Softmax(3), *case, x) for x in left}
            best.append(max(left, key=scores.get))
            np.testing.assert_allclose(selector.scores_[step], scores[best[-1]], rtol=1e-8)
            if sequential:
                label = reference.most_likely(reference.Softmax(3), current, None, best[-1])
                known, Y = [*known, best[-1]], [*Y, label]
                current = reference.retrain(K, f, known, Y, noise)
        np.testing.assert_array_equal(selector.indices_, best)


@pytest.mark.parametrize("kind", KINDS)
def test_a_convolutional_net_in_float32_is_close_to_the_twin(kind):
    net, X, labeled = fitted_classifier(), images(30, seed=1), [0, 4, 8]
    y = classes_of_images(X)
    module = copy.deepcopy(net.module_).double().eval()
    K, f = dense(module, X.astype(np.float64), kind)
    for criterion in CRITERIA:
        selector = MLMOCSelector(27, network=FrozenEstimator(net), ntk=kind, criterion=criterion)
        selector.fit(X, y, labeled=labeled)
        noise, U = selector.noise_variance_, np.setdiff1d(np.arange(30), labeled)
        case = reference.Softmax(3), criterion, K, f, f, labeled, np.eye(3)[y[labeled]], noise, U
        scores = [reference.score(*case, x) for x in selector.indices_]
        np.testing.assert_allclose(selector.scores_, scores, rtol=1e-4)


# Invariances ---------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("kind", KINDS)
def test_chunks_and_threads_decide_nothing(kind, criterion):
    X = np.repeat(images(16, seed=2), 3, axis=0)
    y = classes_of_images(X)
    net = fitted_classifier().module_
    selector = MLMOCSelector(6, network=net, ntk=kind, criterion=criterion)
    expected = selector.fit(X, y, labeled=[0, 10, 21]).indices_.copy()
    n_threads = torch.get_num_threads()
    for mebibytes, threads in ((1024, 2), (0.1, 1)):
        try:
            torch.set_num_threads(threads)
            with config_context(working_memory=mebibytes):
                picks = selector.fit(X, y, labeled=[0, 10, 21]).indices_
        finally:
            torch.set_num_threads(n_threads)
        np.testing.assert_array_equal(picks, expected)
    # Of copies that tie, the lowest row comes first.
    for copies in (expected[expected // 3 == image] for image in np.unique(expected // 3)):
        left = np.setdiff1d(np.arange(3) + copies[0] // 3 * 3, [0, 10, 21])
        np.testing.assert_array_equal(copies, left[: len(copies)])


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_smaller_budgets_give_the_first_picks(criterion, sequential):
    X = pool()
    y = np.random.default_rng(0).integers(0, 3, len(X))
    for sizes in ({}, {"n_candidates": 12, "n_reference": 9, "random_state": 3}):
        selector = MLMOCSelector(network=mlp(), criterion=criterion, sequential=sequential, **sizes)
        picks = [
            clone(selector).set_params(budget=budget).fit_select(X, y, labeled=[0, 1])
            for budget in (8, 3)
        ]
        np.testing.assert_array_equal(picks[1], picks[0][:3])


def test_a_network_that_has_learned_the_labels_is_not_surprised_by_them():
    # Where the residuals at the labeled rows are 0, they act through the kernel alone.
    network, X = mlp(2), pool()
    values = network(torch.as_tensor(X)).detach().numpy()
    selector = MLMOCSelector(1, network=network, ntk="full").fit(X, values, labeled=[1, 5, 9])
    K, f = dense(network, X, "full")
    noise = selector.noise_variance_
    changes = [
        np.sqrt(
            (
                reference.variances(K, [1, 5, 9], noise)
                - reference.variances(K, [1, 5, 9, x], noise)
            ).sum(1)
        )[np.setdiff1d(np.arange(24), [1, 5, 9])].sum()
        for x in range(24)
    ]
    np.testing.assert_allclose(selector.scores_[0], changes[selector.indices_[0]])


def test_the_network_is_left_as_it_was():
    net = fitted_classifier()
    net.module_.train()
    before = state_of(net.module_)
    X = images(20, seed=1)
    for kind in KINDS:
        for sequential in (False, True):
            selector = MLMOCSelector(3, network=net.module_, ntk=kind, sequential=sequential)
            selector.fit(X, classes_of_images(X), labeled=[0, 1])
    linearized_retrain(net, None, None, X[:3], [0, 1, 2], X)
    assert_untouched(net.module_, before)


# Labels --------------------------------------------------------------------------------------


def picks_of(network, y, labeled=(1, 5, 9), **params):
    selector = MLMOCSelector(4, network=network, **params)
    return selector.fit(pool(), y, labeled=list(labeled))


def test_kinds_of_nets_and_of_labels_agree():
    y = np.random.default_rng(0).integers(0, 3, 24)
    expected = picks_of(mlp(), y)
    np.testing.assert_array_equal(expected.classes_, [0, 1, 2])
    classifier = partial(fitted, NeuralNetClassifier, mlp(), criterion=nn.CrossEntropyLoss)
    named = np.array(["a", "b", "c"])
    for network, labels in (
        (mlp(), y.astype(float)),
        (mlp(), torch.tensor(y)),
        (mlp(), y[:, None]),
        (fitted(NeuralNet, mlp(), criterion=nn.CrossEntropyLoss), y),
        (classifier(classes=[0, 1, 2]), y),
        (classifier(classes=[0, 2]), y),  # one class not seen yet
        (FrozenEstimator(classifier(classes=[0, 1, 2])), y),
        (classifier(classes=named), named[y]),
    ):
        selector = picks_of(network, labels)
        np.testing.assert_array_equal(selector.indices_, expected.indices_)
        np.testing.assert_allclose(selector.scores_, expected.scores_)
    np.testing.assert_array_equal(selector.classes_, named)


def test_binary_nets_agree():
    y = np.random.default_rng(0).integers(0, 2, 24)
    expected = picks_of(mlp(1), y)
    np.testing.assert_array_equal(expected.classes_, [0, 1])
    np.testing.assert_array_equal(picks_of(binary_net(mlp(1)), y).indices_, expected.indices_)
    np.testing.assert_array_equal(picks_of(mlp(1), y.astype(bool)).indices_, expected.indices_)


def test_probabilities_of_a_binary_net_have_targets_0_and_1():
    y = np.random.default_rng(0).integers(0, 2, 24)
    module = mlp(1, last=nn.Sigmoid())
    net = fitted(NeuralNetBinaryClassifier, module, criterion=nn.BCELoss)
    selector = picks_of(net, y)
    K, f = dense(module, pool(), "pntk")
    after = reference.retrain(
        K,
        f,
        [1, 5, 9, *selector.indices_[:1]],
        [*y[[1, 5, 9], None], np.round(f[selector.indices_[0]])],
        selector.noise_variance_,
    )
    U = np.setdiff1d(np.arange(24), [1, 5, 9])
    np.testing.assert_allclose(selector.scores_[0], abs(after - f)[U].sum())


class Sharp(reference.Softmax):
    def probabilities(self, f):
        return super().probabilities(2 * f)


@pytest.mark.parametrize("criterion", CRITERIA[1:])
def test_probabilities_of_a_net_with_a_rule_of_its_own(criterion):
    X, y, labeled = pool(), np.random.default_rng(0).integers(0, 3, 24), [1, 5, 9]
    net = fitted(
        NeuralNetClassifier,
        mlp(),
        criterion=nn.CrossEntropyLoss,
        predict_nonlinearity=lambda outputs: (2 * outputs).softmax(1),
        classes=[0, 1, 2],
    )
    selector = picks_of(net, y, labeled=labeled, criterion=criterion)
    K, f = dense(mlp(), X, "pntk")
    known = np.eye(3)[y[labeled]]
    noise = selector.noise_variance_
    picks, scores = reference.select(Sharp(3), criterion, K, f, labeled, known, noise, 4)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.scores_, scores)


def test_regression_targets_of_a_regressor_are_never_classes():
    net = fitted(NeuralNetRegressor, mlp(1))
    y = np.random.default_rng(0).integers(0, 2, 24)
    selector = picks_of(net, y)
    assert not hasattr(selector, "classes_")
    np.testing.assert_allclose(selector.scores_, picks_of(net, y.astype(float)).scores_)


@pytest.mark.parametrize(
    ("network", "y", "message"),
    [
        (mlp(), np.arange(24), r"classes of the network, \[0, 1, 2\]; got 5 in row 5"),
        (mlp(), np.full(24, "a"), "got 'a' in row 1"),
        (mlp(), np.arange(24) / 7, r"got 0\.14\d+ in row 1"),
        (mlp(), np.ones((24, 2)), "each of the network's 3 outputs.* got 2 columns"),
        (mlp(), np.ones((24, 3, 1)), r"got labels of shape \(3, 3, 1\)"),
        (mlp(1), np.full(24, "a"), "got 'a' in row 1"),
        (mlp(), np.where(np.arange(24) == 5, np.nan, 1), "got nan in row 5"),
        (fitted(NeuralNetRegressor, mlp(2)), np.zeros(24), "2 outputs; got one column"),
        (fitted(NeuralNetRegressor, mlp(1)), np.full(24, "a"), "must hold numbers"),
        (
            fitted(NeuralNetClassifier, mlp(), classes=[0, 1, 2]),
            np.full((24, 3), 0.5),
            "the network is a classifier",
        ),
        (fitted(NeuralNetClassifier, mlp(), classes=["a", "b"]), np.full(24, "a"), "3 classes"),
    ],
)
def test_labels_that_do_not_fit_the_network(network, y, message):
    with pytest.raises(ValueError, match=message):
        picks_of(network, y)


def test_nothing_labeled_needs_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        selector = MLMOCSelector(3, network=mlp()).fit(pool())
    np.testing.assert_array_equal(selector.classes_, [0, 1, 2])


# Inputs, features, plumbing ------------------------------------------------------------------


def test_inputs_of_all_kinds_give_the_same_picks():
    X = images(20, seed=1)
    y = classes_of_images(X)
    net = fitted_classifier()
    expected = MLMOCSelector(4, network=net.module_).fit(X, y, labeled=[0, 1]).indices_
    tensors = torch.tensor(X), torch.tensor(y)
    for inputs in (tensors[0], X.astype(np.float64), TensorDataset(*tensors)):
        picks = MLMOCSelector(4, network=net.module_).fit(inputs, y, labeled=[0, 1]).indices_
        np.testing.assert_array_equal(picks, expected)
    by_estimator = MLMOCSelector(4, ntk="pntk").fit(X, y, labeled=[0, 1], estimator=net)
    np.testing.assert_array_equal(by_estimator.indices_, expected)


def test_a_pipeline_is_a_network_of_its_raw_inputs():
    X, y = pool(), np.random.default_rng(0).integers(0, 3, 24)
    scaler = StandardScaler().fit(X)
    pipe = make_pipeline(scaler, fitted(NeuralNetClassifier, mlp(), classes=[0, 1, 2]))
    expected = MLMOCSelector(4, network=mlp()).fit(scaler.transform(X), y, labeled=[0, 1])
    for selector in (MLMOCSelector(4, network=FrozenEstimator(pipe)), MLMOCSelector(4, ntk="pntk")):
        selector.fit(X, y, labeled=[0, 1], estimator=pipe)
        np.testing.assert_array_equal(selector.indices_, expected.indices_)


def test_landmarks_are_features_of_the_last_layer():
    X, y = pool(), np.random.default_rng(0).integers(0, 3, 24)
    for params, kind in (
        ({}, "last_layer"),
        ({"ntk": "pntk", "embedding": "logits"}, "logits"),
    ):
        selector = MLMOCSelector(4, network=mlp(), **params).fit(X, y, labeled=[0, 1])
        features = NetworkEmbedding(mlp(), kind=kind).fit_transform(X)
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        np.testing.assert_allclose(selector.transform(X), unit @ unit[selector.indices_].T)
        assert selector.represent(X).shape == (24,)
        assert selector.indices_.tolist() == picks_of(mlp(), y, labeled=[0, 1]).indices_.tolist()


def test_features_without_direction_change_nothing():
    network = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 3)).double()
    nn.init.constant_(network[0].weight, -1.0)
    X = abs(pool())  # every unit is dead for most rows
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        selector = MLMOCSelector(3, network=network).fit(X, np.zeros(24), labeled=[0])
    assert len(selector.indices_) == 3


def test_an_embedding_without_ntk_means_its_features():
    X, y = pool(), np.random.default_rng(0).integers(0, 3, 24)
    features = NetworkEmbedding(mlp()).fit_transform(X)
    expected = MLMOCSelector(4).fit(features, y, labeled=[0, 1, 2])
    selector = MLMOCSelector(4, network=mlp(), embedding="last_layer")
    np.testing.assert_array_equal(selector.fit(X, y, labeled=[0, 1, 2]).indices_, expected.indices_)


def test_clone_and_pickle():
    X, y = pool(), np.random.default_rng(0).integers(0, 3, 24)
    selector = MLMOCSelector(4, network=mlp(), ntk="full", sequential=True)
    selector.fit(X, y, labeled=[0, 1])
    loaded = pickle.loads(pickle.dumps(selector))
    np.testing.assert_array_equal(loaded.indices_, selector.indices_)
    np.testing.assert_array_equal(loaded.transform(X), selector.transform(X))
    again = clone(selector).fit(X, y, labeled=[0, 1])
    np.testing.assert_array_equal(again.indices_, selector.indices_)


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_loop_the_network_is_that_of_the_round_before(kind):
    X = images(40)
    y = classes_of_images(X)
    loop = ActiveLearningLoop(
        conv_classifier(), MLMOCSelector(ntk=kind), budget=18, batch_size=6, random_state=0
    )
    loop.fit(X, y)
    assert [entry["selected_by"] for entry in loop.history_][1:] == ["MLMOCSelector"] * 2
    assert len(set(loop.labeled_indices_)) == 18
    by_hand = MLMOCSelector(6, ntk=kind)
    net = loop.selector_.embedding_.network_
    by_hand.fit(X, y, labeled=loop.labeled_indices_[:12], estimator=net)
    np.testing.assert_array_equal(by_hand.indices_, loop.labeled_indices_[12:])


class NaNs(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, X):
        return self.layer(X) * float("nan")


class Cube(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, X):
        return self.layer(X)[:, :, None]


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"ntk": "empirical"}, ValueError, "ntk == 'empirical', must be one of 'pntk', 'diag"),
        ({"ntk": "pntk"}, NotFittedError, "network is None"),
        ({"network": NeuralNetClassifier(mlp)}, NotFittedError, "not fitted"),
        ({"network": NaNs()}, ValueError, "outputs must be finite"),
        ({"network": Cube()}, ValueError, r"must return a tensor of shape"),
        ({"network": mlp(last=nn.Softmax(1))}, ValueError, "whose sum never changes. Choose ntk="),
    ],
)
def test_errors_of_the_network(params, error, message):
    with pytest.raises(error, match=message):
        MLMOCSelector(2, **params).fit(pool())


@pytest.mark.parametrize(
    ("params", "limit", "message"),
    [
        ({}, 8 * (2 * 5 * 295 + 3 * 25) - 1, "between 5 labeled and 295 other rows"),
        ({"ntk": "diagonal"}, 3 * 8 * (2 * 5 * 295 + 3 * 25) - 1, "with 3 outputs"),
        ({"ntk": "full"}, 9 * 8 * (2 * 5 * 295 + 3 * 25) - 1, "with 3 outputs"),
        ({"sequential": True}, 2 * 8 * 295**2 - 1, "295 rows, kept because sequential=True"),
    ],
)
def test_what_does_not_fit_is_refused(params, limit, message, monkeypatch):
    selector = MLMOCSelector(2, network=mlp(), **params)
    monkeypatch.setattr("skactive._base._BYTES_PER_ROW", 0)
    monkeypatch.setattr(_memory, "available_memory", lambda device: limit)
    with pytest.raises(MemoryError, match=f"{message}.* Set n_candidates .* ntk='pntk'"):
        selector.fit(pool(300), np.zeros(300), labeled=np.arange(5))


# Retraining ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_linearized_retraining_is_the_formula(kind):
    X, y = pool(), np.random.default_rng(0).integers(0, 3, 24)
    K, f = dense(mlp(), X, kind)
    rows = [1, 5, 9, 14]
    noise = 0.02 * reference.mean_variance(K)
    expected = reference.retrain(K, f, rows, np.eye(3)[y[rows]], noise)
    for n in (0, 1, 4):
        old, new = rows[:n], rows[n:]
        for labels in (y, np.eye(3)[y]):
            arguments = X[old], labels[old], X[new], labels[new], X
            with config_context(working_memory=0.003):
                outputs = linearized_retrain(mlp(), *arguments, ntk=kind, noise_ratio=0.02)
            np.testing.assert_allclose(outputs, expected, rtol=1e-9)


def test_linearized_retraining_without_labeled_rows():
    X = pool()
    first = linearized_retrain(mlp(), None, None, X[:3], [0, 1, 2], X)
    np.testing.assert_array_equal(linearized_retrain(mlp(), X[:3], [0, 1, 2], None, None, X), first)


def test_targets_of_a_single_output():
    X, y = pool(), np.array([0, 1, 1])
    retrain = partial(linearized_retrain, mlp(1), None, None, X[:3])
    expected = retrain(2.0 * y[:, None] - 1, X)
    np.testing.assert_allclose(retrain(y, X), expected)
    np.testing.assert_allclose(retrain(y + 1.0, X), retrain(y[:, None] + 1.0, X))


def test_the_score_is_the_change_by_linearized_retraining():
    X, y = pool(), np.random.default_rng(0).integers(0, 3, 24)
    network, labeled = mlp(), [1, 5, 9]
    before = network(torch.as_tensor(X)).detach().numpy()
    for kind in KINDS:
        selector = MLMOCSelector(2, network=network, ntk=kind).fit(X, y, labeled=labeled)
        for pick, score in zip(selector.indices_, selector.scores_, strict=True):
            after = linearized_retrain(
                network,
                X[labeled],
                y[labeled],
                X[[pick]],
                before[[pick]].argmax(1),
                X,
                ntk=kind,
                noise_ratio=0.1,
            )
            unlabeled = np.setdiff1d(np.arange(24), labeled)
            change = np.linalg.norm((after - before)[unlabeled], axis=1).sum()
            np.testing.assert_allclose(score, change)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, None, None, None), "both empty"),
        ((None, None, pool(3), None), "y_new must hold one label for each of the 3 rows .* None"),
        ((None, None, pool(1), 1), "y_new must hold one label for each of the 1 rows .* got 1"),
        ((pool(3), [0, 1], pool(1), [0]), "y_labeled must hold .* got 2"),
        ((pool(2), [0, 1], pool(1), [[0.0, 1.0, 0.0]]), "same number of columns"),
        ((None, None, pool(2), [0, 3]), "got 3 in row 1"),
        ((None, None, pool(1), [[0.0, np.nan, 0.0]]), "contains NaN"),
        ((None, None, pool(1), [[0.0, 1.0]]), "got 2 columns"),
    ],
)
def test_errors_of_linearized_retraining(arguments, message):
    with pytest.raises(ValueError, match=message):
        linearized_retrain(mlp(), *arguments, pool())


def test_parameters_of_linearized_retraining_are_checked():
    arguments = None, None, pool(2), [0, 1], pool()
    with pytest.raises(ValueError, match="ntk == 'ntk', must be one of 'pntk'"):
        linearized_retrain(mlp(), *arguments, ntk="ntk")
    with pytest.raises(ValueError, match="noise_ratio == 0, must be a finite number > 0"):
        linearized_retrain(mlp(), *arguments, noise_ratio=0)
    with pytest.raises(NotFittedError, match="linearized_retrain got .* not fitted"):
        linearized_retrain(NeuralNetClassifier(mlp), *arguments)


def train(network, X, Y, n_steps):
    """Gradient descent on the squared loss, at nearly the largest stable rate."""
    J = reference.jacobian(network, X)
    largest = np.linalg.eigvalsh(J.reshape(-1, J.shape[2]) @ J.reshape(-1, J.shape[2]).T)[-1]
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0 / largest, momentum=0.9)
    for _ in range(n_steps):
        optimizer.zero_grad()
        (0.5 * (network(X) - Y).square().sum()).backward()
        optimizer.step()
    return network


def test_prediction_agrees_with_training_a_wide_network():
    X = torch.as_tensor(pool(60))
    y = np.digitize(X[:, 0] + X[:, 1], [-0.7, 0.7])
    Y = torch.eye(3, dtype=torch.float64)[y]
    network = train(mlp(width=512), X[:15], Y[:15], 1500)
    before = network(X).detach().numpy()
    predicted, true = {kind: [] for kind in KINDS}, []
    for row in (20, 40):
        known = [*range(15), row]
        after = train(copy.deepcopy(network), X[known], Y[known], 1500)
        true.append(after(X).detach().numpy() - before)
        for kind in KINDS:
            outputs = linearized_retrain(
                network, X[:15], Y[:15], X[[row]], Y[[row]], X, ntk=kind, noise_ratio=1e-4
            )
            predicted[kind].append(outputs - before)
    for kind in KINDS:
        correlation = np.corrcoef(np.ravel(predicted[kind]), np.ravel(true))[0, 1]
        assert correlation > 0.9, kind
