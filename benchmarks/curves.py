"""Learning curves: accuracy against labels bought, run after run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from tqdm.auto import tqdm

from benchmarks.text import number, table
from skactive.exceptions import ColdStartWarning

RANDOM = "random"


class Split(NamedTuple):
    """What a run may ask about, and what it is judged on."""

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    X_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


class Curve(NamedTuple):
    """One run, an entry for each round."""

    labels: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    seconds_select: NDArray[np.float64]
    seconds_fit: NDArray[np.float64]


# From the name of a selector and a seed to a loop that has not been fitted.
MakeLoop = Callable[[str, int], Any]


def run(make_loop: MakeLoop, split: Split, n_pool: int, name: str, seed: int) -> Curve:
    """A loop on a pool drawn by the seed."""
    pool = np.random.default_rng(seed).permutation(len(split.X))[:n_pool]
    X_test = np.array(split.X_test)  # torch warns of the read-only pages that processes share
    loop = make_loop(name, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ColdStartWarning)
        loop.fit(split.X[pool], split.y[pool], X_val=X_test, y_val=split.y_test)
    names = ("n_bought", "score", "seconds_select", "seconds_fit")
    return Curve(*(np.array([entry[key] for entry in loop.history_]) for key in names))


def run_all(
    make_loop: MakeLoop, split: Split, n_pool: int, names: Sequence[str], n_seeds: int
) -> dict[str, list[Curve]]:
    """All runs, one process a core; seeds are the same for each name."""
    jobs = [(name, seed) for name in names for seed in range(n_seeds)]
    results = Parallel(n_jobs=-1, return_as="generator")(
        delayed(run)(make_loop, split, n_pool, name, seed) for name, seed in jobs
    )
    found: dict[str, list[Curve]] = {name: [] for name in names}
    for (name, _), curve in zip(jobs, tqdm(results, "runs", len(jobs), leave=False), strict=True):
        found[name].append(curve)
    return found


def accuracy_table(curves: Mapping[str, Sequence[Curve]]) -> str:
    """Mean and standard deviation in %, a line for each number of labels."""
    labels = next(iter(curves.values()))[0].labels
    percent = {name: 100 * np.array([one.accuracy for one in of]) for name, of in curves.items()}
    lines = [
        [str(count), *(f"{y[:, row].mean():.1f} ± {y[:, row].std():.1f}" for y in percent.values())]
        for row, count in enumerate(labels)
    ]
    return table(["labels", *curves], lines)


def cost_table(curves: Mapping[str, Sequence[Curve]]) -> str:
    """Labels until random selection is reached, and seconds of a round."""
    goal = np.mean([one.accuracy[-1] for one in curves[RANDOM]])
    lines = []
    for name, of in curves.items():
        needed = labels_needed(of, float(goal))
        seconds = [np.mean([getattr(one, key) for one in of]) for key in Curve._fields[2:]]
        lines.append([name, needed, *(number(float(value)) for value in seconds)])
    heading = f"labels for {100 * goal:.1f} %, what random selection ends with"
    return table(["", heading, "seconds a selection", "seconds a training"], lines)


def labels_needed(curves: Sequence[Curve], goal: float) -> str:
    """Where the mean curve first reaches the goal, between rounds by a straight line."""
    labels, mean = curves[0].labels, np.mean([one.accuracy for one in curves], axis=0)
    reached = np.flatnonzero(mean >= goal)
    if not len(reached):
        return f"> {labels[-1]}"
    after = reached[0]
    if after == 0:
        return f"<= {labels[0]}"
    share = (goal - mean[after - 1]) / (mean[after] - mean[after - 1])
    return f"{labels[after - 1] + share * (labels[after] - labels[after - 1]):.0f}"
