"""What is to be run and how long it may take, judged by what has been run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from benchmarks.label_efficiency import store
from benchmarks.label_efficiency.cell import Cell
from benchmarks.text import number, table


def plan(folder: Path, cells: Sequence[Cell], n_jobs: int) -> str:
    """A table, a line for each selector."""
    seconds: dict[tuple[str, str], list[float]] = {}
    todo: list[Cell] = []
    for cell in cells:
        outcome = store.read(folder, cell)
        if outcome is None or outcome.error is not None:
            todo.append(cell)
        else:
            at = cell.setting.name, cell.selector
            seconds.setdefault(at, []).append(outcome.cpu_seconds)
    lines, total, unknown = [], 0.0, 0
    for selector in dict.fromkeys(cell.selector for cell in cells):
        own = [cell for cell in todo if cell.selector == selector]
        known = [_guess(cell, seconds) for cell in own]
        missing = sum(one is None for one in known)
        spent = sum(one for one in known if one is not None)
        total, unknown = total + spent, unknown + missing
        done = sum(cell.selector == selector for cell in cells) - len(own)
        lines.append([selector, str(done), str(len(own)), number(spent), str(missing)])
    heading = ["selector", "finished", "to run", "seconds of one core", "of unknown length"]
    summary = (
        f"{len(todo)} of {len(cells)} runs to be made: about {number(total / 60 / n_jobs)} minutes "
        f"on {n_jobs} cores, and {unknown} of unknown length."
    )
    return f"{table(heading, lines)}\n\n{summary}"


def _guess(cell: Cell, seconds: dict[tuple[str, str], list[float]]) -> float | None:
    """From the same selector on the same set, else the mean of what it took on others."""
    if own := seconds.get((cell.setting.name, cell.selector)):
        return mean(own)
    others = [mean(spent) for (_, name), spent in seconds.items() if name == cell.selector]
    return mean(others) if others else None
