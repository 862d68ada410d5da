"""Results as a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from statistics import mean

from benchmarks.case import ROOFLINE, Case
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.measure import Line, Result, step_seconds
from benchmarks.text import named, number, same_picks, spread, table

INTRODUCTION = """\
Networks (gradients, tangent kernels, the look ahead, learning curves on images) are measured in
[NETWORKS.md](NETWORKS.md), the labels that each selector saves in [LABELS.md](LABELS.md), all rules
that scikit-activeml has, too, in [STRATEGIES.md](STRATEGIES.md), the journal of the loop in
[JOURNAL.md](JOURNAL.md), the command line in [COMMAND.md](COMMAND.md), pools in parts in
[SCALE.md](SCALE.md).

Each line is measured in a process of its own: a warm-up on a tiny pool, then the runs, in turn with
those of the other lines. Pools are float32 unit rows around 100 random centers, unless said.

- **seconds**: median over the runs (smallest-largest), `fit` from start to end.
- **runs**: fewer where one takes long.
- **MiB**: peak resident memory during the first run beyond the data and the imports.
- **anonymous MiB**: the same without the pages of mapped files, where the pool is such a file.
- **ratio**: seconds per step, divided by those of the first line of the table with these sizes.
- **over roofline**: seconds, divided by those of the fastest product of the pool with as many
  columns as the method needs.
- **same picks**: how many of the first line's picks are among those of this line, and after how
  many the order parts.

Of the peers, bmdal_reg 3.0.2 asks for `numpy.Inf`, which NumPy 2 has dropped and is put back for
it; scikit-matter 0.4 requires scikit-learn < 1.9 but works with 1.9 when installed without its
requirements; apricot-select has none of these methods, its facility location stands for its cost.
"""


def page(command: str, sections: Sequence[str]) -> str:
    """The whole page; `sections` come from here, from `goals` and from `plots`."""
    head = [
        "# Benchmarks",
        f"`{command}`, {date.today().isoformat()}",
        f"Machine: {describe_machine()}",
        f"Versions: {describe_versions()}",
        INTRODUCTION.strip(),
    ]
    return "\n\n".join([*head, *sections]) + "\n"


def case_section(name: str, case: Case, lines: Sequence[Line], picture: str | None = None) -> str:
    """The table of one case."""
    heading = f"## {case.title} (`{name}`)"
    common = named({size: lines[0].result.sizes[size] for size in case.sizes if lines})
    text = " ".join(filter(None, [f"{common}.", case.note]))
    header = _header(case, lines)
    cells = [_cells(case, line, lines) for line in lines]
    rows = [[row.get(column, "") for column in header] for row in cells]
    picture = f"![{case.title}: seconds and memory]({picture})" if picture else None
    return "\n\n".join(filter(None, [heading, text, table(header, rows), picture]))


def import_section(name: str, seconds: Sequence[tuple[float, float]]) -> str:
    """The table of import times."""
    before, after = zip(*seconds, strict=True)
    lines = [
        ["scikit-learn and torch", spread(before), str(len(before))],
        ["skactive, after these", spread(after), str(len(after))],
    ]
    return "\n\n".join([f"## Import time (`{name}`)", table(["", "seconds", "runs"], lines)])


def _header(case: Case, lines: Sequence[Line]) -> list[str]:
    wanted = {
        "": True,
        "seconds": True,
        "runs": True,
        f"ms per {_step_name(case)}": True,
        "MiB": True,
        "anonymous MiB": any(line.contender.make for line in lines),
        case.ratio: case.ratio is not None,
        "over roofline": any(line.contender.label == ROOFLINE for line in lines),
        "same picks": case.compares_picks,
        "quality": case.judge is not None,
        case.quotes: case.quotes is not None,
    }
    return [str(column) for column, is_wanted in wanted.items() if is_wanted]


def _cells(case: Case, line: Line, lines: Sequence[Line]) -> dict[str, str]:
    """By heading; what a line lacks is left out."""
    contender, result = line
    cells = {"": ", ".join(filter(None, [contender.label, _own_sizes(line)]))}
    cells[str(case.quotes)] = contender.quoted
    if result.error is not None:
        return cells | {"seconds": result.error}
    cells |= {
        "seconds": spread(result.seconds),
        "runs": str(len(result.seconds)),
        f"ms per {_step_name(case)}": number(1000 * step_seconds(case, result)),
        "MiB": _mebibytes(result.memory),
        "anonymous MiB": _mebibytes(result.anonymous),
    }
    if first := _first(lines, result, but=case.step):
        cells[str(case.ratio)] = number(step_seconds(case, result) / step_seconds(case, first))
    if best := _first(lines, result, but=case.step, label=ROOFLINE):
        cells["over roofline"] = number(step_seconds(case, result) / step_seconds(case, best))
    first = _first(lines, result)
    if first is not None and first is not result:
        cells["same picks"] = same_picks(first.picks, result.picks)
    if result.quality is not None:
        low, high = min(result.quality), max(result.quality)
        cells["quality"] = f"{mean(result.quality):.3f} ({low:.3f}-{high:.3f})"
    return cells


def _first(
    lines: Sequence[Line], result: Result, but: str = "", label: str | None = None
) -> Result | None:
    """The first line that went well with the sizes of `result`, one aside."""
    for contender, other in lines:
        pairs = ((size, other.sizes[size]) for size in result.sizes if size != but)
        if (
            other.error is None
            and label in (None, contender.label)
            and all(result.sizes[size] == value for size, value in pairs)
        ):
            return other
    return None


def _step_name(case: Case) -> str:
    return {"budget": "pick", "iterations": "iteration"}[case.step]


def _own_sizes(line: Line) -> str:
    return named({size: line.result.sizes[size] for size in line.contender.sizes})


def _mebibytes(size: int | None) -> str:
    return "not known" if size is None else f"{size / 2**20:,.0f}"
