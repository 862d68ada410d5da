"""How long ``skactive select`` takes beyond its selection: ``python -m benchmarks.command``."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.networks import headed
from benchmarks.text import number, spread, table

N_ROWS, N_FEATURES, BUDGET = 200_000, 384, 100
GOAL_SECONDS = 1.0
RUNS = 7


def section(n_rows: int, runs: int) -> str:
    """Seconds of the parts, run after run in turn with an import of torch."""
    torch, select, picking, beyond, helping = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pool.npy"
        rng = np.random.default_rng(0)
        np.save(path, rng.standard_normal((n_rows, N_FEATURES), dtype=np.float32))
        command = ["-m", "skactive.cli", "select", str(path), "--budget", str(BUDGET)]
        for _ in range(runs):
            torch.append(clocked(["-c", "import torch"])[0])
            helping.append(clocked(["-m", "skactive.cli", "--help"])[0])
            seconds, messages = clocked([*command, "--output", str(Path(folder) / "picks.csv")])
            select.append(seconds)
            found = re.search(r"picked .* rows in ([\d.]+) s", messages)
            assert found is not None, messages
            picking.append(float(found[1]))
            beyond.append(seconds - picking[-1] - torch[-1])
    text = (
        f"`skactive select` picks {BUDGET} rows with ITL from {n_rows:,} x {N_FEATURES} float32 "
        f"numbers in a `.npy` file, {runs} times, in turn with a process that imports torch and "
        "one that shows the help. Median (smallest-largest). Goal: less than "
        f"{GOAL_SECONDS:g} second beyond the selection and the import."
    )
    lines = [
        ["the whole command", spread(select)],
        ["the selection in it", spread(picking)],
        ["importing torch", spread(torch)],
        [f"beyond both ({'met' if median(beyond) < GOAL_SECONDS else 'missed'})", spread(beyond)],
        ["`skactive --help`", spread(helping)],
    ]
    return f"# Benchmark of the command line\n\n{text}\n\n{table(['', 'seconds'], lines)}"


def clocked(arguments: Sequence[str]) -> tuple[float, str]:
    """Seconds of a process, and what it said."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stderr


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.command", description=__doc__)
    parser.add_argument("--rows", type=int, default=N_ROWS, help=f"default {number(N_ROWS)}")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"default {RUNS}")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).with_name("COMMAND.md"), help="page to write"
    )
    options = parser.parse_args(argv)
    command = " ".join(["python -m benchmarks.command", *(sys.argv[1:] if argv is None else argv)])
    page = headed(section(options.rows, options.runs), command)
    options.output.write_text(page + "\n", encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
