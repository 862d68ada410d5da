"""Asks a selector, or a Pipeline that ends in one, for the next rows to label."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import has_fit_parameter

from skactive._dask import is_dask
from skactive._indexing import n_samples_of, rows_of, without_rows
from skactive._labels import LabelBook
from skactive._seeds import seeded
from skactive._shorthand import estimator_for, needs_model
from skactive._supervision import depends_on_round, requires_labels


class Context(NamedTuple):
    """What is known when the next rows are picked."""

    book: LabelBook
    estimator: Any  # the fitted model of the round before, or None
    too_few_labels: bool  # for a supervised step: none, or of one class only
    random_state: np.random.RandomState | None  # seeds what has none; None seeds nothing
    # The same for steps that are fitted once; None means `random_state`.
    steps_random_state: np.random.RandomState | None = None
    # Rows without a label that must not be picked: asked already, or not to be labeled by anyone.
    closed: NDArray[np.int64] = np.empty(0, dtype=np.int64)


class Picked(NamedTuple):
    """Rows to ask, the best first."""

    rows: NDArray[np.int64]
    gains: NDArray[np.float64] | None  # the score of each when it was picked


class OpenPool(NamedTuple):
    """What a selector may choose from."""

    X: Any
    y: NDArray[Any] | None
    labeled: NDArray[np.int64]  # positions in X
    rows: NDArray[np.int64]  # of the pool


class Query:
    """One selector over one pool, asked once a round.

    Parameters
    ----------
    selector : selector or Pipeline ending in one
        Never fitted itself, only clones of it.
    X : indexable of length n_samples
        The pool.
    X_target : array-like or None
        Targets, for selectors that use them.
    name : str
        The parameter it came from, for errors.
    """

    def __init__(self, selector: Any, X: Any, X_target: Any, name: str) -> None:
        check_is_selector(selector, name)
        self._is_pipeline = isinstance(selector, Pipeline)
        steps = selector.steps if self._is_pipeline else [(name, selector)]
        self._parameter = name
        self._final_name: str = steps[-1][0]
        self._final: Any = steps[-1][1]
        self._preprocessing = Preprocessing(steps[:-1], X, X_target)
        self._n_samples = n_samples_of(X)
        self.selector_: Any = None

    def with_final(self, final: Any) -> Self:
        """Another selector after the same steps, which are fitted once for both."""
        query = copy(self)
        query._final = final
        return query

    @property
    def needs_labels(self) -> bool:
        """Whether the final selector learns from labels."""
        return bool(getattr(self._final, "_needs_labels", False))

    @property
    def _reads_labels(self) -> bool:
        return self.needs_labels or bool(getattr(self._final, "_uses_labels", False))

    @property
    def needs_model(self) -> bool:
        """Whether a step needs the model of the round before."""
        return needs_model(self._final) or self._preprocessing.needs_model

    @property
    def takes_targets(self) -> bool:
        """Whether the final selector has a use for `X_target`."""
        return bool(has_fit_parameter(self._final, "X_target"))

    @property
    def name(self) -> str:
        """Class name of the final selector."""
        return type(self._final).__name__

    @property
    def budget(self) -> Any:
        """The final selector's own budget."""
        return self._final.get_params(deep=False)["budget"]

    @property
    def budget_name(self) -> str:
        """The name of that parameter, seen from outside."""
        if self._is_pipeline:
            return f"{self._parameter}__{self._final_name}__budget"
        return f"{self._parameter}__budget"

    def pick(self, n_picks: int, context: Context) -> Picked | None:
        """The next rows; None if a step lacks the labels or the model it needs."""
        if context.estimator is None and self.needs_model:
            return None
        prepared = self._preprocessing.fit(context)
        if prepared is None:
            return None
        final = seeded(clone(self._final).set_params(budget=n_picks), context.random_state)
        pool = self._open_pool(prepared.X, context)
        final.fit(pool.X, pool.y, **self._fit_params(pool.labeled, prepared.X_target, context))
        rows: NDArray[np.int64] = pool.rows[final.indices_]
        self._check_picks(rows, n_picks, np.concatenate([context.book.indices, context.closed]))
        self.selector_ = (
            Pipeline([*prepared.steps, (self._final_name, final)]) if self._is_pipeline else final
        )
        gains: Any = getattr(final, "scores_", None)
        if np.shape(gains) != (len(rows),):
            return Picked(rows, None)
        return Picked(rows, np.asarray(gains, dtype=np.float64))

    def _open_pool(self, X: Any, context: Context) -> OpenPool:
        """The pool without closed rows.

        They count as labeled, so that nothing close to them is picked. A selector that reads
        labels cannot be told so: it does not see them.
        """
        book, closed = context.book, context.closed
        y, every = book.spread(self._n_samples), np.arange(self._n_samples)
        if len(closed) == 0 or not self._reads_labels:
            return OpenPool(X, y, np.concatenate([book.indices, closed]), every)
        rows = np.setdiff1d(every, closed)
        part = without_rows(X, closed, rows)
        if get_tags(self._final).input_tags.pairwise:
            part = _safe_indexing(part, rows, axis=1)
        labeled = np.searchsorted(rows, book.indices)
        return OpenPool(part, None if y is None else y[rows], labeled, rows)

    def _fit_params(
        self, labeled: NDArray[np.int64], X_target: Any, context: Context
    ) -> dict[str, Any]:
        fit_params: dict[str, Any] = {"labeled": labeled}
        if X_target is not None and self.takes_targets:
            fit_params["X_target"] = X_target
        return fit_params | estimator_for(self._final, context.estimator)

    def _check_picks(
        self, picks: NDArray[np.int64], n_picks: int, taken: NDArray[np.int64]
    ) -> None:
        """Refuse what would ask for a label twice, or go on for ever."""
        n_new = len(np.setdiff1d(picks, taken))
        if not 1 <= n_new == len(picks) <= n_picks:
            raise ValueError(
                f"{self.name} was asked for {n_picks} rows without a label and picked "
                f"{np.asarray(picks).tolist()}: none, too many, a row twice, or a labeled one. "
                "Correct its fit; skactive.testing.check_selector shows what is wrong."
            )


