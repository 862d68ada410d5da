"""LCMD against brute force and bmdal_reg."""

import warnings

import numpy as np
import pytest
import sklearn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

from skactive import CoreSetSelector, LCMDSelector, StochasticBatch
from skactive.exceptions import ZeroNormWarning
from skactive.selection._nearest_center import NearestCenter
from tests.reference.coreset import pairwise_distances, unit
from tests.reference.lcmd import largest_cluster_maximum_distance
from tests.strategies import problems


def fit(selector, X, labeled=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        return selector.fit(X, labeled=labeled)


def expected_picks(X, labeled, budget, metric="euclidean", init="norm"):
    Z = X.astype(np.float64)
    Z, last = (unit(Z), np.flatnonzero(~Z.any(1))) if metric == "cosine" else (Z, ())
    from_mean = np.linalg.norm(Z - Z.mean(0), axis=1)
    preference = {"norm": (Z**2).sum(1), "medoid": -from_mean, "farthest": from_mean}[init]
    floor = 1e-4 if metric == "cosine" else 0.0
    return largest_cluster_maximum_distance(Z, labeled, budget, preference, last, floor)


@settings(max_examples=100)
@given(
    problem=problems(),
    metric=st.sampled_from(["euclidean", "cosine"]),
    init=st.sampled_from(["norm", "medoid", "farthest"]),
)
def test_equals_brute_force(problem, metric, init):
    if metric == "cosine":  # rows that differ in length alone tie up to rounding
        distances = pairwise_distances(unit(problem.X.astype(np.float64)))
        assume(not ((distances > 0) & (distances < 1e-6)).any())
    selector = LCMDSelector(problem.budget, metric=metric, init=init)
    fit(selector, problem.X, problem.labeled)
    picks, distances = expected_picks(problem.X, problem.positions, problem.budget, metric, init)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.scores_, distances, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e4, -1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_picks_equal_brute_force(dtype, offset):
    """Long enough for several blocks of products, and far from the origin."""
    rng = np.random.default_rng(0)
    scales = np.array([1e-3, 1.0, 5.0])[rng.integers(3, size=(400, 1))]
    X = (rng.normal(size=(400, 6)) * scales + offset).astype(dtype)
    X[200:250] = X[:50]
    labeled = list(range(90, 190))
    for known in ([], labeled):
        picks, distances = expected_picks(X, known, 120)
        for memory in (1024, 2e-2):
            with sklearn.config_context(working_memory=memory):
                selector = LCMDSelector(120).fit(X, labeled=known)
            np.testing.assert_array_equal(selector.indices_, picks)
            np.testing.assert_allclose(selector.scores_, distances, rtol=1e-9)
    csr = LCMDSelector(120).fit(sparse.csr_matrix(X), labeled=labeled)
    np.testing.assert_array_equal(csr.indices_, picks)


def test_first_pick():
    X = np.random.default_rng(1).normal(2.0, 1.0, size=(30, 3))
    assert LCMDSelector(1).fit(X).indices_[0] == (X**2).sum(1).argmax()
    for init in ("medoid", "farthest"):
        expected = CoreSetSelector(1, init=init).fit(X).indices_
        np.testing.assert_array_equal(LCMDSelector(1, init=init).fit(X).indices_, expected)
    firsts = [
        LCMDSelector(1, init="random", random_state=seed).fit(X).indices_[0] for seed in range(20)
    ]
    assert len(set(firsts)) > 10


def test_an_outlier_is_not_worth_a_pick_before_a_large_cluster():
    rng = np.random.default_rng(2)
    X = np.vstack([rng.normal(size=(200, 2)), [[8.0, 8.0]], [[100.0, 0.0], [100.0, 9.0]]])
    labeled = [0, 201]
    assert LCMDSelector(1).fit(X, labeled=labeled).indices_[0] != 202
    assert CoreSetSelector(1).fit(X, labeled=[0, 201, 200]).indices_[0] == 202
    assert LCMDSelector(1).fit(X, labeled=[0, 201, 200]).indices_[0] < 200


def test_copies_are_picked_last():
    X = np.repeat([[0.0, 1.0], [2.0, 3.0], [5.0, -1.0]], 3, axis=0)
    selector = LCMDSelector(9).fit(X)
    assert len(np.unique(X[selector.indices_[:3]], axis=0)) == 3
    np.testing.assert_array_equal(selector.scores_[3:], 0.0)
    np.testing.assert_array_equal(selector.indices_[3:], np.sort(selector.indices_[3:]))


def test_bad_parameters():
    for name in ("metric", "init"):
        with pytest.raises(ValueError, match=name):
            LCMDSelector(**{name: "best"}).fit([[0.0], [1.0]])


def test_there_are_no_scores_of_single_rows():
    """Rows outside the largest cluster have none, so that a draw would never reach them."""
    with pytest.raises(TypeError, match="does not pick by scores of single rows"):
        StochasticBatch(LCMDSelector(), 2).fit(np.eye(5), labeled=[0])


def test_distances_that_overflow_are_refused():
    X = np.random.default_rng(0).normal(size=(30, 3)) * 5e153 / 3
    with pytest.raises(ValueError, match="StandardScaler"):
        LCMDSelector(3).fit(np.clip(X, -8e153, 8e153))


@pytest.mark.parametrize("spread", [0.0, 4.0])
def test_few_sweeps_serve_many_picks(spread, monkeypatch):
    """Without clusters a pick hardly shrinks its own, with clusters it does."""
    rng = np.random.default_rng(0)
    X = (
        rng.normal(size=(3000, 40))
        + spread * rng.normal(size=(30, 40))[rng.integers(30, size=3000)]
    )
    sweeps = []
    prepare = NearestCenter.prepare

    def counted(centers, rows):
        sweeps.append(len(rows))
        prepare(centers, rows)

    monkeypatch.setattr(NearestCenter, "prepare", counted)
    LCMDSelector(150).fit(X)
    assert len(sweeps) < 150 / 3


@pytest.mark.parametrize("n_labeled", [0, 20])
def test_same_picks_as_bmdal_reg(n_labeled):
    pytest.importorskip("bmdal_reg", reason="`make bench` installs it")
    import torch

    np.Inf = np.inf  # bmdal_reg 3.0.2 asks for a name that NumPy 2 has dropped
    from bmdal_reg.bmdal.algorithms import select_batch
    from bmdal_reg.bmdal.feature_data import TensorFeatureData

    X = np.random.default_rng(3).normal(size=(500, 10))
    pool = torch.from_numpy(X[n_labeled:])
    rows, _ = select_batch(
        batch_size=80,
        models=[None],
        data={
            "train": TensorFeatureData(torch.from_numpy(X[: max(1, n_labeled)])),
            "pool": TensorFeatureData(pool),
        },
        y_train=None,
        base_kernel="linear",
        kernel_transforms=[],
        selection_method="lcmd",
        sel_with_train=n_labeled > 0,
        verbosity=0,
    )
    selector = LCMDSelector(80).fit(X, labeled=np.arange(n_labeled))
    np.testing.assert_array_equal(selector.indices_ - n_labeled, rows.numpy())
