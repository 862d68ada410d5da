"""How the model of a round is trained: from the start or further, and from which seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from skorch import NeuralNet

from skactive._seeds import seeded


def check_warm_start(warm_start: Any, estimator: Any) -> None:
    """Refuse to warm-start what cannot."""
    if not isinstance(warm_start, bool):
        raise TypeError(f"warm_start == {warm_start!r}, must be True or False.")
    if warm_start and _parameter(estimator) not in estimator.get_params():
        raise ValueError(
            f"warm_start == True, but estimator == {estimator!r} has no parameter warm_start. Use "
            "an estimator that has one, such as a skorch net, SGDClassifier or MLPClassifier, or "
            "warm_start=False."
        )


def train(
    estimator: Any,
    X: Any,
    y: Any,
    fit_params: dict[str, Any],
    *,
    warm_start: bool,
    former: Any,
    random_state: np.random.RandomState | None,
) -> Any:
    """A fitted clone of the estimator, or the former model trained further if `warm_start`."""
    if not warm_start:
        model = clone(estimator)
    elif former is None:
        model = clone(estimator).set_params(**{_parameter(estimator): True})
    else:
        model = deepcopy(former)  # selectors and embeddings may refer to that of the round before
    model = seeded(model, random_state)
    with _seeded_torch(model, random_state):
        model.fit(X, y, **fit_params)
    return model


@contextmanager
def _seeded_torch(model: Any, random_state: np.random.RandomState | None) -> Iterator[None]:
    """Weights and batches of a net are drawn from a seed; nets have no parameter for it.

    Outside, torch's random numbers go on as if none had been drawn.
    """
    final = model.steps[-1][1] if isinstance(model, Pipeline) else model
    if random_state is None or not isinstance(final, NeuralNet):
        yield
        return
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(random_state.randint(np.iinfo(np.int32).max))
        yield


def _parameter(estimator: Any) -> str:
    is_pipeline = isinstance(estimator, Pipeline)
    return f"{estimator.steps[-1][0]}__warm_start" if is_pipeline else "warm_start"
