"""Selectors at the end of a Pipeline: which steps see which rows and which labels."""

from functools import partial

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SelectKBest,
    SequentialFeatureSelector,
    VarianceThreshold,
    f_regression,
    mutual_info_classif,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.random_projection import GaussianRandomProjection

from skactive import (
    ActiveLearningLoop,
    CoreSetSelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
    VTLSelector,
)
from tests.loops import (
    FirstRows,
    Log,
    NearLargestLabel,
    NotingTransformer,
    Oracle,
    SeesModel,
    logistic,
    make_pool,
)

X, Y = make_pool()
X = X * [1.0, 30.0, 0.1, 1.0, 5.0, 1.0] + 3.0
N = len(X)
X_TARGET = X[100:]


def nearest():
    return KNeighborsClassifier(n_neighbors=3)


def make_loop(*steps, estimator=None, **params):
    params = {"budget": 30, "batch_size": 10, **params}
    return ActiveLearningLoop(estimator or nearest(), make_pipeline(*steps), **params)


def names(loop):
    return [entry["selected_by"] for entry in loop.history_]


def garbage_elsewhere(y, rows):
    """Labels that would mislead whoever read them, but for the given rows."""
    return np.where(np.isin(np.arange(len(y)), rows), y, np.arange(len(y)) * 7 % 5)


# Steps that ignore labels


@pytest.mark.parametrize(
    "make_steps",
    [
        lambda: [StandardScaler()],
        lambda: [StandardScaler(), PCA(3)],
        lambda: [KMeans(4, n_init=1, random_state=0), StandardScaler()],
        lambda: ["passthrough", StandardScaler(), None],
        lambda: [FeatureUnion([("a", StandardScaler()), ("b", PCA(2))])],
        lambda: [ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", "passthrough", [4])])],
        lambda: [VarianceThreshold(), FunctionTransformer(np.square)],
    ],
    ids=["one", "two", "clusters", "passthrough", "union", "columns", "functions"],
)
def test_unsupervised_steps_are_those_of_the_pool(make_steps):
    loop = make_loop(*make_steps(), CoreSetSelector()).fit(X, Y)
    features = make_pipeline(*make_steps()).fit_transform(X)
    expected = CoreSetSelector(budget=30).fit(features).indices_
    np.testing.assert_array_equal(loop.labeled_indices_, expected)
    assert names(loop) == ["CoreSetSelector"] * 3


@pytest.mark.parametrize(
    ("final", "params", "n_rounds"),
    [
        (CoreSetSelector(), {}, 3),
        (NearLargestLabel(), {}, 3),
        (NearLargestLabel(), {"budget": 10}, 1),
        (ITLSelector(), {"batch_size": 1, "budget": 5}, 5),
    ],
    ids=["core-set", "needs labels", "one round", "many rounds"],
)
def test_unsupervised_steps_are_fitted_once_and_without_labels(final, params, n_rounds):
    log = Log()
    loop = make_loop(NotingTransformer(log), final, **params).fit(X, Y)
    assert loop.n_rounds_ == n_rounds
    ((seen, y),) = log
    np.testing.assert_array_equal(seen, X)
    assert y is None
    loop.fit(X, Y)
    assert len(log) == 2


def test_owned_labels_do_not_reach_unsupervised_steps_either():
    log = Log()
    make_loop(NotingTransformer(log), CoreSetSelector()).fit(X, Y, labeled=[1, 2, 3])
    ((seen, y),) = log
    assert seen.shape == X.shape and y is None


class OnlyFits(BaseEstimator):
    """A transformer without fit_transform."""

    def fit(self, X, y=None):
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X):
        return X - self.mean_


def test_steps_without_fit_transform():
    loop = make_loop(OnlyFits(), ITLSelector()).fit(X, Y)
    expected = ITLSelector(budget=30).fit(X - X.mean(axis=0)).indices_
    np.testing.assert_array_equal(loop.labeled_indices_, expected)


def test_the_fitted_selector_is_a_pipeline():
    loop = make_loop(StandardScaler(), "passthrough", CoreSetSelector()).fit(X, Y)
    assert isinstance(loop.selector_, Pipeline)
    assert [name for name, _ in loop.selector_.steps] == ["standardscaler", "coresetselector"]
    np.testing.assert_array_equal(loop.selector_[-1].indices_, loop.history_[-1]["indices"])
    expected = loop.selector_[-1].transform(StandardScaler().fit(X).transform(X))
    np.testing.assert_array_equal(loop.selector_.transform(X), expected)


def test_a_pipeline_of_the_selector_alone():
    loop = make_loop(CoreSetSelector()).fit(X, Y)
    np.testing.assert_array_equal(loop.labeled_indices_, CoreSetSelector(budget=30).fit(X).indices_)


