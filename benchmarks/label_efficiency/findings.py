"""What the literature says, and whether it is found here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.label_efficiency.registry import RANDOM
from benchmarks.label_efficiency.results import Table
from benchmarks.text import table

MODEL = "linear"
LOW, HIGH = 50, 1000

REASONS = """\
Where a claim is not found, these are the reasons as far as they are known. *Undirected ITL* picks
the rows with the largest posterior variance, which are those least like all others, as the core-set
does by distances; rows that stand for the middle of a class come late. With targets it is far
ahead. *Margin* starts from random rows, and its batches here are as large as all labels before
them. In rounds of 50 (`--datasets cifar10 --selectors margin,random --budgets 10,50,100,...,1000`)
it ends with 81.0, level with the best; so do selectors that change over to it once they have
represented the pool (`auto`).
"""


class Claim(NamedTuple):
    """Something that can be read off the tables."""

    text: str
    setting: str
    check: Callable[[Table], tuple[str, bool]]


def mean(one: Table, selector: str, budget: int) -> float:
    """Mean accuracy over the seeds, in %."""
    return float(100 * one.scores(selector).mean(0)[one.budgets.index(budget)])


def compares(name: str, other: str, budget: int, sign: int) -> Callable[[Table], tuple[str, bool]]:
    """Whether a selector is ahead of another (sign 1) or behind it (-1)."""

    def check(one: Table) -> tuple[str, bool]:
        a, b = mean(one, name, budget), mean(one, other, budget)
        return f"{name} {a:.1f}, {other} {b:.1f}", sign * (a - b) > 0

    return check


def few_labels_suffice(name: str, budget: int) -> Callable[[Table], tuple[str, bool]]:
    """Whether a selector has with few labels what random picks have with the most."""

    def check(one: Table) -> tuple[str, bool]:
        most = one.budgets[-1]
        a, b = mean(one, name, budget), mean(one, RANDOM, most)
        return f"{name} {a:.1f} with {budget:,}, {RANDOM} {b:.1f} with {most:,}", a >= b

    return check


def leads(name: str, budget: int) -> Callable[[Table], tuple[str, bool]]:
    """Whether a selector is among the best three."""

    def check(one: Table) -> tuple[str, bool]:
        order = sorted(one.runs, key=lambda other: -mean(one, other, budget))
        best = ", ".join(f"{other} {mean(one, other, budget):.1f}" for other in order[:3])
        place = order.index(name) + 1
        text = f"{name} {mean(one, name, budget):.1f}, place {place} of {len(order)} ({best})"
        return text, place <= 3

    return check


CLAIMS = (
    *(
        Claim(
            f"{name} is ahead of random with {LOW} labels", "cifar10", compares(key, RANDOM, LOW, 1)
        )
        for name, key in (
            ("ActiveFT", "activeft"),
            ("k-means", "k-means"),
            ("TypiClust", "typiclust"),
        )
    ),
    Claim(
        f"The core-set is behind random with {LOW} labels",
        "cifar10",
        compares("core-set", RANDOM, LOW, -1),
    ),
    Claim(
        "ITL with 200 targets of 2 classes has with 50 labels what random has with 1,000",
        "cifar10-shifted",
        few_labels_suffice("itl", LOW),
    ),
    Claim(f"Margin is among the best with {HIGH:,} labels", "cifar10", leads("margin", HIGH)),
    Claim(f"Undirected ITL is among the best with {HIGH:,} labels", "cifar10", leads("itl", HIGH)),
)


def section(tables: Sequence[Table]) -> list[str]:
    """Claims for which there are runs; nothing where there are none."""
    lines = claims_found(tables)
    if not lines:
        return []
    head = "## What the literature says"
    text = f"Read off the tables below, `{MODEL}` model, mean accuracy in %."
    return [head, text, table(["claim", "setting", "here", "found"], lines), REASONS.strip()]


def claims_found(tables: Sequence[Table]) -> list[list[str]]:
    """Claim, setting, numbers, and whether it is found."""
    lines = []
    for claim in CLAIMS:
        for one in tables:
            if one.setting.name != claim.setting or one.model != MODEL:
                continue
            try:
                text, found = claim.check(one)
            except (KeyError, ValueError):  # no runs of a selector, or another budget
                continue
            lines.append([claim.text, claim.setting, text, "yes" if found else "**no**"])
    return lines
