"""Rules that scikit-activeml has, too: ``python -m benchmarks.strategies --help``."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression

from benchmarks.networks import headed
from benchmarks.pools import clustered_chunks
from benchmarks.text import number, same_picks, table

SIZES = {"rows": 10_000, "features": 256, "labeled": 200}
N_REPEATS = 3
N_MEMBERS = 10
N_BATCH_BALD = 4  # picks: the joint entropy of ten classes has 10^4 terms
N_PICKS = 100


class Task(NamedTuple):
    """A pool with some labels, and models trained on these."""

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    values: NDArray[np.float64]  # a quantity to be predicted
    labeled: NDArray[np.int64]
    classifier: LogisticRegression
    members: list[FrozenEstimator]
    samples: list[NDArray[np.int64]]  # what each of them was trained on
    regressor: LinearRegression

    def classes_known(self) -> NDArray[np.float64]:
        """Classes at labeled rows, NaN elsewhere."""
        return self._known(self.y)

    def values_known(self) -> NDArray[np.float64]:
        return self._known(self.values)

    def _known(self, y: NDArray[Any]) -> NDArray[np.float64]:
        known = np.full(len(y), np.nan)
        known[self.labeled] = y[self.labeled]
        return known


Pick = Callable[[Task, int], NDArray[np.int64]]


class Rule(NamedTuple):
    """One rule, picked by both packages."""

    name: str
    ours: Pick
    peer: Pick
    difference: str = ""  # why the picks need not be the same
    budget: int = N_PICKS


def make_task(n: int, d: int, n_labeled: int) -> Task:
    parts = list(clustered_chunks(n, d, seed=0))
    X = np.concatenate([rows for rows, _ in parts]).astype(np.float64)
    y = np.concatenate([center for _, center in parts]) % 10
    rng = np.random.default_rng(0)
    values = X @ rng.standard_normal(d) + 0.1 * rng.standard_normal(n)
    labeled = np.sort(rng.choice(n, n_labeled, replace=False))
    known = X[labeled], y[labeled]
    model = LogisticRegression(C=10, max_iter=1000)
    samples = [rng.choice(labeled, n_labeled) for _ in range(N_MEMBERS)]
    return Task(
        X=X,
        y=y,
        values=values,
        labeled=labeled,
        classifier=clone(model).fit(*known),
        members=[FrozenEstimator(clone(model).fit(X[rows], y[rows])) for rows in samples],
        samples=samples,
        regressor=LinearRegression().fit(X[labeled], values[labeled]),
    )


def _features(name: str, **params: Any) -> Pick:
    """A selector that reads features alone."""

    def pick(task: Task, budget: int) -> NDArray[np.int64]:
        import skactive

        selector = getattr(skactive, name)(budget, **params)
        return selector.fit(task.X, labeled=task.labeled).indices_

    return pick


def _model(name: str, model: str, labels: str = "y", **params: Any) -> Pick:
    """A selector that asks a fitted model."""

    def pick(task: Task, budget: int) -> NDArray[np.int64]:
        import skactive

        selector = getattr(skactive, name)(budget, **params)
        estimator, y = getattr(task, model), getattr(task, labels)
        return selector.fit(task.X, y, labeled=task.labeled, estimator=estimator).indices_

    return pick


def _committee(strategy: str) -> Pick:
    def pick(task: Task, budget: int) -> NDArray[np.int64]:
        from skactive import BALDSelector

        selector = BALDSelector(budget, strategy=strategy, estimator=task.members)
        return selector.fit(task.X, labeled=task.labeled).indices_

    return pick


def _peer(name: str, known: str = "classes_known", **params: Any) -> Pick:
    def pick(task: Task, budget: int) -> NDArray[np.int64]:
        from skactiveml import pool

        strategy = getattr(pool, name)(random_state=0, **params)
        return strategy.query(task.X, getattr(task, known)(), batch_size=budget)

    return pick


def _peer_model(name: str, argument: str, model: str, **params: Any) -> Pick:
    def pick(task: Task, budget: int) -> NDArray[np.int64]:
        from skactiveml import classifier, pool, regressor

        strategy = getattr(pool, name)(random_state=0, **params)
        if argument == "reg":
            wrapped = regressor.SklearnRegressor(task.regressor)
            known = task.values_known()
        else:
            wrapped = classifier.SklearnClassifier(getattr(task, model), classes=range(10))
            known = task.classes_known()
        wrapped.fit(task.X, known)
        if argument == "ensemble":
            members = [
                classifier.SklearnClassifier(member.estimator, classes=range(10)).fit(
                    task.X[rows], task.y[rows]
                )
                for member, rows in zip(task.members, task.samples, strict=True)
            ]
            return strategy.query(task.X, known, members, fit_ensemble=False, batch_size=budget)
        options = {argument: wrapped, f"fit_{argument}": False}
        return strategy.query(task.X, known, batch_size=budget, **options)

    return pick


RULES = (
    Rule(
        "uncertainty, margin",
        _model("UncertaintySelector", "classifier", criterion="margin"),
        _peer_model("UncertaintySampling", "clf", "classifier", method="margin_sampling"),
    ),
    Rule(
        "uncertainty, entropy",
        _model("UncertaintySelector", "classifier", criterion="entropy"),
        _peer_model("UncertaintySampling", "clf", "classifier", method="entropy"),
    ),
    Rule(
        "uncertainty, least confidence",
        _model("UncertaintySelector", "classifier", criterion="least_confidence"),
        _peer_model("UncertaintySampling", "clf", "classifier", method="least_confident"),
    ),
    Rule(
        "BALD",
        _committee("top"),
        _peer_model("GreedyBALD", "ensemble", "classifier"),
    ),
    Rule(
        "BatchBALD",
        _committee("greedy"),
        _peer_model("BatchBALD", "ensemble", "classifier"),
        budget=N_BATCH_BALD,
    ),
    Rule(
        "BADGE",
        _model("BADGESelector", "classifier", random_state=0),
        _peer_model("Badge", "clf", "classifier"),
        "drawn at random",
    ),
    Rule("core-set", _features("CoreSetSelector"), _peer("CoreSet")),
    Rule(
        "TypiClust",
        _features("TypiClustSelector", random_state=0),
        _peer("TypiClust"),
        "k-means starts at random",
    ),
    Rule(
        "ProbCover",
        _features("ProbCoverSelector", n_clusters=10, random_state=0),
        _peer("ProbCover", n_classes=10),
        "k-means starts at random; the peer tries a grid of radii",
    ),
    Rule(
        "DropQuery",
        _model("DropQuerySelector", "classifier", random_state=0),
        _peer_model("DropQuery", "clf", "classifier"),
        "drawn at random",
    ),
    Rule(
        "greedy sampling, x",
        _features("GreedySamplingSelector", method="x"),
        _peer("GreedySamplingX", "values_known"),
    ),
    Rule(
        "greedy sampling, y",
        _model("GreedySamplingSelector", "regressor", "values", method="y"),
        _peer_model("GreedySamplingTarget", "reg", "regressor", method="GSy"),
    ),
    Rule(
        "greedy sampling, x and y",
        _model("GreedySamplingSelector", "regressor", "values", method="xy"),
        _peer_model("GreedySamplingTarget", "reg", "regressor", method="GSi"),
    ),
    Rule(
        "expected model change",
        _model("ExpectedModelChangeSelector", "regressor", "values", random_state=0),
        _peer_model("ExpectedModelChangeMaximization", "reg", "regressor"),
        "bootstrap samples are drawn at random",
    ),
)


def compare(rule: Rule, task: Task, scale: float) -> list[str]:
    """A line of the table."""
    budget = max(2, int(rule.budget * scale))
    ours, seconds = _timed(rule.ours, task, budget, N_REPEATS)
    try:
        theirs, peer_seconds = _timed(rule.peer, task, budget, 1)
    except Exception as error:  # a peer may break in any way; its line says so
        return [rule.name, str(budget), number(seconds), f"{type(error).__name__}: {error}", "", ""]
    agreement = rule.difference or same_picks(theirs.tolist(), ours.tolist())
    ratio = f"{number(peer_seconds / seconds)}x"
    return [rule.name, str(budget), number(seconds), number(peer_seconds), ratio, agreement]


def _timed(pick: Pick, task: Task, budget: int, repeats: int) -> tuple[NDArray[np.int64], float]:
    """Picks, and the median of the seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        picks = pick(task, budget)
        seconds.append(time.perf_counter() - start)
    return picks, median(seconds)


