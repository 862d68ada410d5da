"""Selectors around a selector: drawn batches, a part of the pool, balanced classes."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.stats import chi2, rankdata
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.datasets import make_blobs
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter
from skorch import NeuralNetClassifier
from torch import nn

from skactive import (
    ActiveFTSelector,
    ActiveLearningLoop,
    BADGESelector,
    BALDSelector,
    BaseSelector,
    ClassBalanced,
    CoreSetSelector,
    CTLSelector,
    ExpectedModelChangeSelector,
    FacilityLocationSelector,
    GreedySelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
    StochasticBatch,
    SubsamplePool,
    UncertaintySelector,
    VarianceSelector,
    VTLSelector,
)
from skactive._base import Selection
from skactive.exceptions import BudgetWarning, ColdStartWarning, ZeroNormWarning
from skactive.selection._class_balanced import water_fill
from skactive.selection._stochastic_batch import average_ranks, gumbel_order, level_scores
from skactive.testing import selector_checks
from tests.networks import AnyWidth, any_width_net
from tests.reference.coreset import pairwise_distances
from tests.reference.stochastic_batch import (
    balanced_k_center,
    batch_probability,
    class_turns,
    most_even_totals,
    weights,
)

CONFIGURATIONS = [
    StochasticBatch(CoreSetSelector(metric="cosine"), mode="softrank"),
    StochasticBatch(MLMOCSelector(sequential=True), mode="softmax"),
    SubsamplePool(StochasticBatch(ITLSelector()), n_candidates=15),
    ClassBalanced(StochasticBatch(UncertaintySelector()), estimator=LogisticRegression()),
]


def contract_checks():
    for selector in CONFIGURATIONS:
        for check in selector_checks(selector):
            yield pytest.param(check, id=f"{selector!r}-{check.__name__}".replace("\n", ""))


@pytest.mark.parametrize("check", list(contract_checks()))
def test_contract(check):
    check()


class Given(GreedySelector):
    """Scores a row by its first number, whatever else is picked."""

    def __init__(self, budget=1):
        self.budget = budget

    def _start(self, pool):
        return pool.rows.column(0)

    def _score(self, state):
        return state

    def _step(self, state, row):
        return state


class Recorder(TransformerMixin, BaseEstimator):
    """Notes how many rows it is asked to transform."""

    seen: list = []

    def fit(self, X, y=None):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X):
        Recorder.seen.append(len(X))
        return np.asarray(X, dtype=np.float64)


def make_pool(n=60, seed=0, n_classes=3):
    return make_blobs(n, 4, centers=n_classes, cluster_std=3.0, random_state=seed)


# StochasticBatch


def statistic(counts, expected):
    counts, expected = np.array(counts), np.array(expected)
    np.testing.assert_allclose(expected.sum(), counts.sum())
    return ((counts - expected) ** 2 / expected).sum()


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@pytest.mark.parametrize("mode", ["power", "softmax", "softrank"])
def test_draws_have_the_probabilities_of_the_paper(mode, temperature):
    scores = np.array([1.0, 0.5, 1.0, 0.2])
    n_draws = 8000
    batches = list(permutations(range(4), 2))
    counts = dict.fromkeys(batches, 0)
    selector = StochasticBatch(Given(), mode=mode, temperature=temperature)
    log_weights = selector._log_weights(scores, 0.0)
    for noise in np.random.RandomState(0).gumbel(size=(n_draws, 4)):
        counts[tuple(gumbel_order(log_weights, scores, noise)[:2].tolist())] += 1
    w = weights(scores, mode, temperature)
    expected = [n_draws * batch_probability(w, batch) for batch in batches]
    assert statistic(list(counts.values()), expected) < chi2.ppf(0.999, len(batches) - 1)


def test_fits_with_other_seeds_draw_by_the_scores():
    X = np.array([[0.3], [1.0], [0.5], [1.0], [0.2]])
    first = [
        StochasticBatch(Given(), 1, random_state=seed).fit(X, labeled=[0]).indices_[0]
        for seed in range(400)
    ]
    w = weights(X[1:, 0], "power", 1.0)
    counts = np.bincount(first, minlength=5)
    assert counts[0] == 0
    assert statistic(counts[1:], 400 * w / w.sum()) < chi2.ppf(0.999, 3)


@pytest.mark.parametrize("mode", ["power", "softmax", "softrank"])
@pytest.mark.parametrize(
    "inside",
    [
        CoreSetSelector(),
        MLMOCSelector(),
        MLMOCSelector(criterion="expected_error"),
        ITLSelector(strategy="top"),
        VTLSelector(),
        CTLSelector(),
        FacilityLocationSelector(),
    ],
)
def test_a_low_temperature_takes_the_best_scores(inside, mode):
    X, y = make_pool()
    if mode == "power" and ("CTL" in repr(inside) or "expected_error" in repr(inside)):
        pytest.skip("scores below 0")
    known = {"y": y, "labeled": [0, 1, 2, 3, 10, 11]}
    selector = StochasticBatch(inside, 54, mode=mode, temperature=1e-9, random_state=0)
    scores = selector.fit(X, **known).scores_
    np.testing.assert_array_equal(np.sort(scores)[::-1], scores)
    assert len(set(selector.indices_)) == 54
    best = clone(inside).set_params(budget=1).fit(X, **known)
    assert selector.indices_[0] == best.indices_[0]
    np.testing.assert_allclose(scores[0], best.scores_[0])


def test_scores_are_those_before_any_pick():
    X, _ = make_pool()
    labeled = [3, 30]
    selector = StochasticBatch(CoreSetSelector(), 58, random_state=0).fit(X, labeled=labeled)
    distances = pairwise_distances(X)[:, labeled].min(1)
    np.testing.assert_allclose(selector.scores_, distances[selector.indices_])


def test_scores_of_a_pool_larger_than_a_piece():
    X, _ = make_pool(3000)
    selector = CoreSetSelector(1)
    with sklearn.config_context(working_memory=0.01):
        drawn = StochasticBatch(selector, 2999, random_state=1).fit(X, labeled=[7])
    np.testing.assert_allclose(
        drawn.scores_, np.linalg.norm(X - X[7], axis=1)[drawn.indices_], rtol=1e-12
    )
    expected = StochasticBatch(selector, 2999, random_state=1).fit(X, labeled=[7]).indices_
    np.testing.assert_array_equal(drawn.indices_, expected)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("labeled", [[], [3, 30]])
def test_scores_of_a_selector_that_bounds_most_of_them(metric, labeled):
    X, _ = make_pool()
    inside = FacilityLocationSelector(metric=metric)
    drawn = StochasticBatch(inside, 60 - len(labeled), mode="softrank", random_state=0)
    drawn.fit(X, labeled=labeled)
    for row, score in zip(drawn.indices_[::9], drawn.scores_[::9], strict=True):
        assert score == pytest.approx(score_alone(inside, X, labeled, row), rel=1e-9)


def score_alone(selector, X, labeled, row):
    """The score of one row, where it is the only candidate."""
    copy = clone(selector).set_params(budget=1)
    copy._check_params()
    pool = copy._make_pool(X, None, labeled, None, None, X)
    candidates = torch.zeros_like(pool.candidates)
    candidates[row] = True
    return copy._select(replace(pool, candidates=candidates)).scores[0]


def test_rows_of_weight_zero_come_last():
    scores = np.array([0.0, 2.0, 0.0, 1.0, 0.0])[:, None]
    drawn = [
        StochasticBatch(Given(), 5, random_state=seed).fit(scores).indices_ for seed in range(30)
    ]
    assert all(set(picks[:2]) == {1, 3} for picks in drawn)
    assert {tuple(picks[2:]) for picks in drawn} == set(permutations([0, 2, 4]))


def test_rows_without_direction_come_last():
    X = np.eye(4)
    X[1] = 0
    for seed in range(10):
        selector = StochasticBatch(
            CoreSetSelector(metric="cosine"), 4, mode="softrank", temperature=9.0, random_state=seed
        )
        with pytest.warns(ZeroNormWarning):
            picks = selector.fit(X).indices_
        assert picks[-1] == 1


@pytest.mark.parametrize("mode", ["power", "softmax", "softrank"])
@pytest.mark.parametrize(
    "inside",
    [
        UncertaintySelector(),
        BALDSelector(strategy="top"),
        BALDSelector(),
        VarianceSelector(),
        ExpectedModelChangeSelector(),
    ],
    ids=lambda selector: "".join(repr(selector).split()),
)
def test_a_cold_start_draws_all_rows_alike(inside, mode):
    X, _ = make_pool(8)
    counts = np.zeros(8)
    with pytest.warns(ColdStartWarning):
        for seed in range(120):
            # Colder than any random order would be forgiven.
            selector = StochasticBatch(inside, 2, mode=mode, temperature=1e-6, random_state=seed)
            selector.fit(X)
            np.testing.assert_array_equal(selector.scores_, [0.0, 0.0])
            counts[selector.indices_[0]] += 1
    assert statistic(counts, np.full(8, 15.0)) < chi2.ppf(0.999, 7)


@settings(max_examples=100)
@given(
    scores=st.lists(st.sampled_from([0.0, 1.0, 1.5, 2.0, 2.25, 7.0, -np.inf]), min_size=1),
    tolerance=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)
def test_levels(scores, tolerance):
    scores = np.array(scores)
    levels = level_scores(scores, tolerance)
    expected = scores.copy()
    left = np.argsort(-scores, kind="stable").tolist()
    while left:  # the best one left, and what ties with it
        level = [row for row in left if scores[row] >= scores[left[0]] - tolerance]
        expected[level] = scores[left[0]]
        left = [row for row in left if row not in level]
    np.testing.assert_array_equal(levels, expected)


@settings(max_examples=50)
@given(scores=st.lists(st.integers(0, 4).map(float), min_size=1, max_size=12))
def test_ranks(scores):
    np.testing.assert_array_equal(average_ranks(np.array(scores)), rankdata(-np.array(scores)))


def test_what_cannot_be_drawn_from():
    X, _ = make_pool()
    with pytest.raises(ValueError, match="needs scores of at least 0.*'softrank'"):
        StochasticBatch(CoreSetSelector(), 2).fit(X)  # distances from the mean, with a minus
    for inside in (RandomSelector(), ActiveFTSelector()):
        with pytest.raises(TypeError, match="gives no scores"):
            StochasticBatch(inside, 2).fit(X)
    with pytest.raises(TypeError, match="does not pick by scores"):
        StochasticBatch(CoreSetSelector(method="robust"), 2).fit(X, labeled=[0])
    with pytest.raises(ValueError, match="mode == 'rank'"):
        StochasticBatch(CoreSetSelector(), 2, mode="rank").fit(X)
    with pytest.raises(ValueError, match="temperature == 0"):
        StochasticBatch(CoreSetSelector(), 2, temperature=0).fit(X)


# SubsamplePool

INSIDE = [
    CoreSetSelector(),
    CoreSetSelector(metric="cosine", method="robust"),
    RandomSelector(random_state=3),
    ITLSelector(),
    ITLSelector(kernel="rbf"),
    MLMOCSelector(n_candidates=12, random_state=1),
    UncertaintySelector(),
    ActiveFTSelector(max_iter=5, random_state=0),
]


@pytest.mark.parametrize("inside", INSIDE, ids=lambda s: "".join(repr(s).split()))
@pytest.mark.parametrize("labeled", [[], [40, 2, 5, 17]])
@pytest.mark.filterwarnings("ignore::skactive.exceptions.ColdStartWarning")
def test_picks_are_those_on_the_part(inside, labeled):
    X, y = make_pool()
    selector = SubsamplePool(inside, 5, n_candidates=15, random_state=0)
    selector.fit(X, y, labeled=labeled)
    assert len(selector.candidates_) == 15
    assert not set(selector.candidates_) & set(labeled)
    rows = np.sort([*labeled, *selector.candidates_]).astype(int)
    np.testing.assert_array_equal(selector.rows_, rows)
    part = clone(inside).set_params(budget=5)
    if inside.get_params().get("random_state", 0) is None:
        part.set_params(random_state=selector.selector_.random_state)
    part.fit(X[rows], y[rows], labeled=np.searchsorted(rows, labeled).astype(int))
    np.testing.assert_array_equal(selector.indices_, rows[part.indices_])
    np.testing.assert_array_equal(selector.scores_, part.scores_)
    np.testing.assert_array_equal(selector.transform(X), part.transform(X))
    np.testing.assert_array_equal(selector.represent(X), part.represent(X))
    assert selector.n_samples_fit_ == 60
    assert selector.get_support().sum() == 5


def test_every_candidate_is_as_likely():
    counts = np.zeros(12)
    for seed in range(300):
        selector = SubsamplePool(RandomSelector(), 1, n_candidates=4, random_state=seed)
        counts[selector.fit(np.eye(12), labeled=[0, 7]).candidates_] += 1
    assert counts[[0, 7]].sum() == 0
    expected = 300 * 4 / 10
    drawn = counts[counts > 0]
    assert ((drawn - expected) ** 2 / (expected * (1 - 4 / 10))).sum() < chi2.ppf(0.999, 9)


def test_rows_outside_are_not_read():
    X, _ = make_pool()
    clean = SubsamplePool(CoreSetSelector(), 5, n_candidates=10, random_state=0).fit(X, labeled=[4])
    outside = np.setdiff1d(np.arange(60), clean.rows_)
    X[outside] = np.nan
    picks = clone(clean).fit(X, labeled=[4]).indices_
    np.testing.assert_array_equal(picks, clean.indices_)
    X[outside] = 0
    X[clean.rows_[3]] = np.nan
    with pytest.raises(ValueError, match=f"first in row {clean.rows_[3]}"):
        clone(clean).fit(X, labeled=[4])


def test_only_the_part_is_embedded():
    X, _ = make_pool()
    Recorder.seen.clear()
    inside = CoreSetSelector(embedding=Recorder())
    selector = SubsamplePool(inside, 5, n_candidates=10, random_state=0).fit(X, labeled=[4, 8])
    assert Recorder.seen == [12]
    plain = SubsamplePool(CoreSetSelector(), 5, n_candidates=10, random_state=0)
    np.testing.assert_array_equal(selector.indices_, plain.fit(X, labeled=[4, 8]).indices_)
    np.testing.assert_array_equal(selector.transform(X), plain.transform(X))
    assert selector.n_features_in_ == 4


@pytest.mark.parametrize("targets", [None, [50, 3, 3, 20]])
def test_part_of_a_gram_matrix(targets):
    X, _ = make_pool()
    K = rbf_kernel(X, gamma=0.05)
    selector = SubsamplePool(ITLSelector(kernel="precomputed"), 4, n_candidates=15, random_state=0)
    assert get_tags(selector).input_tags.pairwise
    selector.fit(K, labeled=[1, 2], X_target=targets)
    rows = selector.rows_
    assert set(rows) == {1, 2, *selector.candidates_, *(targets or [])}
    fit_params = {} if targets is None else {"X_target": np.searchsorted(rows, targets)}
    part = ITLSelector(4, kernel="precomputed")
    part.fit(K[np.ix_(rows, rows)], labeled=np.searchsorted(rows, [1, 2]), **fit_params)
    np.testing.assert_array_equal(selector.indices_, rows[part.indices_])
    np.testing.assert_array_equal(selector.transform(K), K[:, selector.indices_])
    np.testing.assert_array_equal(selector.represent(K)[selector.indices_], range(4))
    assert selector.n_features_in_ == 60


@pytest.mark.parametrize("width", [50, 70])
def test_a_gram_matrix_is_square(width):
    selector = SubsamplePool(ITLSelector(kernel="precomputed"), 4, n_candidates=15, random_state=0)
    with pytest.raises(ValueError, match=f"square Gram matrix.*\\(60, {width}\\)"):
        selector.fit(np.eye(60, width))


@pytest.mark.parametrize("form", [np.asarray, np.ndarray.tolist, pd.DataFrame, csr_matrix])
def test_errors_name_rows_of_the_pool(form):
    X, y = make_pool()
    selector = SubsamplePool(UncertaintySelector(), 4, n_candidates=10, random_state=0)
    missing = np.where(np.arange(60) == 40, np.nan, y)
    with pytest.raises(ValueError, match="got nan in row 40"):
        selector.fit(form(X), missing, labeled=[3, 40, 50])
    X[40] = np.inf
    with pytest.raises(ValueError, match="first in row 40"):
        selector.fit(form(X), y, labeled=[3, 40, 50])


def test_missing_values_are_for_the_embedding_to_refuse():
    X, _ = make_pool()
    X[::7, 0] = np.nan
    imputing = SubsamplePool(CoreSetSelector(embedding=SimpleImputer()), 4, n_candidates=30)
    assert len(imputing.fit(X).indices_) == 4
    X = X.astype(np.float32)
    X[[*range(20)], 1] = np.inf
    network = SubsamplePool(CoreSetSelector(network=AnyWidth()), 4, n_candidates=30)
    with pytest.raises(ValueError, match="in 26 of 60 rows, first in row 0"):
        network.fit(X)


class Spy(ClassifierMixin, BaseEstimator):
    """Predicts classes of words by their length, and counts the words."""

    classes_ = np.array([0, 1])

    def __init__(self):
        self.asked = 0

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        self.asked += len(X)
        share = np.array([1 / (1 + len(word)) for word in X])
        return np.stack([share, 1 - share], 1)


@pytest.mark.parametrize("form", [list, np.array])
def test_words_that_the_model_of_the_round_before_reads(form):
    words = ["a" * (1 + i % 9) for i in range(40)]
    model = Spy()
    selector = SubsamplePool(UncertaintySelector(), 3, n_candidates=12, random_state=0)
    selector.fit(form(words), np.arange(40) % 2, labeled=[0, 1], estimator=model)
    assert model.asked == 14  # the rest of the pool is no concern of it
    lengths = np.array([len(word) for word in words])
    assert lengths[selector.indices_].max() <= np.sort(lengths[selector.candidates_])[2]


def test_images_that_a_network_reads(tmp_path):
    images = np.random.RandomState(0).normal(size=(40, 1, 4, 4)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    net = NeuralNetClassifier(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), max_epochs=1, verbose=0, train_split=None
    ).fit(images, np.arange(40) % 3)
    selector = SubsamplePool(BADGESelector(), 4, n_candidates=10, random_state=0)
    picks = []
    for X in (images, np.load(tmp_path / "images.npy", mmap_mode="r"), torch.from_numpy(images)):
        selector.fit(X, np.arange(40) % 3, labeled=[0, 1, 2], estimator=net)
        picks.append(selector.indices_)
        assert selector.transform(images).shape == (40, 4)
    np.testing.assert_array_equal(picks, [picks[0]] * 3)
    by_name = SubsamplePool(CoreSetSelector(embedding=Entry()), 4, n_candidates=10, random_state=0)
    flat = images.reshape(40, -1)
    plain = clone(by_name).set_params(selector__embedding=None).fit(flat)
    np.testing.assert_array_equal(by_name.fit({"pixels": flat}).indices_, plain.indices_)


class Entry(TransformerMixin, BaseEstimator):
    """Takes features from a dict."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X["pixels"]


