"""Leverage score sampling: scores, tree and draws against slow twins and what must hold."""

import numpy as np
import pytest
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse, stats

from skactive import LeverageScoreSelector
from skactive._rows import Rows
from skactive.selection import _split_tree
from skactive.selection._leverage_score import leverage_scores
from skactive.selection._pivotal import inclusion_probabilities, pivotal_sample
from skactive.selection._split_tree import split_tree
from tests.reference import leverage as slow
from tests.strategies import problems

CPU = torch.device("cpu")
methods = pytest.mark.parametrize("method", ["pca", "coordinate"])


def nested(tree):
    """The tree as nested pairs."""
    nodes = {place: int(row) for place, row in enumerate(tree.order)}
    for begins, middles in reversed(tree.levels):
        for begin, middle in zip(begins, middles, strict=True):
            nodes[begin] = (nodes[begin], nodes.pop(middle))
    assert list(nodes) == [0]
    return nodes[0]


# Scores and chances


@settings(max_examples=100, deadline=None)
@given(problem=problems(), alpha=st.sampled_from([0.0, 0.5]))
def test_leverage_scores(problem, alpha):
    scores = leverage_scores(Rows(problem.X, CPU), alpha).numpy()
    expected = slow.leverage_scores(problem.X.astype(np.float64), alpha)
    np.testing.assert_allclose(scores, expected, atol=1e-9)


def test_scores_of_features_in_other_units():
    """Also where one feature is a combination of others, and one is nothing."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    X = np.column_stack([X, X[:, 0] - 2 * X[:, 1], np.zeros(60)])
    expected = slow.leverage_scores(X)
    assert expected.sum() == pytest.approx(4)
    scaled = X * [1e-6, 1, 1e5, 1e9, 1e-3, 1]
    np.testing.assert_allclose(leverage_scores(Rows(scaled, CPU), 0.0), expected, atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(
    scores=hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(1e-3, 1)),
    share=st.floats(0, 1),
)
def test_inclusion_probabilities(scores, share):
    budget = max(1, int(share * len(scores)))
    chances = inclusion_probabilities(scores, budget)
    assert chances.sum() == pytest.approx(budget)
    np.testing.assert_allclose(chances, slow.inclusion_probabilities(scores, budget), atol=1e-8)


def test_rows_of_zeros_share_what_is_left():
    chances = inclusion_probabilities(np.array([0.5, 0.0, 0.2, 0.0, 0.0]), 3)
    np.testing.assert_allclose(chances, [1, 1 / 3, 1, 1 / 3, 1 / 3])
    X = np.array([[1.0, 0], [0, 0], [0, 1], [0, 0], [0, 0]])
    seen = [LeverageScoreSelector(3, random_state=seed).fit(X).indices_ for seed in range(20)]
    assert all(len(picks) == 3 and {0, 2} <= set(picks) for picks in seen)
    assert {row for picks in seen for row in picks} == set(range(5))


# The tree


@methods
@pytest.mark.parametrize(("n", "d"), [(1, 3), (2, 1), (37, 5), (64, 2), (100, 30)])
def test_tree_equals_slow_twin(method, n, d):
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n + 10, d))
    members = np.sort(rng.permutation(n + 10)[:n])
    tree = split_tree(Rows(X, CPU), members, method)
    assert nested(tree) == slow.tree(X, members.tolist(), method)


@methods
def test_pieces_of_large_nodes(method, monkeypatch):
    """Nodes that are read piece by piece are cut where those read at once are."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(150, 6))
    expected = split_tree(Rows(X, CPU), np.arange(150), method)
    monkeypatch.setattr(_split_tree, "_BLOCK_ENTRIES", 100)
    tree = split_tree(Rows(X, CPU), np.arange(150), method)
    np.testing.assert_array_equal(tree.order, expected.order)


@methods
def test_tree_of_copies(method):
    """Nothing to cut along: the row numbers decide, and every row is still a leaf."""
    tree = split_tree(Rows(np.ones((13, 3)), CPU), np.arange(13), method)
    assert sorted(slow.leaves(nested(tree))) == list(range(13))
    if method == "coordinate":
        np.testing.assert_array_equal(tree.order, np.arange(13))


