"""SelectionSampler: selected rows out, alone and in imbalanced-learn's Pipeline."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skactive import CoreSetSelector, ITLSelector, RandomSelector, SelectionSampler
from skactive.exceptions import BudgetWarning
from tests.loops import NearLargestLabel, logistic, make_pool

X, Y = make_pool()
N = len(X)
PICKS = CoreSetSelector(budget=15).fit(X).indices_


def make_sampler(selector=None):
    return SelectionSampler(CoreSetSelector(budget=15) if selector is None else selector)


def test_arrays():
    sampler = make_sampler()
    X_kept, y_kept = sampler.fit_resample(X, Y)
    np.testing.assert_array_equal(X_kept, X[PICKS])
    np.testing.assert_array_equal(y_kept, Y[PICKS])
    np.testing.assert_array_equal(sampler.sample_indices_, PICKS)
    np.testing.assert_array_equal(sampler.selector_.indices_, PICKS)
    assert sampler.n_features_in_ == 6
    assert not hasattr(sampler, "feature_names_in_")
    assert not np.shares_memory(X_kept, X)


def test_frames():
    index = np.random.default_rng(0).permutation(N)
    frame = pd.DataFrame(X, columns=list("abcdef"), index=index)
    labels = pd.Series(Y, index=index, name="label")
    sampler = make_sampler()
    X_kept, y_kept = sampler.fit_resample(frame, labels)
    pd.testing.assert_frame_equal(X_kept, frame.iloc[PICKS])
    pd.testing.assert_series_equal(y_kept, labels.iloc[PICKS])
    assert sampler.feature_names_in_.tolist() == list("abcdef")


def test_polars_frames():
    frame = pl.DataFrame(X, schema=list("abcdef"))
    X_kept, y_kept = make_sampler().fit_resample(frame, pl.Series("label", Y))
    assert isinstance(X_kept, pl.DataFrame) and isinstance(y_kept, pl.Series)
    np.testing.assert_array_equal(X_kept.to_numpy(), X[PICKS])
    np.testing.assert_array_equal(y_kept.to_numpy(), Y[PICKS])


def test_sparse_matrices():
    X_kept, y_kept = make_sampler().fit_resample(sparse.csr_matrix(X), Y)
    assert sparse.issparse(X_kept)
    np.testing.assert_array_equal(X_kept.toarray(), X[PICKS])
    np.testing.assert_array_equal(y_kept, Y[PICKS])


def test_lists():
    X_kept, y_kept = make_sampler().fit_resample(X.tolist(), Y.tolist())
    assert X_kept == X[PICKS].tolist()
    assert y_kept == Y[PICKS].tolist()


def test_without_labels():
    X_kept, y_kept = make_sampler().fit_resample(X)
    np.testing.assert_array_equal(X_kept, X[PICKS])
    assert y_kept is None


@pytest.mark.parametrize(
    "y",
    [
        X @ np.arange(6.0),
        np.column_stack([X[:, 0], X[:, 1]]),
        np.array(["x", "y", "zed"])[Y],
        np.array([None, "x", 3.5], dtype=object)[Y],
        np.where(Y == 0, np.nan, Y),
    ],
    ids=["continuous", "two outputs", "texts", "anything", "NaN"],
)
def test_labels_of_any_kind(y):
    X_kept, y_kept = make_sampler().fit_resample(X, y)
    np.testing.assert_array_equal(X_kept, X[PICKS])
    np.testing.assert_array_equal(y_kept, y[PICKS])


def test_fit_alone():
    sampler = make_sampler()
    assert sampler.fit(X) is sampler
    np.testing.assert_array_equal(sampler.sample_indices_, PICKS)


@pytest.mark.parametrize("method", ["fit", "fit_resample"])
def test_fit_params_reach_the_selector(method):
    labeled, targets = [3, 17, 60], X[100:]
    sampler = make_sampler(ITLSelector(budget=15))
    getattr(sampler, method)(X, Y, labeled=labeled, X_target=targets)
    expected = ITLSelector(budget=15).fit(X, labeled=labeled, X_target=targets).indices_
    np.testing.assert_array_equal(sampler.sample_indices_, expected)
    assert not set(expected.tolist()) & set(labeled)
    with pytest.raises(TypeError, match="X_targets"):
        getattr(sampler, method)(X, Y, X_targets=targets)


def test_selectors_that_need_labels_get_them():
    labeled = np.arange(10)
    sampler = make_sampler(NearLargestLabel(budget=15)).fit(X, Y, labeled=labeled)
    expected = NearLargestLabel(budget=15).fit(X, Y, labeled=labeled).indices_
    np.testing.assert_array_equal(sampler.sample_indices_, expected)


def test_the_selector_given_is_not_fitted():
    selector = RandomSelector(budget=15, random_state=0)
    sampler = make_sampler(selector).fit(X)
    assert sampler.selector is selector and not hasattr(selector, "indices_")
    again = clone(sampler)
    assert not hasattr(again, "selector_") and again.selector is not selector
    np.testing.assert_array_equal(again.fit(X).sample_indices_, sampler.sample_indices_)
    again.set_params(selector__budget=4).fit(X)
    np.testing.assert_array_equal(again.sample_indices_, sampler.sample_indices_[:4])


def test_pickle():
    sampler = make_sampler().fit(X)
    copy = pickle.loads(pickle.dumps(sampler))
    np.testing.assert_array_equal(copy.sample_indices_, PICKS)


def test_not_fitted():
    with pytest.raises(NotFittedError):
        check_is_fitted(make_sampler())


def test_input_tags_are_the_selectors():
    assert get_tags(make_sampler()).input_tags.sparse is True
    dense = CoreSetSelector(method="robust")
    assert get_tags(make_sampler(dense)).input_tags == get_tags(dense).input_tags


def test_a_pipeline_that_ends_in_a_selector():
    sampler = make_sampler(make_pipeline(StandardScaler(), CoreSetSelector(budget=15)))
    X_kept, _ = sampler.fit_resample(X, Y)
    scaled = StandardScaler().fit_transform(X)
    expected = CoreSetSelector(budget=15).fit(scaled).indices_
    np.testing.assert_array_equal(sampler.sample_indices_, expected)
    np.testing.assert_array_equal(X_kept, X[expected])  # rows as given, not as scaled
    assert sampler.n_features_in_ == 6


def test_texts():
    texts = ["red sky", "blue sea", "blue sky", "green sea", "red sea"]
    sampler = make_sampler(make_pipeline(TfidfVectorizer(), CoreSetSelector(budget=2)))
    kept, _ = sampler.fit_resample(texts)
    assert kept == [texts[i] for i in sampler.sample_indices_]
    assert len(set(kept)) == 2
    assert not hasattr(sampler, "n_features_in_")


# Bad input


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (
            FrozenEstimator(CoreSetSelector()),
            "(?s)is a FrozenEstimator, .* itself: CoreSetSelector",
        ),
        (
            StandardScaler(),
            r"== StandardScaler\(\), must be a selector .* for instance ITLSelector",
        ),
        (CoreSetSelector, "must be a selector"),
        (None, "selector == None, must be a selector"),
    ],
    ids=str,
)
def test_what_is_no_selector(selector, message):
    sampler = SelectionSampler(selector)
    for method in (sampler.fit, sampler.fit_resample):
        with pytest.raises(TypeError, match=message):
            method(X, Y)
    assert vars(sampler).keys() == {"selector"}


def test_bad_pools():
    sampler = make_sampler().fit(X)
    bad = X.copy()
    bad[5, 2] = np.inf
    with pytest.raises(ValueError, match="X must be finite; got NaN or infinity in 1 of 120 rows"):
        sampler.fit_resample(bad, Y)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[120, 119\]"):
        sampler.fit_resample(X, Y[1:])
    with pytest.raises(ValueError, match="budget == 0, must be"):
        sampler.set_params(selector__budget=0).fit_resample(X, Y)
    np.testing.assert_array_equal(sampler.sample_indices_, PICKS)  # the former fit


def test_budget_beyond_the_pool():
    sampler = make_sampler(CoreSetSelector(budget=500))
    with pytest.warns(BudgetWarning, match="500 rows but only 120") as record:
        X_kept, y_kept = sampler.fit_resample(X, Y)
    assert len(record) == 1
    assert len(X_kept) == len(y_kept) == N


# imbalanced-learn


@pytest.fixture
def pipeline():
    return pytest.importorskip("imblearn.pipeline")


def test_training_on_the_selected_rows_only(pipeline):
    pipe = pipeline.make_pipeline(StandardScaler(), make_sampler(), logistic()).fit(X, Y)
    scaled = StandardScaler().fit_transform(X)
    picks = CoreSetSelector(budget=15).fit(scaled).indices_
    np.testing.assert_array_equal(pipe[1].sample_indices_, picks)
    expected = logistic().fit(scaled[picks], Y[picks])
    np.testing.assert_array_equal(pipe[-1].coef_, expected.coef_)
    assert pipe.predict(X).shape == (N,)
    np.testing.assert_array_equal(pipe.predict(X), expected.predict(scaled))
    assert pipe.score(X, Y) == expected.score(scaled, Y)


def test_regression_on_the_selected_rows(pipeline):
    y = X @ np.arange(6.0)
    pipe = pipeline.make_pipeline(make_sampler(ITLSelector(budget=9)), LinearRegression())
    pipe.fit(X, y)
    picks = ITLSelector(budget=9).fit(X).indices_
    expected = LinearRegression().fit(X[picks], y[picks])
    np.testing.assert_array_equal(pipe[-1].coef_, expected.coef_)


def test_a_search_over_the_number_of_labels(pipeline):
    pipe = pipeline.Pipeline([("sampler", make_sampler()), ("model", logistic())])
    budgets = [12, 24]
    search = GridSearchCV(pipe, {"sampler__selector__budget": budgets}, cv=2).fit(X, Y)
    by_hand = []
    for budget in budgets:
        scores = []
        for train, test in StratifiedKFold(2).split(X, Y):
            rows = train[CoreSetSelector(budget=budget).fit(X[train]).indices_]
            scores.append(logistic().fit(X[rows], Y[rows]).score(X[test], Y[test]))
        by_hand.append(np.mean(scores))
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], by_hand)
    n_kept = len(search.best_estimator_[0].sample_indices_)
    assert n_kept == search.best_params_["sampler__selector__budget"]
