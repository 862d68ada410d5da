"""``skactive labelstudio``: tasks for Label Studio, and annotations from there."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from skactive.cli._asked import add_export_options, asked_rows, write_output
from skactive.cli._console import UsageError, say
from skactive.cli._told import add_import_options, label_list, read_and_tell

if TYPE_CHECKING:
    from skactive.annotations import Annotations


def add_parser(subparsers: Any) -> None:
    """The options."""
    parser = subparsers.add_parser(
        "labelstudio",
        help="have rows labeled in Label Studio, by files",
        description="Write the rows that a loop has asked as tasks for Label Studio, and tell "
        "the loop what people have answered there. No connection to a server is needed.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_export(actions.add_parser("export", help="write the rows that wait for a label as tasks"))
    _add_import(
        actions.add_parser("import", help="tell the loop what was exported as JSON or JSON-MIN")
    )


def run(options: argparse.Namespace) -> int:
    """Export or import."""
    return _export(options) if options.action == "export" else _import(options)


def _add_export(parser: argparse.ArgumentParser) -> None:
    add_export_options(parser)
    parser.add_argument(
        "--image-prefix",
        default="/data/local-files/?d=",
        metavar="TEXT",
        help="what Label Studio finds the folder of images under (default: %(default)s)",
    )
    group = parser.add_argument_group("the labeling configuration of the project")
    group.add_argument("--config", metavar="FILE", help="write it to this file")
    group.add_argument("--labels", type=label_list, metavar="A,B,C", help="labels to choose from")
    group.add_argument("--numbers", action="store_true", help="labels are numbers")
    group.add_argument(
        "--multiple", action="store_true", help="several labels may be chosen for a row"
    )
    group.add_argument(
        "--dont-know",
        default="?",
        metavar="WORD",
        help="choice that says that nobody can label the row (default: %(default)s)",
    )


def _add_import(parser: argparse.ArgumentParser) -> None:
    add_import_options(parser)
    parser.add_argument(
        "--control",
        default="label",
        metavar="NAME",
        help="tag of the labeling configuration that takes the label (default: %(default)s)",
    )
    parser.add_argument(
        "--multiple",
        action="store_true",
        help="several labels may be chosen for a row; needs --labels, all of them in order",
    )


def _export(options: argparse.Namespace) -> int:
    from pathlib import Path

    from skactive._replacing import replacing
    from skactive.files._writing import check_output
    from skactive.labelstudio import export_tasks, labeling_config
    from skactive.labelstudio._tasks import as_json

    if options.labels and options.numbers:
        raise UsageError("--labels and --numbers exclude each other. Leave one of them out.")
    has_labels = bool(options.labels) or options.numbers
    if not has_labels and (options.config or options.predictions):
        raise UsageError("--config and --predictions need --labels A,B,C (or --numbers).")
    for path, format in ((options.output, "json"), (options.config, "json")):
        check_output(path, format)
    asked = asked_rows(options)
    predictions = asked.predictions
    if options.numbers and predictions is not None:
        predictions = [None if label is None else float(label) for label in predictions]
    config = labeling_config(
        asked.kind, options.labels, multiple=options.multiple, dont_know=options.dont_know or None
    )
    tasks = export_tasks(
        asked.ids,
        asked.data,
        options.output,
        kind=asked.kind,
        labels=options.labels,
        scores=asked.scores,
        selected_by=asked.selected_by,
        predictions=predictions,
        prediction_scores=asked.prediction_scores,
        image_prefix=options.image_prefix,
    )
    if options.output is None:
        write_output(as_json(tasks))
    if options.config is not None:
        with replacing(Path(options.config)) as unfinished:
            unfinished.write_text(config + "\n", encoding="utf-8")
        say(f"{options.config}: paste it under Settings, Labeling Interface, Code")
    return 0


def _import(options: argparse.Namespace) -> int:
    if options.multiple and not options.labels:
        raise UsageError("--multiple needs --labels A,B,C, all labels in the order of the outputs.")

    def read(file: str, ids: list[Any], labels: list[Any] | None, is_numeric: bool) -> Annotations:
        from skactive.labelstudio import read_annotations

        return read_annotations(
            file,
            ids=ids,
            labels=labels,
            numeric=is_numeric and labels is None,
            multiple=options.multiple,
            dont_know=options.dont_know or None,
            control=options.control,
            encoding=options.encoding,
        )

    return read_and_tell(options, read)