# The draw


def draws(X, budget, n_draws, **params):
    """Indicator of every row in many draws, of shape (n_draws, n_samples); and the last fit."""
    drawn = np.zeros((n_draws, len(X)), dtype=bool)
    for seed in range(n_draws):
        selector = LeverageScoreSelector(budget, random_state=seed, **params).fit(X)
        drawn[seed, selector.indices_] = True
    return drawn, selector


def many_samples(X, budget, n_draws, method):
    """The same from one tree."""
    chances = inclusion_probabilities(slow.leverage_scores(X), budget)
    tree = split_tree(Rows(X, CPU), np.flatnonzero((chances > 0) & (chances < 1)), method)
    drawn = np.zeros((n_draws, len(X)), dtype=bool)
    drawn[:, chances == 1] = True
    random_state = np.random.RandomState(0)
    for draw in drawn:
        draw[pivotal_sample(tree, chances, random_state)] = True
    return drawn, chances


@pytest.fixture(scope="module")
def pool():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 3)) * rng.exponential(size=(40, 1))
    X[7] = X[3]
    X[0] *= 50  # drawn for certain
    return X


@methods
def test_every_row_is_drawn_as_often_as_it_should(pool, method):
    n_draws = 4000
    drawn, chances = many_samples(pool, 9, n_draws, method)
    assert (drawn.sum(1) == 9).all()
    np.testing.assert_array_equal(drawn[:, 0], True)
    uncertain = chances < 1
    deviation = np.sqrt(chances * (1 - chances) / n_draws)[uncertain]
    z = (drawn.mean(0) - chances)[uncertain] / deviation
    assert np.abs(z).max() < stats.norm.isf(1e-4 / len(z))


@methods
def test_as_often_as_in_the_slow_twin(pool, method):
    """Rows drawn together: what the marginal chances do not tell."""
    n_draws = 3000
    drawn, chances = many_samples(pool, 9, n_draws, method)
    certain = np.flatnonzero(chances == 1).tolist()
    node = slow.tree(pool, np.flatnonzero(chances < 1).tolist(), method)
    rng = np.random.default_rng(0)
    theirs = np.zeros_like(drawn)
    for draw in theirs:
        rows = certain.copy()
        last, chance = slow.pivotal(node, chances, rng, rows)
        draw[rows + [last] * round(chance)] = True
    assert (theirs.sum(1) == 9).all()
    together, expected = (M.T.astype(float) @ M / n_draws for M in (drawn, theirs))
    deviation = np.sqrt((expected * (1 - expected)).clip(1e-3) / n_draws * 2)
    assert (np.abs(together - expected) / deviation).max() < 5.5


@methods
def test_neighbours_compete(method):
    """Points in pairs: of two neighbours of chances below one half, at most one is drawn."""
    rng = np.random.default_rng(2)
    centers = np.array([(i, j) for i in range(8) for j in range(4)]) * [1.0, 1.7] + [2, 1]
    X = np.repeat(centers, 2, axis=0) + 1e-3 * rng.normal(size=(64, 2))
    drawn, chances = many_samples(X, 12, 500, method)
    assert chances.max() < 0.5
    pairs = drawn.reshape(500, 32, 2)
    assert pairs.any(2).sum() == 500 * 12
    assert not pairs.all(2).any()


def test_estimates_of_totals_are_unbiased(pool):
    """Horvitz and Thompson's: sums over the picks, each over its chance."""
    values = np.random.default_rng(3).normal(size=40) + pool[:, 0] ** 2
    drawn, last = draws(pool, 12, 600)
    np.testing.assert_allclose(
        last.sample_weight_, 1 / last.inclusion_probabilities_[last.indices_]
    )
    estimates = drawn @ (values / last.inclusion_probabilities_)
    error = stats.sem(estimates)
    assert abs(estimates.mean() - values.sum()) < 4 * error
    assert error < 0.05 * abs(values.sum())


