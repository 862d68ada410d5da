"""Results as a Markdown page."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import mean, median

from benchmarks.cases import Case, Contender
from benchmarks.measure import Result

PACKAGES = ("skactive", "torch", "numpy", "scipy", "scikit-learn", "activeft", "scikit-activeml")

INTRODUCTION = """\
Each line is measured in a process of its own: a warm-up on a tiny pool, then the runs. Pools are
float32 unit rows with 384 features around 100 random centers, but for the digits.

- **seconds**: median over the runs (smallest-largest), `fit` from start to end.
- **runs**: fewer where one takes long.
- **MiB**: peak resident memory during the first run beyond the data and the imports.
- **ratio**: seconds per step, divided by those of the first line of the table.
- **same picks**: how many of the first line's picks are among those of this line, and after how
  many the order parts.
"""


def page(command: str, sections: Sequence[str]) -> str:
    """The whole page; `sections` come from `case_section` and `import_section`."""
    head = [
        "# Benchmarks",
        f"`{command}`, {date.today().isoformat()}",
        f"Machine: {describe_machine()}",
        f"Versions: {describe_versions()}",
        INTRODUCTION.strip(),
    ]
    return "\n\n".join([*head, *sections]) + "\n"


def case_section(name: str, case: Case, results: Sequence[Result]) -> str:
    """The table of one case; results are in the order of its contenders."""
    step = {"budget": "pick", "iterations": "iteration"}[case.step]
    header = ["", "seconds", "runs", f"ms per {step}", "MiB"]
    header += [case.ratio] if case.ratio else []
    header += ["same picks"] if case.compares_picks else []
    header += ["quality"] if case.judge else []
    lines = [
        _cells(case, contender, result, results[0], len(header))
        for contender, result in zip(case.contenders, results, strict=True)
    ]
    heading = f"## {case.title} (`{name}`)"
    common = _sizes({name: results[0].sizes[name] for name in case.sizes})
    text = " ".join(filter(None, [f"{common}.", case.note]))
    return "\n\n".join([heading, text, _table(header, lines)])


def import_section(name: str, seconds: Sequence[tuple[float, float]]) -> str:
    """The table of import times."""
    before, after = zip(*seconds, strict=True)
    lines = [
        ["scikit-learn and torch", _spread(before), str(len(before))],
        ["skactive, after these", _spread(after), str(len(after))],
    ]
    return "\n\n".join([f"## Import time (`{name}`)", _table(["", "seconds", "runs"], lines)])


def _cells(
    case: Case, contender: Contender, result: Result, first: Result, n_columns: int
) -> list[str]:
    own_sizes = _sizes({name: result.sizes[name] for name in contender.sizes})
    label = ", ".join(filter(None, [contender.label, own_sizes]))
    if result.error is not None:
        return [label, result.error, *[""] * (n_columns - 2)]
    cells = [
        label,
        _spread(result.seconds),
        str(len(result.seconds)),
        _number(1000 * _step_seconds(case, result)),
        "not known" if result.memory is None else f"{result.memory / 2**20:,.0f}",
    ]
    if case.ratio:
        cells.append("" if first.error else _number(_ratio(case, result, first)))
    if case.compares_picks:
        cells.append("" if result is first else same_picks(first.picks, result.picks))
    if result.quality is not None:
        low, high = min(result.quality), max(result.quality)
        cells.append(f"{mean(result.quality):.3f} ({low:.3f}-{high:.3f})")
    return cells


def same_picks(expected: Sequence[int] | None, picks: Sequence[int] | None) -> str:
    """How far two selections agree, in words."""
    if expected is None or picks is None:
        return ""
    if list(picks) == list(expected):
        return f"all {len(expected)}, in order"
    common = len(set(picks) & set(expected))
    pairs = enumerate(zip(expected, picks, strict=False))
    parting = next((t for t, (a, b) in pairs if a != b), min(len(picks), len(expected)))
    return f"{common} of {len(expected)}, the first {parting} in order"


def describe_machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS")
    parts = [
        _cpu_model(),
        f"{cores} cores" + (f" (OMP_NUM_THREADS={threads})" if threads else ""),
        _ram(),
        _system(),
        f"Python {platform.python_version()}",
    ]
    return ", ".join(filter(None, parts))


def describe_versions() -> str:
    return ", ".join(f"{package} {_version(package)}" for package in PACKAGES)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _ram() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return ""
    return f"{total / 2**30:.0f} GiB"


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = f"{platform.system()} {platform.release()}"
    return f"{name} ({platform.machine()})"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _step_seconds(case: Case, result: Result) -> float:
    return median(result.seconds) / result.sizes[case.step]


def _ratio(case: Case, result: Result, first: Result) -> float:
    return _step_seconds(case, result) / _step_seconds(case, first)


def _spread(seconds: Sequence[float]) -> str:
    if len(seconds) == 1:
        return _number(seconds[0])
    return f"{_number(median(seconds))} ({_number(min(seconds))}-{_number(max(seconds))})"


def _number(value: float) -> str:
    """Three significant digits, never an exponent."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"


def _sizes(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name} = {size:,}" for name, size in sizes.items())


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
