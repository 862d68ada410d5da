"""One measurement at a time, each in a process of its own."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES

ROOT = Path(__file__).parents[1]
WARM_UP_SCALE = 0.01
# No further run once a contender has used that much time.
PATIENCE_SECONDS = 10.0
TIMEOUT_SECONDS = 900.0

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
    picks: list[int] | None = None
    quality: list[float] | None = None
    error: str | None = None


def measure(name: str, position: int, scale: float, runs: int) -> Result:
    """Time the contender at `position` of case `name` in a fresh process."""
    case = CASES[name]
    sizes = case.scaled_sizes(case.contenders[position], scale)
    try:
        process = _python("-m", "benchmarks.measure", json.dumps([name, position, sizes, runs]))
    except subprocess.TimeoutExpired:
        return Result(sizes, error=f"not done after {TIMEOUT_SECONDS:g} seconds")
    if process.returncode != 0:
        last_line = (process.stderr.strip().splitlines() or ["no message"])[-1]
        return Result(sizes, error=f"exit status {process.returncode}: {last_line}")
    return Result(**json.loads(process.stdout.splitlines()[-1]))


def import_seconds(runs: int) -> Iterator[tuple[float, float]]:
    """Seconds to import scikit-learn and torch, and skactive after them; fresh processes."""
    for _ in range(runs):
        process = _python("-c", IMPORTS)
        process.check_returncode()
        before, after = process.stdout.split()
        yield float(before), float(after)


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},  # all on the CPU
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def measure_here(name: str, position: int, sizes: dict[str, int], runs: int) -> Result:
    """The same in this process; an exception of the contender becomes the result's error."""
    case = CASES[name]
    contender = case.contenders[position]
    result = Result(sizes)
    try:
        tiny = case.make(**case.scaled_sizes(contender, WARM_UP_SCALE))
        contender.run(**tiny)  # imports, thread pools
        arguments = case.make(**sizes)
        picks = _time(result, contender.run, arguments, runs)
        if picks is not None and case.compares_picks:
            result.picks = [int(row) for row in picks]
        if case.judge is not None:
            result.quality = case.judge(picks, **arguments)
    except Exception as error:
        message = str(error).strip().splitlines() or [""]
        result.error = f"{type(error).__name__}: {message[0]}"
    return result


def _time(result: Result, run: Any, arguments: dict[str, Any], runs: int) -> Any:
    gc.collect()
    before = _restart_peak()
    while len(result.seconds) < runs and sum(result.seconds) < PATIENCE_SECONDS:
        start = time.perf_counter()
        picks = run(**arguments)
        result.seconds.append(time.perf_counter() - start)
        if before is not None and result.memory is None:
            result.memory = _peak() - before
    return picks


def _restart_peak() -> int | None:
    """Bytes resident now, from which the peak is counted anew; None if not on Linux."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _peak()
    except OSError:
        return None


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    print(json.dumps(asdict(measure_here(*json.loads(sys.argv[1])))))
