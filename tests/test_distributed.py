"""Greedy selection from a dask pool: the picks for the same rows in memory, in whatever parts.

Without a cluster here, where parts are worked on one after the other.
"""

from __future__ import annotations

import itertools
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from skactive import CoreSetSelector, ITLSelector, RandomSelector, VTLSelector
from skactive.exceptions import ZeroNormWarning

da = pytest.importorskip("dask.array")

RNG = np.random.default_rng(0)
CLUSTERED = (RNG.standard_normal((500, 12)) + 3 * RNG.integers(0, 4, (500, 1))).astype(np.float32)
REPEATED = np.repeat(RNG.standard_normal((60, 5)), 9, axis=0)
GRID = np.repeat(np.stack(np.meshgrid(range(6), range(6)), -1).reshape(-1, 2), 15, axis=0) * 1.0
SORTED = np.sort(RNG.standard_normal((400, 8)) ** 3, axis=0)
POOLS = {"clustered": CLUSTERED, "repeated": REPEATED, "grid": GRID, "sorted": SORTED}
GREEDY = {
    "core-set": CoreSetSelector(16),
    "core-set, cosine": CoreSetSelector(16, metric="cosine"),
    "core-set, farthest": CoreSetSelector(16, init="farthest"),
    "core-set, random": CoreSetSelector(16, init="random", random_state=3),
    "ITL": ITLSelector(16),
    "ITL, linear": ITLSelector(16, kernel="linear"),
    "ITL, top": ITLSelector(16, strategy="top"),
    "VTL": VTLSelector(16),
    "VTL, linear": VTLSelector(16, kernel="linear"),
    "VTL, top": VTLSelector(16, strategy="top"),
}


