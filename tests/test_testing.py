"""The check suite passes a sound selector and finds what is wrong with a broken one."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn import get_config

from skactive import GreedySelector, RandomSelector
from skactive.exceptions import ColdStartWarning
from skactive.testing import check_selector, selector_checks


class Sound(GreedySelector):
    """k-center that starts from the mean of the commonest class, or of the targets."""

    _needs_labels = True

    def __init__(self, budget=5):
        self.budget = budget

    def fit(self, X, y=None, *, labeled=None, X_target=None):
        return self._fit(X, y, labeled=labeled, X_target=X_target)

    def _start(self, pool):
        return pool.rows, pool.rows.distances(self._center(pool)[None, :])[:, 0]

    def _center(self, pool):
        if pool.targets is not None:
            return pool.targets.mean()
        if pool.y_labeled is None:
            warnings.warn("no labels", ColdStartWarning, stacklevel=2)
            return pool.rows.mean()
        y_labeled = np.array(list(pool.y_labeled))
        classes, counts = np.unique(y_labeled, return_counts=True)
        return pool.rows.take(pool.labeled[y_labeled == classes[counts.argmax()]]).mean(0)

    def _score(self, state):
        return state[1]

    def _step(self, state, row):
        rows, nearest = state
        return rows, torch.minimum(nearest, rows.distances(rows.take([row]))[:, 0])


class PicksLabeledRows(Sound):
    def _select(self, pool):
        return super()._select(replace(pool, candidates=torch.ones_like(pool.candidates)))


class RepeatsAPick(Sound):
    def _finish(self, state, selection):
        selection.indices[-1] = selection.indices[0]
        return selection


class ReadsTheWrongY(Sound):
    def fit(self, X, y=None, *, labeled=None, X_target=None):
        y = None if y is None else np.roll(y, 1)
        return super().fit(X, y, labeled=labeled, X_target=X_target)


class CountsItsCalls(Sound):
    calls = 0

    def _start(self, pool):
        CountsItsCalls.calls += 1
        rows, nearest = super()._start(pool)
        return rows, nearest.roll(CountsItsCalls.calls)


class DrawsGlobally(Sound):
    def _start(self, pool):
        np.random.seed(0)
        rows, nearest = super()._start(pool)
        return rows, nearest + torch.from_numpy(np.random.rand(len(nearest)))


class FollowsChunkSize(Sound):
    def _start(self, pool):
        rows, nearest = super()._start(pool)
        return rows, nearest.roll(int(get_config()["working_memory"] < 1))


class KeepsATensor(Sound):
    def _finish(self, state, selection):
        self.curve_ = [state[1]]
        return selection


class DropsRows(Sound):
    def transform(self, X):
        X_new = super().transform(X)
        return X_new[: len(self.indices_)]


class HasNoPrefix(Sound):
    def _start(self, pool):
        rows, nearest = super()._start(pool)
        return rows, nearest.roll(pool.n_picks % 2)


class WritesToX(Sound):
    def fit(self, X, y=None, *, labeled=None, X_target=None):
        super().fit(X, y, labeled=labeled, X_target=X_target)
        if isinstance(X, np.ndarray) and X.dtype == np.float64:
            X[self.indices_] = 0.0
        return self


class RepresentsByTheFirst(Sound):
    def represent(self, X):
        return np.zeros_like(super().represent(X))


class KeepsHalfAFit(Sound):
    def fit(self, X, y=None, *, labeled=None, X_target=None):
        self.started_ = True
        return super().fit(X, y, labeled=labeled, X_target=X_target)


class MistakesShares(Sound):
    def _select(self, pool):
        return super()._select(replace(pool, n_picks=1) if self.budget == 0.2 else pool)


class ForgivesMissingLabels(Sound):
    def fit(self, X, y=None, *, labeled=None, X_target=None):
        return super().fit(X, y, labeled=None if y is None else labeled, X_target=X_target)


class IgnoresTargetWidth(Sound):
    def fit(self, X, y=None, *, labeled=None, X_target=None):
        return self._fit(X, y, labeled=labeled)


def run_contract(selector):
    for check in selector_checks(selector):
        check()


@pytest.mark.parametrize("selector", [Sound(), RandomSelector()])
def test_sound_selectors_pass(selector):
    check_selector(selector)
    run_contract(selector)
    assert not hasattr(selector, "indices_")


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (PicksLabeledRows(), "check_labeled_rows_are_not_picked"),
        (RepeatsAPick(), "check_indices_and_scores"),
        (ReadsTheWrongY(), "check_unlabeled_y_is_not_read"),
        (CountsItsCalls(), "check_repeated_fits"),
        (DrawsGlobally(), "check_global_generators"),
        (FollowsChunkSize(), "check_chunks_and_threads"),
        (KeepsATensor(), "check_attributes_are_numpy"),
        (DropsRows(), "check_transform"),
        (HasNoPrefix(), "check_prefix_property"),
        (WritesToX(), "check_source_is_unchanged"),
        (RepresentsByTheFirst(), "check_represent"),
        (KeepsHalfAFit(), "check_failed_fit"),
        (MistakesShares(), "check_budget"),
        (ForgivesMissingLabels(), "check_labeled_needs_y"),
        (IgnoresTargetWidth(), "check_targets"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_broken_selectors_fail(broken, check):
    with pytest.raises(
        AssertionError, match=rf"^{type(broken).__name__} fails {check}: .+contract"
    ):
        run_contract(broken)


def test_check_selector_names_the_failing_check_of_scikit_learn():
    with pytest.raises(AssertionError, match="^DropsRows fails scikit-learn's check_"):
        check_selector(DropsRows())


def test_check_selector_goes_on_to_the_contract():
    with pytest.raises(AssertionError, match="^KeepsATensor fails check_attributes_are_numpy: "):
        check_selector(KeepsATensor())


def test_checks_that_do_not_apply_are_left_out():
    names = {check.__name__ for check in selector_checks(RandomSelector())}
    assert "check_budget" in names
    assert names.isdisjoint({"check_labeled_needs_y", "check_targets", "check_target_routing"})


def test_every_check_says_what_the_contract_demands():
    for check in selector_checks(Sound()):
        assert check.__doc__.endswith("."), check.__name__
