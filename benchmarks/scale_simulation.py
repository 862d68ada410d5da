"""What a selection costs on few workers, and what that means for many."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from distributed import Client
from scipy.optimize import nnls

from benchmarks.scale_tools import SELECTORS, Meter, Task, clocked, cluster, make_task
from benchmarks.text import number, table
from skactive.distributed._blocks import row_blocks
from skactive.distributed._cluster import ClusterPartitions
from skactive.distributed._part import Part

PARTS_PER_WORKER = 2
N_EMPTY = 20  # empty round trips, of which the median counts
PROJECTED_ROWS = (10**8, 10**9)
PROJECTED_WORKERS = (100, 1000)


class Run(NamedTuple):
    """One selection."""

    selector: str
    n: int
    workers: int
    seconds: float
    cpu: float
    """Seconds of all workers together."""
    meter: Meter
    budget: int

    @property
    def rounds(self) -> int:
        return len(self.meter.calls)


class Model(NamedTuple):
    """T = compute n / workers + rounds (latency + per_worker workers)."""

    compute: float
    latency: float
    per_worker: float

    def parts(self, n: int, workers: int, rounds: int) -> tuple[float, float]:
        return (
            self.compute * n / workers,
            rounds * (self.latency + self.per_worker * workers),
        )


def section(folder: Path, n: int, d: int, budget: int, most_workers: int) -> str:
    task, data = make_task(folder, n, d)
    runs: list[Run] = []
    latencies: dict[int, float] = {}
    for workers in range(1, most_workers + 1):
        with cluster(workers) as client:
            for size in (n // 4, n):
                part = Task(task.path, size, d)
                X = part.on_workers(client, PARTS_PER_WORKER * workers)
                if size < n:
                    latencies[workers] = empty_round(X, client)
                    for name in SELECTORS:  # imports and first calls
                        part.fit(name, X, 2)
                runs += [measured(part, name, X, client, budget) for name in SELECTORS]
                del X
    lines = [_line(run, latencies) for run in runs]
    header = [
        *("selector", "rows", "workers", "seconds", "CPU s of workers", "round trips", "blocks"),
        *("KB down a round", "KB up a round", "KB a pick", "empty round, ms", "model, s"),
    ]
    models = {name: fitted(runs, name, latencies) for name in SELECTORS}
    for line, run in zip(lines, runs, strict=True):
        line.append(number(sum(models[run.selector].parts(run.n, run.workers, run.rounds))))
    return "\n\n".join(
        [
            "## Workers, round trips, bytes",
            f"{n // 4:,} and {n:,} rows of d = {d}, {budget} picks: {data}, drawn again and again "
            f"with noise. One thread a worker, {PARTS_PER_WORKER} parts a worker, rows on the "
            f"workers before the clock starts. **This machine has {_cores()} cores**, which the "
            "workers, the scheduler and the driver share: more workers than that cannot be "
            "faster, they show what coordination adds. Down is what every worker gets, up all "
            "replies together, both pickled, without dask's own headers; an empty round is a call "
            "that does nothing.",
            table(header, lines),
            _projection(models, runs, n, d, budget),
        ]
    )


def measured(task: Task, name: str, X: object, client: Client, budget: int) -> Run:
    before = sum(client.run(time.process_time).values())
    with Meter().running() as meter:
        seconds, _ = clocked(lambda: task.fit(name, X, budget))
    cpu = sum(client.run(time.process_time).values()) - before
    workers = len(client.nthreads())
    return Run(name, task.n, workers, seconds, cpu, meter, budget)


def empty_round(X: object, client: Client) -> float:
    """Median seconds of a call that does nothing."""
    parts = ClusterPartitions(row_blocks(X), client)
    try:
        parts.open("cpu")
        return median(clocked(lambda: parts.map(_nothing, reads=False))[0] for _ in range(N_EMPTY))
    finally:
        parts.close()


def _nothing(part: Part, message: None, own: None) -> None:
    """Neither reads nor changes the part."""


def fitted(runs: Sequence[Run], name: str, latencies: dict[int, float]) -> Model:
    """Least squares over the runs that had a core for each worker; the latency as measured."""
    workers = np.array(sorted(latencies))
    design = np.stack([np.ones(len(workers)), workers], 1)
    latency, per_worker = nnls(design, np.array([latencies[w] for w in workers]))[0]
    own = [run for run in runs if run.selector == name and run.workers <= max(1, _cores())]
    share = np.array([run.n / run.workers for run in own])
    waiting = [run.rounds * (latency + per_worker * run.workers) for run in own]
    rest = np.maximum(np.array([run.seconds for run in own]) - waiting, 0.0)
    return Model(float(share @ rest / (share @ share)), float(latency), float(per_worker))


def _line(run: Run, latencies: dict[int, float]) -> list[str]:
    calls, rounds = run.meter.calls, run.rounds
    down, up = sum(call.down for call in calls), sum(call.up for call in calls)
    return [
        run.selector,
        f"{run.n:,}",
        str(run.workers),
        number(run.seconds),
        number(run.cpu),
        str(rounds),
        str(run.meter.blocks),
        number(down / rounds / 1e3),
        number(up / rounds / 1e3),
        number((down * run.workers + up) / run.budget / 1e3),
        number(1e3 * latencies[run.workers]),
    ]


def _projection(models: dict[str, Model], runs: Sequence[Run], n: int, d: int, budget: int) -> str:
    lines = []
    for name, model in models.items():
        rounds = max(run.rounds for run in runs if run.selector == name and run.n == n)
        for rows in PROJECTED_ROWS:
            for workers in PROJECTED_WORKERS:
                compute, waiting = model.parts(rows, workers, rounds)
                gigabytes = 4e-9 * rows * d / workers
                cells = [number(x) for x in (compute, waiting, compute + waiting, gigabytes)]
                lines.append([name, f"{rows:.0e}".replace("+0", ""), f"{workers:,}", *cells])
    header = ["selector", "rows", "workers", "compute, s", "coordination, s", "in all, s", "GB"]
    fits = "; ".join(f"{name}: c = {1e6 * model.compute:.3g} µs" for name, model in models.items())
    first = next(iter(models.values()))
    return "\n\n".join(
        [
            "### Projected, not measured",
            "T = c n / workers + rounds (l + m workers), c by least squares over the runs with a "
            f"core for each worker, l and m from the empty rounds. {fits}; l = "
            f"{1e3 * first.latency:.3g} ms, m = {1e3 * first.per_worker:.3g} ms. The last column "
            "is what a worker holds of the pool.",
            table(header, lines),
            "What this assumes: a core of this kind for each worker, with its own memory "
            "bandwidth; rows in memory, evenly spread, two parts a worker; as many round trips as "
            f"at n = {n:,} (a block ends where rows outside of the listed ones may win, which more "
            "rows make neither certain nor impossible); a scheduler that takes the same time for "
            "each further task, on a core of its own (here it shares them with the workers, so "
            "that l and m are too large rather than too small); a network that carries the bytes "
            "above without notice; no worker lost.",
        ]
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
