"""Short texts by which a pool and the parameters of a loop are recognised."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from torch import Tensor, nn

from skactive._dask import is_dask
from skactive.exceptions import JournalError
from skactive.journal._digest import add, new_digest

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


def fingerprint(X: Any) -> str:
    """A text that is the same in all processes for equal contents, and for no others.

    Parameters
    ----------
    X : object
        Arrays of any layout (also memory maps), sparse matrices of any format, tensors on any
        device, pandas and polars frames (without the index), lists and dicts of all of these, and
        anything else that can be pickled. Is not changed; dense data is read in blocks of 8 MiB.
        A dask array or frame has the fingerprint of the same rows in memory, whatever its
        partitions, which are read one after the other.

    Returns
    -------
    digest : str
        32 hexadecimal digits: BLAKE2b over kind, dtype, shape and values.
    """
    digest = new_digest()
    if is_dask(X):
        from skactive.distributed._digest import add_collection

        add_collection(digest, X)
    else:
        add(digest, X)
    text: str = digest.hexdigest()
    return text


def describe_parameters(estimator: Any) -> dict[str, str]:
    """All parameters, those of nested estimators too, as texts without memory addresses.

    Parameters
    ----------
    estimator : object with get_params

    Returns
    -------
    texts : dict of str to str
        Keys as in ``get_params(deep=True)``. Estimators are named by their class, since their
        parameters have keys of their own; random states by their kind alone.
    """
    parameters = estimator.get_params(deep=True)
    listed = {id(value) for value in parameters.values()}
    return {name: _describe(value, listed) for name, value in parameters.items()}


def differences(
    stored: Mapping[str, str], now: Mapping[str, str], free: Collection[str] = ()
) -> list[str]:
    """What has changed between two descriptions, a line for each parameter.

    Parameters
    ----------
    stored, now : mapping of str to str
        From `describe_parameters`.
    free : collection of str
        Parameters that may change, with all that is nested in them.
    """
    return [
        f"{name}: {stored.get(name, 'nothing')} before, {now.get(name, 'nothing')} now"
        for name in sorted(stored.keys() | now.keys())
        if stored.get(name) != now.get(name)
        and not any(name == other or name.startswith(f"{other}__") for other in free)
    ]


def _describe(value: Any, listed: set[int]) -> str:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, list | tuple | set | frozenset | Mapping):
        return _describe_container(value, listed)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, partial):
        parts = [value.func, *value.args, value.keywords]
        return f"partial({', '.join(_describe(part, listed) for part in parts)})"
    if isinstance(value, FrozenEstimator):
        return f"{_path(value)}({_path(value.estimator)}, {_fitted_state(value.estimator)})"
    if isinstance(value, nn.Module):
        return f"{_path(value)}, {_weights(value)}"
    if hasattr(value, "get_params"):
        return _describe_estimator(value, listed)
    return _describe_other(value)


def _describe_container(value: Any, listed: set[int]) -> str:
    kind = type(value).__name__
    if isinstance(value, Mapping):
        entries = [f"{_describe(k, listed)}: {_describe(v, listed)}" for k, v in value.items()]
        return f"{kind}({', '.join(sorted(entries))})"
    entries = [_describe(entry, listed) for entry in value]
    if isinstance(value, set | frozenset):
        entries.sort()
    return f"{kind}({', '.join(entries)})"


def _describe_estimator(value: Any, listed: set[int]) -> str:
    if id(value) in listed or isinstance(value, type):
        return _path(value)
    inner = describe_parameters(value)
    return f"{_path(value)}({', '.join(f'{name}={text}' for name, text in inner.items())})"


def _describe_other(value: Any) -> str:
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return type(value).__name__
    if isinstance(value, np.generic):
        return repr(value.item())
    package = type(value).__module__.split(".")[0]
    if isinstance(value, np.ndarray | Tensor) or package in ("pandas", "polars", "scipy"):
        if hasattr(value, "shape"):
            shape = tuple(value.shape)
            return f"{type(value).__name__} of shape {shape}, {fingerprint(value)}"
    text = repr(value)
    return _path(value) if _ADDRESS.search(text) else f"{_path(value)} {text}"


def _fitted_state(estimator: Any) -> str:
    """What a frozen estimator has learned."""
    module = getattr(estimator, "module_", None)
    if isinstance(module, nn.Module):  # of a skorch net, whose history holds timings
        return _weights(module)
    try:
        return fingerprint(vars(estimator))
    except JournalError:
        return "in a state that cannot be compared"


def _weights(module: nn.Module) -> str:
    structure = _ADDRESS.sub("", str(module))
    return fingerprint([structure, dict(module.state_dict())])


def _path(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
