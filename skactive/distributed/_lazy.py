"""What the picks say of rows that are not in memory: lazily, block by block."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import get_config

from skactive.distributed._blockwise import holds_network, map_rows
from skactive.distributed._rows_of import in_one_column, is_frame

# What ``transform`` and ``represent`` read of what ``fit`` has found.
_NEEDED = (
    "indices_",
    "components_",
    "embedding_",
    "n_features_in_",
    "feature_names_in_",
    "n_samples_fit_",
)


def lazy_rows(selector: Any, method: str, X: Any) -> Any:
    """``transform`` or ``represent`` of a dask array or data frame, as a dask array.

    Nothing of X is computed. Each task reads one block, and the picks with what is known of them,
    which are sent to a worker once.

    Parameters
    ----------
    selector : BaseSelector
        Fitted.
    method : {"transform", "represent"}
    X : dask array or data frame
    """
    if method == "transform":
        _refuse_container(selector)
    if not is_frame(X):
        X = in_one_column(X)
    example = _example_of(X, has_words=hasattr(selector, "embedding_"))
    getattr(selector, method)(example)  # says at once what is wrong with the width or the names
    function = _OfBlock(_light(selector, example), method)
    in_turn = holds_network(getattr(selector, "embedding_", None))
    return map_rows(function, X, example, in_turn=in_turn)


@dataclass(frozen=True)
class _OfBlock:
    """A method of a selector, to be sent."""

    selector: Any
    method: str

    def __call__(self, block: Any) -> Any:
        return getattr(self.selector, self.method)(block)


def _light(selector: Any, example: Any) -> Any:
    """The selector without what it knows of each row of the pool."""
    light = copy(selector)
    for name in vars(selector):
        if name.endswith("_") and not name.startswith("_") and name not in _NEEDED:
            delattr(light, name)
    if not hasattr(light, "embedding_"):
        # Names have been compared; a warning about them in each block would add nothing.
        light.__dict__.pop("feature_names_in_", None)
        if all(isinstance(name, str) for name in getattr(example, "columns", [None])):
            light.feature_names_in_ = np.asarray(example.columns, dtype=object)
    return light


def _example_of(X: Any, *, has_words: bool) -> Any:
    """One row of the same kind, not one of X; objects are words, or numbers."""
    if is_frame(X):
        return X._meta_nonempty.iloc[:1]
    shape = (1, *X.shape[1:])
    if X.dtype.kind in ("OSU" if has_words else "SU"):
        return np.full(shape, "word", dtype=X.dtype)
    row = np.ones(shape, dtype=X.dtype)
    return sparse.csr_matrix(row) if sparse.issparse(X._meta) else row


def _refuse_container(selector: Any) -> None:
    """The rows of a dask array cannot be put into a frame in memory."""
    chosen = getattr(selector, "_sklearn_output_config", {}).get("transform")
    chosen = chosen or get_config()["transform_output"]
    if chosen != "default":
        raise ValueError(
            f"transform of a dask collection returns a dask array; got output {chosen!r} from "
            "set_output or set_config. Choose set_output(transform='default')."
        )
