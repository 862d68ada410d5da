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


def ask_and_tell(folder):
    """Each question and each answer by an object of its own."""
    while True:
        loop = make_loop(folder)
        rows = loop.ask(X)
        if len(rows) == 0:
            return finished(folder, loop)
        half = len(rows) // 2
        note(folder / "asked", rows)
        make_loop(folder).tell(rows[half:], Y[rows[half:]])
        note(folder / "told", rows[half:])
        make_loop(folder).tell(rows[:half], Y[rows[:half]])
        note(folder / "told", rows[:half])


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
    """Run until finished, killed after each of the delays; how often it was."""
    for n_kills, delay in enumerate(delays):
        process = context.Process(target=work, args=(folder,))
        process.start()
        process.join(delay)
        process.kill()
        process.join()
        if process.exitcode == 0:
            return n_kills
        assert process.exitcode == -signal.SIGKILL, process.exitcode
    process = context.Process(target=work, args=(folder,))
    process.start()
    process.join()
    assert process.exitcode == 0
    return len(delays)


def seconds_of(context, work, folder):
    """How long a run takes that is left alone."""
    for name in ("first", "second"):  # the first one waits for imports
        (folder / name).mkdir(parents=True)
        start = time.perf_counter()
        run_killed(context, work, folder / name, [])
    return time.perf_counter() - start
