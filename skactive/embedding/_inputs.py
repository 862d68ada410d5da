"""Batches of whatever a network reads: arrays of any shape, tensors, dicts of them, Datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import gen_batches
from skorch.dataset import Dataset as SkorchDataset
from skorch.dataset import unpack_data
from skorch.utils import to_tensor
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset

_CHECKED_ROWS = 1024  # rows looked at together

# One argument of `forward`, or its keyword arguments.
Batch = Tensor | dict[str, Tensor]


def n_rows(X: Any) -> int:
    """How many samples raw inputs hold."""
    if isinstance(X, IterableDataset):
        raise TypeError(
            f"X == {X!r} is an IterableDataset, whose rows have no positions. Pass a Dataset with "
            "__len__ and __getitem__, or an array."
        )
    if isinstance(X, Dataset):
        return len(X)  # type: ignore[arg-type]
    if isinstance(X, Mapping):
        lengths = {name: len(values) for name, values in X.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(
                f"X is a dict whose entries must be of the same length; got {lengths}. Give each "
                "sample a row in every entry."
            )
        return next(iter(lengths.values()))
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def as_array(X: Any) -> Any:
    """Array-likes as arrays, numbers held as objects as numbers; anything else as it is."""
    if isinstance(X, (Dataset, Tensor)):
        return X
    if isinstance(X, Mapping):
        return {name: as_array(values) for name, values in X.items()}
    try:
        X = X.to_numpy() if hasattr(X, "iloc") else np.asarray(X)
    except ValueError:
        return X  # rows of different lengths, for a collate function
    if X.dtype.kind != "O":
        return X
    try:
        return X.astype(np.float64)
    except (TypeError, ValueError):
        return X  # texts, which are refused by name when they are read


def single_rows(batch: Batch) -> Iterator[Batch]:
    """Each row as a batch of its own."""
    for i in range(n_rows(batch)):
        if isinstance(batch, dict):
            yield {name: values[i : i + 1] for name, values in batch.items()}
        else:
            yield batch[i : i + 1]


def take_rows(X: Any, rows: NDArray[np.int64]) -> Any:
    """Some rows of raw inputs, in the given order."""
    if isinstance(X, Dataset):
        return Subset(X, rows.tolist())
    if isinstance(X, Mapping):
        return {name: take_rows(values, rows) for name, values in X.items()}
    if isinstance(X, Tensor):
        return X[torch.as_tensor(rows, device=X.device)]
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    return X[rows] if isinstance(X, np.ndarray) else np.asarray(X)[rows]


class Reader:
    """Cuts raw inputs into batches on the network's device.

    Parameters
    ----------
    module : nn.Module
        The network; its parameters say which device and floating-point type it takes.
    net : NeuralNet or None
        The skorch net around it, whose own Dataset and collate function then apply.
    """

    def __init__(self, module: nn.Module, net: Any, device: torch.device, dtype: torch.dtype):
        self._net = net
        self._device = device
        self._dtype = dtype
        # Embedding tables are indexed by whole numbers; elsewhere these are quantities.
        reads_indices = any(
            isinstance(m, (nn.Embedding, nn.EmbeddingBag)) for m in module.modules()
        )
        self._keeps_integers = net is not None or reads_indices

    def batches(self, X: Any, batch_size: int) -> Iterator[Batch]:
        """All rows in order, `batch_size` at a time."""
        if self._reads_slices(X):
            for start in range(0, n_rows(X), batch_size):
                yield self._placed(_sliced(X, slice(start, start + batch_size)))
            return
        for batch in self._loader(X, batch_size):
            yield self._placed(_input_of(batch))

    def _reads_slices(self, X: Any) -> bool:
        """Whether rows can be cut out at once, not one by one through a Dataset."""
        if isinstance(X, Dataset):
            return False
        if self._net is None:
            return True
        is_plain = self._net.dataset is SkorchDataset and self._collate() is None
        arrays = X.values() if isinstance(X, Mapping) else [X]
        return is_plain and all(isinstance(values, (np.ndarray, Tensor)) for values in arrays)

    def _collate(self) -> Any:
        return getattr(self._net, "iterator_valid__collate_fn", None)

    def _loader(self, X: Any, batch_size: int) -> DataLoader[Any]:
        dataset = X if self._net is None else self._net.get_dataset(X)
        # A generator of its own: a loader draws a seed, even where it has no workers.
        return DataLoader(
            dataset,
            batch_size=batch_size,
            collate_fn=self._collate(),
            generator=torch.Generator(),
        )

    def _placed(self, batch: Any) -> Batch:
        if isinstance(batch, Mapping):
            # A float in the place of a mask would mean something else.
            return {n: self._cast(v, n, keeps_booleans=True) for n, v in batch.items()}
        return self._cast(batch, "X")

    def _cast(self, values: Any, name: str, *, keeps_booleans: bool = False) -> Tensor:
        if isinstance(values, np.ndarray):
            _refuse_text(values, name)
            # A copy: torch warns of arrays it must not write to, and knows no negative strides.
            values = native_copy(values)
        tensor = to_tensor(values, device=self._device)
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{name} gives the network a {type(tensor).__name__}, must be a tensor or a dict "
                "of tensors. Return such batches from the Dataset or its collate function."
            )
        if keeps_booleans and tensor.dtype == torch.bool:
            return tensor
        quantity = tensor.is_floating_point() or not (tensor.is_complex() or self._keeps_integers)
        return tensor.to(self._dtype) if quantity else tensor


def native_copy(values: NDArray[Any]) -> NDArray[Any]:
    """A copy in an order of bytes and of a width that torch knows."""
    dtype = values.dtype.newbyteorder("=")
    if dtype.kind == "f" and dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    return np.array(values, dtype=dtype, order="C")


def _input_of(batch: Any) -> Any:
    """What the network reads of a batch from a Dataset: without its labels."""
    if isinstance(batch, (tuple, list)) and len(batch) == 1:
        return batch[0]
    is_pair = isinstance(batch, (tuple, list)) and len(batch) == 2
    return unpack_data(batch)[0] if is_pair else batch


def _sliced(X: Any, rows: slice) -> Any:
    if isinstance(X, Mapping):
        return {name: _sliced(values, rows) for name, values in X.items()}
    return X.detach()[rows] if isinstance(X, Tensor) else X[rows]


def _refuse_text(values: NDArray[Any], name: str) -> None:
    if values.dtype.kind in "OUSV":
        raise ValueError(
            f"{name} must hold numbers; got an array of type {values.dtype}. Encode texts first, "
            "for instance as token numbers."
        )


def refuse_sparse(X: Any) -> None:
    """Networks read dense inputs."""
    if isinstance(X, Tensor) and X.layout != torch.strided:
        raise TypeError(
            f"X is a tensor of layout {X.layout}, must be dense: networks read dense inputs. Pass "
            "X.to_dense(), or a Dataset that makes rows dense one by one."
        )
    if sparse.issparse(X):
        raise TypeError(
            "X is a sparse matrix, must be dense: networks read dense inputs. Pass X.toarray(), or "
            "a Dataset that makes rows dense one by one."
        )


def refuse_missing(X: NDArray[Any]) -> None:
    """Refuse NaN and infinity, which layers such as maxima may hide."""
    if X.dtype.kind != "f":
        return
    finite = [
        np.isfinite(X[rows]).reshape(rows.stop - rows.start, -1).all(1)
        for rows in gen_batches(len(X), _CHECKED_ROWS)
    ]
    bad = np.flatnonzero(~np.concatenate(finite))
    if len(bad):
        raise ValueError(
            f"X must be finite; got NaN or infinity in {len(bad)} of {len(X)} rows, first in row "
            f"{bad[0]}. Impute them (sklearn.impute.SimpleImputer) or drop the rows."
        )