class Prepared(NamedTuple):
    """A pool and its targets as they reach the final selector."""

    X: Any
    X_target: Any
    steps: list[tuple[str, Any]]  # fitted


class Preprocessing:
    """The steps before the selector, walked one by one.

    scikit-learn would fit all of them on the whole `y`. Here steps that ignore labels are
    fitted once, on `X` alone; steps that require them are fitted each round, on the labeled
    rows only.

    Parameters
    ----------
    steps : list of (str, transformer)
        Never fitted themselves, only clones of them.
    X, X_target : as for :class:`Query`
        `X_target` passes through the same steps.
    """

    def __init__(self, steps: list[tuple[str, Any]], X: Any, X_target: Any) -> None:
        self._static: list[tuple[str, Any]] = []
        self._dynamic = [
            (name, step) for name, step in steps if step is not None and step != "passthrough"
        ]
        self._X, self._X_target = X, X_target

    @property
    def needs_model(self) -> bool:
        """Whether a step cannot be fitted without the model of the round before."""
        return any(needs_model(step) for _, step in self._dynamic)

    def fit(self, context: Context) -> Prepared | None:
        """Fit what has to be fitted; None if a supervised step has too few labels."""
        self._fit_static(context)
        if context.too_few_labels and any(requires_labels(step) for _, step in self._dynamic):
            return None
        X, X_target = self._X, self._X_target
        fitted = list(self._static)
        for name, step in self._dynamic:
            step, X = self._fit_dynamic(name, step, X, context)
            X_target = _transform(step, X_target)
            fitted.append((name, step))
        return Prepared(X, X_target, fitted)

    def _fit_static(self, context: Context) -> None:
        """Fit, once, the leading steps that depend neither on labels nor on a model."""
        random_state = context.steps_random_state or context.random_state
        while self._dynamic and not depends_on_round(self._dynamic[0][1]):
            name, step = self._dynamic.pop(0)
            if not isinstance(step, FrozenEstimator):
                step = seeded(clone(step), random_state)
            if is_dask(self._X):
                step, self._X = _fit_lazily(name, step, self._X, context, {})
            elif isinstance(step, FrozenEstimator):
                self._X = step.transform(self._X)
            else:
                self._X = _fit_transform(step, self._X)
            self._X_target = _transform(step, self._X_target)
            self._static.append((name, step))

    def _fit_dynamic(self, name: str, step: Any, X: Any, context: Context) -> tuple[Any, Any]:
        """A step as it is fitted this round, and what it makes of the pool."""
        if not isinstance(step, FrozenEstimator):
            step = seeded(clone(step), context.random_state)
        fit_params = estimator_for(step, context.estimator)
        if is_dask(X):
            return _fit_lazily(name, step, X, context, fit_params)
        if requires_labels(step):
            book = context.book
            step = step.fit(_safe_indexing(X, book.indices), book.labels, **fit_params)
        elif not isinstance(step, FrozenEstimator):
            step = step.fit(X, **fit_params)
        return step, step.transform(X)


def _fit_lazily(
    name: str, step: Any, X: Any, context: Context, fit_params: dict[str, Any]
) -> tuple[Any, Any]:
    """The same for a dask pool, of which only the labeled rows come into memory."""
    from skactive.distributed._steps import fit_step, transform_step

    book = context.book
    example = rows_of(X, book.indices[:1] if len(book) else np.zeros(1, dtype=np.int64))
    is_supervised = requires_labels(step)
    if is_supervised:
        step = step.fit(rows_of(X, book.indices), book.labels, **fit_params)
    else:
        step = fit_step(step, X, example, name, fit_params)
    return step, transform_step(step, X, example, fitted_to_dask=not is_supervised)


def check_is_selector(selector: Any, name: str) -> None:
    """Refuse what cannot be asked again and again for more rows."""
    final = selector.steps[-1][1] if isinstance(selector, Pipeline) else selector
    if isinstance(final, FrozenEstimator):
        raise TypeError(
            f"{name} == {selector!r} is a FrozenEstimator, which cannot select again. Pass the "
            f"selector itself: {final.estimator!r}."
        )
    is_estimator = hasattr(final, "get_params") and not isinstance(final, type)
    is_selector = is_estimator and "budget" in final.get_params(deep=False)
    if not is_selector or not has_fit_parameter(final, "labeled"):
        raise TypeError(
            f"{name} == {selector!r}, must be a selector (with a parameter 'budget' and "
            "fit(X, y, labeled=...)) or a Pipeline that ends in one, for instance ITLSelector()."
        )


def _fit_transform(step: Any, X: Any) -> Any:
    if hasattr(step, "fit_transform"):
        return step.fit_transform(X)
    return step.fit(X).transform(X)


def _transform(step: Any, X_target: Any) -> Any:
    return None if X_target is None else step.transform(X_target)
