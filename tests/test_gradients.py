"""Per-row gradients of many kinds of networks against autograd, row by row."""

import re

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

from skactive.embedding._gradient_features import GradientFeatures
from skactive.embedding._gradients import Gradients
from skactive.embedding._gradients_engines import HookEngine, LoopEngine, VmapEngine
from skactive.embedding._view import view_network
from tests.gradient_cases import CASES, NamedInputs, build
from tests.networks import assert_untouched, conv_classifier, images, state_of, three_classes
from tests.reference import ntk as reference


def rows_of(gradients, X, cotangents, batch_size=4):
    """All gradients as they come, of shape (n_rows, k, n_parameters)."""
    parts = []
    with gradients.session():
        for batch in gradients.view.batches(X, batch_size):
            rows = None
            for factor in gradients.factors(batch, cotangents):
                for start, values in factor.pieces():
                    if rows is None:
                        rows = values.new_zeros(*values.shape[:2], gradients.n_parameters)
                    rows[:, :, start : start + values.shape[2]] += values
            parts.append(rows)
    return torch.cat(parts).numpy()


def engines_of(gradients):
    return {type(engine): list(engine.columns) for engine in gradients._engines}


def assert_right(module, X, parameters=None, names=None):
    gradients = Gradients(view_network(module), X, parameters)
    J = reference.jacobian(module, X, names)
    rows = rows_of(gradients, X, torch.eye(gradients.n_outputs))
    np.testing.assert_allclose(rows, J, rtol=1e-9, atol=1e-9 * np.abs(J).max())
    return gradients


# All layers


@pytest.mark.parametrize("name", CASES)
def test_gradients_of_every_output(name):
    assert_right(*build(name))


@pytest.mark.parametrize("name", CASES)
def test_features_are_gradients_of_the_summed_outputs(name):
    module, X = build(name)
    features = GradientFeatures(view_network(module), X, sketch_dim=None, seed=0)
    expected = reference.pntk_features(reference.jacobian(module, X))
    assert features.n_features == expected.shape[1]
    scale = np.abs(expected).max()
    np.testing.assert_allclose(features.compute(X), expected, rtol=1e-5, atol=1e-6 * scale)
    np.testing.assert_allclose(features.compute(X, 2), expected, rtol=1e-5, atol=1e-6 * scale)


@pytest.mark.parametrize("name", ["mlp", "pooled", "tokens", "encoder", "lstm"])
def test_float32_is_close_to_float64(name):
    module, X = build(name)
    J = reference.jacobian(module, X)
    single = X.float() if X.is_floating_point() else X
    gradients = Gradients(view_network(module.float()), single)
    rows = rows_of(gradients, single, torch.eye(gradients.n_outputs))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, J, rtol=1e-3, atol=1e-4 * np.abs(J).max())


def test_half_precision_networks_have_float32_gradients():
    module, X = build("mlp", dtype=torch.bfloat16)
    J = reference.jacobian(module.double(), X.double())
    module.bfloat16()
    features = GradientFeatures(view_network(module), X, sketch_dim=None, seed=0).compute(X)
    expected = reference.pntk_features(J)
    assert np.linalg.norm(features - expected) < 0.03 * np.linalg.norm(expected)


@pytest.mark.parametrize("each", [False, True])
def test_cotangents_weigh_the_outputs(each):
    module, X = build("pooled")
    weights = torch.randn(*([len(X)] if each else []), 2, 3, dtype=torch.float64)
    gradients = Gradients(view_network(module), X)
    J = reference.jacobian(module, X)
    expected = np.einsum("nkc,ncp->nkp", weights.expand(len(X), 2, 3).numpy(), J)
    rows = rows_of(gradients, X, weights, batch_size=len(X))
    np.testing.assert_allclose(rows, expected, rtol=1e-9, atol=1e-12)


def test_dicts_of_inputs():
    torch.manual_seed(0)
    module = NamedInputs().double()
    X = {"image": torch.randn(6, 4).double(), "facts": torch.randn(6, 2).double()}
    assert HookEngine in engines_of(assert_right(module, X))


def test_dicts_of_inputs_in_the_general_engine():
    torch.manual_seed(0)

    class Scaled(NamedInputs):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.randn(2))

        def forward(self, image, facts):
            return super().forward(image, facts * self.scale)

    X = {"image": torch.randn(6, 4).double(), "facts": torch.randn(6, 2).double()}
    engines = engines_of(assert_right(Scaled().double(), X))
    assert engines[VmapEngine] == ["scale"]


def test_skorch_nets():
    X = images()
    net = conv_classifier().fit(X, three_classes(X))
    features = GradientFeatures(view_network(net), X, sketch_dim=None, seed=0)
    expected = reference.pntk_features(reference.jacobian(net.module_, torch.as_tensor(X)))
    np.testing.assert_allclose(features.compute(X), expected, rtol=1e-3, atol=1e-4)


