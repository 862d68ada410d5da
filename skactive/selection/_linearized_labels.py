"""What a label can be at a row, given the outputs of a network there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._ties import RELATIVE_TOLERANCE, first_minimum
from skactive.selection._linearized_posterior import Response

# Probabilities along the first axis from outputs along the first axis.
ProbabilityRule = Callable[[Tensor], Tensor]


class Candidates(NamedTuple):
    """Outputs at some candidates, each of shape (n_candidates, n_outputs)."""

    outputs: Tensor  # of the present model, which say how likely a label is
    predicted: Tensor  # after retraining on the labeled rows, before the candidate's own label


class NetworkLabels(ABC):
    """Targets for the outputs of a network, and beliefs about those not known yet."""

    classes: NDArray[Any] | None = None
    # Whether `benefit` counts right predictions, to be averaged, or sums another quantity.
    counts_accuracy = False
    # Whether the most likely label is news, which a prediction itself is not.
    likely_is_news = True

    @abstractmethod
    def most_likely(self, at: Candidates) -> Tensor:
        """Target outputs of the most likely labels, of shape (n_candidates, n_outputs)."""

    @abstractmethod
    def expected_change(self, at: Candidates, response: Response, pending: Tensor) -> Tensor:
        """Mean length of the outputs' change, of shape (n_candidates, n_reference).

        Parameters
        ----------
        at : Candidates
        response : Response
            Of the reference rows to their labels.
        pending : tensor of shape (n_outputs, 1, n_reference)
            The change by the labeled rows alone.
        """

    @abstractmethod
    def benefit(self, at: Candidates, response: Response, predicted: Tensor) -> Tensor:
        """What labels are expected to be worth, summed over the reference rows.

        Parameters
        ----------
        at : Candidates
        response : Response
        predicted : tensor of shape (n_outputs, 1, n_reference)
            Outputs after retraining on the labeled rows alone.

        Returns
        -------
        benefit : tensor of shape (n_candidates,)
        """


class ClassLabels(NetworkLabels):
    """One of several classes.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    codes : tensor of shape (n_classes, n_outputs)
        Target outputs of each class.
    probabilities : ProbabilityRule
    """

    counts_accuracy = True

    def __init__(
        self, classes: NDArray[Any], codes: Tensor, probabilities: ProbabilityRule
    ) -> None:
        self.classes = classes
        self.codes = codes
        self._probabilities = probabilities

    def most_likely(self, at: Candidates) -> Tensor:
        probabilities = self._probabilities(at.outputs.T).T
        return self.codes[first_minimum(-probabilities, probabilities.new_ones(1, 1))]

    def expected_change(self, at: Candidates, response: Response, pending: Tensor) -> Tensor:
        probabilities = self._probabilities(at.outputs.T)
        expected = pending.new_zeros(len(at.outputs), pending.shape[2])
        for code, probability in zip(self.codes, probabilities, strict=True):
            change = response.moved(code - at.predicted).add_(pending)
            expected += probability[:, None] * torch.linalg.vector_norm(change, dim=0)
        return expected

    def benefit(self, at: Candidates, response: Response, predicted: Tensor) -> Tensor:
        """Expected number of reference rows that are then right, by the network's own account."""
        probabilities = self._probabilities(at.outputs.T)
        expected = predicted.new_zeros(len(at.outputs))
        for code, probability in zip(self.codes, probabilities, strict=True):
            outputs = response.moved(code - at.predicted).add_(predicted)
            expected += probability * self._probabilities(outputs).amax(0).sum(1)
        return expected


class IndicatorLabels(NetworkLabels):
    """Several labels at once, each present or absent, independent of the others.

    Parameters
    ----------
    absent, present : float
        The two targets of an output.
    probability : ProbabilityRule
        Of presence, from outputs of any shape.
    """

    counts_accuracy = True

    def __init__(self, absent: float, present: float, probability: ProbabilityRule) -> None:
        self.absent, self.present = absent, present
        self._probability = probability

    def most_likely(self, at: Candidates) -> Tensor:
        likely = self._probability(at.outputs) > 0.5 + RELATIVE_TOLERANCE
        return self._mean(likely.to(at.outputs.dtype))

    def expected_change(self, at: Candidates, response: Response, pending: Tensor) -> Tensor:
        """Root mean square: the mean itself would run over 2^n_outputs sets of labels."""
        p = self._probability(at.outputs)
        change = response.moved(self._mean(p) - at.predicted).add_(pending)
        variances = (self.present - self.absent) ** 2 * p * (1 - p)
        return change.square_().add_(response.spread(variances)).sum(0).sqrt()

    def benefit(self, at: Candidates, response: Response, predicted: Tensor) -> Tensor:
        """Expected number of right rows, averaged over the outputs.

        While one label is given a value, the others keep their mean.
        """
        p = self._probability(at.outputs)
        expected = predicted.new_zeros(len(p))
        for column in range(p.shape[1]):
            for value, probability in (
                (self.present, p[:, column]),
                (self.absent, 1 - p[:, column]),
            ):
                labels = self._mean(p)
                labels[:, column] = value
                outputs = response.moved(labels - at.predicted)[column] + predicted[column]
                present = self._probability(outputs)
                expected += probability * torch.maximum(present, 1 - present).sum(1)
        return expected / p.shape[1]

    def _mean(self, probability: Tensor) -> Tensor:
        return self.absent + (self.present - self.absent) * probability


class RealLabels(NetworkLabels):
    """Regression: the label is normal around the prediction, with the posterior's variance."""

    likely_is_news = False

    def most_likely(self, at: Candidates) -> Tensor:
        return at.predicted

    def expected_change(self, at: Candidates, response: Response, pending: Tensor) -> Tensor:
        """Root mean square."""
        return (pending.square() + response.explained()).sum(0).sqrt()

    def benefit(self, at: Candidates, response: Response, predicted: Tensor) -> Tensor:
        """The fall of the variance, summed over the rows and averaged over the outputs."""
        return response.explained().mean(0).sum(1)
