"""ActiveFT's temperature and assignment, as in Tables 5a and 6 of its paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.label_efficiency.cell import ANY_MODEL, Cell, Outcome
from benchmarks.label_efficiency.models import MODELS
from benchmarks.label_efficiency.problem import SETTINGS, Sizes
from benchmarks.label_efficiency.registry import ABLATIONS
from benchmarks.text import table

SETTING = "cifar10"
SHARES = (0.005, 0.01, 0.02)
PAPER_TEMPERATURES: Mapping[float, tuple[float, ...]] = {
    0.04: (85.6, 87.4, 90.3),
    0.07: (85.0, 88.2, 90.1),
    0.2: (84.1, 85.3, 89.6),
    0.5: (83.5, 86.1, 89.0),
}
UPDATED = f"activeft-{0.07}"
FROZEN = "activeft-frozen"
PAPER_ASSIGNMENT = {UPDATED: "40.7, 54.6", FROZEN: "20.6, 52.8"}


def cells(n_pool: int, seeds: Sequence[int]) -> list[Cell]:
    sizes = Sizes(n_pool, tuple(max(2, round(share * n_pool)) for share in SHARES))
    names = list(ABLATIONS)
    return [
        Cell(SETTINGS[SETTING], name, ANY_MODEL, seed, sizes) for name in names for seed in seeds
    ]


def belongs(cell: Cell) -> bool:
    return cell.selector in ABLATIONS


def section(found: Sequence[tuple[Cell, Outcome]]) -> list[str]:
    """Two tables; nothing where nothing was run."""
    good = [(cell, outcome) for cell, outcome in found if outcome.error is None]
    if not good:
        return []
    budgets = good[0][1].budgets
    means = {
        (name, model): _mean(good, name, model)
        for name in ABLATIONS
        for model in MODELS
        if any(cell.selector == name for cell, _ in good)
    }
    n_seeds = len({cell.seed for cell, _ in good})
    sizes = good[0][0].sizes
    heading = [f"{model}, {budget}" for model in MODELS for budget in budgets]
    labels = ", ".join(map(str, budgets))
    text = (
        f"`{SETTING}`, {sizes.pool:,} rows, {labels} labels (0.5, 1 and 2 %), {n_seeds} seeds; "
        "accuracy in %. The paper fine-tunes a DeiT-Small on 0.5, 1 and 2 % of 50,000 images (for "
        "the assignment on 2 and 5 % of CIFAR-100): its numbers are higher, and what compares is "
        "the order of the lines."
    )
    temperatures = [
        [f"{value:g}", *_cells(means, f"activeft-{value}"), ", ".join(map(str, paper))]
        for value, paper in PAPER_TEMPERATURES.items()
        if (f"activeft-{value}", MODELS[0]) in means
    ]
    assignments = [
        [label, *_cells(means, name), PAPER_ASSIGNMENT[name]]
        for label, name in (("updated", UPDATED), ("frozen", FROZEN))
        if (name, MODELS[0]) in means
    ]
    return [
        "## ActiveFT: temperature and assignment",
        text,
        table(["temperature", *heading, "paper, Table 6"], temperatures),
        table(["assignment", *heading, "paper, Table 5a"], assignments),
    ]


def _mean(good: Sequence[tuple[Cell, Outcome]], name: str, model: str) -> list[str]:
    scores = 100 * np.array([one.scores[model] for cell, one in good if cell.selector == name])
    return [f"{m:.1f} ± {s:.1f}" for m, s in zip(scores.mean(0), scores.std(0), strict=True)]


def _cells(means: Mapping[tuple[str, str], list[str]], name: str) -> list[str]:
    return [cell for model in MODELS for cell in means[name, model]]
