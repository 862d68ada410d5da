"""The linear layer behind classifiers, Pipelines and searches, against their decision function."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import SVC

from skactive.selection._linear_head import linear_head, predicted_classes


def make_problem(n_samples=150, n_classes=3, n_features=6, seed=0):
    return make_classification(
        n_samples,
        n_features=n_features,
        n_informative=4,
        n_redundant=0,
        n_classes=n_classes,
        n_clusters_per_class=1,
        random_state=seed,
    )


HEADS = [
    LogisticRegression(),
    SGDClassifier(loss="log_loss", random_state=0),
    LinearDiscriminantAnalysis(),
    LogisticRegression(fit_intercept=False),
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(StandardScaler(with_mean=False), LogisticRegression()),
    make_pipeline(StandardScaler(with_std=False), LogisticRegression()),
    make_pipeline(MinMaxScaler((-1, 2)), LogisticRegression()),
    make_pipeline(MaxAbsScaler(), LogisticRegression()),
    make_pipeline(RobustScaler(), LogisticRegression()),
    make_pipeline(RobustScaler(with_centering=False), LogisticRegression()),
    make_pipeline(RobustScaler(with_scaling=False), LogisticRegression()),
    make_pipeline(PCA(3, whiten=True), LogisticRegression()),
    GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [1]}
    ),
    make_pipeline(StandardScaler(), PCA(3), "passthrough", LogisticRegression()),
    make_pipeline(TruncatedSVD(3, random_state=0), LogisticRegression()),
    make_pipeline(make_pipeline(StandardScaler()), LogisticRegression()),
]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("model", HEADS, ids=str)
def test_heads_give_the_decision_function(model, n_classes):
    X, y = make_problem(n_classes=n_classes)
    X += 3
    model.fit(X, y)
    head = linear_head(FrozenEstimator(model))
    outputs = head.outputs(torch.from_numpy(X)).numpy()
    expected = model.decision_function(X)
    if n_classes == 2:
        assert (outputs[:, 0] == 0).all()
        outputs = outputs[:, 1]
    np.testing.assert_allclose(outputs, expected, rtol=1e-9, atol=1e-9)


def test_heads_behind_whitened_directions_without_variance():
    X, y = make_problem()
    X = np.hstack([X, X[:, :2]])
    model = make_pipeline(PCA(whiten=True), LogisticRegression(C=1e-3)).fit(X, y)
    model[0].explained_variance_[-2:] = 0.0  # to rounding
    model[1].coef_[:, -2:] = 0.0
    outputs = linear_head(model).outputs(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(outputs, model.decision_function(X), rtol=1e-9, atol=1e-9)


def test_support_vectors_of_pairs_of_classes_are_no_head():
    X, y = make_problem()
    assert linear_head(SVC(kernel="linear").fit(X, y)) is None


def test_ties_between_classes_go_to_the_lowest():
    outputs = torch.tensor([[0.3, 0.1 + 0.2, 0.0], [0.1 + 0.2, 0.3, 0.0], [0.0, 1.0, 1.0]])
    assert predicted_classes(outputs.double()).tolist() == [0, 0, 1]
    assert predicted_classes(outputs.double(), 0.0).tolist()[2] == 1
