"""Every public estimator passes scikit-learn's checks, every public selector also ours."""

import inspect

import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import BayesianRidge, LogisticRegression, Ridge
from sklearn.utils.estimator_checks import estimator_checks_generator

import skactive
from skactive import (
    BaseSelector,
    CoreSetSelector,
    ITLSelector,
    RandomSelector,
    UncertaintySelector,
)
from skactive.testing import selector_checks
from tests.networks import AnyWidth, any_width_net

# In single precision the features of a row differ in the last bits with the rows beside it, by
# more than scikit-learn's checks allow.
# Estimators that need arguments, are slow by default, or have more than one method inside.
INSTANCES = {
    "ALFAMixSelector": lambda cls: [
        cls(random_state=0),
        cls(network=AnyWidth().double(), random_state=0),
    ],
    "ActiveFTSelector": lambda cls: [
        cls(max_iter=20, random_state=0),
        cls(loss="contrastive", max_iter=10, random_state=0),
    ],
    "ActiveLearningLoop": lambda cls: [
        cls(LogisticRegression(), RandomSelector(), random_state=0),
        cls(Ridge(), CoreSetSelector()),
    ],
    "AlignedProxy": lambda cls: [
        cls(any_width_net(), probe_epochs=5, random_state=0),
        cls(any_width_net(), probe_epochs=5, align="always", align_every=1, random_state=0),
    ],
    "BADGESelector": lambda cls: [
        cls(random_state=0),
        cls(network=AnyWidth().double(), random_state=0),
    ],
    "BALDSelector": lambda cls: [cls(n_members=4), cls(n_members=4, strategy="top")],
    "CTLSelector": lambda cls: [cls(), cls(kernel="rbf"), cls(strategy="top")],
    "ClassBalanced": lambda cls: [cls(CoreSetSelector()), cls(RandomSelector(), random_state=0)],
    "CoreSetSelector": lambda cls: [
        cls(),
        cls(method="robust"),
        cls(metric="cosine"),
        cls(network=AnyWidth().double()),
    ],
    "DropQuerySelector": lambda cls: [
        cls(random_state=0),
        cls(estimator=RandomForestClassifier(5, random_state=0), random_state=0),
    ],
    "FacilityLocationSelector": lambda cls: [cls(), cls(metric="euclidean")],
    "GreedySamplingSelector": lambda cls: [
        cls(),
        cls(method="y"),
        cls(method="x", metric="cosine"),
    ],
    "ITLSelector": lambda cls: [cls(), cls(kernel="rbf"), cls(strategy="top")],
    "InformationDensitySelector": lambda cls: [cls(), cls(criterion="margin", beta=2.0)],
    "KMeansSelector": lambda cls: [cls(random_state=0), cls(metric="cosine", random_state=0)],
    "LCMDSelector": lambda cls: [cls(), cls(metric="cosine"), cls(init="random", random_state=0)],
    "LeverageScoreSelector": lambda cls: [
        cls(random_state=0),
        cls(method="coordinate", alpha=0.1, random_state=0),
    ],
    "MLMOCSelector": lambda cls: [
        cls(),
        cls(sequential=True),
        cls(network=AnyWidth().double()),
        cls(network=AnyWidth().double(), ntk="full", sequential=True),
    ],
    "NetworkEmbedding": lambda cls: [
        cls(AnyWidth().double(), **params)
        for params in (
            {},
            {"kind": "logits"},
            {"kind": "loss_gradient", "factored": True},
            {"kind": "loss_gradient", "sketch_dim": 7, "random_state": 0},
            {"kind": "ntk", "parameters": ["out"]},
            {"kind": "ntk", "sketch_dim": 10, "random_state": 0},
        )
    ],
    "ProbCoverSelector": lambda cls: [
        cls(random_state=0),
        cls(radius=0.8),
        cls(metric="euclidean", n_clusters=3, n_reference=5, random_state=0),
    ],
    "RandomSelector": lambda cls: [cls(), cls(random_state=0)],
    "SelectionSampler": lambda cls: [cls(CoreSetSelector(budget=5))],
    "StochasticBatch": lambda cls: [
        cls(UncertaintySelector(), random_state=0),
        cls(ITLSelector(), mode="softmax", temperature=0.2, random_state=0),
    ],
    "SubsamplePool": lambda cls: [
        cls(CoreSetSelector(), random_state=0),
        cls(CoreSetSelector(network=AnyWidth().double()), n_candidates=200),
    ],
    "TypiClustSelector": lambda cls: [
        cls(random_state=0),
        cls(metric="cosine", max_clusters=4, n_neighbors=3, random_state=0),
    ],
    "UncertaintySelector": lambda cls: [cls(), cls(criterion="entropy", random_state=0)],
    "VarianceSelector": lambda cls: [
        cls(estimator=BayesianRidge()),
        cls(estimator=RandomForestRegressor(5), random_state=0),
    ],
}


def public_estimators():
    """One or more instances of every concrete estimator among the public names."""
    for name in skactive.__all__:
        cls = getattr(skactive, name)
        if inspect.isclass(cls) and issubclass(cls, BaseEstimator) and not inspect.isabstract(cls):
            yield from INSTANCES.get(name, lambda cls: [cls()])(cls)


def on_one_line(estimator):
    return " ".join(repr(estimator).split())


def scikit_learn_checks():
    for estimator in public_estimators():
        for instance, check in estimator_checks_generator(estimator):
            options = "".join(f",{key}={value}" for key, value in check.keywords.items())
            yield pytest.param(
                instance, check, id=f"{on_one_line(estimator)}-{check.func.__name__}{options}"
            )


def contract_checks():
    for estimator in public_estimators():
        if isinstance(estimator, BaseSelector):
            for check in selector_checks(estimator):
                yield pytest.param(check, id=f"{on_one_line(estimator)}-{check.__name__}")


# scikit-learn's own data: tiny pools, rows of zeros, and `fit` without any labels.
@pytest.mark.filterwarnings("ignore::skactive.exceptions.BudgetWarning")
@pytest.mark.filterwarnings("ignore::skactive.exceptions.ColdStartWarning")
@pytest.mark.filterwarnings("ignore::skactive.exceptions.ZeroNormWarning")
@pytest.mark.parametrize(("estimator", "check"), list(scikit_learn_checks()))
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", list(contract_checks()))
def test_selector_contract(check):
    check()


def test_every_public_selector_is_covered():
    names = {type(estimator).__name__ for estimator in public_estimators()}
    assert {"CoreSetSelector", "ITLSelector", "RandomSelector", "VTLSelector"} <= names
