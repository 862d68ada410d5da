"""Features of networks: layers, loss gradients, inputs of all kinds, and a net left as it was."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNet, NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from torch import nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from skactive import ITLSelector
from skactive.embedding import NetworkEmbedding
from skactive.kernels import OuterProductKernel
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

X = images()
KINDS = ("last_layer", "logits", "loss_gradient", "ntk")


def conv_net(seed=0):
    torch.manual_seed(seed)
    return ConvNet()


def evaluated(net, X):
    """What the head of the convolutional net gets and gives, by hand."""
    copy = pickle.loads(pickle.dumps(net)).eval()
    with torch.no_grad():
        hidden = copy.features(torch.as_tensor(X))
        return hidden.numpy(), copy.head(hidden).numpy()


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


# What the features are


def test_input_and_result_of_the_last_linear_layer():
    net = conv_net()
    hidden, logits = evaluated(net, X)
    embedding = NetworkEmbedding(net).fit(X)
    assert embedding.layer_ == "head"
    np.testing.assert_allclose(embedding.transform(X), hidden, rtol=1e-5)
    features = NetworkEmbedding(net, kind="logits").fit_transform(X)
    np.testing.assert_allclose(features, logits, rtol=1e-4, atol=1e-6)
    assert features.dtype == np.float32


def loss_gradients(net, X):
    """By autograd, one row after the other."""
    copy = pickle.loads(pickle.dumps(net)).eval()
    rows = []
    for x in torch.as_tensor(X):
        copy.zero_grad()
        logits = copy(x[None])
        nn.functional.cross_entropy(logits, logits.argmax(1)).backward()
        rows.append(copy.head.weight.grad.flatten().numpy().copy())
    return np.stack(rows)


def test_loss_gradients_are_those_of_autograd():
    net = conv_net()
    expected = loss_gradients(net, X)
    features = NetworkEmbedding(net, kind="loss_gradient").fit_transform(X)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-5)


class Tempered(nn.Module):
    """Something other than a softmax comes after the last linear layer."""

    def __init__(self):
        super().__init__()
        self.body = conv_net()

    def forward(self, X):
        return (self.body(X) / 0.5).log_softmax(1)


def test_loss_gradients_through_what_comes_after_the_layer():
    net = Tempered()
    hidden, logits = evaluated(net.body, X)
    p = softmax(logits / 0.5)
    errors = (p - np.eye(3)[p.argmax(1)]) / 0.5
    features = NetworkEmbedding(net, kind="loss_gradient", layer="body.head").fit_transform(X)
    expected = (errors[:, :, None] * hidden[:, None, :]).reshape(len(X), -1)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-5)


def test_factors_have_the_kernel_of_the_gradients():
    net = conv_net()
    gradients = NetworkEmbedding(net, kind="loss_gradient").fit_transform(X).astype(float)
    factors = NetworkEmbedding(net, kind="loss_gradient", factored=True).fit_transform(X)
    assert factors.shape == (len(X), 3 + 36)
    plain = OuterProductKernel(3, normalize=False)(factors, factors)
    np.testing.assert_allclose(plain, gradients @ gradients.T, rtol=1e-4)
    norms = np.linalg.norm(gradients, axis=1)
    cosines = gradients @ gradients.T / np.outer(norms, norms)
    np.testing.assert_allclose(OuterProductKernel(3)(factors, factors), cosines, atol=1e-5)
    picks = ITLSelector(6, kernel=OuterProductKernel(3)).fit(factors).indices_
    np.testing.assert_array_equal(picks, ITLSelector(6).fit(gradients).indices_)


@pytest.mark.parametrize("normalize", [True, False])
def test_outer_products_of_zeros(normalize):
    factors = np.array([[0.0, 0.0, 1.0], [1.0, 2.0, 3.0], [1.0, 1.0, 0.0]])
    selector = ITLSelector(3, kernel=OuterProductKernel(2, normalize=normalize)).fit(factors)
    assert selector.indices_[0] == 1
    np.testing.assert_allclose(selector.transform(factors)[0], 0)
    with pytest.raises(ValueError, match="n_outputs == 3, must lie between 1 and 2"):
        OuterProductKernel(3)(factors, factors)


def test_binary_nets_with_a_single_output():
    torch.manual_seed(0)
    net = NeuralNetBinaryClassifier(AnyWidth, module__n_outputs=1, max_epochs=1, verbose=0)
    rows = np.random.RandomState(0).standard_normal((30, 4)).astype(np.float32)
    net.fit(rows, (rows[:, 0] > 0).astype(np.float32))
    logits = NetworkEmbedding(net, kind="logits").fit_transform(rows)
    hidden = NetworkEmbedding(net, kind="last_layer").fit_transform(rows)
    p = 1 / (1 + np.exp(-logits))
    expected = (p - (p > 0.5)) * hidden
    features = NetworkEmbedding(net, kind="loss_gradient").fit_transform(rows)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-6)


def test_nets_that_end_in_a_softmax():
    net = conv_net()
    hidden, logits = evaluated(net, X)
    ended = nn.Sequential(net, nn.Softmax(1))
    np.testing.assert_allclose(
        NetworkEmbedding(ended, kind="logits").fit_transform(X), logits, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        NetworkEmbedding(ended, kind="loss_gradient").fit_transform(X),
        NetworkEmbedding(net, kind="loss_gradient").fit_transform(X),
        rtol=1e-3,
        atol=1e-5,
    )


def test_layers_by_name():
    net = conv_net()
    embedding = NetworkEmbedding(net, kind="logits", layer="features.3").fit(X)
    assert embedding.transform(X).shape == (len(X), 36)  # 4 x 3 x 3, flattened
    assert embedding.layer_ == "features.3"


# Sketches


@pytest.mark.parametrize("kind", ["loss_gradient", "ntk"])
def test_sketches_keep_inner_products(kind):
    net = conv_net()
    exact = NetworkEmbedding(net, kind=kind).fit_transform(X).astype(float)
    gram = exact @ exact.T
    embedding = NetworkEmbedding(net, kind=kind, sketch_dim=64, random_state=0).fit(X)
    sketched = embedding.transform(X).astype(float)
    assert sketched.shape == (len(X), 64)
    error = np.linalg.norm(sketched @ sketched.T - gram) / np.linalg.norm(gram)
    assert embedding.kernel_error_ == pytest.approx(error, rel=1e-2)
    assert 0 < error < 0.5
    np.testing.assert_array_equal(embedding.transform(X[::2]).shape, (20, 64))
    np.testing.assert_allclose(embedding.transform(X[::2]), sketched[::2], rtol=1e-4, atol=1e-5)
    other = clone(embedding).set_params(random_state=1).fit_transform(X)
    assert not np.allclose(other, sketched)
    np.testing.assert_allclose(clone(embedding).fit_transform(X), sketched, rtol=1e-5)
    # The mean over seeds is the kernel itself.
    grams = []
    for seed in range(30):
        Z = clone(embedding).set_params(random_state=seed).fit_transform(X).astype(float)
        grams.append(Z @ Z.T)
    assert np.linalg.norm(np.mean(grams, 0) - gram) < 0.5 * error * np.linalg.norm(gram)


@pytest.mark.parametrize("kind", ["loss_gradient", "ntk"])
def test_sketches_as_wide_as_the_gradients_are_exact(kind):
    net = conv_net()
    exact = NetworkEmbedding(net, kind=kind).fit_transform(X).astype(float)
    embedding = NetworkEmbedding(net, kind=kind, sketch_dim=exact.shape[1], random_state=0)
    sketched = embedding.fit_transform(X).astype(float)
    np.testing.assert_allclose(sketched @ sketched.T, exact @ exact.T, rtol=1e-4, atol=1e-6)
    assert embedding.kernel_error_ < 1e-5


def test_some_parameters_only():
    net = conv_net()
    head = NetworkEmbedding(net, kind="ntk", parameters=["head"]).fit_transform(X)
    hidden, _ = evaluated(net, X)
    np.testing.assert_allclose(
        head, np.c_[np.tile(hidden, 3), np.ones((len(X), 3))] / np.sqrt(3), rtol=1e-4, atol=1e-6
    )


# Networks of all kinds


def test_a_fitted_net_frozen_or_not():
    net = fitted_classifier()
    hidden, _ = evaluated(net.module_, X)
    for network in (net, FrozenEstimator(net), net.module_):
        features = NetworkEmbedding(network).fit_transform(X)
        np.testing.assert_allclose(features, hidden, rtol=1e-5)
    features = clone(NetworkEmbedding(FrozenEstimator(net))).fit_transform(X)
    np.testing.assert_allclose(features, hidden, rtol=1e-5)


@pytest.mark.parametrize("kind", [NeuralNet, NeuralNetRegressor])
def test_other_skorch_nets(kind):
    params = {"criterion": nn.MSELoss} if kind is NeuralNet else {}
    net = kind(AnyWidth, module__n_outputs=2, max_epochs=1, verbose=0, train_split=None, **params)
    rows = np.random.RandomState(0).standard_normal((30, 4)).astype(np.float32)
    net.fit(rows, rows[:, :2])
    assert NetworkEmbedding(net).fit_transform(rows).shape == (30, 8)
    assert NetworkEmbedding(net, kind="ntk").fit_transform(rows).shape == (30, 6 * 8 + 8 + 16 + 2)


def test_pipelines_around_a_net():
    rows = np.random.RandomState(0).standard_normal((30, 4)).astype(np.float32) * 100
    pipe = make_pipeline(StandardScaler(), NeuralNetClassifier(AnyWidth, max_epochs=1, verbose=0))
    pipe.set_params(neuralnetclassifier__criterion=nn.CrossEntropyLoss).fit(rows, np.arange(30) % 3)
    features = NetworkEmbedding(pipe, kind="logits").fit_transform(rows)
    np.testing.assert_allclose(features, pipe[-1].forward(pipe[0].transform(rows)), rtol=1e-5)


def test_the_estimator_of_fit_is_used_where_there_is_no_network():
    net = fitted_classifier()
    embedding = NetworkEmbedding().fit(X, estimator=net)
    assert embedding.network_ is net
    own = NetworkEmbedding(conv_net()).fit(X, estimator=net)
    assert own.network_ is own.network
    assert not np.allclose(own.transform(X), embedding.transform(X))


def test_clones_and_pickles():
    embedding = NetworkEmbedding(conv_net(), kind="loss_gradient").fit(X)
    features = embedding.transform(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(embedding)).transform(X), features)
    np.testing.assert_array_equal(clone(embedding).fit_transform(X), features)


# Inputs of all kinds


class Pairs(Dataset):
    def __init__(self, X):
        self.X = X

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i], "a label that nobody reads"


@pytest.mark.parametrize("network", [conv_net(), FrozenEstimator(fitted_classifier())])
def test_arrays_tensors_and_datasets_give_the_same_features(network):
    expected = NetworkEmbedding(network).fit_transform(X)
    tensor = torch.tensor(X)
    for inputs in (
        tensor,
        X.astype(np.float64),
        np.asfortranarray(X)[::1],
        X[::-1][::-1],
        TensorDataset(tensor, torch.zeros(len(X))),
        Pairs(X),
    ):
        features = NetworkEmbedding(network).fit(inputs).transform(inputs)
        np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-7)
    readonly = X.copy()
    readonly.setflags(write=False)
    np.testing.assert_array_equal(NetworkEmbedding(network).fit_transform(readonly), expected)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(11, 4)
        self.out = nn.Linear(6, 2)

    def forward(self, tokens, numbers):
        return self.out(torch.cat([self.words(tokens).mean(1), numbers], 1))


def test_dicts_become_keyword_arguments():
    rng = np.random.RandomState(0)
    net = TwoInputs()
    inputs = {
        "tokens": rng.randint(0, 11, (20, 5)),
        "numbers": rng.standard_normal((20, 2)),  # double precision, as NumPy makes them
    }
    features = NetworkEmbedding(net, batch_size=7).fit_transform(inputs)
    words = net.words.weight.detach().numpy()[inputs["tokens"]].mean(1)
    np.testing.assert_allclose(features, np.c_[words, inputs["numbers"]], rtol=1e-5)


def test_frames():
    frame = pd.DataFrame(np.random.RandomState(0).standard_normal((20, 3)), columns=list("abc"))
    embedding = NetworkEmbedding(AnyWidth()).set_output(transform="pandas").fit(frame)
    features = embedding.transform(frame)
    assert list(features.columns[:2]) == ["networkembedding0", "networkembedding1"]
    np.testing.assert_allclose(
        features, NetworkEmbedding(AnyWidth()).fit_transform(frame.to_numpy())
    )
    assert list(embedding.feature_names_in_) == list("abc")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [1, 7, None])
def test_the_batch_size_changes_nothing_but_the_last_bits(kind, batch_size):
    net = conv_net()
    expected = NetworkEmbedding(net, kind=kind, batch_size=40).fit_transform(X)
    features = NetworkEmbedding(net, kind=kind, batch_size=batch_size).fit_transform(X)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    with config_context(working_memory=0.01):
        features = NetworkEmbedding(net, kind=kind, batch_size=batch_size).fit_transform(X)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


# The network is left as it was


class Counting(ConvNet):
    """Counts its calls in a buffer, as some layers do even in evaluation mode."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, X):
        self.calls += 1
        torch.rand(1)
        return super().forward(X)


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_left_as_it_was(kind):
    net = Counting().train()
    net.dropout.eval()  # one part in another mode than the rest
    net.head.bias.requires_grad_(False)
    nn.functional.cross_entropy(net(torch.tensor(X)), torch.zeros(len(X)).long()).backward()
    before = state_of(net)
    for inputs in (X, Pairs(X)):
        NetworkEmbedding(net, kind=kind).fit(inputs).transform(inputs)
        assert_untouched(net, before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_left_as_it_was_after_an_error(kind):
    net = conv_net()
    before = state_of(net)
    broken = torch.tensor(X)  # tensors are not searched for NaN
    broken[17] = torch.nan
    with pytest.raises(ValueError, match="outputs must be finite; got NaN or infinity for 1 of"):
        NetworkEmbedding(net, kind=kind, batch_size=20).fit(X).transform(broken)
    assert_untouched(net, before)


def test_inside_inference_mode():
    net = conv_net()
    with torch.inference_mode():
        features = NetworkEmbedding(net, kind="ntk").fit_transform(X)
    np.testing.assert_array_equal(features, NetworkEmbedding(net, kind="ntk").fit_transform(X))


# Errors


class Wrong(nn.Module):
    def __init__(self, wrong):
        super().__init__()
        self.body = conv_net()
        self.wrong = wrong

    def forward(self, X):
        return self.wrong(self.body(X))


def shared():
    layer = nn.Linear(64, 64)
    return nn.Sequential(nn.Flatten(), layer, nn.ReLU(), layer)


@pytest.mark.parametrize(
    ("network", "params", "error", "message"),
    [
        (None, {}, NotFittedError, "network is None, and fit got no estimator"),
        (conv_classifier(), {}, NotFittedError, r"not fitted.*FrozenEstimator\(net\)"),
        (LogisticRegression(), {}, TypeError, "must be a skorch net, a torch.nn.Module"),
        (conv_net(), {"kind": "gradient"}, ValueError, "kind == 'gradient', must be one of"),
        (conv_net(), {"layer": "haed"}, ValueError, "layer == 'haed'.*'features.0'.*'head'"),
        (nn.Flatten(), {}, ValueError, "last linear layer.*was not found.*no modules inside"),
        (
            nn.Sequential(nn.Conv2d(1, 2, 8), nn.Flatten()),
            {},
            ValueError,
            "last linear layer.*was not found.*'0', '1'",
        ),
        (shared(), {}, ValueError, "last linear layer.*was not found"),
        (shared(), {"layer": "1"}, ValueError, "calls once; it was called 2 times"),
        (
            conv_net(),
            {"kind": "loss_gradient", "layer": "features.0"},
            ValueError,
            "is a Conv2d, must be linear",
        ),
        (
            conv_net(),
            {"kind": "ntk", "layer": "head"},
            ValueError,
            "layer == 'head' has no meaning",
        ),
        (conv_net(), {"sketch_dim": 8}, ValueError, "sketch_dim == 8 has no meaning"),
        (conv_net(), {"factored": True}, ValueError, "factored == True has no meaning"),
        (conv_net(), {"parameters": ["head"]}, ValueError, "parameters == .* has no meaning"),
        (conv_net(), {"kind": "ntk", "sketch_dim": 0}, ValueError, "sketch_dim == 0, must be"),
        (conv_net(), {"batch_size": 1.5}, TypeError, "batch_size == 1.5, must be an int >= 1"),
        (conv_net(), {"batch_size": True}, TypeError, "batch_size == True"),
        (
            conv_net(),
            {"kind": "loss_gradient", "factored": True, "sketch_dim": 4},
            ValueError,
            "Leave one of them out",
        ),
        (Wrong(lambda z: z[:-1]), {}, ValueError, "must return a tensor of shape"),
        (Wrong(lambda z: z[:, :, None]), {}, ValueError, r"got a tensor of shape \(3, 3, 1\)"),
        (Wrong(lambda z: {"logits": z}), {}, ValueError, "got a dict"),
        (Wrong(lambda z: z * torch.nan), {}, ValueError, "must be finite"),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), {}, ValueError, "has no shape yet"),
        (nn.LazyBatchNorm2d(affine=False), {}, ValueError, "'running_mean' has no shape yet"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Linear(3, 3, device="meta")),
            {},
            ValueError,
            "must be on one device; got '1.weight' on cpu, '2.weight' on meta",
        ),
    ],
)
def test_errors(network, params, error, message):
    before = state_of(network) if isinstance(network, (ConvNet, Wrong)) else None
    with pytest.raises(error, match=message):
        NetworkEmbedding(network, **params).fit(X)
    if before is not None:
        assert_untouched(network, before)


