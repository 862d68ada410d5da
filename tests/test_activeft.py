"""ActiveFT against a slow twin, autograd, and what it promises."""

import itertools
import warnings

import numpy as np
import pytest
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist
from scipy.stats import chisquare
from sklearn.utils.estimator_checks import check_estimator

from skactive._rows import Rows
from skactive.exceptions import BudgetWarning, ZeroNormWarning
from skactive.selection import _activeft_repulsion
from skactive.selection._activeft import ActiveFTSelector
from skactive.selection._activeft_assignment import Assignment, Turns
from skactive.selection._activeft_loss import LOSSES
from skactive.selection._activeft_picks import pick_rows, transport_cost
from skactive.selection._activeft_repulsion import Repulsion
from skactive.selection._activeft_segments import RowSegments
from skactive.selection._activeft_starts import STARTS
from tests.reference import activeft as reference
from tests.reference.coreset import unit
from tests.strategies import problems

CPU = torch.device("cpu")
losses = st.sampled_from(["kl", "contrastive"])
inits = st.sampled_from(["random", "k-means++"])


def fit(selector, X, labeled=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        return selector.fit(X, labeled=labeled)


def draw_starts(X, labeled, budget, init, seed):
    """Rows where a selector of the same seed starts."""
    candidates = np.array([i for i in range(len(X)) if i not in labeled and X[i].any()], dtype=int)
    directed = np.array([i for i in labeled if X[i].any()], dtype=int)
    random_state = np.random.RandomState(seed)
    starts = STARTS[init](Rows(X, CPU).unit(), candidates, directed, budget, random_state)
    if len(starts):
        return starts
    free = [i for i in range(len(X)) if i not in labeled]
    return [*candidates, *free][:1]


def clusters(sizes=(30, 10, 20), n_features=6, seed=0):
    """Bundles of directions far from each other, the rows of one after those of another."""
    rng = np.random.default_rng(seed)
    middles = np.repeat(np.eye(n_features)[: len(sizes)], sizes, axis=0)
    return middles + 0.05 * rng.normal(size=middles.shape)


@pytest.fixture
def gaussian():
    return np.random.default_rng(0).normal(size=(60, 5))


@settings(max_examples=60)
@given(
    problem=problems(),
    loss=losses,
    init=inits,
    tau=st.sampled_from([0.07, 0.3, 1.0]),
    lam=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    learning_rate=st.sampled_from([1e-3, 1e-2]),
    max_iter=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_equals_the_twin(problem, loss, init, tau, lam, learning_rate, max_iter, seed):
    selector = ActiveFTSelector(
        problem.budget,
        loss=loss,
        temperature=tau,
        balance=lam,
        learning_rate=learning_rate,
        max_iter=max_iter,
        init=init,
        random_state=seed,
    )
    fit(selector, problem.X, problem.labeled)
    starts = draw_starts(problem.X, problem.positions, problem.budget, init, seed)
    picks, centers, curve = reference.activeft(
        problem.X.astype(np.float64),
        problem.positions,
        starts,
        problem.budget,
        getattr(reference, loss),
        tau,
        lam,
        learning_rate,
        max_iter,
    )
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.loss_curve_, curve, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(selector.centers_, centers, atol=1e-7)


@pytest.mark.parametrize("shape", [(80, 3), (12, 40)])
@pytest.mark.parametrize("loss", ["kl", "contrastive"])
def test_equals_the_twin_over_many_steps(loss, shape):
    X = np.random.default_rng(1).normal(size=shape)
    selector = ActiveFTSelector(5, loss=loss, max_iter=50, random_state=3).fit(X, labeled=[2, 7])
    starts = draw_starts(X, [2, 7], 5, "random", 3)
    loss = getattr(reference, loss)
    picks, centers, curve = reference.activeft(X, [2, 7], starts, 5, loss, 0.07, 1.0, 1e-3, 50)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.loss_curve_, curve, rtol=1e-8)
    np.testing.assert_allclose(selector.centers_, centers, atol=1e-8)


def evaluate(name, rows, points, n_fixed, tau, lam):
    return LOSSES[name](RowSegments(rows, points), points[:n_fixed], tau, lam)(points)


def mixtures(n, n_features, n_clusters, noise, seed=0):
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(n_clusters, n_features))
    return middles[rng.integers(n_clusters, size=n)] + noise * rng.normal(size=(n, n_features))


