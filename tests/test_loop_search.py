"""The loop among scikit-learn's tools: delegation, routing, searches, pipelines, skorch."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier, is_regressor
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    ParameterGrid,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNetClassifier, NeuralNetRegressor

from skactive import ActiveLearningLoop, CoreSetSelector, ITLSelector, RandomSelector
from tests.loops import Oracle, logistic, make_pool

X, Y = make_pool()
N = len(X)
X_TEST, Y_TEST = X[80:], Y[80:]
WEIGHTS = np.random.default_rng(0).uniform(0.1, 5.0, N)


def nearest():
    return KNeighborsClassifier(n_neighbors=3)


def make_loop(estimator=None, selector=None, **params):
    params = {"budget": 20, **params}
    return ActiveLearningLoop(estimator or logistic(), selector or CoreSetSelector(), **params)


# Delegation

METHODS = {
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "score",
    "set_output",
    "get_feature_names_out",
}
LOGISTIC = {"predict", "predict_proba", "predict_log_proba", "decision_function", "score"}


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (logistic(), LOGISTIC),
        (LinearSVC(), {"predict", "decision_function", "score"}),
        (Ridge(), {"predict", "score"}),
        (PCA(2), {"transform", "score", "set_output", "get_feature_names_out"}),
        (KMeans(2, n_init=1, random_state=0), METHODS - LOGISTIC | {"predict", "score"}),
        (make_pipeline(StandardScaler(), logistic()), LOGISTIC),
        (make_pipeline(StandardScaler(), Ridge()), {"predict", "score"}),
    ],
    ids=lambda value: "methods" if isinstance(value, set) else str(value)[:30],
)
def test_methods_are_those_of_the_estimator(estimator, expected):
    loop = make_loop(estimator)
    # Pipelines have set_output and get_feature_names_out whatever their steps are.
    optional = {"set_output", "get_feature_names_out"} if isinstance(estimator, Pipeline) else set()
    for state in ("unfitted", "fitted"):
        assert {name for name in METHODS if hasattr(loop, name)} - optional == expected, state
        loop.fit(X, Y)
    model = clone(estimator).fit(X[loop.labeled_indices_], Y[loop.labeled_indices_])
    for name in expected & {*LOGISTIC, "transform"} - {"score"}:
        np.testing.assert_allclose(getattr(loop, name)(X), getattr(model, name)(X))
    assert loop.score(X, Y) == pytest.approx(model.score(X, Y))


@pytest.mark.parametrize("name", [*sorted(LOGISTIC), "get_feature_names_out", "transform"])
def test_not_fitted(name):
    if name in LOGISTIC:
        loop, args = make_loop(), (X,) if name != "score" else (X, Y)
    else:
        loop, args = make_loop(PCA(2)), (X,) if name == "transform" else ()
    with pytest.raises(NotFittedError, match="This ActiveLearningLoop instance is not fitted yet"):
        getattr(loop, name)(*args)
    with pytest.raises(NotFittedError):
        check_is_fitted(loop)
    for attribute in ("classes_", "n_features_in_", "estimator_", "labeled_indices_"):
        assert not hasattr(loop, attribute)
    check_is_fitted(loop.fit(X, Y))
    getattr(loop, name)(*args)


@pytest.mark.parametrize("estimator", [logistic(), Ridge(), PCA(2), KMeans(2)], ids=str)
def test_the_loop_is_what_its_estimator_is(estimator):
    loop = make_loop(estimator)
    assert is_classifier(loop) == is_classifier(estimator)
    assert is_regressor(loop) == is_regressor(estimator)
    tags, expected = get_tags(loop), get_tags(estimator)
    assert tags.target_tags == expected.target_tags
    assert tags.transformer_tags == expected.transformer_tags
    assert hasattr(loop.fit(X, Y), "classes_") == is_classifier(estimator)


@pytest.mark.parametrize("estimator", [KNeighborsClassifier(), KernelDensity()], ids=str)
@pytest.mark.parametrize("selector", [ITLSelector(), CoreSetSelector()], ids=str)
def test_sparse_input_needs_both_parts(estimator, selector):
    tags = get_tags(make_loop(estimator, selector))
    expected = get_tags(estimator).input_tags.sparse and get_tags(selector).input_tags.sparse
    assert tags.input_tags.sparse == expected


def test_feature_attributes():
    loop = make_loop().fit(X, Y)
    assert loop.n_features_in_ == 6
    assert not hasattr(loop, "feature_names_in_")
    np.testing.assert_array_equal(loop.classes_, [0, 1, 2])
    loop.fit(pd.DataFrame(X, columns=list("abcdef")), Y)
    assert loop.feature_names_in_.tolist() == list("abcdef")


def test_transformers_name_their_output():
    loop = make_loop(PCA(2)).fit(pd.DataFrame(X, columns=list("abcdef")), Y)
    assert loop.get_feature_names_out().tolist() == ["pca0", "pca1"]
    assert isinstance(loop.transform(pd.DataFrame(X, columns=list("abcdef"))), np.ndarray)


@pytest.mark.parametrize("when", ["before fit", "after fit"])
def test_output_containers(when):
    loop = make_loop(PCA(2))
    if when == "before fit":
        assert loop.set_output(transform="pandas") is loop
        loop.fit(X, Y)
    else:
        loop.fit(X, Y).set_output(transform="pandas")
    transformed = loop.transform(X)
    assert isinstance(transformed, pd.DataFrame)
    assert list(transformed.columns) == ["pca0", "pca1"]
    assert isinstance(loop.fit(X, Y).transform(X), pd.DataFrame)


def test_estimators_without_labels():
    """What ignores y may be trained on the selected rows just as well."""
    loop = make_loop(PCA(2)).fit(X, np.zeros(N))
    expected = PCA(2).fit(X[loop.labeled_indices_])
    np.testing.assert_allclose(loop.transform(X), expected.transform(X))


# Manners of an estimator


def test_clone_starts_afresh():
    loop = make_loop(batch_size=5, classes=[0, 1, 2], random_state=3).fit(X, Y)
    copy = clone(loop)
    assert not hasattr(copy, "estimator_")
    assert copy.estimator is not loop.estimator and copy.selector is not loop.selector
    assert repr(copy) == repr(loop)
    np.testing.assert_array_equal(copy.fit(X, Y).labeled_indices_, loop.labeled_indices_)


@pytest.mark.parametrize("how", ["pickle", "joblib"])
@pytest.mark.parametrize(
    "selector", [CoreSetSelector(), make_pipeline(StandardScaler(), ITLSelector())], ids=str
)
def test_round_trip(how, selector, tmp_path):
    loop = make_loop(selector=selector).fit(X, oracle=lambda rows, indices: Y[indices])
    if how == "pickle":
        copy = pickle.loads(pickle.dumps(loop))
    else:
        joblib.dump(loop, tmp_path / "loop")
        copy = joblib.load(tmp_path / "loop")
    np.testing.assert_array_equal(copy.labeled_indices_, loop.labeled_indices_)
    np.testing.assert_array_equal(copy.predict_proba(X), loop.predict_proba(X))
    assert [entry["n_labeled"] for entry in copy.history_] == [10, 20]
    np.testing.assert_array_equal(copy.fit(X, Y).labeled_indices_, loop.labeled_indices_)


def test_parameters_of_the_parts_are_reached_by_name():
    loop = make_loop(selector=make_pipeline(StandardScaler(), ITLSelector()))
    loop.set_params(
        selector__itlselector__noise_ratio=0.7,
        selector__standardscaler__with_mean=False,
        estimator__C=0.5,
        budget=12,
    ).fit(X, Y)
    assert loop.selector_[-1].noise_ratio == 0.7
    assert loop.selector_[0].with_mean is False
    assert loop.estimator_.C == 0.5
    assert len(loop.labeled_indices_) == 12
    scaled = StandardScaler(with_mean=False).fit_transform(X)
    expected = ITLSelector(noise_ratio=0.7, budget=12).fit(scaled).indices_
    np.testing.assert_array_equal(loop.labeled_indices_, expected)
    assert (
        make_loop(selector=ITLSelector())
        .set_params(selector__noise_ratio=0.3)
        .get_params()["selector__noise_ratio"]
        == 0.3
    )


@pytest.mark.parametrize("fitted", [False, True])
def test_representations(fitted):
    loop = make_loop(selector=make_pipeline(StandardScaler(), ITLSelector()))
    if fitted:
        loop.fit(X, Y)
    assert repr(loop).startswith("ActiveLearningLoop(")
    html = loop._repr_html_()
    assert "ITLSelector" in html and "LogisticRegression" in html


# Metadata routing


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_sample_weights_are_cut_to_the_labeled_rows(routing):
    loop = make_loop(logistic().set_fit_request(sample_weight=True))
    for weights in (WEIGHTS, WEIGHTS.tolist(), pd.Series(WEIGHTS, index=np.arange(N)[::-1])):
        loop.fit(X, Y, sample_weight=weights)
        rows = loop.labeled_indices_
        expected = logistic().fit(X[rows], Y[rows], sample_weight=WEIGHTS[rows])
        np.testing.assert_allclose(loop.estimator_.coef_, expected.coef_, rtol=1e-6)
    unweighted = make_loop().fit(X, Y)
    assert not np.allclose(unweighted.estimator_.coef_, expected.coef_)


class Noting(ClassifierMixin, BaseEstimator):
    """Keeps the extra arguments it gets."""

    def fit(self, X, y, noted=None):
        self.classes_ = np.unique(y)
        self.noted_ = noted
        return self

    def predict(self, X, shift=0):
        return np.full(len(X), self.classes_[0]) + shift


@pytest.mark.parametrize(
    "value",
    [None, 3, np.float64(0.5), "x" * N, [1, 2], {i: i for i in range(N)}, np.arange(N + 1)],
    ids=["None", "int", "NumPy scalar", "str", "short list", "dict", "other array"],
)
def test_what_has_no_entry_per_row_is_passed_whole(value, routing):
    loop = make_loop(Noting().set_fit_request(noted=True)).fit(X, Y, noted=value)
    assert loop.estimator_.noted_ is value


def test_matrices_with_a_row_each_are_cut(routing):
    noted = np.arange(2 * N).reshape(N, 2)
    loop = make_loop(Noting().set_fit_request(noted=True)).fit(X, Y, noted=noted)
    np.testing.assert_array_equal(loop.estimator_.noted_, noted[loop.labeled_indices_])


def test_prediction_and_score_are_routed_as_well(routing):
    loop = make_loop(Noting().set_predict_request(shift=True)).fit(X, Y)
    np.testing.assert_array_equal(loop.predict(X, shift=2), loop.predict(X) + 2)
    loop = make_loop(logistic().set_score_request(sample_weight=True)).fit(X, Y)
    expected = accuracy_score(Y, loop.predict(X), sample_weight=WEIGHTS)
    assert loop.score(X, Y, sample_weight=WEIGHTS) == pytest.approx(expected)
    assert loop.score(X, Y) != expected


def test_without_routing_extra_arguments_are_refused():
    loop = make_loop(logistic())
    message = (
        r"ActiveLearningLoop.fit got \['sample_weight'\], which .*enable_metadata_routing=True"
    )
    with pytest.raises(ValueError, match=message + r"\) and the estimator's set_fit_request"):
        loop.fit(X, Y, sample_weight=WEIGHTS)
    loop.fit(X, Y)
    with pytest.raises(ValueError, match=r"ActiveLearningLoop.score got .*set_score_request"):
        loop.score(X, Y, sample_weight=WEIGHTS)
    with pytest.raises(ValueError, match=r"ActiveLearningLoop.predict got \['shift'\]"):
        loop.predict(X, shift=2)


def test_arguments_nobody_requested_are_refused(routing):
    with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
        make_loop(logistic()).fit(X, Y, sample_weight=WEIGHTS)
    with pytest.raises(TypeError, match="sample_weights"):
        make_loop(logistic()).fit(X, Y, sample_weights=WEIGHTS)


MASK = np.isin(np.arange(N), np.arange(0, N, 12))


def test_labeled_rows_are_routed_through_a_search(routing):
    loop = make_loop(budget=10).set_fit_request(labeled=True)
    cv = StratifiedKFold(2)
    search = GridSearchCV(loop, {"estimator__C": [0.1, 1.0]}, cv=cv).fit(X, Y, labeled=MASK)
    best = search.best_estimator_
    assert best.labeled_indices_[:10].tolist() == np.flatnonzero(MASK).tolist()
    assert best.history_[0]["n_labeled"] == 10
    scores = []
    for train, test in cv.split(X, Y):
        twin = make_loop(budget=10).set_params(**search.best_params_)
        scores.append(twin.fit(X[train], Y[train], labeled=MASK[train]).score(X[test], Y[test]))
    assert search.best_score_ == np.mean(scores)


def test_labeled_rows_and_weights_are_routed_through_cross_validation(routing):
    estimator = logistic().set_fit_request(sample_weight=True)
    loop = make_loop(estimator.set_score_request(sample_weight=False), budget=10)
    loop.set_fit_request(labeled=True)
    result = cross_validate(
        loop,
        X,
        Y,
        cv=2,
        params={"labeled": MASK, "sample_weight": WEIGHTS},
        return_estimator=True,
        return_indices=True,
    )
    for fitted, train in zip(result["estimator"], result["indices"]["train"], strict=True):
        known = np.flatnonzero(MASK[train])
        np.testing.assert_array_equal(fitted.labeled_indices_[: len(known)], known)
        rows = train[fitted.labeled_indices_]
        expected = logistic().fit(X[rows], Y[rows], sample_weight=WEIGHTS[rows])
        np.testing.assert_allclose(fitted.estimator_.coef_, expected.coef_, rtol=1e-6)


# Searches

GRID = {
    "budget": [12, 24],
    "selector__noise_ratio": [0.01, 1.0],
    "selector__kernel": ["cosine", "rbf"],
    "estimator__C": [0.01, 1.0],
}


def test_search_over_loop_selector_and_estimator():
    loop = make_loop(selector=ITLSelector(), batch_size=12)
    cv = list(StratifiedKFold(2).split(X, Y))
    search = GridSearchCV(loop, GRID, cv=cv).fit(X, Y)
    by_hand = [
        np.mean(
            [
                clone(loop).set_params(**params).fit(X[train], Y[train]).score(X[test], Y[test])
                for train, test in cv
            ]
        )
        for params in ParameterGrid(GRID)
    ]
    assert search.cv_results_["params"] == list(ParameterGrid(GRID))
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], by_hand)
    assert len(set(by_hand)) > 2
    assert len(search.best_estimator_.labeled_indices_) == search.best_params_["budget"]
    assert search.score(X, Y) == search.best_estimator_.score(X, Y)


def test_two_processes_find_what_one_finds():
    loop = make_loop(selector=RandomSelector(), batch_size=10, random_state=0)
    grid = {"budget": [10, 30], "estimator__C": [0.01, 1.0]}
    one = GridSearchCV(loop, grid, cv=2).fit(X, Y)
    two = GridSearchCV(loop, grid, cv=2, n_jobs=2).fit(X, Y)
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(two.cv_results_[name], one.cv_results_[name])
    np.testing.assert_array_equal(two.predict(X), one.predict(X))


def test_cross_validation_in_two_processes():
    loop = make_loop(selector=ITLSelector())
    cv = KFold(2)
    result = cross_validate(loop, X, Y, cv=cv, n_jobs=2, return_estimator=True, return_indices=True)
    for i, (train, test) in enumerate(cv.split(X)):
        fitted = result["estimator"][i]
        expected = ITLSelector(budget=20).fit(X[train]).indices_
        np.testing.assert_array_equal(fitted.labeled_indices_, expected)
        assert result["test_score"][i] == fitted.score(X[test], Y[test])


def test_search_over_a_selector_in_a_plain_pipeline():
    """There the selector gives landmark features: its budget is their number."""
    pipe = Pipeline(
        [("scale", StandardScaler()), ("selector", CoreSetSelector()), ("model", logistic())]
    )
    search = GridSearchCV(pipe, {"selector__budget": [1, 3, 0.2]}, cv=2, n_jobs=2).fit(X, Y)
    by_hand = []
    for budget in (1, 3, 0.2):
        scores = []
        for train, test in StratifiedKFold(2).split(X, Y):
            scaler = StandardScaler().fit(X[train])
            selector = CoreSetSelector(budget=budget).fit(scaler.transform(X[train]))
            model = logistic().fit(selector.transform(scaler.transform(X[train])), Y[train])
            scores.append(model.score(selector.transform(scaler.transform(X[test])), Y[test]))
        by_hand.append(np.mean(scores))
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], by_hand)
    assert search.best_estimator_[1].transform(X).shape[0] == N


def test_positions_count_inside_the_fold_but_ids_do_not(routing):
    """An oracle that looks names up answers rightly in a search."""
    ids = np.array([f"row {i}" for i in range(N)])
    label_of = dict(zip(ids, Y, strict=True))
    loop = make_loop(nearest()).set_fit_request(ids=True, oracle=True)

    def oracle(rows, names):
        return [label_of[name] for name in names]

    result = cross_validate(
        loop, X, Y, cv=3, params={"ids": ids, "oracle": oracle}, return_estimator=True
    )
    simulated = cross_validate(make_loop(nearest()), X, Y, cv=3, params={})
    np.testing.assert_array_equal(result["test_score"], simulated["test_score"])
    for fitted in result["estimator"]:
        expected = [label_of[name] for name in fitted.labeled_ids_]
        np.testing.assert_array_equal(fitted.y_labeled_, expected)


def test_cross_val_predict_for_regression():
    y = X @ np.arange(1.0, 7.0)
    predictions = cross_val_predict(make_loop(LinearRegression()), X, y, cv=2)
    np.testing.assert_allclose(predictions, y, atol=1e-8)


# Outer pipelines


def test_the_loop_ends_a_pipeline():
    pipe = Pipeline([("scale", StandardScaler()), ("loop", make_loop(selector=ITLSelector()))])
    scaler = StandardScaler().fit(X)
    expected = make_loop(selector=ITLSelector()).fit(scaler.transform(X), Y)
    pipe.fit(X, Y)
    np.testing.assert_array_equal(pipe[-1].labeled_indices_, expected.labeled_indices_)
    np.testing.assert_array_equal(pipe.predict(X), expected.predict(scaler.transform(X)))
    np.testing.assert_array_equal(pipe.classes_, [0, 1, 2])
    oracle = Oracle(scaler.transform(X), Y)
    pipe.fit(X, loop__oracle=oracle)
    assert oracle.asked == expected.labeled_indices_.tolist()


def test_a_loop_inside_a_search_inside_a_pipeline():
    search = GridSearchCV(make_loop(nearest()), {"budget": [6, 20]}, cv=2)
    pipe = make_pipeline(StandardScaler(), search).fit(X, Y)
    assert pipe.score(X, Y) > 0.5
    assert len(pipe[-1].best_estimator_.labeled_indices_) == pipe[-1].best_params_["budget"]


def test_a_search_as_the_estimator_of_a_loop():
    estimator = GridSearchCV(nearest(), {"n_neighbors": [1, 3]}, cv=KFold(2))
    loop = make_loop(estimator).fit(X, Y)
    assert loop.estimator_.best_params_["n_neighbors"] in (1, 3)
    assert loop.score(X, Y) == loop.estimator_.score(X, Y)


# skorch


class Module(torch.nn.Module):
    def __init__(self, n_outputs=3):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, n_outputs)
        )

    def forward(self, X):
        return self.layers(X)


X32 = X.astype(np.float32)


def make_net(**params):
    return NeuralNetClassifier(
        Module,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=3,
        lr=0.1,
        train_split=None,
        iterator_train__shuffle=False,
        verbose=0,
        **params,
    )


@pytest.mark.filterwarnings("ignore:You are using `torch.load`:FutureWarning")  # by skorch 1.1
def test_a_network_as_classifier():
    torch.manual_seed(0)
    loop = make_loop(make_net(), ITLSelector()).fit(X32, Y)
    assert is_classifier(loop)
    rows = loop.labeled_indices_
    torch.manual_seed(0)
    for n_labeled in (10, 20):
        net = make_net().fit(X32[rows[:n_labeled]], Y[rows[:n_labeled]])
    np.testing.assert_allclose(loop.predict_proba(X32), net.predict_proba(X32), rtol=1e-5)
    np.testing.assert_array_equal(loop.predict(X32), net.predict(X32))
    np.testing.assert_array_equal(loop.classes_, [0, 1, 2])
    assert not loop.estimator.initialized_
    copy = pickle.loads(pickle.dumps(loop))
    np.testing.assert_array_equal(copy.predict(X32), loop.predict(X32))


def test_a_network_knows_all_classes_by_itself():
    loop = make_loop(make_net(), classes=[0, 1, 2], batch_size=5)
    shapes = []

    def scoring(model, X, y):
        shapes.append(model.predict_proba(X).shape)
        return 0.0

    loop.set_params(scoring=scoring).fit(X32, np.minimum(Y, 1), X_val=X32, y_val=Y)
    assert shapes == [(N, 3)] * 4
    np.testing.assert_array_equal(loop.estimator_.classes_, [0, 1])
    np.testing.assert_allclose(loop.predict_proba(X32).sum(axis=1), 1, rtol=1e-5)


def test_a_network_in_a_search():
    loop = make_loop(make_net(), budget=10)
    search = GridSearchCV(loop, {"estimator__lr": [1e-9, 0.1]}, cv=2).fit(X32, Y)
    assert search.best_estimator_.estimator_.lr == search.best_params_["estimator__lr"]


def test_a_network_as_regressor():
    y = (X32 @ np.ones((6, 1))).astype(np.float32)
    net = NeuralNetRegressor(
        Module(n_outputs=1), max_epochs=3, lr=0.01, train_split=None, verbose=0
    )
    loop = make_loop(net).fit(X32, oracle=Oracle(X32, y))
    assert is_regressor(loop)
    assert loop.y_labeled_.dtype == np.float32 and loop.y_labeled_.shape == (20, 1)
    assert loop.predict(X32).shape == (N, 1)
    assert np.isfinite(loop.score(X32, y))