def test_regression_nets_have_no_loss_gradient_at_a_predicted_label():
    rows = np.random.RandomState(0).standard_normal((30, 4)).astype(np.float32)
    net = NeuralNetRegressor(AnyWidth, module__n_outputs=1, max_epochs=1, verbose=0)
    net.fit(rows, rows[:, :1])
    with pytest.raises(ValueError, match="'loss_gradient' needs the class probabilities"):
        NetworkEmbedding(net, kind="loss_gradient").fit(rows)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(X)


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        (sparse.csr_matrix(np.eye(4)), TypeError, "sparse matrix, must be dense"),
        (Stream(), TypeError, "IterableDataset, whose rows have no positions"),
        ({"a": X, "b": X[:3]}, ValueError, "must be of the same length"),
        ({"X": np.array([["a"], ["b"]])}, ValueError, "must hold numbers"),
        (torch.zeros(5), ValueError, "at least two dimensions"),
        (
            np.full((4, 2), np.nan),
            ValueError,
            "X must be finite; got NaN or infinity in 4 of 4 rows, first in row 0",
        ),
    ],
)
def test_wrong_inputs(inputs, error, message):
    with pytest.raises(error, match=message):
        NetworkEmbedding(AnyWidth()).fit(inputs)


def test_a_failed_fit_leaves_the_former_one():
    embedding = NetworkEmbedding(conv_net()).fit(X)
    before = embedding.transform(X)
    with pytest.raises(ValueError, match="layer == 'nowhere'"):
        embedding.set_params(layer="nowhere").fit(X)
    np.testing.assert_array_equal(embedding.transform(X), before)


def test_labels_are_not_needed():
    assert three_classes(X).shape == (40,)
    features = NetworkEmbedding(conv_net()).fit(X, three_classes(X)).transform(X)
    np.testing.assert_array_equal(features, NetworkEmbedding(conv_net()).fit_transform(X))