def test_a_frozen_step_is_used_as_it_is():
    fitted = StandardScaler().fit(X[:7])
    loop = make_loop(FrozenEstimator(fitted), CoreSetSelector(), random_state=0).fit(X, Y)
    expected = CoreSetSelector(budget=30).fit(fitted.transform(X)).indices_
    np.testing.assert_array_equal(loop.labeled_indices_, expected)
    assert loop.selector_[0].estimator is fitted


def test_a_frozen_supervised_step_needs_no_labels():
    fitted = LinearDiscriminantAnalysis().fit(X[:60], Y[:60])
    loop = make_loop(FrozenEstimator(fitted), CoreSetSelector()).fit(X, Y)
    assert names(loop) == ["CoreSetSelector"] * 3
    expected = CoreSetSelector(budget=30).fit(fitted.transform(X)).indices_
    np.testing.assert_array_equal(loop.labeled_indices_, expected)


def test_a_frozen_step_behind_a_supervised_one():
    supervised = LinearDiscriminantAnalysis(n_components=2)
    fitted = StandardScaler().fit([[0.0, 1.0], [3.0, 2.0]])
    loop = make_loop(supervised, FrozenEstimator(fitted), CoreSetSelector(), random_state=0)
    loop.fit(X, Y, labeled=np.arange(20))
    assert loop.selector_[1].estimator is fitted
    features = fitted.transform(clone(supervised).fit(X[:20], Y[:20]).transform(X))
    expected = CoreSetSelector(budget=10).fit(features, labeled=np.arange(20)).indices_
    np.testing.assert_array_equal(loop.history_[1]["indices"], expected)


def test_the_seed_of_the_loop_reaches_the_steps():
    loop = make_loop(GaussianRandomProjection(2), CoreSetSelector(), random_state=0)
    first = loop.fit(X, Y).labeled_indices_
    assert isinstance(loop.selector_[0].random_state, int)
    np.testing.assert_array_equal(loop.fit(X, Y).labeled_indices_, first)


# Steps that require labels

SUPERVISED = [
    SelectKBest(k=2),
    SelectKBest(partial(mutual_info_classif, random_state=0), k=3),
    LinearDiscriminantAnalysis(),
    RFE(LogisticRegression(max_iter=1000, C=0.01), n_features_to_select=3),
    SelectFromModel(RandomForestClassifier(n_estimators=3, random_state=0)),
    SequentialFeatureSelector(KNeighborsClassifier(1), n_features_to_select=1, cv=2),
    make_pipeline(StandardScaler(), SelectKBest(k=2)),
    FeatureUnion([("all", StandardScaler()), ("best", SelectKBest(k=1))]),
    ColumnTransformer([("best", SelectKBest(k=1), [0, 1, 2]), ("rest", "passthrough", [4, 5])]),
]


@pytest.mark.parametrize("step", SUPERVISED, ids=lambda step: str(step).split("(")[0])
def test_supervised_steps_learn_from_labeled_rows_only(step):
    owned = np.flatnonzero(np.arange(N) % 4 == 0)
    loop = make_loop(StandardScaler(), step, CoreSetSelector()).fit(X, Y, labeled=owned)
    labeled, scaled = owned, StandardScaler().fit_transform(X)
    for entry in loop.history_[1:]:
        features = clone(step).fit(scaled[labeled], Y[labeled]).transform(scaled)
        picks = CoreSetSelector(budget=10).fit(features, labeled=labeled).indices_
        np.testing.assert_array_equal(entry["indices"], picks)
        labeled = np.concatenate([labeled, picks])
    assert names(loop) == ["", *["CoreSetSelector"] * 3]
    y = garbage_elsewhere(Y, labeled)
    again = make_loop(StandardScaler(), step, CoreSetSelector()).fit(X, y, labeled=owned)
    np.testing.assert_array_equal(again.labeled_indices_, labeled)
    np.testing.assert_array_equal(again.predict(X), loop.predict(X))


def test_supervised_steps_are_fitted_each_round_on_labeled_rows():
    unsupervised, supervised = Log(), Log()
    loop = make_loop(
        NotingTransformer(unsupervised),
        NotingTransformer(supervised, supervised=True),
        CoreSetSelector(),
        random_state=0,
    ).fit(X, Y, labeled=[4, 80, 33])
    assert len(unsupervised) == 1
    assert len(supervised) == 3
    for (seen, y), n_labeled in zip(supervised, [3, 13, 23], strict=True):
        labeled = loop.labeled_indices_[:n_labeled]
        np.testing.assert_array_equal(seen, X[labeled])
        np.testing.assert_array_equal(y, Y[labeled])


