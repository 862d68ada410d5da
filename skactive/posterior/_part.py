"""What is kept for the rows of a pool, or of a part of it, without the weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive.posterior._observations import Observations, WeightSpaceBatch
from skactive.posterior._proposal import KEPT_ENTRIES, Proposal
from skactive.posterior._running import Running
from skactive.posterior._weights import QuadraticForms


class PartPosterior:
    """Running values of some rows, which follow what is done to `Weights` elsewhere.

    Parameters
    ----------
    rows : Rows
        φ of the part.
    prior_variance : tensor of shape (n_rows,)
    noise_variance : float > 0
    n_targets : int
        As in `Weights`.
    has_targets : bool
        As in `Weights`.
    reduction : tensor of shape (n_rows,) or None
        Prior reduction xᵀGx of the target variance, where that is tracked: from
        ``rows.quadratic_form(G)``, or from ``rows.image_squares(targets)`` where these are few.
    """

    def __init__(
        self,
        rows: Rows,
        prior_variance: Tensor,
        noise_variance: float,
        *,
        n_targets: int,
        has_targets: bool,
        reduction: Tensor | None = None,
    ) -> None:
        self.rows = rows
        self.noise_variance = noise_variance
        self.n_targets = n_targets
        self.has_targets = has_targets
        self.running = Running(prior_variance, rows.squared_norms(), rows.product_error, reduction)

    @property
    def variance(self) -> Tensor:
        """Posterior variance of f at every row, of shape (n_rows,)."""
        return self.running.variance.clamp(min=0.0)

    @staticmethod
    def propose(
        posteriors: Sequence[PartPosterior],
        observations: Sequence[Observations],
        kept_entries: int = KEPT_ENTRIES,
    ) -> Proposal:
        """The same observations in several posteriors of the same rows; see `Proposal`."""
        batches = [
            WeightSpaceBatch(own, posterior.rows)
            for posterior, own in zip(posteriors, observations, strict=True)
        ]
        return Proposal([posterior.running for posterior in posteriors], batches, kept_entries)

    def follow(self, update: Observations | QuadraticForms) -> None:
        """Take the values that the rows have after a change of the weights."""
        if isinstance(update, Observations):
            self.propose([self], [update]).accept()
            return
        variance = self._values(update.variance)
        reduction = None if update.reduction is None else self._values(update.reduction)
        self.running.set_exactly(slice(None), variance, reduction)

    def set_exactly(
        self,
        rows: NDArray[np.int64],
        variance: NDArray[np.float64],
        reduction: NDArray[np.float64] | None,
    ) -> None:
        """Take values without error for some rows, given by their positions in the part."""
        self.running.set_exactly(
            torch.tensor(rows),
            torch.tensor(variance),
            None if reduction is None else torch.tensor(reduction),
        )

    def _values(self, form: Tensor) -> Tensor:
        return self.rows.quadratic_form(form.to(self.rows.device)).clamp_(min=0.0)
