"""What a selector looked at, and two coordinates for each row of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skactive._memory import check_memory
from skactive.metrics._inputs import as_rows


class Plane(NamedTuple):
    """Where rows and targets lie, and what the axes are called."""

    points: NDArray[np.float64]  # (n_rows, 2)
    targets: NDArray[np.float64] | None  # (n_targets, 2)
    axis_names: tuple[str, str]


def features_of(estimator: Any, X: Any, X_target: Any) -> tuple[Any, Any, Any]:
    """What the selector looked at, and the selector itself."""
    selector = estimator
    if isinstance(estimator, Pipeline):
        selector = estimator[-1]
        if len(estimator) > 1:
            X = estimator[:-1].transform(X)
            X_target = None if X_target is None else estimator[:-1].transform(X_target)
    check_is_fitted(selector, "indices_")
    if hasattr(selector, "embedding_"):
        X = selector.embedding_.transform(X)
        X_target = None if X_target is None else selector.embedding_.transform(X_target)
    return X, X_target, selector


def project(X: Any, X_target: Any, projection: Any) -> Plane:
    """Coordinates of rows and targets of the same width.

    Parameters
    ----------
    X, X_target : ndarray or CSR matrix of shape (n, n_features)
        The latter may be None.
    projection : transformer or None
        None takes two columns as they are, and the principal components of more.
    """
    if X_target is not None and X_target.shape[1] != X.shape[1]:
        raise ValueError(
            f"X_target must have the {X.shape[1]} features of X; got {X_target.shape[1]}. Pass "
            "both through the same preprocessing."
        )
    if projection is None and X.shape[1] == 2:
        targets = None if X_target is None else _dense(X_target)
        return Plane(_dense(X), targets, ("feature 0", "feature 1"))
    if projection is None and X.shape[1] < 2:
        raise ValueError(
            "X must have at least 2 features to be drawn in a plane; got 1. Pass a projection, a "
            "transformer with two columns."
        )
    if projection is None:
        if not abs(X.max(axis=0) - X.min(axis=0)).max() > 0:
            raise ValueError(
                f"X must have rows that differ, to be projected to principal components; all "
                f"{X.shape[0]} drawn are the same. Pass a projection."
            )
        projection = _pca(X)
        shares = 100 * projection.explained_variance_ratio_
        names = [
            f"principal component {k + 1} ({share:.0f} % of the variance)"
            for k, share in enumerate(shares)
        ]
    else:
        names = [f"{type(projection).__name__} {k}" for k in (1, 2)]
    points, targets = _transformed(projection, X, X_target)
    return Plane(points, targets, (names[0], names[1]))


def rows_of(X: Any, rows: NDArray[np.int64] | slice, name: str) -> Any:
    """Some rows as a float64 array, or as CSR where `X` is."""
    checked = as_rows(X, name, device=torch.device("cpu"))
    if sparse.issparse(X):
        return X.tocsr()[rows]
    n_rows = checked.n_samples if isinstance(rows, slice) else len(rows)
    check_memory(
        16 * n_rows * checked.n_features,
        checked.device,
        f"{n_rows} rows of {checked.n_features} features, to be drawn,",
        "Lower max_points, or pass fewer features.",
    )
    return checked.take(rows).numpy()


def _pca(X: Any) -> PCA:
    # scikit-learn's default for wide data is random; this one also takes CSR.
    solver = "arpack" if min(X.shape) > 2 else "full"
    if solver == "full" and sparse.issparse(X):
        X = X.toarray()
    return PCA(n_components=2, svd_solver=solver, random_state=0).fit(X)


def _transformed(
    projection: Any, X: Any, X_target: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Coordinates by a transformer: fitted as it is, else a clone fitted to the rows."""
    if not (hasattr(projection, "transform") or hasattr(projection, "fit_transform")):
        raise TypeError(
            f"projection == {projection!r}, must be None or a transformer with two columns, for "
            "instance TruncatedSVD(2)."
        )
    if hasattr(projection, "transform"):
        projection = projection if _is_fitted(projection) else clone(projection).fit(X)
        points = _plane(projection.transform(X), projection)
        return points, None if X_target is None else _plane(
            projection.transform(X_target), projection
        )
    # Such as TSNE, which places only what it was fitted to.
    n_rows = X.shape[0]
    if X_target is not None:
        X = sparse.vstack([X, X_target]).tocsr() if sparse.issparse(X) else np.vstack([X, X_target])
    points = _plane(clone(projection).fit_transform(X), projection)
    return points[:n_rows], None if X_target is None else points[n_rows:]


def _is_fitted(projection: Any) -> bool:
    try:
        check_is_fitted(projection)
    except NotFittedError:
        return False
    return True


def _plane(coordinates: Any, projection: Any) -> NDArray[np.float64]:
    points = _dense(coordinates)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            f"projection must give two columns; {type(projection).__name__} gave an array of shape "
            f"{points.shape}. Set n_components=2."
        )
    return points


def _dense(X: Any) -> NDArray[np.float64]:
    dense: NDArray[np.float64] = np.asarray(
        X.toarray() if sparse.issparse(X) else X, dtype=np.float64
    )
    return dense
