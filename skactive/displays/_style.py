"""What all displays look like: colours, lines and markers that survive a grey printer."""

from __future__ import annotations

from typing import Any

from skactive._extras import require

# M. Okabe, K. Ito: Color Universal Design, 2008; without the yellow, which is lost on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Numbers of them without a common divisor with that of the colours: pairs repeat late.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES: tuple[Any, ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1, 3)),
    (0, (8, 3)),
)
GREY = "0.72"


def style(place: int) -> dict[str, Any]:
    """Colour, marker and line of one of several curves or classes."""
    return {
        "color": COLORS[place % len(COLORS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place % len(LINES)],
    }


def axes_for(ax: Any, owner: str, width: float = 6.4) -> Any:
    """The axes to draw on, in a new figure where there are none."""
    pyplot = require("matplotlib.pyplot", "plots", owner)
    if ax is not None:
        return ax
    return pyplot.subplots(figsize=(width, 4.4), layout="constrained")[1]


def add_legend(ax: Any, **kwargs: Any) -> None:
    """A legend to the right of the axes, where the layout makes room for it; else inside."""
    if ax.figure.get_layout_engine() is None:
        ax.legend(loc="best", framealpha=0.8, **kwargs)
    else:
        place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
        ax.legend(frameon=False, **place, **kwargs)


def log_ticks(axis: Any) -> None:
    """Plain numbers on a logarithmic axis, some in each decade."""
    ticker = require("matplotlib.ticker", "plots", "A logarithmic axis")
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def is_dark(color: Any) -> bool:
    """Whether white is easier to read on it than black."""
    colors = require("matplotlib.colors", "plots", "A number on a marker")
    red, green, blue = colors.to_rgb(color)
    return bool(0.299 * red + 0.587 * green + 0.114 * blue < 0.55)
