"""Measures of picks, labels and learning curves: equal to what is written out, and particular."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.gaussian_process.kernels import Matern
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import auc

import skactive._memory
from skactive import ActiveLearningLoop, CoreSetSelector, RandomSelector
from skactive.metrics import (
    area_under_learning_curve,
    class_balance,
    coverage_radius,
    labels_needed,
    labels_saved,
    learning_curve,
    maximum_mean_discrepancy,
    sliced_wasserstein_distance,
    wasserstein_distance,
)
from tests.reference import metrics as reference
from tests.reference.coreset import unit

rng = np.random.default_rng(0)
DISTANCES = [
    lambda X, Y: coverage_radius(np.vstack([X, Y]), np.arange(len(Y)) + len(X)),
    maximum_mean_discrepancy,
    wasserstein_distance,
    lambda X, Y: sliced_wasserstein_distance(X, Y, random_state=0),
]
NAMES = ["coverage", "mmd", "wasserstein", "sliced"]


def make_rows(n, d=3, scale=1.0):
    """Rows with duplicates, a constant feature and a row of zeros."""
    X = np.round(rng.normal(size=(n, d)), 1) * scale
    X[:, -1] = 0.5 * scale
    X[n // 2] = X[0]
    X[-1] = 0
    return X


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.75, 1, 1.0])
def test_coverage_radius_is_the_one_written_out(metric, quantile):
    for n_picks in (1, 4, 30):
        X = make_rows(40)
        picks = rng.choice(40, n_picks, replace=False)
        expected = reference.radius(X, picks, metric, quantile)
        radius = coverage_radius(X, picks, metric=metric, quantile=quantile)
        assert radius == pytest.approx(expected, rel=1e-12, abs=0)
        assert coverage_radius(X, np.isin(np.arange(40), picks), metric=metric) >= radius


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_coverage_radius_is_that_of_the_core_set(metric):
    X = load_digits().data[:300]
    selector = CoreSetSelector(budget=20, metric=metric).fit(X)
    curve = [coverage_radius(X, selector.indices_[: k + 1], metric=metric) for k in range(0, 20, 6)]
    assert curve == pytest.approx(selector.radius_curve_[::6], rel=1e-12)
    assert coverage_radius(X, range(300), metric=metric) == 0


def test_many_picks_are_taken_in_blocks(monkeypatch):
    X = rng.normal(size=(200, 5))
    picks = rng.choice(200, 60, replace=False)
    expected = coverage_radius(X, picks)
    monkeypatch.setattr("skactive.metrics._coverage._BLOCK", 7)
    with config_context(working_memory=1e-3):
        assert coverage_radius(X, picks) == pytest.approx(expected, rel=1e-12)


def test_shares_of_rows_are_not_rounded_up():
    # In floats 100 · 0.07 is more than 7.
    assert coverage_radius(np.arange(100.0)[:, None], [0], quantile=0.07) == 6


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize(
    ("name", "gamma"), [("rbf", 0.7), ("rbf", None), ("linear", None), ("cosine", None)]
)
def test_mmd_is_the_one_written_out(name, gamma, unbiased):
    X, Y = make_rows(20), make_rows(7)
    used = 1 / (3 * X.var()) if gamma is None else gamma
    kernels = {
        "rbf": lambda a, b: np.exp(-used * ((a - b) ** 2).sum()),
        "linear": lambda a, b: a @ b,
        "cosine": lambda a, b: unit(a[None])[0] @ unit(b[None])[0],
    }
    expected = reference.mmd2(X, Y, kernels[name], unbiased)
    found = maximum_mean_discrepancy(X, Y, kernel=name, gamma=gamma, unbiased=unbiased)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("unbiased", [False, True])
def test_mmd_takes_kernel_objects_and_functions(unbiased):
    X, Y = make_rows(300), make_rows(9)
    kernel = Matern(nu=1.5)
    full = kernel(np.vstack([X, Y]))
    weights = np.r_[np.full(300, 1 / 300), np.full(9, -1 / 9)]
    expected = weights @ full @ weights
    if unbiased:
        sums = full[:300, :300].sum(), full[300:, 300:].sum()
        expected = (sums[0] - 300) / (300 * 299) + (sums[1] - 9) / 72 - 2 * full[:300, 300:].mean()
    for form in (kernel, lambda A, B: kernel(A, B)):
        found = maximum_mean_discrepancy(X, Y, kernel=form, unbiased=unbiased)
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("unbiased", [False, True])
def test_the_linear_mmd_does_not_depend_on_the_origin(unbiased):
    X, Y = make_rows(20), make_rows(7)
    kwargs = {"kernel": "linear", "unbiased": unbiased}
    expected = maximum_mean_discrepancy(X, Y, **kwargs)
    far = maximum_mean_discrepancy(X + 1e8, Y + 1e8, **kwargs)
    assert far == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("memory", [1024, 1e-3])
def test_the_pairs_of_the_mmd_are_counted_once_in_any_blocks(memory, monkeypatch):
    X, Y = make_rows(50), make_rows(33)
    expected = reference.mmd2(X, Y, lambda a, b: np.exp(-((a - b) ** 2).sum()), True)
    monkeypatch.setattr("skactive.metrics._discrepancy._BLOCK", 7)
    with config_context(working_memory=memory):
        found = maximum_mean_discrepancy(X, Y, gamma=1.0, unbiased=True)
    assert found == pytest.approx(expected, rel=1e-10)


def test_the_unbiased_mmd_has_mean_zero_and_the_biased_one_has_not():
    pairs = [(rng.normal(size=(10, 2)), rng.normal(size=(10, 2))) for _ in range(300)]
    values = {
        unbiased: [maximum_mean_discrepancy(*pair, gamma=0.5, unbiased=unbiased) for pair in pairs]
        for unbiased in (False, True)
    }
    error = np.std(values[True]) / np.sqrt(300)
    assert abs(np.mean(values[True])) < 3 * error < 0.02
    assert np.mean(values[False]) > 0.05 and min(values[False]) > 0 > min(values[True])


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize(("n", "m"), [(3, 2), (2, 3), (6, 3), (6, 1), (1, 1), (5, 5)])
def test_wasserstein_is_the_best_of_all_matchings(n, m, p):
    X, Y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    expected = reference.wasserstein(X, Y, p)
    assert wasserstein_distance(X, Y, p=p) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
def test_wasserstein_on_a_line_is_that_of_scipy(scale):
    for n, m in ((30, 30), (30, 12), (17, 41)):
        x, y = scale * rng.normal(size=n), scale * rng.normal(size=m)
        expected = stats.wasserstein_distance(x / scale, y / scale) * scale
        columns = x[:, None], y[:, None]
        assert wasserstein_distance(*columns, p=1) == pytest.approx(expected, rel=1e-9)
        one = sliced_wasserstein_distance(*columns, p=1, n_projections=1, random_state=0)
        assert one == pytest.approx(expected, rel=1e-9)


def test_wasserstein_of_repeated_rows_is_an_assignment():
    X = load_digits().data[:240] / 16
    Y = X[:20] + 0.01
    costs = np.repeat(cdist(X, Y) ** 2, 12, axis=1)
    expected = np.sqrt(costs[linear_sum_assignment(costs)].mean())
    assert wasserstein_distance(X, Y) == pytest.approx(expected, rel=1e-9)
    assert wasserstein_distance(X, np.repeat(Y, 12, axis=0)) == pytest.approx(expected, rel=1e-9)
    cosine = wasserstein_distance(unit(X), unit(Y))
    assert wasserstein_distance(X, Y, metric="cosine") == pytest.approx(cosine, rel=1e-9)


@pytest.mark.parametrize("p", [1, 2, 2.5])
@pytest.mark.parametrize(("n", "m"), [(8, 8), (9, 4), (4, 9), (1, 6)])
def test_sliced_wasserstein_is_the_one_written_out(n, m, p):
    X, Y = make_rows(n, 4), rng.normal(size=(m, 4))
    expected = reference.sliced(X, Y, p, 30, seed=3)
    found = sliced_wasserstein_distance(X, Y, p=p, n_projections=30, random_state=3)
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_directions_do_not_depend_on_the_memory():
    X, Y = rng.normal(size=(200, 5)), rng.normal(size=(31, 5))
    kwargs = {"n_projections": 150, "random_state": 7}
    expected = sliced_wasserstein_distance(X, Y, **kwargs)
    with config_context(working_memory=0.01):
        assert sliced_wasserstein_distance(X, Y, **kwargs) == pytest.approx(expected, rel=1e-12)
    assert sliced_wasserstein_distance(X, Y, n_projections=150, random_state=8) != expected


def test_huge_powers_stay_finite():
    X, Y = 1e100 * rng.normal(size=(9, 2)), 1e100 * rng.normal(size=(5, 2))
    longest = cdist(X, Y).max()
    assert 0 < wasserstein_distance(X, Y, p=60) < longest
    assert 0 < sliced_wasserstein_distance(X, Y, p=60, random_state=0) < longest


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(2, 12),
    m=st.integers(1, 9),
    p=st.sampled_from([1, 2, 3]),
    seed=st.integers(0, 2**16),
)
def test_properties_of_distances(n, m, p, seed):
    random = np.random.default_rng(seed)
    X = np.round(random.normal(size=(n, 2)), 1)
    Y = np.round(random.normal(size=(m, 2)), 1)
    Z = random.normal(size=(4, 2))
    exact = wasserstein_distance(X, Y, p=p)
    assert exact == pytest.approx(wasserstein_distance(Y, X, p=p), abs=1e-6)
    assert exact <= wasserstein_distance(X, Z, p=p) + wasserstein_distance(Z, Y, p=p) + 1e-6
    sliced = sliced_wasserstein_distance(X, Y, p=p, n_projections=20, random_state=0)
    assert sliced <= exact + 1e-6
    assert np.linalg.norm(X.mean(0) - Y.mean(0)) <= exact + 1e-6
    assert wasserstein_distance(X, Y, p=1) <= exact + 1e-6
    assert 0 <= maximum_mean_discrepancy(X, Y, gamma=1.0) <= 2
    order = random.permutation(n)
    for distance in (maximum_mean_discrepancy, wasserstein_distance):
        assert distance(X, X[order]) == pytest.approx(0, abs=1e-12)
        assert distance(X, Y) == pytest.approx(distance(X[order], Y), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("distance", DISTANCES, ids=NAMES)
def test_better_picks_are_nearer(distance):
    X = load_digits().data / 16
    X = X[:200]
    spread = X[CoreSetSelector(budget=20).fit(X).indices_]
    crowded = X[np.argsort(np.linalg.norm(X - X[0], axis=1))[:20]]
    assert distance(X, spread) < distance(X, crowded)


@pytest.mark.parametrize("distance", DISTANCES[1:], ids=NAMES[1:])
def test_kinds_of_rows(distance):
    X, Y = make_rows(20).astype(np.float32), make_rows(6).astype(np.float32)
    expected = distance(X.astype(np.float64), Y.astype(np.float64))
    for form in (
        np.asfortranarray,
        np.ndarray.tolist,
        pd.DataFrame,
        torch.tensor,
        sparse.csr_matrix,
        sparse.csr_array,
    ):
        found = distance(form(X), form(Y))
        assert found == pytest.approx(expected, rel=1e-6) and isinstance(found, float)


def test_kinds_of_rows_and_picks_of_coverage():
    X = make_rows(20).astype(np.float32)
    picks = [3, 0, 11]
    expected = coverage_radius(X.astype(np.float64), picks)
    for form in (np.ndarray.tolist, pd.DataFrame, torch.tensor, sparse.csr_matrix):
        assert coverage_radius(form(X), picks) == pytest.approx(expected, rel=1e-6)
    mask = np.isin(np.arange(20), picks)
    for form in (np.array(picks), torch.tensor(picks), [3, 0, 11, 3], mask, pd.Series(mask)):
        assert coverage_radius(X, form) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("distance", DISTANCES[1:], ids=NAMES[1:])
def test_bad_rows(distance):
    X = np.ones((4, 2))
    with pytest.raises(ValueError, match="Y must have the 2 features of X; got 3"):
        distance(X, np.ones((4, 3)))
    with pytest.raises(ValueError, match="X must be finite; got NaN or infinity in 1 of 4 rows"):
        distance(np.where(np.eye(4, 2)[::-1] * np.arange(2) > 0, np.nan, X), X)
    with pytest.raises(ValueError, match="Expected 2D array"):
        distance(X, X[0])
    with pytest.raises(ValueError, match=r"0 sample\(s\).* for Y"):
        distance(X, X[:0])


@pytest.mark.parametrize(
    ("picks", "kwargs", "error", "message"),
    [
        ([4], {}, ValueError, r"picks must be positions in \[0, 4\).*got 4"),
        ([-1], {}, ValueError, "got -1. Positions count from 0"),
        ([], {}, ValueError, "got none. Pass at least one pick"),
        ([False] * 4, {}, ValueError, "got none"),
        ([True] * 3, {}, ValueError, "mask of length 3"),
        ([0.0, 1.0], {}, ValueError, "type float64"),
        ([[0, 1]], {}, ValueError, "2 dimensions"),
        ([0], {"quantile": 0}, ValueError, "quantile == 0, must be a finite number > 0"),
        ([0], {"quantile": 1.1}, ValueError, "quantile == 1.1, must be <= 1"),
        ([0], {"quantile": True}, TypeError, "quantile == True"),
        ([0], {"metric": "manhattan"}, ValueError, "must be one of 'euclidean', 'cosine'"),
    ],
)
def test_bad_picks_and_parameters_of_coverage(picks, kwargs, error, message):
    with pytest.raises(error, match=message):
        coverage_radius(np.ones((4, 2)), picks, **kwargs)


@pytest.mark.parametrize(
    ("distance", "kwargs", "error", "message"),
    [
        (maximum_mean_discrepancy, {"gamma": 0.0}, ValueError, "gamma == 0.0, must be"),
        (maximum_mean_discrepancy, {"gamma": 1, "kernel": "linear"}, ValueError, "Leave gamma out"),
        (maximum_mean_discrepancy, {"kernel": "precomputed"}, ValueError, "reads features"),
        (maximum_mean_discrepancy, {"kernel": "poly"}, ValueError, "kernel == 'poly', must be"),
        (maximum_mean_discrepancy, {"unbiased": True}, ValueError, "two rows in each sample"),
        (wasserstein_distance, {"p": 0.5}, ValueError, "p == 0.5, must be a finite number >= 1"),
        (wasserstein_distance, {"metric": "l1"}, ValueError, "metric == 'l1'"),
        (sliced_wasserstein_distance, {"p": np.inf}, ValueError, "p == inf, must be"),
        (sliced_wasserstein_distance, {"n_projections": 0}, ValueError, "must be an int >= 1"),
        (sliced_wasserstein_distance, {"n_projections": 2.0}, TypeError, "must be an int >= 1"),
        (sliced_wasserstein_distance, {"random_state": "a"}, ValueError, "cannot be used to seed"),
    ],
)
def test_bad_parameters_of_distances(distance, kwargs, error, message):
    with pytest.raises(error, match=message):
        distance(np.ones((4, 2)), np.ones((1, 2)), **kwargs)


def test_a_transport_beyond_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(skactive._memory, "available_memory", lambda device: 10_000)
    assert wasserstein_distance(np.ones((3, 1)), np.zeros((2, 1))) == 1
    with pytest.raises(MemoryError, match="between 30 and 20 rows .* Use sliced_wasserstein"):
        wasserstein_distance(np.ones((30, 1)), np.zeros((20, 1)))


def test_class_balance_is_the_one_written_out():
    y = rng.integers(0, 4, 50)
    assert class_balance(y) == pytest.approx(reference.balance(y, range(4)), rel=1e-12)
    assert class_balance(y, range(7)) == pytest.approx(reference.balance(y, range(7)), rel=1e-12)
    assert class_balance([0, 1, 2] * 7) == 1
    assert class_balance([3, 3], [3, 4]) == class_balance([3, 3]) == 0
    names = np.array(["a", "b", "c", "d"])[y]
    for form in (list(names), names.astype(object), pd.Series(names)):
        assert class_balance(form) == class_balance(y)
        assert class_balance(form, list("abcde")) == class_balance(y, range(5))
    assert class_balance(y == 0) == class_balance(y == 0, [True, False])


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        ([0, 1], [0, 2], r"y must hold classes among \[0, 2\]; got 1. Add it"),
        ([0, 0], [0], "classes must hold at least two classes; got"),
        ([0.5, 1.5], None, "y must be a flat array of classes.*looks continuous"),
        ([[0, 1], [1, 0]], None, "y must be a flat array"),
        ([], None, "0 sample"),
        ([1e100, 2e100], None, "which looks continuous"),
        (np.array(["a", None], dtype=object), None, "y must hold classes of one kind"),
    ],
)
def test_bad_classes(y, classes, message):
    with pytest.raises(ValueError, match=message):
        class_balance(y, classes)


def entry(n_labeled, score, **more):
    return {"n_labeled": n_labeled, "n_bought": n_labeled - 5, "score": score} | more


def test_a_curve_is_what_a_loop_has_recorded():
    X, y = load_digits(return_X_y=True)
    loop = ActiveLearningLoop(
        LogisticRegression(max_iter=1000),
        RandomSelector(),
        budget=30,
        batch_size=10,
        random_state=0,
    )
    loop.fit(X[:200], y[:200], labeled=[0, 1, 2], X_val=X[200:400], y_val=y[200:400])
    for history in (loop, loop.history_, tuple(loop.history_)):
        curve = learning_curve(history)
        assert curve.n_labels.tolist() == [3, 13, 23, 33]
        assert curve.scores.tolist() == [e["score"] for e in loop.history_]
    assert learning_curve(loop, x="n_bought").n_labels.tolist() == [0, 10, 20, 30]
    assert learning_curve(loop, x="cost").n_labels.tolist() == [0, 10, 20, 30]
    assert labels_needed(*curve, curve.scores[0]) == 3


def test_rounds_without_a_new_model_are_left_out():
    history = [
        entry(5, np.nan),
        entry(6, 0.9, fitted=False),
        entry(7, 0.3),
        entry(7, 0.4, fitted=True),  # nobody knew a label
        entry(9, 0.5),
    ]
    curve = learning_curve(history)
    assert curve.n_labels.tolist() == [7, 9] and curve.scores.tolist() == [0.3, 0.5]


@pytest.mark.parametrize("history", [None, "abc", [0.5, 0.6], 3])
def test_what_is_no_history(history):
    with pytest.raises(TypeError, match="history must be a fitted ActiveLearningLoop or a list"):
        learning_curve(history)


@pytest.mark.parametrize(
    ("history", "kwargs", "message"),
    [
        ([], {}, "none in 0 rounds. Pass X_val and y_val"),
        ([entry(1, np.nan)], {}, "none in 1 rounds"),
        ([{"n_labeled": 3}], {}, "got one without 'score'"),
        ([entry(3, 0.5)], {"x": "cost"}, "got one without 'cost'"),
        ([entry(3, 0.5)], {"x": "seconds"}, "x == 'seconds', must be one of 'n_labeled'"),
    ],
)
def test_bad_histories(history, kwargs, message):
    with pytest.raises(ValueError, match=message):
        learning_curve(history, **kwargs)


def make_curve(n=6):
    return np.cumsum(rng.integers(1, 20, n)), np.round(rng.uniform(size=n), 2)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_area_is_the_mean_of_the_curve(scale):
    for _ in range(5):
        n_labels, scores = make_curve()
        low, high = n_labels[0] + 0.5, n_labels[-1] - 0.25
        for ends in (n_labels[[0, -1]], (low, high), (n_labels[2], n_labels[3])):
            expected = reference.area(n_labels, scores, *ends, scale)
            found = area_under_learning_curve(
                n_labels, scores, min_labels=ends[0], max_labels=ends[1], scale=scale
            )
            assert found == pytest.approx(expected, abs=1e-6)
    whole = auc(n_labels, scores) / np.ptp(n_labels)
    assert area_under_learning_curve(n_labels, scores) == pytest.approx(whole, rel=1e-12)


def test_a_constant_curve_has_its_score_as_area():
    for scale in ("linear", "log"):
        area = area_under_learning_curve([1, 3, 100], [0.7] * 3, scale=scale)
        assert area == pytest.approx(0.7, rel=1e-14)
    # Rounds without labels do not hinder where they are not looked at.
    assert area_under_learning_curve(
        [0, 10, 100], [0.0, 0.5, 1.0], min_labels=10, scale="log"
    ) == pytest.approx(0.75)


def test_labels_needed_are_the_first_ones_that_suffice():
    for _ in range(10):
        n_labels, scores = make_curve()
        for goal in (*scores, 0.3, 0.5, 0.7, 1.0):
            expected = reference.needed(n_labels, scores, goal)
            step = np.ptp(n_labels) / 200_000
            assert labels_needed(n_labels, scores, goal) == pytest.approx(expected, abs=2 * step)


def test_what_was_reached_is_not_taken_back():
    assert labels_needed([1, 2, 3, 4], [0.0, 0.8, 0.2, 0.9], 0.8) == 2
    assert labels_needed([1, 2], [0.5, 0.9], 0.1) == 1
    assert labels_needed([0, 2], [-2.0, -1.0], -1.5) == 1  # scores such as minus an error


def test_labels_saved():
    n_labels = [10, 20, 30, 40]
    good, bad = [0.4, 0.8, 0.9, 0.9], [0.2, 0.4, 0.6, 0.8]
    assert labels_saved(n_labels, good, n_labels, bad) == 20
    assert labels_saved(n_labels, bad, n_labels, good, goal=0.8) == -20
    assert labels_saved(n_labels, good, n_labels, bad, goal=0.4) == 10
    assert labels_saved([5, 10], [0.8, 0.9], n_labels, bad) == 35  # curves of different rounds
    assert labels_saved(n_labels, good, n_labels, bad, goal=0.85) == np.inf
    assert labels_saved(n_labels, bad, n_labels, good) == -np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(labels_saved(n_labels, good, n_labels, bad, goal=1.0))


@pytest.mark.parametrize(
    ("curve", "kwargs", "message"),
    [
        (([10, 10], [0, 1]), {}, "n_labels must increase from round to round"),
        (([10, 20], [0, 1, 2]), {}, "same length; got 2 and 3"),
        (([10, 20], [0, np.nan]), {}, "scores must be finite"),
        (([[10, 20]], [[0, 1]]), {}, r"got shape \(1, 2\). For a loop"),
        (([], []), {}, r"got shape \(0,\)"),
        (([10], [0.5]), {}, "from 10 to 10 labels, must be over a range"),
        (([10, 20], [0, 1]), {"max_labels": 30}, "max_labels == 30, must lie within the curve"),
        (([10, 20], [0, 1]), {"min_labels": 5}, "min_labels == 5, must lie within"),
        (([10, 20], [0, 1]), {"min_labels": 18, "max_labels": 12}, "from 18 to 12"),
        (([0, 20], [0, 1]), {"scale": "log"}, "scale == 'log' needs n_labels > 0"),
        (([0, 10, 20], [0, 1, 1]), {"scale": "log", "min_labels": 5}, "min_labels of at least 10"),
        (([10, 20], [0, 1]), {"scale": "sqrt"}, "must be one of 'linear', 'log'"),
    ],
)
def test_bad_curves(curve, kwargs, message):
    with pytest.raises(ValueError, match=message):
        area_under_learning_curve(*curve, **kwargs)


def test_bad_goals_and_baselines():
    with pytest.raises(ValueError, match="goal == nan"):
        labels_needed([1, 2], [0, 1], np.nan)
    with pytest.raises(TypeError, match="goal == '0.9'"):
        labels_needed([1, 2], [0, 1], "0.9")
    with pytest.raises(ValueError, match="baseline_scores must be finite"):
        labels_saved([1, 2], [0, 1], [1, 2], [0, np.inf])
