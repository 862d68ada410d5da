"""Outcomes of cells, sorted into one table for each setting and model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.label_efficiency.cell import Cell, Outcome
from benchmarks.label_efficiency.problem import Setting
from benchmarks.label_efficiency.registry import RANDOM
from benchmarks.label_efficiency.statistics import (
    Runs,
    Tally,
    area,
    areas,
    compare_at,
    holm,
    labels_needed,
    paired,
    paired_p,
)


class Table(NamedTuple):
    """All selectors with one setting and one model."""

    setting: Setting
    model: str
    budgets: tuple[int, ...]
    runs: Mapping[str, Runs]
    """By the selector."""
    seconds: Mapping[str, float]
    """Of all selections of a run, the fastest seed."""

    def scores(self, selector: str) -> NDArray[np.float64]:
        """Of shape (n_seeds, n_budgets)."""
        return np.array(list(self.runs[selector].values()))

    def ranking(self) -> list[str]:
        """Selectors, the largest area first."""
        return sorted(self.runs, key=lambda name: -area(self.budgets, self.scores(name).mean(0)))

    def against_random(self) -> dict[str, tuple[float, float]]:
        """Area minus that of random selection, and p by Holm over the selectors of the table."""
        if RANDOM not in self.runs:
            return {}
        reference = areas(self.budgets, self.runs[RANDOM])
        others = [name for name in self.runs if name != RANDOM]
        pairs = [paired(areas(self.budgets, self.runs[name]), reference) for name in others]
        gains = [float((one[:, 0] - one[:, 1]).mean()) for one in pairs]
        adjusted = holm([paired_p(one) for one in pairs])
        return dict(zip(others, zip(gains, adjusted, strict=True), strict=True))

    def needed(self, selector: str) -> float | None:
        """Labels for the score that random selection ends with."""
        goal = self.scores(RANDOM).mean(0)[-1]
        return labels_needed(self.budgets, self.scores(selector).mean(0).tolist(), float(goal))

    def tally(self, first: str, second: str) -> Tally:
        """Over the budgets."""
        positions = range(len(self.budgets))
        both = self.runs[first], self.runs[second]
        return sum((compare_at(position, *both) for position in positions), Tally())


def make_tables(found: Sequence[tuple[Cell, Outcome]]) -> tuple[list[Table], list[str]]:
    """Tables in the order in which settings and models first come, and what is left out of them.

    Means over other seeds than those of the other selectors would not compare.
    """
    good = [(cell, outcome) for cell, outcome in found if outcome.error is None]
    runs: dict[tuple[Setting, str], dict[str, dict[int, list[float]]]] = {}
    for cell, outcome in good:
        for model, scores in outcome.scores.items():
            by_selector = runs.setdefault((cell.setting, model), {})
            by_selector.setdefault(cell.selector, {})[cell.seed] = scores
    tables, partly = [], []
    for (setting, model), by_selector in runs.items():
        n_seeds = max(map(len, by_selector.values()))
        whole = {name: of for name, of in by_selector.items() if len(of) == n_seeds}
        partly += [
            f"`{setting.name}`, {model}: `{name}` is left out, it has {len(of)} of {n_seeds} runs"
            for name, of in by_selector.items()
            if name not in whole
        ]
        own = [(cell, outcome) for cell, outcome in good if cell.setting == setting]
        spent = [(cell.selector, sum(one.seconds)) for cell, one in own if model in one.scores]
        seconds = {name: min(s for own, s in spent if own == name) for name in whole}
        tables.append(Table(setting, model, tuple(own[0][1].budgets), whole, seconds))
    return tables, partly


def tally_matrix(tables: Iterable[Table]) -> dict[str, dict[str, Tally]]:
    """Each selector against each other, over the tables that have both and all their budgets."""
    matrix: dict[str, dict[str, Tally]] = {}
    for table in tables:
        for first in table.runs:
            row = matrix.setdefault(first, {})
            for second in table.runs:
                if first != second:
                    row[second] = row.get(second, Tally()) + table.tally(first, second)
    return matrix
