"""Numbers and tables as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median


def number(value: float) -> str:
    """Three significant digits, never an exponent."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"


def spread(seconds: Sequence[float]) -> str:
    """Median, smallest and largest."""
    if len(seconds) == 1:
        return number(seconds[0])
    return f"{number(median(seconds))} ({number(min(seconds))}-{number(max(seconds))})"


def named(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size:,}" for name, size in sizes.items())


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def same_picks(expected: Sequence[int] | None, picks: Sequence[int] | None) -> str:
    """How far two selections agree, in words."""
    if expected is None or picks is None:
        return ""
    if list(picks) == list(expected):
        return f"all {len(expected):,}, in order"
    common = len(set(picks) & set(expected))
    pairs = enumerate(zip(expected, picks, strict=False))
    parting = next((t for t, (a, b) in pairs if a != b), min(len(picks), len(expected)))
    return f"{common:,} of {len(expected):,}, the first {parting:,} in order"
