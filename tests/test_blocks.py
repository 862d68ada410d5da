"""Picks in blocks are those of the greedy method on all rows, one pick at a time."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skactive import CoreSetSelector, GreedySelector, ITLSelector, VTLSelector
from skactive._rows import Rows
from skactive._shortlist import Shortlist
from skactive.kernels import resolve_kernel
from skactive.posterior import WeightSpacePosterior
from skactive.selection import _local_cover, _transductive
from tests.reference.coreset import greedy_k_center, pairwise_distances
from tests.strategies import Problem, pools
from tests.test_transductive import KERNELS, assert_as_twin

CPU = torch.device("cpu")
SIZES = [1, 7]  # of the shortlist


def with_shortlist(Selector, size, block=None):
    """The selector with a shortlist so small that most rows are outside."""

    class Small(Selector):
        def _shortlist_size(self, state):
            return size

        def _block_size(self, state):
            return super()._block_size(state) if block is None else block

    return Small


def make_pool(kind, n, d, rng):
    """Pools in which rows differ much, little, or not at all."""
    X = rng.normal(size=(n, d))
    if kind == "clustered":
        X = rng.normal(size=(5, d))[rng.integers(0, 5, size=n)] + 0.1 * X
    if kind == "repeated":
        X = np.repeat(X[: -(-n // 3)], 3, axis=0)[:n]
    if kind == "nearly tied":
        X = np.repeat(X[: -(-n // 3)], 3, axis=0)[:n] + 1e-6 * X
    if kind == "offset":
        X += 1e3
    if kind == "grid":
        X = np.round(X)
        X[:, 0] += 0.5
    return X


POOLS = ["flat", "clustered", "repeated", "nearly tied", "offset", "grid"]
every_pool = pytest.mark.parametrize("kind", POOLS)


# The selectors of the package, with most rows outside the shortlist


@every_pool
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_core_set(kind, size, metric, dtype):
    X = make_pool(kind, 90, 6, np.random.default_rng(size)).astype(dtype)
    Z = X.astype(np.float64)
    if metric == "cosine":
        Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    small = with_shortlist(CoreSetSelector, size)(40, metric=metric).fit(X, labeled=[4, 8])
    picks, scores = greedy_k_center(Z, [4, 8], 40, None)
    usual = CoreSetSelector(40, metric=metric).fit(X, labeled=[4, 8])
    np.testing.assert_array_equal(small.indices_, usual.indices_)
    # Unit rows are rounded: which of two equal rows is farther is not for the twin to say.
    same = picks == small.indices_
    assert same.all() or (metric == "cosine" and kind in ("repeated", "grid", "offset"))
    np.testing.assert_allclose(small.scores_[same], scores[same], rtol=1e-9, atol=1e-12)
    distances = pairwise_distances(Z)
    radius = distances[:, [4, 8, *small.indices_]].min(1).max()
    assert small.covering_radius_ == pytest.approx(radius, rel=1e-9, abs=1e-12)


@every_pool
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("Selector", [ITLSelector, VTLSelector])
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("kernel", ["cosine", "rbf"])
def test_transductive(kind, size, Selector, directed, kernel):
    rng = np.random.default_rng(size)
    X = make_pool(kind, 60, 5, rng).astype(np.float32)
    T = make_pool(kind, 4, 5, rng).astype(np.float32) if directed else None
    small = with_shortlist(Selector, size, block=6)(20, kernel=KERNELS[kernel])
    assert_as_twin(small, Problem(X, 20, [7, 3], T), worthwhile=1e-3)
    usual = Selector(20, kernel=KERNELS[kernel]).fit(X, labeled=[7, 3], X_target=T)
    small.fit(X, labeled=[7, 3], X_target=T)
    np.testing.assert_array_equal(small.indices_, usual.indices_)


@pytest.mark.parametrize("noise_ratio", [1.0, 0.1, 1e-2, 1e-4])
@pytest.mark.parametrize("kind", ["flat", "clustered", "repeated"])
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("Selector", [ITLSelector, VTLSelector])
def test_hundreds_of_picks_under_little_noise(noise_ratio, kind, directed, Selector):
    """Float32 sweeps must not show: neither in the picks nor, by drift, in the scores."""
    rng = np.random.default_rng(0)
    X = make_pool(kind, 400, 40, rng).astype(np.float32)
    T = rng.normal(size=(10, 40)).astype(np.float32) if directed else None
    fast = with_shortlist(Selector, 32)(150, noise_ratio=noise_ratio).fit(X, X_target=T)
    one_by_one = with_shortlist(Selector, 400, block=1)
    exact = one_by_one(150, noise_ratio=noise_ratio).fit(X, X_target=T)
    np.testing.assert_array_equal(fast.indices_, exact.indices_)
    np.testing.assert_allclose(fast.scores_, exact.scores_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("largest, n_kept", [(64, 2**30), (24, 24), (16, 0)])
@pytest.mark.parametrize("Selector", [ITLSelector, VTLSelector])
def test_blocks_are_as_long_as_what_stood(Selector, largest, n_kept, monkeypatch):
    proposed, stood = [], []
    n_posteriors = 2 if Selector is ITLSelector else 1
    monkeypatch.setattr(_transductive, "KEPT_ENTRIES", n_kept * n_posteriors * 2_000)

    class Watched(with_shortlist(Selector, 100)):
        def _advance(self, state, picks, rivals):
            state, count = super()._advance(state, picks, rivals)
            proposed.append(len(picks))
            stood.append(count)
            return state, count

    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(2_000, 12)), rng.normal(size=(5, 12))
    Watched(200, noise_ratio=1.0).fit(X, X_target=T)
    left = 200 - np.cumsum(stood)
    assert proposed[0] == min(32, largest)
    assert min(stood) < 8 < max(proposed[1:])
    for before, count, n_left, after in zip(proposed, stood, left, proposed[1:], strict=False):
        usual = max(8, 2 * count if count == before else count)
        assert after == min(usual, largest, n_left)


# Bounds: as wrong as they may be, and the picks are the same


@pytest.fixture
def unkind_products(monkeypatch):
    """Fast products with the largest errors that `product_error` allows."""
    right = Rows._product
    rng = np.random.default_rng(0)
    calls = []

    def wrong(self, points, origin, *, by_row):
        product = right(self, points, origin, by_row=by_row)
        if origin is not None:
            return product  # the norms that bound the errors are others

        def noisy(rows):
            sizes = points.norm(dim=1)[:, None] * self.squared_norms()[rows].sqrt()
            sizes = sizes.T if by_row else sizes
            signs = torch.as_tensor(rng.choice([-0.9, 0.9], size=sizes.shape))
            calls.append(rows)
            values = product(rows)
            return values + (self.product_error * signs * sizes).to(values)

        return noisy

    monkeypatch.setattr(Rows, "_product", wrong)
    return calls


@pytest.mark.parametrize("kind", ["flat", "clustered", "repeated", "nearly tied"])
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("Selector", [ITLSelector, VTLSelector, CoreSetSelector])
def test_errors_of_the_products_decide_nothing(unkind_products, kind, directed, Selector):
    rng = np.random.default_rng(1)
    X = make_pool(kind, 300, 30, rng).astype(np.float32)
    given = {"labeled": [2]}
    if directed and Selector is not CoreSetSelector:
        given["X_target"] = rng.normal(size=(5, 30))
    wrong = with_shortlist(Selector, 20)(60).fit(X, **given)
    assert unkind_products
    exact = with_shortlist(Selector, 300, block=1)(60).fit(X, **given)
    np.testing.assert_array_equal(wrong.indices_, exact.indices_)


@settings(max_examples=100)
@given(X=pools(), data=st.data())
def test_fast_products_keep_their_word(X, data):
    rows = Rows(X, CPU)
    points = torch.as_tensor(X[: data.draw(st.integers(1, len(X)))].astype(np.float64))
    for some in (rows, rows.unit()):
        exact = some.dense() @ points.T
        limit = some.product_error * torch.outer(some.squared_norms().sqrt(), points.norm(dim=1))
        for part, products in some.products(points):
            error = (products.T.double() - exact[part]).abs()
            assert bool((error <= limit[part] + 1e-300).all())


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    kernel=st.sampled_from(["linear", "cosine"]),
    noise=st.sampled_from([1e-4, 0.1]),
    blocks=st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_running_values_keep_their_bounds(seed, kernel, noise, blocks):
    """Also those of rows that were set exactly in between."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 12)).astype(np.float32) * 10.0 ** rng.uniform(-2, 2, size=(40, 1))
    kernel = resolve_kernel(kernel, Rows(X, CPU))
    rows = kernel.prepare(Rows(X, CPU))
    targets = kernel.prepare(Rows(rng.normal(size=(3, 12)), CPU))
    noise *= float(kernel.diagonal(rows).mean())
    fast, exact = (
        WeightSpacePosterior(some, kernel.diagonal(rows), noise, targets, track_reduction=True)
        for some in (rows, rows.precise())
    )
    assert rows.product_dtype == torch.float32
    for size in blocks:
        picks = rng.integers(0, 40, size=size)
        for posterior in (fast, exact):
            posterior.condition_on_rows(picks)
        rounding = 1e-13 * float(exact.running.reduction.max())
        lower, upper = fast.running.bounds()
        assert bool((lower <= exact.variance + 1e-12 * kernel.diagonal(rows)).all())
        assert bool((upper >= exact.variance - 1e-12 * kernel.diagonal(rows)).all())
        assert bool((fast.running.reduction_bound() >= exact.running.reduction - rounding).all())
        WeightSpacePosterior.restrict([fast], rng.permutation(40)[:15])


