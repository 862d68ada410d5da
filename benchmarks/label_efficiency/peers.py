"""Strategies of scikit-activeml under names of their own, beside the selectors of skactive."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from benchmarks.label_efficiency.models import LINEAR, make_committee

if TYPE_CHECKING:
    from benchmarks.label_efficiency.cell import Cell, Choose
    from benchmarks.label_efficiency.problem import Problem

# What BALD over batches can do: it needs the joint predictions of all candidates.
N_BALD_CANDIDATES = 500


class Peer(NamedTuple):
    """A query strategy of skactiveml.pool."""

    name: str
    parameters: Mapping[str, Any] = {}
    asks_model: bool = True
    n_candidates: int | None = None
    """It chooses among that many rows drawn at random; None is all."""


PEERS = {
    "skactiveml-margin": Peer("UncertaintySampling", {"method": "margin_sampling"}),
    "skactiveml-entropy": Peer("UncertaintySampling", {"method": "entropy"}),
    "skactiveml-least-confident": Peer("UncertaintySampling", {"method": "least_confident"}),
    "skactiveml-badge": Peer("Badge"),
    "skactiveml-batch-bald": Peer(
        "BatchBALD", {"n_MC_samples": 100}, asks_model=False, n_candidates=N_BALD_CANDIDATES
    ),
    "skactiveml-typiclust": Peer("TypiClust", asks_model=False),
    "skactiveml-probcover": Peer("ProbCover", asks_model=False),
    "skactiveml-core-set": Peer("CoreSet", asks_model=False),
    "skactiveml-drop-query": Peer("DropQuery"),
}


def are_there() -> bool:
    return find_spec("skactiveml") is not None


def code(selector: str) -> list[str]:
    return [repr(PEERS[selector]), f"scikit-activeml {version('scikit-activeml')}"]


def chooser(cell: Cell) -> Choose:
    """Picks of the strategy, given the model that has been trained already."""
    from skactiveml import pool
    from skactiveml.classifier import SklearnClassifier

    peer = PEERS[cell.selector]
    cls = getattr(pool, peer.name)
    asked = inspect.signature(cls.query).parameters

    def choose(
        problem: Problem, rows: NDArray[np.int64], model: Any, n: int, number: int
    ) -> NDArray[np.int64]:
        seed = cell.seed + 1_000 * number
        strategy = cls(random_state=seed, **peer.parameters)
        y = np.full(len(problem.X), np.nan)
        y[rows] = problem.y[rows]
        extras: dict[str, Any] = {}
        classes = np.unique(problem.y[rows])
        if "clf" in asked:
            # Its wrapper trains the model again, as its users have it.
            extras["clf"] = SklearnClassifier(clone(model), classes=classes)
        if "ensemble" in asked:
            extras["ensemble"] = SklearnClassifier(
                make_committee(LINEAR, False, seed), classes=classes
            )
            extras["fit_ensemble"] = True
        if peer.n_candidates is not None:
            others = np.setdiff1d(np.arange(len(y)), rows)
            drawn = np.random.default_rng(seed).permutation(others)
            extras["candidates"] = np.sort(drawn[: max(n, peer.n_candidates)])
        return np.asarray(strategy.query(X=problem.X, y=y, batch_size=n, **extras))

    return choose
