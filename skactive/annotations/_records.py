"""One annotation, and one that cannot be used."""

from __future__ import annotations

from typing import Any, NamedTuple


class Annotation(NamedTuple):
    """What one person has said about one row.

    Attributes
    ----------
    id : object
        Name of the row.
    label : object
        A label, a tuple of labels where several may be chosen, or ``DONT_KNOW``.
    annotator : str or None
        Who said so, as the file names them; None where it does not.
    created_at, updated_at : str or None
        When, in ISO 8601 as the file has it.
    lead_time : float or None
        Seconds that it took.
    ground_truth : bool
        Whether it has been marked as the truth.
    annotation_id : object
        What the other program calls it.
    place : str
        Where it stands in the file.
    """

    id: Any
    label: Any
    annotator: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    lead_time: float | None = None
    ground_truth: bool = False
    annotation_id: Any = None
    place: str = ""


class Unused(NamedTuple):
    """Something in the file that gives no label, and why.

    Attributes
    ----------
    reason : str
        A word or two to group by: ``"damaged"``, ``"malformed"``, ``"no row id"``,
        ``"unknown row"``, ``"skipped"``, ``"draft"``, ``"empty"``, ``"several labels"``,
        ``"unknown label"``, ``"duplicate"``, ``"replaced"``, ``"contradiction"``,
        ``"disagreement"``, ``"other control"``, ``"answered otherwise"``.
    message : str
        What is wrong, and what to do about it.
    id : object
        Name of the row, as far as it is known.
    annotator : str or None
        Who it is from, as far as that is known.
    place : str
        Where it stands in the file.
    content : object
        The part of the file itself, or the annotation read from it.
    """

    reason: str
    message: str
    id: Any = None
    annotator: str | None = None
    place: str = ""
    content: Any = None