class ByLabels(BaseSelector):
    """Reads labels where they are given, and picks the first rows."""

    _uses_labels = True

    def __init__(self, budget=1):
        self.budget = budget

    def _select(self, pool):
        if pool.y_labeled is not None:
            assert len(pool.y_labeled) == len(pool.labeled)
        self.labels_ = pool.y_labeled
        picks = np.flatnonzero(pool.candidates.numpy())[: pool.n_picks]
        return Selection(picks, np.zeros(len(picks)))


def test_labels_that_are_of_use_but_not_needed():
    X, y = make_pool()
    part = SubsamplePool(ByLabels(), 4, n_candidates=10, random_state=0)
    part.fit(X, y, labeled=[7, 2, 30])
    np.testing.assert_array_equal(part.selector_.labels_, y[[7, 2, 30]])
    assert part.fit(X, labeled=[7, 2, 30]).selector_.labels_ is None
    ClassBalanced(ByLabels(), 9).fit(X, y, labeled=range(20))


def test_a_budget_counts_all_rows():
    X, _ = make_pool()
    selector = SubsamplePool(CoreSetSelector(budget=0.9), 0.2, n_candidates=5, random_state=0)
    assert len(selector.fit(X, labeled=[0]).indices_) == 12
    assert len(selector.candidates_) == 12
    assert not selector._has_prefix_property()
    with pytest.warns(BudgetWarning, match="60 rows but only 59"):
        everything = clone(selector).set_params(budget=1.0).fit(X, labeled=[0])
    np.testing.assert_array_equal(np.sort(everything.indices_), np.arange(1, 60))


