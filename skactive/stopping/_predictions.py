"""Predictions that have ceased to change."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.metrics import cohen_kappa_score
from sklearn.utils import check_random_state

from skactive._dask import is_dask
from skactive._indexing import n_samples_of, rows_of
from skactive._predicting import Call
from skactive._validation import check_number
from skactive.journal._fingerprint import fingerprint
from skactive.stopping._base import StoppingRule
from skactive.stopping._history import measured

__all__ = ["StablePredictions"]


class StablePredictions(StoppingRule):
    r"""Stop when successive models predict the same.

    After each training the new model and the one before predict a fixed stop set, which needs no
    labels. For classifiers their agreement is Cohen's kappa,

    .. math::

        \kappa = \frac{p_o - p_e}{1 - p_e}

    with :math:`p_o` the share of equal predictions and :math:`p_e` the share that would be
    equal by chance, given how often each model predicts each class. For regressors it is what
    kappa with quadratic weights is for continuous values, Lin's concordance correlation,

    .. math::

        \rho_c = \frac{2 s_{ab}}{s_a^2 + s_b^2 + (\bar a - \bar b)^2},

    which is 1 only where the predictions are equal, and does not depend on the unit of `y`.
    Several outputs are averaged. Models that predict the same constant have agreement 0: they
    do not know anything yet.

    The loop stops when the mean of the last `window` agreements reaches the threshold.

    Parameters
    ----------
    threshold : float in (0, 1], default=0.99
        Lower values stop earlier, at a greater risk to stop too early.
    window : int >= 1, default=3
        Pairs of successive models to average over. A few labels change a model little: where
        answers trickle in, so that it is trained on each handful of them, use more.
    X_stop : indexable of length n_stop, default=None
        Stop set, what the estimator reads; None means the pool. It should be a large sample of
        what is to be predicted.
    max_samples : int >= 1 or None, default=2000
        Predict so many rows of the stop set at most, drawn at random but the same ones each
        time; None means all.

    References
    ----------
    M. Bloodgood, K. Vijay-Shanker: A Method for Stopping Active Learning Based on Stabilizing
    Predictions and the Need for User-Adjustable Stopping. CoNLL 2009.

    L. I. Lin: A Concordance Correlation Coefficient to Evaluate Reproducibility. Biometrics 45,
    1989.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skactive.stopping import StablePredictions
    >>> X, y = load_digits(return_X_y=True)
    >>> models = [GaussianNB().fit(X[:n], y[:n]) for n in (100, 1000, 1100)]
    >>> rule = StablePredictions(threshold=0.9, window=1)
    >>> history = [
    ...     {"measures": rule.of_round(model, former, X)}
    ...     for former, model in zip(models, models[1:])
    ... ]
    >>> [round(entry["measures"]["agreement_2000"], 2) for entry in history]
    [0.52, 0.94]
    >>> rule.reason(history)
    'Successive models agree by 0.94... on the stop set, the limit is 0.9.'
    """

    def __init__(
        self,
        threshold: float = 0.99,
        window: int = 3,
        X_stop: Any = None,
        max_samples: int | None = 2000,
    ) -> None:
        self.threshold = threshold
        self.window = window
        self.X_stop = X_stop
        self.max_samples = max_samples

    @property
    def needs_former(self) -> bool:
        """Successive models are compared."""
        return True

    def check(self) -> None:
        """Refuse bad parameters."""
        check_number(self.threshold, "threshold")
        if self.threshold > 1:
            raise ValueError(
                f"threshold == {self.threshold!r}, must be <= 1, which is perfect agreement. Try "
                "0.99."
            )
        check_number(self.window, "window", minimum=1, strict=False, integer=True)
        if self.max_samples is not None:
            check_number(self.max_samples, "max_samples", minimum=1, strict=False, integer=True)
        if self.X_stop is not None and n_samples_of(self.X_stop) == 0:
            raise ValueError("X_stop has no rows, must have some. Leave it out to use the pool.")

    def of_round(self, model: Any, former: Any, X: Any) -> dict[str, float]:
        """Agreement of the model with the one before, where there are two."""
        if model is None or former is None or model is former:
            return {}
        rows = self._stop_rows(X)
        measure = _kappa if is_classifier(model) else _concordance
        before, after = _predictions(former, rows), _predictions(model, rows)
        return {self._name(): _agreement(measure, before, after)}

    def reason(self, history: list[dict[str, Any]]) -> str | None:
        """Compare the mean of the latest agreements."""
        values = measured(history, self._name())
        if len(values) < self.window:
            return None
        mean = float(np.mean(values[-self.window :]))
        if not mean >= self.threshold:  # nor with NaN
            return None
        return (
            f"Successive models agree by {mean:.4g} on the stop set, the limit is "
            f"{self.threshold:.4g}."
        )

    def _name(self) -> str:
        """A name for each stop set, so that rules with different ones go together."""
        size = "all" if self.max_samples is None else str(self.max_samples)
        if self.X_stop is None:
            return f"agreement_{size}"
        return f"agreement_{size}_{fingerprint(self.X_stop)[:8]}"

    def _stop_rows(self, X: Any) -> Any:
        candidates = X if self.X_stop is None else self.X_stop
        n_samples = n_samples_of(candidates)
        if self.max_samples is None or n_samples <= self.max_samples:
            return candidates
        draw = check_random_state(0)
        rows = draw.choice(n_samples, self.max_samples, replace=False)
        return rows_of(candidates, np.sort(rows))


def _predictions(model: Any, rows: Any) -> Any:
    """What a model predicts; of a dask collection partition by partition."""
    if not is_dask(rows):
        return model.predict(rows)
    from skactive.distributed._predictions import map_predictions

    return map_predictions(Call(model, "predict", {}, None), rows, None).compute()


def _agreement(measure: Any, before: Any, after: Any) -> float:
    """Mean agreement of the outputs."""
    columns = [np.asarray(values).reshape(len(values), -1).T for values in (before, after)]
    return float(np.mean([measure(a, b) for a, b in zip(*columns, strict=True)]))


def _kappa(before: NDArray[Any], after: NDArray[Any]) -> float:
    classes, codes = np.unique(np.concatenate([before, after]), return_inverse=True)
    if len(classes) == 1:
        return 0.0  # as if it were by chance
    return float(cohen_kappa_score(*np.split(codes, 2)))


def _concordance(before: NDArray[Any], after: NDArray[Any]) -> float:
    a, b = before.astype(np.float64), after.astype(np.float64)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0  # the exact value, or as for kappa; rounding would make variances of it
    spread = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    return float(2 * np.mean((a - a.mean()) * (b - b.mean())) / spread)
