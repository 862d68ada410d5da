"""Seconds and memory against the number of rows, log-log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.case import Case
from benchmarks.measure import Line

MEBIBYTE = 2**20
MARKERS = "oxs^vD*P"
# Peaks below are noise of the measurement.
SMALLEST_MEBIBYTES = 1.0

Curve = list[tuple[int, float]]


def curves(lines: Sequence[Line]) -> dict[str, tuple[Curve, Curve]]:
    """For each label seconds and anonymous MiB over n, without the lines that failed."""
    found: dict[str, tuple[Curve, Curve]] = {}
    for contender, result in lines:
        if result.error is not None:
            continue
        seconds, memory = found.setdefault(contender.label, ([], []))
        seconds.append((result.sizes["n"], median(result.seconds)))
        if result.anonymous is not None:
            mebibytes = max(result.anonymous / MEBIBYTE, SMALLEST_MEBIBYTES)
            memory.append((result.sizes["n"], mebibytes))
    return found


def draw(case: Case, lines: Sequence[Line], path: Path) -> bool:
    """Write a PNG; False where matplotlib is missing or nothing was measured."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    drawn = curves(lines)
    if not drawn:
        return False
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    for number, (label, both) in enumerate(drawn.items()):
        ours = label.startswith("skactive")
        style = {"linewidth": 2.4 if ours else 1.3, "marker": MARKERS[number % len(MARKERS)]}
        for ax, curve in zip(axes, both, strict=True):
            ax.plot(*zip(*curve, strict=True), label=label, zorder=3 if ours else 2, **style)
    headings = ("seconds", "MiB of memory beyond the pool (no mapped pages)")
    for ax, heading in zip(axes, headings, strict=True):
        ax.set(xscale="log", yscale="log", xlabel="rows in the pool", title=heading)
        ax.grid(which="major", alpha=0.4)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"{case.title}: {lines[0].result.sizes['budget']:,} picks")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
    return True
