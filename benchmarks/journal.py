"""What a journal costs a loop: ``python -m benchmarks.journal --help``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from sklearn.dummy import DummyClassifier

from benchmarks.memory import resident_now
from benchmarks.networks import headed
from benchmarks.text import number, table
from skactive import ActiveLearningLoop, RandomSelector
from skactive.callbacks import Callback

SIZES = {"rows": 10_000, "rounds": 10_000}
GOAL_MS = 5.0
N_FLUSHES = 200


class Watch(Callback):
    """Seconds and resident memory after each round."""

    def on_loop_begin(self, loop, X):
        self.clock, self.memory = [time.perf_counter()], [resident_now()]

    def on_round_end(self, loop, entry):
        self.clock.append(time.perf_counter())
        self.memory.append(resident_now())


def run(X, y, rounds: int, journal: Path | None) -> Watch:
    """One label a round."""
    watch = Watch()
    ActiveLearningLoop(
        DummyClassifier(),
        RandomSelector(),
        **{"budget": rounds, "batch_size": 1, "random_state": 0},
        **{"journal": journal, "callbacks": [watch]},
    ).fit(X, y)
    return watch


def ms_of_flush(folder: Path) -> float:
    """What the disk takes to make a line durable."""
    seconds = []
    with open(folder / "flushed", "wb") as file:
        for _ in range(N_FLUSHES):
            start = time.perf_counter()
            file.write(bytes(100))
            file.flush()
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - start)
    return 1e3 * median(seconds)


def section(scale: float) -> str:
    n_rows, rounds = (max(20, int(size * scale)) for size in SIZES.values())
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_rows, 8)), rng.integers(0, 2, n_rows)
    with tempfile.TemporaryDirectory() as folder:
        flush = ms_of_flush(Path(folder))
        without = run(X, y, rounds, None)
        with_journal = run(X, y, rounds, Path(folder) / "labels.db")
        size = (Path(folder) / "labels.db").stat().st_size
    lines = []
    for part in range(4):
        ends = part * rounds // 4, (part + 1) * rounds // 4
        ms = [1e3 * (w.clock[ends[1]] - w.clock[ends[0]]) for w in (without, with_journal)]
        ms = [total / (ends[1] - ends[0]) for total in ms]
        mib = [(w.memory[ends[1]] - w.memory[ends[0]]) / 2**20 for w in (without, with_journal)]
        lines.append([f"{ends[0] + 1:,} to {ends[1]:,}", *map(number, (*ms, ms[1] - ms[0], *mib))])
    text = (
        f"{rounds:,} rounds of one label on a pool of {n_rows:,} rows, random picks and a constant "
        "model, so that there is little but the loop itself. Milliseconds a round, and MiB by "
        f"which resident memory has grown. Goal: a journal costs less than {GOAL_MS:g} ms a "
        f"round. Making a line durable takes this disk {number(flush)} ms, and a round makes "
        f"three durable. The journal of all rounds has {number(size / 2**20)} MiB."
    )
    header = ["rounds", "ms without", "ms with", "ms difference", "MiB without", "MiB with"]
    return f"# Benchmark of the journal\n\n{text}\n\n{table(header, lines)}"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.journal", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on sizes (default 1)")
    parser.add_argument("--quick", action="store_true", help="no measurement: --scale 0.01")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).with_name("JOURNAL.md"), help="page to write"
    )
    options = parser.parse_args(argv)
    command = " ".join(["python -m benchmarks.journal", *(sys.argv[1:] if argv is None else argv)])
    page = headed(section(0.01 if options.quick else options.scale), command)
    options.output.write_text(page + "\n", encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
