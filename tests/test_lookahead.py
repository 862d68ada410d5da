"""MLMOCSelector against refitting the ridge for every candidate, and the selector contract."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.gaussian_process.kernels import RBF
from sklearn.metrics.pairwise import cosine_similarity, rbf_kernel
from sklearn.utils.estimator_checks import check_estimator

from skactive import _memory
from skactive._rows import Rows
from skactive.exceptions import BudgetWarning, ColdStartWarning, ZeroNormWarning
from skactive.kernels import PrecomputedKernel
from skactive.selection._kernel_ridge import KernelRidge
from skactive.selection._kernel_selector import KernelPool
from skactive.selection._lookahead import MLMOCSelector
from tests.reference import lookahead as reference
from tests.strategies import problems

CRITERIA = ["output_change", "expected_output_change", "expected_error"]
LABELS = ["ints", "strings", "one class", "indicators", "values", "two values"]
KERNELS = ["linear", "cosine", "rbf", "precomputed", "callable", "object"]


def polynomial(A, B):
    return (A @ B.T + 1) ** 2


def kernel_case(name, X):
    """The `kernel` parameter, X as passed to fit, and the dense kernel matrix."""
    A = X.astype(np.float64)
    if name == "linear":
        return "linear", X, A @ A.T
    if name == "cosine":
        return "cosine", X, cosine_similarity(A)
    if name == "rbf":
        return "rbf", X, rbf_kernel(A, gamma=1 / (A.shape[1] * A.var()) if A.var() > 0 else 1.0)
    if name == "precomputed":
        return "precomputed", polynomial(A, A), polynomial(A, A)
    if name == "callable":
        return polynomial, X, polynomial(A, A)
    return RBF(1.5), X, RBF(1.5)(A)


def label_case(name, n, labeled, rng):
    """y with garbage at unlabeled rows, what kind it is, and the labels as the ridge sees them."""
    labeled = list(labeled)
    codes = rng.integers(0, 3, n) if name in ("ints", "strings") else np.zeros(n, dtype=int)
    if name == "indicators":
        y, kind = rng.integers(0, 2, (n, 3)), "indicators"
    elif name == "values":
        y, kind = rng.normal(size=n), "values"
    elif name == "two values":
        y, kind = rng.normal(size=(n, 2)), "values"
    else:
        y, kind = np.array([7, 3, 5])[codes], "classes"
        if name == "strings":
            y = np.array(["b", "aa", "c"])[codes]
    targets = y.reshape(n, -1)[labeled]
    if kind == "classes":
        targets = (targets == np.unique(targets)).astype(float)
    spoiled = y.astype(object)
    spoiled[np.setdiff1d(np.arange(n), labeled)] = None
    return spoiled, kind if labeled else None, targets.astype(float)


def noise_of(K, ratio):
    scale = np.diag(K).mean()
    return ratio * (scale if scale > 0 else 1.0)


def compare(
    X, labeled, budget, *, kernel, labels, criterion, sequential, ratio=0.1, seed=0, as_=None
):
    """Fit the selector and its slow twin; picks and scores have to agree."""
    y, kind, targets = label_case(labels, len(X), labeled, np.random.default_rng(seed))
    parameter, pool, K = kernel_case(kernel, X)
    selector = MLMOCSelector(
        budget, kernel=parameter, noise_ratio=ratio, criterion=criterion, sequential=sequential
    )
    selector.fit(pool, y, labeled=labeled if as_ is None else as_)
    last = np.flatnonzero(~X.any(axis=1)) if kernel == "cosine" else ()
    noise = noise_of(K, ratio)
    picks, scores = reference.select(
        criterion, kind, K, labeled, targets, noise, budget, sequential=sequential, last=last
    )
    np.testing.assert_allclose(selector.noise_variance_, noise)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.scores_, scores, rtol=1e-8, atol=1e-10 * abs(scores[0]))
    assert hasattr(selector, "classes_") == (kind == "classes")


def pool(n=40, d=4, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


def classes(X):
    return np.digitize(X[:, 0], [-0.5, 0.5])


LABELED = np.array([1, 4, 9, 16, 25])


# Against the twin ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::skactive.exceptions.ColdStartWarning")
@pytest.mark.filterwarnings("ignore::skactive.exceptions.ZeroNormWarning")
@given(
    problem=problems(max_rows=14),
    kernel=st.sampled_from(KERNELS),
    labels=st.sampled_from(LABELS),
    criterion=st.sampled_from(CRITERIA),
    sequential=st.booleans(),
    ratio=st.sampled_from([0.01, 0.1, 1.0]),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=150)
def test_any_problem_equals_refitting(problem, **case):
    compare(problem.X, problem.positions, problem.budget, as_=problem.labeled, **case)


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("labels", LABELS)
def test_labels_equal_refitting(labels, criterion, sequential):
    case = {"labels": labels, "criterion": criterion, "sequential": sequential}
    compare(pool(), LABELED, 4, kernel="cosine", **case)


@pytest.mark.parametrize("shape", [(12, 30), (40, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_equal_refitting(kernel, dtype, shape):
    X = pool(*shape, dtype=dtype)
    for criterion in CRITERIA:
        case = {"labels": "ints", "criterion": criterion, "sequential": True}
        compare(X, [0, 2, 5, 7], 4, kernel=kernel, **case)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("sequential", [False, True])
def test_constant_zero_and_duplicate_rows_equal_refitting(sequential, criterion):
    X = np.repeat(pool(12, 5), 2, axis=0)
    X[:, 1], X[:, 3] = 1.0, 0.0
    for kernel in ("cosine", "linear", "rbf"):
        case = {"labels": "ints", "criterion": criterion, "sequential": sequential}
        compare(X, [0, 1, 7, 10], 6, kernel=kernel, **case)
        compare(np.zeros((6, 2)) + 1, [3], 4, kernel=kernel, **case)


@pytest.mark.filterwarnings("ignore::skactive.exceptions.ColdStartWarning")
@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("kernel", KERNELS)
def test_cold_start_equals_the_change_by_a_first_label(kernel, sequential, criterion):
    case = {"labels": "ints", "criterion": criterion, "sequential": sequential}
    compare(pool(20), [], 5, kernel=kernel, **case)


def test_the_subsample_is_scored_and_summed_over():
    X = pool()
    y, _, targets = label_case("ints", len(X), LABELED, np.random.default_rng(0))
    _, _, K = kernel_case("cosine", X)
    unlabeled = np.setdiff1d(np.arange(len(X)), LABELED)
    for criterion in CRITERIA:
        selector = MLMOCSelector(
            3, criterion=criterion, n_candidates=8, n_reference=11, random_state=0
        )
        selector.fit(X, y, labeled=LABELED)
        rng = np.random.RandomState(0)
        candidates, summed = rng.permutation(unlabeled)[:8], rng.permutation(unlabeled)[:11]
        noise = selector.noise_variance_
        scores = reference.scores(
            criterion, "classes", K, LABELED, targets, noise, summed, candidates
        )
        best = np.argsort(-scores)[:3]
        np.testing.assert_array_equal(selector.indices_, best)
        np.testing.assert_allclose(selector.scores_, scores[best])


# Labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("garbage", [np.nan, None, "?", 10**6])
def test_labels_of_unlabeled_rows_are_not_read(garbage, criterion):
    X = pool()
    y = classes(X)
    spoiled = y.astype(object)
    spoiled[np.setdiff1d(np.arange(len(X)), LABELED)] = garbage
    expected = MLMOCSelector(5, criterion=criterion).fit(X, y, labeled=LABELED)
    for form in (spoiled, spoiled.tolist(), spoiled[:, None]):
        selector = MLMOCSelector(5, criterion=criterion).fit(X, form, labeled=LABELED)
        np.testing.assert_array_equal(selector.indices_, expected.indices_)
        np.testing.assert_array_equal(selector.classes_, np.unique(y[LABELED]))


def test_names_of_classes_do_not_matter():
    X = pool()
    y = classes(X)
    expected = MLMOCSelector(5).fit(X, y, labeled=LABELED).indices_
    names = np.array(["x", "y", "z"])
    forms = [y.astype(float), names[y], names[y].tolist(), torch.tensor(y), y.astype(np.int8)]
    for form in forms:
        picks = MLMOCSelector(5).fit(X, form, labeled=LABELED).indices_
        np.testing.assert_array_equal(picks, expected)


def test_sparse_and_dense_indicators_are_the_same():
    X = pool()
    Y = (X[:, :3] > 0).astype(int)
    expected = MLMOCSelector(5).fit(X, Y, labeled=LABELED)
    selector = MLMOCSelector(5).fit(X, sparse.csr_matrix(Y), labeled=LABELED)
    np.testing.assert_array_equal(selector.indices_, expected.indices_)
    assert not hasattr(expected, "classes_")


def test_many_classes_for_few_labels_raise_no_warning():
    X = pool(60)
    selector = MLMOCSelector(2).fit(X, np.arange(60) // 2, labeled=np.arange(40))
    assert len(selector.classes_) == 20


@pytest.mark.parametrize("criterion", CRITERIA)
def test_one_class_is_enough(criterion):
    X = pool()
    selector = MLMOCSelector(5, criterion=criterion).fit(X, ["a"] * len(X), labeled=LABELED)
    np.testing.assert_array_equal(selector.classes_, ["a"])
    expected = MLMOCSelector(5).fit(X, ["a"] * len(X), labeled=LABELED)
    np.testing.assert_array_equal(selector.indices_, expected.indices_)


@pytest.mark.parametrize("missing", [np.nan, None, np.inf])
def test_a_missing_label_is_named(missing):
    X = pool()
    for y in (classes(X).astype(object), X[:, :2].astype(object)):
        y[9] = missing
        with pytest.raises(ValueError, match=r"y must .* in row 9\b"):
            MLMOCSelector(2).fit(X, y, labeled=LABELED)


def test_a_missing_label_of_pandas_is_named():
    pandas = pytest.importorskip("pandas")
    X = pool()
    for dtype in ("Int64", object):
        y = pandas.Series(classes(X), dtype=dtype)
        y[3] = pandas.NA  # unlabeled
        MLMOCSelector(2).fit(X, y, labeled=LABELED)
        y[9] = pandas.NA
        with pytest.raises(ValueError, match=r"y must .*(NA>|nan) in row 9\b"):
            MLMOCSelector(2).fit(X, y, labeled=LABELED)


@pytest.mark.parametrize("Y", [np.arange(80).reshape(40, 2), np.full((40, 2), "a")])
def test_several_outputs_of_classes_are_refused(Y):
    with pytest.raises(ValueError, match="y must hold .* got .*multioutput"):
        MLMOCSelector(2).fit(pool(), Y, labeled=LABELED)


# Cold start ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("y", [None, np.zeros(40)])
@pytest.mark.parametrize("labeled", [None, []])
def test_cold_start_warns_once(labeled, y, sequential):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        selector = MLMOCSelector(3, sequential=sequential).fit(pool(), y, labeled=labeled)
    assert [warning.category for warning in caught] == [ColdStartWarning]
    assert "CoreSetSelector" in str(caught[0].message)
    assert not hasattr(selector, "classes_")


def test_no_warning_with_labels():
    X = pool()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLMOCSelector(2).fit(X, classes(X), labeled=LABELED)


# Invariances ---------------------------------------------------------------------------------


def two_outputs(X):
    return X[:, :2] + X[:, 2:4]


CASES = [
    ({"criterion": criterion, "sequential": sequential}, labels)
    for criterion in CRITERIA
    for sequential in (False, True)
    for labels in (classes, two_outputs)
]


@pytest.mark.parametrize(("params", "labels"), CASES)
def test_smaller_budgets_give_the_first_picks(params, labels):
    X = pool()
    for sizes in ({}, {"n_candidates": 15, "n_reference": 9, "random_state": 3}):
        fits = [
            MLMOCSelector(budget, **params, **sizes).fit(X, labels(X), labeled=LABELED)
            for budget in (8, 1, 5)
        ]
        for smaller in fits[1:]:
            count = len(smaller.indices_)
            np.testing.assert_array_equal(smaller.indices_, fits[0].indices_[:count])


@pytest.mark.parametrize(("params", "labels"), CASES)
def test_permuting_the_rows_permutes_the_picks(params, labels):
    X = pool()
    y = labels(X)
    expected = MLMOCSelector(6, **params).fit(X, y, labeled=LABELED).indices_
    order = np.random.default_rng(1).permutation(len(X))
    mask = np.isin(np.arange(len(X)), LABELED)
    picks = MLMOCSelector(6, **params).fit(X[order], y[order], labeled=mask[order]).indices_
    np.testing.assert_array_equal(order[picks], expected)


@pytest.mark.parametrize(("params", "labels"), CASES)
@pytest.mark.parametrize("kernel", ["linear", "cosine"])
def test_scaling_the_features_leaves_the_picks_alone(kernel, params, labels):
    X = pool()
    y = labels(X)
    expected = MLMOCSelector(6, kernel=kernel, **params).fit(X, y, labeled=LABELED).indices_
    for factor in (1e-3, 1e3):
        selector = MLMOCSelector(6, kernel=kernel, **params).fit(factor * X, y, labeled=LABELED)
        np.testing.assert_array_equal(selector.indices_, expected)


@pytest.mark.parametrize(("params", "labels"), CASES)
@pytest.mark.parametrize("kernel", ["cosine", "rbf"])
def test_chunks_threads_and_copies_decide_nothing(kernel, params, labels):
    X = np.repeat(pool(dtype=np.float32), 3, axis=0)
    y = labels(X)
    selector = MLMOCSelector(8, kernel=kernel, **params)
    expected = selector.fit(X, y, labeled=LABELED * 3).indices_.copy()
    assert (expected % 3 == 0).any()
    for mebibytes in (1e-4, 0.1):
        with config_context(working_memory=mebibytes):
            picks = selector.fit(X, y, labeled=LABELED * 3).indices_
        np.testing.assert_array_equal(picks, expected)
    n_threads = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            picks = selector.fit(X, y, labeled=LABELED * 3).indices_
            np.testing.assert_array_equal(picks, expected)
    finally:
        torch.set_num_threads(n_threads)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("sequential", [False, True])
def test_rounding_of_zero_outputs_decides_nothing(sequential, criterion):
    X = np.linalg.qr(pool(12, 12))[0]  # orthogonal rows: nothing is known but at labeled ones
    selector = MLMOCSelector(9, criterion=criterion, sequential=sequential)
    picks = selector.fit(X, np.arange(12), labeled=[0, 1, 2]).indices_
    np.testing.assert_array_equal(picks, np.arange(3, 12))


def test_rounding_does_not_choose_the_label_of_a_pick():
    # Row 2 lies right between the classes; the label it is given decides between rows 3 and 4.
    X = np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 1], [1, 0, 0.6], [0, 1, 0.6]])
    expected = [2, 4, 3]
    for seed in range(10):
        rotation = np.linalg.qr(pool(3, 3, seed=seed))[0]
        selector = MLMOCSelector(3, kernel="linear", sequential=True)
        picks = selector.fit(X @ rotation, ["a", "b", "", "", ""], labeled=[0, 1]).indices_
        np.testing.assert_array_equal(picks, expected)


def test_a_pool_of_many_blocks_gives_the_same_picks():
    X = pool(1500, 3)
    y = classes(X)
    for criterion in CRITERIA:
        selector = MLMOCSelector(20, criterion=criterion)
        expected = selector.fit(X, y, labeled=np.arange(300)).indices_.copy()
        with config_context(working_memory=0.05):
            picks = selector.fit(X, y, labeled=np.arange(300)).indices_
        np.testing.assert_array_equal(picks, expected)


@pytest.mark.parametrize("mebibytes", [0.05, 1, 1024])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 200, 1100])
def test_sums_of_covariances_use_the_symmetry(n, mebibytes):
    X = pool(n + 5, 4)
    K = rbf_kernel(X)
    labeled, rest = np.arange(5), np.arange(5, n + 5)
    rows = Rows(K, torch.device("cpu"))
    kernel = PrecomputedKernel()
    view = KernelPool(kernel, rows, None, kernel.diagonal(rows), 1.0, 0.1)
    ridge = KernelRidge(view, labeled, torch.ones(5, 1, dtype=torch.float64), n_expected=1)
    solved = np.linalg.solve(K[:5, :5] + 0.1 * np.eye(5), K[:5])
    expected = abs(K - K[:, :5] @ solved)[5:, 5:].sum(1)
    with config_context(working_memory=mebibytes):
        np.testing.assert_allclose(ridge.absolute_sums(rest, rest), expected, rtol=1e-10)
        other = ridge.absolute_sums(rest[::-1].copy(), rest)
    np.testing.assert_allclose(other, expected[::-1], rtol=1e-10)


def test_a_sequential_pick_is_the_first_one_once_the_former_are_labeled():
    X = pool()
    y = classes(X)
    for criterion in CRITERIA:
        params = {"criterion": criterion}
        sequential = MLMOCSelector(4, sequential=True, **params).fit(X, y, labeled=LABELED)
        labeled, pretended = list(LABELED), y.copy()
        for pick in sequential.indices_:
            one = MLMOCSelector(1, **params).fit(X, pretended, labeled=labeled)
            assert one.indices_[0] == pick
            K = cosine_similarity(X)
            targets = np.eye(3)[pretended[labeled]]
            outputs = reference.fit(K, labeled, targets, one.noise_variance_)[pick]
            pretended[pick] = outputs.argmax()
            labeled.append(pick)


def test_near_duplicates_are_picked_together_unless_sequential():
    X = np.vstack([np.eye(4)[:3], [[0, 0, 0.01, 1], [0, 0, 0, 1], [0.6, 0.6, 0.1, 0.2]]])
    y = [0, 1, 2, None, None, None]
    known = {"labeled": [0, 1, 2]}
    assert set(MLMOCSelector(2).fit(X, y, **known).indices_) == {3, 4}
    assert set(MLMOCSelector(2, sequential=True).fit(X, y, **known).indices_) != {3, 4}


# Subsamples ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sequential", [False, True])
def test_only_unlabeled_candidates_are_picked(sequential):
    X = pool()
    X[:12] = 0.0  # rows without direction come last, but before rows that were not drawn
    drawn = set()
    for seed in range(5):
        params = {"sequential": sequential, "n_candidates": 7, "random_state": seed}
        with pytest.warns(ZeroNormWarning):
            selector = MLMOCSelector(7, n_reference=2, **params)
            picks = selector.fit(X, classes(X), labeled=LABELED).indices_
        assert len(set(picks)) == 7
        assert not set(picks) & set(LABELED)
        assert np.isfinite(selector.scores_).all()
        drawn |= set(picks)
    assert len(drawn) > 7


def test_subsamples_as_large_as_the_pool_change_nothing():
    X = pool()
    y = classes(X)
    expected = MLMOCSelector(5).fit(X, y, labeled=LABELED).indices_
    selector = MLMOCSelector(5, n_candidates=1000, n_reference=1000)
    np.testing.assert_array_equal(selector.fit(X, y, labeled=LABELED).indices_, expected)


def test_a_budget_beyond_the_pool_selects_everything():
    X = pool(8)
    for sequential in (False, True):
        with pytest.warns(BudgetWarning):
            selector = MLMOCSelector(50, sequential=sequential, n_reference=1)
            picks = selector.fit(X, classes(X), labeled=[3]).indices_
        assert sorted(picks) == [0, 1, 2, 4, 5, 6, 7]


# Errors and plumbing -------------------------------------------------------------------------


def test_an_unknown_criterion_is_answered_with_the_list():
    with pytest.raises(ValueError, match="'output_change', 'expected_output_change', 'expected_e"):
        MLMOCSelector(criterion="entropy").fit(pool())


@pytest.mark.parametrize("name", ["n_candidates", "n_reference"])
def test_bad_sizes_are_refused(name):
    for value, error in ((0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)):
        with pytest.raises(error, match=rf"{name} == {value}, must be an int >= 1\. None"):
            MLMOCSelector(1, **{name: value}).fit(pool())


def test_fewer_candidates_than_picks_are_refused():
    X = pool()
    with pytest.raises(ValueError, match=r"n_candidates == 3, must be at least the 4 .*budget"):
        MLMOCSelector(4, n_candidates=3).fit(X, classes(X), labeled=LABELED)


def test_labeled_rows_need_their_labels():
    X = pool()
    with pytest.raises(ValueError, match="Pass y"):
        MLMOCSelector(2).fit(X, labeled=LABELED)
    with pytest.raises(ValueError, match="y must have one entry for each of the 40 rows.*39"):
        MLMOCSelector(2).fit(X, classes(X)[:-1], labeled=LABELED)


def test_outputs_that_do_not_fit_are_refused(monkeypatch):
    X = pool()
    monkeypatch.setattr("skactive._base._BYTES_PER_ROW", 0)
    monkeypatch.setattr(_memory, "available_memory", lambda device: 4 * 8 * 35 * 3 - 1)
    selector = MLMOCSelector(2)
    with pytest.raises(MemoryError, match=r"3 outputs at 35 rows needs .* Set n_candidates"):
        selector.fit(X, classes(X), labeled=LABELED)
    MLMOCSelector(2, n_candidates=30).fit(X, classes(X), labeled=LABELED)


def test_clone_and_pickle():
    X = pool()
    y = classes(X)
    selector = MLMOCSelector(3, criterion="expected_error", sequential=True, n_reference=9)
    selector.set_params(random_state=0).fit(X, y, labeled=LABELED)
    loaded = pickle.loads(pickle.dumps(selector))
    np.testing.assert_array_equal(loaded.indices_, selector.indices_)
    np.testing.assert_array_equal(loaded.transform(X), selector.transform(X))
    again = clone(selector)
    assert not hasattr(again, "indices_")
    np.testing.assert_array_equal(again.fit(X, y, labeled=LABELED).indices_, selector.indices_)


def test_a_second_fit_starts_afresh():
    X = pool()
    selector = MLMOCSelector(3).fit(X, classes(X), labeled=LABELED)
    with pytest.warns(ColdStartWarning):
        selector.fit(X)
    assert not hasattr(selector, "classes_")


@pytest.mark.parametrize("params", [{}, {"sequential": True, "n_reference": 5, "random_state": 0}])
def test_check_estimator(params):
    with warnings.catch_warnings():
        for category in (BudgetWarning, ColdStartWarning, ZeroNormWarning):
            warnings.simplefilter("ignore", category)
        results = check_estimator(MLMOCSelector(2, **params), on_skip=None, on_fail=None)
    assert [result for result in results if result["status"] == "failed"] == []