def test_a_part_cannot_be_inside():
    X, y = make_pool()
    with pytest.raises(TypeError, match="Turn them round"):
        ClassBalanced(SubsamplePool(CoreSetSelector()), 3).fit(X, y, labeled=np.arange(20))


# ClassBalanced

classes = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=4)


@settings(max_examples=150)
@given(classes=classes, data=st.data())
def test_water_filling(classes, data):
    known, available = np.array(classes).T
    if available.sum() == 0:
        return
    n_picks = data.draw(st.integers(1, int(available.sum())))
    turns = water_fill(known, available, n_picks)
    quotas = np.bincount(turns, minlength=len(known))
    assert (quotas <= available).all()
    assert sorted(known + quotas) == most_even_totals(known, available, n_picks)
    np.testing.assert_array_equal(turns, class_turns(known, available, n_picks))


def test_balanced_picks_by_hand():
    X, y = make_pool(80)
    rare = np.flatnonzero(y == 2)[3:]
    X, y = np.delete(X, rare, axis=0), np.delete(y, rare)
    labeled = np.arange(0, len(X), 4)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    predicted = model.fit(X[labeled], y[labeled]).predict(X)
    free = np.setdiff1d(np.arange(len(X)), labeled)
    known = np.bincount(y[labeled], minlength=3)
    available = np.bincount(predicted[free], minlength=3)
    turns = class_turns(known, available, 14)
    assert 0 < (turns == 2).sum() < 14
    selector = ClassBalanced(CoreSetSelector(), 14).fit(X, y, labeled=labeled)
    expected = balanced_k_center(X, labeled, turns, predicted)
    np.testing.assert_array_equal(selector.indices_, expected)
    np.testing.assert_array_equal(selector.predicted_classes_, turns)
    np.testing.assert_array_equal(predicted[selector.indices_], turns)


