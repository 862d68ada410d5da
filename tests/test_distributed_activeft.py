"""ActiveFT and k-means++ on pools in parts: the same as in memory."""

import itertools
import warnings

import numpy as np
import pytest
import torch

from skactive._kmeans_starts import k_means_plus_plus
from skactive._points import RowPoints
from skactive._rows import Rows
from skactive._weighted_rows import WeightedRows, locate
from skactive.exceptions import ZeroNormWarning
from skactive.selection._activeft import ActiveFTSelector
from skactive.selection._activeft_segments import LocalSegments, RowSegments, RowSums

da = pytest.importorskip("dask.array")

from skactive.distributed import _activeft_picks, _starts, _streamed  # noqa: E402
from skactive.distributed._fit import _open_pool, open_partitions  # noqa: E402

CPU = torch.device("cpu")


def in_parts(X, n_parts):
    return da.from_array(X, chunks=(-(-len(X) // n_parts), -1))


def clustered(n, n_features, seed=0):
    rng = np.random.default_rng(seed)
    middles = 2 * rng.normal(size=(15, n_features))
    return middles[rng.integers(15, size=n)] + rng.normal(size=(n, n_features))


def pools():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(150, 6))
    zeros = flat.copy()
    zeros[[3, 7, 100, 149]] = 0
    gaps = [1e-10, 1e-9, 3e-9, 1e-8, 1e-6]
    near = np.vstack([flat[:30] + gap * rng.normal(size=(30, 6)) for gap in gaps])
    return {
        "random": flat,
        "clustered": clustered(150, 8).astype(np.float32),
        "sorted": np.sort(clustered(150, 5), axis=0),
        "duplicated": np.repeat(rng.normal(size=(25, 5)), 6, axis=0),
        "nearly tied": near,
        "symmetric": np.eye(6)[rng.integers(6, size=150)],
        "zero rows": zeros,
        "only zeros": np.zeros((60, 3)),
    }


def same_fits(selector, X, n_parts, labeled=None):
    """Fit both, and compare all that is learned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        selector.fit(X, labeled=labeled)
        expected = dict(vars(selector))
        selector.fit(in_parts(X, n_parts), labeled=labeled)
    np.testing.assert_array_equal(selector.indices_, expected["indices_"])
    np.testing.assert_allclose(selector.loss_curve_, expected["loss_curve_"], rtol=1e-9)
    np.testing.assert_allclose(selector.centers_, expected["centers_"], atol=1e-9)
    np.testing.assert_allclose(selector.scores_, expected["scores_"], atol=1e-9)
    np.testing.assert_array_equal(selector.components_, expected["components_"])
    assert selector.emd_bound_ == pytest.approx(expected["emd_bound_"], abs=1e-9)
    assert type(selector.emd_bound_) is float
    assert selector.n_iter_ == expected["n_iter_"]
    assert selector.n_samples_fit_ == len(X)
    return selector, expected


@pytest.mark.parametrize("loss, is_labeled", [("kl", True), ("contrastive", False)])
@pytest.mark.parametrize("name", list(pools()))
def test_picks_are_those_in_memory(name, is_labeled, loss):
    X = pools()[name]
    labeled = [3, *range(4, len(X), 37)] if is_labeled else None
    cases = {
        "kl": [(1, "k-means++", 20), (3, "random", 12), (25, "random", 5)],
        "contrastive": [(3, "random", 1), (7, "k-means++", 20), (25, "k-means++", 5)],
    }
    for n_parts, init, n_picks in cases[loss]:
        selector = ActiveFTSelector(
            n_picks, loss=loss, init=init, max_iter=3, learning_rate=5e-3, random_state=0
        )
        same_fits(selector, X, n_parts, labeled)


@pytest.mark.parametrize("name", ["clustered", "symmetric", "nearly tied"])
def test_long_runs_do_not_part(name):
    X = pools()[name]
    selector = ActiveFTSelector(20, max_iter=50, learning_rate=1e-2, random_state=1)
    fitted, expected = same_fits(selector, X, 7, [2, 9])
    # Every sum is exact: nothing is left that the parts could change.
    np.testing.assert_array_equal(fitted.loss_curve_, expected["loss_curve_"])


@pytest.mark.parametrize("name", ["random", "duplicated", "zero rows"])
def test_all_rows_can_be_picked(name, monkeypatch):
    monkeypatch.setattr(_streamed, "_HELD_SHARE", -1.0)  # blocks are read again for every call
    X = pools()[name][:90]
    same_fits(ActiveFTSelector(88, max_iter=2, random_state=0), X, 20, [0, 8])


def test_few_notes_suffice(monkeypatch):
    X = pools()["duplicated"]
    monkeypatch.setattr(_activeft_picks, "_N_NOTED", 2)
    monkeypatch.setattr(_activeft_picks, "_SHEET", 1)
    monkeypatch.setattr(_activeft_picks, "_FEWEST", 5)
    asked = []
    best = _activeft_picks.Sheets._best
    monkeypatch.setattr(
        _activeft_picks.Sheets, "_best", lambda self, pick: asked.append(pick) or best(self, pick)
    )
    for n_parts in [1, 30]:
        same_fits(ActiveFTSelector(30, max_iter=2, random_state=0), X, n_parts, [1])
    assert not asked  # copies, however many, are noted


def test_rows_that_notes_cannot_tell_apart(monkeypatch):
    # Each row is within the tolerance of the next one, but not of all.
    angles = 0.5 + 4e-10 * np.arange(60)
    X = np.stack([np.cos(angles), np.sin(angles)], axis=1)[np.random.default_rng(0).permutation(60)]
    X = np.vstack([X, -X])
    monkeypatch.setattr(_activeft_picks, "_N_NOTED", 1)
    asked = []
    best = _activeft_picks.Sheets._best
    monkeypatch.setattr(
        _activeft_picks.Sheets, "_best", lambda self, pick: asked.append(pick) or best(self, pick)
    )
    for n_parts in [1, 7]:
        same_fits(ActiveFTSelector(30, max_iter=2, learning_rate=0.1, random_state=0), X, n_parts)
    assert asked


def test_on_a_cluster():
    distributed = pytest.importorskip("distributed")
    X = clustered(400, 8).astype(np.float32)
    X[[5, 77]] = 0
    client = distributed.Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0"
    )
    with client:
        for loss, init in [("kl", "k-means++"), ("contrastive", "random")]:
            selector = ActiveFTSelector(12, loss=loss, init=init, max_iter=4, random_state=0)
            same_fits(selector, X, 3, [0, 5, 60])


@pytest.mark.filterwarnings("ignore::skactive.exceptions.ZeroNormWarning")
@pytest.mark.parametrize("unit_norm, n_parts", [(False, 3), (False, 25), (True, 1), (True, 7)])
@pytest.mark.parametrize("name", ["clustered", "duplicated", "zero rows"])
def test_k_means_plus_plus_draws_the_same_rows(name, unit_norm, n_parts):
    X = pools()[name]
    for labeled, n_picks in [([], 1), ([], 30), ([3, 40, 41], 100)]:
        rows, fixed = Rows(X, CPU), np.array(labeled, dtype=np.int64)
        candidates = torch.ones(len(X), dtype=torch.bool)
        candidates[labeled] = False
        if unit_norm:
            directed = rows.squared_norms() > 0
            rows, candidates, fixed = rows.unit(), candidates & directed, fixed[directed[fixed]]
        states = [np.random.RandomState(0), np.random.RandomState(0)]
        expected, squares = k_means_plus_plus(
            RowPoints(rows), n_picks, centers=fixed, candidates=candidates, random_state=states[0]
        )
        parts = open_partitions(in_parts(X, n_parts))
        pool = _open_pool(ActiveFTSelector(n_picks), parts, None, labeled or None, None, None)
        picks, scores = _starts.k_means_plus_plus(
            pool, n_picks, unit_norm=unit_norm, centers=fixed, random_state=states[1]
        )
        np.testing.assert_array_equal(picks, expected)
        np.testing.assert_allclose(scores, squares, rtol=1e-9, atol=1e-20)
        assert states[0].random_sample() == states[1].random_sample()
        assert all(state is None for state in parts.map(_state, reads=False))


def _state(part, message, own):
    return part.state


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300])
def test_weighted_rows_are_found_where_running_sums_end(scale):
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 4, size=10_000) * scale
    weights[-5000:] = 0
    rows = WeightedRows(weights)
    assert rows.total * 2.0**rows.exponent / scale == pytest.approx(weights[:5000].sum() / scale)
    shares = np.append(rng.random(300), [0.0, 1 - 2**-53])
    expected = (weights / scale).cumsum().searchsorted(shares * (weights / scale).sum(), "right")
    np.testing.assert_array_equal(rows.find(shares * rows.total), expected)
    assert rows.find(np.array([rows.total]))[0] == np.flatnonzero(weights)[-1]


def test_locate_passes_over_empty_blocks():
    blocks, left = locate(np.array([0.0, 2.0, 2.0, 5.0, 5.0]), np.array([0.0, 1.5, 2.0, 5.0]))
    np.testing.assert_array_equal(blocks, [1, 1, 3, 3])
    np.testing.assert_allclose(left, [0.0, 1.5, 0.0, 3.0])


@pytest.mark.parametrize("n_samples", [400, 10**6, 10**8])
def test_sums_do_not_depend_on_their_order(n_samples):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5)) * 10.0 ** rng.integers(-9, 9, size=(400, 5))
    rows = Rows(X, CPU).unit()
    components = rows.take(np.arange(6))
    still = torch.zeros_like(components[:, 0])
    totals = []
    for bounds in ([0, 400], [0, 1, 399, 400], [*range(0, 401, 10)][::-1]):
        sums = RowSums(components)
        for some in map(sorted, itertools.pairwise(bounds)):
            part = Rows(X[slice(*some)], CPU).unit()
            sums.add(LocalSegments(part, components, n_samples).change(components, still))
        totals.append(sums.total())
    assert torch.equal(totals[0], totals[1]) and torch.equal(totals[0], totals[2])
    exact = np.zeros((6, 5), dtype=np.longdouble)
    nearest = RowSegments(rows, components).assignment.nearest
    np.add.at(exact, nearest.numpy(), rows.dense().numpy().astype(np.longdouble))
    np.testing.assert_allclose(totals[0], exact.astype(float), rtol=0, atol=1e-13)


def test_sums_forget_the_rows_that_have_left():
    rng = np.random.default_rng(1)
    rows = Rows(rng.normal(size=(300, 4)), CPU).unit()
    first, second = (Rows(rng.normal(size=(9, 4)), CPU).unit().dense() for _ in range(2))
    segments, fresh = RowSegments(rows, first), RowSegments(rows, first)
    before = segments.sums(first)
    assert not torch.equal(segments.sums(second), before)
    assert torch.equal(segments.sums(first), before)
    fresh.sizes(second)
    assert torch.equal(segments.sums(second), fresh.sums(second))
