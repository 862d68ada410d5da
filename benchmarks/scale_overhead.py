"""What workers, or parts in one process, cost beside one pool in memory."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
import torch
from distributed import Client

from benchmarks.scale_tools import (
    SELECTORS,
    Meter,
    Pool,
    Task,
    check_same,
    clocked,
    cluster,
    make_task,
)
from benchmarks.text import number, spread, table

GOAL = 1.5
N_WORKERS = 2
PARTS_PER_WORKER = 4
N_SHOWN = 4  # kinds of calls, the longest


class Line(NamedTuple):
    """One way to run a selection."""

    name: str
    seconds: list[float]
    note: str = ""


def section(folder: Path, n: int, d: int, budgets: tuple[int, ...], runs: int) -> str:
    """In memory, on two workers, and in parts in this process, in turn."""
    task, data = make_task(folder, n, d)
    X = task.X
    lines, ratios = [], []
    torch.set_num_threads(min(N_WORKERS, torch.get_num_threads()))
    with cluster(N_WORKERS) as client:
        parts = N_WORKERS * PARTS_PER_WORKER
        spread_out = task.on_workers(client, parts)
        blocks = _in_this_process(X, task, parts)
        for name in SELECTORS:
            for budget in budgets:
                found = _compared(task, name, budget, (X, spread_out, blocks), client, runs)
                base = median(found[0].seconds)
                ratios.append(median(found[1].seconds) / base)
                for line in found:
                    ratio = number(median(line.seconds) / base)
                    cells = [line.name, spread(line.seconds), ratio, line.note]
                    lines.append([name, str(budget), *cells])
    worst = max(ratios)
    header = ["selector", "picks", "", "seconds", "ratio", "where the time goes, s"]
    return "\n\n".join(
        [
            "## Beside one pool in memory",
            f"{n:,} rows of d = {d}: {data}, drawn again and again with noise. Two workers of one "
            f"thread, {PARTS_PER_WORKER} parts each, rows on the workers before the clock starts; "
            f"in memory, {torch.get_num_threads()} threads. {runs} runs in turn; picks are the "
            "same in all lines but those of two rounds, or the benchmark stops. Where the time "
            "goes is said of one more run: round trips by what they ask for, and what the driver "
            "does between them.",
            f"Goal: two workers take at most {GOAL:g} times the seconds. "
            f"{'Met' if worst <= GOAL else '**Missed**'}: at most {number(worst)} times.",
            table(header, lines),
        ]
    )


def _in_this_process(X: Pool, task: Task, n_parts: int) -> Any:
    """A dask array of views of X: nothing is copied when it is read."""
    views = [dask.delayed(_View(X, *bounds)) for bounds in task.bounds(-(-len(X) // n_parts))]
    return da.concatenate(
        [
            da.from_delayed(dask.delayed(_look)(view), (view_n, task.d), np.float32)
            for view, view_n in zip(
                views, (b - a for a, b in task.bounds(-(-len(X) // n_parts))), strict=True
            )
        ]
    )


class _View:
    """Some rows, which dask does not look into."""

    def __init__(self, X: Pool, start: int, stop: int) -> None:
        self._rows = X[start:stop]

    def __dask_tokenize__(self) -> Any:
        return id(self)

    def rows(self) -> Pool:
        return self._rows


def _look(view: _View) -> Pool:
    return view.rows()


def _compared(
    task: Task, name: str, budget: int, pools: tuple[Any, Any, Any], client: Client, runs: int
) -> list[Line]:
    in_memory, spread_out, blocks = pools
    ways = {
        "in memory": (in_memory, True, {}),
        "two workers": (spread_out, True, {}),
        "two workers, two_round": (spread_out, True, {"strategy": "two_round"}),
        "in parts, no cluster": (blocks, False, {}),
    }
    if budget >= task.n // (N_WORKERS * PARTS_PER_WORKER):
        del ways["two workers, two_round"]
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    expected: Any = None
    for _ in range(runs + 1):
        for way, (X, uses_cluster, options) in ways.items():
            elapsed, selector = clocked(
                lambda X=X, uses=uses_cluster, options=options: _fit(  # type: ignore[misc]
                    task, name, X, budget, client, uses, options
                )
            )
            seconds[way].append(elapsed)
            expected = selector.indices_ if way == "in memory" else expected
            if not options:
                check_same(expected, selector.indices_, f"{name}, {way}")
    lines = []
    for way, (X, uses_cluster, options) in ways.items():
        with Meter().running() as meter:
            elapsed, _ = clocked(
                lambda X=X, uses=uses_cluster, options=options: _fit(  # type: ignore[misc]
                    task, name, X, budget, client, uses, options
                )
            )
        # The first run of each has the imports.
        lines.append(Line(way, seconds[way][1:], _where(meter, elapsed)))
    return lines


def _fit(
    task: Task, name: str, X: Any, budget: int, client: Client, uses: bool, options: Any
) -> Any:
    if uses:
        return task.fit(name, X, budget, **options)
    with client_out_of_the_way():
        return task.fit(name, X, budget, **options)


def client_out_of_the_way() -> Any:
    """Without it, dask collections are worked on in this process."""
    from unittest.mock import patch

    return patch("skactive.distributed._fit.active_client", lambda: None)


def _where(meter: Meter, elapsed: float) -> str:
    if not meter.calls:
        return ""
    shown = list(meter.by_name().items())[:N_SHOWN]
    names = [name for name, _ in shown]
    counts = [sum(call.name == name for call in meter.calls) for name in names]
    cells = [
        f"{number(seconds)} {name} ({count}x)"
        for (name, seconds), count in zip(shown, counts, strict=True)
    ]
    rest = meter.seconds - sum(seconds for _, seconds in shown)
    cells += [f"{number(rest)} other calls", f"{number(max(0.0, elapsed - meter.seconds))} driver"]
    return ", ".join(cells)
