"""The selectors on which the tests of inputs run; a new selector is one line here."""

import inspect
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.gaussian_process.kernels import Matern
from sklearn.metrics.pairwise import laplacian_kernel

from skactive import (
    ActiveFTSelector,
    ALFAMixSelector,
    BADGESelector,
    BALDSelector,
    CoreSetSelector,
    CosineSimilaritySelector,
    CTLSelector,
    DropQuerySelector,
    FacilityLocationSelector,
    GreedySamplingSelector,
    InformationDensitySelector,
    ITLSelector,
    KMeansSelector,
    LCMDSelector,
    LeverageScoreSelector,
    MLMOCSelector,
    ProbCoverSelector,
    RandomSelector,
    StochasticBatch,
    TypiClustSelector,
    UncertaintySelector,
    VTLSelector,
)
from skactive.exceptions import ColdStartWarning


def laplacian(A, B):
    return laplacian_kernel(A, B, gamma=0.05)


def all_selectors():
    """Configured instances with a budget of 6, for pools of at least 20 rows."""
    return [
        RandomSelector(6, random_state=0),
        ITLSelector(6),
        ITLSelector(6, kernel="linear"),
        ITLSelector(6, kernel="rbf"),
        ITLSelector(6, kernel=Matern(5.0, nu=1.5)),
        ITLSelector(6, strategy="top"),
        VTLSelector(6),
        VTLSelector(6, kernel="rbf"),
        VTLSelector(6, kernel=laplacian),
        CoreSetSelector(6, random_state=0),
        CoreSetSelector(6, random_state=0, metric="cosine"),
        CoreSetSelector(6, random_state=0, init="random"),
        CoreSetSelector(6, random_state=0, method="robust", outlier_fraction=0.05),
        ActiveFTSelector(6, random_state=0, max_iter=20),
        MLMOCSelector(6),
        UncertaintySelector(6, random_state=0),
        BALDSelector(6, n_members=4, random_state=0),
        BADGESelector(6, random_state=0),
        ALFAMixSelector(6, random_state=0),
        DropQuerySelector(6, random_state=0),
        CTLSelector(6),
        CTLSelector(6, kernel="rbf"),
        CosineSimilaritySelector(6),
        InformationDensitySelector(6, random_state=0),
        LeverageScoreSelector(6, random_state=0),
        KMeansSelector(6, random_state=0),
        TypiClustSelector(6, random_state=0),
        TypiClustSelector(6, metric="cosine", max_clusters=4, n_neighbors=3, random_state=0),
        LCMDSelector(6),
        LCMDSelector(6, metric="cosine"),
        ProbCoverSelector(6, random_state=0),
        ProbCoverSelector(6, radius=1.0),
        FacilityLocationSelector(6),
        FacilityLocationSelector(6, metric="euclidean"),
        StochasticBatch(CoreSetSelector(), 6, mode="softmax", random_state=0),
        GreedySamplingSelector(6, method="x"),
    ]


# Classes whose picks depend on where a row stands, not only on what it holds.
DRAWS_AT_RANDOM = (
    ActiveFTSelector,
    ALFAMixSelector,
    BADGESelector,
    BALDSelector,
    DropQuerySelector,
    KMeansSelector,
    LeverageScoreSelector,
    RandomSelector,
    StochasticBatch,
    TypiClustSelector,
    UncertaintySelector,
)


def draws_at_random(selector):
    options = getattr(selector, "init", None), getattr(selector, "radius", None)
    return isinstance(selector, DRAWS_AT_RANDOM) or "random" in options or "auto" in options


def takes_targets(selector):
    return "X_target" in inspect.signature(selector.fit).parameters


def name_of(selector):
    """Class and parameters that are not the defaults, without addresses in memory."""
    defaults = inspect.signature(type(selector)).parameters
    words = [type(selector).__name__]
    for name, value in selector.get_params(deep=False).items():
        if name not in ("budget", "random_state") and value != defaults[name].default:
            words.append(getattr(value, "__name__", str(value)))
    return "-".join(words)


def labels_of(X):
    """Two classes that follow from what a row holds, whatever holds the rows."""
    if hasattr(X, "detach"):
        X = X.detach().double().numpy()
    X = np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)
    return (X.sum(1) > 0).astype(int)


def refit(selector, X, y=None, *, labeled=None, **fit_params):
    """Fit with labels where they are needed; methods that learn from them may do without."""
    if y is None and labeled is not None and selector._needs_labels:
        y = labels_of(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ColdStartWarning)
        return selector.fit(X, y, labeled=labeled, **fit_params)


def fit(selector, X, y=None, **fit_params):
    """A fitted copy."""
    return refit(clone(selector), X, y, **fit_params)


def fitted_attributes(selector):
    return sorted(name for name in vars(selector) if name.endswith("_") and name[0] != "_")


def assert_same_selection(selector, expected, **tolerance):
    np.testing.assert_array_equal(selector.indices_, expected.indices_)
    np.testing.assert_allclose(selector.scores_, expected.scores_, **{"rtol": 1e-9} | tolerance)
