"""Benchmarks with networks, section by section: ``python -m benchmarks.networks --help``.

A section that is run takes the place of the one with its heading on the page, others stay.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from benchmarks import learning, network_gradients, network_lookahead
from benchmarks.machine import describe_machine, describe_versions

TITLE = "# Benchmarks with networks"
PACKAGES = ("skactive", "torch", "skorch", "numpy", "scipy", "scikit-learn")
QUICK_SCALE = 0.1
QUICK_SEEDS = 1

# From the options to Markdown that begins with a heading of its own ("## ...").
Section = Callable[[argparse.Namespace], str]

SECTIONS: Mapping[str, Section] = {
    "fashion-mnist": learning.fashion_mnist,
    "cifar10": learning.cifar10_features,
    "gradients": network_gradients.section,
    "lookahead": network_lookahead.section,
}


def main(argv: Sequence[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else list(argv)
    options = parse(argv)
    command = shlex.join(["python", "-m", "benchmarks.networks", *argv])
    for name in options.sections:
        section = headed(SECTIONS[name](options), command)
        print(section, end="\n\n", flush=True)
        # After every section, so that an interrupted run leaves what it has found.
        page = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
        options.output.write_text(replaced(page, section), encoding="utf-8")


def headed(section: str, command: str) -> str:
    """A section that says below its heading how and on what it was measured."""
    heading, _, rest = section.strip().partition("\n")
    where = [
        f"`{command}`, {date.today().isoformat()}",
        f"Machine: {describe_machine()}",
        f"Versions: {describe_versions(PACKAGES)}",
    ]
    return "\n\n".join([heading, *where, rest.strip()])


def replaced(page: str, section: str) -> str:
    """The page with a section in the place of the one of its heading, or at the end."""
    _, *parts = ("\n" + page).split("\n## ")
    sections = {part.splitlines()[0]: f"## {part.strip()}" for part in parts}
    sections[section.splitlines()[0].removeprefix("## ")] = section.strip()
    return "\n\n".join([TITLE, *sections.values()]) + "\n"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument(
        "--sections", help=f"which, of {','.join(SECTIONS)} (default all), separated by commas"
    )
    parser.add_argument("--seeds", type=int, help="runs of each learning curve (default 5)")
    parser.add_argument("--scale", type=float, help="factor on sizes (default 1)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"a minute or two, and no measurement: --scale {QUICK_SCALE} --seeds {QUICK_SEEDS}",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).with_name("NETWORKS.md"),
        help="page to write",
    )
    options = parser.parse_args(argv)
    if options.scale is None:
        options.scale = QUICK_SCALE if options.quick else 1.0
    if options.seeds is None:
        options.seeds = QUICK_SEEDS if options.quick else 5
    options.sections = options.sections.split(",") if options.sections else list(SECTIONS)
    if unknown := [name for name in options.sections if name not in SECTIONS]:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if options.scale <= 0 or options.seeds < 1:
        parser.error("--scale must be above 0 and --seeds at least 1")
    return options


if __name__ == "__main__":
    main()
