"""What goes in: the same rows give the same picks, whatever holds them; and what comes out."""

import pickle
import warnings
from numbers import Real

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.metrics import pairwise_distances
from sklearn.preprocessing import normalize
from sklearn.utils import get_tags

from skactive import (
    CoreSetSelector,
    FacilityLocationSelector,
    ITLSelector,
    LCMDSelector,
    ProbCoverSelector,
    RandomSelector,
)
from skactive.exceptions import ColdStartWarning
from tests.selectors import (
    DRAWS_AT_RANDOM,
    all_selectors,
    assert_same_selection,
    draws_at_random,
    fit,
    fitted_attributes,
    labels_of,
    name_of,
    refit,
    takes_targets,
)


def some_selectors(condition):
    chosen = list(filter(condition, all_selectors()))
    return pytest.mark.parametrize("selector", chosen, ids=name_of)


every_selector = some_selectors(lambda selector: True)
by_content = some_selectors(lambda selector: not draws_at_random(selector))
targeted = some_selectors(takes_targets)
sparse_capable = some_selectors(lambda selector: get_tags(selector).input_tags.sparse)


@pytest.fixture(scope="module")
def X():
    """Small integers, exact in every floating type, many of them 0; no row is all zeros."""
    rng = np.random.default_rng(0)
    values = rng.integers(-9, 10, size=(40, 5)) * (rng.random((40, 5)) < 0.7)
    values[:, 0] += values[:, 0] == 0
    assert len(np.unique(values, axis=0)) == 40
    return values.astype(np.float64)


def continuous(n=40, d=5, seed=1):
    return np.random.default_rng(seed).normal(size=(n, d))


# The same rows in other containers


def read_only(X, tmp_path):
    X = X.copy()
    X.flags.writeable = False
    return X


def memmap(X, tmp_path):
    X.tofile(tmp_path / "pool.bin")
    return np.memmap(tmp_path / "pool.bin", dtype=X.dtype, mode="r", shape=X.shape)


def memmap_float32(X, tmp_path):
    np.save(tmp_path / "pool.npy", X.astype(np.float32))
    return np.load(tmp_path / "pool.npy", mmap_mode="r")


def columns_of_a_wider_matrix(X, tmp_path):
    wide = np.full((len(X), 2 * X.shape[1]), np.nan)
    wide[:, ::2] = X
    return wide[:, ::2]


def rows_of_a_longer_matrix(X, tmp_path):
    long = np.full((3 * len(X), X.shape[1]), np.nan, order="F")
    long[1::3] = X
    return long[1::3]


def mixed_frame(X, tmp_path):
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    return frame.astype({"x0": np.int16, "x1": np.float32})


def tensor_transposed(X, tmp_path):
    return torch.tensor(np.ascontiguousarray(X.T)).T


LAYOUTS = {
    "list": lambda X, tmp_path: X.tolist(),
    "read-only": read_only,
    "memmap": memmap,
    "memmap float32": memmap_float32,
    "Fortran order": lambda X, tmp_path: np.asfortranarray(X),
    "negative strides": lambda X, tmp_path: X[::-1, ::-1].copy()[::-1, ::-1],
    "columns of a wider matrix": columns_of_a_wider_matrix,
    "rows of a longer matrix": rows_of_a_longer_matrix,
    "big-endian": lambda X, tmp_path: X.astype(">f8"),
    "big-endian float32": lambda X, tmp_path: X.astype(">f4"),
    "float32": lambda X, tmp_path: X.astype(np.float32),
    "float16": lambda X, tmp_path: X.astype(np.float16),
    "long double": lambda X, tmp_path: X.astype(np.longdouble),
    "int64": lambda X, tmp_path: X.astype(np.int64),
    "int8": lambda X, tmp_path: X.astype(np.int8),
    "object": lambda X, tmp_path: X.astype(object),
    "pandas": lambda X, tmp_path: pd.DataFrame(X),
    "pandas, mixed types": mixed_frame,
    "pandas, nullable": lambda X, tmp_path: pd.DataFrame(X).astype("Int64"),
    "polars": lambda X, tmp_path: pl.DataFrame(X, schema=[f"x{j}" for j in range(X.shape[1])]),
    "tensor float64": lambda X, tmp_path: torch.tensor(X),
    "tensor float32": lambda X, tmp_path: torch.tensor(X, dtype=torch.float32),
    "tensor float16": lambda X, tmp_path: torch.tensor(X, dtype=torch.float16),
    "tensor bfloat16": lambda X, tmp_path: torch.tensor(X, dtype=torch.bfloat16),
    "tensor int64": lambda X, tmp_path: torch.tensor(X, dtype=torch.int64),
    "tensor with gradient": lambda X, tmp_path: torch.tensor(X, requires_grad=True),
    "tensor transposed": tensor_transposed,
}