def test_a_fitted_model_decides_the_classes():
    X, y = make_pool()
    names = np.array(["c", "a", "b"])[y]
    model = LogisticRegression().fit(X, names)
    for params, fit_params in (
        ({"estimator": FrozenEstimator(model)}, {}),
        ({}, {"estimator": model}),
    ):
        selector = ClassBalanced(RandomSelector(), 6, random_state=0, **params)
        selector.fit(X, **fit_params)
        assert selector.predicted_classes_.tolist() == ["a", "b", "c"] * 2
        np.testing.assert_array_equal(
            model.predict(X)[selector.indices_], selector.predicted_classes_
        )


def test_labels_the_model_does_not_know():
    X, y = make_pool()
    model = LogisticRegression().fit(X[y < 2], y[y < 2])
    selector = ClassBalanced(CoreSetSelector(), 5).fit(X, y, labeled=range(30), estimator=model)
    assert set(selector.predicted_classes_) <= {0, 1}


@pytest.mark.parametrize("labeled", [[], [0]])
def test_a_cold_start_is_the_selector_inside(labeled):
    X, y = make_pool()
    with pytest.warns(ColdStartWarning, match="leaves all picks to CoreSetSelector"):
        selector = ClassBalanced(CoreSetSelector(), 5).fit(X, y, labeled=labeled)
    expected = CoreSetSelector(5).fit(X, labeled=labeled)
    np.testing.assert_array_equal(selector.indices_, expected.indices_)
    assert selector.predicted_classes_ is None


