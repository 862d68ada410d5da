"""One run: a selector on one pool, models trained on its picks, and what they know then."""

from __future__ import annotations

import hashlib
import json
import shlex
import time
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import has_fit_parameter

from benchmarks.label_efficiency import models, peers
from benchmarks.label_efficiency.datasets import SOURCES
from benchmarks.label_efficiency.models import MODELS
from benchmarks.label_efficiency.problem import Problem, Setting, Sizes, make_problem
from benchmarks.label_efficiency.registry import Entry, entry_of
from skactive import RandomSelector
from skactive.exceptions import ColdStartWarning

PROGRAM = "python -m benchmarks.label_efficiency"
# To be raised when the problems, the models, the rounds or the fields of an outcome change.
PROTOCOL = 1
ANY_MODEL = "any"
UNKNOWN = -1
Labels = NDArray[Any]
Picks = NDArray[np.int64]


class Cell(NamedTuple):
    """What determines a run, but for the code."""

    setting: Setting
    selector: str
    model: str
    """The one that is trained and asked; `ANY_MODEL` where picks do not depend on it."""
    seed: int
    sizes: Sizes = Sizes()

    @property
    def name(self) -> str:
        return f"{self.setting.name}/{self.selector}/{self.model}/{self.seed}"

    @property
    def command(self) -> str:
        """Runs this cell alone and shows what comes out."""
        words = [*PROGRAM.split(), "--only", self.name, "--show"]
        if self.sizes.pool is not None:
            words += ["--pool", str(self.sizes.pool)]
        if self.sizes.budgets != Sizes().budgets:
            words += ["--budgets", ",".join(map(str, self.sizes.budgets))]
        return shlex.join(words)

    def key(self) -> str:
        """A digest of all that determines the outcome: where a part changes, the run is new."""
        source = SOURCES[self.setting.dataset]
        parts = [
            PROTOCOL,
            self.setting,
            self.name,
            self.sizes,
            source.pool,
            source.test,
            source.scaling,
        ]
        return hashlib.sha256(repr([*parts, _code(self.selector)]).encode()).hexdigest()[:24]


class Outcome(NamedTuple):
    """What is kept of a cell."""

    name: str
    budgets: list[int]
    scores: dict[str, list[float]]
    """By the model: accuracy (R² where a number is predicted) at each budget."""
    seconds: list[float]
    """Of the selections: one where one fit answers all budgets, else one for each budget."""
    picks: list[list[int]]
    """Rows in the order bought, by the same rule."""
    cpu_seconds: float
    """Of the whole run: what it takes on a core of its own."""
    warnings: list[str]
    error: str | None = None

    def to_json(self) -> str:
        return json.dumps(self._asdict())

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        return cls(**json.loads(text))


def run(cell: Cell) -> Outcome:
    """Whatever goes wrong is part of the outcome: other cells go on."""
    start = time.process_time()
    torch.set_num_threads(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ColdStartWarning)
        try:
            outcome = _run(cell)
        except Exception as error:
            text = (str(error).splitlines() or [""])[0]
            outcome = _failure(cell, f"{type(error).__name__}: {text}")
    found = sorted({f"{one.category.__name__}: {one.message}" for one in caught})
    return outcome._replace(cpu_seconds=time.process_time() - start, warnings=found)


def _run(cell: Cell) -> Outcome:
    problem = make_problem(cell.setting, cell.sizes, cell.seed)
    how = _buy_in_rounds if learns(cell.selector) else _buy_at_once
    evaluate = _Evaluation(problem, cell.setting.regression)
    seconds, picks = how(cell, problem, evaluate)
    scores = {model: evaluate.scores[model] for model in evaluate.scores}
    return Outcome(cell.name, list(problem.budgets), scores, seconds, picks, 0.0, [])


class _Evaluation:
    """Trains models on rows that have been bought, and keeps their scores."""

    def __init__(self, problem: Problem, regression: bool) -> None:
        self._problem, self._regression = problem, regression
        self.scores: dict[str, list[float]] = {}

    def __call__(self, model: str, rows: Picks) -> Any:
        """The trained model."""
        problem = self._problem
        trained = models.train(model, self._regression, problem.X[rows], problem.y[rows])
        found = models.score(trained, problem.X_test, problem.y_test, self._regression)
        self.scores.setdefault(model, []).append(found)
        return trained


