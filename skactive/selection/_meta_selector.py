"""Selectors around a selector."""

from __future__ import annotations

from dataclasses import replace
from types import MethodType
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skactive._base import BaseSelector, Pool, Selection
from skactive._landmarks import Landmarks
from skactive._seeds import seeded
from skactive._targeted import TargetedSelector


class _FitOfSelector:
    """``fit`` with `X_target` in its signature only where the selector inside takes it.

    What asks whether a selector has a use for targets (the loop, a Pipeline) then gets the
    answer of the selector inside.
    """

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return TargetedSelector.fit
        targeted = takes_targets(instance.selector)
        return MethodType(TargetedSelector.fit if targeted else BaseSelector.fit, instance)


class MetaSelector(BaseSelector):
    """Base of selectors that leave the judgement of rows to the selector they are given.

    That one is cloned, never fitted itself. It says what it reads (labels, a model, targets,
    sparse or precomputed input, a network), and checks and embeds the pool; the subclass
    decides in ``_select`` what to ask it.
    """

    selector: Any
    budget: Any
    random_state: Any
    # Of the present fit: the clone in use, and the seed of draws that are not its own.
    _selector: BaseSelector
    _seed: int

    @property
    def network(self) -> Any:
        return getattr(self.selector, "network", None)

    @property
    def embedding(self) -> Any:
        return getattr(self.selector, "embedding", None)

    @property
    def device(self) -> Any:
        return getattr(self.selector, "device", "auto")

    @property
    def _needs_labels(self) -> bool:  # type: ignore[override]
        return bool(getattr(self.selector, "_needs_labels", False))

    @property
    def _uses_labels(self) -> bool:  # type: ignore[override]
        return bool(getattr(self.selector, "_uses_labels", False))

    fit: Any = _FitOfSelector()

    def _check_params(self) -> None:
        if not isinstance(self.selector, BaseSelector):
            hint = ""
            if isinstance(self.selector, Pipeline):
                name = type(self).__name__
                hint = f" Make {name} the last step of the Pipeline, around its present last step."
            raise TypeError(
                f"selector == {self.selector!r}, must be a selector of skactive or a subclass of "
                f"BaseSelector, for instance CoreSetSelector().{hint}"
            )
        self.selector._check_params()

    # What is no selector is refused in ``fit``; until then it may be asked for tags.

    def _accepts_sparse(self) -> bool:
        return isinstance(self.selector, BaseSelector) and self.selector._accepts_sparse()

    def _uses_unit_norm(self) -> bool:
        return isinstance(self.selector, BaseSelector) and self.selector._uses_unit_norm()

    def _needs_model(self) -> bool:
        return isinstance(self.selector, BaseSelector) and self.selector._needs_model()

    def _make_selector(self) -> BaseSelector:
        """A clone, whose random numbers follow from `random_state` where it has no seed itself."""
        copy: BaseSelector = clone(self.selector).set_params(budget=self.budget)
        generator = check_random_state(self.random_state)
        self._seed = int(generator.randint(np.iinfo(np.int32).max))
        seeded(copy, generator)
        return copy

    def _embed_pool(self, X: Any, X_target: Any, estimator: Any) -> tuple[Any, Any]:
        self._selector = self._make_selector()
        features = self._selector._embed_pool(X, X_target, estimator)
        if hasattr(self._selector, "embedding_"):
            self.embedding_ = self._selector.embedding_
        return features

    def _make_pool(
        self, X: Any, y: Any, labeled: Any, X_target: Any, estimator: Any, inputs: Any
    ) -> Pool:
        pool = self._selector._make_pool(X, y, labeled, X_target, estimator, inputs)
        if pool.y_labeled is None and self._needs_labels:
            labels = self._take_labels(y, pool.labeled, pool.rows.n_samples)
            pool = replace(pool, y_labeled=labels)
        if getattr(self._selector, "random_state", None) is None:  # it has no such parameter
            pool = replace(pool, random_state=np.random.RandomState(self._seed))
        return pool

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        self._selector.indices_ = selection.indices  # fitted, for `_embedded`
        return self._selector._make_landmarks(pool, selection)

    def _embedded(self, X: Any) -> Any:
        check_is_fitted(self)
        return self._selector._embedded(X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if isinstance(self.selector, BaseSelector):
            inside = get_tags(self.selector)
            tags.input_tags = inside.input_tags
            tags.transformer_tags = inside.transformer_tags
            tags.non_deterministic = inside.non_deterministic and self.random_state is None
        return tags


def takes_targets(selector: Any) -> bool:
    return hasattr(selector, "fit") and bool(has_fit_parameter(selector, "X_target"))