def test_unsupervised_steps_behind_supervised_ones_see_all_rows_but_no_labels():
    log = Log()
    loop = make_loop(SelectKBest(k=2), NotingTransformer(log), CoreSetSelector(), random_state=0)
    loop.fit(X, Y)
    assert [(seen.shape, y) for seen, y in log] == [((N, 2), None)] * 2
    assert names(loop) == ["random", "CoreSetSelector", "CoreSetSelector"]


@pytest.mark.parametrize("step", [SelectKBest(k=2), LinearDiscriminantAnalysis()], ids=str)
@pytest.mark.parametrize("final", [CoreSetSelector(), MLMOCSelector()], ids=str)
def test_without_labels_the_first_batch_is_random(step, final):
    oracle = Oracle(X, Y)
    loop = make_loop(step, final, random_state=0).fit(X, oracle=oracle)
    assert names(loop) == ["random", *[type(final).__name__] * 2]
    assert len(oracle.asked) == len(set(oracle.asked)) == 30
    picks = loop.labeled_indices_
    again = make_loop(step, final, random_state=0).fit(X, garbage_elsewhere(Y, picks))
    np.testing.assert_array_equal(again.labeled_indices_, picks)
    other = make_loop(step, final, random_state=1).fit(X, Y)
    assert set(other.labeled_indices_[:10]) != set(picks[:10])


def test_init_selector_instead_of_random_rows():
    loop = make_loop(SelectKBest(k=2), CoreSetSelector(), init_selector=ITLSelector()).fit(X, Y)
    assert names(loop) == ["ITLSelector", "CoreSetSelector", "CoreSetSelector"]
    expected = ITLSelector(budget=10).fit(X).indices_
    np.testing.assert_array_equal(loop.labeled_indices_[:10], expected)


def test_random_rows_until_a_second_class_is_seen():
    y = np.zeros(N, dtype=int)
    y[::2] = 1
    owned = np.arange(0, 20, 2)
    loop = make_loop(SelectKBest(k=2), CoreSetSelector(), random_state=0).fit(X, y, labeled=owned)
    assert names(loop) == ["", "random", "CoreSetSelector", "CoreSetSelector"]
    assert not set(loop.history_[1]["indices"].tolist()) & set(owned.tolist())


def test_in_regression_constant_labels_are_labels():
    y = np.where(np.arange(N) < 10, 0.0, X[:, 0])
    step = SelectFromModel(LinearRegression(), max_features=2, threshold=-np.inf)
    loop = make_loop(step, CoreSetSelector(), estimator=Ridge()).fit(X, y, labeled=np.arange(10))
    assert names(loop) == ["", *["CoreSetSelector"] * 3]


def test_a_supervised_step_for_regression():
    y = X[:, 1] + X[:, 4]
    step = SelectKBest(f_regression, k=2)
    loop = make_loop(step, CoreSetSelector(), estimator=Ridge(), random_state=0).fit(X, y)
    first, second = loop.labeled_indices_[:10], loop.history_[1]["indices"]
    features = step.fit(X[first], y[first]).transform(X)
    expected = CoreSetSelector(budget=10).fit(features, labeled=first).indices_
    np.testing.assert_array_equal(second, expected)


def test_no_fitted_selector_where_all_rows_were_random():
    loop = make_loop(SelectKBest(k=2), CoreSetSelector(), budget=10, random_state=0).fit(X, Y)
    assert names(loop) == ["random"]
    assert not hasattr(loop, "selector_")


# Targets


@pytest.mark.parametrize("selector", [ITLSelector(), VTLSelector()], ids=str)
def test_targets_pass_through_the_same_steps(selector):
    loop = make_loop(StandardScaler(), PCA(3), selector).fit(X, Y, X_target=X_TARGET)
    features = make_pipeline(StandardScaler(), PCA(3)).fit(X)
    expected = clone(selector).set_params(budget=30)
    expected.fit(features.transform(X), X_target=features.transform(X_TARGET))
    np.testing.assert_array_equal(loop.labeled_indices_, expected.indices_)


def test_targets_pass_through_supervised_and_frozen_steps():
    scaler, supervised = StandardScaler().fit(X[:50]), LinearDiscriminantAnalysis()
    loop = make_loop(FrozenEstimator(scaler), supervised, ITLSelector(), budget=10)
    loop.fit(X, Y, labeled=np.arange(40), X_target=X_TARGET)
    supervised.fit(scaler.transform(X[:40]), Y[:40])
    features = supervised.transform(scaler.transform(X))
    expected = ITLSelector(budget=10).fit(features, labeled=np.arange(40), X_target=features[100:])
    np.testing.assert_array_equal(loop.labeled_indices_[40:], expected.indices_)


