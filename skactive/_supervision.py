"""Which steps of a Pipeline learn from labels or from a model."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Any

from sklearn.feature_selection import SelectFromModel, SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from skactive._shorthand import estimator_for, needs_model


def requires_labels(step: Any) -> bool:
    """Whether a transformer's ``fit`` needs labels, by its tags or by those of its parts."""
    if step is None or isinstance(step, (str, FrozenEstimator)):
        return False
    if get_tags(step).target_tags.required:
        return True
    score_func = getattr(step, "score_func", None)
    if callable(score_func):  # SelectKBest requires what its score requires
        positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
        required = [
            parameter
            for parameter in signature(score_func).parameters.values()
            if parameter.kind in positional and parameter.default is Parameter.empty
        ]
        return len(required) > 1
    return any(requires_labels(part) for part in _parts(step))


def _parts(step: Any) -> list[Any]:
    """What a composite that does not tell by its own tags is made of."""
    if isinstance(step, (SelectFromModel, SequentialFeatureSelector)):
        return [step.estimator]
    for name in ("steps", "transformer_list", "transformers"):
        if hasattr(step, name):
            return [part[1] for part in getattr(step, name)]
    return []


def depends_on_round(step: Any) -> bool:
    """Whether a step is fitted each round anew."""
    # An embedding with a network of its own takes the model, but has no use for it.
    if hasattr(step, "_needs_model"):
        return needs_model(step)
    return requires_labels(step) or bool(estimator_for(step, None))
