"""Every public estimator passes scikit-learn's checks, every public selector also ours."""

import inspect

import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import estimator_checks_generator

import skactive
from skactive import BaseSelector, CoreSetSelector, RandomSelector
from skactive.testing import selector_checks
from tests.networks import AnyWidth, any_width_net

# In single precision the features of a row differ in the last bits with the rows beside it, by
# more than scikit-learn's checks allow.
# Estimators that need arguments, are slow by default, or have more than one method inside.
INSTANCES = {
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
    "CoreSetSelector": lambda cls: [
        cls(),
        cls(method="robust"),
        cls(metric="cosine"),
        cls(network=AnyWidth().double()),
    ],
    "ITLSelector": lambda cls: [cls(), cls(kernel="rbf"), cls(strategy="top")],
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
    "RandomSelector": lambda cls: [cls(), cls(random_state=0)],
    "SelectionSampler": lambda cls: [cls(CoreSetSelector(budget=5))],
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