def test_targets_are_refused_by_name_behind_steps():
    loop = make_loop(StandardScaler(), CoreSetSelector())
    with pytest.raises(
        ValueError, match="(?s)X_target was given, but selector == Pipeline.*Use ITL"
    ):
        loop.fit(X, Y, X_target=X_TARGET)


# Selectors and steps that learn from the model or from labels


def test_the_model_of_the_round_before_is_handed_on():
    log = Log()
    loop = ActiveLearningLoop(nearest(), SeesModel(log=log), budget=25, batch_size=10).fit(X, Y)
    assert log[0] is None
    assert [model.n_samples_fit_ for model in log[1:]] == [10, 20]
    assert loop.estimator_.n_samples_fit_ == 25
    assert all(isinstance(model, KNeighborsClassifier) for model in log[1:])


def test_the_model_on_owned_labels_is_handed_on():
    log = Log()
    loop = ActiveLearningLoop(nearest(), SeesModel(log=log), budget=10).fit(X, Y, labeled=[5, 6])
    assert [model.n_samples_fit_ for model in log] == [2]
    assert loop.n_rounds_ == 1


def test_no_model_while_it_cannot_be_fitted():
    log = Log()
    y = np.repeat([0, 1, 2], N // 3)
    estimator = make_pipeline(StandardScaler(), logistic())
    ActiveLearningLoop(estimator, SeesModel(log=log), budget=80, batch_size=20).fit(X, y)
    assert log[:3] == [None, None, None]
    assert len(log) == 4 and log[3][-1].classes_.tolist() == [0, 1]


class SeesModelToo(NotingTransformer):
    """A step that is handed the model, as an embedding by the network being trained would be."""

    def fit(self, X, y=None, estimator=None):
        self.log.append(estimator)
        return self


@pytest.mark.parametrize("final", [CoreSetSelector(), SeesModel(log=Log())], ids=lambda s: type(s))
def test_steps_that_take_the_model_are_fitted_each_round(final):
    before, log = Log(), Log()
    loop = make_loop(NotingTransformer(before), SeesModelToo(log), final).fit(X, Y)
    assert len(before) == 1
    assert log[0] is None
    assert [model.n_samples_fit_ for model in log[1:]] == [10, 20]
    assert loop.n_rounds_ == 3


@pytest.mark.parametrize("final", [NearLargestLabel(), MLMOCSelector()], ids=str)
def test_selectors_that_need_labels_start_with_a_core_set_behind_the_same_steps(final):
    loop = make_loop(StandardScaler(), final).fit(X, Y)
    assert names(loop) == ["CoreSetSelector", *[type(final).__name__] * 2]
    scaled = StandardScaler().fit_transform(X)
    first = CoreSetSelector(budget=10).fit(scaled).indices_
    second = clone(final).set_params(budget=10).fit(scaled, Y, labeled=first).indices_
    np.testing.assert_array_equal(loop.labeled_indices_[:20], [*first, *second])
    assert [type(step) for step in loop.selector_] == [StandardScaler, type(final)]


def test_selectors_that_need_labels_use_the_owned_ones():
    owned = np.flatnonzero(Y == 2)[:3]
    loop = make_loop(StandardScaler(), NearLargestLabel()).fit(X, Y, labeled=owned)
    assert names(loop) == ["", *["NearLargestLabel"] * 3]


def test_init_selector_may_be_a_pipeline_of_its_own():
    loop = make_loop(
        StandardScaler(),
        NearLargestLabel(),
        init_selector=make_pipeline(PCA(2), RandomSelector(random_state=0)),
    ).fit(X, Y)
    assert names(loop) == ["RandomSelector", "NearLargestLabel", "NearLargestLabel"]
    expected = RandomSelector(budget=10, random_state=0).fit(X).indices_
    np.testing.assert_array_equal(loop.labeled_indices_[:10], expected)


def test_selectors_see_no_label_that_was_not_bought():
    """Not even by position: what stands at the other rows of y is made up by the loop."""
    log = Log()

    class ReadsAll(FirstRows):
        def fit(self, X, y=None, *, labeled=None):
            log.append((None if y is None else y.copy(), np.array(labeled)))
            return self._fit(X, y, labeled=labeled)

    make_loop(ReadsAll()).fit(X, Y + 1)
    assert log[0][0] is None and len(log[0][1]) == 0
    for y, labeled in log[1:]:
        np.testing.assert_array_equal(y[labeled], Y[labeled] + 1)
        np.testing.assert_array_equal(np.delete(y, labeled), 0)
