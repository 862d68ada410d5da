"""Sketches of gradients: linear, unbiased, of small variance, however they are computed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context

from skactive import _memory
from skactive.embedding._gradient_features import GradientFeatures
from skactive.embedding._gradients_factors import Dense, Lookup, Outer, as_dense
from skactive.embedding._sketch import OuterTables, Sketch
from skactive.embedding._view import view_network
from tests.gradient_cases import build
from tests.reference import ntk as reference

CPU = torch.device("cpu")


def make_sketch(n_parameters, n_columns, seed=0):
    return Sketch(n_parameters, n_columns, seed, CPU)


def sketch_rows(sketch, *factors):
    """Sketches of rows with one gradient each."""
    n = len(as_dense(factors[0]).values)
    return sketch.rows(factors, n, torch.float64).numpy()


def dense(G, start=0):
    return Dense(start, torch.as_tensor(G)[:, None])


def matrix(sketch, n_parameters):
    """The linear map for dense gradients, of shape (n_parameters, n_columns)."""
    return sketch_rows(sketch, dense(np.eye(n_parameters)))


def outer(u, v, has_bias=False):
    """Outer products of (n, n_positions, n_out) with (n, n_positions, n_in)."""
    return Outer(0, torch.as_tensor(u)[:, None], torch.as_tensor(v), has_bias)


class AlwaysTransformed(Sketch):
    """As if outer products were too large to be written down."""

    def _is_better_transformed(self, factor):
        return True


def vectors(seed, *shape):
    return np.random.RandomState(seed).standard_normal(shape)


# Entry by entry


@pytest.mark.parametrize(("p", "m"), [(10, 3), (5000, 7), (7000, 2048), (9000, 2500), (50, 50)])
def test_every_entry_goes_to_one_column(p, m):
    S = matrix(make_sketch(p, m), p)
    assert S.shape == (p, m)
    assert ((S != 0).sum(1) == 1).all()
    assert set(np.unique(S)) <= {-1.0, 0.0, 1.0}
    loads = (S != 0).sum(0)
    assert loads.max() <= np.ceil(p / m) + np.ceil(p / max(m, 2048)) + 2048 // m
    # Signs and columns look like those of fair coins and dice.
    assert abs(S.sum()) < 5 * np.sqrt(p)


def test_sketches_are_linear():
    p, m = 6000, 64
    G = vectors(0, 5, p)
    sketch = make_sketch(p, m)
    np.testing.assert_allclose(sketch_rows(sketch, dense(G)), G @ matrix(sketch, p), atol=1e-10)


@given(
    p=st.integers(1, 6000),
    m=st.integers(1, 2500),
    cuts=st.lists(st.floats(0, 1), max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
def test_pieces_and_rows_may_come_in_any_portions(p, m, cuts, seed):
    G = vectors(seed, 3, p)
    sketch = make_sketch(p, m, seed)
    whole = sketch_rows(sketch, dense(G))
    ends = sorted({int(cut * p) for cut in cuts} - {0, p}) + [p]
    pieces = [dense(G[:, a:b], a) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    again = make_sketch(p, m, seed)
    np.testing.assert_allclose(sketch_rows(again, *pieces[::-1]), whole, atol=1e-10)
    one_by_one = [sketch_rows(again, dense(G[i : i + 1])) for i in range(3)]
    np.testing.assert_allclose(np.concatenate(one_by_one), whole, atol=1e-10)


@pytest.mark.parametrize(("p", "m"), [(10, 10), (10, 500), (3000, 3000), (4, 2048)])
def test_as_many_columns_as_parameters_are_exact(p, m):
    G = vectors(1, 6, p)
    rows = sketch_rows(make_sketch(p, m), dense(G))
    np.testing.assert_allclose(rows @ rows.T, G @ G.T, atol=1e-9)
    product = outer(vectors(2, 6, 1, 2), vectors(3, 6, 1, 2))
    G = as_dense(product).values[:, 0].numpy()
    rows = sketch_rows(make_sketch(p, m), product)
    np.testing.assert_allclose(rows @ rows.T, G @ G.T, atol=1e-9)


def test_lookups_are_sketched_by_the_entries_that_are_not_zero():
    left = torch.as_tensor(vectors(0, 4, 1, 3, 5))
    numbers = torch.as_tensor(np.random.RandomState(1).randint(0, 800, (4, 3)))
    numbers[0] = numbers[0, 0]  # the same row of the table several times
    factor = Lookup(70, left, numbers, 800)
    for m in (16, 2048):
        direct = sketch_rows(make_sketch(5000, m), factor)
        np.testing.assert_allclose(
            direct, sketch_rows(make_sketch(5000, m), as_dense(factor)), atol=1e-10
        )


# Outer products


def where(rows):
    """Column and sign of the one entry of each row."""
    assert ((rows != 0).sum(1) == 1).all()
    columns = rows.abs().argmax(1)
    return columns.numpy(), rows.gather(1, columns[:, None])[:, 0].numpy()


@pytest.mark.parametrize(("n_out", "n_in", "m"), [(3, 5, 8), (12, 30, 10), (4, 20, 16), (9, 2, 4)])
@pytest.mark.parametrize("has_bias", [False, True])
def test_transforms_give_the_circular_convolution(n_out, n_in, m, has_bias):
    u, v = vectors(0, 4, 2, n_out), vectors(1, 4, 2, n_in)
    sketch = AlwaysTransformed(10_000, m, 7, CPU)
    rows = sketch_rows(sketch, outer(u, v, has_bias))
    (tables,) = sketch._tables.values()
    left = where(tables.left(torch.eye(n_out, dtype=torch.float64)))
    size = n_in + has_bias
    right = where(tables.right(torch.eye(size, dtype=torch.float64), False))
    for row, us, vs in zip(rows, u, v, strict=True):
        expected = sum(
            reference.tensor_sketch(
                a, np.append(b, 1.0) if has_bias else b, left[0], right[0], left[1], right[1], m
            )
            for a, b in zip(us, vs, strict=True)
        )
        np.testing.assert_allclose(row, expected, atol=1e-10)


def test_entries_of_a_factor_have_columns_of_their_own_while_there_are_enough():
    tables = OuterTables(np.random.default_rng(0), 60, 100, 100, CPU)
    for n, table in ((60, tables.left), (100, lambda x: tables.right(x, False))):
        columns, _ = where(table(torch.eye(n)))
        assert len(set(columns)) == n


def test_large_outer_products_are_transformed_and_small_ones_are_not():
    sketch = make_sketch(10**6, 256)
    assert sketch._is_better_transformed(outer(vectors(0, 2, 1, 100), vectors(0, 2, 1, 200)))
    assert not sketch._is_better_transformed(outer(vectors(0, 2, 1, 10), vectors(0, 2, 1, 20)))
    assert not sketch._is_better_transformed(outer(vectors(0, 2, 99, 100), vectors(0, 2, 99, 200)))


# On average


def mean_and_variance(inner, truth, bound, n_seeds):
    """Both of an unbiased estimator of that variance at most."""
    # The mean of n_seeds values stays within six of its standard deviations.
    assert abs(inner.mean() - truth) <= 6 * np.sqrt(bound / n_seeds) + 1e-9
    assert ((inner - truth) ** 2).mean() <= 2.5 * bound + 1e-9


@given(p=st.integers(2, 400), m=st.integers(2, 40), seed=st.integers(0, 99), sparse=st.booleans())
@settings(max_examples=8)
def test_inner_products_are_right_on_average(p, m, seed, sparse):
    g, h = vectors(seed, 2, p)
    if sparse:
        g[np.abs(g) < 1.5] = 0
    bound = (g @ g * (h @ h) + (g @ h) ** 2) / m
    inner = []
    for s in range(200):
        rows = sketch_rows(make_sketch(p, m, 1000 * seed + s), dense(np.stack([g, h])))
        inner.append(rows[0] @ rows[1])
    mean_and_variance(np.array(inner), g @ h, bound, 200)


@given(
    n_out=st.integers(2, 20),
    n_in=st.integers(2, 30),
    m=st.integers(32, 64),
    n_positions=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=6)
def test_inner_products_of_outer_products_are_right_on_average(n_out, n_in, m, n_positions, seed):
    u, v = vectors(seed, 2, n_positions, n_out), vectors(seed + 1, 2, n_positions, n_in)
    g, h = as_dense(outer(u, v)).values[:, 0].numpy()
    bound = (g @ g * (h @ h) + (g @ h) ** 2) / m
    inner = []
    for s in range(200):
        rows = sketch_rows(AlwaysTransformed(10**6, m, 1000 * seed + s, CPU), outer(u, v))
        inner.append(rows[0] @ rows[1])
    mean_and_variance(np.array(inner), g @ h, bound, 200)


def test_columns_of_their_own_divide_the_variance_by_four():
    m, u, v = 64, vectors(0, 1, 1, 30), vectors(1, 1, 1, 60)
    truth = (u @ u[0].T).item() * (v @ v[0].T).item()
    errors = []
    for seed in range(400):
        rows = sketch_rows(AlwaysTransformed(10**6, m, seed, CPU), outer(u, v))
        errors.append((rows[0] @ rows[0] - truth) / truth)
    # 8 / m for columns drawn independently, 2 / m for a CountSketch of all entries
    assert np.mean(np.square(errors)) < 3.5 / m


# Features


@pytest.mark.parametrize("name", ["mlp", "pooled", "tokens", "encoder", "lstm", "repeated table"])
@pytest.mark.parametrize("m", [5, 40])
def test_features_do_not_depend_on_batches(name, m):
    module, X = build(name)
    features = GradientFeatures(view_network(module), X, sketch_dim=m, seed=3)
    whole = features.compute(X)
    assert whole.shape == (len(X), m) and whole.dtype == np.float64
    for size in (1, 3, len(X)):
        np.testing.assert_allclose(features.compute(X, size), whole, rtol=1e-4, atol=1e-5)
    with config_context(working_memory=1):
        np.testing.assert_allclose(features.compute(X), whole, rtol=1e-4, atol=1e-5)
    again = GradientFeatures(view_network(module), X[2:4], sketch_dim=m, seed=3)
    np.testing.assert_allclose(again.compute(X[::2]), whole[::2], rtol=1e-4, atol=1e-5)
    other = GradientFeatures(view_network(module), X, sketch_dim=m, seed=4).compute(X)
    assert not np.allclose(other, whole)


def wide_net():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(128, 200),
        torch.nn.ReLU(),
        torch.nn.Linear(200, 10),
    )


def test_the_kernel_of_sketched_features_is_close():
    module, X = wide_net(), torch.rand(60, 1, 8, 8)
    J = reference.pntk_features(reference.jacobian(module, X))
    exact = J @ J.T
    for m, limit in ((512, 0.12), (2048, 0.06)):
        errors = []
        for seed in range(5):
            features = GradientFeatures(view_network(module), X, sketch_dim=m, seed=seed)
            F = features.compute(X).astype(np.float64)
            error = np.linalg.norm(F @ F.T - exact) / np.linalg.norm(exact)
            assert features.kernel_error(X) == pytest.approx(error, rel=1e-2)
            errors.append(error)
        assert np.mean(errors) < limit


def test_the_error_is_measured_on_rows_from_everywhere():
    module = torch.nn.Linear(3, 2)
    X = torch.zeros(1000, 3)
    X[500:] = torch.randn(500, 3)
    features = GradientFeatures(view_network(module), X, sketch_dim=2, seed=0)
    assert features.kernel_error(X) > 0
    assert features.kernel_error(X[:1]) >= 0


def test_without_a_sketch_the_kernel_is_exact():
    module, X = build("pooled")
    features = GradientFeatures(view_network(module), X, sketch_dim=None, seed=0)
    assert features.kernel_error(X) < 1e-6


def test_gradients_that_vanish_have_no_error():
    module, X = build("mlp")
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    features = GradientFeatures(view_network(module), X, sketch_dim=4, parameters=["0"], seed=0)
    assert not features.compute(X).any()
    assert features.kernel_error(X) == 0


def test_features_beyond_memory(monkeypatch):
    module, X = build("mlp")
    features = GradientFeatures(view_network(module), X, sketch_dim=None, seed=0)
    monkeypatch.setattr(_memory, "available_memory", lambda device: 100)
    with pytest.raises(MemoryError, match="The gradients of 7 rows with 83 columns each needs"):
        features.compute(X)
