"""What a case is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

# The sizes that `--scale` scales.
SCALED = {"n", "budget", "n_labeled", "n_splits"}

# What is measured only on request comes later.
PROFILES = ("default", "full", "large")

# Labels that more than one module asks for.
OURS = "skactive"
MAPPED = "skactive, from a memmap"
TORCH = "torch, one column at a time, float32"
TWIN = "NumPy, one column at a time, float64"
DENSE = "torch, dense autograd, float32"
DENSE_TWIN = "torch, dense autograd, float64"
DENSE_COVARIANCE = "NumPy, dense covariance, float64"
TWO_COLUMNS = "X @ V, 2 columns for each pick"
ROOFLINE = "roofline: X @ V, as many columns"


class Contender(NamedTuple):
    """One line of a table."""

    label: str
    run: Callable[..., Any]
    """Does the work; called with what `make` returned, returns the picks, `Clocked` or None."""
    sizes: dict[str, int] = {}
    """Sizes other than those of the case."""
    profile: str = "default"
    """The first of `PROFILES` in which it is measured."""
    make: Callable[..., dict[str, Any]] | None = None
    """Where the data are not those of the case."""
    quoted: str = ""
    """What somebody else has reported."""


class Clocked(NamedTuple):
    """Returned by a contender that takes its time itself."""

    seconds: float


@dataclass(frozen=True)
class Case:
    """One table: the same work for each contender. Ratios refer to the first one."""

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
    quotes: str | None = None
    """Heading of what the contenders quote."""
    takes_turns: bool = True
    """Whether all contenders are held in memory at once, to run in turn."""
    plot: bool = False
    """Whether the lines of one label are a curve over n."""
    profile: str = "default"
    note: str = ""

    def scaled_sizes(self, contender: Contender, scale: float) -> dict[str, int]:
        """Sizes of one line, each at least 1."""
        sizes = {**self.sizes, **contender.sizes}
        return {
            name: max(1, round(size * scale)) if name in SCALED else size
            for name, size in sizes.items()
        }

    def arguments(self, contender: Contender, sizes: dict[str, int]) -> dict[str, Any]:
        """What the contender is called with."""
        return (contender.make or self.make)(**sizes)

    def positions(self, profiles: set[str]) -> list[int]:
        """Which of the contenders are measured in these profiles."""
        return [i for i, one in enumerate(self.contenders) if one.profile in profiles]
