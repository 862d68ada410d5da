"""Prints a table, a row a round."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from skactive.callbacks._base import Callback

__all__ = ["PrintTable"]

_COUNTS = {"round": "round", "labeled": "n_labeled", "bought": "n_bought", "unknown": "n_unknown"}
_SECONDS = {"select": "seconds_select", "oracle": "seconds_oracle", "fit": "seconds_fit"}
_MIN_WIDTH = 8


class PrintTable(Callback):
    """Print a row a round: counts, cost, score, measures of stopping rules, seconds.

    Columns are ``round``, ``labeled`` and ``bought`` (labels so far, with and without those
    owned before), ``unknown`` (rows nobody could label), ``cost``, ``score``, one for each
    measure of the stopping rules, and the seconds that it took to ``select`` the rows, to ask
    the ``oracle`` and to ``fit`` the model. A dash means that there is no such number. The
    header is printed once, and again where a rule has something new to tell.

    Parameters
    ----------
    sink : callable, default=print
        Called with each line; ``logging.getLogger("loop").info`` does as well.

    Examples
    --------
    >>> from skactive.callbacks import PrintTable
    >>> entry = {
    ...     "round": 1, "n_labeled": 20, "n_bought": 20, "n_unknown": 0, "cost": 20.0,
    ...     "score": 0.8125, "measures": {}, "seconds_select": 0.25, "seconds_oracle": 61.5,
    ...     "seconds_fit": 1.0,
    ... }
    >>> PrintTable().on_round_end(None, entry)
       round   labeled    bought   unknown      cost     score    select    oracle       fit
    --------  --------  --------  --------  --------  --------  --------  --------  --------
           1        20        20         0        20    0.8125      0.25     61.50      1.00
    """

    _header: tuple[str, ...] = ()

    def __init__(self, sink: Callable[[str], Any] = print) -> None:
        self.sink = sink

    def on_loop_begin(self, loop: Any, X: Any) -> None:
        """Refuse what cannot be called; start a new table."""
        if not callable(self.sink):
            raise TypeError(
                f"sink == {self.sink!r}, must be callable with a line of text, such as print."
            )
        self._header = ()

    def on_round_end(self, loop: Any, entry: dict[str, Any]) -> None:
        """Print a row."""
        cells = {name: str(entry[key]) for name, key in _COUNTS.items()}
        cells["cost"] = f"{entry['cost']:.7g}"
        cells["score"] = _number(entry["score"])
        measures = entry.get("measures", {})
        for name in dict.fromkeys([*self._measures_shown(), *measures]):
            cells[name] = _number(measures.get(name, math.nan))
        cells |= {name: f"{entry[key]:.2f}" for name, key in _SECONDS.items()}
        if tuple(cells) != self._header:
            self._header = tuple(cells)
            self._print(cells)
            self._print("-" * max(len(name), _MIN_WIDTH) for name in cells)
        self._print(cells.values())

    def __getstate__(self) -> dict[str, Any]:
        # A loop that is fitted keeps its parameters; what goes on elsewhere begins a new table.
        return {name: value for name, value in super().__getstate__().items() if name != "_header"}

    def _measures_shown(self) -> tuple[str, ...]:
        """Their columns stay where a round lacks them."""
        return self._header[len(_COUNTS) + 2 : -len(_SECONDS)]

    def _print(self, cells: Iterable[str]) -> None:
        widths = [max(len(name), _MIN_WIDTH) for name in self._header]
        row = zip(cells, widths, strict=True)
        self.sink("  ".join(f"{cell:>{width}}" for cell, width in row))


def _number(value: float) -> str:
    """At most eight characters."""
    if math.isnan(value):
        return "-"
    size = abs(value)
    if size != 0 and not 1e-3 <= size < 1e4:
        return f"{value:.1e}"
    return f"{value:.4f}" if size < 99 else f"{value:.2f}"
