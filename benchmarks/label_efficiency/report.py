"""The page: benchmarks/LABELS.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from benchmarks.label_efficiency import ablation, findings, models, problem
from benchmarks.label_efficiency.cell import PROGRAM, Cell, Outcome
from benchmarks.label_efficiency.datasets import SOURCES
from benchmarks.label_efficiency.problem import Setting
from benchmarks.label_efficiency.registry import RANDOM
from benchmarks.label_efficiency.results import Table, tally_matrix
from benchmarks.label_efficiency.statistics import SIGNIFICANCE, Tally, area
from benchmarks.machine import describe_machine, describe_versions
from benchmarks.text import number, table

PACKAGES = ("skactive", "scikit-activeml", "torch", "numpy", "scipy", "scikit-learn")
HEAT_MAP = "labels-wins.png"
SHOWN_FAILURES = 30
Found = Sequence[tuple[Cell, Outcome]]

PROTOCOL_TEXT = f"""\
**Runs.** Each seed draws a pool and test rows, the same for all selectors, so that selectors that
draw nothing vary, too, and differences are paired. Selectors that use no labels pick once, for the
largest budget where picks for a smaller one are its beginning, and else anew for each budget.
Selectors that use labels go in rounds, from one budget of the table to the next; their first rows
are drawn at random, those that `{RANDOM}` draws, so that at the first budget they are `{RANDOM}`.
They are handed the model trained on the labels so far. Labels that were not bought are hidden from
them. All have their defaults, except where `benchmarks/label_efficiency/registry.py` says
otherwise: committees (BALD, variance) are bagged copies of the model, and for speed `mlmoc` scores
a part of the pool and `bald-greedy` picks from one. `auto` needs no labels and picks its first rows
itself; its rules and the number of labels where they change were chosen on digits, MNIST,
Fashion-MNIST and letter. No other parameter was chosen by these results.

**Models.** All features are divided by one number so that the mean squared norm of the pool is 1.
`linear`: logistic regression, C = {models.C:g} (for prices ridge regression, alpha =
{models.REGRESSION_ALPHA[models.LINEAR]:g}). `kernel`: ridge regression to the classes with the
kernel exp(-{models.GAMMA:g} |x - x'|²), alpha = {models.ALPHA:g} (for prices
{models.REGRESSION_ALPHA[models.KERNEL]:g}). The numbers are accuracies in %, for prices 100 R²,
not less than {100 * models.WORST_R2:g}.

**Variants.** *imbalanced*: the pool's class frequencies fall geometrically, the last class having
1/{problem.IMBALANCE:g} of the rows of the first, in an order drawn by the seed; the test is as
balanced as the data. *shifted*: test rows are of {problem.TARGET_CLASSES} of the classes, drawn by
the seed, and {problem.N_TARGETS} other unlabeled rows of these classes are the targets of selectors
that take `X_target`; the pool has all classes. *irrelevant*: half of the classes are in the test,
but only {100 * (1 - problem.IRRELEVANT_SHARE):.0f} % of the rows of the pool are of these;
{problem.N_TARGETS} targets as before. `itl-undirected` is ITL that is not told the targets.

