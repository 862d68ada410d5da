"""``skactive select``: which rows of a file to label."""

from __future__ import annotations

import argparse
import ast
import gc
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

from skactive.cli._console import UsageError, add_pool_options, pool_from, say
from skactive.cli._known import KnownRows, known_from_column, known_from_file, label_array
from skactive.files import FileError, PoolFile, write_table
from skactive.files._writing import check_output

SELECTORS = {
    "activeft": "ActiveFTSelector",
    "auto": "AutoSelector",
    "badge": "BADGESelector",
    "coreset": "CoreSetSelector",
    "ctl": "CTLSelector",
    "facility-location": "FacilityLocationSelector",
    "itl": "ITLSelector",
    "kmeans": "KMeansSelector",
    "lcmd": "LCMDSelector",
    "mlmoc": "MLMOCSelector",
    "probcover": "ProbCoverSelector",
    "random": "RandomSelector",
    "typiclust": "TypiClustSelector",
    "uncertainty": "UncertaintySelector",
    "vtl": "VTLSelector",
}
# Parameters with options of their own, and those that no text can name.
_NO_PARAMS = ("budget", "random_state", "verbose", "network", "embedding", "estimator")

_EPILOG = """\
The result has one line a pick: rank (from 1), id, and the score it had when it was picked (a first
center of coreset has none: inf in CSV, null in JSON).

examples:
  skactive select features.npy --budget 100
  skactive select reviews.csv --text review --selector coreset --budget 50 -o picks.csv
  skactive select pool.parquet --columns embedding --targets wanted.npy --param noise_ratio=0.5
  skactive select features.npy --budget 100 --labeled picks.csv -o more.csv
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to a parser."""
    parser = subparsers.add_parser(
        "select",
        help="pick the rows of a file that are worth labelling",
        description="Pick the rows of a file that are worth labelling.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_pool_options(parser)
    parser.add_argument(
        "--standardize", action="store_true", help="scale features to mean 0 and variance 1 first"
    )
    group = parser.add_argument_group("what is known")
    exclusive = group.add_mutually_exclusive_group()
    exclusive.add_argument(
        "--labeled",
        metavar="FILE",
        help="ids of rows that are labeled already, with a column 'label' for mlmoc: .csv, .tsv, "
        ".parquet, .json, .jsonl, .txt or .npy",
    )
    exclusive.add_argument(
        "--labels",
        metavar="COLUMN",
        help="column of labels in FILE, empty for rows without one",
    )
    group.add_argument(
        "--targets",
        metavar="FILE",
        help="rows to predict well, with the pool's features (itl and vtl; default: the pool)",
    )
    _add_method_options(parser)
    group = parser.add_argument_group("the result")
    group.add_argument(
        "-o", "--output", metavar="PICKS", help="file to write (default: standard output)"
    )
    group.add_argument(
        "--format",
        choices=["csv", "json", "jsonl", "parquet"],
        help="default: by the ending of PICKS, csv on standard output",
    )
    group.add_argument("--quiet", action="store_true", help="no progress, only warnings and errors")


def _add_method_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the method")
    group.add_argument("--selector", choices=SELECTORS, default="itl", help="default: itl")
    group.add_argument(
        "--budget",
        type=_budget,
        default=10,
        help="rows to pick, or with a point their share of all rows (default: 10)",
    )
    add_param_option(group)
    group.add_argument(
        "--random-state",
        type=int,
        default=0,
        metavar="SEED",
        help="seed of selectors that draw at random (default: 0)",
    )


def run(options: argparse.Namespace) -> int:
    """Select rows and write them."""
    _check_output(options)
    ignore = [] if options.labels is None else [options.labels]
    pool = pool_from(options, ignore=ignore, quiet=options.quiet)
    known = _known_rows(options, pool)
    X_target = None if options.targets is None else pool.read_like(options.targets)
    with _quick_import():
        selector = make_selector(options)
    picks = _select(options, pool, known, X_target, selector)
    write_table(options.output, picks, format=options.format, columns=["rank", "id", "score"])
    if options.output is not None and not options.quiet:
        say(f"wrote {options.output}")
    return 0


def _select(
    options: argparse.Namespace,
    pool: PoolFile,
    known: KnownRows | None,
    X_target: Any,
    selector: Any,
) -> list[dict[str, Any]]:
    X = pool.X
    if options.standardize:
        X, X_target = _standardized(X, X_target)
    fit_params: dict[str, Any] = {} if X_target is None else {"X_target": X_target}
    if known is not None and len(known.positions):
        fit_params["labeled"] = known.positions
        if selector._needs_labels or (selector._uses_labels and known.labels is not None):
            fit_params["y"] = _labels(options, known, len(pool))
    progress = (lambda message: None) if options.quiet else say
    progress(f"picking with {options.selector} ...")
    start = time.monotonic()
    selector.fit(X, **fit_params)
    seconds = time.monotonic() - start
    progress(f"picked {len(selector.indices_):,} rows in {seconds:.1f} s")
    pairs = zip(pool.ids[selector.indices_].tolist(), selector.scores_.tolist(), strict=True)
    return [
        {"rank": rank, "id": row_id, "score": score}
        for rank, (row_id, score) in enumerate(pairs, start=1)
    ]


def make_selector(options: argparse.Namespace) -> Any:
    import skactive

    cls = getattr(skactive, SELECTORS[options.selector])
    if options.targets is not None and "X_target" not in signature(cls.fit).parameters:
        raise UsageError(f"--targets: {options.selector} has no use for targets. Use itl or vtl.")
    selector = cls(budget=options.budget)
    own = selector.get_params(deep=False)
    allowed = [name for name in own if name not in _NO_PARAMS]
    params = dict(options.param)
    for name in params:
        if name not in allowed:
            instead = f"; use --{name.replace('_', '-')}" if name in _NO_PARAMS[:2] else ""
            raise UsageError(
                f"--param {name}: {options.selector} has the parameters "
                f"{', '.join(allowed) or 'none'}{instead}."
            )
    if "random_state" in own:
        params["random_state"] = options.random_state
    if "verbose" in own:
        params["verbose"] = not options.quiet and sys.stderr.isatty()
    return selector.set_params(**params)


def _known_rows(options: argparse.Namespace, pool: PoolFile) -> KnownRows | None:
    if options.labels is not None:
        return known_from_column(pool, options.labels)
    if options.labeled is not None:
        return known_from_file(pool, Path(options.labeled), options.ids)
    return None


def _labels(options: argparse.Namespace, known: KnownRows, n_samples: int) -> Any:
    labels = known.labels
    if labels is None:
        raise UsageError(
            f"--labeled {options.labeled}: {options.selector} learns from labels, and there is no "
            "column 'label'. Add it."
        )
    return label_array(known.positions, labels, n_samples, options.labeled or options.pool)


def _standardized(X: Any, X_target: Any) -> tuple[Any, Any]:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X)
    return scaler.transform(X), None if X_target is None else scaler.transform(X_target)


