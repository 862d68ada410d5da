"""Annotations by one or more people, and the answers they amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from skactive._answers import DONT_KNOW, Answers
from skactive._validation import check_choice
from skactive.annotations._records import Annotation, Unused
from skactive.oracles._consensus import METHODS, Consensus, consensus


class Annotations:
    """What people have said about rows, as read from a file.

    Parameters
    ----------
    annotations : list of Annotation
        At most one for each person and row.
    report : list of Unused
        What else the file holds, and why it gives no label.
    labels : sequence or None, default=None
        The labels that were allowed.

    Attributes
    ----------
    annotations, report, labels
        As given. Every annotation of the file is in exactly one of the first two.

    Examples
    --------
    >>> from skactive.annotations import Annotation, Annotations
    >>> read = Annotations(
    ...     [Annotation(7, "cat", "ann"), Annotation(7, "dog", "bob"), Annotation(8, "dog", "bob")],
    ...     [],
    ... )
    >>> read.answers().indices, read.answers().labels
    ([8], ['dog'])
    >>> [unused.reason for unused in read.disagreements()]
    ['disagreement', 'disagreement']
    """

    def __init__(
        self,
        annotations: list[Annotation],
        report: list[Unused],
        labels: Sequence[Any] | None = None,
    ) -> None:
        self.annotations = annotations
        self.report = report
        self.labels = labels

    def __len__(self) -> int:
        return len(self.annotations)

    def __repr__(self) -> str:
        counts = Counter(unused.reason for unused in self.report)
        unused = ", ".join(f"{n} {reason}" for reason, n in counts.items()) or "none"
        return f"<{len(self)} annotations of {len(self.ids)} rows; not used: {unused}>"

    @property
    def ids(self) -> list[Any]:
        """Rows with annotations, in the order of the file."""
        return list(self._by_row())

    def disagreements(self) -> list[Unused]:
        """Annotations of the rows about which people disagree.

        Returns
        -------
        unused : list of Unused
            Those that `answers` leaves out unless it is asked for a consensus.
        """
        found = []
        for group in self._by_row().values():
            if len(_labels_of(group)) > 1:
                said = ", ".join(f"{a.annotator or 'somebody'}: {a.label!r}" for a in group)
                message = f"People disagree ({said}). Ask for a consensus, or settle it."
                found += [
                    Unused("disagreement", message, a.id, a.annotator, a.place, a) for a in group
                ]
        return found

    def answers(
        self,
        *,
        consensus: str | None = None,
        pred_probs: Any = None,
        classes: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> Answers:
        """One answer for each row, for ``loop.tell`` or as an oracle's reply.

        Where somebody has marked annotations as the truth, only these count. A don't-know counts
        only where nobody knows.

        Parameters
        ----------
        consensus : {"majority_vote", "crowdlab"} or None, default=None
            What to do about rows on which people disagree, see
            :func:`skactive.oracles.consensus`. None leaves them out; `disagreements` lists them.
        pred_probs : array-like of shape (n_rows, n_classes), default=None
            For the consensus: probabilities of the classes for the rows in the order of `ids`.
        classes : array-like of shape (n_classes,), default=None
            What the columns of `pred_probs` stand for.
        random_state : int, RandomState instance or None, default=None
            Breaks ties of the consensus.

        Returns
        -------
        answers : Answers
            Each costs as much as it has annotations. The details hold the votes, and who gave
            them when. Where several labels may be chosen a label is a list of 0 and 1, one for
            each of `labels`.

        Raises
        ------
        ImportError
            If a consensus is asked for without cleanlab.
        ValueError
            If the consensus cannot be computed, or several labels may be chosen and `labels` is
            not known.
        """
        by_row = self._by_row()
        agreed = None
        if consensus is not None:
            check_choice(consensus, "consensus", METHODS)
            agreed = _consensus(by_row, consensus, pred_probs, classes, random_state)
        indices, labels, details = [], [], []
        for place, (name, group) in enumerate(by_row.items()):
            known = _labels_of(group)
            if len(known) > 1 and agreed is None:
                continue
            label = known[0] if known else DONT_KNOW
            detail = _detail(group)
            if len(known) > 1 and agreed is not None:
                label = agreed.labels[place]
                detail["agreement"] = float(agreed.agreement[place])
            indices.append(name)
            labels.append(self._indicator(label))
            details.append(detail)
        costs = np.array([float(len(by_row[name])) for name in indices])
        return Answers(indices, labels, costs, details)

    def _by_row(self) -> dict[Any, list[Annotation]]:
        rows: dict[Any, list[Annotation]] = {}
        for annotation in self.annotations:
            rows.setdefault(annotation.id, []).append(annotation)
        return rows

    def _indicator(self, label: Any) -> Any:
        if not isinstance(label, tuple):
            return label
        if self.labels is None:
            raise ValueError(
                "labels is None, must list all labels where several may be chosen, one for each "
                "output. Read the file with labels=[...]."
            )
        return [int(name in label) for name in self.labels]


def _counting(group: list[Annotation]) -> list[Annotation]:
    """Those of a row that count."""
    truths = [annotation for annotation in group if annotation.ground_truth]
    return truths or group


def _labels_of(group: list[Annotation]) -> list[Any]:
    """Different labels of a row, without don't-knows."""
    found: list[Any] = []
    for annotation in _counting(group):
        if annotation.label is not DONT_KNOW and annotation.label not in found:
            found.append(annotation.label)
    return found


def _consensus(
    by_row: dict[Any, list[Annotation]],
    method: str,
    pred_probs: Any,
    classes: Any,
    random_state: int | np.random.RandomState | None,
) -> Consensus | None:
    """One column a person; those without a name share columns by their place in the row."""
    columns: dict[Any, int] = {}
    places: list[list[tuple[int, Any]]] = []
    for group in by_row.values():
        votes = []
        for n, annotation in enumerate(_counting(group)):
            if isinstance(annotation.label, tuple):
                raise ValueError(
                    f"consensus == {method!r} is for a single label a row; row {annotation.id!r} "
                    "has several. Settle the rows in disagreements() by hand."
                )
            person = n if annotation.annotator is None else annotation.annotator
            votes.append((columns.setdefault(person, len(columns)), annotation.label))
        places.append(votes)
    if not places:
        return None
    table = np.full((len(places), len(columns)), None, dtype=object)
    for row, votes in enumerate(places):
        for column, label in votes:
            table[row, column] = label
    return consensus(
        table, method=method, pred_probs=pred_probs, classes=classes, random_state=random_state
    )


def _detail(group: list[Annotation]) -> dict[str, Any]:
    """Who said what, as JSON."""
    kept = []
    for annotation in group:
        entry = annotation._asdict()
        label = None if annotation.label is DONT_KNOW else annotation.label
        kept.append({**entry, "label": label})
        del kept[-1]["id"]
    return {"annotations": kept}