**Numbers.** Mean ± standard deviation over the seeds. *area*: mean height of the learning curve
over the logarithm of the number of labels. *over {RANDOM}*: difference of the areas, and p of the
paired t-test over the seeds, adjusted by Holm over the selectors of the table (with 5 seeds a
signed-rank test could not get below 0.06). *labels*: where the mean curve reaches what `{RANDOM}`
ends with, straight between budgets. *seconds*: all selections of a run on one core, with no
training of the model that is handed over; of the fastest seed, since runs go on side by side. Wins
and losses: paired t-test over the seeds at a single budget, {100 * SIGNIFICANCE:g} %, as in Ash et
al. (2020), not adjusted: of comparisons between
equals {100 * SIGNIFICANCE / 2:g} % are expected to be wins.
"""


def page(
    command: str, tables: Sequence[Table], found: Found, skipped: Sequence[str], pictures: bool
) -> str:
    """All sections."""
    sections = [
        "# Labels saved",
        f"`{command}`, {date.today().isoformat()}",
        f"Machine: {describe_machine()}",
        f"Versions: {describe_versions(PACKAGES)}",
        PROTOCOL_TEXT.strip(),
        *_datasets(tables),
        *_summary(tables),
        *findings.section(tables),
        *_matrix(tables, pictures),
        *(
            section
            for setting in _settings(tables)
            for section in _setting(setting, tables, pictures)
        ),
        *ablation.section([pair for pair in found if ablation.belongs(pair[0])]),
        *_problems(found, skipped),
        _reproduce(found),
    ]
    return "\n\n".join(sections) + "\n"


def picture_of(setting: Setting) -> str:
    return f"labels-{setting.name}.png"


def _settings(tables: Sequence[Table]) -> list[Setting]:
    return list(dict.fromkeys(one.setting for one in tables))


def _datasets(tables: Sequence[Table]) -> list[str]:
    names = list(dict.fromkeys(one.setting.dataset for one in tables))
    if not names:
        return []
    lines = [
        [
            name,
            SOURCES[name].rows,
            f"{SOURCES[name].pool:,}",
            f"{SOURCES[name].test:,}",
            "yes" if SOURCES[name].held_out else "",
        ]
        for name in names
    ]
    header = ["", "rows", "pool, at most", "test, at most", "held out"]
    text = (
        "Sets that are held out were used for no decision in skactive: they judge the rules of "
        "`AutoSelector`."
    )
    return ["## Data", text, table(header, lines)]


def _summary(tables: Sequence[Table]) -> list[str]:
    """One line a selector."""
    tables = [one for one in tables if RANDOM in one.runs]
    names = dict.fromkeys(name for one in tables for name in one.runs if name != RANDOM)
    lines, losses = [], []
    for name in names:
        own = [one for one in tables if name in one.runs]
        tally = sum((one.tally(name, RANDOM) for one in own), Tally())
        unseen = [one for one in own if SOURCES[one.setting.dataset].held_out]
        gains = [one.against_random()[name] for one in own]
        better = sum(p < SIGNIFICANCE and gain > 0 for gain, p in gains)
        worse = sum(p < SIGNIFICANCE and gain < 0 for gain, p in gains)
        ranks = [_rank(one, name) for one in own]
        gain = float(np.mean([gain for gain, _ in gains]))
        held_out = sum((one.tally(name, RANDOM) for one in unseen), Tally())
        seconds = float(np.mean([one.seconds[name] for one in own]))
        cells = [name, str(tally), str(held_out), f"{better} / {worse} of {len(own)}"]
        cells += [f"{100 * gain:+.1f}", f"{np.mean(ranks):.2f}", _saved(own, name), number(seconds)]
        lines.append((gain, cells))
        losses += _losses(own, name)
    if not lines:
        return []
    lines.sort(key=lambda pair: -pair[0])
    header = [
        "",
        f"wins-ties-losses against {RANDOM}",
        "the same, held-out sets",
        "area better / worse (Holm)",
        "area over random, mean",
        "rank",
        "labels saved, median",
        "seconds, mean",
    ]
    text = (
        f"All tables below, against `{RANDOM}`. Rank: 0 is the largest area of a table, 1 the "
        f"smallest, mean over the tables. Labels saved: share of the labels with which `{RANDOM}` "
        "ends, median over the tables; where it does not reach that score, less than 0 %."
    )
    parts = ["## All settings", text, table(header, [cells for _, cells in lines])]
    if losses:
        heading = ["", "setting", "model", "wins-ties-losses", "area over random"]
        text = (
            f"Settings in which a selector loses to `{RANDOM}` at more budgets than it wins: "
            f"{len(losses)} of {sum(len(one.runs) - 1 for one in tables)}."
        )
        parts += [f"### Losses to {RANDOM}", text, table(heading, losses)]
    return parts


def _rank(one: Table, name: str) -> float:
    ranking = one.ranking()
    return ranking.index(name) / max(1, len(ranking) - 1)


def _saved(tables: Sequence[Table], name: str) -> str:
    """Median share of labels saved."""
    needed = [one.needed(name) for one in tables]
    shares = [
        -np.inf if labels is None else 1 - labels / one.budgets[-1]
        for labels, one in zip(needed, tables, strict=True)
    ]
    # Not interpolated between a number and minus infinity.
    middle = float(np.quantile(shares, 0.5, method="lower"))
    return f"{100 * middle:.0f} %" if np.isfinite(middle) else "< 0 %"


def _losses(tables: Sequence[Table], name: str) -> list[list[str]]:
    lines = []
    for one in tables:
        tally = one.tally(name, RANDOM)
        if tally.losses > tally.wins:
            gain, _ = one.against_random()[name]
            lines.append([name, one.setting.name, one.model, str(tally), f"{100 * gain:+.1f}"])
    return lines


def _matrix(tables: Sequence[Table], pictures: bool) -> list[str]:
    """Wins, ties and losses of each pair."""
    matrix = tally_matrix(tables)
    names = ranked(matrix)
    if len(names) < 2:
        return []
    lines = [
        [f"{position} {name}", *(_tally_cell(matrix[name], other) for other in names)]
        for position, name in enumerate(names, 1)
    ]
    text = (
        "Wins-ties-losses of the selector of the line against that of the column, over all "
        "settings, models and budgets that both have, the most wins minus losses first."
    )
    header = ["", *(str(position) for position in range(1, len(names) + 1))]
    picture = [f"![Share of wins of each pair of selectors]({HEAT_MAP})"] if pictures else []
    return ["## Each against each", text, *picture, table(header, lines)]


def _tally_cell(row: Mapping[str, Tally], other: str) -> str:
    return str(row[other]) if other in row else ""


def ranked(matrix: Mapping[str, Mapping[str, Tally]]) -> list[str]:
    """The largest mean share of wins minus losses first."""

    def balance(name: str) -> float:
        shares = [(t.wins - t.losses) / sum(t) for t in matrix[name].values()]
        return float(np.mean(shares)) if shares else 0.0

    return sorted(matrix, key=lambda name: -balance(name))


def _setting(setting: Setting, tables: Sequence[Table], pictures: bool) -> list[str]:
    own = [one for one in tables if one.setting == setting]
    picture = [f"![{setting.name}: learning curves]({picture_of(setting)})"] if pictures else []
    held_out = " (held out)" if SOURCES[setting.dataset].held_out else ""
    parts = [f"## {setting.name}{held_out}", *picture]
    for one in own:
        n_seeds = len(next(iter(one.runs.values())))
        parts += [f"### {setting.name}, {one.model}: {n_seeds} seeds", _score_table(one)]
    return parts


def _score_table(one: Table) -> str:
    """Selectors, the largest area first."""
    gains = one.against_random()
    lines = []
    for name in one.ranking():
        scores = 100 * one.scores(name)
        cells = [f"{m:.1f} ± {s:.1f}" for m, s in zip(scores.mean(0), scores.std(0), strict=True)]
        lines.append([name, *cells, *_judgement(one, name, gains), number(one.seconds[name])])
    header = ["", *(f"{budget:,}" for budget in one.budgets)]
    goal = f"labels for {100 * one.scores(RANDOM).mean(0)[-1]:.1f}" if gains else "labels"
    return table([*header, "area", f"over {RANDOM}", goal, "seconds"], lines)


def _judgement(
    one: Table, name: str, gains: Mapping[str, tuple[float, float]]
) -> tuple[str, str, str]:
    """Area, its difference to that of random selection, labels needed."""
    height = f"{100 * area(one.budgets, one.scores(name).mean(0)):.1f}"
    if RANDOM not in one.runs:
        return height, "", ""
    needed = one.needed(name)
    labels = f"> {one.budgets[-1]:,}" if needed is None else f"{needed:,.0f}"
    if name not in gains:
        return height, "", labels
    gain, p = gains[name]
    strong = "**" if p < SIGNIFICANCE else ""
    return height, f"{strong}{100 * gain:+.1f}{strong} (p = {p:.2g})", labels


def _problems(found: Found, skipped: Sequence[str]) -> list[str]:
    """What is missing, failed or warned."""
    failed = [(cell, outcome.error) for cell, outcome in found if outcome.error]
    warned: dict[tuple[str, str], int] = {}
    for cell, outcome in found:
        for message in outcome.warnings:
            at = cell.selector, message.splitlines()[0][:160]
            warned[at] = warned.get(at, 0) + 1
    parts = ["## What is missing, failed or warned"]
    parts += ["\n".join(f"- {line}" for line in skipped)] if skipped else []
    if failed:
        lines = [[cell.name, error or ""] for cell, error in failed[:SHOWN_FAILURES]]
        parts += [f"{len(failed)} runs failed:", table(["run", "error"], lines)]
    if warned:
        lines = [[name, text, str(count)] for (name, text), count in sorted(warned.items())]
        parts += [table(["selector", "warning", "runs"], lines)]
    return parts if len(parts) > 1 else [*parts, "Nothing."]


def _reproduce(found: Found) -> str:
    example = found[0][0].command if found else f"{PROGRAM} --only digits/{RANDOM}/any/0 --show"
    return (
        "## One run again\n\nA run is named setting/selector/model/seed, the model being `any` "
        "where picks do not depend on it. This runs one alone and shows its scores, seconds and "
        f"picks:\n\n```\n{example}\n```"
    )