def pools_to_assign():
    """Pools with the rows that are labeled."""
    rng = np.random.default_rng(0)
    clustered = mixtures(400, 24, 12, 0.7).astype(np.float32)
    flat = rng.normal(size=(300, 8))
    zeros = flat.copy()
    zeros[[0, 5, 17, 200]] = 0
    gaps = [1e-10, 1e-9, 3e-9, 1e-8, 1e-7, 1e-6]
    near = np.vstack([flat[:40] + gap * rng.normal(size=(40, 8)) for gap in gaps])
    return [
        pytest.param(clustered, [], id="clustered"),
        pytest.param(clustered, list(range(0, 60, 4)), id="clustered, labeled"),
        pytest.param(clustered[:90], list(range(89)), id="one center among labeled rows"),
        pytest.param(flat, [3], id="flat"),
        pytest.param(np.repeat(flat[:60], 4, axis=0), [1], id="duplicated"),
        pytest.param(near, [2, 41], id="nearly tied"),
        pytest.param(zeros, [5, 9, 17], id="zero rows, some labeled"),
        pytest.param(np.diag([1.0, 1, 0])[[0, 1, 2, 2]], [0, 1], id="a center of no direction"),
        pytest.param(np.eye(6)[rng.integers(6, size=50)], [], id="symmetric"),
        pytest.param(sparse.csr_matrix(np.where(flat > 0.5, flat, 0)), [4], id="sparse"),
        pytest.param(sparse.csr_matrix(near), [], id="sparse, nearly tied"),
    ]


def follow(selector, X, labeled, monkeypatch, check):
    """Fit with a look at the loss after each evaluation: check(F, components, loss)."""
    rows = X.toarray() if sparse.issparse(X) else X
    F = torch.from_numpy(unit(rows.astype(np.float64)))
    kind = LOSSES[selector.loss]
    calls = []

    class Watched(kind):
        def __call__(self, components):
            result = super().__call__(components)
            calls.append(check(F, components, self))
            return result

    monkeypatch.setitem(LOSSES, selector.loss, Watched)
    fit(selector, X, labeled)
    return calls


def check_assignment(F, components, assignment):
    """The dense float64 assignment, and bounds that hold."""
    similarity = F @ components.T
    limit = similarity.amax(1, keepdim=True) - 1e-9
    nearest = (similarity >= limit).to(torch.uint8).argmax(1)
    assert torch.equal(assignment.nearest, nearest)
    if len(components) == 1 or not bool(components.any(1).all()):
        return  # no other component, or one without angles
    own = similarity.gather(1, nearest[:, None])[:, 0]
    others = similarity.scatter(1, nearest[:, None], -2.0).amax(1)
    outside = similarity.scatter(1, assignment._rivals.long(), -2.0).amax(1)
    directed = F.any(1)
    assert bool((assignment._own.cos() <= own + 1e-12)[directed].all())
    assert bool((assignment._other.cos() >= others - 1e-12)[directed].all())
    assert bool((assignment._outer.cos() >= outside - 1e-12)[directed].all())


@pytest.mark.parametrize("n_components", [1, 2, 3, 5, 6, 40])
@pytest.mark.parametrize("step", [1e-3, 0.1, 10.0])
def test_the_assignment_follows_any_jump(n_components, step):
    rng = np.random.default_rng(n_components)
    X = rng.normal(size=(200, 3))
    X[[7, 8]] = 0
    rows = Rows(X, CPU).unit()
    components = unit(rng.normal(size=(n_components, 3)))
    assignment = Assignment(rows, torch.from_numpy(components))
    turns = Turns(torch.from_numpy(components))
    for t in range(30):
        before = assignment.nearest.clone()
        components = unit(components + step * rng.normal(size=components.shape))
        if t % 3 == 0:  # a center may lose its direction, and find another
            components[t % n_components] = 0
        now = torch.from_numpy(components)
        moved, old = assignment.update(now, turns.follow(now))
        check_assignment(rows.dense(), torch.from_numpy(components), assignment)
        assert torch.equal(moved, (assignment.nearest != before).nonzero()[:, 0])
        assert torch.equal(old, before[moved])


