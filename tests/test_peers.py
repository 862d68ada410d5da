"""Other packages that implement the same method pick the same rows; skipped where absent."""

import numpy as np
import pytest

from benchmarks import ours, peers, twins
from benchmarks.pools import make_directed, make_noisy_pool, make_pool

REASON = "`make bench` installs it"
PACKAGES = {
    peers.scikit_activeml_core_set: "skactiveml",
    peers.bmdal_max_dist: "bmdal_reg",
    peers.scikit_matter_fps: "skmatter",
}


@pytest.mark.parametrize("peer", PACKAGES, ids=PACKAGES.get)
def test_k_center(peer):
    pytest.importorskip(PACKAGES[peer], reason=REASON)
    problem = make_pool(n=400, d=50, budget=30)
    np.testing.assert_array_equal(ours.core_set(**problem), peer(**problem))


def test_log_determinant_of_bmdal_reg():
    """In float64: in float32 all rows nearly orthogonal to the first pick would tie."""
    pytest.importorskip("bmdal_reg", reason=REASON)
    problem = make_noisy_pool(n=400, d=50, budget=30)
    X = problem["X"].astype(np.float64)
    problem["X"] = X / np.linalg.norm(X, axis=1, keepdims=True)
    picks = peers.bmdal_max_det(**problem)
    np.testing.assert_array_equal(ours.itl_undirected(**problem), picks)


def test_vtl_of_activeft():
    pytest.importorskip("activeft", reason=REASON)
    problem = make_directed(n=400, d=50, n_targets=20, budget=15)
    np.testing.assert_array_equal(ours.vtl(**problem), peers.activeft_vtl(**problem))


def test_itl_of_activeft():
    """Its score leaves out the noise of the row's own label: near ties fall the other way."""
    pytest.importorskip("activeft", reason=REASON)
    problem = make_directed(n=400, d=384, n_targets=20, budget=15)
    picks, expected = ours.itl(**problem), np.asarray(peers.activeft_itl(**problem))
    np.testing.assert_array_equal(picks[:10], expected[:10])
    np.testing.assert_array_equal(np.sort(picks), np.sort(expected))


def information(K, rows, targets, noise):
    """What noisy labels of the rows say of the targets; of the rows themselves without targets."""

    def log_det(covariance):
        return np.linalg.slogdet(covariance + noise * np.eye(len(covariance)))[1]

    prior = K[np.ix_(rows, rows)]
    if not len(targets):
        return log_det(prior)
    cross = K[np.ix_(rows, targets)]
    noisy = K[np.ix_(targets, targets)] + noise * np.eye(len(targets))
    return log_det(prior) - log_det(prior - cross @ np.linalg.solve(noisy, cross.T))


@pytest.mark.parametrize("directed", [True, False])
def test_greedy_search_of_apricot(directed):
    """apricot maximizes any function of a set; its rows are the numbers of ours."""
    apricot = pytest.importorskip("apricot", reason=REASON)
    n, n_targets, budget = 60, 8 if directed else 0, 6
    problem = make_directed(n=n, d=20, n_targets=max(1, n_targets), budget=budget)
    rows = twins.unit(np.concatenate([problem["X"], problem["targets"][:n_targets]]))
    K, targets = rows @ rows.T, np.arange(n, len(rows))
    start = [] if directed else [0]  # all rows tie for the first undirected pick

    def gain(chosen):
        known = [*start, *(int(row) for row in np.asarray(chosen).ravel())]
        return information(K, known, targets, problem["noise"])

    numbers = np.arange(n, dtype=np.float64)[:, None]
    search = apricot.CustomSelection(budget, gain, optimizer="naive").fit(numbers)
    if directed:
        expected = ours.itl(**problem)
    else:
        expected = ours.itl_undirected(problem["X"], budget, problem["noise"])
    np.testing.assert_array_equal(search.ranking, expected)