def parted(X, n_parts):
    """X in about equal parts."""
    return da.from_array(X, chunks=(-(-len(X) // n_parts), -1))


def targets_for(selector, X, n_targets):
    if n_targets == 0 or isinstance(selector, CoreSetSelector):
        return {}
    return {"X_target": np.random.default_rng(1).standard_normal((n_targets, X.shape[1]))}


def fit_quietly(selector, X, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        return selector.fit(X, **options)


def assert_same(ours, expected):
    np.testing.assert_array_equal(ours.indices_, expected.indices_)
    np.testing.assert_allclose(ours.scores_, expected.scores_, rtol=1e-8, atol=1e-12)
    np.testing.assert_array_equal(ours.components_, expected.components_)
    assert ours.components_.dtype == expected.components_.dtype
    assert ours.n_samples_fit_ == expected.n_samples_fit_
    assert ours.n_features_in_ == expected.n_features_in_
    for name in ("covering_radius_", "radius_curve_", "information_gain_", "noise_variance_"):
        if hasattr(expected, name):
            np.testing.assert_allclose(getattr(ours, name), getattr(expected, name), rtol=1e-8)
    if hasattr(expected, "target_variance_"):  # a float32 sum where the pool is the target
        np.testing.assert_allclose(
            ours.target_variance_, expected.target_variance_, rtol=1e-4, atol=1e-8
        )


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("name", GREEDY)
def test_picks_do_not_depend_on_the_parts(name, pool):
    selector, X = GREEDY[name], POOLS[pool]
    labeled = np.random.default_rng(2).choice(len(X), 7, replace=False)
    cases = [(0, None, (3,)), (0, labeled, (7,)), (4, labeled, (1, 20)), (40, None, (3,))]
    for n_targets, known, numbers in cases:
        options = {"labeled": known, **targets_for(selector, X, n_targets)}
        expected = fit_quietly(type(selector)(**selector.get_params()), X, **options)
        for n_parts in numbers:
            assert_same(fit_quietly(selector, parted(X, n_parts), **options), expected)


@settings(deadline=None, max_examples=45)
@given(st.data())
def test_picks_do_not_depend_on_random_parts(data):
    n = data.draw(st.integers(2, 40), label="rows")
    seed = data.draw(st.integers(0, 1000), label="seed")
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (n, data.draw(st.integers(1, 8), label="columns"))).astype(float)
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=6), label="cuts"))
    chunks = tuple(np.diff([0, *cuts, n]).tolist())  # some of them 0
    labeled = rng.choice(n, data.draw(st.integers(0, n - 1), label="labeled"), replace=False)
    budget = data.draw(st.integers(1, n - len(labeled)), label="budget")
    name = data.draw(st.sampled_from(sorted(GREEDY)), label="selector")
    selector = type(GREEDY[name])(**{**GREEDY[name].get_params(), "budget": budget})
    options = {"labeled": labeled, **targets_for(selector, X, data.draw(st.integers(0, 5)))}
    expected = fit_quietly(type(selector)(**selector.get_params()), X, **options)
    ours = fit_quietly(selector, da.from_array(X, chunks=(chunks, -1)), **options)
    np.testing.assert_array_equal(ours.indices_, expected.indices_)
    np.testing.assert_allclose(ours.scores_, expected.scores_, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", ["core-set", "core-set, farthest", "ITL, linear", "VTL, linear"])
@pytest.mark.parametrize("scale", [1e20, 1e50])
def test_one_part_may_be_much_larger_than_the_others(name, scale):
    """Where float32 would do for most parts, but not for products with rows of that one."""
    X = SORTED[:120].copy()
    X[:40] *= scale
    X[100:] = 0
    assert_same(fit_quietly(GREEDY[name], parted(X, 6)), fit_quietly(GREEDY[name], X))
    two_round = type(GREEDY[name])(10, strategy="two_round")
    two_round.set_params(**{k: "linear" for k in two_round.get_params() if k == "kernel"})
    picks = two_round.fit(parted(X, 6)).indices_
    assert (picks >= 40).sum() <= 1  # to k-center all of the small rows are one


@pytest.mark.parametrize("n_targets", [0, 3])
def test_two_rounds_with_a_part_of_next_to_nothing(n_targets):
    """Noise is so many times the variance of its rows that the ratio is not a number."""
    X = SORTED.copy()
    X[:100] *= 1e-155
    for cls in (ITLSelector, VTLSelector):
        selector = cls(5, kernel="linear", strategy="two_round")
        picks = selector.fit(parted(X, 4), **targets_for(selector, X, n_targets)).indices_
        assert picks.min() >= 100


def test_scores_that_are_not_numbers_are_refused_as_in_memory():
    selector, X = VTLSelector(5, kernel="linear"), SORTED * 1e100
    for pool in (X, parted(X, 3)):
        with pytest.raises(ValueError, match="VTLSelector computed NaN scores"):
            selector.fit(pool)


def test_fewer_rows_than_features():
    X = np.random.default_rng(0).standard_normal((5, 9))
    assert_same(VTLSelector(4).fit(parted(X, 3)), VTLSelector(4).fit(X))


def test_variances_of_the_pool_do_not_drift_from_block_to_block():
    """They fall by many orders of magnitude, below the rounding of the first ones."""
    X = np.random.default_rng(0).standard_normal((150, 11)).round(1) + 1e6
    selector = ITLSelector(20, kernel="linear", noise_ratio=1e-6)
    ours = selector.fit(parted(X, 4), labeled=range(7)).target_variance_
    expected = selector.fit(X, labeled=range(7)).target_variance_
    np.testing.assert_allclose(ours, expected, rtol=1e-3)


def test_columns_of_several_types():
    dd, pd = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")
    frame = pd.DataFrame(SORTED, columns=list("abcdefgh"))
    frame = frame.assign(a=(5 * frame.a).astype(int), b=frame.b > 0)
    ours = ITLSelector(12).fit(dd.from_pandas(frame, npartitions=4))
    assert_same(ours, ITLSelector(12).fit(frame))


@pytest.mark.parametrize("spoil", ["values", "reading"])
def test_a_failed_fit_leaves_the_selector_as_it_was(spoil):
    selector = ITLSelector(5).fit(parted(CLUSTERED, 3))
    before = dict(vars(selector))
    X = CLUSTERED.copy()
    X[400, 2] = np.nan

    def read(block):
        raise OSError("no such block")

    pool = parted(X, 3)
    if spoil == "reading":
        pool = pool.map_blocks(read, dtype=X.dtype, meta=X[:0])
    with pytest.raises((ValueError, OSError), match="first in row 400|no such block"):
        selector.fit(pool)
    assert vars(selector).keys() == before.keys()
    assert all(vars(selector)[name] is value for name, value in before.items())


def test_clone_and_pickle_of_a_selector_fitted_to_parts():
    selector = VTLSelector(5).fit(parted(CLUSTERED, 3))
    sent = pickle.dumps(selector)
    assert len(sent) < 5000
    np.testing.assert_array_equal(
        pickle.loads(sent).transform(CLUSTERED), selector.transform(CLUSTERED)
    )
    again = clone(selector).fit(CLUSTERED)
    np.testing.assert_array_equal(again.indices_, selector.indices_)


@pytest.mark.parametrize("name", ["core-set, cosine", "ITL", "VTL"])
def test_rows_without_direction_come_last(name):
    X = CLUSTERED[:60].copy()
    X[[3, 20, 45]] = 0
    selector = type(GREEDY[name])(**{**GREEDY[name].get_params(), "budget": 60})
    with pytest.warns(ZeroNormWarning, match=r"3 of 60 rows have zero norm \(first: row 3\)"):
        picks = selector.fit(parted(X, 7)).indices_
    assert set(picks[-3:]) == {3, 20, 45}
    np.testing.assert_array_equal(picks, fit_quietly(selector, X).indices_)


def test_prefix_property_and_extension():
    X = parted(CLUSTERED, 5)
    whole = ITLSelector(30).fit(X).indices_
    first = ITLSelector(12).fit(X).indices_
    np.testing.assert_array_equal(whole[:12], first)
    np.testing.assert_array_equal(ITLSelector(18).fit(X, labeled=first).indices_, whole[12:])


def test_support_and_budget_of_a_share():
    selector = CoreSetSelector(0.05).fit(parted(CLUSTERED, 3))
    assert len(selector.indices_) == 25
    np.testing.assert_array_equal(selector.get_support(indices=True), np.sort(selector.indices_))
    assert selector.get_support().sum() == 25


@pytest.mark.parametrize(
    ("selector", "error", "message"),
    [
        (RandomSelector(), TypeError, "RandomSelector does not take dask collections"),
        (ITLSelector(kernel="rbf"), ValueError, "kernel == 'rbf', must be 'linear' or 'cosine'"),
        (CoreSetSelector(method="robust"), ValueError, "method == 'robust' needs all pairwise"),
        (ITLSelector(embedding="ntk"), ValueError, "without network or embedding"),
        (ITLSelector(noise_ratio=-1), ValueError, "noise_ratio == -1, must be"),
    ],
)
def test_what_is_refused(selector, error, message):
    with pytest.raises(error, match=message):
        selector.fit(parted(CLUSTERED, 3))
    assert not hasattr(selector, "indices_")


# Two rounds


@pytest.mark.parametrize("labeled", [None, [3, 77, 400]])
@pytest.mark.parametrize(
    ("selector", "n_targets"),
    [
        (CoreSetSelector(20, strategy="two_round"), 0),
        (CoreSetSelector(20, strategy="two_round", metric="cosine"), 0),
        (ITLSelector(20, strategy="two_round"), 0),
        (ITLSelector(20, strategy="two_round", kernel="linear"), 8),
        (VTLSelector(20, strategy="two_round"), 0),
        (VTLSelector(20, strategy="two_round", kernel="linear"), 8),
    ],
)
def test_two_rounds_describe_their_picks_as_the_greedy_method_would(selector, n_targets, labeled):
    """Attributes are those of the picks in the whole pool, and near those of the greedy picks."""
    X = CLUSTERED
    options = {"labeled": labeled, **targets_for(selector, X, n_targets)}
    ours = selector.fit(parted(X, 6), **options)
    greedy = type(selector)(**{**selector.get_params(), "strategy": "greedy"}).fit(X, **options)
    known = [] if labeled is None else labeled
    assert len(set(ours.indices_)) == 20 and not set(ours.indices_) & set(known)
    if isinstance(selector, CoreSetSelector):
        points = X.astype(float)
        if selector.metric == "cosine":
            points /= np.linalg.norm(points, axis=1, keepdims=True)
        centers = points[[*known, *ours.indices_]]
        distances = np.linalg.norm(points[:, None] - centers[None], axis=2).min(1)
        assert ours.covering_radius_ == pytest.approx(distances.max(), rel=1e-6)
        assert ours.covering_radius_ <= 2 * greedy.covering_radius_
        return
    one_by_one = type(greedy)(**{**greedy.get_params(), "budget": 1})
    row = one_by_one.fit(
        X, labeled=[*known, *ours.indices_[:-1]], **targets_for(selector, X, n_targets)
    )
    assert ours.scores_[-1] <= row.scores_[0] * (1 + 1e-6)
    assert ours.noise_variance_ == pytest.approx(greedy.noise_variance_)
    assert 0.8 * greedy.information_gain_[-1] < ours.information_gain_[-1]
    assert (np.diff(ours.target_variance_) <= 1e-9).all()


def test_two_rounds_on_one_part_and_in_memory_are_the_greedy_method():
    for cls in (CoreSetSelector, ITLSelector, VTLSelector):
        expected = cls(15).fit(CLUSTERED)
        two_round = cls(15, strategy="two_round")
        assert_same(two_round.fit(CLUSTERED), expected)
        assert_same(two_round.fit(parted(CLUSTERED, 1)), expected)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(2, 4))
