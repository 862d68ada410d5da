"""Rules that read what a selector knows about the pool after a batch."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from skactive._validation import check_number
from skactive.stopping._base import StoppingRule
from skactive.stopping._history import measured

__all__ = ["CoverageRadius", "TargetUncertainty"]

_UNCERTAINTY = "target_uncertainty"
_RADIUS = "covering_radius"


class TargetUncertainty(StoppingRule):
    r"""Stop when the labels leave little uncertainty about the targets.

    For :class:`~skactive.ITLSelector` and :class:`~skactive.VTLSelector`. What is measured after
    each batch is

    .. math::

        \frac{\frac{1}{|A|} \sum_{a \in A} \sigma^2(a \mid D)}{\frac{1}{n} \sum_x k(x, x)}

    the mean posterior variance on the targets :math:`A` (the pool, where there are none) given
    labels of all rows asked so far, relative to the mean prior variance of the pool, which is
    the unit of the selector's `noise_ratio` as well. With the cosine kernel every prior variance
    is 1, and this is the share of the targets' uncertainty that is left. It depends on which rows
    have labels, not on the labels; rows nobody could label count as if they had one.

    Parameters
    ----------
    threshold : float > 0
        Stop at or below it. ``history_[...]["measures"]["target_uncertainty"]`` of an earlier
        loop shows what to expect.

    See Also
    --------
    CoverageRadius : For core-sets.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skactive import ITLSelector
    >>> from skactive.stopping import TargetUncertainty
    >>> X, _ = load_digits(return_X_y=True)
    >>> measures = TargetUncertainty(0.1).of_selection(ITLSelector(budget=30).fit(X))
    >>> {name: round(value, 3) for name, value in measures.items()}
    {'target_uncertainty': 0.087}
    >>> TargetUncertainty(0.1).reason([{"measures": measures}])
    'The mean variance on the targets is 0.0873 of the prior one, the limit is 0.1.'
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def check(self) -> None:
        """Refuse anything but a positive number."""
        check_number(self.threshold, "threshold")

    def of_selection(self, selector: Any) -> dict[str, float]:
        """The posterior variance on the targets, relative to the prior one of the pool."""
        final = _final(selector)
        if final is None:
            return {}
        needed = ("target_variance_", "noise_variance_", "noise_ratio")
        _check_has(self, final, needed, "ITLSelector or VTLSelector")
        prior_variance = final.noise_variance_ / final.noise_ratio
        return {_UNCERTAINTY: float(final.target_variance_[-1] / prior_variance)}

    def reason(self, history: list[dict[str, Any]]) -> str | None:
        """Compare the latest measure."""
        values = measured(history, _UNCERTAINTY)
        if not values or not values[-1] <= self.threshold:  # nor with NaN
            return None
        return (
            f"The mean variance on the targets is {values[-1]:.3g} of the prior one, the limit is "
            f"{self.threshold:.3g}."
        )


class CoverageRadius(StoppingRule):
    r"""Stop when every row of the pool is close to one that was asked.

    For :class:`~skactive.CoreSetSelector`. What is measured after each batch is its
    ``covering_radius_``, :math:`\max_x \min_{s \in D} \|x - s\|`, with all rows asked so far as
    centers; those nobody could label count, too, and outliers of the robust method do not.

    Parameters
    ----------
    radius : float > 0
        Stop at or below it; a distance between features as they reach the selector.

    See Also
    --------
    TargetUncertainty : For ITL and VTL.

    Examples
    --------
    >>> from skactive import CoreSetSelector
    >>> from skactive.stopping import CoverageRadius
    >>> rule = CoverageRadius(1.5)
    >>> X = [[0.0], [1.0], [2.0], [10.0]]
    >>> history = [
    ...     {"measures": rule.of_selection(CoreSetSelector(budget=n).fit(X))} for n in (2, 3)
    ... ]
    >>> history
    [{'measures': {'covering_radius': 2.0}}, {'measures': {'covering_radius': 1.0}}]
    >>> rule.reason(history)
    'The covering radius is 1, the limit is 1.5.'
    """

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def check(self) -> None:
        """Refuse anything but a positive number."""
        check_number(self.radius, "radius")

    def of_selection(self, selector: Any) -> dict[str, float]:
        """The covering radius."""
        final = _final(selector)
        if final is None:
            return {}
        _check_has(self, final, ("covering_radius_",), "CoreSetSelector")
        return {_RADIUS: float(final.covering_radius_)}

    def reason(self, history: list[dict[str, Any]]) -> str | None:
        """Compare the latest measure."""
        values = measured(history, _RADIUS)
        if not values or not values[-1] <= self.radius:  # nor with NaN
            return None
        return f"The covering radius is {values[-1]:.4g}, the limit is {self.radius:.4g}."


def _final(selector: Any) -> Any:
    return selector.steps[-1][1] if isinstance(selector, Pipeline) else selector


def _check_has(rule: StoppingRule, selector: Any, names: tuple[str, ...], suited: str) -> None:
    missing = [name for name in names if not hasattr(selector, name)]
    if missing:
        raise ValueError(
            f"stopping == {rule!r} reads {', '.join(missing)} of the selector, which "
            f"{type(selector).__name__} does not have. Use {suited} as selector, or another rule, "
            "such as StablePredictions()."
        )
