"""Learning curves of each setting, and who wins against whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.label_efficiency.registry import RANDOM
from benchmarks.label_efficiency.results import Table
from benchmarks.label_efficiency.statistics import Tally, area

N_BEST = 6
PALETTE_SIZE = 256
COLORS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
    "#8c564b", "#7b3294", "#66a61e", "#17becf", "#e7298a", "#666666",
)  # fmt: skip
MARKERS = "osD^vPX<>ph*"


def available() -> bool:
    """Whether matplotlib is there; it is told to open no window."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    return True


def draw_curves(tables: Sequence[Table], path: Path) -> None:
    """For each model the best selectors with bands, the others in gray; below, minus random."""
    import matplotlib.pyplot as plt

    shape = 2 if all(RANDOM in one.runs for one in tables) else 1, len(tables)
    size = 6.6 * shape[1], 4.2 * shape[0]
    figure, axes = plt.subplots(*shape, figsize=size, layout="constrained", squeeze=False)
    # A selector looks the same in all panels.
    names = list(dict.fromkeys(name for one in tables for name in best(one)))
    styles = {
        name: {"color": COLORS[i % len(COLORS)], "marker": MARKERS[i % len(MARKERS)]}
        for i, name in enumerate(names)
    }
    styles[RANDOM] = {"color": "black", "marker": "x"}
    for column, one in enumerate(tables):
        _draw_scores(axes[0][column], one, styles)
        if shape[0] == 2:
            _draw_gains(axes[1][column], one, styles)
    unit = "R²" if tables[0].setting.regression else "accuracy"
    axes[0][0].set_ylabel(f"{unit} in %")
    axes[-1][0].set_ylabel(f"{unit} in %, minus that of {RANDOM}")
    figure.suptitle(f"{tables[0].setting.name}: mean ± standard deviation over the seeds")
    _save(figure, path)


def best(one: Table) -> list[str]:
    return [name for name in one.ranking() if name != RANDOM][:N_BEST]


def _draw_scores(ax: Any, one: Table, styles: Mapping[str, Mapping[str, str]]) -> None:
    curves = {name: 100 * one.scores(name) for name in one.runs}
    areas = {name: area(one.budgets, scores.mean(0)) for name, scores in curves.items()}
    labels = {name: f"{name} ({areas[name]:.1f})" for name in curves}
    shown = [*best(one), *([RANDOM] if RANDOM in one.runs else [])]
    _draw(ax, one, curves, shown, labels, styles)
    ax.set_title(f"{one.model}, the best by area (in brackets)")
    ax.legend(loc="lower right", fontsize="small")


def _draw_gains(ax: Any, one: Table, styles: Mapping[str, Mapping[str, str]]) -> None:
    """Differences of the same seed, so that what the pools have in common is gone."""
    reference = one.runs[RANDOM]
    curves = {
        name: np.array([100 * np.subtract(of[seed], reference[seed]) for seed in reference])
        for name, of in one.runs.items()
        if name != RANDOM
    }
    _draw(ax, one, curves, best(one), dict.fromkeys(curves, ""), styles)
    ax.axhline(0, color="black", linewidth=1)


def _draw(
    ax: Any,
    one: Table,
    curves: Mapping[str, NDArray[np.float64]],
    shown: Sequence[str],
    labels: Mapping[str, str],
    styles: Mapping[str, Mapping[str, str]],
) -> None:
    """Curves with bands; of the others what lies in the range of these."""
    for name in shown:
        mean, spread = curves[name].mean(0), curves[name].std(0)
        ax.plot(one.budgets, mean, label=labels[name], markersize=4, zorder=3, **styles[name])
        color = styles[name]["color"]
        ax.fill_between(one.budgets, mean - spread, mean + spread, color=color, alpha=0.12)
    others = [name for name in curves if name not in shown]
    low, high = ax.get_ylim()
    for name in others:
        ax.plot(one.budgets, curves[name].mean(0), color="0.75", linewidth=0.8, zorder=1)
    if others and any(labels.values()):
        ax.plot([], [], color="0.75", label=f"{len(others)} others")
    ax.set(xscale="log", xlabel="labels")
    ax.set_ylim(low - 0.2 * (high - low), high)
    ax.set_xticks(one.budgets, [f"{budget:,}" for budget in one.budgets])
    ax.minorticks_off()
    ax.grid(alpha=0.3)


def draw_wins(matrix: Mapping[str, Mapping[str, Tally]], names: Sequence[str], path: Path) -> None:
    """Share of wins minus share of losses of the line against the column."""
    import matplotlib.pyplot as plt

    share = np.full((len(names), len(names)), np.nan)
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            if second in matrix[first]:
                tally = matrix[first][second]
                share[i, j] = 100 * (tally.wins - tally.losses) / sum(tally)
    side = 3.5 + 0.36 * len(names)
    figure, ax = plt.subplots(figsize=(side + 1, side), layout="constrained")
    image = ax.imshow(share, cmap="RdBu", vmin=-100, vmax=100)
    for i, j in zip(*np.nonzero(np.isfinite(share)), strict=True):
        color = "white" if abs(share[i, j]) > 60 else "black"
        ax.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", fontsize=7, color=color)
    ax.set_xticks(range(len(names)), names, rotation=90)
    ax.set_yticks(range(len(names)), names)
    ax.set_title("Wins minus losses of the line against the column, % of comparisons")
    figure.colorbar(image, shrink=0.7)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=100, metadata={"Software": None})
    with Image.open(path) as picture:  # a palette makes it a third as large
        picture.convert("RGB").quantize(PALETTE_SIZE, Image.Quantize.FASTOCTREE).save(
            path, optimize=True
        )
    plt.close(figure)
