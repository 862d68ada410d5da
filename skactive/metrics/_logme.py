"""LogME: how much features know about labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.utils import check_array, check_consistent_length

from skactive.metrics._inputs import label_kind

__all__ = ["logme"]

# Signal-to-noise ratios searched: beyond them the evidence of useless features is constant, and
# that of features that explain the labels exactly has no maximum.
_LOG_RATIOS = np.linspace(np.log(1e-8), np.log(1e8), 65)


class Spectrum(NamedTuple):
    """Labels seen along the singular vectors of the features."""

    gains: NDArray[np.float64]  # (k,) squared singular values, their sum n where not all are 0
    energies: NDArray[np.float64]  # (k, n_outputs) squared coordinates of the labels
    rest: NDArray[np.float64]  # (n_outputs,) squared norm of what no linear model explains
    n_samples: int


def logme(features: Any, y: Any) -> float:
    r"""Logarithm of the maximum evidence of linear models from features to labels.

    The evidence is what Bayesian linear regression with weights
    :math:`w \sim N(0, \alpha^{-1} I)` and noise of variance :math:`\beta^{-1}` gives to a
    column :math:`t` of labels, all weights integrated out,

    .. math::

        \log p(t \mid F) = \log N\!\left(t; 0, \beta^{-1} I + \alpha^{-1} F F^\top\right),

    maximised over :math:`\alpha` and :math:`\beta`, in nats per sample, and averaged over the
    columns: one indicator a class in classification, one output each otherwise. Since it
    integrates over the weights, it does not rise merely because there are more features than
    samples. Higher is better; only values for the same labels compare.

    Along the singular vectors of :math:`F`, :math:`\beta` has a closed form given the
    signal-to-noise ratio, which leaves one number a column to search, at O(min(n, d)) a value.
    The fixed point that You et al. iterate is a stationary point of the same function; the search
    also gets to the maximum where it is flat or lies at infinity.

    Parameters
    ----------
    features : array-like of shape (n_samples, n_features)
        Features, of any scale: the value does not change when all are multiplied by a constant,
        nor when they are rotated. As in the paper there is no intercept: a constant column
        serves as one, and matters where the features do not span it.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Whole numbers, strings and booleans are classes, columns of 0 and 1 independent labels,
        anything else regression targets.

    Returns
    -------
    evidence : float
        Nats per sample, mean over the columns. The noise is taken to be at least 1e-8 of the
        signal, without which labels that are an exact linear function of the features would be
        worth infinitely much.

    Raises
    ------
    ValueError
        For NaN or infinity, different lengths, a single class, or a constant output.

    References
    ----------
    K. You, Y. Liu, J. Wang, M. Long: LogME: Practical Assessment of Pre-trained Models for
    Transfer Learning. ICML 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skactive.metrics import logme
    >>> X, y = load_iris(return_X_y=True)
    >>> sepals = np.insert(X[:, :2], 0, 1, axis=1)
    >>> petals = np.insert(X[:, 2:], 0, 1, axis=1)
    >>> round(logme(sepals, y), 2), round(logme(petals, y), 2)
    (-0.35, -0.24)
    """
    features = check_array(features, dtype=np.float64, input_name="features")
    columns = _label_columns(y)
    check_consistent_length(features, columns)
    # Squares of huge and tiny numbers leave the float range; a density scales with its unit.
    scales = np.abs(columns).max(axis=0)
    spectrum = _decompose(features, columns / scales)
    maxima = [_max_evidence(spectrum, column) for column in range(columns.shape[1])]
    return float(np.mean(maxima - np.log(scales)))


def _label_columns(y: Any) -> NDArray[np.float64]:
    """One column an output, indicators for classes."""
    labels = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    kind = label_kind(labels, "y")
    if kind == "unknown" or labels.ndim > 2:
        raise ValueError(
            f"y must hold classes, or numbers in one or two dimensions; got an array of type "
            f"{labels.dtype} and shape {labels.shape}. Turn labels of mixed kinds into strings."
        )
    if kind in ("binary", "multiclass"):
        classes = np.unique(labels)
        if len(classes) == 1:
            raise ValueError(
                f"y must hold at least two classes; got {classes.tolist()[0]!r} only. Label "
                "samples of another class first."
            )
        indicators: NDArray[np.float64] = (labels.reshape(-1, 1) == classes).astype(np.float64)
        return indicators
    columns: NDArray[np.float64] = labels.reshape(len(labels), -1).astype(np.float64)
    constant = np.flatnonzero(columns.max(axis=0) == columns.min(axis=0))
    if len(constant):
        raise ValueError(
            f"y must vary in every output; output {constant[0]} is {columns[0, constant[0]]:g} for "
            f"all {len(columns)} samples. Leave constant outputs out."
        )
    return columns


def _decompose(features: NDArray[np.float64], columns: NDArray[np.float64]) -> Spectrum:
    largest = max(features.max(), -features.min())
    if largest > 0:
        features = features / largest
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    gains = singular**2
    if largest > 0:
        gains *= len(features) / gains.sum()
    coordinates = left.T @ columns
    rest = ((columns - left @ coordinates) ** 2).sum(0)
    return Spectrum(gains, coordinates**2, rest, len(features))


def _max_evidence(spectrum: Spectrum, column: int) -> float:
    """Maximum over the signal-to-noise ratio, per sample."""
    energies, rest = spectrum.energies[:, column], spectrum.rest[column]

    def negative(log_ratio: float) -> float:
        # Variances along the singular vectors, in units of the noise.
        variances = 1 + np.exp(log_ratio) * spectrum.gains
        noise = ((energies / variances).sum() + rest) / spectrum.n_samples
        spread = np.log(variances).sum() / spectrum.n_samples
        return float(0.5 * (np.log(2 * np.pi * noise) + spread + 1))

    values = [negative(log_ratio) for log_ratio in _LOG_RATIOS]
    best = int(np.argmin(values))
    bounds = _LOG_RATIOS[max(best - 1, 0)], _LOG_RATIOS[min(best + 1, len(_LOG_RATIOS) - 1)]
    refined = minimize_scalar(negative, bounds=bounds, method="bounded", options={"xatol": 1e-7})
    return -min(values[best], float(refined.fun))
