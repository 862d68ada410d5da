"""The search for rows whose predicted values are unlike those known already."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool
from skactive._greedy import GreedySelector
from skactive._rows import Rows
from skactive._shortlist import Rivals
from skactive._ties import SCORE_TOLERANCE


class Sampled(NamedTuple):
    """What one block of picks hands to the next, for all rows or those of a shortlist."""

    rows: Rows  # between which distances are measured
    values: Tensor  # (n_rows,) predictions
    nearest: Tensor  # (n_rows,) scores
    diameter: float  # bound of the distances between rows


class ValueSampling(GreedySelector[Sampled]):
    """Greedy sampling by predicted values, weighed by distances where there is a metric.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        Predictions.
    labels : ndarray of shape (n_labeled,)
    error : float
        By how much predictions may be off by rounding.
    metric : {"euclidean", "cosine"} or None
    unit_norm : bool
        Whether rows without direction come last.
    verbose : bool
    """

    def __init__(
        self,
        values: NDArray[np.float64],
        labels: NDArray[np.float64],
        error: float,
        *,
        metric: str | None,
        unit_norm: bool,
        verbose: bool,
    ) -> None:
        self.values = values
        self.labels = labels
        self.error = error
        self.metric = metric
        self.unit_norm = unit_norm
        self.verbose = verbose

    def _uses_unit_norm(self) -> bool:
        return self.unit_norm

    def _start(self, pool: Pool) -> Sampled:
        rows = pool.rows.unit() if self.metric == "cosine" else pool.rows
        values = torch.from_numpy(self.values).to(rows.device)
        diameter = 1.0
        if self.metric is not None:
            diameter = 2 * float(rows.distances(rows.mean()[None, :]).max())
        return Sampled(rows, values, torch.full_like(values, torch.inf), diameter)

    def _condition(self, state: Sampled, labeled: NDArray[np.int64]) -> Sampled:
        labels = state.values.new_tensor(self.labels)
        return self._lowered(state, labeled, labels)

    def _score(self, state: Sampled) -> Tensor:
        return state.nearest

    def _score_floor(self, state: Sampled, first_score: float) -> float:
        error = self.error * state.diameter
        if self.metric == "cosine":  # the rounding of the units
            error = max(error, 1e-2 * SCORE_TOLERANCE * float(state.values.abs().max()))
        return max(abs(first_score), error / SCORE_TOLERANCE)

    def _step(self, state: Sampled, row: int) -> Sampled:
        picks = np.array([row])
        return self._lowered(state, picks, state.values[picks])

    # Several picks for one sweep over the pool

    def _restrict(self, state: Sampled, rows: NDArray[np.int64]) -> Sampled:
        places = torch.as_tensor(rows)
        points = state.rows.take(rows) if self.metric is not None else state.values[places, None]
        return state._replace(
            rows=Rows(points.cpu(), torch.device("cpu")),
            values=state.values[places].cpu(),
            nearest=state.nearest[places].cpu(),
        )

    def _scores_only_fall(self) -> bool:
        return True

    def _advance(
        self, state: Sampled, picks: NDArray[np.int64], rivals: Rivals | None
    ) -> tuple[Sampled, int]:
        return self._lowered(state, picks, state.values[picks]), len(picks)

    def _lowered(self, state: Sampled, known: NDArray[np.int64], labels: Tensor) -> Sampled:
        """The state once the labels of further rows are known."""
        if self.metric is None:
            found = _nearest_number(state.values, labels)
            return state._replace(nearest=torch.minimum(state.nearest, found))
        nearest = state.nearest.clone()
        points = state.rows.take(known)
        for part, piece in state.rows.parts(len(points)):
            products = piece.distances(points)
            products *= (state.values[part, None] - labels).abs_()
            nearest[part] = torch.minimum(nearest[part], products.amin(1))
        return state._replace(nearest=nearest)


def _nearest_number(values: Tensor, others: Tensor) -> Tensor:
    """Distance of each number to the nearest of the others, of shape (n_values,)."""
    ordered = others.sort().values
    above = torch.searchsorted(ordered, values).clamp_(max=len(ordered) - 1)
    below = (above - 1).clamp_(min=0)
    return torch.minimum((values - ordered[above]).abs(), (values - ordered[below]).abs())