def test_two_rounds_cover_within_four_times_the_best_radius(seed, budget, n_parts):
    X = np.random.default_rng(seed).standard_normal((11, 2)).round(1)
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    best = min(
        distances[:, list(centers)].min(1).max()
        for centers in itertools.combinations(range(len(X)), budget)
    )
    ours = CoreSetSelector(budget, strategy="two_round").fit(parted(X, n_parts))
    assert ours.covering_radius_ <= 4 * best + 1e-9


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(2, 4))
def test_two_rounds_gain_their_share_of_the_best_gain(seed, budget, n_parts):
    X = np.random.default_rng(seed).standard_normal((10, 3))
    units = X / np.linalg.norm(X, axis=1, keepdims=True)
    gains = [
        0.5 * np.linalg.slogdet(np.eye(budget) + units[[*rows]] @ units[[*rows]].T / 0.1)[1]
        for rows in itertools.combinations(range(len(X)), budget)
    ]
    ours = ITLSelector(budget, strategy="two_round").fit(parted(X, n_parts))
    share = (1 - np.exp(-1)) / min(np.sqrt(budget), n_parts)
    assert ours.information_gain_[-1] >= share * max(gains) - 1e-9


def test_two_rounds_refuse_the_robust_method():
    selector = CoreSetSelector(3, method="robust", strategy="two_round")
    with pytest.raises(ValueError, match="strategy == 'two_round', must be 'greedy' for method"):
        selector.fit(CLUSTERED[:20])
