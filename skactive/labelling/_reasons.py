"""Why a row was picked, in words."""

from __future__ import annotations

import math

_WORDS = {
    "ALFAMixSelector": "mixed with a known class it changes sides, and it stands for others",
    "ActiveFTSelector": "it stands for many rows that are like it",
    "AutoSelector": "it was best by the rule that suits the labels so far",
    "BADGESelector": "the model is unsure of it, in another way than of the other picks",
    "BALDSelector": "the members of the model disagree on it",
    "CTLSelector": "it goes along with what is to be predicted",
    "CoreSetSelector": "of all rows it was farthest from those picked before",
    "CosineSimilaritySelector": "it is like what is to be predicted",
    "DropQuerySelector": "the model is easily unsettled about it, and it stands for others",
    "ExpectedModelChangeSelector": "its label was expected to change the model most",
    "FacilityLocationSelector": "it stands for many rows that no pick was like before",
    "GreedySamplingSelector": "of all rows it was farthest from those known",
    "ITLSelector": "of all rows its label was expected to tell most about the others",
    "InformationDensitySelector": "the model is unsure of it, and many rows are like it",
    "KMeansSelector": "it stands for many rows that are like it",
    "LCMDSelector": "it was far from the picks where they explain least",
    "LeverageScoreSelector": "it was drawn, with the chance that its influence deserves",
    "MLMOCSelector": "its label was expected to change the model's predictions most",
    "ProbCoverSelector": "many rows are close to it that were close to no pick before",
    "RandomSelector": "it was drawn at random",
    "TypiClustSelector": "it is typical of a group of rows that had few labels",
    "UncertaintySelector": "of all rows the model was least sure of it",
    "VTLSelector": "of all rows its label was expected to make the others most certain",
    "VarianceSelector": "of all rows the model was least sure of it",
    "random": "it was drawn at random, because the model had too few labels to choose by",
}
_MEASURES = {
    "ITLSelector": "information gain {} nats",
    "VTLSelector": "variance reduced by {}",
    "CoreSetSelector": "distance {}",
    "ActiveFTSelector": "similarity to the centre {}",
    "KMeansSelector": "{} rows",
    "ProbCoverSelector": "{} rows",
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
