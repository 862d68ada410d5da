"""CTL against dense matrices, activeft, and what it must reduce to."""

import warnings

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process.kernels import Matern
from sklearn.metrics.pairwise import cosine_similarity, linear_kernel, rbf_kernel

from skactive import CosineSimilaritySelector, CTLSelector
from skactive.exceptions import ZeroNormWarning
from tests.reference import transductive as dense
from tests.reference.ctl import ctl_scores
from tests.strategies import problems

TOLERANCE = 1e-9


def kernel_matrix(kernel, Z, X):
    """The kernel on all rows of Z, where the pool is X."""
    Z, X = Z.astype(np.float64), X.astype(np.float64)
    if kernel == "linear":
        return linear_kernel(Z)
    if kernel == "cosine":
        return cosine_similarity(Z)
    if kernel == "rbf":
        return rbf_kernel(Z, gamma=1 / (X.shape[1] * X.var()) if X.var() > 0 else 1.0)
    return kernel(Z)


def assert_as_twin(selector, problem):
    """Picks and scores are those of the dense computation, up to the first near tie."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        selector.fit(problem.X, **problem.fit_params)
    n = len(problem.X)
    K = kernel_matrix(selector.kernel, np.vstack([problem.X, problem.target_rows]), problem.X)
    noise = selector.noise_ratio * (np.diag(K)[:n].mean() or 1.0)
    targets = list(range(n, len(K)))
    assert selector.noise_variance_ == pytest.approx(noise)
    zeros = np.flatnonzero(~problem.X.any(1)) if selector.kernel == "cosine" else []
    picks, gain = selector.indices_, 0.0
    assert len(np.unique(picks)) == problem.budget
    assert not set(picks) & set(problem.positions)
    for t, pick in enumerate(picks):
        known = [*problem.positions, *picks[:t]]
        current = ctl_scores(
            K, n, targets, problem.positions if selector.strategy == "top" else known, noise
        )
        assert selector.scores_[t] == pytest.approx(current[pick], abs=TOLERANCE)
        free = ~np.isin(np.arange(n), known)
        preferred = free & ~np.isin(np.arange(n), zeros)
        best = current[preferred if preferred.any() else free].max()
        assert current[pick] >= best - TOLERANCE
        if not preferred.any():
            assert pick in zeros
        elif pick not in zeros:
            assert pick <= np.flatnonzero(preferred & (current >= best - 1e-14))[0]
        before = dense.observe(K, known, noise)
        gain += 0.5 * np.log1p(before[pick, pick] / noise)
        assert selector.information_gain_[t] == pytest.approx(gain, abs=1e-8)
        after = np.diag(dense.observe(K, [*known, pick], noise))
        expected = after[targets or slice(n)].mean()
        assert selector.target_variance_[t] == pytest.approx(expected, rel=1e-7, abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(
    problem=problems(targets=True),
    kernel=st.sampled_from(["cosine", "linear", "rbf", Matern(3.0, nu=1.5)]),
    strategy=st.sampled_from(["greedy", "top"]),
)
def test_equals_dense_computation(problem, kernel, strategy):
    assert_as_twin(CTLSelector(problem.budget, kernel=kernel, strategy=strategy), problem)


@settings(max_examples=60, deadline=None)
@given(
    problem=problems(),
    kernel=st.sampled_from(["cosine", "linear", "rbf"]),
    strategy=st.sampled_from(["greedy", "top"]),
)
def test_equals_dense_computation_without_targets(problem, kernel, strategy):
    assert_as_twin(CTLSelector(problem.budget, kernel=kernel, strategy=strategy), problem)


@pytest.mark.parametrize("directed", [True, False])
def test_both_posteriors_agree(directed):
    """A precomputed Gram matrix has no features: function space in place of weight space."""
    rng = np.random.default_rng(0)
    X, labeled, targets = rng.normal(size=(80, 6)), [3, 40], [5, 17, 30, 31]
    by_features = CTLSelector(12).fit(X, labeled=labeled, X_target=X[targets] if directed else None)
    by_gram = CTLSelector(12, kernel="precomputed").fit(
        cosine_similarity(X), labeled=labeled, X_target=targets if directed else None
    )
    np.testing.assert_array_equal(by_features.indices_, by_gram.indices_)
    np.testing.assert_allclose(by_features.scores_, by_gram.scores_, atol=1e-12)
    np.testing.assert_allclose(by_features.target_variance_, by_gram.target_variance_, atol=1e-12)


def test_of_activeft():
    """It may pick a row again and again; so it is asked what it thinks of the rows left."""
    pytest.importorskip("activeft")
    import torch
    from activeft.acquisition_functions.ctl import CTL

    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 20)).astype(np.float32)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    targets = X[:5] + 0.1 * rng.normal(size=(5, 20)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    selector = CTLSelector(12, noise_ratio=0.1).fit(X, X_target=targets)
    function = CTL(target=torch.from_numpy(targets), noise_std=0.1**0.5, mini_batch_size=len(X))
    state = function.initialize(None, torch.from_numpy(X), torch.device("cpu"))
    left = np.ones(len(X), dtype=bool)
    for pick, score in zip(selector.indices_, selector.scores_, strict=True):
        theirs = function.compute(state).numpy()
        assert int(np.where(left, theirs, -1).argmax()) == pick
        assert theirs[pick] == pytest.approx(score, abs=1e-5)
        state = function.step(state, int(pick))
        left[pick] = False


@pytest.mark.parametrize("directed", [True, False])
def test_first_pick_is_the_most_similar_row(directed):
    rng = np.random.default_rng(2)
    X, targets = rng.normal(size=(100, 5)), rng.normal(size=(4, 5)) if directed else None
    ours = CTLSelector(100, strategy="top").fit(X, X_target=targets)
    similar = CosineSimilaritySelector(100).fit(X, X_target=targets)
    np.testing.assert_array_equal(ours.indices_, similar.indices_)
    np.testing.assert_allclose(ours.scores_, similar.scores_, atol=1e-12)


@pytest.mark.parametrize("kernel", ["cosine", "rbf"])
def test_does_not_depend_on_working_memory(kernel):
    rng = np.random.default_rng(3)
    X = np.repeat(rng.normal(size=(200, 6)), 3, axis=0)
    expected = CTLSelector(30, kernel=kernel).fit(X)
    with sklearn.config_context(working_memory=0.01 if kernel == "cosine" else 3):
        picks = CTLSelector(30, kernel=kernel).fit(X)
    np.testing.assert_array_equal(picks.indices_, expected.indices_)


def test_little_noise():
    """The variances left are small differences of large ones: copies must tie all the same."""
    rng = np.random.default_rng(4)
    X = np.repeat(rng.normal(size=(40, 30)), 2, axis=0)
    order = rng.permutation(80)
    ours = CTLSelector(20, noise_ratio=1e-6).fit(X)
    shuffled = CTLSelector(20, noise_ratio=1e-6).fit(X[order])
    np.testing.assert_array_equal(X[ours.indices_][:10], X[order][shuffled.indices_][:10])
    picks = ours.indices_.tolist()
    assert all(row % 2 == 0 or row - 1 in picks[:t] for t, row in enumerate(picks))


def test_values_already_known_come_last():
    """Without noise to speak of, a copy of a labeled row is correlated with nothing."""
    X = np.array([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8]])
    selector = CTLSelector(2, noise_ratio=1e-14).fit(X, labeled=[0], X_target=[[1.0, 0.1]])
    np.testing.assert_array_equal(selector.indices_, [2, 1])
    assert selector.scores_[1] == 0


def test_refuses_bad_parameters():
    X = np.eye(3)
    with pytest.raises(ValueError, match="strategy == 'best', must be one of"):
        CTLSelector(1, strategy="best").fit(X)
    with pytest.raises(ValueError, match="noise_ratio == 0"):
        CTLSelector(1, noise_ratio=0).fit(X)
