"""What the scores of a table say: areas, paired tests, wins, labels saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid
from scipy.stats import ttest_rel

SIGNIFICANCE = 0.05

# By seed, scores at each budget.
Runs = Mapping[int, Sequence[float]]


class Tally(NamedTuple):
    """Comparisons of one selector with another."""

    wins: int = 0
    ties: int = 0
    losses: int = 0

    def __add__(self, other: object) -> Tally:
        assert isinstance(other, Tally)
        return Tally(*(a + b for a, b in zip(tuple(self), tuple(other), strict=True)))

    def __str__(self) -> str:
        return f"{self.wins}-{self.ties}-{self.losses}"


def area(budgets: Sequence[int], scores: Sequence[float]) -> float:
    """Mean height of the learning curve over the logarithm of the number of labels."""
    x = np.log(budgets)
    return float(trapezoid(scores, x) / (x[-1] - x[0])) if len(x) > 1 else float(scores[0])


def areas(budgets: Sequence[int], runs: Runs) -> dict[int, float]:
    return {seed: area(budgets, scores) for seed, scores in runs.items()}


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> NDArray[np.float64]:
    """Rows of two values, one for each seed that both have."""
    common = sorted(first.keys() & second.keys())
    return np.array([[first[seed], second[seed]] for seed in common]).reshape(-1, 2)


def paired_p(pairs: NDArray[np.float64]) -> float:
    """Two-sided p of the paired t-test; differences that are all the same leave nothing to chance.

    Fewer than two pairs tell nothing: 1.
    """
    differences = pairs[:, 0] - pairs[:, 1]
    if len(pairs) < 2 or not differences.any():
        return 1.0
    if np.ptp(differences) == 0:
        return 0.0
    return float(ttest_rel(pairs[:, 0], pairs[:, 1]).pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm's step-down method, in the order given."""
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    raised = np.maximum.accumulate(np.asarray(values, dtype=np.float64)[order] * factors)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(raised, 1)
    return [float(value) for value in adjusted]


def compare(pairs: NDArray[np.float64]) -> Tally:
    """One comparison: a win or a loss where the t-test is significant."""
    if paired_p(pairs) >= SIGNIFICANCE:
        return Tally(ties=1)
    return Tally(wins=1) if pairs[:, 0].mean() > pairs[:, 1].mean() else Tally(losses=1)


def compare_at(position: int, first: Runs, second: Runs) -> Tally:
    """The two at one budget."""
    one, other = (
        {seed: scores[position] for seed, scores in runs.items()} for runs in (first, second)
    )
    return compare(paired(one, other))


def labels_needed(budgets: Sequence[int], mean: Sequence[float], goal: float) -> float | None:
    """Where the curve first reaches the goal, straight between budgets; None: it does not."""
    reached = [position for position, score in enumerate(mean) if score >= goal]
    if not reached:
        return None
    after = reached[0]
    if after == 0:
        return float(budgets[0])
    share = (goal - mean[after - 1]) / (mean[after] - mean[after - 1])
    return budgets[after - 1] + share * (budgets[after] - budgets[after - 1])