# Which way is taken


@pytest.mark.parametrize(
    "name",
    ["mlp", "pooled", "many channels", "grouped", "signals", "volumes", "tokens", "long tokens"]
    + ["repeated", "repeated convolution", "repeated table"],
)
def test_hooks_serve_plain_layers(name):
    module, X = build(name)
    assert set(engines_of(Gradients(view_network(module), X))) == {HookEngine}


@pytest.mark.parametrize(
    ("name", "general"),
    [
        ("attention", ["attention.in_proj_weight", "attention.in_proj_bias"]),
        ("tied", ["table.weight"]),
        ("around modules", ["scale", "hidden.weight"]),
        ("folded", ["hidden.weight", "hidden.bias"]),
        ("sideways", ["hidden.weight", "hidden.bias"]),
    ],
)
def test_what_hooks_miss_is_left_to_torch_func(name, general):
    module, X = build(name)
    assert set(general) <= set(engines_of(Gradients(view_network(module), X))[VmapEngine])


@pytest.mark.parametrize(
    ("name", "looped"), [("lstm", "cell.weight_ih_l0"), ("branching", "scale")]
)
def test_what_torch_func_cannot_do_is_left_to_autograd(name, looped):
    module, X = build(name)
    engines = engines_of(Gradients(view_network(module), X))
    assert looped in engines[LoopEngine]
    assert "out.weight" in engines[HookEngine]


def test_layers_under_checkpointing():
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside, self.out = nn.Linear(4, 5), nn.Linear(5, 2)

        def forward(self, X):
            hidden = torch.utils.checkpoint.checkpoint(
                lambda x: self.inside(x).tanh(), X, use_reentrant=False
            )
            return self.out(hidden)

    torch.manual_seed(0)
    assert_right(Checkpointed().double(), torch.randn(5, 4).double())


def test_renormalised_tables():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Embedding(6, 3, max_norm=0.5), nn.Flatten(), nn.Linear(6, 2))
    X = torch.arange(6).repeat(2).reshape(6, 2)
    with torch.no_grad():
        module.double()(X)  # all rows of the table are short from here on
    gradients = assert_right(module, X)
    assert "0.weight" not in engines_of(gradients)[HookEngine]


def test_batches_that_a_layer_reads_differently():
    class Fickle(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside, self.out = nn.Linear(2, 2), nn.Linear(4, 2)

        def forward(self, X):
            if len(X) > 3:
                return self.out(self.inside(X.reshape(-1, 2)).reshape(len(X), -1))
            return self.out(self.inside(X.reshape(len(X), -1, 2)).flatten(1))

    X = torch.randn(9, 4)
    features = GradientFeatures(view_network(Fickle()), X[:3], sketch_dim=None, seed=0)
    with pytest.raises(RuntimeError, match="'inside' got one input for each row of the first"):
        features.compute(X, 5)


# Which parameters count


def test_frozen_parameters_do_not_count():
    module, X = build("pooled")
    module[0].requires_grad_(False)
    module[1].bias.requires_grad_(False)
    gradients = assert_right(module, X)
    assert not any(name.startswith("0.") for name in gradients.columns)


@pytest.mark.parametrize(
    "parameters", [["0"], ["0.weight"], ["9", "4.bias"], ["9.bias", "1"], ["5.weight", "5.bias"]]
)
def test_chosen_parameters(parameters):
    module, X = build("pooled")
    names = [
        name
        for name, _ in module.named_parameters()
        if name in parameters or name.partition(".")[0] in parameters
    ]
    gradients = assert_right(module, X, parameters, names)
    assert list(gradients.columns) == names


def test_chosen_parameters_count_even_if_frozen():
    module, X = build("mlp")
    module.requires_grad_(False)
    assert_right(module, X, ["0", "3.bias"], ["0.weight", "0.bias", "3.bias"])


def test_bias_before_weight():
    module = nn.Linear(4, 3).double()
    weight = module.weight
    del module.weight
    module.register_parameter("weight", weight)
    assert [name for name, _ in module.named_parameters()] == ["bias", "weight"]
    assert_right(nn.Sequential(module), torch.randn(5, 4).double())


def test_names_are_matched_whole():
    torch.manual_seed(0)
    module = nn.Sequential()
    for _ in range(11):
        module.append(nn.Linear(2, 2))
    gradients = Gradients(view_network(module), torch.randn(4, 2), ["1"])
    assert list(gradients.columns) == ["1.weight", "1.bias"]


def test_rules_for_vectors_of_gradients_are_not_nested():
    # Few rows have negative entries, so that a comparison of the first ones could miss the error.
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.PReLU(), nn.Linear(5, 3)).double()
    X = torch.randn(30, 4).double()
    assert_right(module, X)


# What is left behind


