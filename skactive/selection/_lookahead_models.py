"""Models that know how one more label would change them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skactive.selection._kernel_ridge import KernelRidge
from skactive.selection._kernel_selector import KernelPool
from skactive.selection._label_models import LabelModel


class LookAheadModel(ABC):
    """The present model of the labels, asked for what a further label would do to it."""

    classes: NDArray[Any] | None
    # Whether `benefits` are accuracies, or another quantity.
    counts_accuracy: bool
    noise_variance: float
    # Relative error of the scores, where it exceeds that of float64 sums.
    rounding: float = 0.0
    score_error: float = 0.0  # of the latest scores

    def scores(
        self, criterion: str, candidates: NDArray[np.int64], reference: NDArray[np.int64]
    ) -> Tensor:
        """What each candidate is worth, of shape (n_candidates,)."""
        if criterion == "expected_error":
            scores = self.benefits(candidates, reference)
        else:
            expected = criterion == "expected_output_change"
            scores = self.changes(candidates, reference, expected=expected)
        self.score_error = self.rounding * float(scores.abs().max())
        return scores

    @abstractmethod
    def changes(
        self, candidates: NDArray[np.int64], reference: NDArray[np.int64], *, expected: bool
    ) -> Tensor:
        """Change of the outputs by the label of each candidate, summed over the reference.

        Parameters
        ----------
        candidates, reference : ndarrays of shape (n_candidates,) and (n_reference,)
            Rows of the pool, none of them labeled.
        expected : bool
            Whether to average over the labels a candidate may have, or to take the likely one.

        Returns
        -------
        changes : tensor of shape (n_candidates,)
        """

    @abstractmethod
    def benefits(self, candidates: NDArray[np.int64], reference: NDArray[np.int64]) -> Tensor:
        """Accuracy over the reference after the label of each candidate, or what stands for it."""

    @abstractmethod
    def learn(self, row: int) -> None:
        """Take the most likely label of a row for its label."""


class RidgeLookAhead(LookAheadModel):
    """Kernel ridge regression of the labels on features.

    Parameters
    ----------
    view : KernelPool
        Rows, kernel and noise.
    labeled : ndarray of shape (n_labeled,)
        Positions of the labeled rows.
    labels : LabelModel
        Their labels, and beliefs about the others.
    n_expected : int
        How many rows are going to be learned.
    """

    def __init__(
        self, view: KernelPool, labeled: NDArray[np.int64], labels: LabelModel, n_expected: int
    ) -> None:
        self.classes = labels.classes
        self.counts_accuracy = labels.counts_accuracy
        self.noise_variance = view.noise_variance
        self._labels = labels
        self._ridge = KernelRidge(view, labeled, labels.targets, n_expected)

    def changes(
        self, candidates: NDArray[np.int64], reference: NDArray[np.int64], *, expected: bool
    ) -> Tensor:
        variance = self._ridge.variance[candidates] + self.noise_variance
        outputs = self._ridge.outputs(candidates)
        residual = self._labels.expected_residual if expected else self._labels.likely_residual
        sums = self._ridge.absolute_sums(candidates, reference)
        return residual(outputs, variance) / variance * sums

    def benefits(self, candidates: NDArray[np.int64], reference: NDArray[np.int64]) -> Tensor:
        variance = self._ridge.variance[candidates] + self.noise_variance
        outputs = self._ridge.outputs(candidates)
        others = self._ridge.outputs(reference).T.contiguous().T  # read one column at a time
        benefits = variance.new_zeros(len(candidates))
        for rows, columns, covariances in self._ridge.covariances(candidates, reference):
            weights = covariances / variance[rows, None]
            benefits[rows] += self._labels.benefit(
                weights, variance[rows], outputs[rows], others[columns]
            )
        return benefits / len(reference) if self.counts_accuracy else benefits

    def learn(self, row: int) -> None:
        outputs = self._ridge.outputs(np.array([row]))
        self._ridge.add(row, self._labels.most_likely(outputs))
