"""ITL and VTL, their kernels and their posteriors, against dense matrices."""

import warnings

import numpy as np
import pytest
import sklearn
import torch
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern
from sklearn.metrics.pairwise import (
    cosine_similarity,
    euclidean_distances,
    laplacian_kernel,
    linear_kernel,
    polynomial_kernel,
    rbf_kernel,
)

from skactive import ITLSelector, VTLSelector
from skactive._rows import Rows
from skactive.exceptions import ZeroNormWarning
from skactive.kernels import resolve_kernel
from skactive.posterior import (
    FunctionSpacePosterior,
    WeightSpacePosterior,
    gaussian_posterior,
)
from skactive.posterior._prior import FeaturePrior, PrecomputedPrior
from tests.reference import transductive as dense
from tests.strategies import Problem, pools, problems

CPU = torch.device("cpu")
CLOSE = {"rel": 1e-7, "abs": 1e-9}


def scores_of(selector):
    """The twin's scores for a selector or a subclass of it."""
    return dense.itl_scores if isinstance(selector, ITLSelector) else dense.vtl_scores


both = pytest.mark.parametrize("Selector", [ITLSelector, VTLSelector])


def laplacian(A, B):
    return laplacian_kernel(A, B, gamma=0.05)


KERNELS = {
    "linear": "linear",
    "cosine": "cosine",
    "rbf": "rbf",
    "RBF": RBF(4.0),
    "Matern": ConstantKernel(2.0) * Matern(3.0, nu=1.5) + RBF(6.0),
    "callable": laplacian,
}
every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())


def kernel_matrix(kernel, Z, X):
    """The kernel on all rows of Z, where the pool is X, by scikit-learn."""
    Z, X = Z.astype(np.float64), X.astype(np.float64)
    if kernel == "linear":
        return linear_kernel(Z)
    if kernel == "cosine":
        return cosine_similarity(Z)
    if kernel == "rbf":
        return rbf_kernel(Z, gamma=1 / (X.shape[1] * X.var()) if X.var() > 0 else 1.0)
    return kernel(Z, Z)


def prior_of(selector, problem):
    """Dense covariances of the pool rows, then the targets; and the two noise variances."""
    n, d = problem.X.shape
    K = kernel_matrix(selector.kernel, np.vstack([problem.X, problem.target_rows]), problem.X)
    unit = np.diag(K)[:n].mean() or 1.0
    target_noise = None
    if isinstance(selector, ITLSelector) and len(K) > n:
        A = K[n:, n:]
        linear = selector.kernel in ("linear", "cosine")
        dimension = d if linear else np.trace(A) ** 2 / (A**2).sum()
        ratio = selector.target_noise_ratio or max(selector.noise_ratio, 4 * len(A) / dimension)
        target_noise = ratio * unit
    return K, selector.noise_ratio * unit, target_noise