def _buy_at_once(
    cell: Cell, problem: Problem, evaluate: _Evaluation
) -> tuple[list[float], list[list[int]]]:
    """Picks that no label changes: one fit for all budgets where smaller ones are its beginning."""
    entry, largest = entry_of(cell.selector), problem.budgets[-1]
    wholes = [largest] if entry.make(largest, cell.seed)._has_prefix_property() else problem.budgets
    seconds, picks = [], []
    for budget in wholes:
        selector = entry.make(budget, cell.seed)
        start = time.perf_counter()
        selector.fit(problem.X, **_targets(entry, selector, problem))
        seconds.append(time.perf_counter() - start)
        picks.append(selector.indices_.tolist())
    for position, budget in enumerate(problem.budgets):
        rows = np.array(picks[position if len(picks) > 1 else 0][:budget])
        for model in MODELS:
            evaluate(model, rows)
    return seconds, picks


def _buy_in_rounds(
    cell: Cell, problem: Problem, evaluate: _Evaluation
) -> tuple[list[float], list[list[int]]]:
    """Each round picks up to the next budget.

    The first batch is drawn at random, the same for all selectors that cannot do without labels.
    """
    choose = peers.chooser(cell) if cell.selector in peers.PEERS else _chooser(cell, problem)
    rows = np.empty(0, dtype=np.int64)
    if needs_labels(cell.selector):
        first = RandomSelector(problem.budgets[0], random_state=cell.seed)
        rows = first.fit(problem.X).indices_
    trained = MODELS if cell.model == ANY_MODEL else (cell.model,)
    seconds: list[float] = []
    model: Any = None
    for number, budget in enumerate(problem.budgets):
        if budget > len(rows):
            start = time.perf_counter()
            picked = choose(problem, rows, model, budget - len(rows), number)
            seconds.append(time.perf_counter() - start)
            rows = np.append(rows, picked)
        for name in trained:
            model = evaluate(name, rows)
    return seconds, [rows.tolist()]


# From a problem, the rows bought so far, the model trained on them, how many more rows to buy,
# and the number of the round.
Choose = Callable[[Problem, Picks, Any, int, int], Picks]


def _chooser(cell: Cell, problem: Problem) -> Choose:
    entry = entry_of(cell.selector)

    def choose(problem: Problem, rows: Picks, model: Any, n: int, number: int) -> Picks:
        seed = cell.seed + 1_000 * number
        selector = entry.make(n, seed)
        # Labels that nobody has bought are out of reach.
        y = np.full_like(problem.y, UNKNOWN)
        y[rows] = problem.y[rows]
        extras = _targets(entry, selector, problem)
        if entry.committee:
            committee = models.make_committee(cell.model, cell.setting.regression, seed)
            name = "estimator" if entry.inner is None else "selector__estimator"
            selector.set_params(**{name: committee})
        elif cell.model != ANY_MODEL and has_fit_parameter(selector, "estimator"):
            # A model that knows one class alone can tell nobody anything.
            extras["estimator"] = model if len(np.unique(y[rows])) > 1 else None
        return selector.fit(problem.X, y, labeled=rows, **extras).indices_

    return choose


def _targets(entry: Entry, selector: Any, problem: Problem) -> dict[str, Any]:
    told = entry.targets and problem.X_target is not None
    return (
        {"X_target": problem.X_target} if told and has_fit_parameter(selector, "X_target") else {}
    )


def learns(selector: str) -> bool:
    """Whether it uses labels, round after round."""
    return needs_labels(selector) or bool(entry_of(selector).make(1, 0)._uses_labels)


def needs_labels(selector: str) -> bool:
    """Whether it cannot do without."""
    if selector in peers.PEERS:
        return True
    return bool(entry_of(selector).make(1, 0)._needs_labels)


def asks_model(selector: str) -> bool:
    """Whether its picks depend on the model that is trained on them."""
    if selector in peers.PEERS:
        return peers.PEERS[selector].asks_model
    asks = entry_of(selector).asks_model
    return learns(selector) if asks is None else asks


@cache
def _code(selector: str) -> list[str]:
    """The selector with its parameters, and its source."""
    if selector in peers.PEERS:
        return peers.code(selector)
    entry = entry_of(selector)
    return [repr(entry.make(1, 0)), repr(entry), entry.source()]


def _failure(cell: Cell, error: str) -> Outcome:
    return Outcome(cell.name, [], {}, [], [], 0.0, [], error)
