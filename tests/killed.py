"""Runs that are killed again and again, and what they leave behind."""

import os
import signal
import time

import numpy as np

from skactive import ActiveLearningLoop, CoreSetSelector
from tests.loops import logistic, make_pool

X, Y = make_pool()
BUDGET, BATCH = 60, 3


def make_loop(folder):
    return ActiveLearningLoop(
        logistic(),
        CoreSetSelector(),
        budget=BUDGET,
        batch_size=BATCH,
        random_state=0,
        journal=folder / "labels.db" if folder else None,
    )


def fit(folder):
    """A run in one process; every question is noted by the one who answers it."""

    def oracle(rows, indices):
        note(folder / "asked", indices)
        return Y[indices]

    finished(folder, make_loop(folder).fit(X, oracle=oracle))


def ask_or_tell(folder):
    """One question or one answer: each of them is a process of its own."""
    loop, todo = make_loop(folder), folder / "todo"
    if todo.exists():
        [rows] = noted(todo)
        loop.tell(rows, Y[rows])
        note(folder / "told", rows)
        todo.unlink()
        return
    rows = loop.ask(X)
    if len(rows) == 0:
        finished(folder, loop)
        return
    note(folder / "asked", rows)
    note(folder / "todo.tmp", rows)
    os.replace(folder / "todo.tmp", todo)


def note(path, rows):
    """A line on the disk before anything else happens."""
    with open(path, "a") as file:
        file.write(" ".join(map(str, rows)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def noted(path):
    lines = path.read_text().splitlines() if path.exists() else []
    return [[int(row) for row in line.split()] for line in lines]


def finished(folder, loop):
    np.savez(
        folder / "result.tmp.npz",
        rows=loop.labeled_indices_,
        labels=loop.y_labeled_,
        predictions=loop.predict_proba(X),
    )
    os.replace(folder / "result.tmp.npz", folder / "result.npz")


def run_killed(context, work, folder, delays):
    """Work until there is a result, killed after each of the delays; how often it was."""
    n_kills, delays = 0, iter(delays)
    while not (folder / "result.npz").exists():
        (folder / "todo.tmp").unlink(missing_ok=True)
        process = context.Process(target=work, args=(folder,))
        process.start()
        process.join(next(delays, None))
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
        n_kills += process.exitcode != 0
    return n_kills


def seconds_of(context, work, folder):
    """How long a process takes that is left alone."""
    for name in ("first", "second"):  # the first one waits for imports
        (folder / name).mkdir(parents=True)
        start = time.perf_counter()
        process = context.Process(target=work, args=(folder / name,))
        process.start()
        process.join()
        assert process.exitcode == 0
    return time.perf_counter() - start
