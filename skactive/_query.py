"""Asks a selector, or a Pipeline that ends in one, for the next rows to label."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.validation import _num_samples, has_fit_parameter

from skactive._labels import LabelBook


class Context(NamedTuple):
    """What is known when the next rows are picked."""

    book: LabelBook
    estimator: Any  # the fitted model of the round before, or None
    too_few_labels: bool  # for a supervised step: none, or of one class only
    random_state: np.random.RandomState | None  # seeds what has none; None seeds nothing


class Query:
    """One selector over one pool, asked once a round.

    The steps of a Pipeline are walked here because scikit-learn would fit all of them on the
    whole `y`: steps that ignore labels are fitted once, on `X` alone; steps that require them
    are fitted each round, on the labeled rows only.

    Parameters
    ----------
    selector : selector or Pipeline ending in one
        Never fitted itself, only clones of it.
    X : indexable of length n_samples
        The pool.
    X_target : array-like or None
        Passed through the same steps.
    name : str
        The parameter it came from, for errors.
    """

    def __init__(self, selector: Any, X: Any, X_target: Any, name: str) -> None:
        check_is_selector(selector, name)
        steps = list(selector.steps) if isinstance(selector, Pipeline) else [(name, selector)]
        self._is_pipeline = isinstance(selector, Pipeline)
        self._final_name: str = steps[-1][0]
        self._final: Any = steps[-1][1]
        self._static: list[tuple[str, Any]] = []
        self._dynamic = [
            (label, step) for label, step in steps[:-1] if step not in (None, "passthrough")
        ]
        self._X, self._X_target = X, X_target
        self._n_samples = _num_samples(X)
        if X_target is not None and not has_fit_parameter(self._final, "X_target"):
            raise ValueError(
                f"X_target was given, but {name} == {self._final!r} has no use for targets. Use "
                "ITLSelector or VTLSelector, or leave X_target out."
            )
        self.selector_: Any = None

    @property
    def needs_labels(self) -> bool:
        """Whether the final selector learns from labels."""
        return bool(getattr(self._final, "_needs_labels", False))

    @property
    def name(self) -> str:
        """Class name of the final selector."""
        return type(self._final).__name__

    @property
    def budget(self) -> Any:
        """The final selector's own budget."""
        return self._final.get_params(deep=False)["budget"]

    def pick(self, n_picks: int, context: Context) -> NDArray[np.int64] | None:
        """Positions of the next rows; None if a supervised step has too few labels to fit."""
        self._fit_static(context)
        if context.too_few_labels and any(_requires_labels(step) for _, step in self._dynamic):
            return None
        X, X_target = self._X, self._X_target
        fitted = list(self._static)
        for label, step in self._dynamic:
            step = seeded(clone(step), context.random_state)
            self._fit_dynamic(step, X, context)
            X, X_target = step.transform(X), _transform(step, X_target)
            fitted.append((label, step))
        final = seeded(clone(self._final).set_params(budget=n_picks), context.random_state)
        final.fit(X, context.book.spread(self._n_samples), **self._fit_params(X_target, context))
        self.selector_ = (
            Pipeline([*fitted, (self._final_name, final)]) if self._is_pipeline else final
        )
        picks: NDArray[np.int64] = final.indices_
        return picks

    def _fit_static(self, context: Context) -> None:
        """Fit, once, the leading steps that depend neither on labels nor on a model."""
        while self._dynamic and not _depends_on_round(self._dynamic[0][1]):
            label, step = self._dynamic.pop(0)
            if not isinstance(step, FrozenEstimator):
                step = seeded(clone(step), context.random_state)
                self._X = step.fit_transform(self._X)
            else:
                self._X = step.transform(self._X)
            self._X_target = _transform(step, self._X_target)
            self._static.append((label, step))

    def _fit_dynamic(self, step: Any, X: Any, context: Context) -> None:
        if isinstance(step, FrozenEstimator):
            return
        fit_params = {"estimator": context.estimator} if _takes_estimator(step) else {}
        if _requires_labels(step):
            book = context.book
            step.fit(_safe_indexing(X, book.indices), book.labels, **fit_params)
        else:
            step.fit(X, **fit_params)

    def _fit_params(self, X_target: Any, context: Context) -> dict[str, Any]:
        fit_params: dict[str, Any] = {"labeled": context.book.indices}
        if X_target is not None:
            fit_params["X_target"] = X_target
        if _takes_estimator(self._final):
            fit_params["estimator"] = context.estimator
        return fit_params


def check_is_selector(selector: Any, name: str) -> None:
    """Refuse what cannot be asked again and again for more rows."""
    final = selector.steps[-1][1] if isinstance(selector, Pipeline) else selector
    if isinstance(final, FrozenEstimator):
        raise TypeError(
            f"{name} == {selector!r} is a FrozenEstimator, which cannot select again. Pass the "
            f"selector itself: {final.estimator!r}."
        )
    is_selector = hasattr(final, "get_params") and "budget" in final.get_params(deep=False)
    if not is_selector or not has_fit_parameter(final, "labeled"):
        raise TypeError(
            f"{name} == {selector!r}, must be a selector (with a parameter 'budget' and "
            "fit(X, y, labeled=...)) or a Pipeline that ends in one, for instance ITLSelector()."
        )


def replace_final(selector: Any, final: Any) -> Any:
    """The same Pipeline with another selector at its end."""
    if not isinstance(selector, Pipeline):
        return final
    return Pipeline([*selector.steps[:-1], ("selector", final)])


def _requires_labels(step: Any) -> bool:
    return not isinstance(step, FrozenEstimator) and bool(get_tags(step).target_tags.required)


def _takes_estimator(step: Any) -> bool:
    return bool(has_fit_parameter(step, "estimator"))


def _depends_on_round(step: Any) -> bool:
    return _requires_labels(step) or _takes_estimator(step)


def _transform(step: Any, X_target: Any) -> Any:
    return None if X_target is None else step.transform(X_target)


def seeded(estimator: Any, random_state: np.random.RandomState | None) -> Any:
    """Give every `random_state` parameter that is None a seed of its own."""
    if random_state is None:
        return estimator
    seeds = {
        name: random_state.randint(np.iinfo(np.int32).max)
        for name, value in sorted(estimator.get_params(deep=True).items())
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }
    return estimator.set_params(**seeds)
