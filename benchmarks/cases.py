"""What is measured: pools made from seeds, the work to be done on them, and who does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import skactive
from benchmarks import ours, peers

N_FEATURES = 384
N_CENTERS = 100
N_CLASSES = 10
NOISE = 0.1
SEED = 0

# The sizes that `--scale` scales.
SCALED = {"n", "budget", "n_labeled", "n_splits"}


class Contender(NamedTuple):
    """One line of a table."""

    label: str
    run: Callable[..., Any]
    """Does the work; called with what `Case.make` returned, returns the picks or None."""
    sizes: dict[str, int] = {}
    """Sizes other than those of the case."""


@dataclass(frozen=True)
class Case:
    """One table: the same work for each contender. The first one is what ratios refer to."""

    title: str
    make: Callable[..., dict[str, Any]]
    """From sizes to the arguments of `Contender.run`."""
    sizes: dict[str, int]
    contenders: tuple[Contender, ...]
    step: str = "budget"
    """The size that counts the steps a contender takes."""
    ratio: str | None = "ratio to skactive"
    """Heading of the ratio of seconds a step; None where it means nothing."""
    compares_picks: bool = True
    judge: Callable[..., list[float]] | None = None
    """From the arguments and the picks to figures of merit."""
    note: str = ""

    def scaled_sizes(self, contender: Contender, scale: float) -> dict[str, int]:
        """Sizes of one line, each at least 1."""
        sizes = {**self.sizes, **contender.sizes}
        return {
            name: max(1, round(size * scale)) if name in SCALED else size
            for name, size in sizes.items()
        }


def clustered(n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit rows around random centers, and the center of each."""
    rng = np.random.default_rng(SEED)
    centers = rng.standard_normal((N_CENTERS, N_FEATURES), dtype=np.float32)
    center = rng.integers(N_CENTERS, size=n)
    X = rng.standard_normal((n, N_FEATURES), dtype=np.float32)
    X *= np.float32(0.7)
    X += centers[center]
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X, center


def make_pool(n: int, budget: int) -> dict[str, Any]:
    return {"X": clustered(n)[0], "budget": budget}


def make_noisy_pool(n: int, budget: int) -> dict[str, Any]:
    return {**make_pool(n, budget), "noise": NOISE}


def make_directed(n: int, n_targets: int, budget: int) -> dict[str, Any]:
    X, _ = clustered(n + n_targets)
    return {"X": X[:n], "targets": X[n:], "budget": budget, "noise": NOISE}


def make_centers(n: int, budget: int, iterations: int) -> dict[str, Any]:
    return {**make_pool(n, budget), "iterations": iterations, "seed": SEED}


def make_labeled(n: int, n_labeled: int, budget: int) -> dict[str, Any]:
    X, center = clustered(n)
    return {"X": X, "y": center % N_CLASSES, "labeled": np.arange(n_labeled), "budget": budget}


class Split(NamedTuple):
    """A pool whose rows `labeled` are known at the start, and the rows to be predicted."""

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    labeled: NDArray[np.int64]
    X_test: NDArray[np.float64]
    y_test: NDArray[np.int64]


def make_digits(n_splits: int, n_first: int, budget: int) -> dict[str, Any]:
    X, y = load_digits(return_X_y=True)
    splits = []
    for seed in range(n_splits):
        X_pool, X_test, y_pool, y_test = train_test_split(
            X / 16, y, test_size=0.5, random_state=seed
        )
        labeled = np.random.RandomState(seed).permutation(len(X_pool))[:n_first]
        splits.append(Split(X_pool, y_pool, labeled, X_test, y_test))
    return {"splits": splits, "budget": budget}


def accuracies(picks: list[NDArray[np.int64]], splits: list[Split], budget: int) -> list[float]:
    """Test accuracy of logistic regression trained on the labeled rows and the picks."""
    scores = []
    for rows, split in zip(picks, splits, strict=True):
        known = np.append(split.labeled, rows)
        model = LogisticRegression(max_iter=1000).fit(split.X[known], split.y[known])
        scores.append(float(model.score(split.X_test, split.y_test)))
    return scores


def _growth(run: Callable[..., Any]) -> tuple[Contender, ...]:
    return tuple(Contender("skactive", run, {"n": n}) for n in (25_000, 50_000, 100_000))


def _without_targets(run: Callable[..., Any]) -> Callable[..., Any]:
    return lambda X, targets, budget, noise: run(X, budget)


def _on_digits(label: str, make_selector: Callable[[int, int], skactive.BaseSelector]) -> Contender:
    return Contender(label, partial(ours.on_splits, make_selector))


K_CENTER = (
    Contender("skactive", ours.core_set),
    Contender("torch, one column at a time, float32", peers.torch_k_center),
    Contender("NumPy, one column at a time, float64", peers.numpy_k_center),
)
K_CENTER_NOTE = "Row 0 is labeled at the start, so that all pick the same rows but for rounding."
GROWTH_NOTE = "Twice the rows should take twice the time, and little more memory."

