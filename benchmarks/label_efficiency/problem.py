"""What one run is about: a pool, rows to be tested on, and how they are drawn from a data set."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from benchmarks.label_efficiency.datasets import SOURCES, Data, load

BUDGETS = (10, 20, 50, 100, 200, 500, 1000)
# A budget of more than this share of the pool says little about selection.
LARGEST_SHARE = 0.2
N_TARGETS = 200
TARGET_CLASSES = 2
IMBALANCE = 20.0
IRRELEVANT_SHARE = 0.9

Rng = np.random.Generator
Rows = NDArray[np.int64]


class Setting(NamedTuple):
    """A data set and how pool and test rows are drawn from it."""

    dataset: str
    variant: str = "plain"
    pool: int | None = None
    """Rows of a pool where the variant has fewer than the data set."""

    @property
    def name(self) -> str:
        return self.dataset if self.variant == "plain" else f"{self.dataset}-{self.variant}"

    @property
    def regression(self) -> bool:
        return SOURCES[self.dataset].regression

    @property
    def has_targets(self) -> bool:
        return self.variant in ("shifted", "irrelevant")


class Sizes(NamedTuple):
    """What the options of the program change; None is what the data set says."""

    pool: int | None = None
    budgets: tuple[int, ...] = BUDGETS


class Problem(NamedTuple):
    X: NDArray[np.float32]
    y: NDArray
    X_test: NDArray[np.float32]
    y_test: NDArray
    X_target: NDArray[np.float32] | None
    """Unlabeled rows like those of the test, where the setting has them."""
    budgets: tuple[int, ...]
    """Numbers of labels at which models are trained; the first is what all start from."""


def make_problem(setting: Setting, sizes: Sizes, seed: int) -> Problem:
    """The same for all selectors: pool, test rows and targets depend on the seed alone."""
    source, data = SOURCES[setting.dataset], load(setting.dataset)
    rng = np.random.default_rng([seed, zlib.crc32(setting.dataset.encode())])
    n_pool = sizes.pool or setting.pool or source.pool
    others = rng.permutation(len(data.X if data.X_test is None else data.X_test))
    if data.X_test is None:
        reserved = source.test + N_TARGETS * setting.has_targets
        rows, others = np.sort(others[reserved:]), others[:reserved]
        data = Data(data.X, data.y, data.X, data.y)
    else:
        rows = np.arange(len(data.X))
    wanted = wanted_classes(setting.variant, data.y, rng)
    pool = VARIANTS[setting.variant](data.y, rng.permutation(rows), n_pool, wanted, rng)
    if wanted is not None:
        others = others[np.isin(data.y_test[others], wanted)]
    targets, test = np.split(others, [N_TARGETS * setting.has_targets])
    test = test[: source.test]
    scale = SCALINGS[source.scaling](data.X[pool])
    return Problem(
        scale(data.X[pool]),
        data.y[pool],
        scale(data.X_test[test]),
        data.y_test[test],
        scale(data.X_test[targets]) if setting.has_targets else None,
        budgets_for(
            sizes.budgets, min(n_pool, len(rows)), 0 if setting.regression else np.ptp(data.y) + 1
        ),
    )


def budgets_for(budgets: Sequence[int], n_pool: int, n_classes: int) -> tuple[int, ...]:
    """Those that fit the pool, and none below the number of classes, which takes their place."""
    first = max(min(budgets), int(n_classes))
    fit = {first, *(one for one in budgets if first < one <= LARGEST_SHARE * n_pool)}
    return tuple(sorted(fit))


def wanted_classes(variant: str, y: NDArray, rng: Rng) -> NDArray | None:
    """Classes of the test rows; None means all."""
    classes = np.unique(y) if variant in ("shifted", "irrelevant") else None
    if variant == "shifted":
        return np.sort(rng.permutation(classes)[:TARGET_CLASSES])
    if variant == "irrelevant":
        return np.sort(rng.permutation(classes)[: len(classes) // 2])
    return None


def _plain(y: NDArray, rows: Rows, n: int, wanted: NDArray | None, rng: Rng) -> Rows:
    return rows[:n]


def _imbalanced(y: NDArray, rows: Rows, n: int, wanted: NDArray | None, rng: Rng) -> Rows:
    """Class frequencies fall geometrically, in an order of classes of the seed's."""
    classes = rng.permutation(np.unique(y))
    shares = IMBALANCE ** (-np.arange(len(classes)) / (len(classes) - 1))
    return _with_counts(y, rows, dict(zip(classes, n * shares / shares.sum(), strict=True)), rng)


def _irrelevant(y: NDArray, rows: Rows, n: int, wanted: NDArray | None, rng: Rng) -> Rows:
    """Most rows are of classes that are not in the test."""
    is_wanted = np.isin(y[rows], wanted)
    n_wanted = round(n * (1 - IRRELEVANT_SHARE))
    kept = [rows[is_wanted][:n_wanted], rows[~is_wanted][: n - n_wanted]]
    return rng.permutation(np.concatenate(kept))


def _with_counts(y: NDArray, rows: Rows, counts: Mapping[int, float], rng: Rng) -> Rows:
    """Rows of each class in these numbers; all are made smaller where a class has too few."""
    of = {c: rows[y[rows] == c] for c in counts}
    factor = min(1.0, *(len(of[c]) / counts[c] for c in counts))
    kept = [of[c][: max(1, round(factor * counts[c]))] for c in counts]
    return rng.permutation(np.concatenate(kept))


def divided(X: NDArray[np.float32]) -> Callable[[NDArray], NDArray[np.float32]]:
    """By the root of the mean squared norm of the pool's rows, which becomes 1."""
    norm = np.sqrt((X.astype(np.float64) ** 2).sum(1).mean())
    return lambda rows: (rows / norm).astype(np.float32)


def standard(X: NDArray[np.float32]) -> Callable[[NDArray], NDArray[np.float32]]:
    """Each feature to mean 0 and variance 1 on the pool, then divided."""
    scaler = StandardScaler().fit(X)
    last = divided(scaler.transform(X))
    return lambda rows: last(scaler.transform(rows))


def ranks(X: NDArray[np.float32]) -> Callable[[NDArray], NDArray[np.float32]]:
    """Each feature by its rank in the pool to a normal distribution, then divided."""
    ranked = QuantileTransformer(n_quantiles=500, output_distribution="normal", random_state=0)
    ranked.fit(X)
    last = divided(ranked.transform(X))
    return lambda rows: last(ranked.transform(rows))


SCALINGS = {"divided": divided, "standard": standard, "ranks": ranks}
VARIANTS = {
    "plain": _plain,
    "imbalanced": _imbalanced,
    "shifted": _plain,
    "irrelevant": _irrelevant,
}
SETTINGS = {
    setting.name: setting
    for setting in [
        *(Setting(name) for name in SOURCES),
        Setting("fashion-mnist", "imbalanced"),
        Setting("cifar10", "imbalanced", 5_000),
        Setting("mnist", "shifted"),
        Setting("cifar10", "shifted", 5_000),
        Setting("fashion-mnist", "irrelevant"),
        Setting("cifar10", "irrelevant", 5_000),
    ]
}