def assert_as_twin(selector, problem, *, worthwhile=0.0):
    """Picks, scores and all fitted curves equal those of the dense computation.

    With targets, up to the first score below the share `worthwhile` of the possible: exact ties
    among rows that say next to nothing about the targets have tests of their own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        selector.fit(problem.X, **problem.fit_params)
    K, noise, target_noise = prior_of(selector, problem)
    n, labeled, targets = len(problem.X), problem.positions, list(range(len(problem.X), len(K)))
    picks, scores = dense.greedy(
        scores_of(selector),
        K,
        n,
        targets,
        labeled,
        selector.budget,
        noise,
        target_noise,
        last=np.flatnonzero(~problem.X.any(1)) if selector.kernel == "cosine" else (),
        top=selector.strategy == "top",
    )
    assert selector.noise_variance_ == pytest.approx(noise)
    directed = target_noise is not None
    if directed:
        assert selector.target_noise_variance_ == pytest.approx(target_noise)
    possible = 1.0 if isinstance(selector, ITLSelector) else np.diag(K)[targets].sum()
    poor = scores < worthwhile * possible
    end = int(poor.argmax()) if targets and poor.any() else len(picks)
    if end == 0:
        reject()
    parted = np.flatnonzero(selector.indices_[:end] != picks[:end])
    if len(parted):
        # Right only where the rounding of the twin's inverse may decide; exact ties have tests
        # of their own.
        end = int(parted[0])
        known = labeled if selector.strategy == "top" else [*labeled, *picks[:end]]
        current = scores_of(selector)(K, n, targets, known, noise, target_noise)
        ours, theirs = current[selector.indices_[end]], current[picks[end]]
        assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-10 * abs(scores[0]))
    np.testing.assert_array_equal(selector.indices_[:end], picks[:end])
    np.testing.assert_allclose(selector.scores_[:end], scores[:end], rtol=1e-7, atol=1e-10)
    for t in range(1, end + 1):
        P = dense.observe(K, [*labeled, *picks[:t]], noise)
        mean_variance = np.diag(P)[targets or slice(n)].mean()
        # Sums over the pool are float32 sums; over targets they are exact.
        close = CLOSE if targets else {"rel": 1e-6, "abs": 1e-6 * np.diag(K).mean()}
        assert selector.target_variance_[t - 1] == pytest.approx(mean_variance, **close)
        gain = (
            dense.information_gain(K, targets, labeled, picks[:t], noise, target_noise)
            if directed
            else dense.information_gain_undirected(K, labeled, picks[:t], noise)
        )
        assert selector.information_gain_[t - 1] == pytest.approx(gain, **CLOSE)


# Picks, scores and curves against the dense twin


@both
@every_kernel
@settings(max_examples=25)
@given(problem=problems(), noise_ratio=st.sampled_from([0.01, 0.1, 1.0]))
def test_undirected_equals_the_dense_posterior(Selector, kernel, problem, noise_ratio):
    selector = Selector(problem.budget, kernel=kernel, noise_ratio=noise_ratio)
    assert_as_twin(selector, problem)


@both
@every_kernel
@settings(max_examples=25)
@given(problem=problems(targets=True), noise_ratio=st.sampled_from([0.01, 0.1, 1.0]))
def test_directed_equals_the_dense_posterior(Selector, kernel, problem, noise_ratio):
    selector = Selector(problem.budget, kernel=kernel, noise_ratio=noise_ratio)
    assert_as_twin(selector, problem, worthwhile=1e-3)


@settings(max_examples=50)
@given(
    problem=problems(targets=True),
    kernel=st.sampled_from(["linear", "cosine", "rbf"]),
    target_noise_ratio=st.sampled_from([0.01, 0.3, 5.0]),
)
def test_directed_itl_with_target_noise(problem, kernel, target_noise_ratio):
    selector = ITLSelector(problem.budget, kernel=kernel, target_noise_ratio=target_noise_ratio)
    assert_as_twin(selector, problem, worthwhile=1e-3)


@both
@every_kernel
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "n, d, m", [(60, 5, 0), (60, 5, 3), (60, 5, 12), (20, 40, 4), (30, 40, 60)]
)
def test_random_pools_equal_the_dense_posterior(Selector, kernel, dtype, n, d, m):
    rng = np.random.default_rng(n + m)
    X = rng.normal(size=(n, d)).astype(dtype)
    X_target = rng.normal(size=(m, d)).astype(dtype) if m else None
    assert_as_twin(Selector(12, kernel=kernel), Problem(X, 12, [7, 3, 11], X_target))


@both
@pytest.mark.parametrize("targets", [None, [0, 5, 5, 17]])
def test_precomputed_equals_features(Selector, targets):
    X = np.random.default_rng(0).normal(size=(30, 4))
    X_target = None if targets is None else X[targets]
    by_features = Selector(8, kernel=laplacian).fit(X, labeled=[2, 9], X_target=X_target)
    by_gram = Selector(8, kernel="precomputed")
    by_gram.fit(laplacian(X, X), labeled=[2, 9], X_target=targets)
    np.testing.assert_array_equal(by_gram.indices_, by_features.indices_)
    for name in ("scores_", "information_gain_", "target_variance_"):
        np.testing.assert_allclose(getattr(by_gram, name), getattr(by_features, name), rtol=1e-9)
    others = np.random.default_rng(1).normal(size=(7, 4))
    cross = laplacian(others, X)
    np.testing.assert_allclose(by_gram.transform(cross), by_features.transform(others))
    np.testing.assert_array_equal(by_gram.represent(cross), by_features.represent(others))


@both
@pytest.mark.parametrize("kernel", ["linear", "cosine", "rbf"])
def test_sparse_pool_and_targets(Selector, kernel):
    rng = np.random.default_rng(2)
    X, T = (rng.normal(size=(n, 9)) * (rng.random((n, 9)) < 0.4) for n in (50, 6))
    X[:, 0], T[:, 0] = 1.0, 1.0  # no row of zeros
    plain = Selector(10, kernel=kernel).fit(X, labeled=[4], X_target=T)
    for container in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        given_sparse = Selector(10, kernel=kernel)
        given_sparse.fit(container(X), labeled=[4], X_target=container(T))
        np.testing.assert_array_equal(given_sparse.indices_, plain.indices_)
        np.testing.assert_allclose(given_sparse.scores_, plain.scores_, rtol=1e-9)


@both
def test_targets_may_have_another_dtype_and_container_than_the_pool(Selector):
    rng = np.random.default_rng(3)
    X, T = rng.normal(size=(30, 4)), rng.integers(-3, 4, size=(5, 4)).astype(np.float64)
    expected = Selector(6).fit(X, X_target=T).indices_
    for X_target in (T.tolist(), T.astype(np.float16), torch.tensor(T), T.astype(int), T[::-1]):
        np.testing.assert_array_equal(Selector(6).fit(X, X_target=X_target).indices_, expected)
        picks = Selector(6).fit(torch.tensor(X), X_target=X_target).indices_
        np.testing.assert_array_equal(picks, expected)


@both
@pytest.mark.parametrize("kernel", ["cosine", "rbf"])
@pytest.mark.parametrize("directed", [False, True])
def test_top_takes_the_best_of_one_scoring(Selector, kernel, directed):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(40, 5))
    T = rng.normal(size=(4, 5)) if directed else None
    selector = Selector(7, kernel=kernel, strategy="top")
    assert_as_twin(selector, Problem(X, 7, [1, 2], T))
    ranking = Selector(38, kernel=kernel, strategy="top").fit(X, labeled=[1, 2], X_target=T)
    assert (np.diff(ranking.scores_) <= 1e-9 * ranking.scores_[0]).all()
    np.testing.assert_array_equal(selector.indices_, ranking.indices_[:7])
    diverse = Selector(7, kernel=kernel).fit(X, labeled=[1, 2], X_target=T)
    assert diverse.indices_[0] == selector.indices_[0]
    assert (diverse.indices_ != selector.indices_).any()


# What the mathematics says besides


@every_kernel
@settings(max_examples=20)
@given(problem=problems(max_rows=12), noise_ratio=st.sampled_from([0.05, 1.0]))
def test_undirected_itl_is_greedy_log_det_maximization(kernel, problem, noise_ratio):
    X = problem.X.astype(np.float64)
    assume(kernel != "cosine" or X.any(1).all())
    selector = ITLSelector(problem.budget, kernel=kernel, noise_ratio=noise_ratio)
    selector.fit(X, labeled=problem.labeled)
    K = kernel_matrix(kernel, X, X)
    noise = noise_ratio * (np.diag(K).mean() or 1.0)
    picks = dense.log_det_design(K, len(X), problem.positions, problem.budget, noise)
    np.testing.assert_array_equal(selector.indices_, picks)


@both
@pytest.mark.parametrize("kernel", ["linear", "cosine", "rbf"])
@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("directed", [False, True])
def test_rescaled_features_give_the_same_picks(Selector, kernel, factor, directed):
    rng = np.random.default_rng(5)
    X = np.vstack([rng.normal(size=(40, 6)), rng.integers(-1, 2, size=(40, 6)) + [0.5] * 6])
    T = rng.normal(size=(4, 6)) if directed else None
    plain = Selector(20, kernel=kernel).fit(X, labeled=[3, 50], X_target=T)
    X_target = None if T is None else factor * T
    scaled = Selector(20, kernel=kernel).fit(factor * X, labeled=[3, 50], X_target=X_target)
    np.testing.assert_array_equal(scaled.indices_, plain.indices_)
    np.testing.assert_allclose(scaled.information_gain_, plain.information_gain_, rtol=1e-8)
    unit = factor**2 if kernel == "linear" else 1.0
    assert scaled.noise_variance_ == pytest.approx(unit * plain.noise_variance_)


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 30), d=st.integers(1, 8))
def test_one_target_one_pick_is_the_most_similar_row(seed, n, d):
    """Both scores grow with |cos|, the target's similarity up to its sign.

    With unit rows and c = cos(x, a), knowing the target leaves variance 1 - c²/(1 + τ²), so ITL
    scores ½ log((1 + ρ²)/(1 - c²/(1 + τ²) + ρ²)); VTL scores c²/(1 + ρ²).
    """
    rng = np.random.default_rng(seed)
    X, target = rng.normal(size=(n, d)), rng.normal(size=(1, d))
    cosine = cosine_similarity(X, target)[:, 0]
    closest = np.flatnonzero(cosine**2 >= (cosine**2).max() - 1e-10)[0]  # all tie if d is 1
    itl = ITLSelector(1, noise_ratio=0.2, target_noise_ratio=0.7).fit(X, X_target=target)
    vtl = VTLSelector(1, noise_ratio=0.2).fit(X, X_target=target)
    assert itl.indices_[0] == vtl.indices_[0] == closest
    c2 = cosine[closest] ** 2
    assert itl.scores_[0] == pytest.approx(0.5 * np.log(1.2 / (1.2 - c2 / 1.7)), abs=1e-12)
    assert vtl.scores_[0] == pytest.approx(c2 / 1.2)


def test_opposite_rows_are_as_informative_as_equal_ones():
    X = [[0.0, 1.0], [-3.0, -0.1], [1.0, 1.0]]
    assert ITLSelector(1).fit(X, X_target=[[1.0, 0.0]]).indices_.tolist() == [1]


@both
def test_a_useless_pool_is_picked_in_row_order(Selector):
    """Targets orthogonal to every row: all scores are 0, so rounding must not decide."""
    rng = np.random.default_rng(6)
    basis = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    X = np.repeat(rng.normal(size=(30, 5)) @ basis[:5], 3, axis=0)
    X_target = rng.normal(size=(2, 3)) @ basis[5:]
    selector = Selector(6).fit(X, X_target=X_target)
    np.testing.assert_allclose(selector.scores_, 0, atol=1e-12)
    np.testing.assert_array_equal(selector.indices_, np.arange(6))


@both
@pytest.mark.parametrize("kernel", ["cosine", "linear"])
@pytest.mark.parametrize("noise_ratio", [1.0, 0.01, 1e-4, 1e-6])
def test_chunks_decide_nothing_under_little_noise(Selector, kernel, noise_ratio):
    """Every row three times: equal rows have equal scores, wherever they stand in a chunk."""
    rng = np.random.default_rng(7)
    X = np.repeat(rng.normal(size=(200, 6)), 3, axis=0)
    for X_target in (None, rng.normal(size=(4, 6))):
        picks = []
        for working_memory in (0.001, 0.01, 1):
            with sklearn.config_context(working_memory=working_memory):
                selector = Selector(100, kernel=kernel, noise_ratio=noise_ratio)
                picks.append(selector.fit(X, X_target=X_target).indices_)
        np.testing.assert_array_equal(picks[1], picks[0])
        np.testing.assert_array_equal(picks[2], picks[0])
        position = np.full(len(X), len(X))
        position[picks[0]] = np.arange(100)
        assert (np.diff(position.reshape(-1, 3)) >= 0).all()  # the lowest of three comes first


@pytest.mark.parametrize("m", [3, 40])
@pytest.mark.parametrize("noise_ratio", [0.1, 50.0])
def test_default_target_noise(m, noise_ratio):
    """max(noise_ratio, 4 m / d), with tr(K)²/‖K‖² for d where the kernel has no features."""
    rng = np.random.default_rng(8)
    X, T = rng.normal(size=(20, 6)), rng.normal(size=(m, 6))
    for kernel, mean_variance in (("linear", (X**2).sum(1).mean()), ("cosine", 1.0)):
        selector = ITLSelector(2, kernel=kernel, noise_ratio=noise_ratio).fit(X, X_target=T)
        expected = max(noise_ratio, 4 * m / 6) * mean_variance
        assert selector.target_noise_variance_ == pytest.approx(expected)
    A = 3 * RBF(2.0)(T)
    effective_rank = np.trace(A) ** 2 / np.linalg.norm(A) ** 2
    selector = ITLSelector(2, kernel=3 * RBF(2.0), noise_ratio=noise_ratio).fit(X, X_target=T)
    expected = 3 * max(noise_ratio, 4 * m / effective_rank)
    assert selector.target_noise_variance_ == pytest.approx(expected)
    gram = laplacian(X, X)
    chosen = rng.integers(0, 20, size=m)
    A = gram[np.ix_(chosen, chosen)]
    effective_rank = np.trace(A) ** 2 / np.linalg.norm(A) ** 2
    selector = ITLSelector(2, kernel="precomputed", noise_ratio=noise_ratio)
    selector.fit(gram, X_target=chosen)
    expected = max(noise_ratio, 4 * m / effective_rank)
    assert selector.target_noise_variance_ == pytest.approx(expected)


def test_no_targets_no_target_noise():
    assert ITLSelector(2).fit(np.eye(4)).target_noise_variance_ is None


def test_curves_tell_when_more_labels_stop_paying():
    rng = np.random.default_rng(9)
    X, T = rng.normal(size=(60, 5)), rng.normal(size=(8, 5))
    for selector in (ITLSelector(40), VTLSelector(40)):
        selector.fit(X, X_target=T)
        assert (np.diff(selector.information_gain_) > 0).all()
        assert (np.diff(selector.target_variance_) < 0).all()
        assert selector.target_variance_[0] < 1.0  # the prior variance of unit rows
        assert selector.target_variance_[-1] < 0.05


def test_wide_features_take_function_space_and_pick_the_same():
    """Beyond 1,024 features the state moves from d × d to one column a pick."""
    rng = np.random.default_rng(10)
    narrow = rng.normal(size=(30, 20))
    isometry = np.linalg.qr(rng.normal(size=(1100, 20)))[0].T
    wide = narrow @ isometry
    targets = rng.normal(size=(3, 20))
    for Selector, extra in ((ITLSelector, {"target_noise_ratio": 0.5}), (VTLSelector, {})):
        expected = Selector(8, **extra).fit(narrow, labeled=[0], X_target=targets)
        selector = Selector(8, **extra).fit(wide, labeled=[0], X_target=targets @ isometry)
        np.testing.assert_array_equal(selector.indices_, expected.indices_)
        np.testing.assert_allclose(selector.target_variance_, expected.target_variance_)
    rows = Rows(wide, CPU)
    kernel = resolve_kernel("linear", rows)
    posterior = gaussian_posterior(kernel, rows, rows.squared_norms(), 0.1, n_observations=8)
    assert isinstance(posterior, FunctionSpacePosterior)
    rows = Rows(narrow, CPU)
    posterior = gaussian_posterior(kernel, rows, rows.squared_norms(), 0.1, n_observations=8)
    assert isinstance(posterior, WeightSpacePosterior)


# The two posteriors


def pair_of_posteriors(kernel_name, X, T, noise, *, capacity=3, track_reduction=False):
    rows = Rows(X, CPU)
    kernel = resolve_kernel(kernel_name, rows)
    rows = kernel.prepare(rows)
    targets = None if T is None else kernel.prepare(Rows(T, CPU))
    weight = WeightSpacePosterior(
        rows.precise(), kernel.diagonal(rows), noise, targets, track_reduction=track_reduction
    )
    function = FunctionSpacePosterior(
        FeaturePrior(kernel, rows, targets),
        noise,
        capacity=capacity,
        track_reduction=track_reduction,
    )
    return weight, function


def assert_equal_posteriors(weight, function, P, n):
    """Both agree with the dense covariances P of pool rows, then targets."""
    everything = np.arange(n)
    points = slice(n, None) if len(P) > n else slice(0, n)
    for posterior in (weight, function):
        close = {"rtol": 1e-7, "atol": 1e-9 * abs(P).max()}
        np.testing.assert_allclose(posterior.variance.numpy(), np.diag(P)[:n], **close)
        covariance = posterior.covariance(everything, everything[::-1].copy())
        np.testing.assert_allclose(covariance.numpy(), P[:n, :n][:, ::-1], **close)
        assert posterior.target_variance == pytest.approx(np.diag(P)[points].mean(), **CLOSE)
        if posterior.running.reduction is not None:
            reduction = (P[points, :n] ** 2).sum(0)
            np.testing.assert_allclose(posterior.running.reduction.numpy(), reduction, **close)


@pytest.mark.parametrize("kernel_name", ["linear", "cosine"])
@pytest.mark.parametrize("track_reduction", [False, True])
@pytest.mark.parametrize("n, d, m", [(15, 4, 0), (5, 9, 0), (15, 4, 2), (15, 4, 4), (15, 4, 11)])
def test_weight_space_equals_function_space(kernel_name, track_reduction, n, d, m):
    rng = np.random.default_rng(11)
    X = rng.normal(size=(n, d))
    T = rng.normal(size=(m, d)) if m else None
    noise, target_noise = 0.3, 0.8
    weight, function = pair_of_posteriors(kernel_name, X, T, noise, track_reduction=track_reduction)
    K = kernel_matrix(kernel_name, X if T is None else np.vstack([X, T]), X)
    targets = list(range(n, len(K))) or list(range(n))
    assert_equal_posteriors(weight, function, K, n)
    known = []
    for block in ([2], [0, 4, 3], [2, 2], list(range(n)), []):  # fewer and more than d, repeats
        for posterior in (weight, function):
            posterior.condition_on_rows(np.array(block, dtype=np.int64))
        known += block
        assert_equal_posteriors(weight, function, dense.observe(K, known, noise), n)
    for posterior in (weight, function):
        posterior.condition_on_targets(target_noise)
    P = dense.observe(K, known, noise, targets, target_noise)
    assert_equal_posteriors(weight, function, P, n)
    for posterior in (weight, function):
        posterior.condition_on(1)
    P = dense.observe(K, [*known, 1], noise, targets, target_noise)
    assert_equal_posteriors(weight, function, P, n)


@settings(max_examples=60)
@given(
    X=pools(),
    kernel_name=st.sampled_from(["linear", "cosine"]),
    noise=st.sampled_from([0.05, 1.0]),
    data=st.data(),
)
def test_weight_space_equals_function_space_one_by_one(X, kernel_name, noise, data):
    n = len(X)
    T = data.draw(st.sampled_from([None, X[:1], X[::2]]), label="targets")
    weight, function = pair_of_posteriors(kernel_name, X, T, noise, track_reduction=True)
    K = kernel_matrix(kernel_name, X if T is None else np.vstack([X, T]), X)
    known = data.draw(st.lists(st.integers(0, n - 1), max_size=6), label="observed")
    for row in known:
        weight.condition_on(row)
        function.condition_on(row)
    assert_equal_posteriors(weight, function, dense.observe(K, known, noise), n)


@pytest.mark.parametrize("accepted", [1, 2, 4])
@pytest.mark.parametrize("track_reduction", [False, True])
@pytest.mark.parametrize("kind", [0, 1], ids=["weight", "function"])
def test_part_of_a_proposal_equals_conditioning_row_by_row(kind, track_reduction, accepted):
    """In two posteriors at once; a row may come twice."""
    rng = np.random.default_rng(12)
    X, T = rng.normal(size=(12, 4)), rng.normal(size=(3, 4))
    together, apart = (
        [
            pair_of_posteriors("linear", X, T, 0.2, track_reduction=track_reduction)[kind]
            for _ in range(2)
        ]
        for _ in range(2)
    )
    together[1].condition_on_targets(0.5)
    apart[1].condition_on_targets(0.5)
    picks = np.array([3, 7, 3, 0])
    proposal = type(together[0]).propose(together, picks)
    proposal.sweep()
    before = together[0].target_variance
    proposal.accept(accepted)
    falls = proposal.target_falls()
    assert len(falls) == accepted
    for t, row in enumerate(picks[:accepted]):
        pivots = [float(posterior.variance[row]) + 0.2 for posterior in apart]
        assert pivots == pytest.approx([float(batch.pivots[t]) for batch in proposal.batches])
        for posterior in apart:
            posterior.condition_on(row)
        fallen = before - float(falls[: t + 1].sum())
        assert fallen == pytest.approx(apart[0].target_variance)
    for a, b in zip(together, apart, strict=True):
        np.testing.assert_allclose(a.variance, b.variance, rtol=1e-10)
        if track_reduction:
            np.testing.assert_allclose(a.running.reduction, b.running.reduction, rtol=1e-9)


@pytest.mark.parametrize("targets", [None, [2, 2, 7]])
def test_precomputed_posterior_equals_the_dense_one(targets):
    X = np.random.default_rng(13).normal(size=(10, 3))
    gram = laplacian(X, X)
    rows = Rows(gram, CPU)
    positions = None if targets is None else np.array(targets, dtype=np.int64)
    prior = PrecomputedPrior(resolve_kernel("precomputed", rows), rows, positions)
    posterior = FunctionSpacePosterior(prior, 0.1, capacity=1, track_reduction=True)
    posterior.condition_on_rows(np.array([1, 5], dtype=np.int64))
    posterior.condition_on_targets(0.4)
    posterior.condition_on(8)
    points = [*range(10), *(targets or [])]
    K = gram[np.ix_(points, points)]
    A = list(range(10, len(points))) or list(range(10))
    P = dense.observe(K, [1, 5, 8], 0.1, A, 0.4)
    assert_equal_posteriors(posterior, posterior, P, 10)


def test_a_kernel_that_is_no_covariance_is_named_with_a_remedy():
    def no_covariance(A, B):  # 1 with itself, 3 with others
        return 3.0 - 2.0 * (euclidean_distances(A, B) < 1e-6)

    X = np.random.default_rng(14).normal(size=(8, 3))
    with pytest.raises(ValueError, match=r"not positive definite.*Raise noise_ratio"):
        ITLSelector(5, kernel=no_covariance).fit(X, labeled=[0, 1, 2])


# Kernels


@pytest.mark.parametrize("kernel", ["linear", "cosine", "rbf"])
@settings(max_examples=40)
@given(X=pools(), as_csr=st.booleans())
def test_named_kernels_equal_those_of_scikit_learn(kernel, X, as_csr):
    expected = kernel_matrix(kernel, X, X)
    rows = Rows(sparse.csr_array(X) if as_csr else X, CPU)
    resolved = resolve_kernel(kernel, rows)
    prepared = resolved.prepare(rows)
    cross = resolved.cross(prepared, prepared.dense()[1:]).numpy()
    np.testing.assert_allclose(cross, expected[:, 1:], rtol=1e-9, atol=1e-12)
    diagonal = resolved.diagonal(prepared).numpy()
    np.testing.assert_allclose(diagonal, np.diag(expected), rtol=1e-12)
    if kernel == "cosine":
        assert set(diagonal) <= {0.0, 1.0}  # exactly: unit rows tie


def test_rbf_width_is_that_of_svc():
    X = np.random.default_rng(15).normal(3.0, 2.0, size=(50, 4))
    gamma = 1 / (4 * X.var())
    selector = ITLSelector(3, kernel="rbf").fit(X)
    expected = rbf_kernel(X, X[selector.indices_], gamma=gamma)
    np.testing.assert_allclose(selector.transform(X), expected, rtol=1e-10)
    others = X[:5] + 1.0  # the width comes from the pool, not from the rows at hand
    expected = rbf_kernel(others, X[selector.indices_], gamma=gamma)
    np.testing.assert_allclose(selector.transform(others), expected, rtol=1e-10)


@both
def test_callables_see_numpy_and_need_no_diagonal(Selector):
    seen = []

    def spy(A, B):
        seen.append((type(A), A.dtype, type(B), B.dtype))
        return polynomial_kernel(A, B, degree=2)

    X = np.random.default_rng(16).normal(size=(300, 3)).astype(np.float32)  # two blocks of rows
    selector = Selector(5, kernel=spy).fit(X, X_target=X[:4])
    assert set(seen) == {(np.ndarray, np.dtype("float64")) * 2}
    X = X.astype(np.float64)
    expected = Selector(5, kernel="precomputed")
    expected.fit(polynomial_kernel(X, degree=2), X_target=[0, 1, 2, 3])
    np.testing.assert_array_equal(selector.indices_, expected.indices_)
