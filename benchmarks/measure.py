"""Measures the contenders of a case, each in a process of its own, by turns."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.case import Case, Contender
from benchmarks.worker import serve

ROOT = Path(__file__).parents[1]
# Processes are forked from one that has imported the packages and done nothing else.
FORKS = "forkserver" in multiprocessing.get_all_start_methods()
CONTEXT = multiprocessing.get_context("forkserver" if FORKS else "spawn")
if FORKS:
    CONTEXT.set_forkserver_preload(["benchmarks.worker"])
# No further run once a contender has used that much time.
PATIENCE_SECONDS = 10.0
TIMEOUT_SECONDS = 3600.0

IMPORTS = """
from time import perf_counter
start = perf_counter()
import sklearn, torch
middle = perf_counter()
import skactive
print(middle - start, perf_counter() - middle)
"""


@dataclass
class Result:
    """What became of one contender."""

    sizes: dict[str, int]
    seconds: list[float] = field(default_factory=list)
    memory: int | None = None
    """Bytes resident at the peak beyond those before; None where that is not known."""
    anonymous: int | None = None
    """The same without the pages of mapped files."""
    picks: list[int] | None = None
    quality: list[float] | None = None
    error: str | None = None


class Line(NamedTuple):
    """A contender and what became of it."""

    contender: Contender
    result: Result


def step_seconds(case: Case, result: Result) -> float:
    """Median seconds of a pick or an iteration."""
    return median(result.seconds) / result.sizes[case.step]


def measure(name: str, case: Case, positions: Sequence[int], scale: float, runs: int) -> list[Line]:
    """Time the contenders at `positions` of a case: each once, then each once more, ..."""
    lines, players = [], []
    for position in positions:
        contender = case.contenders[position]
        result = Result(case.scaled_sizes(contender, scale))
        lines.append(Line(contender, result))
        players.append(Player(name, position, result))
    for group in [players] if case.takes_turns else [[player] for player in players]:
        try:
            for player in group:
                player.start()
            for _ in range(runs):
                for player in group:
                    player.run()
        finally:
            for player in group:
                player.stop()
    return lines


class Player:
    """The process of one contender; what it reports is written into the result."""

    def __init__(self, name: str, position: int, result: Result) -> None:
        self._task = (name, position, result.sizes)
        self._result = result
        self._process: Any = None

    def start(self) -> None:
        """Warm up and make the data."""
        self._output = tempfile.NamedTemporaryFile("r")
        self._connection, theirs = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=serve, args=(theirs, self._output.name, *self._task))
        self._process.start()
        theirs.close()
        self._read()

    def run(self) -> None:
        seconds = self._result.seconds
        if self._result.error is None and sum(seconds) < PATIENCE_SECONDS:
            self._connection.send(not seconds)
            self._read()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._output.close()

    def _read(self) -> None:
        if not self._connection.poll(TIMEOUT_SECONDS):
            self._result.error = f"not done after {TIMEOUT_SECONDS:g} seconds"
            return
        try:
            record = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            last_line = (self._output.read().strip().splitlines() or ["no message"])[-1]
            self._result.error = f"exit status {self._process.exitcode}: {last_line}"
            return
        if "seconds" in record:
            self._result.seconds.append(record.pop("seconds"))
        for key, value in record.items():
            setattr(self._result, key, value)


def import_seconds(runs: int) -> Iterator[tuple[float, float]]:
    """Seconds to import scikit-learn and torch, and skactive after them; fresh processes."""
    for _ in range(runs):
        process = subprocess.run(
            [sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=True
        )
        before, after = process.stdout.split()
        yield float(before), float(after)
