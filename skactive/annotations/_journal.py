"""Questions of a journal that wait for people, and their answers written into it."""

from __future__ import annotations

import ast
import math
import re
from typing import Any, NamedTuple

from skactive._answers import DONT_KNOW, Answers
from skactive.annotations._annotations import Annotations
from skactive.annotations._records import Unused
from skactive.journal import read_journal


class Question(NamedTuple):
    """A row that has been asked."""

    row: int  # position in the pool
    id: Any
    score: float | None
    selected_by: str


class JournalView(NamedTuple):
    """What a journal knows of questions and answers."""

    n_samples: int
    has_ids: bool
    questions: list[Question]
    answers: dict[Any, Any]  # by id: the label, or DONT_KNOW; labels owned before among them
    classes: list[Any] | None  # labels that the loop allows, as far as that can be read

    @property
    def open(self) -> list[Question]:
        """Questions without an answer, in the order asked."""
        return [question for question in self.questions if question.id not in self.answers]

    @property
    def is_numeric(self) -> bool:
        """Whether the labels known are numbers; people's labels are texts at first."""
        known = [label for label in self.answers.values() if label is not DONT_KNOW]
        return bool(known) and all(
            isinstance(label, int | float) and not isinstance(label, bool) for label in known
        )


class Recorded(NamedTuple):
    """What became of the answers."""

    n_new: int
    n_changed: int
    n_known: int  # the journal had the same answer before
    report: list[Unused]


def view_journal(journal: Any) -> JournalView:
    """Read a journal; JournalError where there is none."""
    tables = read_journal(journal)
    questions = [
        Question(
            question["row"],
            question["id"],
            None if math.isnan(question["gain"]) else question["gain"],
            question["selected_by"],
        )
        for question in tables["questions"]
    ]
    answers = {
        answer["id"]: DONT_KNOW if answer["unknown"] else answer["label"]
        for answer in tables["answers"]
    }
    header = tables["header"][0]
    return JournalView(
        header["n_samples"],
        header["ids"] is not None,
        questions,
        answers,
        _classes(header["parameters"].get("classes", "")),
    )


def _classes(description: str) -> list[Any] | None:
    """The loop's `classes`, where they are described by all of them."""
    found = re.fullmatch(r"(?:list|tuple)\((.+)\)", description, re.DOTALL)
    if found is None:
        return None
    try:
        values = ast.literal_eval(f"[{found[1]}]")
    except (ValueError, SyntaxError):
        return None
    is_plain = all(isinstance(value, str | int | float) for value in values)
    return values if is_plain and len(set(map(str, values))) == len(values) else None


def record_answers(
    annotations: Annotations,
    journal: Any,
    *,
    consensus: str | None = None,
    random_state: int | None = 0,
    replace: bool = False,
    dry_run: bool = False,
) -> Recorded:
    """Write answers into a journal, those that it has already left out.

    Answers that differ from the journal's are in the report unless `replace` is true.
    """
    report = [] if consensus is not None else annotations.disagreements()
    answers = annotations.answers(consensus=consensus, random_state=random_state)
    view = view_journal(journal)
    new: list[int] = []
    changed: list[int] = []
    for place, (name, label) in enumerate(zip(answers.indices, answers.labels, strict=True)):
        if name not in view.answers:
            new.append(place)
        elif _same(view.answers[name], label):
            continue
        elif replace:
            changed.append(place)
        else:
            report.append(_answered_otherwise(name, view.answers[name], label))
    told = new + changed
    if told and not dry_run:
        _tell(answers, told, journal, replace)
    n_known = (
        len(answers.indices)
        - len(told)
        - sum(unused.reason == "answered otherwise" for unused in report)
    )
    return Recorded(len(new), len(changed), n_known, report)


def _same(before: Any, now: Any) -> bool:
    """Whether two answers are one; labels of several outputs are lists or arrays."""
    if before is DONT_KNOW or now is DONT_KNOW:
        return before is now
    if isinstance(before, str) or isinstance(now, str):
        return isinstance(before, str) and isinstance(now, str) and before == now
    return bool(before == now)


def _answered_otherwise(name: Any, before: Any, now: Any) -> Unused:
    message = f"The journal has {before!r}, the file {now!r}. To correct the journal, replace it."
    return Unused("answered otherwise", message, name, content=now)


def _tell(answers: Answers, places: list[int], journal: Any, replace: bool) -> None:
    """By a loop that only hands answers on."""
    from sklearn.dummy import DummyClassifier

    from skactive._loop import ActiveLearningLoop

    loop = ActiveLearningLoop(DummyClassifier(), journal=journal)
    loop.tell(
        [answers.indices[place] for place in places],
        [answers.labels[place] for place in places],
        costs=answers.costs[places],
        details=[answers.details[place] for place in places],
        replace=replace,
    )