def _check_output(options: argparse.Namespace) -> None:
    """Before hours of work: can the result be written, and does it spare what was read?"""
    try:
        check_output(options.output, options.format)
    except FileError as error:
        raise UsageError(f"--output: {error}") from error
    if options.output is None:
        return
    inputs = (options.pool, options.features, options.labeled, options.targets)
    for path in inputs:
        if path is not None and _is_same_file(path, options.output):
            raise UsageError(
                f"--output {options.output} would overwrite {path}. Name another file."
            )


def _is_same_file(a: str, b: str) -> bool:
    return os.path.exists(a) and os.path.exists(b) and os.path.samefile(a, b)


def _budget(text: str) -> int | float:
    """An int, or a share."""
    try:
        budget: int | float = int(text)
    except ValueError:
        try:
            budget = float(text)
        except ValueError:
            budget = 0
    if not (budget >= 1 if isinstance(budget, int) else 0 < budget <= 1):
        raise argparse.ArgumentTypeError(
            f"{text!r} must be an int >= 1, or a share of the rows above 0 and up to 1.0"
        )
    return budget


def add_param_option(group: Any) -> None:
    """Parameters of the selector, one by one."""
    group.add_argument(
        "--param",
        type=_param,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the selector, such as kernel=linear; may be repeated",
    )


def _param(text: str) -> tuple[str, Any]:
    """NAME=VALUE; a value that is no Python literal is a text."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} must be NAME=VALUE, such as kernel=linear")
    try:
        return name.strip(), ast.literal_eval(value.strip())
    except (ValueError, SyntaxError):
        return name.strip(), value.strip()


@contextmanager
def _quick_import() -> Iterator[None]:
    """Keeps the garbage collector from what torch makes when it is imported.

    Most of a million objects stay until the process ends: without this one second goes into
    looking through them, once or twice on the way and again at the end.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield  # not the first import, or not our process to arrange
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