def values_of(X):
    """A float64 copy of whatever holds the rows."""
    if isinstance(X, torch.Tensor):
        return X.detach().to(torch.float64, copy=True).numpy()
    if isinstance(X, pl.DataFrame):
        return X.to_numpy().astype(np.float64)
    return np.array(X, dtype=np.float64)


@every_selector
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_container_gives_the_picks_of_a_plain_array(selector, layout, X, tmp_path):
    expected = fit(selector, X)
    source = LAYOUTS[layout](X, tmp_path)
    fitted = fit(selector, source)
    assert_same_selection(fitted, expected)
    np.testing.assert_allclose(fitted.transform(source), expected.transform(X), rtol=1e-6)
    np.testing.assert_array_equal(fitted.represent(source), expected.represent(X))
    assert type(fitted.components_) is np.ndarray
    np.testing.assert_array_equal(fitted.components_.astype(np.float64), X[fitted.indices_])
    np.testing.assert_array_equal(values_of(source), X)  # never modified
    for name in fitted_attributes(fitted):
        assert not isinstance(getattr(fitted, name), torch.Tensor), name


EXACT = {
    "Fortran order": np.asfortranarray,
    "big-endian": lambda X: X.astype(">f8"),
    "pandas": pd.DataFrame,
    "polars": lambda X: pl.DataFrame(X, schema=[f"x{j}" for j in range(X.shape[1])]),
    "tensor": torch.tensor,
}


@every_selector
@pytest.mark.parametrize("container", EXACT)
def test_no_digit_of_a_float64_is_lost(selector, container):
    X = continuous()
    expected = fit(selector, X)
    source = EXACT[container](X)
    fitted = fit(selector, source)
    assert_same_selection(fitted, expected, rtol=1e-13)
    np.testing.assert_array_equal(fitted.components_, X[fitted.indices_])
    np.testing.assert_allclose(fitted.transform(source), expected.transform(X), atol=1e-12)


@targeted
@pytest.mark.parametrize("layout", LAYOUTS)
def test_targets_may_come_in_every_container(selector, layout, X, tmp_path):
    targets = X[30:]
    expected = fit(selector, X[:30], X_target=targets)
    source = LAYOUTS[layout](targets, tmp_path)
    assert_same_selection(fit(selector, X[:30], X_target=source), expected)
    np.testing.assert_array_equal(values_of(source), targets)


def with_duplicate_entries(X):
    """A CSR matrix that stores each entry as the sum of two, as some tools write them."""
    rows, columns = np.nonzero(X)
    data = np.column_stack([X[rows, columns] - 1.0, np.ones(len(rows))]).ravel()
    starts = 2 * np.searchsorted(rows, np.arange(len(X) + 1))
    return sparse.csr_array((data, np.repeat(columns, 2), starts), shape=X.shape)


def unsorted(X):
    """A CSR matrix whose columns run backwards within each row."""
    rows, columns = np.nonzero(X[:, ::-1])
    columns = X.shape[1] - 1 - columns
    starts = np.searchsorted(rows, np.arange(len(X) + 1))
    return sparse.csr_array((X[rows, columns], columns, starts), shape=X.shape)


def read_only_csr(X):
    """As joblib hands large matrices to its workers."""
    matrix = sparse.csr_array(X)
    for array in (matrix.data, matrix.indices, matrix.indptr):
        array.flags.writeable = False
    return matrix


SPARSE = {
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
    "csc_matrix": sparse.csc_matrix,
    "coo_array": sparse.coo_array,
    "float32": lambda X: sparse.csr_array(X.astype(np.float32)),
    "int64": lambda X: sparse.csr_array(X.astype(np.int64)),
    "duplicate entries": with_duplicate_entries,
    "unsorted": unsorted,
    "read-only": read_only_csr,
}