@settings(max_examples=200)
@given(
    exact=hnp.arrays(np.float64, 12, elements=st.sampled_from([0.0, 1.0, 1.0 + 1e-14, 2.0, 3.0])),
    slack=hnp.arrays(np.float64, 12, elements=st.sampled_from([0.0, 1e-14, 0.5, 5.0])),
    choice=hnp.arrays(bool, 12),
    size=st.integers(1, 12),
)
def test_the_best_row_is_on_the_shortlist(exact, slack, choice, size):
    choice[3] = True
    shortlist = Shortlist(
        torch.as_tensor(exact + slack),
        torch.as_tensor(choice),
        1.0,
        lambda rows: rows,
        lambda rows: torch.as_tensor(exact[rows]),
        size,
    )
    position = shortlist.propose(torch.as_tensor(exact[shortlist.rows]), certify=True)
    best = exact[choice].max()
    assert shortlist.rows[position] == np.flatnonzero(choice & (exact >= best - 1e-12))[0]
    assert len(shortlist.rows) <= size
    assert choice[shortlist.rows].all()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    offset=st.sampled_from([0.0, 1e3, 1e6]),
    repeat=st.booleans(),
    pieces=st.sampled_from([1, 50, 10**6]),
)
def test_nearest_distance(seed, offset, repeat, pieces):
    rng = np.random.default_rng(seed)
    points, centers = rng.normal(size=(20, 4)) + offset, rng.normal(size=(9, 4)) + offset
    if repeat:
        centers = np.vstack([centers, centers, points[:3]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_local_cover, "_PIECE_ENTRIES", pieces)
        found = _local_cover.nearest_distance(torch.as_tensor(points), torch.as_tensor(centers))
    expected = np.linalg.norm(points[:, None] - centers[None], axis=-1).min(1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)
    assert not repeat or (found[:3] == 0).all()


# Selectors of one's own


class FacilityLocation(GreedySelector):
    """How much a pick raises the similarity of all rows to their nearest picks: only falls."""

    def __init__(self, budget=5):
        self.budget = budget

    def _start(self, pool):
        similarity = torch.exp(-pool.rows.distances(pool.rows.dense()))
        return similarity, torch.zeros_like(similarity[0])

    def _score(self, state):
        similarity, covered = state
        return (similarity - covered).clamp(min=0).sum(1)

    def _step(self, state, row):
        similarity, covered = state
        return similarity, torch.maximum(covered, similarity[row])


class FacilityLocationInBlocks(FacilityLocation):
    scored = 0

    def _restrict(self, state, rows):
        similarity, covered = state
        return similarity[torch.as_tensor(rows)], covered

    def _scores_only_fall(self):
        return True

    def _shortlist_size(self, state):
        return 8

    def _score(self, state):
        type(self).scored += len(state[0])
        return super()._score(state)


class Chain(NamedTuple):
    values: torch.Tensor  # of the rows at hand
    rows: torch.Tensor  # their positions
    last: int
    all_values: torch.Tensor


class ChainSelector(GreedySelector):
    """A pick raises the scores of the rows next to it, so that any row may become the best."""

    def __init__(self, budget=5):
        self.budget = budget

    def _start(self, pool):
        values = pool.rows.dense()[:, 0]
        return Chain(values, torch.arange(len(values)), -(10**6), values)

    def _score(self, state):
        return state.values + 10.0 * ((state.rows - state.last).abs() <= 2)

    def _step(self, state, row):
        return state._replace(last=int(state.rows[row]))


class ChainInBlocks(ChainSelector):
    def _restrict(self, state, rows):
        rows = torch.as_tensor(rows)
        return state._replace(values=state.values[rows], rows=rows)

    def _shortlist_size(self, state):
        return 4


@every_pool
def test_own_selector_whose_scores_only_fall(kind):
    X = make_pool(kind, 120, 3, np.random.default_rng(5))
    plain = FacilityLocation(30).fit(X, labeled=[3])
    FacilityLocationInBlocks.scored = 0
    blocks = FacilityLocationInBlocks(30).fit(X, labeled=[3])
    np.testing.assert_array_equal(blocks.indices_, plain.indices_)
    np.testing.assert_allclose(blocks.scores_, plain.scores_, rtol=1e-12)
    assert FacilityLocationInBlocks.scored < 120 * 30 or kind in ("repeated", "grid")


@settings(max_examples=60)
@given(
    X=hnp.arrays(np.float64, (30, 1), elements=st.integers(0, 8).map(float)),
    budget=st.integers(1, 30),
)
def test_own_selector_whose_scores_rise(X, budget):
    plain, blocks = ChainSelector(budget).fit(X), ChainInBlocks(budget).fit(X)
    np.testing.assert_array_equal(blocks.indices_, plain.indices_)
    np.testing.assert_array_equal(blocks.scores_, plain.scores_)


def test_nan_scores_in_a_block_are_refused():
    class Bad(FacilityLocationInBlocks):
        def _step(self, state, row):
            return state[0] * float("nan"), state[1]

    X = np.random.default_rng(6).normal(size=(20, 2))
    with pytest.raises(ValueError, match=r"Bad computed NaN scores\. Rescale"):
        Bad(10).fit(X)