@pytest.mark.parametrize("loss", ["kl", "contrastive"])
@pytest.mark.parametrize("learning_rate", [1e-3, 3e-2])
@pytest.mark.parametrize("X, labeled", pools_to_assign())
def test_every_assignment_is_the_dense_one(X, labeled, loss, learning_rate, monkeypatch):
    budget = min(40, X.shape[0] - len(labeled))
    selector = ActiveFTSelector(
        budget, loss=loss, learning_rate=learning_rate, max_iter=30, random_state=0
    )

    def check(F, components, loss):
        check_assignment(F, components, loss._segments.assignment)

    assert len(follow(selector, X, labeled, monkeypatch, check)) == 30


@pytest.mark.parametrize("working_memory", [0.001, 1024])
@pytest.mark.parametrize("X, labeled", pools_to_assign())
def test_kept_sums_are_fresh_sums(X, labeled, working_memory, monkeypatch):
    def check(F, components, loss):
        fresh = torch.zeros_like(components)
        fresh.index_add_(0, loss._segments.assignment.nearest, F)
        torch.testing.assert_close(loss._segments._sums.total(), fresh, rtol=0, atol=1e-12)

    budget = min(25, X.shape[0] - len(labeled))
    selector = ActiveFTSelector(budget, max_iter=30, learning_rate=1e-2, random_state=0)
    with sklearn.config_context(working_memory=working_memory):
        follow(selector, X, labeled, monkeypatch, check)


def test_the_pools_above_are_no_idle_check(monkeypatch):
    nearest, considered, compared = [], [], []
    with_rivals, with_all = Assignment._compare_with_rivals, Assignment._compare_with_all

    def count_rivals(self, indices):
        considered.append(len(indices))
        return with_rivals(self, indices)

    def count_all(self, indices):
        compared.append(len(indices))
        return with_all(self, indices)

    monkeypatch.setattr(Assignment, "_compare_with_rivals", count_rivals)
    monkeypatch.setattr(Assignment, "_compare_with_all", count_all)

    def note(F, components, loss):
        nearest.append(loss._segments.assignment.nearest.clone())

    selector = ActiveFTSelector(40, max_iter=60, learning_rate=5e-3, random_state=0)
    follow(selector, mixtures(400, 24, 12, 0.7), [], monkeypatch, note)
    moves = [int((a != b).sum()) for a, b in zip(nearest[:-1], nearest[1:], strict=True)]
    assert sum(moves) > 100
    # All rows at first. So few in the end, before the final mass and the transport cost, that the
    # bounds must have proven most, and the rivals most of the others.
    assert compared[0] == 400
    assert 0 < np.mean(considered[-21:-1]) < 200
    assert 0 < np.mean(compared[-22:-2]) < 50


def test_long_runs_on_float32_rows_equal_the_twin():
    X = mixtures(500, 16, 10, 0.7).astype(np.float32)
    X[[4, 9, 30]] = 0
    labeled = [4, 7, 11]
    for loss in LOSSES:
        selector = ActiveFTSelector(25, loss=loss, max_iter=80, learning_rate=5e-3, random_state=0)
        fit(selector, X, labeled)
        starts = draw_starts(X, labeled, 25, "random", 0)
        picks, centers, curve = reference.activeft(
            X.astype(np.float64), labeled, starts, 25, getattr(reference, loss), 0.07, 1, 5e-3, 80
        )
        np.testing.assert_array_equal(selector.indices_, picks)
        np.testing.assert_allclose(selector.loss_curve_, curve, rtol=1e-9)
        np.testing.assert_allclose(selector.centers_, centers, atol=1e-8)


