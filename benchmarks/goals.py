"""What the package promises, beside what has been measured: one table, computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import NamedTuple

from benchmarks.case import (
    DENSE,
    DENSE_COVARIANCE,
    DENSE_TWIN,
    MAPPED,
    OURS,
    TORCH,
    TWIN,
    TWO_COLUMNS,
)
from benchmarks.cases import CASES
from benchmarks.measure import Line, Result, step_seconds
from benchmarks.text import number, same_picks, table

Measured = Mapping[str, Sequence[Line]]
MEGABYTE = 10**6


class Goal(NamedTuple):
    """A promise: the bar has to be reached, the aim should be."""

    text: str
    bar: float
    aim: float
    unit: str
    case: str
    value: Callable[[Measured, str], float | None]
    """From the measurements and the name of the case."""
    twin: tuple[str, ...] = (TWIN,)
    """Who has to pick the same rows; the first that was measured counts."""
    ours: str = OURS
    sizes: Mapping[str, int] = {}
    """Which of the lines of `ours`."""

    def verdict(self, value: float) -> str:
        more_is_better = self.aim > self.bar
        if value >= self.aim if more_is_better else value <= self.aim:
            return "yes, the aim"
        return "yes" if (value >= self.bar if more_is_better else value <= self.bar) else "**no**"


def find(measured: Measured, case: str, label: str, sizes: Mapping[str, int] = {}) -> list[Result]:
    """Results without an error, of lines that have this label and, unscaled, these sizes."""
    return [
        result
        for contender, result in measured.get(case, ())
        if contender.label == label
        and sizes.items() <= {**CASES[case].sizes, **contender.sizes}.items()
        and result.error is None
    ]


def ratio(measured: Measured, case: str, label: str, over: str) -> float | None:
    """Seconds a step of one label over those of another; ours with all sizes of the case."""
    sizes = CASES[case].sizes
    found = [find(measured, case, one, sizes if one == OURS else {}) for one in (label, over)]
    if not all(found):
        return None
    one, other = (step_seconds(CASES[case], results[0]) for results in found)
    return one / other


def speedup(peer: str) -> Callable[[Measured, str], float | None]:
    return partial(ratio, label=peer, over=OURS)


def cost(unit: str) -> Callable[[Measured, str], float | None]:
    return partial(ratio, label=OURS, over=unit)


def seconds(measured: Measured, case: str) -> float | None:
    found = find(measured, case, OURS)
    return median(found[0].seconds) if found else None


def megabytes(
    kind: str, label: str = OURS, sizes: Mapping[str, int] = {}
) -> Callable[[Measured, str], float | None]:
    def value(measured: Measured, case: str) -> float | None:
        found = find(measured, case, label, sizes)
        size = getattr(found[0], kind) if found else None
        return None if size is None else size / MEGABYTE

    return value


def growth(measured: Measured, case: str) -> float | None:
    small, large = (find(measured, case, OURS, {"n": n}) for n in (250_000, 1_000_000))
    return median(large[0].seconds) / median(small[0].seconds) if small and large else None


def _million(case: str, name: str, twin: tuple[str, ...]) -> list[Goal]:
    at = {"n": 1_000_000}
    in_memory = megabytes("memory", OURS, at)
    mapped = megabytes("anonymous", MAPPED, at)
    pool = f"{name}, n = 1,000,000, d = 256, 200 picks"
    text = f"{name}: seconds at n = 1,000,000 over seconds at n = 250,000"
    return [
        Goal(f"{pool}: memory beyond the pool", 500, 200, "MB", case, in_memory, twin, OURS, at),
        Goal(
            f"{pool}, from a memmap: anonymous", 600, 250, "MB", case, mapped, (OURS,), MAPPED, at
        ),
        Goal(text, 5, 4.2, "times", case, growth, twin, OURS, at),
    ]


GOALS = [
    Goal(
        "k-center, n = 50,000, 1,000 picks: faster than torch, one column at a time",
        10, 16, "times", "kcenter-50k", speedup(TORCH),
    ),
    Goal(
        "the same: faster than scikit-activeml",
        120, 230, "times", "kcenter-50k", speedup("scikit-activeml CoreSet"),
    ),
    Goal(
        "ITL, n = 5,000, 100 targets, 50 picks: faster than activeft",
        500, 2000, "times", "itl", speedup("activeft ITL, one mini-batch"),
    ),
    Goal(
        "ITL, n = 50,000, 100 targets, 200 picks: a pick over one X @ V with 2 columns",
        0.5, 0.2, "products", "itl-50k", cost(TWO_COLUMNS),
    ),
    Goal("VTL, the same", 0.6, 0.3, "products", "vtl-50k", cost(TWO_COLUMNS)),
    Goal(
        "undirected ITL, n = 50,000, 1,000 picks: faster than bmdal_reg maxdet",
        30, 50, "times", "itl-undirected", speedup("bmdal_reg maxdet"),
    ),
    Goal(
        "ActiveFT, n = 50,000, 1,000 centers, an iteration of 300: faster than dense autograd",
        12, 25, "times", "activeft-50k", speedup(DENSE), (DENSE_TWIN,),
    ),
    Goal(
        "the same, features of CIFAR-10",
        6, 10, "times", "activeft-real", speedup(DENSE), (DENSE_TWIN,),
    ),
    Goal(
        "ActiveFT, n = 50,000, 5,000 centers: peak memory beyond the features",
        300, 150, "MB", "activeft-memory", megabytes("memory"), (DENSE,),
    ),
    Goal(
        "MLMOC, 4,000 candidates x 4,000 rows, 500 labeled, 10 classes",
        1, 0.4, "s", "mlmoc", seconds, (DENSE_COVARIANCE,),
    ),
    *_million("growth-coreset", "k-center", (TWIN, TORCH)),
    *_million("growth-itl", "ITL", (TWIN,)),
]  # fmt: skip


def section(measured: Measured, scale: float) -> str:
    """The table of all goals."""
    lines = [_cells(goal, measured, scale) for goal in GOALS]
    header = ["case", "bar", "aim", "measured", "met", "same picks as the slow twin"]
    text = "The bar has to be reached, the aim should be; 1 MB is 10^6 bytes."
    if scale != 1:
        text += f" All sizes are scaled by {scale:g}, so that nothing is met or missed."
    return "\n\n".join(["## Goals", text, table(header, lines)])


def _cells(goal: Goal, measured: Measured, scale: float) -> list[str]:
    value = goal.value(measured, goal.case)
    cells = [goal.text, f"{goal.bar:g} {goal.unit}", f"{goal.aim:g} {goal.unit}"]
    if value is None:
        return [*cells, "not measured", "", ""]
    verdict = goal.verdict(value) if scale == 1 else ""
    return [*cells, f"{number(value)} {goal.unit}", verdict, _agreement(goal, measured)]


def _agreement(goal: Goal, measured: Measured) -> str:
    """With the first twin that has done the same work."""
    for label in goal.twin:
        for ours in find(measured, goal.case, goal.ours, goal.sizes):
            for twin in find(measured, goal.case, label, goal.sizes):
                if ours.sizes == twin.sizes and ours.picks and twin.picks:
                    step = CASES[goal.case].step
                    after = "" if step == "budget" else f" after {ours.sizes[step]} {step}"
                    return f"{same_picks(twin.picks, ours.picks)}{after} ({label})"
    return "not compared"
