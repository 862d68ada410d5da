"""Run the benchmarks; write a page with tables and pictures: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import goals, plots, report
from benchmarks.cases import CASES
from benchmarks.measure import Line, import_seconds, measure

IMPORT = "import"
NAMES = [*CASES, IMPORT]
QUICK_SCALE = 0.1
QUICK_NAMES = ["kcenter-50k", "itl", "vtl", "itl-50k", "vtl-50k", "activeft", "mlmoc"]
MODES = """\
Without options the benchmarks take some 10 minutes on two cores. --quick takes a minute and is no
measurement; --full adds the slowest peers, all comparisons with slow float64 versions and the
larger sizes; --large adds a pool of the size of ImageNet. `python -m benchmarks.features` makes the
features of CIFAR-10 that the case activeft-real needs; `python -m benchmarks.gpu` is a script of
its own.
"""


def main(argv: Sequence[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else list(argv)
    options = parse(argv)
    command = shlex.join(["python", "-m", "benchmarks", *argv])
    measured: dict[str, list[Line]] = {}
    sections: list[str] = []
    for name in options.cases:
        section = run_import(options) if name == IMPORT else run_case(name, options, measured)
        print(section, end="\n\n", flush=True)
        sections.append(section)
        # After every case, so that an interrupted run leaves what it has found.
        page = report.page(command, [goals.section(measured, options.scale), *sections])
        options.output.write_text(page, encoding="utf-8")
    print(goals.section(measured, options.scale))


def run_case(name: str, options: argparse.Namespace, measured: dict[str, list[Line]]) -> str:
    case = CASES[name]
    lines = measure(name, case, case.positions(options.profiles), options.scale, options.runs)
    measured[name] = lines
    picture = options.output.with_name(f"{name}.png")
    drawn = case.plot and plots.draw(case, lines, picture)
    return report.case_section(name, case, lines, picture.name if drawn else None)


def run_import(options: argparse.Namespace) -> str:
    return report.import_section(IMPORT, list(import_seconds(options.runs)))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, epilog=MODES)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--quick",
        action="store_true",
        help=f"about a minute: --scale {QUICK_SCALE} --runs 1, and fewer cases by default",
    )
    mode.add_argument("--full", action="store_true", help="also what takes long: an hour or so")
    parser.add_argument("--large", action="store_true", help="also 1.28 million rows: minutes")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor on pool sizes and budgets (default 1)"
    )
    parser.add_argument(
        "--runs", type=int, help="most runs of each line (default 3, --full 5; slow ones get less)"
    )
    parser.add_argument("--cases", help=f"which, of {','.join(NAMES)} (default all of the mode)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).with_name("RESULTS.md"),
        help="page to write; pictures come beside it",
    )
    options = parser.parse_args(argv)
    if options.quick:
        options.scale = QUICK_SCALE
    if options.runs is None:
        options.runs = 1 if options.quick else 5 if options.full else 3
    options.profiles = {"default"}
    options.profiles |= {"full"} if options.full else set()
    options.profiles |= {"large"} if options.large else set()
    options.cases = _names(options)
    if unknown := [name for name in options.cases if name not in NAMES]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.scale <= 0 or options.runs < 1:
        parser.error("--scale must be above 0 and --runs at least 1")
    return options


def _names(options: argparse.Namespace) -> list[str]:
    if options.cases:
        return list(options.cases.split(","))
    if options.quick:
        return QUICK_NAMES
    return [name for name in NAMES if name == IMPORT or CASES[name].profile in options.profiles]


if __name__ == "__main__":
    main()