@pytest.mark.parametrize("own, mutual", [(False, True), (True, False)])
@pytest.mark.parametrize("block, keep", [(1, 0), (3, 0), (4, 99), (128, 0), (128, 99)])
@pytest.mark.parametrize("n_fixed, n_centers", [(0, 9), (5, 8), (7, 1)])
def test_repulsion_by_blocks_is_the_dense_one(
    n_fixed, n_centers, block, keep, own, mutual, monkeypatch
):
    monkeypatch.setattr(_activeft_repulsion, "_BLOCK", block)
    monkeypatch.setattr(_activeft_repulsion, "_KEEP", keep)
    rng = np.random.default_rng(n_fixed)
    first, second = (unit(rng.normal(size=(n_fixed + n_centers, 4))) for _ in range(2))
    first[:n_fixed] = second[:n_fixed]
    repulsion = Repulsion(torch.from_numpy(second[:n_fixed]), 0.1, own=own, mutual=mutual)
    for T in (first, second):
        logits = T @ T.T / 0.1 - (0 if own else np.diag(np.full(len(T), np.inf)))
        expected = np.log(np.exp(logits).sum(1))
        weights = np.exp(logits - expected[:, None])
        weights = weights + weights.T if mutual else weights
        log_sums, sums = repulsion(torch.from_numpy(T))
        np.testing.assert_allclose(log_sums, expected, rtol=1e-13)
        np.testing.assert_allclose(sums, (weights @ T)[n_fixed:], atol=1e-13)


