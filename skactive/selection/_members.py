"""What the members of an ensemble say about the rows of a pool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from skorch import NeuralNet

from skactive._base import Pool
from skactive.selection._dropout import DropoutMembers
from skactive.selection._pool_model import (
    ROW_BYTES,
    Batches,
    PoolModel,
    check_has_method,
    check_probabilities,
    feature_batches,
    feature_type,
    pool_classifier,
    rounding_error,
)

_ONE_ROW = 2**62  # bytes that it would have to take

# From a batch of rows to the class probabilities by one member after the other, with a column
# for each class of the ensemble.
MemberFunction = Callable[[Any], Iterable[NDArray[Any]]]


class PoolMembers(NamedTuple):
    """The members of a fitted ensemble, and the rows they read."""

    ask: MemberFunction
    batches: Batches
    source: Any  # for errors

    def probabilities(self) -> Iterator[tuple[slice, NDArray[np.float64], float]]:
        """Slices of rows, their probabilities (n_rows, n_members, n_classes), rounding error."""
        for rows, batch in self.batches(self._row_bytes()):
            answers = [np.asarray(values) for values in self.ask(batch)]
            checked = [
                check_probabilities(values, rows.stop - rows.start, self.source)
                for values in answers
            ]
            yield rows, np.stack(checked, axis=1), max(rounding_error(a) for a in answers)

    def _row_bytes(self) -> int:
        """What a row takes: its answers as given, checked, and beside each other."""
        _, first = next(self.batches(_ONE_ROW))
        width = sum(np.asarray(values).size for values in self.ask(first))
        return max(ROW_BYTES, 3 * 8 * width)


def pool_members(
    estimator: Any, pool: Pool, owner: str, n_members: int, seed: int
) -> PoolMembers | None:
    """The ensemble a selector asks, fitted where that is left to the selector.

    Parameters
    ----------
    estimator : classifier, list of classifiers or None
        The parameter of the selector. None means the model handed to ``fit``, and a random
        forest where there is none.
    pool : Pool
    owner : str
        Name of the selector, for errors and warnings.
    n_members : int
        Dropout masks of a network, or trees of that forest.
    seed : int

    Returns
    -------
    members : PoolMembers or None
        None where nothing, or but one class, is labeled; a ColdStartWarning says so.
    """
    if isinstance(estimator, (list, tuple)):
        return _committee(estimator, pool, owner)
    if estimator is None and pool.estimator is None:
        estimator = RandomForestClassifier(n_members, random_state=seed)
    model = pool_classifier(estimator, pool, owner)
    if model is None:
        return None
    ask = _members_of(model.model, n_members, seed, owner)
    return PoolMembers(ask, model.batches, model.model)


def check_committee(estimators: Any) -> None:
    """Refuse a list that is no ensemble."""
    frozen = [isinstance(member, FrozenEstimator) for member in estimators]
    if len(frozen) < 2 or None in estimators or len(set(frozen)) != 1:
        raise ValueError(
            f"estimator == {estimators!r}, must hold at least two classifiers, which are either "
            "all fitted and wrapped in FrozenEstimator, or all to be fitted to the labeled rows."
        )


def _committee(estimators: Any, pool: Pool, owner: str) -> PoolMembers | None:
    models: list[PoolModel] = []
    for estimator in estimators:
        model = pool_classifier(estimator, pool, owner)
        if model is None:
            return None
        models.append(model)
    members = [model.model for model in models]
    classes = np.unique(np.concatenate([member.classes_ for member in members]))
    is_fitted_here = not isinstance(estimators[0], FrozenEstimator)
    batches = feature_batches(pool.rows) if is_fitted_here else models[0].batches
    types = [np.float32 if feature_type(e) == torch.float32 else np.float64 for e in estimators]

    def ask(batch: Any) -> Iterator[NDArray[Any]]:
        for member, dtype in zip(members, types, strict=True):
            X = batch.astype(dtype, copy=False) if is_fitted_here else batch
            columns = np.searchsorted(classes, member.classes_)
            yield _spread(member.predict_proba(X), columns, len(classes))

    return PoolMembers(ask, batches, estimators)


def _members_of(model: Any, n_members: int, seed: int, owner: str) -> MemberFunction:
    """The members of a fitted model, by its kind."""
    inner = _unwrapped(model)
    if isinstance(inner, Pipeline):
        if isinstance(_unwrapped(inner[-1]), NeuralNet):
            return DropoutMembers(inner, n_members, seed, owner)
        ask = _members_of(inner[-1], n_members, seed, owner)
        return (lambda batch: ask(inner[:-1].transform(batch))) if len(inner) > 1 else ask
    if isinstance(inner, NeuralNet):
        return DropoutMembers(inner, n_members, seed, owner)
    if isinstance(inner, (RandomForestClassifier, ExtraTreesClassifier)):
        return lambda batch: _ask_forest(inner, batch)
    if isinstance(inner, BaggingClassifier):
        check_has_method(inner.estimators_[0], "predict_proba", owner)
        return lambda batch: _ask_bagging(inner, batch)
    if isinstance(inner, VotingClassifier):
        return lambda batch: _ask_voting(inner, batch)
    raise TypeError(
        f"{owner} compares the members of an ensemble, and cannot see those of {model!r}. Use a "
        "random forest, BaggingClassifier, VotingClassifier(voting='soft'), a skorch net with "
        "dropout, or pass a list of classifiers as estimator."
    )


def _unwrapped(model: Any) -> Any:
    """The model inside a FrozenEstimator or a search."""
    while isinstance(model, FrozenEstimator) or hasattr(model, "best_estimator_"):
        model = model.estimator if isinstance(model, FrozenEstimator) else model.best_estimator_
    return model


def _ask_forest(forest: Any, batch: Any) -> Iterator[NDArray[Any]]:
    # Trees know the columns by number only, and have the classes of the forest.
    X = check_array(batch, accept_sparse="csr", dtype=np.float32, ensure_all_finite=False)
    return (tree.predict_proba(X) for tree in forest.estimators_)


def _ask_bagging(bagging: Any, batch: Any) -> Iterator[NDArray[Any]]:
    X = check_array(batch, accept_sparse="csr", dtype=None, ensure_all_finite=False)
    for member, features in zip(bagging.estimators_, bagging.estimators_features_, strict=True):
        # A member may have seen some of the classes only; it counts them as the ensemble does.
        yield _spread(member.predict_proba(X[:, features]), member.classes_, len(bagging.classes_))


def _ask_voting(voting: Any, batch: Any) -> Iterator[NDArray[Any]]:
    for member in voting.estimators_:
        yield _spread(member.predict_proba(batch), member.classes_, len(voting.classes_))


def _spread(values: Any, columns: NDArray[Any], n_classes: int) -> NDArray[Any]:
    """Probabilities of some classes among those of all."""
    values = np.asarray(values)
    spread = np.zeros((len(values), n_classes), dtype=values.dtype)
    spread[:, columns.astype(np.int64)] = values
    return spread
