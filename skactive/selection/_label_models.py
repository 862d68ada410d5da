"""What a label can be at a row, given the outputs of a ridge regression there."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._ties import RELATIVE_TOLERANCE, first_minimum
from skactive.exceptions import ColdStartWarning
from skactive.selection._label_values import known_labels


class LabelModel(ABC):
    """The labels as numbers, and beliefs about those not known yet.

    Parameters
    ----------
    targets : tensor of shape (n_labeled, n_outputs)
        The known labels as the ridge sees them.
    """

    classes: NDArray[Any] | None = None
    # Whether `benefit` counts right predictions, to be averaged, or sums another quantity.
    counts_accuracy = False

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets

    @abstractmethod
    def most_likely(self, outputs: Tensor) -> Tensor:
        """Most likely labels, of shape (n_rows, n_outputs) as the outputs."""

    @abstractmethod
    def expected_residual(self, outputs: Tensor, variance: Tensor) -> Tensor:
        """E‖y' - f‖ over the labels y' a row may have, of shape (n_rows,).

        `variance` of shape (n_rows,) is that of an observation: posterior variance plus noise.
        """

    def likely_residual(self, outputs: Tensor, variance: Tensor) -> Tensor:
        """‖y' - f‖ for the most likely label y', of shape (n_rows,)."""
        residual: Tensor = torch.linalg.vector_norm(self.most_likely(outputs) - outputs, dim=1)
        return residual

    def benefit(
        self, weights: Tensor, variance: Tensor, outputs: Tensor, reference_outputs: Tensor
    ) -> Tensor:
        """What the labels of some rows are expected to be worth at the reference rows.

        Where the error is not defined, the change that the most likely label makes.

        Parameters
        ----------
        weights : tensor of shape (n_rows, n_reference)
            Change of the outputs at the reference rows per unit of residual at the rows.
        variance : tensor of shape (n_rows,)
            Variance of an observation at the rows.
        outputs : tensor of shape (n_rows, n_outputs)
        reference_outputs : tensor of shape (n_reference, n_outputs)

        Returns
        -------
        benefit : tensor of shape (n_rows,)
            Summed over the reference rows.
        """
        return self.likely_residual(outputs, variance) * weights.abs().sum(1)


class FirstLabel(LabelModel):
    """Nothing is known yet: whatever the first label is, it lies one unit from f = 0."""

    def most_likely(self, outputs: Tensor) -> Tensor:
        return outputs

    def likely_residual(self, outputs: Tensor, variance: Tensor) -> Tensor:
        return torch.ones_like(variance)

    def expected_residual(self, outputs: Tensor, variance: Tensor) -> Tensor:
        return torch.ones_like(variance)


class OneHotClasses(LabelModel):
    """One of several classes; the ridge sees one column of 0 and 1 for each."""

    def __init__(self, targets: Tensor, classes: NDArray[Any]) -> None:
        super().__init__(targets)
        self.classes = classes
        self.counts_accuracy = len(classes) > 1  # a single class is never wrong

    def most_likely(self, outputs: Tensor) -> Tensor:
        best = first_minimum(-outputs, outputs.new_ones(1, 1))  # rounding must not choose
        return torch.nn.functional.one_hot(best, outputs.shape[1]).to(outputs.dtype)

    def expected_residual(self, outputs: Tensor, variance: Tensor) -> Tensor:
        one_hot = torch.eye(outputs.shape[1], dtype=outputs.dtype, device=outputs.device)
        residuals = torch.cdist(outputs, one_hot, compute_mode="donot_use_mm_for_euclid_dist")
        return (self._probabilities(outputs) * residuals).sum(1)

    def benefit(
        self, weights: Tensor, variance: Tensor, outputs: Tensor, reference_outputs: Tensor
    ) -> Tensor:
        """Expected number of reference rows that are then right, by the ridge's own account.

        A label c' moves output c by weight · (δ_cc' - f_c(x')), so that all outputs but one
        are the same for all c': a first sweep over the classes finds their sum and their two
        largest values, a second one replaces the output of each c' in turn.
        """
        if not self.counts_accuracy:
            return super().benefit(weights, variance, outputs, reference_outputs)
        total, first, second = (torch.zeros_like(weights) for _ in range(3))
        lowered, raised, largest = (torch.empty_like(weights) for _ in range(3))
        for column in range(outputs.shape[1]):
            _lowered(weights, outputs, reference_outputs, column, out=lowered).clamp_(0, 1)
            torch.maximum(second, torch.minimum(first, lowered, out=largest), out=second)
            torch.maximum(first, lowered, out=first)
            total += lowered
        both = first.add_(second)
        expected = torch.zeros_like(variance)
        probabilities = self._probabilities(outputs)
        for column in range(outputs.shape[1]):
            _lowered(weights, outputs, reference_outputs, column, out=lowered)
            torch.add(lowered, weights, out=raised).clamp_(0, 1)
            lowered.clamp_(0, 1)
            # The largest of the other classes: `second` if this is `first`, else `first`.
            torch.sub(both, torch.maximum(second, lowered, out=largest), out=largest)
            torch.maximum(largest, raised, out=largest)
            accuracy = self._share(largest, raised.sub_(lowered).add_(total))
            expected += probabilities[:, column] * accuracy.sum(1)
        return expected

    def _probabilities(self, outputs: Tensor) -> Tensor:
        clipped = outputs.clamp(0, 1)
        return self._share(clipped, clipped.sum(1, keepdim=True))

    def _share(self, part: Tensor, total: Tensor) -> Tensor:
        """part / total; all classes alike where the outputs are 0 but for rounding."""
        if float(total.amin()) > RELATIVE_TOLERANCE:  # nearly always, and without a mask
            return part / total
        alike = part.new_tensor(1.0 / self.targets.shape[1])
        return torch.where(total > RELATIVE_TOLERANCE, part / total, alike)


class Indicators(LabelModel):
    """Several labels at once, each present (1) or absent (0), independent of the others."""

    counts_accuracy = True

    def most_likely(self, outputs: Tensor) -> Tensor:
        return (outputs > 0.5 + RELATIVE_TOLERANCE).to(outputs.dtype)

    def expected_residual(self, outputs: Tensor, variance: Tensor) -> Tensor:
        """Root mean square: the mean itself would run over 2^n_outputs sets of labels."""
        present = outputs.clamp(0, 1)
        squares = present * (1 - outputs) ** 2 + (1 - present) * outputs**2
        return squares.sum(1).sqrt()

    def benefit(
        self, weights: Tensor, variance: Tensor, outputs: Tensor, reference_outputs: Tensor
    ) -> Tensor:
        """Expected number of right rows, averaged over the columns."""
        expected = torch.zeros_like(variance)
        for column in range(outputs.shape[1]):
            lowered = _lowered(weights, outputs, reference_outputs, column)
            raised = (lowered + weights).clamp_(0, 1)
            lowered.clamp_(0, 1)
            present = outputs[:, column].clamp(0, 1)
            expected += present * torch.maximum(raised, 1 - raised).sum(1)
            expected += (1 - present) * torch.maximum(lowered, 1 - lowered).sum(1)
        return expected / outputs.shape[1]


class RealValues(LabelModel):
    """Regression: the label is normal around the output."""

    def most_likely(self, outputs: Tensor) -> Tensor:
        return outputs

    def likely_residual(self, outputs: Tensor, variance: Tensor) -> Tensor:
        """The expected one: the most likely label is the output itself and changes nothing."""
        return self.expected_residual(outputs, variance)

    def expected_residual(self, outputs: Tensor, variance: Tensor) -> Tensor:
        k = outputs.shape[1]
        mean_norm = math.sqrt(2) * math.exp(math.lgamma((k + 1) / 2) - math.lgamma(k / 2))
        return mean_norm * variance.sqrt()

    def benefit(
        self, weights: Tensor, variance: Tensor, outputs: Tensor, reference_outputs: Tensor
    ) -> Tensor:
        """The fall of the summed variance."""
        return weights.square().sum(1) * variance


def _lowered(
    weights: Tensor,
    outputs: Tensor,
    reference_outputs: Tensor,
    column: int,
    out: Tensor | None = None,
) -> Tensor:
    """One output at the reference rows after a label 0 in its column, of the weights' shape."""
    base = reference_outputs[None, :, column]
    return torch.addcmul(base, weights, outputs[:, column, None], value=-1, out=out)


def read_labels(
    y_labeled: Any, labeled: NDArray[np.int64], device: torch.device, owner: str
) -> LabelModel:
    """The model for the given labels.

    Parameters
    ----------
    y_labeled : array-like of shape (n_labeled,) or (n_labeled, n_outputs), or None
        None means that nothing is labeled.
    labeled : ndarray of shape (n_labeled,)
        Rows of the labels.
    device : torch.device
    owner : str
        Name of the selector, for the warning that nothing is labeled.
    """
    if y_labeled is None:
        warnings.warn(
            f"No row is labeled, so {owner} scores rows by the change that the first label makes. "
            "Pass y and labeled, or choose the first rows with a selector that needs no labels, "
            "such as CoreSetSelector.",
            ColdStartWarning,
            stacklevel=2,
        )
        return FirstLabel(torch.empty(0, 0, dtype=torch.float64, device=device))
    values, kind = known_labels(y_labeled, labeled)
    if kind in ("binary", "multiclass"):
        classes, codes = np.unique(values.reshape(-1), return_inverse=True)
        one_hot = np.eye(len(classes))[codes.reshape(-1)]
        return OneHotClasses(torch.tensor(one_hot, device=device), classes)
    if kind == "multilabel-indicator" and np.isin(values, (0, 1)).all():
        return Indicators(_as_targets(values, device))
    if kind in ("continuous", "continuous-multioutput"):
        return RealValues(_as_targets(values, device))
    raise ValueError(
        f"y must hold classes of shape (n_samples,), indicators 0 and 1 of shape (n_samples, "
        f"n_labels), or real numbers; got {kind} labels of shape {values.shape}. Encode several "
        "outputs with sklearn.preprocessing.MultiLabelBinarizer."
    )


def _as_targets(values: NDArray[Any], device: torch.device) -> Tensor:
    columns = values.reshape(len(values), -1).astype(np.float64)
    return torch.tensor(columns, device=device)