@pytest.mark.parametrize("repeats", [1, 3, 20])
@pytest.mark.parametrize("n_picks", [1, 30, 60])
def test_rows_are_picked_as_by_brute_force(repeats, n_picks):
    # More copies than a center notes rows, and centers that want the same rows.
    rng = np.random.default_rng(repeats)
    X = np.repeat(rng.normal(size=(120 // repeats, 5)), repeats, axis=0)
    X[[3, 50]] = 0
    F = unit(X)
    centers = unit(np.vstack([F[60:70] + 0.01, F[60:70], rng.normal(size=(5, 5))]))
    candidates = rng.random(120) < 0.7
    n_picks = min(n_picks, int(candidates.sum()))
    expected, left = [], candidates & F.any(1)
    for t in range(min(n_picks, int(left.sum()))):
        similarity = np.where(left, F @ centers[t % 25], -np.inf)
        expected.append(int(np.flatnonzero(similarity >= similarity.max() - 1e-9)[0]))
        left[expected[-1]] = False
    rows = Rows(X, CPU).unit()
    picks = pick_rows(rows, torch.from_numpy(centers), torch.from_numpy(candidates), n_picks)
    np.testing.assert_array_equal(picks[: len(expected)], expected)


@pytest.mark.parametrize("n_zeros", [0, 1, 8])
@pytest.mark.parametrize("zero_rows", [[], [2, 30]])
def test_transport_cost(n_zeros, zero_rows):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    X[zero_rows] = 0
    F = unit(X)
    representatives = np.vstack([np.zeros((n_zeros, 3)), unit(rng.normal(size=(8 - n_zeros, 3)))])
    cost = transport_cost(Rows(X, CPU).unit(), torch.from_numpy(representatives))
    assert cost == pytest.approx(cdist(F, representatives).min(1).mean(), abs=1e-12)


def test_distant_starts_are_drawn_one_after_another():
    # The chances of all sequences, although many rows are drawn at once.
    angles = np.array([0.0, 0.3, 1.0, 2.0, 3.5])
    X = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    squares = np.square(cdist(X, X))
    chances = np.zeros((5, 5, 5))
    for i, j in itertools.permutations(range(5), 2):
        left = np.minimum(squares[i], squares[j])
        chances[i, j] = squares[i, j] / squares[i].sum() / 5 * left / left.sum()
    counts = np.zeros_like(chances)
    for seed in range(1500):
        counts[tuple(draw_starts(X, [], 3, "k-means++", seed))] += 1
    assert (counts[chances == 0] == 0).all()
    assert chisquare(counts[chances > 0], 1500 * chances[chances > 0]).pvalue > 0.001


def literal_kl(F, T, tau, lam):
    loss = -(F @ T.T).amax(1).sum() / (len(F) * tau)
    if len(T) == 1:
        return loss
    others = ~torch.eye(len(T), dtype=torch.bool)
    return loss + lam * ((T @ T.T / tau).exp() * others).sum(1).log().mean()


def literal_contrastive(F, T, tau, lam):
    c = (F @ T.T).argmax(1)
    e = ((F * T[c]).sum(1) / tau).exp()
    S = (T.detach() @ T.T / tau).exp().sum(0)
    return -(e / (e + lam * S[c])).log().mean()


@pytest.mark.parametrize("n_fixed, n_centers", [(0, 1), (0, 7), (3, 4), (1, 1), (2, 300)])
@pytest.mark.parametrize("tau, lam", [(0.07, 1.0), (0.5, 0.0), (1.0, 4.0)])
@pytest.mark.parametrize("name", list(LOSSES))
def test_gradient_equals_autograd_of_the_formula(name, tau, lam, n_fixed, n_centers):
    rng = np.random.default_rng(n_centers)
    X = rng.normal(size=(50, 4))
    rows = Rows(X, CPU).unit()
    points = torch.from_numpy(unit(rng.normal(size=(n_fixed + n_centers, 4))))
    centers = points[n_fixed:].clone().requires_grad_()
    literal = {"kl": literal_kl, "contrastive": literal_contrastive}[name]
    expected = literal(rows.dense(), torch.cat([points[:n_fixed], centers]), tau, lam)
    expected.backward()
    loss, gradient = evaluate(name, rows, points, n_fixed, tau, lam)
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12, abs=1e-12)
    torch.testing.assert_close(gradient, centers.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", list(LOSSES))
def test_small_temperatures_do_not_overflow(name):
    X = np.random.default_rng(0).normal(size=(30, 4))
    rows = Rows(X, CPU).unit()
    loss, gradient = evaluate(name, rows, rows.take(np.arange(5)), 0, 1e-4, 1.0)
    assert bool(loss.isfinite()) and bool(gradient.isfinite().all())


@pytest.mark.parametrize("loss", ["kl", "contrastive"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_chunks_threads_and_runs_do_not_change_the_picks(loss, repeats):
    X = np.repeat(np.random.default_rng(0).normal(size=(80, 7)), repeats, axis=0)
    selector = ActiveFTSelector(15, loss=loss, max_iter=25, learning_rate=0.01, random_state=0)
    expected = selector.fit_select(X, labeled=[4, 9])
    centers = selector.centers_
    threads = torch.get_num_threads()
    for working_memory, n_threads in [(0.01, 1), (0.001, 2), (1024, 2), (1024, 1)]:
        torch.set_num_threads(n_threads)
        try:
            with sklearn.config_context(working_memory=working_memory):
                selector.fit(X, labeled=[4, 9])
        finally:
            torch.set_num_threads(threads)
        np.testing.assert_array_equal(selector.indices_, expected)
        np.testing.assert_allclose(selector.centers_, centers, atol=1e-10)


def test_chunks_do_not_change_a_bit_of_the_gradient():
    # Where a pool is symmetric, as one-hot rows are, Adam magnifies rounding until it decides.
    rng = np.random.default_rng(0)
    rows = Rows(rng.normal(size=(400, 6)), CPU).unit()
    points = torch.from_numpy(unit(rng.normal(size=(300, 6))))
    _, expected = evaluate("kl", rows, points, 3, 0.07, 1.0)
    with sklearn.config_context(working_memory=0.01):
        _, gradient = evaluate("kl", rows, points, 3, 0.07, 1.0)
    assert torch.equal(gradient, expected)


@pytest.mark.parametrize("loss", ["kl", "contrastive"])
@pytest.mark.parametrize("n_features", [2, 30])
def test_rounding_moves_no_center_away_from_equal_rows(loss, n_features):
    row = np.arange(n_features) - 2.0
    selector = ActiveFTSelector(1, loss=loss, balance=0.5, max_iter=30, learning_rate=1e-2)
    selector.fit(np.tile(row, (7, 1)))
    if loss == "contrastive":  # its gradient is 0; that of "kl" is not, for it is not tangential
        np.testing.assert_allclose(selector.centers_, unit(row[None]), atol=1e-12)
    np.testing.assert_array_equal(selector.indices_, [0])


@pytest.mark.parametrize("init", list(STARTS))
def test_repeated_rows_are_one_direction(init):
    base = np.random.default_rng(0).normal(size=(12, 5))
    X = np.repeat(base, 3, axis=0) * np.tile([1.0, 0.3, 7.0], 12)[:, None]
    starts = draw_starts(X, [0, 5], 12, init, 0)
    assert sorted(starts // 3) == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert len(draw_starts(X, [0, 5], 4, init, 0)) == 4


@pytest.mark.parametrize("init", list(STARTS))
@pytest.mark.parametrize("loss", ["kl", "contrastive"])
@pytest.mark.parametrize(
    "X, labeled",
    [
        (np.random.default_rng(0).normal(size=(9, 3)), []),
        (np.random.default_rng(0).normal(size=(5, 20)), [3]),
        (np.repeat([[1.0, 2.0], [3.0, -1.0]], 4, axis=0), []),
        (np.ones((6, 3)), []),
        (np.ones((6, 3)), [2]),
        (np.zeros((4, 3)), []),
        (np.zeros((4, 3)), [1]),
        (np.vstack([np.zeros((2, 3)), np.ones((3, 3))]), [2]),
        (np.ones((1, 1)), []),
    ],
)
def test_all_candidates_can_be_picked(X, labeled, loss, init):
    candidates = np.setdiff1d(np.arange(len(X)), labeled)
    for budget in sorted({1, len(candidates)}):
        selector = ActiveFTSelector(budget, loss=loss, init=init, max_iter=5, random_state=0)
        fit(selector, X, labeled)
        assert len(set(selector.indices_)) == budget
        assert set(selector.indices_) <= set(candidates)
        assert selector.centers_.shape == (budget, X.shape[1])
        for values in (selector.scores_, selector.centers_, selector.loss_curve_):
            assert np.isfinite(values).all()
    zero_norm = ~X[selector.indices_].any(1)
    np.testing.assert_array_equal(zero_norm, np.sort(zero_norm))
    assert selector.emd_bound_ == pytest.approx(0, abs=1e-7)


def test_a_budget_beyond_the_pool_takes_all(gaussian):
    with pytest.warns(BudgetWarning, match="70 rows but only 60"):
        selector = ActiveFTSelector(70, max_iter=1, random_state=0).fit(gaussian)
    np.testing.assert_array_equal(np.sort(selector.indices_), np.arange(60))


def test_centers_with_many_rows_come_first():
    selector = ActiveFTSelector(3, init="k-means++", max_iter=30, random_state=0).fit(clusters())
    first, second, third = selector.indices_
    assert first < 30 and 40 <= second and 30 <= third < 40


@pytest.mark.parametrize("init", list(STARTS))
def test_labeled_rows_stand_for_their_surroundings(init):
    # The labeled bundle is the largest: it would get a pick if its row were not a component.
    X = clusters()
    selector = ActiveFTSelector(
        2, init=init, balance=3.0, learning_rate=0.01, max_iter=200, random_state=0
    )
    indices = selector.fit_select(X, labeled=[7])
    assert all(indices >= 30)


def test_distant_starts_are_drawn_by_squared_distance():
    X = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    drawn = [int(draw_starts(X, [0], 1, "k-means++", seed)[0]) for seed in range(600)]
    counts = np.bincount(drawn, minlength=4)
    assert counts[1] == 0
    assert 150 < counts[2] < 250  # squared distances 2 and 4: one third of 600


def test_fitted_attributes(gaussian):
    selector = ActiveFTSelector(4, max_iter=50, random_state=0).fit(gaussian, labeled=[3, 8])
    F = unit(gaussian)
    similarity = (F[selector.indices_] * selector.centers_).sum(1)
    np.testing.assert_allclose(selector.scores_, similarity)
    np.testing.assert_allclose(np.linalg.norm(selector.centers_, axis=1), 1)
    assert selector.n_iter_ == len(selector.loss_curve_) == 50
    assert selector.loss_curve_[-1] < selector.loss_curve_[0]
    distances = cdist(F, F[[3, 8, *selector.indices_]])
    assert isinstance(selector.emd_bound_, float)
    assert selector.emd_bound_ == pytest.approx(distances.min(1).mean(), abs=1e-7)
    np.testing.assert_allclose(selector.transform(gaussian), F @ F[selector.indices_].T)


@pytest.mark.parametrize("loss", ["kl", "contrastive"])
def test_tol_stops_early(gaussian, loss):
    params = {"loss": loss, "budget": 4, "max_iter": 60, "random_state": 0}
    full = ActiveFTSelector(**params).fit(gaussian)
    early = ActiveFTSelector(**params, tol=0.01).fit(gaussian)
    curve = early.loss_curve_
    assert 1 < early.n_iter_ < full.n_iter_ == 60
    np.testing.assert_array_equal(curve, full.loss_curve_[: early.n_iter_])
    falls = -np.diff(curve) / np.abs(curve[1:])
    assert (falls[:-1] >= 0.01).all() and falls[-1] < 0.01


def test_a_rising_loss_stops_only_where_tol_is_positive(gaussian):
    # Steps this long overshoot.
    selector = ActiveFTSelector(4, learning_rate=1.0, max_iter=20, random_state=0).fit(gaussian)
    assert (np.diff(selector.loss_curve_) > 0).any()
    assert selector.n_iter_ == 20


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "contrastive"},
        {"temperature": 0.2},
        {"balance": 0.5},
        {"balance": 0},
        {"learning_rate": 0.01},
        {"max_iter": 21},
        {"tol": 0.05},
        {"init": "k-means++"},
        {"random_state": 1},
    ],
)
def test_every_parameter_matters(gaussian, params):
    default = ActiveFTSelector(6, max_iter=20, random_state=0).fit(gaussian)
    other = ActiveFTSelector(**{"budget": 6, "max_iter": 20, "random_state": 0} | params)
    assert not np.array_equal(other.fit(gaussian).loss_curve_, default.loss_curve_)


def test_verbose_shows_a_bar(gaussian, capsys):
    ActiveFTSelector(2, max_iter=3, verbose=True, random_state=0).fit(gaussian)
    assert "3/3" in capsys.readouterr().err
    ActiveFTSelector(2, max_iter=3, random_state=0).fit(gaussian)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "params, error, message",
    [
        ({"loss": "mse"}, ValueError, "loss == 'mse', must be one of 'kl', 'contrastive'"),
        ({"init": "pca"}, ValueError, r"init == 'pca', must be one of 'random', 'k-means\+\+'"),
        ({"temperature": 0}, ValueError, "temperature == 0, must be a finite number > 0"),
        ({"temperature": -0.1}, ValueError, "temperature == -0.1, must be a finite number > 0"),
        ({"temperature": "low"}, TypeError, "temperature == 'low', must be a finite number > 0"),
        ({"balance": -1}, ValueError, "balance == -1, must be a finite number >= 0"),
        ({"balance": np.nan}, ValueError, "balance == nan, must be a finite number >= 0"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate == 0.0, must be a finite number > 0"),
        ({"max_iter": 0}, ValueError, "max_iter == 0, must be an int >= 1"),
        ({"max_iter": 10.0}, TypeError, "max_iter == 10.0, must be an int >= 1"),
        ({"tol": -1e-3}, ValueError, "tol == -0.001, must be a finite number >= 0"),
        ({"device": "abacus"}, ValueError, "device == 'abacus', must be 'auto', 'cpu'"),
        ({"temperature": 1e-310}, ValueError, "temperature == 1e-310.*Use a higher temperature"),
    ],
)
def test_bad_parameters_are_refused(gaussian, params, error, message):
    with pytest.raises(error, match=message):
        ActiveFTSelector(**{"budget": 2, "max_iter": 2} | params).fit(gaussian)


@pytest.mark.parametrize("loss", ["kl", "contrastive"])
@pytest.mark.parametrize("init", list(STARTS))
def test_containers_and_types_do_not_matter(gaussian, loss, init):
    X = np.where(np.abs(gaussian) < 0.2, 0, gaussian).astype(np.float32)
    selector = ActiveFTSelector(5, loss=loss, init=init, max_iter=20, random_state=0)
    expected = selector.fit_select(X)
    for same in (X.astype(np.float64), np.asfortranarray(X), torch.from_numpy(X)):
        np.testing.assert_array_equal(selector.fit_select(same), expected)
    np.testing.assert_array_equal(selector.fit_select(sparse.csr_matrix(X)), expected)
    np.testing.assert_array_equal(selector.fit_select(X * 1024), expected)


def test_scikit_learn_checks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        warnings.simplefilter("ignore", BudgetWarning)
        check_estimator(ActiveFTSelector(budget=3, max_iter=20, random_state=0))
