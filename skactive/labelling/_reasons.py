"""Why a row was picked, in words."""

from __future__ import annotations

import math

_WORDS = {
    "ITLSelector": "of all rows its label was expected to tell most about the others",
    "VTLSelector": "of all rows its label was expected to make the others most certain",
    "CoreSetSelector": "of all rows it was farthest from those picked before",
    "RobustKCenterSelector": "it helps to have a picked row near as many rows as possible",
    "ActiveFTSelector": "it stands for many rows that are like it",
    "MLMOCSelector": "its label was expected to change the model's predictions most",
    "LookAheadSelector": "its label was expected to change the model's predictions most",
    "RandomSelector": "it was drawn at random",
    "random": "it was drawn at random, because the model had too few labels to choose by",
}
_MEASURES = {
    "ITLSelector": "information gain {} nats",
    "VTLSelector": "variance reduced by {}",
    "CoreSetSelector": "distance {}",
    "ActiveFTSelector": "similarity to the centre {}",
}


def reason(selected_by: str, gain: float, rank: int, size: int, batch: int) -> str:
    """A sentence for people.

    Parameters
    ----------
    selected_by : str
        Class name of the selector, or "random".
    gain : float
        Score of the row when it was picked; NaN where there is none.
    rank, size : int
        Place in its batch, from 1, and rows of the batch.
    batch : int
    """
    words = _WORDS.get(selected_by, "it scored best")
    sentence = f"Pick {rank} of {size} in batch {batch}: {words}"
    notes = [] if selected_by in ("random", "RandomSelector") else [selected_by]
    if math.isfinite(gain) and notes:
        notes.append(_MEASURES.get(selected_by, "score {}").format(f"{gain:.3g}"))
    return f"{sentence} ({', '.join(notes)})." if notes else f"{sentence}."
