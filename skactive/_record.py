"""What happens in a loop, in the order in which it happens: the questions and the answers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Header(NamedTuple):
    """What a record belongs to."""

    pool: str  # fingerprint of X
    n_samples: int
    ids: str | None  # fingerprint
    parameters: dict[str, str]
    seed: int | None  # from which all others are derived; None where nothing is seeded


class Asked(NamedTuple):
    """A batch of questions."""

    batch: int  # 1, 2, ...
    rows: NDArray[np.int64]
    ids: list[Any] | None
    gains: NDArray[np.float64]  # score of each pick; NaN where it has none
    selected_by: str
    n_told: int  # number of the last answers known when the rows were picked
    measures: dict[str, float]  # of stopping rules
    seconds: float  # that selecting took


class Told(NamedTuple):
    """Answers that came in together; number 0 is what was known before the first question."""

    number: int
    rows: NDArray[np.int64]
    labels: NDArray[Any] | None  # of these rows; None where there are none
    unknown: NDArray[np.int64]  # rows that nobody can label
    costs: NDArray[np.float64]  # of the rows, then of the unknown ones
    details: list[dict[str, Any] | None]  # likewise
    seconds: float  # that the oracle took; 0 where nobody waited for it
    replaces: bool = False  # whether rows that had an answer before have this one now
