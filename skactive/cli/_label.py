"""``skactive label``: a page in the browser on which people label."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from skactive.cli._console import UsageError, add_pool_options, pool_from, say
from skactive.cli._known import known_from_file
from skactive.cli._select import SELECTORS, add_param_option, make_selector
from skactive.files import PoolFile


def add_parser(subparsers: Any) -> None:
    """Add the command to those of ``skactive``."""
    parser = subparsers.add_parser(
        "label",
        help="label rows on a page in the browser",
        description="Serve a page on this computer on which people label the rows that a "
        "selector picks. Every answer is in the journal at once: close the browser or end the "
        "server (Ctrl-C) whenever you like, the same command goes on.",
        epilog="example: skactive label reviews.csv --labels good,bad --text review "
        "--journal labels.db --export labels.csv",
    )
    add_pool_options(parser)
    labels = parser.add_argument_group("the labels")
    labels.add_argument(
        "--labels",
        required=True,
        metavar="A,B,...",
        help='what can be answered, separated by commas; "a, b" in quotes keeps a comma',
    )
    labels.add_argument(
        "--journal", required=True, metavar="FILE", help="where answers are kept, e.g. labels.db"
    )
    labels.add_argument(
        "--export", metavar="FILE", help=".csv, .json, .jsonl or .parquet kept up to date with them"
    )
    labels.add_argument("--annotator", metavar="NAME", help="recorded with each answer")
    labels.add_argument(
        "--held-out",
        metavar="FILE.csv",
        help="columns id and label: rows that are known, are not asked, and measure the model "
        "(default: cross-validation)",
    )
    picks = parser.add_argument_group("the picks")
    picks.add_argument("--selector", choices=SELECTORS, default="itl", help="default: %(default)s")
    add_param_option(picks)
    picks.add_argument("--budget", type=int, default=100, metavar="N", help="default: %(default)s")
    picks.add_argument(
        "--batch-size",
        type=int,
        default=10,
        metavar="N",
        help="rows picked at once (default: %(default)s)",
    )
    picks.add_argument("--random-state", type=int, default=0, metavar="SEED", help="default: 0")
    server = parser.add_argument_group("the server")
    server.add_argument(
        "--port", type=int, default=0, help="on 127.0.0.1 (default: any that is free)"
    )
    server.add_argument("--no-browser", action="store_true", help="show the link only")


def run(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    from skactive.labelling import LabellingPage
    from skactive.labelling._labels import parse_labels

    try:
        labels = parse_labels(options.labels)
    except ValueError as error:
        raise UsageError(f"--labels: {error}") from error
    pool = pool_from(options)
    page = LabellingPage(
        pool,
        labels,
        journal=options.journal,
        selector=_selector(options),
        budget=options.budget,
        batch_size=options.batch_size,
        held_out=_held_out(options, pool, labels),
        annotator=options.annotator,
        export=options.export,
        port=options.port,
        random_state=options.random_state,
    )
    say("picking the first rows ...")
    with page:
        print(page.url, flush=True)
        say("open this link; Ctrl-C ends the server, and the same command goes on")
        page.run(open_browser=not options.no_browser)
    return 0


def _selector(options: argparse.Namespace) -> Any:
    """With a budget of its own that says nothing: changing it must not begin another journal."""
    own = {"budget": 1, "targets": None, "random_state": None, "quiet": True}
    return make_selector(argparse.Namespace(**{**vars(options), **own}))


def _held_out(options: argparse.Namespace, pool: PoolFile, labels: list[str]) -> Any:
    """Rows that are known, and their labels."""
    if options.held_out is None:
        return None
    known = known_from_file(pool, Path(options.held_out), options.ids)
    if known.labels is None:
        raise UsageError(f"--held-out {options.held_out}: there is no column 'label'. Add it.")
    pairs = [pair for pair in zip(known.positions.tolist(), known.labels, strict=True) if pair[1]]
    strange = [label for _, label in pairs if label not in labels]
    if strange:
        raise UsageError(
            f"--held-out {options.held_out}: {strange[0][:80]!r} is not one of --labels. Add it "
            "there, or correct the file."
        )
    return np.array([row for row, _ in pairs], dtype=np.int64), [label for _, label in pairs]
