"""Number types and layers of networks, for whatever reads a network."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from skactive import CoreSetSelector, MLMOCSelector, linearized_retrain
from skactive.embedding import NetworkEmbedding, empirical_ntk
from tests.test_network_state import READERS, mlp, vectors, y

X = vectors()


@pytest.fixture(params=READERS)
def read(request):
    return READERS[request.param]


# Types of numbers


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("last_layer", {}),
        ("logits", {}),
        ("loss_gradient", {}),
        ("loss_gradient", {"factored": True}),
        ("loss_gradient", {"sketch_dim": 30, "random_state": 0}),
        ("ntk", {}),
        ("ntk", {"sketch_dim": 30, "random_state": 0}),
    ],
)
def test_types_of_networks(dtype, kind, params):
    features = NetworkEmbedding(mlp().to(dtype), kind=kind, **params).fit_transform(X)
    expected = NetworkEmbedding(mlp(), kind=kind, **params).fit_transform(X)
    error = 1e-5 if dtype == torch.float64 else 0.1
    np.testing.assert_allclose(features, expected, atol=error * np.abs(expected).max())
    half = np.float16 if dtype == torch.float16 and kind != "ntk" else np.float32
    assert features.dtype == (np.float64 if dtype == torch.float64 else half)


class Casting(nn.Module):
    """Works in half the precision of its weights, or of its results."""

    def __init__(self, inside, results=None):
        super().__init__()
        self.inside, self.results = inside, results

    def forward(self, X):
        if self.results is not None:
            return self.inside(X).to(self.results)
        with torch.autocast("cpu", torch.bfloat16):
            return self.inside(X)


@pytest.mark.parametrize("module", [Casting(mlp()), Casting(mlp().half(), torch.float32)])
def test_networks_of_mixed_precision(read, module):
    expected = read(mlp(), X)
    np.testing.assert_allclose(read(module, X), expected, atol=0.1 * np.abs(expected).max())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_probabilities_in_half_precision_sum_to_one_nearly(dtype):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 20), nn.Softmax(1)).to(dtype)
    embedding = NetworkEmbedding(module, kind="loss_gradient", factored=True)
    errors = embedding.fit_transform(X)[:, :20]
    probabilities = module(torch.tensor(X).to(dtype)).detach().float().numpy()
    expected = probabilities - np.eye(20)[probabilities.argmax(1)]
    np.testing.assert_allclose(errors, expected, atol=0.02)
    with pytest.raises(ValueError, match="probabilities, whose sum never changes"):
        MLMOCSelector(budget=2, network=module).fit(X)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_selectors_on_half_precision(dtype):
    assert len(CoreSetSelector(budget=3, network=mlp().to(dtype)).fit_select(X)) == 3


# Layers


class ByName(nn.Module):
    """Layers get their inputs as keyword arguments."""

    def __init__(self):
        super().__init__()
        self.inside = mlp()

    def forward(self, X):
        return self.inside[2](input=self.inside[1](input=self.inside[0](input=X)))


@pytest.mark.parametrize("kind", ["last_layer", "logits", "loss_gradient"])
def test_layers_called_by_keyword(kind):
    found = NetworkEmbedding(ByName(), kind=kind).fit_transform(X)
    np.testing.assert_array_equal(found, NetworkEmbedding(mlp(), kind=kind).fit_transform(X))


class Recurrent(nn.Module):
    def __init__(self, batch_first=True):
        super().__init__()
        self.cell = nn.LSTM(2, 4, batch_first=batch_first)
        self.out = nn.Linear(4, 3)

    def forward(self, X):
        X = X.reshape(len(X), -1, 2)
        if self.cell.batch_first:
            return self.out(self.cell(X)[0][:, -1])
        return self.out(self.cell(X.transpose(0, 1))[0][-1])


def test_what_a_layer_gets_where_it_gives_several_tensors():
    found = NetworkEmbedding(Recurrent(), layer="cell").fit_transform(X)
    np.testing.assert_array_equal(found, X)


def test_layers_that_read_rows_along_another_axis():
    # With as many positions as rows, its shape does not tell.
    with pytest.raises(ValueError, match="must depend on its own row of X alone"):
        NetworkEmbedding(Recurrent(batch_first=False), layer="cell").fit(X[:2])


def test_rows_that_influence_each_other(read):
    with pytest.raises(ValueError, match="must depend on its own row of X alone"):
        read(mlp(nn.BatchNorm1d(6, track_running_stats=False)), X)


class Subtracting(nn.Module):
    """Batch statistics that do not fail on a single row."""

    def __init__(self):
        super().__init__()
        self.inside = mlp()

    def forward(self, X):
        return self.inside(X - X.mean(0))


def test_rows_that_influence_each_other_without_failing(read):
    with pytest.raises(ValueError, match="for a row differ with the other rows of its batch"):
        read(Subtracting(), X)


def test_infinite_features_behind_finite_outputs():
    module = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    with torch.no_grad():
        module[0].weight[0, 0] = torch.inf
    with pytest.raises(ValueError, match="features of layer '0' must be finite"):
        NetworkEmbedding(module, kind="logits", layer="0").fit(X)


class Query(nn.Module):
    """One layer reads a parameter of a single row, whatever the inputs."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.query = nn.Parameter(torch.randn(1, 4))
        self.inside, self.out = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, X):
        return self.out((X * self.inside(self.query)).tanh())


def test_a_single_row_does_not_hide_what_layers_read():
    module = Query()
    whole = empirical_ntk(module, X)
    np.testing.assert_allclose(empirical_ntk(module, X[:1], X), whole[:1], rtol=1e-4)
    one = linearized_retrain(module, X, y, X, y, X[:1])
    assert one.shape == (1, 2)


def test_gradients_scaled_by_frequency_are_those_of_a_row():
    torch.manual_seed(0)
    table = nn.Embedding(30, 3, scale_grad_by_freq=True)
    module = nn.Sequential(table, nn.Flatten(), nn.Linear(6, 2)).double()
    tokens = np.arange(20).reshape(10, 2)
    tokens[9] = 5  # not among the rows by which ways are compared
    alone = [NetworkEmbedding(module, kind="ntk").fit_transform(tokens[i : i + 1]) for i in (8, 9)]
    whole = NetworkEmbedding(module, kind="ntk").fit_transform(tokens)
    np.testing.assert_allclose(whole[8:], np.concatenate(alone), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_scripted_networks():
    module = mlp()
    scripted = torch.jit.script(copy.deepcopy(module))
    np.testing.assert_allclose(empirical_ntk(scripted, X), empirical_ntk(module, X), rtol=1e-4)
