"""A network that is retrained in thought: linear in its weights around those it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._memory import check_memory
from skactive.embedding._inputs import n_rows, take_rows
from skactive.embedding._tangent_kernel import TangentKernel
from skactive.embedding._view import NetworkView
from skactive.selection._linearized_coupled import CoupledPosterior
from skactive.selection._linearized_labels import Candidates
from skactive.selection._linearized_posterior import TangentPrior
from skactive.selection._linearized_separate import SeparatePosterior
from skactive.selection._linearized_targets import read_targets
from skactive.selection._lookahead_models import LookAheadModel

_EXAMPLES = 3  # rows by which a kernel finds shapes
# Relative errors of scores: in units of rounding at least, and absolutely at most.
_LEAST_ERRORS = 8.0
_LARGEST_ERROR = 1e-4


class LinearizedNetwork(LookAheadModel):
    r"""Outputs after retraining on the labeled rows and further labels, by the tangent kernel.

    Parameters
    ----------
    view : NetworkView
    kind : {"pntk", "diagonal", "full"}
    X : raw inputs of the pool
    y_labeled : array-like or None
    labeled : ndarray of shape (n_labeled,)
    rows : ndarray of shape (n_rows,)
        Sorted rows of the pool: all that will be candidates or reference.
    noise_ratio : float
    learns : bool
        Whether rows are going to be learned: all covariances are then kept.
    """

    def __init__(
        self,
        view: NetworkView,
        kind: str,
        X: Any,
        y_labeled: Any,
        labeled: NDArray[np.int64],
        rows: NDArray[np.int64],
        noise_ratio: float,
        *,
        learns: bool,
    ) -> None:
        self._view = view
        with view.untouched():
            inputs = view.prepare(X)
            kernel = make_tangent_kernel(view, kind, inputs)
            outputs = network_outputs(view, inputs)
            refuse_shares(view, kind, outputs)
            self._labels, targets = read_targets(view, outputs, y_labeled, labeled)
            self.classes = self._labels.classes
            self.counts_accuracy = self._labels.counts_accuracy
            # Errors of the kernel are relative to prior variances, but divided by those left.
            amplified = max(_LEAST_ERRORS, 1 / noise_ratio) * torch.finfo(view.dtype).eps
            self.rounding = min(amplified, _LARGEST_ERROR)
            variances, self.noise_variance = prior_variances(kernel, kind, inputs, noise_ratio)
            places = torch.as_tensor(rows, device=outputs.device)
            prior = TangentPrior(
                kernel, inputs, rows, _of_rows(variances, places, kind), self.noise_variance
            )
            posterior = CoupledPosterior if kind == "full" else SeparatePosterior
            known = outputs[torch.as_tensor(labeled, device=outputs.device)]
            self._posterior = posterior(prior, labeled, targets - known)
            self._rows = rows
            self._outputs = outputs[places]
            self._pending = self._posterior.pending
            if learns:
                self._posterior.hold()

    def scores(
        self, criterion: str, candidates: NDArray[np.int64], reference: NDArray[np.int64]
    ) -> Tensor:
        with self._view.untouched():
            return super().scores(criterion, candidates, reference)

    def changes(
        self, candidates: NDArray[np.int64], reference: NDArray[np.int64], *, expected: bool
    ) -> Tensor:
        rows, others = self._places(candidates), self._places(reference)
        at = self._candidates(rows)
        pending = _outputs_first(self._pending[others])
        sums = self._outputs.new_zeros(len(rows))
        if expected or not self._labels.likely_is_news:
            for some, columns, response in self._posterior.responses(rows, others):
                part = Candidates(at.outputs[some], at.predicted[some])
                change = self._labels.expected_change(part, response, pending[:, :, columns])
                sums[some] += change.sum(1)
            return sums
        residuals = self._labels.most_likely(at) - at.predicted
        for some, columns, moved in self._posterior.moved_by(rows, others, residuals):
            change = moved + pending[:, :, columns]
            sums[some] += torch.linalg.vector_norm(change, dim=0).sum(1)
        return sums

    def benefits(self, candidates: NDArray[np.int64], reference: NDArray[np.int64]) -> Tensor:
        rows, others = self._places(candidates), self._places(reference)
        at = self._candidates(rows)
        predicted = _outputs_first((self._outputs + self._pending)[others])
        benefits = self._outputs.new_zeros(len(rows))
        for some, columns, response in self._posterior.responses(rows, others):
            part = Candidates(at.outputs[some], at.predicted[some])
            benefits[some] += self._labels.benefit(part, response, predicted[:, :, columns])
        return benefits / len(others) if self.counts_accuracy else benefits

    def learn(self, row: int) -> None:
        place = self._places(np.array([row]))
        at = self._candidates(place)
        residual = self._labels.most_likely(at) - at.predicted
        moved = self._posterior.moved_everywhere(int(place[0]), residual)
        # From here on the change is measured against this retrained model.
        self._outputs = self._outputs + self._pending + moved
        self._pending = torch.zeros_like(self._outputs)
        self._posterior.condition_on(int(place[0]))

    def _candidates(self, places: NDArray[np.int64]) -> Candidates:
        outputs = self._outputs[places]
        return Candidates(outputs, outputs + self._pending[places])

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self._rows, rows)


def network_outputs(view: NetworkView, inputs: Any) -> Tensor:
    """float64 outputs at prepared inputs, of shape (n_samples, n_outputs)."""
    batches = view.batches(inputs, view.batch_size(inputs))
    return torch.cat([view.call(batch).double() for batch in batches])


def make_tangent_kernel(view: NetworkView, kind: str, inputs: Any) -> TangentKernel:
    """The tangent kernel of a network that reads such inputs."""
    example = take_rows(inputs, np.arange(min(_EXAMPLES, n_rows(inputs))))
    return TangentKernel(view, kind, example)


def refuse_shares(view: NetworkView, kind: str, outputs: Tensor) -> None:
    """The kernel "pntk" is 0 where outputs are probabilities."""
    if kind == "pntk" and view.are_shares(outputs):
        raise ValueError(
            "ntk == 'pntk' is the kernel of the summed outputs, but the network's outputs are "
            "probabilities, whose sum never changes. Choose ntk='diagonal' or 'full', or train a "
            "network without the softmax at its end, with CrossEntropyLoss."
        )


def prior_variances(
    kernel: TangentKernel, kind: str, inputs: Any, noise_ratio: float
) -> tuple[Tensor, float]:
    """Prior variance of every row as the kernel gives it, and the noise in its unit.

    The unit is the mean over rows and outputs.
    """
    n_samples = n_rows(inputs)
    numbers = {"pntk": 1, "diagonal": kernel.n_outputs, "full": kernel.n_outputs**2}[kind]
    check_memory(
        2 * 8 * numbers * n_samples,
        torch.device("cpu"),
        f"The variance of {kernel.n_outputs} outputs at {n_samples} rows",
        "Pass a part of the pool, or choose ntk='pntk'.",
    )
    variances = kernel.diagonal(inputs)
    diagonals = variances.diagonal(dim1=1, dim2=2) if kind == "full" else variances
    scale = float(diagonals.mean())
    return variances, noise_ratio * (scale if scale > 0 else 1.0)


def _of_rows(variances: Tensor, places: Tensor, kind: str) -> Tensor:
    return variances[:, places] if kind == "diagonal" else variances[places]


def _outputs_first(values: Tensor) -> Tensor:
    """Of shape (n_outputs, 1, n_rows) for (n_rows, n_outputs)."""
    return values.T[:, None, :].contiguous()