def stored(matrix):
    """Copies of the arrays inside a sparse matrix."""
    names = ("data", "indices", "indptr", "row", "col")
    return [getattr(matrix, name).copy() for name in names if hasattr(matrix, name)]


@every_selector
@pytest.mark.parametrize("form", SPARSE)
def test_sparse_matrices_give_the_same_picks_or_are_refused(selector, form, X):
    source = SPARSE[form](X)
    np.testing.assert_array_equal(source.toarray(), X)
    before = stored(source)
    if not get_tags(selector).input_tags.sparse:
        with pytest.raises(TypeError, match=r"(?i)sparse.*toarray"):
            selector.fit(source)
        assert fitted_attributes(selector) == []
        return
    expected = fit(selector, X)
    fitted = fit(selector, source)
    assert_same_selection(fitted, expected)
    np.testing.assert_allclose(
        fitted.transform(source), expected.transform(X), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_array_equal(fitted.represent(source), expected.represent(X))
    assert sparse.issparse(fitted.components_) and fitted.components_.format == "csr"
    np.testing.assert_array_equal(fitted.components_.toarray(), X[fitted.indices_])
    for array, copy in zip(stored(source), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@sparse_capable
def test_sparse_continuous_data(selector):
    X = continuous(60, 12) * (continuous(60, 12, seed=2) > 0.5)
    X[:, 0] = 0.3
    expected = fit(selector, X, labeled=[0, 1])
    fitted = fit(selector, sparse.csr_array(X), labeled=[0, 1])
    assert_same_selection(fitted, expected)
    np.testing.assert_allclose(fitted.transform(X), expected.transform(X), atol=1e-7)


@some_selectors(lambda selector: takes_targets(selector) and hasattr(selector, "kernel"))
def test_precomputed_kernels_are_dense_and_square(selector, X):
    selector = sklearn.clone(selector).set_params(kernel="precomputed")
    gram = X @ X.T
    assert get_tags(selector).input_tags.pairwise
    assert not get_tags(selector).input_tags.sparse
    expected = fit(selector, gram)
    for source in (np.asfortranarray(gram), gram.astype(np.float32), torch.tensor(gram)):
        assert_same_selection(fit(selector, source), expected)
    with pytest.raises(TypeError, match=r"(?i)sparse.*toarray"):
        selector.fit(sparse.csr_array(gram))
    with pytest.raises(ValueError, match=r"precomputed.*square.*\(40, 5\).*kernel\(X, X\)"):
        selector.fit(X)
    assert fitted_attributes(selector) == []


# Chunks, threads, repetition


def triplicated():
    return np.repeat(continuous(30), 3, axis=0)


def unit_rows():
    return normalize(continuous(60, 6))


def triplicated_unit_rows():
    return np.repeat(unit_rows()[:30], 3, axis=0)


POOLS = {pool.__name__: pool for pool in (triplicated, unit_rows, triplicated_unit_rows)}


@every_selector
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("labeled", [None, [4, 31, 33]])
def test_chunks_threads_and_repetition_change_nothing(selector, pool, labeled, monkeypatch):
    X = POOLS[pool]()
    expected = fit(selector, X, labeled=labeled)
    assert_same_selection(fit(selector, X, labeled=labeled), expected, rtol=0)
    for working_memory in (0.001, 1, 1024):
        with sklearn.config_context(working_memory=working_memory):
            fitted = fit(selector, X, labeled=labeled)
            assert_same_selection(fitted, expected, atol=1e-12)
            transformed = fitted.transform(X)
        np.testing.assert_allclose(transformed, expected.transform(X), atol=1e-12)
    n_threads = torch.get_num_threads()
    for n in (1, 2):
        torch.set_num_threads(n)
        try:
            fitted = fit(selector, X, labeled=labeled)
        finally:
            torch.set_num_threads(n_threads)
        assert_same_selection(fitted, expected, atol=1e-12)
    for n_bytes in (1, 8 * X.shape[1] * 7, 1 << 12):
        monkeypatch.setattr("skactive._rows._CACHE_BYTES", n_bytes)
        assert_same_selection(fit(selector, X, labeled=labeled), expected, atol=1e-12)


@sparse_capable
def test_chunks_of_sparse_rows_change_nothing(selector, monkeypatch):
    X = np.round(triplicated(), 1)
    X[np.random.default_rng(4).random(X.shape) < 0.4] = 0.0
    X[:, 0] = np.arange(90) // 3 + 0.1  # no row of zeros
    X = sparse.csr_array(X)
    expected = fit(selector, X, labeled=[4, 31])
    for n_bytes in (1, 8 * X.shape[1] * 7):
        monkeypatch.setattr("skactive._rows._CACHE_BYTES", n_bytes)
        fitted = fit(selector, X, labeled=[4, 31])
        assert_same_selection(fitted, expected)
        np.testing.assert_allclose(fitted.transform(X), expected.transform(X), atol=1e-12)


@targeted
def test_chunks_change_nothing_with_targets(selector, monkeypatch):
    X = triplicated()
    for n_targets in (3, 25):
        targets = X[-n_targets:] + 0.1
        expected = fit(selector, X, X_target=targets)
        for n_bytes in (1, 8 * X.shape[1] * 7):
            with monkeypatch.context() as patch:
                patch.setattr("skactive._rows._CACHE_BYTES", n_bytes)
                assert_same_selection(fit(selector, X, X_target=targets), expected)


@by_content
@pytest.mark.parametrize("pool", ["triplicated", "triplicated_unit_rows"])
def test_the_lowest_of_equal_rows_comes_first(selector, pool):
    X = POOLS[pool]()
    picks = fit(selector, X).indices_.tolist()
    for t, row in enumerate(picks):
        copies = range(row - row % 3, row)
        assert set(copies) <= set(picks[:t])


# Row order, prefixes, extension


def rows_tie(selector, given):
    """Whether different rows have equal scores."""
    if isinstance(selector, ProbCoverSelector):  # counts
        return True
    if isinstance(selector, FacilityLocationSelector):  # once every target has its best row
        return given == "targets"
    if isinstance(selector, LCMDSelector):  # the first pick is the longest row
        return given == "nothing" and selector.metric == "cosine"
    is_itl = isinstance(selector, ITLSelector)  # all rows are equally uncertain at first
    return is_itl and given == "nothing" and selector.kernel != "linear"


@by_content
@pytest.mark.parametrize("given", ["nothing", "labeled", "targets"])
def test_permuting_rows_permutes_picks(selector, given):
    X = continuous()
    labeled = [3, 8, 15] if given == "labeled" else None
    extra = {"X_target": continuous(4, seed=6)} if given == "targets" else {}
    if (given == "targets" and not takes_targets(selector)) or rows_tie(selector, given):
        pytest.skip(f"not with {given} given")
    order = np.random.default_rng(3).permutation(len(X))
    place = np.argsort(order)  # where a row went
    expected = fit(selector, X, labeled=labeled, **extra)
    moved = fit(selector, X[order], labeled=None if labeled is None else place[labeled], **extra)
    if getattr(selector, "method", "greedy") == "robust":  # one radius, several covers
        assert moved.covering_radius_ == pytest.approx(expected.covering_radius_)
        return
    np.testing.assert_array_equal(order[moved.indices_], expected.indices_)
    np.testing.assert_allclose(moved.scores_, expected.scores_, rtol=1e-9)


@every_selector
@pytest.mark.parametrize("labeled", [None, [3, 8, 15]])
def test_a_smaller_budget_gives_the_first_picks(selector, labeled, X):
    longest = fit(selector, X, labeled=labeled)
    for budget in range(1, 7):
        shorter = fit(sklearn.clone(selector).set_params(budget=budget), X, labeled=labeled)
        assert len(shorter.indices_) == budget
        if selector._has_prefix_property():
            np.testing.assert_array_equal(shorter.indices_, longest.indices_[:budget])
            np.testing.assert_array_equal(shorter.scores_, longest.scores_[:budget])


def test_which_selectors_promise_prefixes():
    without = [name_of(s) for s in all_selectors() if not s._has_prefix_property()]
    assert "CoreSetSelector-robust-0.05" in without
    assert not [name for name in without if name.startswith(("ITL", "VTL", "Random"))]


def extends(selector):
    """Whether two batches are one long one.

    So it is where each pick depends on the rows known, not on when they became known. "top"
    scores anew for the second batch, a joint optimum of six is none of two times three, and
    methods that learn from labels need them.
    """
    return (
        selector._has_prefix_property()
        and not selector._needs_labels
        and not isinstance(selector, DRAWS_AT_RANDOM)
        and getattr(selector, "strategy", "greedy") == "greedy"
    )


@some_selectors(extends)
@pytest.mark.parametrize("labeled", [[], [3, 8]])
def test_labeled_extends_a_selection_as_one_long_fit_does(selector, labeled, X):
    longest = fit(selector, X, labeled=labeled)
    half = sklearn.clone(selector).set_params(budget=3)
    first = fit(half, X, labeled=labeled)
    second = fit(half, X, labeled=[*labeled, *first.indices_])
    both = np.concatenate([first.indices_, second.indices_])
    np.testing.assert_array_equal(both, longest.indices_)
    np.testing.assert_allclose(second.scores_, longest.scores_[3:], rtol=1e-9)


# Labeled rows and budget


@every_selector
def test_labeled_as_mask_or_positions(selector, X):
    positions = [7, 3, 22]
    mask = np.isin(np.arange(len(X)), positions)
    expected = fit(selector, X, labeled=np.array(positions))
    assert not set(expected.indices_) & set(positions)
    forms = [
        positions,
        tuple(positions),
        np.sort(positions).astype(np.uint8),
        torch.tensor(positions),
        mask,
        mask.tolist(),
        pd.Series(mask, index=np.arange(len(X))[::-1]),
        pl.Series(mask),
        torch.tensor(mask),
    ]
    for labeled in forms:
        assert_same_selection(fit(selector, X, labeled=labeled), expected)
    nothing = fit(selector, X)
    for labeled in ([], np.array([], dtype=int), np.array([]), np.zeros(len(X), dtype=bool)):
        assert_same_selection(fit(selector, X, labeled=labeled), nothing)


@every_selector
@pytest.mark.parametrize(
    "budget, count",
    [(0.1, 4), (0.26, 10), (1e-9, 1), (1.0, 40), (np.float32(0.5), 20), (np.int16(3), 3), (1, 1)],
)
def test_budget_is_a_count_or_a_share_of_all_rows(selector, X, budget, count):
    selector = sklearn.clone(selector).set_params(budget=budget)
    indices = fit(selector, X).indices_
    assert len(indices) == len(set(indices)) == count
    if count <= 37:  # the share counts labeled rows too
        assert len(fit(selector, X, labeled=[0, 1, 2]).indices_) == count


@every_selector
def test_fit_select_and_support(selector, X):
    fitted = fit(selector, X, labeled=[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ColdStartWarning)  # a single class is known
        indices = fitted.fit_select(X, labels_of(X), labeled=[1])
    assert indices is fitted.indices_
    assert indices.dtype == np.int64 and fitted.scores_.dtype == np.float64
    np.testing.assert_array_equal(indices, fit(selector, X, labeled=[1]).indices_)
    mask = fitted.get_support()
    assert mask.dtype == bool and mask.shape == (40,)
    np.testing.assert_array_equal(np.flatnonzero(mask), np.sort(indices))
    np.testing.assert_array_equal(fitted.get_support(indices=True), np.sort(indices))


# transform and represent


@every_selector
def test_transform_gives_one_column_a_pick(selector, X):
    fitted = fit(selector, X)
    new = continuous(9, seed=5)
    for rows in (X, new):
        wide = fitted.transform(rows)
        narrow = fitted.transform(rows.astype(np.float32))
        assert wide.shape == narrow.shape == (len(rows), 6)
        assert wide.dtype == np.float64 and narrow.dtype == np.float32
        scale = abs(wide).max()
        np.testing.assert_allclose(narrow, wide, rtol=1e-5, atol=1e-5 * scale)
        whole = [fitted.transform(rows[i : i + 1])[0] for i in range(len(rows))]
        np.testing.assert_allclose(whole, wide, rtol=1e-9, atol=1e-12 * scale)
    assert fitted.transform(torch.tensor(new, dtype=torch.float32)).dtype == np.float32
    assert fitted.transform(pd.DataFrame(new).astype(np.float32)).dtype == np.float32
    assert fitted.transform(new.astype(np.float16)).dtype == np.float64


@every_selector
def test_output_frames_and_names(selector, X):
    names = [f"{type(selector).__name__.lower()}{t}" for t in range(6)]
    frame = pd.DataFrame(X, columns=list("abcde"), index=np.arange(40) + 100)
    fitted = fit(selector, frame)
    assert fitted.get_feature_names_out().tolist() == names
    assert fitted.feature_names_in_.tolist() == list("abcde")
    assert fitted.n_features_in_ == 5
    plain = fitted.transform(frame)
    assert isinstance(plain, np.ndarray)
    as_pandas = fitted.set_output(transform="pandas").transform(frame)
    assert isinstance(as_pandas, pd.DataFrame)
    assert as_pandas.columns.tolist() == names
    assert as_pandas.index.tolist() == frame.index.tolist()
    np.testing.assert_array_equal(as_pandas.to_numpy(), plain)
    as_polars = fitted.set_output(transform="polars").transform(pl.DataFrame(frame))
    assert isinstance(as_polars, pl.DataFrame)
    assert as_polars.columns == names
    # Products depend in the last bit on where in memory their factors lie.
    np.testing.assert_allclose(as_polars.to_numpy(), plain, rtol=0, atol=1e-15)


@every_selector
def test_transform_checks_what_it_gets(selector, X):
    with pytest.raises(NotFittedError):
        sklearn.clone(selector).transform(X)
    fitted = fit(selector, X)
    for rows in (X[:, :4], torch.tensor(X[:, :4])):
        for method in (fitted.transform, fitted.represent):
            with pytest.raises(ValueError, match=r"4 features.*expecting 5 features"):
                method(rows)
    damaged = X.copy()
    damaged[[3, 7], 0] = np.nan
    for rows in (damaged, torch.tensor(damaged)):
        for method in (fitted.transform, fitted.represent):
            with pytest.raises(ValueError, match=r"2 of 40 rows, first in row 3\b"):
                method(rows)


def squared_distances(fitted, X):
    """k(x, x) - 2 k(x, s) + k(s, s), where inner products are distances between rows."""
    picks = X[fitted.indices_]
    kernel = getattr(fitted, "kernel", "linear")
    if fitted._uses_unit_norm():
        X, picks = normalize(X), normalize(picks)
    if callable(kernel):
        own = np.array([kernel(row[None], row[None])[0, 0] for row in X])
        return own[:, None] - 2 * kernel(X, picks) + own[fitted.indices_]
    squares = ((X[:, None] - picks[None]) ** 2).sum(-1)
    return 2 - 2 * np.exp(-squares / (X.shape[1] * X.var())) if kernel == "rbf" else squares


@every_selector
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_represent_is_the_nearest_pick(selector, offset):
    """Also where the rows differ little against their norms."""
    X = continuous(50) + offset
    fitted = fit(selector, X, labeled=[2])
    representatives = fitted.represent(X)
    assert representatives.dtype == np.int64
    distances = squared_distances(fitted, X)
    np.testing.assert_array_equal(representatives, distances.argmin(1))
    np.testing.assert_array_equal(representatives[fitted.indices_], np.arange(6))


@some_selectors(lambda selector: isinstance(selector, RandomSelector | CoreSetSelector))
def test_transform_gives_distances_between_rows(selector):
    """Between unit rows where directions count."""
    X = continuous(30)
    fitted = fit(selector, X)
    rows = normalize(X) if selector._uses_unit_norm() else X
    expected = pairwise_distances(rows, rows[fitted.indices_])
    np.testing.assert_allclose(fitted.transform(X), expected, atol=1e-7)


def test_represent_prefers_the_nearest_to_the_most_similar():
    """A long pick has the larger inner product with most rows, yet a short one is nearer."""
    X = np.array([[10.0, 0.0], [1.0, 0.2], [1.1, 0.2]])
    fitted = fit(ITLSelector(2, kernel="linear"), X)
    long = int(np.flatnonzero(fitted.indices_ == 0)[0])
    assert (fitted.transform(X).argmax(1) == long).all()
    assert fitted.represent(X).tolist() == [long, 1 - long, 1 - long]


def test_equal_picks_share_their_rows_with_the_first():
    X = np.array([[1.0, 2.0], [3.0, 1.0]])[[0, 1, 0, 1]]
    for selector in all_selectors():
        fitted = fit(sklearn.clone(selector).set_params(budget=4), X)
        positions = fitted.represent(X)
        assert positions[0] == positions[2] and positions[1] == positions[3]
        np.testing.assert_array_equal(X[fitted.indices_[positions]], X)
        assert positions[0] == np.flatnonzero(fitted.indices_ % 2 == 0)[0]


# Fitted attributes


def snapshot(selector):
    return pickle.dumps({name: getattr(selector, name) for name in fitted_attributes(selector)})


@every_selector
@pytest.mark.parametrize("source", ["array", "tensor", "csr"])
def test_fitted_attributes_are_numpy_and_survive_pickling(selector, source, X, tmp_path):
    if source == "csr" and not get_tags(selector).input_tags.sparse:
        pytest.skip("refuses sparse input")
    pool = {"array": X, "tensor": torch.tensor(X), "csr": sparse.csr_array(X)}[source]
    fitted = fit(selector, pool, labeled=[5])
    assert {"indices_", "scores_", "components_", "n_samples_fit_", "n_features_in_"} <= set(
        fitted_attributes(fitted)
    )
    for name in fitted_attributes(fitted):
        value = getattr(fitted, name)
        if name == "components_" and source == "csr":
            assert sparse.issparse(value) and value.format == "csr"
        else:
            assert type(value) is np.ndarray or value is None or isinstance(value, Real), name
    expected = fitted.transform(pool)
    joblib.dump(fitted, tmp_path / "selector.joblib")
    copies = {
        "pickle": pickle.loads(pickle.dumps(fitted)),
        "joblib": joblib.load(tmp_path / "selector.joblib"),
        "joblib, mapped": joblib.load(tmp_path / "selector.joblib", mmap_mode="r"),
    }
    for copy in copies.values():
        np.testing.assert_array_equal(copy.transform(pool), expected)
        np.testing.assert_array_equal(copy.represent(pool), fitted.represent(pool))
        np.testing.assert_array_equal(copy.get_support(), fitted.get_support())
        assert fitted_attributes(copy) == fitted_attributes(fitted)


@every_selector
def test_selected_rows_do_not_follow_later_changes_of_the_pool(selector, X):
    for pool in (X.copy(), torch.tensor(X)):
        fitted = fit(selector, pool)
        components = fitted.components_.copy()
        pool[:] = 7.0
        np.testing.assert_array_equal(fitted.components_, components)


@every_selector
def test_a_failed_refit_leaves_the_former_fit(selector, X):
    fitted = fit(selector, pd.DataFrame(X, columns=list("abcde")), labeled=[1, 2])
    before, expected = snapshot(fitted), fitted.transform(pd.DataFrame(X, columns=list("abcde")))
    damaged = np.vstack([X, np.full((1, 5), np.nan)])
    for bad in (damaged, X[:0], X[0], [["a", "b"]]):
        with pytest.raises(ValueError):
            fitted.fit(bad)
        assert snapshot(fitted) == before
    with pytest.raises(ValueError):
        fitted.fit(X[:, :3], labeled=[99])
    assert snapshot(fitted) == before
    with pytest.raises(ValueError):
        fitted.set_params(budget=0).fit(X[:, :3])
    assert snapshot(fitted) == before
    transformed = fitted.transform(pd.DataFrame(X, columns=list("abcde")))
    np.testing.assert_array_equal(transformed, expected)


@every_selector
def test_a_failed_first_fit_leaves_nothing(selector, X):
    selector = sklearn.clone(selector)
    before = vars(selector).copy()
    for bad, labeled in ((np.full((9, 3), np.inf), None), (X, [99]), (X, np.ones(40, dtype=bool))):
        with pytest.raises(ValueError):
            selector.fit(bad, labeled=labeled)
        assert vars(selector) == before


@every_selector
def test_a_refit_starts_afresh(selector, X):
    frame = pd.DataFrame(X[:, :3], columns=list("abc"))
    refitted = refit(refit(fit(selector, X, labeled=[0, 4]), frame), X)
    once = fit(selector, X)
    assert fitted_attributes(refitted) == fitted_attributes(once)
    assert snapshot(refitted) == snapshot(once)
    np.testing.assert_array_equal(refitted.transform(X), once.transform(X))