def section(scale: float, names: Sequence[str] | None = None) -> str:
    n, d, n_labeled = (max(40, int(size * scale)) for size in SIZES.values())
    task = make_task(n, d, n_labeled)
    rules = [rule for rule in RULES if names is None or rule.name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the peers
        for rule in rules:  # imports and first calls
            rule.ours(task, 2)
        lines = [compare(rule, task, scale) for rule in rules]
    text = (
        f"{n:,} rows of {d} float64 features in ten classes, {n_labeled} of them labeled. Models "
        "are trained before, the same for both: a logistic regression, ten of them on bootstrap "
        "samples, a linear regression. Seconds of one selection: the median of "
        f"{N_REPEATS} for skactive, one run of scikit-activeml."
    )
    header = ["rule", "picks", "skactive, s", "scikit-activeml, s", "ratio", "same picks"]
    return f"# Rules that scikit-activeml has, too\n\n{text}\n\n{table(header, lines)}"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strategies", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on sizes (default 1)")
    parser.add_argument("--quick", action="store_true", help="no measurement: --scale 0.02")
    parser.add_argument("--only", nargs="+", choices=[rule.name for rule in RULES])
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).with_name("STRATEGIES.md"), help="page"
    )
    options = parser.parse_args(argv)
    command = " ".join(
        ["python -m benchmarks.strategies", *(sys.argv[1:] if argv is None else argv)]
    )
    page = headed(section(0.02 if options.quick else options.scale, options.only), command)
    options.output.write_text(page + "\n", encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