def test_better_than_independent_draws():
    """Polynomials of degree 6 in two variables, from 60 noisy labels."""
    from sklearn.linear_model import LinearRegression
    from sklearn.preprocessing import PolynomialFeatures

    rng = np.random.default_rng(4)
    points = rng.uniform(-1, 1, size=(3000, 2))
    X = PolynomialFeatures(6).fit_transform(points)
    y = np.exp(points[:, 0]) * np.sin(3 * points[:, 1]) + 0.1 * rng.normal(size=3000)

    def error(rows, weights):
        model = LinearRegression(fit_intercept=False).fit(X[rows], y[rows], sample_weight=weights)
        return np.mean((model.predict(X) - y) ** 2)

    ours, independent = [], []
    for seed in range(20):
        selector = LeverageScoreSelector(60, random_state=seed).fit(X)
        ours.append(error(selector.indices_, selector.sample_weight_))
        chances = selector.inclusion_probabilities_
        rows = np.flatnonzero(np.random.default_rng(seed).uniform(size=3000) < chances)
        independent.append(error(rows, 1 / chances[rows]))
    assert np.median(ours) < np.median(independent)


# The selector


@settings(max_examples=60, deadline=None)
@given(problem=problems(), method=st.sampled_from(["pca", "coordinate"]))
def test_budget_labels_and_chances(problem, method):
    selector = LeverageScoreSelector(problem.budget, method=method, random_state=0)
    selector.fit(problem.X, labeled=problem.labeled)
    picks, chances = selector.indices_, selector.inclusion_probabilities_
    assert len(set(picks)) == len(picks) == problem.budget
    assert (chances[problem.positions] == 0).all()
    assert (chances[picks] > 0).all()
    assert chances.sum() == pytest.approx(problem.budget)
    scores = slow.leverage_scores(problem.X.astype(np.float64))
    np.testing.assert_allclose(selector.scores_, scores[picks], atol=1e-9)


@methods
def test_does_not_depend_on_the_form_of_the_pool(method):
    """A grid, whose nodes often have no principal axis but the one that rounding gives them."""
    rng = np.random.default_rng(6)
    X = np.repeat(rng.integers(-2, 3, size=(150, 4)), 2, axis=0).astype(np.float32)
    expected = LeverageScoreSelector(40, method=method, random_state=0).fit(X)
    forms = [X.astype(np.float64), np.asfortranarray(X), sparse.csr_matrix(X), torch.tensor(X)]
    for form in forms:
        selector = LeverageScoreSelector(40, method=method, random_state=0).fit(form)
        np.testing.assert_array_equal(selector.indices_, expected.indices_)
    threads = torch.get_num_threads()
    try:
        for memory, count in ((0.001, 1), (1000, 3)):
            torch.set_num_threads(count)
            with sklearn.config_context(working_memory=memory):
                selector = LeverageScoreSelector(40, method=method, random_state=0).fit(X)
            np.testing.assert_array_equal(selector.indices_, expected.indices_)
    finally:
        torch.set_num_threads(threads)


def test_chances_of_one_half_each():
    """Sums that are 1 but for rounding: the picks must not turn on which side of it they lie."""
    X = np.eye(6)[np.arange(12) % 6] * np.linspace(0.1, 0.7, 6)[np.arange(12) % 6][:, None]
    for seed in range(50):
        selector = LeverageScoreSelector(6, method="coordinate", random_state=seed)
        picks = selector.fit(X).indices_
        np.testing.assert_allclose(selector.inclusion_probabilities_, 0.5)
        tilted = selector.fit(X * 0.1 / 3).indices_
        assert len(picks) == 6
        np.testing.assert_array_equal(picks, tilted)


def test_refuses_bad_parameters():
    X = np.eye(3)
    with pytest.raises(ValueError, match="method == 'random', must be one of"):
        LeverageScoreSelector(1, method="random").fit(X)
    with pytest.raises(ValueError, match="alpha == -1, must be a finite number >= 0"):
        LeverageScoreSelector(1, alpha=-1).fit(X)
    with pytest.raises(ValueError, match="Rescale the features"):
        LeverageScoreSelector(1).fit(9e153 * np.tile(X, (3, 1)))
    with pytest.raises(ValueError, match="alpha == 1e\\+308"):
        LeverageScoreSelector(1, alpha=1e308).fit(9e153 * X)
