"""ActiveFT against a slow twin, autograd, and what it promises."""

import warnings

import numpy as np
import pytest
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.utils.estimator_checks import check_estimator

from skactive._rows import Rows
from skactive.exceptions import BudgetWarning, ZeroNormWarning
from skactive.selection._activeft import STARTS, ActiveFTSelector
from skactive.selection._activeft_loss import LOSSES
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
    loss, gradient = LOSSES[name](rows, points, n_fixed, tau, lam)
    assert loss == pytest.approx(expected.item(), rel=1e-12, abs=1e-12)
    torch.testing.assert_close(gradient, centers.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", list(LOSSES))
def test_small_temperatures_do_not_overflow(name):
    X = np.random.default_rng(0).normal(size=(30, 4))
    rows = Rows(X, CPU).unit()
    loss, gradient = LOSSES[name](rows, rows.take(np.arange(5)), 0, 1e-4, 1.0)
    assert np.isfinite(loss) and bool(gradient.isfinite().all())


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
    _, expected = LOSSES["kl"](rows, points, 3, 0.07, 1.0)
    with sklearn.config_context(working_memory=0.01):
        _, gradient = LOSSES["kl"](rows, points, 3, 0.07, 1.0)
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
