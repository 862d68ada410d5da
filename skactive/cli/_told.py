"""Answers from other programs, told to the journal of a loop."""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skactive.cli._console import UsageError, say

if TYPE_CHECKING:
    from skactive.annotations import Annotations, Unused
    from skactive.annotations._journal import JournalView

_SHOWN = 5  # of each kind


def label_list(text: str) -> list[str]:
    """Labels between commas; quotes protect commas."""
    labels = [label.strip() for label in next(csv.reader([text], skipinitialspace=True), [])]
    if "" in labels or len(set(labels)) < max(len(labels), 1):
        raise argparse.ArgumentTypeError(f"{text!r} must be different labels, such as yes,no")
    return labels


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """Which files to read, and what to do with what is in them."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="files that people have labeled")
    parser.add_argument("--journal", required=True, help="journal of the loop that has asked")
    parser.add_argument(
        "--dry-run", action="store_true", help="report what would be done, and do nothing"
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="correct answers in the journal that differ (default: they are reported)",
    )
    parser.add_argument(
        "--consensus",
        action="store_true",
        help="where people disagree, take the label with most votes (needs cleanlab; default: "
        "such rows are reported)",
    )
    parser.add_argument(
        "--report", metavar="FILE", help="write all that was not used to this .csv, .json or .jsonl"
    )
    group = parser.add_argument_group("labels")
    group.add_argument(
        "--labels",
        type=label_list,
        metavar="A,B,C",
        help="labels allowed (default: those of the loop, if it has classes, else any)",
    )
    group.add_argument(
        "--numbers", action="store_true", help="labels are numbers (default: as in the journal)"
    )
    group.add_argument(
        "--dont-know",
        default="?",
        metavar="WORD",
        help="what says that nobody can label the row (default: %(default)s)",
    )
    parser.add_argument("--encoding", help="of the files (default: UTF-8)")


def read_and_tell(
    options: argparse.Namespace,
    read: Callable[[str, list[Any], list[Any] | None, bool], Annotations],
) -> int:
    """Read the files, tell the journal, and print what became of it all.

    `read` gets a file, the ids asked, the labels allowed, and whether labels are numbers.
    """
    from skactive.annotations._collect import combine
    from skactive.annotations._journal import record_answers, view_journal
    from skactive.files._writing import check_output

    if options.labels and options.numbers:
        raise UsageError("--labels and --numbers exclude each other. Leave one of them out.")
    if options.report is not None:
        check_output(options.report)
    view = view_journal(options.journal)
    ids = [question.id for question in view.questions]
    labels, is_numeric = _label_kind(options, view)
    parts = []
    for file in options.files:
        parts.append(read(file, ids, labels, is_numeric))
        say(f"{file}: {parts[-1]!r}")
    annotations = combine(parts, options.files)
    recorded = record_answers(
        annotations,
        options.journal,
        consensus="majority_vote" if options.consensus else None,
        replace=options.replace,
        dry_run=options.dry_run,
    )
    unused = [*annotations.report, *recorded.report]
    _print_unused(unused)
    if options.report is not None:
        _write_report(unused, options.report)
    would = "would be " if options.dry_run else ""
    counts = Counter(str(annotation.label) for annotation in annotations.annotations)
    print(f"labels: {', '.join(f'{label} {n}' for label, n in counts.most_common()) or 'none'}")
    print(f"{recorded.n_new} new {would}recorded, {recorded.n_changed} {would}corrected")
    print(f"{recorded.n_known} recorded before, {len(unused)} entries not used")
    print(f"{len(view_journal(options.journal).open)} rows wait for a label")
    return 0


def _label_kind(options: argparse.Namespace, view: JournalView) -> tuple[list[Any] | None, bool]:
    """Labels allowed, and whether they are numbers."""
    from skactive.annotations._labels import LabelReader

    is_numeric = options.numbers or view.is_numeric
    if options.labels is None:
        return (None if options.numbers else view.classes), is_numeric
    if not is_numeric:
        return options.labels, False
    reader = LabelReader(None, numeric=True, dont_know=None)
    return [reader.of_text(label) for label in options.labels], True


def _print_unused(unused: Sequence[Unused]) -> None:
    """The first of each kind, and how many there are."""
    reasons: dict[str, list[Unused]] = {}
    for entry in unused:
        reasons.setdefault(entry.reason, []).append(entry)
    for reason, entries in reasons.items():
        print(f"{reason}: {len(entries)}")
        for entry in entries[:_SHOWN]:
            row = "" if entry.id is None else f"row {entry.id!r}: "
            place = f"{entry.place}: " if entry.place else ""
            print(f"  {place}{row}{entry.message}")
        if len(entries) > _SHOWN:
            print(f"  and {len(entries) - _SHOWN} more (all of them: --report FILE)")


def _write_report(unused: Sequence[Unused], path: str) -> None:
    from skactive.files import write_table

    columns = ["reason", "id", "annotator", "place", "message", "content"]
    rows = [{name: _plain(getattr(entry, name)) for name in columns} for entry in unused]
    write_table(Path(path), rows, columns=columns)


def _plain(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else repr(value)
    return text.encode("utf-8", "backslashreplace").decode()
