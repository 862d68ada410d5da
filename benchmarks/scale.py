"""Pools in parts (dask): workers, bytes, memory and overhead, ``python -m benchmarks.scale``.

Needs the extra ``distributed`` and psutil (which dask.distributed brings), and for the section
"memory" some 3 GB of disk. Everything is made from seeds and removed afterwards.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import scale_memory, scale_overhead, scale_simulation
from benchmarks.machine import describe_machine, describe_versions

PACKAGES = ("skactive", "torch", "numpy", "scipy", "scikit-learn", "dask", "distributed", "pyarrow")
SECTIONS: dict[str, tuple[Callable[..., str], dict[str, Any], dict[str, Any]]] = {
    # name: function, arguments, those of --quick
    "simulation": (
        scale_simulation.section,
        {"n": 400_000, "d": 128, "budget": 100, "most_workers": 8},
        {"n": 4000, "d": 16, "budget": 8, "most_workers": 2},
    ),
    "memory": (
        scale_memory.section,
        {"n": 5_000_000, "d": 128, "budget": 100, "chunks": (100_000,), "limit_mib": 1000},
        {"n": 6000, "d": 16, "budget": 5, "chunks": (2000,), "limit_mib": 1000},
    ),
    "overhead": (
        scale_overhead.section,
        {"n": 1_000_000, "d": 256, "budgets": (100,), "runs": 3},
        {"n": 6000, "d": 16, "budgets": (5,), "runs": 1},
    ),
}


def section(name: str, folder: Path, command: str, *, quick: bool = False, **changes: Any) -> str:
    """A section that says below its heading how and on what it was measured."""
    make, arguments, small = SECTIONS[name]
    arguments = {**(small if quick else arguments), **changes}
    where = [  # first: dask sets environment variables
        f"`{command}`, {date.today().isoformat()}",
        f"Machine: {describe_machine()}",
        f"Versions: {describe_versions(PACKAGES)}",
    ]
    heading, _, rest = make(folder, **arguments).partition("\n")
    return "\n\n".join([heading, *where, rest.strip()])


def replaced(page: str, section: str) -> str:
    """The page with a section in the place of the one of its heading, or at the end."""
    title, *parts = page.strip().split("\n## ")
    sections = {part.splitlines()[0]: f"## {part.strip()}" for part in parts}
    sections[section.splitlines()[0].removeprefix("## ")] = section.strip()
    return "\n\n".join([title.strip(), *sections.values()]) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="no measurement: tiny pools")
    parser.add_argument("--rows", type=int, help="in place of the number of the section")
    parser.add_argument("--features", type=int, help="likewise")
    parser.add_argument("--chunks", type=int, nargs="+", help="rows of a part, section memory")
    parser.add_argument("--folder", type=Path, help="where to put pools (a temporary folder)")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).with_name("SCALE.md"), help="page"
    )
    options = parser.parse_args(argv)
    command = " ".join(["python -m benchmarks.scale", *(sys.argv[1:] if argv is None else argv)])
    page = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
    page = page or "# Pools in parts\n"
    for name in options.sections:
        changes = {"n": options.rows, "d": options.features}
        if name == "memory":
            changes["chunks"] = options.chunks
        given = {key: value for key, value in changes.items() if value is not None}
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            text = section(name, Path(folder), command, quick=options.quick, **given)
        print(text, end="\n\n")
        page = replaced(page, text)
        options.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
