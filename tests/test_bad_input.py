"""Bad input is refused by name, with what was got and what to try; odd input warns, once."""

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn.gaussian_process.kernels import RBF
from sklearn.utils import get_tags

from skactive import BaseSelector, CoreSetSelector, ITLSelector, RandomSelector, VTLSelector
from skactive._base import Selection
from skactive.exceptions import BudgetWarning, ZeroNormWarning
from tests.selectors import all_selectors, fit, fitted_attributes, name_of

every_selector = pytest.mark.parametrize("selector", all_selectors(), ids=name_of)
kernel_methods = pytest.mark.parametrize("Selector", [ITLSelector, VTLSelector])

X = np.random.default_rng(0).normal(size=(20, 4))


def assert_refused(selector, pool, *words, error=ValueError, **fit_params):
    """`fit` raises, the message holds all patterns, and the object is as it was."""
    before = vars(selector).copy()
    with pytest.raises(error) as caught:
        selector.fit(pool, **fit_params)
    message = str(caught.value)
    for word in words:
        assert re.search(word, message), f"{word!r} is not in: {message}"
    assert vars(selector) == before
    assert fitted_attributes(selector) == []


def caught_warnings(selector, pool, **fit_params):
    """A fitted copy, and what it warned about, a cold start aside."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = fit(selector, pool, **fit_params)
    return fitted, [(warning.category, str(warning.message)) for warning in caught]


# The pool


def damaged(value, rows=(3, 17)):
    pool = X.copy()
    pool[list(rows), 2] = value
    return pool


CONTAINERS = {
    "array": lambda pool: pool,
    "float32": lambda pool: pool.astype(np.float32),
    "pandas": pd.DataFrame,
    "polars": lambda pool: pl.DataFrame(pool, schema=list("abcd")),
    "tensor": torch.tensor,
    "csr": sparse.csr_array,
}


@every_selector
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("container", CONTAINERS)
def test_rows_that_are_not_finite(selector, value, container):
    if container == "csr" and not get_tags(selector).input_tags.sparse:
        pytest.skip("refuses sparse input")
    pool = CONTAINERS[container](damaged(value))
    assert_refused(
        selector,
        pool,
        "X must be finite",
        r"\b2 of 20 rows",
        r"first in row 3\b",
        "SimpleImputer.*drop",
    )


@every_selector
def test_missing_values_of_frames(selector):
    words = ["X must be finite", r"1 of 20 rows, first in row 5\b", "SimpleImputer"]
    frame = pd.DataFrame(X).astype("Float64")
    frame.iloc[5, 1] = pd.NA
    assert_refused(selector, frame, *words)
    columns = {name: X[:, j].tolist() for j, name in enumerate("abcd")}
    columns["b"][5] = None
    assert_refused(selector, pl.DataFrame(columns), *words)


@every_selector
def test_values_too_large_to_square(selector):
    assert_refused(
        selector, damaged(1e200), "X .*norm below 1e154", r"2 larger.*row 3\b", "Divide X by"
    )


@pytest.mark.parametrize(
    "pool",
    [X[:0], torch.tensor(X[:0]), pd.DataFrame(X[:0]), sparse.csr_array(X[:0])],
    ids=["array", "tensor", "pandas", "csr"],
)
def test_empty_pool(pool):
    for selector in all_selectors():
        if not sparse.issparse(pool) or get_tags(selector).input_tags.sparse:
            assert_refused(selector, pool, r"0 sample\(s\)", r"\bX\b", "minimum of 1", "Pass|Give")


@pytest.mark.parametrize("make", [np.asarray, torch.tensor], ids=["array", "tensor"])
@pytest.mark.parametrize("dimensions", [1, 3])
def test_pools_of_one_or_three_dimensions(make, dimensions):
    pool = make(X[0] if dimensions == 1 else X.reshape(5, 4, 4))
    for selector in all_selectors():
        if dimensions == 3 and isinstance(selector, RandomSelector):
            continue  # images are as good as any rows
        assert_refused(
            selector, pool, f"{dimensions}D|dim {dimensions}", "(?i)reshape", r"\bX\b|your data"
        )


@every_selector
def test_no_features(selector):
    for pool in (X[:, :0], torch.tensor(X[:, :0])):
        assert_refused(selector, pool, r"0 feature\(s\)", "minimum of 1 is required")


TEXTS = {
    "strings": np.array([["red", "blue"], ["green", "red"]]),
    "numeric strings": np.array([["1", "2"], ["3", "4"]]),
    "bytes": np.array([[b"1", b"2"], [b"3", b"4"]]),
    "objects": np.array([["1", "2"], ["3", "4"]], dtype=object),
    "lists": [["1", "2"], ["3", "4"]],
    "mixed list": [[1.0, "2"], [3.0, "4"]],
    "late": np.array([[1.0, 2.0]] * 30 + [[1.0, "2"]], dtype=object),
    "pandas": pd.DataFrame({"a": [1.0, 2.0], "b": ["3", "4"]}),
    "pandas objects": pd.DataFrame({"a": [1.0, 2.0], "b": ["3", "4"]}, dtype=object),
    "pandas categories": pd.DataFrame({"a": [1.0, 2.0], "b": pd.Categorical(["3", "4"])}),
    "polars": pl.DataFrame({"a": [1.0, 2.0], "b": ["3", "4"]}),
}


@every_selector
@pytest.mark.parametrize("kind", TEXTS)
def test_strings(selector, kind):
    selector = sklearn.clone(selector).set_params(budget=1)
    assert_refused(
        selector, TEXTS[kind], "X must hold numbers", "got strings", "Encode.*OneHotEncoder"
    )


@every_selector
def test_complex_numbers(selector):
    assert_refused(selector, X + 1j, "(?i)complex")
    assert_refused(selector, torch.tensor(X + 1j), r"X must be .*real numbers.*complex128")


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize("convert", ["to_sparse", "to_sparse_csr"])
def test_sparse_tensors(convert):
    pool = getattr(torch.tensor(X), convert)()
    for selector in all_selectors():
        assert_refused(selector, pool, r"X must be a dense tensor", r"layout torch\.sparse")


# Budget


@every_selector
@pytest.mark.parametrize(
    "budget, error",
    [
        (0, ValueError),
        (-3, ValueError),
        (np.int64(0), ValueError),
        (1.5, ValueError),
        (0.0, ValueError),
        (-0.1, ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ("10", TypeError),
        (True, TypeError),
        (False, TypeError),
        (np.True_, TypeError),
        (None, TypeError),
        ([3], TypeError),
        (2 + 0j, TypeError),
    ],
)
def test_budget(selector, budget, error):
    selector = sklearn.clone(selector).set_params(budget=budget)
    got = re.escape(f"budget == {budget}") if error is ValueError else re.escape(repr(budget))
    assert_refused(
        selector, X, got, r"int >= 1 or a float in \(0, 1\]", r"Pass|pass|Pick", error=error
    )


@every_selector
@pytest.mark.parametrize("labeled", [[0, 1], np.isin(np.arange(20), [0, 1])], ids=["rows", "mask"])
def test_budget_beyond_the_candidates(selector, labeled):
    """One warning, and all rows that are left are selected."""
    selector = sklearn.clone(selector).set_params(budget=25)
    fitted, caught = caught_warnings(selector, X, labeled=labeled)
    ((category, message),) = [c for c in caught if issubclass(c[0], BudgetWarning)]
    assert re.search(r"budget asks for 25 rows but only 18 are left.*Lower budget", message)
    assert sorted(fitted.indices_) == list(range(2, 20))
    assert fitted.scores_.shape == (18,)
    # A share counts the labeled rows as well.
    fitted, caught = caught_warnings(selector.set_params(budget=1.0), X, labeled=labeled)
    assert [c for c, _ in caught].count(BudgetWarning) == 1
    assert len(fitted.indices_) == 18


@every_selector
def test_budget_of_exactly_the_candidates_does_not_warn(selector):
    selector = sklearn.clone(selector).set_params(budget=18)
    assert sorted(fit(selector, X, labeled=[4, 9]).indices_) == sorted(set(range(20)) - {4, 9})


# Labeled rows


@every_selector
@pytest.mark.parametrize(
    "labeled, words",
    [
        ([0, 20], ["got 20", r"positions in \[0, 20\)", "count from 0"]),
        ([-1], ["got -1", r"positions in \[0, 20\)", "negative"]),
        ([3, 5, 3], ["got 3 more than once", "unique", r"np\.unique"]),
        (np.ones(19, dtype=bool), ["mask of length 19", "length 20", "as long as X"]),
        (np.zeros(0, dtype=bool), ["mask of length 0", "length 20", "as long as X"]),
        ([1] + [0] * 19, ["20 integers.*0 or 1", "mask", r"astype\(bool\)"]),
        (np.zeros(20, dtype=np.uint8), ["20 integers.*0 or 1", "mask", r"astype\(bool\)"]),
        ([1.0, 2.0], ["float64", "mask.*or unique positions", r"astype\(int\)"]),
        (["a"], ["<U1", "mask.*or unique positions", r"astype"]),
        ([[1], [2]], ["2 dimensions", "mask.*or unique positions", "flat"]),
        (3, ["0 dimensions", "mask.*or unique positions", "flat"]),
        (np.ones(20, dtype=bool), ["covers all 20 rows", "nothing is left", "unlabeled"]),
        (range(20), ["covers all 20 rows", "nothing is left", "unlabeled"]),
    ],
    ids=lambda value: None if isinstance(value, list) and value and "[" in str(value) else "",
)
def test_labeled(selector, labeled, words):
    assert_refused(selector, X, "labeled", *words, labeled=labeled)


class FirstLabeled(BaseSelector):
    """Learns from labels, in its way: it records them."""

    _needs_labels = True

    def __init__(self, budget=1):
        self.budget = budget

    def _select(self, pool):
        self.labels_ = pool.y_labeled
        rows = np.flatnonzero(pool.candidates.numpy())[: pool.n_picks]
        return Selection(rows, np.zeros(len(rows)))


class Explosive:
    """A label that nobody may look at."""

    def __eq__(self, other):
        raise AssertionError("read")

    def __float__(self):
        raise AssertionError("read")

    __hash__ = None


def test_labels_are_needed_where_rows_are_labeled():
    assert_refused(FirstLabeled(), X, "y is None", "FirstLabeled", "Pass y", labeled=[1])
    assert_refused(
        FirstLabeled(),
        X,
        "y must have one entry.*20 rows",
        "got 19",
        "Fill",
        labeled=[1],
        y=[0] * 19,
    )
    assert FirstLabeled().fit(X).labels_ is None


def test_no_other_label_is_looked_at():
    y = np.array([Explosive() for _ in range(20)], dtype=object)
    y[[4, 2]] = ["four", "two"]
    assert list(FirstLabeled().fit(X, y, labeled=[4, 2]).labels_) == ["four", "two"]
    mask = np.isin(np.arange(20), [4, 2])
    assert list(FirstLabeled().fit(X, list(y), labeled=mask).labels_) == ["two", "four"]
    series = pd.Series(y, index=np.arange(20)[::-1])
    assert list(FirstLabeled().fit(X, series, labeled=[4, 2]).labels_) == ["four", "two"]


@every_selector
def test_labels_of_any_kind_change_nothing(selector):
    """Without labeled rows there is no label to learn from."""
    expected = fit(selector, X).indices_
    for y in (np.full(20, np.nan), np.array(["?"] * 20), [Explosive()] * 20, range(20)):
        np.testing.assert_array_equal(fit(selector, X, y=y).indices_, expected)


# Targets


@kernel_methods
@pytest.mark.parametrize("kernel", ["cosine", "rbf"])
def test_targets(Selector, kernel):
    selector = Selector(3, kernel=kernel)
    wide = np.ones((2, 5))
    for X_target in (wide, wide.tolist(), torch.tensor(wide), pd.DataFrame(wide)):
        assert_refused(
            selector, X, "X_target must have the 4 features", "got 5", "same", X_target=X_target
        )
    bad = np.ones((6, 4))
    bad[[2, 4], 1] = np.nan
    for X_target in (bad, torch.tensor(bad)):
        assert_refused(
            selector,
            X,
            "X_target must be finite",
            r"2 of 6 rows, first in row 2\b",
            "SimpleImputer",
            X_target=X_target,
        )
    assert_refused(
        selector, X, "X_target must hold numbers", "Encode", X_target=[["1", "2", "3", "4"]]
    )
    for X_target in (np.ones(4), torch.ones(4)):
        assert_refused(selector, X, r"\b1D\b", "[Rr]eshape", X_target=X_target)


@kernel_methods
@pytest.mark.parametrize("make", [np.ones, torch.ones], ids=["array", "tensor"])
def test_no_targets_at_all(Selector, make):
    assert_refused(
        Selector(3), X, r"0 sample\(s\)", "X_target", "minimum of 1", X_target=make((0, 4))
    )


@kernel_methods
@pytest.mark.parametrize(
    "X_target, words",
    [
        ([0, 20], ["got 20", r"\[0, 20\)"]),
        ([-2], ["got -2", r"\[0, 20\)"]),
        ([], ["shape \\(0,\\)", "row numbers"]),
        ([0.0, 1.0], ["float64", "row numbers"]),
        (X[:2], [r"shape \(2, 4\)", "row numbers"]),
        (np.ones(20, dtype=bool), ["bool", "row numbers"]),
    ],
    ids=["beyond", "negative", "none", "floats", "features", "mask"],
)
def test_targets_of_a_precomputed_kernel(Selector, X_target, words):
    selector = Selector(3, kernel="precomputed")
    assert_refused(selector, X @ X.T, "X_target", "precomputed", *words, X_target=X_target)


# Parameters


@kernel_methods
def test_unknown_kernel(Selector):
    names = ["'linear'", "'cosine'", "'rbf'", "'precomputed'", "callable"]
    for kernel in ("poly", "RBF", 3, None):
        assert_refused(Selector(kernel=kernel), X, re.escape(f"kernel == {kernel!r}"), *names)


@kernel_methods
def test_kernel_class_instead_of_an_object(Selector):
    """Callable, but what it returns is no matrix."""
    both_kinds = (TypeError, ValueError)
    assert_refused(
        Selector(3, kernel=RBF), X, r"kernel\b.*RBF", "object|instance", error=both_kinds
    )


@kernel_methods
@pytest.mark.parametrize(
    "kernel, words",
    [
        (lambda A, B: A @ B.T[:, :1], ["shape.*(20|1), ", "must return a matrix", "pairwise_kern"]),
        (lambda A, B: np.full((len(A), len(B)), np.nan), ["finite", "got NaN or inf"]),
        (lambda A, B: -(A @ B.T), ["row 0", "negative variance", "positive semi-definite"]),
    ],
    ids=["shape", "nan", "negative"],
)
def test_kernels_that_are_none(Selector, kernel, words):
    assert_refused(Selector(3, kernel=kernel), X, "kernel", *words)


@kernel_methods
def test_precomputed_kernels_must_be_square(Selector):
    selector = Selector(3, kernel="precomputed")
    assert_refused(selector, X, "precomputed", r"square.*\(20, 4\)", r"Pass kernel\(X, X\)")


@pytest.mark.parametrize(
    "value, error",
    [
        (0, ValueError),
        (-1.0, ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ("0.1", TypeError),
        (True, TypeError),
    ],
)
def test_noise_ratios(value, error):
    got = re.escape(f"== {value!r}, must be a finite number > 0")
    for Selector in (ITLSelector, VTLSelector):
        assert_refused(
            Selector(noise_ratio=value), X, "noise_ratio " + got, r"try 0\.1", error=error
        )
        assert_refused(Selector(noise_ratio=None), X, "noise_ratio == None", "try", error=TypeError)
    selector = ITLSelector(target_noise_ratio=value)
    assert_refused(selector, X, "target_noise_ratio " + got, "None chooses", error=error)


@pytest.mark.parametrize(
    "selector, words",
    [
        (ITLSelector(strategy="best"), ["strategy == 'best'", "'greedy', 'top', 'two_round'"]),
        (VTLSelector(strategy=None), ["strategy == None", "'greedy', 'top', 'two_round'"]),
        (CoreSetSelector(method="exact"), ["method == 'exact'", "'greedy', 'robust'"]),
        (CoreSetSelector(metric="l1"), ["metric == 'l1'", "'euclidean', 'cosine'"]),
        (CoreSetSelector(init=3), ["init == 3", "'medoid', 'random', 'farthest'"]),
        (CoreSetSelector(outlier_fraction=1.0), ["outlier_fraction == 1.0", "< 1", "try 1e-4"]),
        (CoreSetSelector(outlier_fraction=-0.1), ["outlier_fraction == -0.1", ">= 0"]),
        (CoreSetSelector(node_limit=0), ["node_limit == 0", ">= 1"]),
        (ITLSelector(device="gpu"), ["device == 'gpu'", "'auto', 'cpu', 'cuda'"]),
        (CoreSetSelector(device=3.5), ["device == 3.5", "'auto', 'cpu', 'cuda'"]),
        (RandomSelector(random_state="seed"), ["'seed'", "RandomState"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else name_of(value),
)
def test_other_parameters(selector, words):
    assert_refused(sklearn.clone(selector).set_params(budget=3), X, *words)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none():
    assert_refused(
        ITLSelector(3, device="cuda"), X, "device == 'cuda'", "no CUDA device", "device='cpu'"
    )


def test_node_limits_that_are_no_integers():
    for node_limit in (2.5, "10", True):
        selector = CoreSetSelector(3, node_limit=node_limit)
        got = re.escape(f"node_limit == {node_limit!r}")
        assert_refused(selector, X, got, "an int >= 1", error=TypeError)


def test_too_many_targets_for_the_memory():
    pool = np.random.default_rng(1).normal(size=(400, 2))
    with sklearn.config_context(working_memory=1):
        assert_refused(
            VTLSelector(3, kernel="rbf"),
            pool,
            "400 targets with 400 rows",
            "working_memory of 1 MiB",
            "sample of the pool as X_target|set_config",
        )
        assert len(VTLSelector(3, kernel="rbf").fit(pool, X_target=pool[:50]).indices_) == 3


# Rows without direction


UNIT_NORM = [s for s in all_selectors() if s._uses_unit_norm()]


@pytest.mark.parametrize("selector", UNIT_NORM, ids=name_of)
@pytest.mark.parametrize("container", CONTAINERS)
def test_rows_of_zeros_warn_once_and_come_last(selector, container):
    pool = X.copy()
    pool[[2, 5, 11]] = 0
    selector = sklearn.clone(selector).set_params(budget=17)
    fitted, caught = caught_warnings(selector, CONTAINERS[container](pool))
    ((category, message),) = caught
    assert category is ZeroNormWarning
    words = rf"3 of 20 rows have zero norm \(first: row 2\).*{type(selector).__name__} .*last"
    assert re.search(words, message)
    assert not set(fitted.indices_) & {2, 5, 11}
    selector.set_params(budget=20)
    fitted, caught = caught_warnings(selector, CONTAINERS[container](pool))
    assert [category for category, _ in caught] == [ZeroNormWarning]
    assert fitted.indices_[17:].tolist() == [2, 5, 11]
    assert np.isfinite(fitted.transform(CONTAINERS[container](pool))).all()


@pytest.mark.parametrize("selector", UNIT_NORM, ids=name_of)
def test_a_pool_of_zeros_is_picked_in_row_order(selector):
    fitted, caught = caught_warnings(selector, np.zeros((9, 3)))
    assert [category for category, _ in caught] == [ZeroNormWarning]
    np.testing.assert_array_equal(fitted.indices_, np.arange(6))


@pytest.mark.parametrize(
    "selector", [s for s in all_selectors() if not s._uses_unit_norm()], ids=name_of
)
def test_rows_of_zeros_are_rows_like_others_elsewhere(selector):
    pool = X.copy()
    pool[[2, 5]] = 0
    _, caught = caught_warnings(selector, pool)
    assert ZeroNormWarning not in [category for category, _ in caught]


def test_targets_without_direction_are_allowed():
    targets = np.vstack([np.zeros((2, 4)), X[7:8]])
    fitted, caught = caught_warnings(ITLSelector(1), X, X_target=targets)
    assert caught == []
    assert fitted.indices_.tolist() == [7]
