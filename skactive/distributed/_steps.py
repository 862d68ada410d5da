"""Steps of a Pipeline over a pool that is not in memory."""

from __future__ import annotations

from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from skactive._dask import is_dask
from skactive.distributed._blockwise import holds_network, map_rows
from skactive.distributed._rows_of import is_frame, known_lengths, with_lengths
from skactive.embedding import NetworkEmbedding

# Their transformers would make a NumPy array of the pool.
_IN_MEMORY = ("sklearn", "skactive", "skorch", "imblearn")


def fit_step(step: Any, X: Any, example: Any, name: str, fit_params: dict[str, Any]) -> Any:
    """Fit a step that has no use for labels.

    Parameters
    ----------
    step : transformer
        Unfitted, or frozen.
    X : dask array or data frame
        Read by steps that know what to do with it.
    example : array or frame of one row
        Read by steps that learn nothing but the shape.
    name : str
        Of the step, for the error.
    fit_params : dict
    """
    if isinstance(step, FrozenEstimator):
        return step
    if isinstance(step, NetworkEmbedding) or not get_tags(step).requires_fit:
        return step.fit(example, **fit_params)
    if _reads_memory(step):
        raise TypeError(
            f"Step {name!r}, {step!r}, cannot be fitted to a dask pool without loading all of "
            "it. Fit it to a sample of the rows and pass FrozenEstimator(step), which then "
            "transforms partition by partition; or use a step that takes dask collections, such "
            "as those of dask_ml; or transform the pool before."
        )
    return step.fit(X, **fit_params)


def transform_step(step: Any, X: Any, example: Any, *, fitted_to_dask: bool) -> Any:
    """The pool after a fitted step: lazily."""
    if not (fitted_to_dask and _takes_dask(step)):
        return map_rows(step.transform, X, example, in_turn=holds_network(step))
    X_new = step.transform(X)
    lengths = known_lengths(X)
    if is_dask(X_new) and not is_frame(X_new) and lengths is not None:
        return with_lengths(X_new, lengths) if known_lengths(X_new) is None else X_new
    return X_new


def _takes_dask(step: Any) -> bool:
    is_stateless = isinstance(step, (FrozenEstimator, NetworkEmbedding))
    return not is_stateless and bool(get_tags(step).requires_fit) and not _reads_memory(step)


def _reads_memory(step: Any) -> bool:
    return type(step).__module__.split(".")[0] in _IN_MEMORY
