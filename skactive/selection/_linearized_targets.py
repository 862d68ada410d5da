"""Labels read as targets for the outputs of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._ties import RELATIVE_TOLERANCE
from skactive.embedding._view import NetworkView
from skactive.selection._label_values import label_array, refuse_missing_labels
from skactive.selection._linearized_labels import (
    ClassLabels,
    IndicatorLabels,
    NetworkLabels,
    ProbabilityRule,
    RealLabels,
)


def read_targets(
    view: NetworkView, outputs: Tensor, y_labeled: Any, labeled: NDArray[np.int64]
) -> tuple[NetworkLabels, Tensor]:
    """What kind of labels a network has, and the known ones as target outputs.

    Parameters
    ----------
    view : NetworkView
    outputs : tensor of shape (n_samples, n_outputs)
        Of the network at the pool.
    y_labeled : array-like of shape (n_labeled,) or (n_labeled, n_outputs), or None
        None means that nothing is labeled.
    labeled : ndarray of shape (n_labeled,)
        Rows of the labels, for errors.

    Returns
    -------
    labels : NetworkLabels
    targets : tensor of shape (n_labeled, n_outputs)
    """
    values = None if y_labeled is None else _read_values(y_labeled, labeled)
    if values is not None and values.ndim == 2:
        return _read_columns(view, outputs, values)
    if _are_quantities(view, outputs.shape[1], values):
        targets = _as_columns(values if values is None else values[:, None], outputs)
        return RealLabels(), targets
    labels = _class_labels(view, outputs)
    if values is None:
        return labels, outputs.new_empty(0, outputs.shape[1])
    return labels, labels.codes[_positions(values, labels.classes, labeled)]


def _read_values(y_labeled: Any, labeled: NDArray[np.int64]) -> NDArray[Any]:
    values = label_array(y_labeled)
    refuse_missing_labels(values, labeled)
    # Labels of a column of objects become numbers or strings.
    values = np.asarray(values.tolist())
    if values.ndim > 2:
        raise ValueError(
            f"y must be of shape (n_samples,) or (n_samples, n_outputs); got labels of shape "
            f"{values.shape}. Flatten what belongs to one row."
        )
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _read_columns(
    view: NetworkView, outputs: Tensor, values: NDArray[Any]
) -> tuple[NetworkLabels, Tensor]:
    """One label for every output."""
    if values.shape[1] != outputs.shape[1]:
        raise ValueError(
            f"y must have one column for each of the network's {outputs.shape[1]} outputs, or be "
            f"one column of classes; got {values.shape[1]} columns. Pass y as the network was "
            "trained with."
        )
    targets = _as_columns(values, outputs)
    if view.is_regressor or not bool(((targets == 0) | (targets == 1)).all()):
        if view.classes is not None:
            raise ValueError(
                "y must hold classes, or 0 and 1 in several columns, since the network is a "
                f"classifier; got {values.dtype} labels of shape {values.shape}. Use a regressor "
                "such as skorch.NeuralNetRegressor for quantities."
            )
        return RealLabels(), targets
    if bool(((outputs >= 0) & (outputs <= 1)).all()):
        return IndicatorLabels(0.0, 1.0, _clipped), targets
    return IndicatorLabels(-1.0, 1.0, torch.sigmoid), 2 * targets - 1


def _are_quantities(view: NetworkView, n_outputs: int, values: NDArray[Any] | None) -> bool:
    if view.is_regressor:
        return True
    if view.classes is not None or n_outputs > 1:
        return False
    # One output of a network that does not say what it is.
    return values is None or (values.dtype.kind in "iuf" and not np.isin(values, (0, 1)).all())


def _as_columns(values: NDArray[Any] | None, outputs: Tensor) -> Tensor:
    if values is None:
        return outputs.new_empty(0, outputs.shape[1])
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"y must hold numbers for this network; got labels of type {values.dtype}. Pass y as "
            "the network was trained with."
        )
    targets = torch.tensor(values.astype(np.float64), device=outputs.device)
    if targets.shape[1] != outputs.shape[1]:
        raise ValueError(
            f"y must have one column for each of the network's {outputs.shape[1]} outputs; got "
            "one column. Pass y as the network was trained with."
        )
    return targets


def _class_labels(view: NetworkView, outputs: Tensor) -> ClassLabels:
    n_outputs = outputs.shape[1]
    classes = _output_classes(view, max(2, n_outputs))
    codes = torch.eye(len(classes), dtype=outputs.dtype, device=outputs.device)
    if n_outputs > 1:
        return ClassLabels(classes, codes, _rule_of_several(view, outputs))
    if bool((view.probabilities(outputs)[:, 1:] == outputs).all()):
        return ClassLabels(classes, codes[:, 1:], _from_probability)
    # A logit is the difference of the two outputs of a softmax, and so are its targets.
    return ClassLabels(classes, 2 * codes[:, 1:] - 1, _from_logit)


def _output_classes(view: NetworkView, n_classes: int) -> NDArray[Any]:
    """The class of each output. The net may not have seen all of them."""
    numbers = np.arange(n_classes)
    seen = view.classes
    if seen is None or (np.asarray(seen).dtype.kind in "biuf" and np.isin(seen, numbers).all()):
        return numbers
    if len(seen) != n_classes:
        raise ValueError(
            f"The network's {n_classes} classes cannot be told from its classes_ == "
            f"{np.asarray(seen).tolist()}. Train it on the numbers 0 to {n_classes - 1}."
        )
    return np.asarray(seen)


def _positions(
    values: NDArray[Any], classes: NDArray[Any] | None, labeled: NDArray[np.int64]
) -> Tensor:
    assert classes is not None
    positions = {label: place for place, label in enumerate(classes.tolist())}
    for row, label in zip(labeled, values.tolist(), strict=True):
        if label not in positions:
            raise ValueError(
                f"y must hold classes of the network, {classes.tolist()}; got {label!r} in row "
                f"{row}. Encode y as the network was trained with."
            )
    return torch.tensor([positions[label] for label in values.tolist()], dtype=torch.long)


def _rule_of_several(view: NetworkView, outputs: Tensor) -> ProbabilityRule:
    """How outputs become probabilities, decided once: changed outputs look different."""
    if view.are_shares(outputs):
        return _shares
    expected = view.probabilities(outputs)
    if torch.allclose(expected, outputs.softmax(1), rtol=0, atol=view.tolerance):
        return _softmax

    def by_the_net(values: Tensor) -> Tensor:
        rows = values.movedim(0, -1)
        probabilities = view.probabilities(rows.reshape(-1, values.shape[0]))
        return probabilities.reshape(*rows.shape[:-1], -1).movedim(-1, 0)

    return by_the_net


def _softmax(outputs: Tensor) -> Tensor:
    return outputs.softmax(0)


def _shares(outputs: Tensor) -> Tensor:
    """Changed probabilities may leave [0, 1]; all classes alike where nothing is left."""
    clipped = outputs.clamp(0, 1)
    total = clipped.sum(0)
    alike = clipped.new_tensor(1 / len(outputs))
    return torch.where(
        total > RELATIVE_TOLERANCE, clipped / total.clamp_min(RELATIVE_TOLERANCE), alike
    )


def _from_logit(outputs: Tensor) -> Tensor:
    return torch.cat([(-outputs).sigmoid(), outputs.sigmoid()])


def _from_probability(outputs: Tensor) -> Tensor:
    present = outputs.clamp(0, 1)
    return torch.cat([1 - present, present])


def _clipped(outputs: Tensor) -> Tensor:
    return outputs.clamp(0, 1)
