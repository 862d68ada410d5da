"""The empirical neural tangent kernel against explicit Jacobians, in blocks and as a whole."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn
from torch.utils.data import TensorDataset

from skactive import _memory
from skactive.embedding._gradients_factors import Dense, Lookup, Outer, as_dense
from skactive.embedding._ntk import empirical_ntk
from skactive.embedding._tangent_kernel import KINDS, TangentKernel
from skactive.embedding._view import view_network
from tests.gradient_cases import CASES, NamedInputs, build
from tests.networks import assert_untouched, conv_classifier, images, state_of, three_classes
from tests.reference import ntk as reference


def assert_close(values, expected, tolerance=1e-9):
    np.testing.assert_allclose(
        values, expected, rtol=tolerance, atol=tolerance * max(1e-300, np.abs(expected).max())
    )


def as_applied(kernel, A, B, vectors):
    """All tiles together, each entry of which must be given once."""
    n, m = len(A), len(B)
    result, times = np.zeros((n, kernel.n_outputs, m)), np.zeros((n, m))
    for rows, columns, tile in kernel.applied(A, B, vectors):
        result[rows, :, columns] = tile.cpu().numpy()
        times[rows, columns] += 1
    assert (times == 1).all()
    return result


# Kernels of networks


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_kernels_of_all_layers(name, kind):
    module, X = build(name)
    J = reference.jacobian(module, X)
    kernel = TangentKernel(view_network(module), kind, X)
    assert_close(kernel.gram(X).numpy(), reference.kernel(kind, J, J))
    assert_close(kernel.gram(X[:3], X[2:]).numpy(), reference.kernel(kind, J[:3], J[2:]))
    assert_close(kernel.gram(X, X[:2]).numpy(), reference.kernel(kind, J, J[:2]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["mlp", "pooled", "many channels", "repeated table", "encoder"])
def test_diagonals(name, kind):
    module, X = build(name)
    J = reference.jacobian(module, X)
    full = np.einsum("ncp,ndp->ncd", J, J)
    diagonal = TangentKernel(view_network(module), kind, X).diagonal(X).numpy()
    if kind == "full":
        assert_close(diagonal, full)
    elif kind == "diagonal":
        assert_close(diagonal, np.einsum("ncc->cn", full))
    else:
        assert_close(diagonal, full.mean((1, 2)) * J.shape[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["mlp", "pooled", "tokens", "attention", "lstm"])
def test_kernels_applied_to_vectors(name, kind):
    module, X = build(name)
    J = reference.jacobian(module, X)
    kernel = TangentKernel(view_network(module), kind, X)
    for A, B in ((slice(None), slice(0, 2)), (slice(0, 2), slice(2, None))):
        vectors = torch.randn(len(X[B]), J.shape[1], dtype=torch.float64)
        expected = reference.applied(kind, J[A], J[B], vectors.numpy())
        assert_close(as_applied(kernel, X[A], X[B], vectors), expected)


def test_float32_kernels_are_symmetric_and_summed_in_float64():
    module, X = build("pooled", n_rows=30)
    J = reference.jacobian(module, X)
    for kind in KINDS:
        kernel = empirical_ntk(module.float(), X.float(), kind=kind)
        assert kernel.dtype == np.float64
        np.testing.assert_array_equal(kernel, np.swapaxes(kernel, -1, -2))
        expected = reference.kernel(kind, J, J)
        assert np.linalg.norm(kernel - expected) < 1e-5 * np.linalg.norm(expected)


# Blocks


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk_rows", [1, 2, 5])
@pytest.mark.parametrize("n_kept", [1, 2, 3])
def test_chunks_that_stay_and_chunks_that_pass(monkeypatch, kind, chunk_rows, n_kept):
    module, X = build("many channels", n_rows=11)
    J = reference.jacobian(module, X)
    kernel = TangentKernel(view_network(module), kind, X)
    monkeypatch.setattr(kernel, "_chunk_rows", lambda X, k: chunk_rows)
    monkeypatch.setattr(kernel, "_n_kept", lambda size, k: n_kept)
    assert_close(kernel.gram(X).numpy(), reference.kernel(kind, J, J))
    assert_close(kernel.gram(X[:4], X).numpy(), reference.kernel(kind, J[:4], J))
    vectors = torch.randn(11, 2, dtype=torch.float64)
    expected = reference.applied(kind, J[:6], J, vectors.numpy())
    assert_close(as_applied(kernel, X[:6], X, vectors), expected)


def test_little_working_memory_means_many_chunks():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 16, 3), nn.Tanh(), nn.Flatten(), nn.Linear(576, 3))
    X = torch.randn(100, 1, 8, 8)
    kernel = TangentKernel(view_network(module), "full", X)
    whole = kernel.gram(X)
    with config_context(working_memory=1):
        assert kernel._chunk_rows(X, 3) < 20
        assert kernel._n_kept(kernel._chunk_rows(X, 3), 3) * kernel._chunk_rows(X, 3) < 100
        assert_close(kernel.gram(X).numpy(), whole.numpy(), 1e-4)


def factor_of(kind, n, k, n_positions, seed):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(n, k, n_positions, 3, generator=generator, dtype=torch.float64)
    if kind == "lookup":
        numbers = torch.randint(6, (n, n_positions), generator=generator)
        return Lookup(0, left, numbers, 6)
    right = torch.randn(n, n_positions, 4, generator=generator, dtype=torch.float64)
    return Outer(0, left, right, kind == "outer with bias")


@given(
    kind=st.sampled_from(["outer", "outer with bias", "lookup"]),
    n=st.integers(1, 4),
    m=st.integers(1, 4),
    k=st.integers(1, 3),
    l=st.integers(1, 3),
    positions=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    block=st.sampled_from([1, 50, 2**24]),
    seed=st.integers(0, 99),
)
def test_products_of_factors_are_those_of_all_entries(kind, n, m, k, l, positions, block, seed):  # noqa: E741
    A, B = factor_of(kind, n, k, positions[0], seed), factor_of(kind, m, l, positions[1], seed + 1)
    a, b = as_dense(A).values, as_dense(B).values
    expected = torch.einsum("nkp,mlp->nkml", a, b)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skactive.embedding._gradients_factors._BLOCK", block)
        assert_close(A.products(B).numpy(), expected.numpy())
    for mixed in (as_dense(A).products(B), A.products(as_dense(B)), A.compact().products(B)):
        assert_close(mixed.numpy(), expected.numpy())
    assert_close(A.own_products().numpy(), torch.einsum("nkp,nlp->nkl", a, a).numpy())
    assert_close(as_dense(A).own_products().numpy(), A.own_products().numpy())
    assert_close(as_dense(A.of_sum(k - 1)).values.numpy(), a[:, k - 1 :].numpy())
    assert_close(as_dense(A).of_sum(0).values.numpy(), a[:, :1].numpy())
    C = factor_of(kind, n, k, positions[1], seed + 2)
    for total in (A.joined(C), as_dense(A).joined(C), A.joined(as_dense(C))):
        assert_close(as_dense(total).values.numpy(), (a + as_dense(C).values).numpy())


def test_the_cheaper_form_is_kept():
    long, short = torch.randn(2, 1, 9, 30), torch.randn(2, 1, 2, 30)
    assert isinstance(Outer(0, long, torch.randn(2, 9, 40), False).compact(), Dense)
    assert isinstance(Outer(0, short, torch.randn(2, 2, 40), False).compact(), Outer)
    assert isinstance(Lookup(0, long, torch.zeros(2, 9, dtype=int), 50).compact(), Dense)
    assert isinstance(Lookup(0, long, torch.zeros(2, 9, dtype=int), 100).compact(), Lookup)


# The public function


def test_empirical_ntk_takes_arrays_frozen_nets_and_pipelines():
    X = images()
    net = conv_classifier().fit(X, three_classes(X))
    tensor = torch.as_tensor(X)
    expected = reference.kernel("pntk", *[reference.jacobian(net.module_, tensor)] * 2)
    doubled = make_pipeline(FunctionTransformer(lambda X: 2 * X), net)
    for network, inputs in (
        (net, X),
        (FrozenEstimator(net), X),
        (net.module_, X),
        (net.module_, tensor),
        (net, TensorDataset(tensor, torch.zeros(len(X)))),
        (doubled, X / 2),
    ):
        kernel = empirical_ntk(network, inputs)
        assert np.linalg.norm(kernel - expected) < 1e-5 * np.linalg.norm(expected)
    kernel = empirical_ntk(doubled, X[:9] / 2, X / 2)
    assert np.linalg.norm(kernel - expected[:9]) < 1e-5 * np.linalg.norm(expected)


def test_empirical_ntk_takes_dicts():
    torch.manual_seed(0)
    module = NamedInputs().double()
    X = {"image": torch.randn(6, 4).double(), "facts": torch.randn(6, 2).double()}
    few = {name: values[:2] for name, values in X.items()}
    J = reference.jacobian(module, X)
    for kind in KINDS:
        assert_close(empirical_ntk(module, X, kind=kind), reference.kernel(kind, J, J))
        expected = reference.kernel(kind, J[:2], J)
        assert_close(empirical_ntk(module, few, X, kind=kind), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_empirical_ntk_of_chosen_parameters(kind):
    module, X = build("pooled")
    J = reference.jacobian(module, X, ["4.weight", "4.bias", "9.bias"])
    kernel = empirical_ntk(module, X, kind=kind, parameters=["9.bias", "4"])
    assert_close(kernel, reference.kernel(kind, J, J))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["pooled", "encoder", "lstm"])
def test_networks_are_left_as_they_were(name, kind):
    module, X = build(name)
    module(X).sum().backward()
    before = state_of(module)
    empirical_ntk(module, X, kind=kind)
    kernel = TangentKernel(view_network(module), kind, X)
    next(kernel.applied(X, X, torch.ones(len(X), kernel.n_outputs)))
    assert_untouched(module, before)
    assert torch.is_grad_enabled()


def test_errors():
    module, X = build("mlp")
    with pytest.raises(ValueError, match="kind == 'all', must be one of 'pntk', 'diagonal'"):
        empirical_ntk(module, X, kind="all")
    with pytest.raises(ValueError, match="parameters has 'six'"):
        empirical_ntk(module, X, parameters=["six"])
    with pytest.raises(TypeError, match="must be a skorch net"):
        empirical_ntk(3, X)
    with torch.no_grad():
        module[0].weight[0, 0] = torch.inf
    with pytest.raises(ValueError, match="must be finite"):
        empirical_ntk(module, X)


def test_overflowing_products():
    module = nn.Linear(2, 1)
    with pytest.raises(ValueError, match="tangent kernel must be finite"):
        empirical_ntk(module, torch.full((4, 2), 1e30))


def test_kernels_beyond_memory(monkeypatch):
    module, X = build("mlp")
    monkeypatch.setattr(_memory, "available_memory", lambda device: 1000)
    assert empirical_ntk(module, X).shape == (7, 7)
    with pytest.raises(MemoryError, match=r"kind 'full' between 7 and 7 rows .* kind='pntk'"):
        empirical_ntk(module, X, kind="full")


# What is known of wide networks


def test_pntk_approaches_the_full_kernel_like_one_over_the_root_of_the_width():
    """Theorem of Mohamadi, Bae and Sutherland (ICML 2023): the relative Frobenius error of the
    pNTK times the identity falls like the root of the width."""
    n_outputs, widths = 4, np.array([32, 64, 128, 256, 512, 1024])
    X = torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    errors = np.zeros((len(widths), 6))
    for i, width in enumerate(widths):
        for seed in range(errors.shape[1]):
            torch.manual_seed(seed)
            module = nn.Sequential(
                nn.Linear(10, width),
                nn.ReLU(),
                nn.Linear(width, width),
                nn.ReLU(),
                nn.Linear(width, n_outputs),
            )
            full = empirical_ntk(module, X, kind="full")
            repeated = np.kron(empirical_ntk(module, X), np.eye(n_outputs))
            errors[i, seed] = np.linalg.norm(repeated - full) / np.linalg.norm(full)
    slope = np.polyfit(np.log(widths), np.log(errors.mean(1)), 1)[0]
    assert -0.65 < slope < -0.35
    assert errors[-1].mean() < 0.1


@settings(max_examples=10)
@given(width=st.integers(1, 8), n_outputs=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_kinds_agree(width, n_outputs, seed):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, n_outputs)).double()
    X = torch.randn(5, 3).double()
    full = empirical_ntk(module, X, kind="full").reshape(5, n_outputs, 5, n_outputs)
    assert_close(empirical_ntk(module, X), full.sum((1, 3)) / n_outputs)
    assert_close(empirical_ntk(module, X, kind="diagonal"), np.einsum("icjc->cij", full))
    assert np.linalg.eigvalsh(full.reshape(5 * n_outputs, -1)).min() > -1e-10 * full.max()