@pytest.mark.parametrize("name", ["mlp", "pooled", "tokens", "encoder", "lstm", "tied"])
@pytest.mark.parametrize("chosen", [False, True])
def test_networks_are_left_as_they_were(name, chosen):
    module, X = build(name)
    first, parameter = next(iter(module.named_parameters()))
    parameter.requires_grad_(False)
    module(X).sum().backward()
    next(module.children()).eval()
    before = state_of(module)
    fast = torch.backends.mha.get_fastpath_enabled()
    GradientFeatures(
        view_network(module), X, sketch_dim=8, parameters=[first] if chosen else None, seed=0
    ).compute(X)
    assert_untouched(module, before)
    assert torch.backends.mha.get_fastpath_enabled() == fast


def test_networks_are_left_as_they_were_after_an_error():
    module, X = build("pooled")
    features = GradientFeatures(view_network(module), X, sketch_dim=None, seed=0)
    before = state_of(module)
    bad = X.clone()
    bad[5, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="outputs must be finite"):
        features.compute(bad, 2)
    assert_untouched(module, before)


def test_inference_mode_around_does_no_harm():
    module, X = build("mlp")
    expected = reference.pntk_features(reference.jacobian(module, X))
    with torch.inference_mode():
        features = GradientFeatures(view_network(module), X, sketch_dim=None, seed=0).compute(X)
    np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-6)


# Errors


def test_networks_without_trainable_parameters():
    module, X = build("mlp")
    module.requires_grad_(False)
    with pytest.raises(ValueError, match="must have parameters that require gradients; got 6"):
        Gradients(view_network(module), X)


@pytest.mark.parametrize("parameters", [["0", "nine"], [""], [3], ["0.wei"], ["0."]])
def test_unknown_names(parameters):
    module, X = build("mlp")
    with pytest.raises(ValueError, match=r"must hold names .* '0', '0.bias', '0.weight', '3'"):
        Gradients(view_network(module), X, parameters)


@pytest.mark.parametrize("parameters", ["0", []])
def test_names_come_in_a_list(parameters):
    module, X = build("mlp")
    with pytest.raises(ValueError, match=re.escape(f"parameters == {parameters!r}, must be")):
        Gradients(view_network(module), X, parameters)


def test_parameters_that_outputs_do_not_depend_on():
    module, X = build("mlp")
    module.unused = nn.Linear(2, 2).double()
    module.forward = lambda X: nn.Sequential.forward(module[:6], X)
    with pytest.raises(ValueError, match="do not depend on the parameters chosen: 'unused.weight'"):
        Gradients(view_network(module), X, ["unused"])


class AcrossRows(nn.Module):
    """Attention along the wrong axis."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=False)

    def forward(self, X):
        return self.layer(X).mean(1)


class Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(4, 2)

    def forward(self, X):
        return self.out(F.dropout(X, 0.5))


@pytest.mark.parametrize(
    ("module", "X"),
    [
        (
            nn.Sequential(
                nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False), nn.Flatten()
            ),
            torch.randn(5, 1, 5, 5),
        ),
        (
            nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False)),
            torch.randn(5, 4),
        ),
        (AcrossRows(), torch.randn(5, 3, 4)),
        (Random(), torch.ones(5, 4)),
    ],
)
def test_rows_that_influence_each_other(module, X):
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="each must depend on its own row of X alone"):
        Gradients(view_network(module), X)


class Root(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(2))

    def forward(self, X):
        return (self.scale * X).sqrt()


def test_infinite_gradients_in_the_first_rows():
    with pytest.raises(ValueError, match="gradients must be finite"):
        Gradients(view_network(Root()), torch.ones(4, 2))


def test_infinite_gradients_in_later_rows():
    class LateRoot(Root):
        def forward(self, X):
            return super().forward(X) if X.max() > 2 else self.scale * X

    X = torch.ones(6, 2)
    X[5] = 3
    features = GradientFeatures(view_network(LateRoot()), X[:4], sketch_dim=None, seed=0)
    with pytest.raises(ValueError, match="gradients must be finite"):
        features.compute(X)


def test_a_single_row():
    module, X = build("pooled", n_rows=1)
    assert_right(module, X)


def test_a_net_with_one_flat_output():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(4, 1)
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, X):
            return self.out(X).squeeze(1) * self.scale

    torch.manual_seed(0)
    assert_right(Flat().double(), torch.randn(6, 4).double())


def test_nets_that_return_more_than_outputs():
    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(4, 2)
            self.scale = nn.Parameter(torch.ones(2))

        def forward(self, X):
            return self.out(X) * self.scale, X

    X = np.random.RandomState(0).standard_normal((12, 4)).astype(np.float32)
    net = NeuralNetClassifier(Several, max_epochs=1, train_split=None, verbose=0)
    net.criterion = nn.CrossEntropyLoss
    net.initialize()
    features = GradientFeatures(view_network(net), X, sketch_dim=None, seed=0).compute(X)
    assert features.shape == (12, 12) and np.isfinite(features).all() and features.any()
