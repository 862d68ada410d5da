"""Finished cells, one small file each, outside the repository."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from joblib import Parallel, delayed, parallel_config
from tqdm.auto import tqdm

from benchmarks import fetch
from benchmarks.label_efficiency.cell import Cell, Outcome, run
from benchmarks.label_efficiency.files import write_whole

FOLDER = "label-efficiency"


def default_store() -> Path:
    return fetch.cache() / FOLDER


def read(store: Path, cell: Cell) -> Outcome | None:
    """What is known of a cell, failures included."""
    path = path_of(store, cell)
    return Outcome.from_json(path.read_text(encoding="utf-8")) if path.exists() else None


def run_missing(store: Path, cells: Sequence[Cell], n_jobs: int, fresh: bool) -> None:
    """Run what is not there yet or failed; a run that is interrupted keeps what it has finished."""
    todo = [cell for cell in cells if fresh or not is_done(store, cell)]
    with parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=1):
        found = Parallel(return_as="generator_unordered")(
            delayed(run_and_keep)(path_of(store, cell), cell) for cell in todo
        )
        for _ in tqdm(found, "cells", len(todo), disable=not todo):
            pass


def run_and_keep(path: Path, cell: Cell) -> None:
    text = run(cell).to_json()
    write_whole(path, lambda path: path.write_text(text, encoding="utf-8"))


def is_done(store: Path, cell: Cell) -> bool:
    found = read(store, cell)
    return found is not None and found.error is None


def outcomes(store: Path, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Outcome]]:
    """Those that are there."""
    for cell in cells:
        if (found := read(store, cell)) is not None:
            yield cell, found


def path_of(store: Path, cell: Cell) -> Path:
    """Where the outcome of a cell is kept."""
    return store / cell.setting.name / cell.selector / f"{cell.model}-{cell.seed}-{cell.key()}.json"