def test_selectors_that_read_labels_pick_no_row_twice():
    X, y = make_pool()
    labeled = np.arange(9)
    selector = ClassBalanced(MLMOCSelector(sequential=True), 51).fit(X, y, labeled=labeled)
    np.testing.assert_array_equal(np.sort(selector.indices_), np.arange(9, 60))


def test_a_model_that_may_come_out_otherwise():
    forest = RandomForestClassifier(3)
    for params, expected in (
        ({}, False),
        ({"estimator": forest}, True),
        ({"estimator": forest, "random_state": 0}, False),
        ({"estimator": FrozenEstimator(forest)}, False),
    ):
        tags = get_tags(ClassBalanced(CoreSetSelector(), **params))
        assert tags.non_deterministic is expected


def test_images_reach_a_selector_that_takes_them():
    images = np.random.RandomState(0).normal(size=(20, 1, 3, 3))
    selector = ClassBalanced(RandomSelector(), 4, random_state=0)
    with pytest.warns(ColdStartWarning):
        selector.fit(images)
    assert selector.transform(images).shape == (20, 4)
    part = SubsamplePool(RandomSelector(), 4, n_candidates=9, random_state=0).fit(images)
    assert part.represent(images)[part.indices_].tolist() == [0, 1, 2, 3]


# All of them

