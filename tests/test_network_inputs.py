"""Inputs and number types of networks, for whatever reads a network."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import TensorDataset

from skactive import ActiveLearningLoop, CoreSetSelector, MLMOCSelector
from skactive.embedding import NetworkEmbedding, empirical_ntk
from tests.networks import AnyWidth, any_width_net
from tests.test_network_state import READERS, mlp, vectors, y

X = vectors()


@pytest.fixture(params=READERS)
def read(request):
    return READERS[request.param]


def assert_same(read, module, inputs, expected_module=None):
    found = read(module, inputs)
    expected = read(module if expected_module is None else expected_module, X)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


# Inputs that a network may change


class InPlace(nn.Module):
    """Normalises its inputs where they are."""

    def __init__(self):
        super().__init__()
        self.inside = mlp()

    def forward(self, X):
        return self.inside(X.mul_(2))


@pytest.mark.parametrize(
    "convert",
    [torch.tensor, np.array, lambda X: TensorDataset(torch.tensor(X), torch.zeros(len(X)))],
)
def test_networks_that_work_in_place_on_their_inputs(read, convert):
    inputs = convert(X / 2)
    assert_same(read, InPlace(), inputs, mlp())
    values = inputs.tensors[0] if isinstance(inputs, TensorDataset) else inputs
    np.testing.assert_array_equal(np.array(values.tolist(), np.float32), X / 2)


def test_layers_followed_by_one_that_works_in_place():
    module = nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Linear(6, 3))
    found = NetworkEmbedding(module, kind="logits", layer="0").fit_transform(X)
    np.testing.assert_allclose(found, module[0](torch.tensor(X)).detach(), rtol=1e-5)


# Containers


def in_inference_mode():
    with torch.inference_mode():
        return torch.tensor(X)


@pytest.mark.parametrize(
    "inputs",
    [
        X.astype(">f4"),
        X.astype(np.longdouble),
        X.tolist(),
        list(torch.tensor(X)),
        pd.DataFrame(X),
        pd.DataFrame(X, columns=list("abcd")).astype("Float32"),
        torch.tensor(X).requires_grad_(),
        in_inference_mode(),
        TensorDataset(torch.tensor(X)),
        TensorDataset(torch.tensor(X).requires_grad_(), torch.zeros(len(X))),
    ],
    ids=lambda inputs: type(inputs).__name__,
)
@pytest.mark.parametrize("is_fitted_net", [False, True])
def test_containers(read, inputs, is_fitted_net):
    network = mlp()
    if is_fitted_net:
        network = FrozenEstimator(_net(network).initialize())
    assert_same(read, network, inputs)


def _net(module, **params):
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        max_epochs=1,
        train_split=None,
        verbose=0,
        classes=[0, 1],
        **params,
    )


def test_frames_of_several_types(read):
    frame = pd.DataFrame({"a": X[:, 0] > 0, "b": X[:, 1], "c": np.arange(20), "d": X[:, 3]})
    expected = read(mlp(), frame.to_numpy(np.float64))
    np.testing.assert_allclose(read(mlp(), frame), expected, rtol=1e-5)


class Columns(nn.Module):
    """Its arguments are the columns of a frame, as skorch hands them over."""

    def __init__(self):
        super().__init__()
        self.inside = mlp()

    def forward(self, a, b, c, d):
        return self.inside(torch.cat([a, b, c, d], 1))


def test_frames_whose_columns_are_arguments(read):
    frame = pd.DataFrame(X.copy(), columns=list("abcd"))
    net = _net(Columns()).initialize()
    assert_same(read, net, frame, net.module_.inside)


class Masked(nn.Module):
    """Attends to some positions; a mask of floats would be added, not obeyed."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, values, mask):
        values = self.attention(values, values, values, key_padding_mask=mask)[0]
        return self.out(values.mean(1))


def test_masks_in_dicts_stay_masks():
    rng = np.random.RandomState(0)
    inputs = {
        "values": rng.standard_normal((20, 3, 4)).astype(np.float32),
        "mask": np.tile([False, False, True], (20, 1)),
    }
    module = Masked().eval()
    expected = module(**{name: torch.tensor(values) for name, values in inputs.items()})
    found = NetworkEmbedding(module, kind="logits").fit_transform(inputs)
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        (torch.tensor(X).to_sparse(), TypeError, r"layout torch.sparse_coo.*X.to_dense\(\)"),
        (torch.empty(0, 4), ValueError, "X has no rows, must have at least one"),
        (TensorDataset(torch.empty(0, 4)), ValueError, "X has no rows, must have at least one"),
    ],
)
def test_refused(inputs, error, message):
    with pytest.raises(error, match=message):
        NetworkEmbedding(mlp()).fit(inputs)
    with pytest.raises(error, match=message):
        empirical_ntk(mlp(), inputs)


# Steps before the network


def float32(X):
    return np.asarray(X, dtype=np.float32)


def test_steps_before_the_network_see_the_raw_inputs(read):
    frame = pd.DataFrame(X.copy(), columns=list("abcd")).assign(kind=["x", "y"] * 10)
    frame.loc[3, "a"] = np.nan
    columns = [("numbers", SimpleImputer(), list("abcd")), ("kind", OneHotEncoder(), ["kind"])]
    texts = ["a b c", "b c d e", "a a d", "x y"] * 5
    words = CountVectorizer(token_pattern=r"\w")
    for inputs, steps in (
        (frame, [ColumnTransformer(columns)]),
        (texts, [words, TruncatedSVD(3, random_state=0)]),
        (words.fit_transform(texts), [TruncatedSVD(3, random_state=0)]),
    ):
        model = make_pipeline(*steps, FunctionTransformer(float32), any_width_net(max_epochs=1))
        model.fit(inputs, y)
        expected = read(model[-1], model[:-1].transform(inputs))
        np.testing.assert_allclose(read(model, inputs), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "selector", [CoreSetSelector(embedding="logits"), MLMOCSelector(ntk="pntk")]
)
def test_loops_on_frames_of_several_types(selector):
    frame = pd.DataFrame(X.copy(), columns=list("abcd")).assign(kind=["x", "y"] * 10)
    steps = ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough")
    model = make_pipeline(steps, FunctionTransformer(float32), any_width_net(max_epochs=1))
    loop = ActiveLearningLoop(model, selector, budget=6, batch_size=3, random_state=0)
    loop.fit(frame, y, labeled=[0, 1, 2])
    assert len(loop.labeled_indices_) == 9


def test_missing_values_after_the_steps():
    model = make_pipeline(FunctionTransformer(float32), _net(AnyWidth()))
    model.fit(X, y)
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 20 rows, first in row 2"):
        NetworkEmbedding(model).fit(np.where(np.arange(20)[:, None] == 2, np.nan, X))
