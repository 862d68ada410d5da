"""Inputs and labels of a torch Dataset, or of an array, by position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from skactive.embedding._inputs import take_rows


class _InputsOnly(Dataset[Any]):
    """Some items of a dataset without their labels."""

    def __init__(self, dataset: Any, rows: NDArray[np.int64]) -> None:
        self._dataset = dataset
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> Any:
        return _input_of(self._dataset[int(self._rows[i])])


class LabeledInputs:
    """A dataset whose items are inputs, or tuples of an input and a label.

    Parameters
    ----------
    dataset : Dataset, Tensor, ndarray or sequence of inputs
        An array holds inputs alone.
    """

    def __init__(self, dataset: Any) -> None:
        has_positions = hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
        if isinstance(dataset, (IterableDataset, Mapping)) or hasattr(dataset, "iloc"):
            has_positions = False  # items are parts of a stream, or columns
        if not has_positions:
            raise TypeError(
                f"dataset == {dataset!r}, must have __len__ and __getitem__ for rows: they are "
                "picked by their positions, which streams, frames and dicts do not have. Pass a "
                "map-style Dataset, a tensor or an array."
            )
        if len(dataset) == 0:
            raise ValueError("dataset is empty, must hold at least one row.")
        self._dataset = dataset
        self._is_dataset = isinstance(dataset, Dataset)
        # Read by slices, unless a subclass does something else with an item.
        self._tensors = dataset.tensors if type(dataset) is TensorDataset else None

    def __len__(self) -> int:
        return len(self._dataset)

    def has_labels(self) -> bool:
        """Whether items come with labels; reads the first one."""
        if self._tensors is not None:
            return len(self._tensors) > 1
        return self._is_dataset and _is_labeled(self._dataset[0])

    def take(self, rows: NDArray[np.int64]) -> Any:
        """Inputs in a form that a network embedding reads."""
        if self._tensors is not None:
            return take_rows(self._tensors[0], rows)
        if self._is_dataset:
            return _InputsOnly(self._dataset, rows)
        return take_rows(self._dataset, rows)

    def features(self, rows: NDArray[np.int64]) -> Any:
        """The numbers of each input as one row."""
        inputs = self.take(rows)
        if isinstance(inputs, Dataset):
            inputs = np.stack([_numbers(inputs[i]) for i in range(len(rows))])
        matrix = inputs.reshape(len(rows), -1)
        return matrix.detach() if isinstance(matrix, Tensor) else matrix

    def labels(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Labels of some rows."""
        if self._tensors is not None:
            return np.asarray(take_rows(self._tensors[1], rows).detach().cpu())
        labels = [self._dataset[int(row)][1] for row in rows]
        return np.array([y.detach().cpu().numpy() if isinstance(y, Tensor) else y for y in labels])


def _is_labeled(item: Any) -> bool:
    return isinstance(item, (tuple, list)) and len(item) > 1


def _input_of(item: Any) -> Any:
    return item[0] if isinstance(item, (tuple, list)) and len(item) else item


def _numbers(value: Any) -> NDArray[Any]:
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"dataset yields a {type(value).__name__}, must yield arrays of numbers where network "
            "is None. Pass network= to select by its features."
        )
    return array.ravel()