WRAPPERS = {
    "stochastic": lambda inside: StochasticBatch(inside, mode="softmax", temperature=1e-3),
    "subsample": lambda inside: SubsamplePool(inside, n_candidates=20),
    "balanced": lambda inside: ClassBalanced(inside),
}


@pytest.fixture(params=WRAPPERS.values(), ids=WRAPPERS)
def wrap(request):
    return request.param


def test_what_is_passed_on(wrap):
    assert not has_fit_parameter(wrap(CoreSetSelector()), "X_target")
    assert has_fit_parameter(wrap(ITLSelector()), "X_target")
    assert has_fit_parameter(wrap(StochasticBatch(ITLSelector())), "X_target")
    for inside in (ITLSelector(kernel="precomputed"), CoreSetSelector(embedding="last_layer")):
        tags, expected = get_tags(wrap(inside)).input_tags, get_tags(inside).input_tags
        assert tags == expected
    assert wrap(CoreSetSelector(embedding="last_layer"))._needs_model()
    assert wrap(MLMOCSelector())._needs_labels
    with pytest.raises(TypeError, match="X_target"):
        wrap(CoreSetSelector()).fit(np.eye(5), X_target=np.eye(5))


def test_what_is_no_selector(wrap):
    for wrong in (None, LogisticRegression(), CoreSetSelector):
        assert not get_tags(wrap(wrong)).input_tags.sparse
        with pytest.raises(TypeError, match="must be a selector of skactive"):
            wrap(wrong).fit(np.eye(5))
    with pytest.raises(TypeError, match="the last step of the Pipeline"):
        wrap(make_pipeline(StandardScaler(), CoreSetSelector())).fit(np.eye(5))
    with pytest.raises(ValueError, match="metric == 'l1'"):
        wrap(CoreSetSelector(metric="l1")).fit(np.eye(5))


