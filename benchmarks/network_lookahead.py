"""Seconds of a look ahead with a network: ``python -m benchmarks.network_lookahead --help``."""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks import images
from benchmarks.memory import Watch
from benchmarks.network_gradients import small_conv_net
from benchmarks.text import number, table
from skactive import MLMOCSelector

SIZES = {"unlabeled": 2_000, "labeled": 500, "retrained": 20}
N_CLASSES, SIDE = 10, 28
EPOCHS, BATCH, RATE, MOMENTUM = 20, 50, 0.02, 0.9
KINDS = ("pntk", "diagonal", "full")
GOAL_SECONDS, GOAL_FACTOR = 60, 100
QUICK_SCALE = 0.02


class Problem(NamedTuple):
    """Images, the first of them labeled, and the network trained on these."""

    X: Tensor
    y: NDArray[np.int64]
    n_labeled: int
    network: nn.Module
    source: str


def section(options: argparse.Namespace) -> str:
    """Seconds for each tangent kernel, beside training the network anew for each candidate."""
    sizes = {name: max(2, int(size * options.scale)) for name, size in SIZES.items()}
    problem = make_problem(sizes)
    n_candidates = sizes["unlabeled"]
    naive = seconds_of_retraining(problem, sizes["retrained"]) * n_candidates
    n_parameters = sum(p.numel() for p in problem.network.parameters())
    lines = [
        ("retraining for every candidate", naive, None, "", ""),
        *(_line(problem, kind, naive) for kind in KINDS),
    ]
    text = (
        f"`MLMOCSelector` scores {n_candidates:,} candidates by the change of the outputs at as "
        f"many unlabeled rows, with {sizes['labeled']:,} labeled rows and {N_CLASSES} classes, "
        f"for a convolutional network of {n_parameters:,} parameters on {problem.source}. "
        f"Retraining is {EPOCHS} epochs of SGD on the labeled rows and the candidate from the "
        f"present weights, and a look at all unlabeled rows; the seconds are those of "
        f"{sizes['retrained']} candidates, times {n_candidates / sizes['retrained']:g}. Goals: "
        f"less than {GOAL_SECONDS} seconds, and {GOAL_FACTOR} times faster than retraining. "
        "MiB is the peak of resident memory beyond the data."
    )
    header = ["method", "seconds", "times faster", "MiB", "goals"]
    rows = [
        [name, number(seconds), number(naive / seconds), memory, goals]
        for name, seconds, _, memory, goals in lines
    ]
    return f"## Look-ahead with a network\n\n{text}\n\n{table(header, rows)}"


def _line(problem: Problem, kind: str, naive: float) -> tuple[str, float, None, str, str]:
    with Watch() as watch:
        seconds = seconds_of_selecting(problem, kind)
    memory = "not known" if watch.resident is None else number(watch.resident / 2**20)
    met = seconds < GOAL_SECONDS and naive / seconds >= GOAL_FACTOR
    return f'`ntk="{kind}"`', seconds, None, memory, "both met" if met else "missed"


def make_problem(sizes: dict[str, int]) -> Problem:
    n = sizes["unlabeled"] + sizes["labeled"]
    rng = np.random.default_rng(0)
    try:
        loaded = images.load("fashion-mnist")
        rows = rng.permutation(len(loaded.X_train))[:n]
        X, y = loaded.X_train[rows].astype(np.float32) / 255, loaded.y_train[rows]
        source = "Fashion-MNIST"
    except FileNotFoundError:
        X = rng.random((n, 1, SIDE, SIDE), dtype=np.float32)
        y = rng.integers(0, N_CLASSES, n)
        source = "random images (`python -m benchmarks.images fashion-mnist` fetches real ones)"
    torch.manual_seed(0)
    network = small_conv_net(n_hidden=64)
    problem = Problem(torch.from_numpy(X), y, sizes["labeled"], network, source)
    train(network, problem, list(range(sizes["labeled"])))
    return problem


def train(network: nn.Module, problem: Problem, rows: Sequence[int]) -> None:
    """SGD on some rows with their labels, from the present weights."""
    X, y = problem.X[rows], torch.from_numpy(problem.y[rows])
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(X)).split(BATCH):
            optimizer.zero_grad()
            cross_entropy(network(X[batch]), y[batch]).backward()
            optimizer.step()


def seconds_of_retraining(problem: Problem, n_candidates: int) -> float:
    """For one candidate, in the mean of some."""
    start = time.perf_counter()
    for candidate in range(problem.n_labeled, problem.n_labeled + n_candidates):
        network = copy.deepcopy(problem.network)
        train(network, problem, [*range(problem.n_labeled), candidate])
        with torch.no_grad():
            network(problem.X[problem.n_labeled :])
    return (time.perf_counter() - start) / n_candidates


def seconds_of_selecting(problem: Problem, kind: str) -> float:
    """From the call of fit to its end."""
    labeled = np.arange(problem.n_labeled)
    selector = MLMOCSelector(budget=1, network=problem.network, ntk=kind)
    start = time.perf_counter()
    selector.fit(problem.X, problem.y, labeled=labeled)
    return time.perf_counter() - start


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.network_lookahead")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on sizes (default 1)")
    parser.add_argument("--quick", action="store_true", help=f"--scale {QUICK_SCALE}")
    options = parser.parse_args(argv)
    if options.quick:
        options.scale = QUICK_SCALE
    return options


if __name__ == "__main__":
    print(section(parse()))
