"""Run the benchmarks and write a Markdown page: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.cases import CASES
from benchmarks.measure import import_seconds, measure

IMPORT = "import"
NAMES = [*CASES, IMPORT]
QUICK_SCALE = 0.2
QUICK_NAMES = ["kcenter-10k", "itl", "vtl", "itl-undirected", "activeft", "mlmoc", "roofline"]


def main(argv: Sequence[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else list(argv)
    options = parse(argv)
    command = shlex.join(["python", "-m", "benchmarks", *argv])
    sections: list[str] = []
    for name in options.cases:
        sections.append(run_import(options) if name == IMPORT else run_case(name, options))
        print(sections[-1], end="\n\n", flush=True)
        # After every case, so that an interrupted run leaves what it has found.
        options.output.write_text(report.page(command, sections), encoding="utf-8")


def run_case(name: str, options: argparse.Namespace) -> str:
    case = CASES[name]
    results = [
        measure(name, position, options.scale, options.runs)
        for position in range(len(case.contenders))
    ]
    return report.case_section(name, case, results)


def run_import(options: argparse.Namespace) -> str:
    return report.import_section(IMPORT, list(import_seconds(options.runs)))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"about a minute: --scale {QUICK_SCALE} --runs 1, and fewer cases by default",
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor on pool sizes and budgets (default 1)"
    )
    parser.add_argument(
        "--runs", type=int, default=3, help="most runs of each line (default 3; slow ones get less)"
    )
    parser.add_argument("--cases", help=f"which, of {','.join(NAMES)} (default all)")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).with_name("RESULTS.md"), help="page to write"
    )
    options = parser.parse_args(argv)
    default = QUICK_NAMES if options.quick else NAMES
    options.cases = options.cases.split(",") if options.cases else default
    if unknown := [name for name in options.cases if name not in NAMES]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.quick:
        options.scale, options.runs = QUICK_SCALE, 1
    if options.scale <= 0 or options.runs < 1:
        parser.error("--scale must be above 0 and --runs at least 1")
    return options


if __name__ == "__main__":
    main()