def test_the_selector_inside_is_not_fitted(wrap):
    X, y = make_pool()
    inside = CoreSetSelector(budget=50)
    selector = wrap(inside).set_params(budget=3).fit(X, y, labeled=range(20))
    assert len(selector.indices_) == 3
    assert not hasattr(inside, "indices_")
    assert inside.budget == 50
    assert clone(selector).get_params()["selector__budget"] == 50


def run(selector, X, y, estimator=None, **fit_params):
    loop = ActiveLearningLoop(
        estimator or LogisticRegression(max_iter=1000),
        selector,
        budget=18,
        batch_size=6,
        random_state=0,
    )
    loop.fit(X, y, **fit_params)
    assert len(set(loop.labeled_indices_)) == 18
    return loop


INSIDE_A_LOOP = [CoreSetSelector(), MLMOCSelector(sequential=True), UncertaintySelector()]


@pytest.mark.parametrize("inside", INSIDE_A_LOOP)
def test_in_a_loop(wrap, inside):
    X, y = make_pool()
    selector = make_pipeline(StandardScaler(), wrap(inside))
    first, second = (run(selector, X, y).labeled_indices_ for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert type(run(selector, X, y).selector_[-1]) is type(wrap(inside))


def test_in_a_loop_with_targets(wrap):
    X, y = make_pool()
    first = run(wrap(ITLSelector()), X, y, X_target=X[y == 0]).labeled_indices_
    second = run(wrap(ITLSelector()), X, y, X_target=X[y == 1]).labeled_indices_
    assert first.tolist() != second.tolist()
    with pytest.raises(ValueError, match="no use for targets"):
        run(wrap(CoreSetSelector()), X, y, X_target=X)


def test_in_a_loop_with_a_network(wrap):
    X, y = make_pool()
    X = X.astype(np.float32)
    net = any_width_net()
    run(wrap(CoreSetSelector(embedding="last_layer")), X, y, net)
    loop = run(wrap(CoreSetSelector(network=AnyWidth())), X, y, net)
    assert loop.selector_.embedding_.transform(X).shape == (60, 8)
    assert loop.selector_.transform(X).shape == (60, 6)


def test_tensors_and_gram_matrices(wrap):
    X, y = make_pool()
    K = rbf_kernel(X, gamma=0.05)
    known = {"y": y, "labeled": np.arange(12)}
    model = LogisticRegression(max_iter=1000).fit(K[:12], y[:12])
    selector = wrap(ITLSelector(kernel="precomputed")).set_params(random_state=0, budget=4)
    if isinstance(selector, ClassBalanced):
        selector.set_params(estimator=FrozenEstimator(model))
    picks = selector.fit(K, **known).indices_
    assert selector.transform(K).shape == (60, 4)
    np.testing.assert_array_equal(selector.transform(K), K[:, picks])
    np.testing.assert_array_equal(selector.fit(torch.from_numpy(K), **known).indices_, picks)
