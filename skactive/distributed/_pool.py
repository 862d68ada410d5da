"""A selection problem over the parts of a pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive._rows import Rows
from skactive.distributed._partitions import Partitions


@dataclass(frozen=True)
class PartitionedPool:
    """One checked selection problem over parts; compare `Pool`."""

    parts: Partitions
    labeled: NDArray[np.int64]
    """Positions of the labeled rows."""
    y_labeled: Any
    """Their labels; None when no `y` was given."""
    targets: Rows | None
    """Rows of `X_target`, checked; None means the pool."""
    estimator: Any
    zeros: NDArray[np.int64]
    """Positions of the rows of norm 0."""
    n_picks: int
    random_state: np.random.RandomState

    @property
    def n_candidates(self) -> int:
        return self.parts.n_samples - len(self.labeled)

    @property
    def n_directed_candidates(self) -> int:
        """Rows that may be picked and have a direction."""
        return self.n_candidates - len(np.setdiff1d(self.zeros, self.labeled))