CASES = {
    "kcenter-10k": Case(
        "Core-set (k-center)",
        make_pool,
        {"n": 10_000, "budget": 500},
        (*K_CENTER, Contender("scikit-activeml CoreSet", peers.scikit_activeml_core_set)),
        note=K_CENTER_NOTE,
    ),
    "kcenter-50k": Case(
        "Core-set (k-center), large pool",
        make_pool,
        {"n": 50_000, "budget": 200},
        K_CENTER,
        note=K_CENTER_NOTE,
    ),
    "itl": Case(
        "ITL with targets",
        make_directed,
        {"n": 5_000, "n_targets": 100, "budget": 50},
        (
            Contender("skactive", ours.itl),
            Contender("activeft ITL, one mini-batch", peers.activeft_itl),
            Contender("NumPy, dense covariances, float64", peers.numpy_itl),
        ),
        note="Noise variance 0.1, for the targets too. activeft leaves the noise of a candidate's "
        "own label out of the score, so that its picks may differ.",
    ),
    "vtl": Case(
        "VTL with targets",
        make_directed,
        {"n": 5_000, "n_targets": 100, "budget": 50},
        (
            Contender("skactive", ours.vtl),
            Contender("activeft VTL, one mini-batch", peers.activeft_vtl),
            Contender("NumPy, dense covariance, float64", peers.numpy_vtl),
        ),
        note="Noise variance 0.1.",
    ),
    "itl-undirected": Case(
        "ITL without targets (greedy log-determinant)",
        make_noisy_pool,
        {"n": 10_000, "budget": 200},
        (
            Contender("skactive", ours.itl_undirected),
            Contender("NumPy, dense kernel matrix, float64", peers.numpy_log_det),
        ),
        note="Noise variance 0.1.",
    ),
    "activeft": Case(
        "ActiveFT",
        make_centers,
        {"n": 10_000, "budget": 500, "iterations": 20},
        (
            Contender("skactive", ours.activeft),
            Contender("torch, dense autograd, float32", peers.torch_activeft),
        ),
        step="iterations",
        note="As many centers as picks, started at the same rows.",
    ),
    "mlmoc": Case(
        "MLMOC",
        make_labeled,
        {"n": 4_000, "n_labeled": 500, "budget": 10},
        (
            Contender("skactive, best scores at once", ours.mlmoc),
            Contender("skactive, sequential=True", ours.mlmoc_sequential),
        ),
        ratio="ratio to the first line",
        compares_picks=False,
        note=f"{N_CLASSES} classes; every unlabeled row is a candidate and is summed over.",
    ),
    "growth-coreset": Case(
        "Growth of core-set with the pool",
        make_pool,
        {"budget": 50},
        _growth(ours.core_set),
        ratio="ratio to the first line",
        compares_picks=False,
        note=GROWTH_NOTE,
    ),
    "growth-itl": Case(
        "Growth of ITL with the pool",
        make_directed,
        {"n_targets": 100, "budget": 20},
        _growth(ours.itl),
        ratio="ratio to the first line",
        compares_picks=False,
        note=GROWTH_NOTE,
    ),
    "roofline": Case(
        "Roofline",
        make_directed,
        {"n": 50_000, "n_targets": 100, "budget": 50},
        (
            Contender("X @ v, one column, float32", _without_targets(peers.torch_products)),
            Contender("skactive, core-set", _without_targets(ours.core_set)),
            Contender("skactive, ITL with targets", ours.itl),
        ),
        ratio="products a pick costs",
        compares_picks=False,
        note="How many products of the pool with one column take as long as one pick, all set-up "
        "included.",
    ),
    "digits": Case(
        "Quality of the picks on handwritten digits",
        make_digits,
        {"n_splits": 5, "n_first": 20, "budget": 50},
        (
            _on_digits(
                "random rows", lambda b, seed: skactive.RandomSelector(b, random_state=seed)
            ),
            _on_digits("core-set", lambda b, seed: skactive.CoreSetSelector(b)),
            _on_digits("ITL", lambda b, seed: skactive.ITLSelector(b)),
            _on_digits("VTL", lambda b, seed: skactive.VTLSelector(b)),
            _on_digits("ActiveFT", lambda b, seed: skactive.ActiveFTSelector(b, random_state=seed)),
            _on_digits("MLMOC", lambda b, seed: skactive.MLMOCSelector(b, sequential=True)),
        ),
        ratio=None,
        compares_picks=False,
        judge=accuracies,
        note="Accuracy of logistic regression on the other half of the data, after training on "
        "the first labeled rows, drawn at random, and the picks: mean (smallest-largest) over the "
        "splits. Seconds are for all splits.",
    ),
}
