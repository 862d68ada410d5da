"""What is selected, from which budget, labeled rows, labels and targets."""

from __future__ import annotations

import warnings

import numpy as np

from skactive._base import BaseSelector
from skactive._contract._suite import (
    BUDGET,
    LABELED,
    classes_of,
    contract,
    demand,
    demand_error,
    demand_same_picks,
    fit_cases,
    fit_clone,
    known_rows,
    make_pool,
    takes_targets,
)
from skactive.exceptions import BudgetWarning


@contract()
def check_indices_and_scores(selector: BaseSelector) -> None:
    """indices_ are int64 positions of different rows, `budget` of them; scores_ their float64s."""
    X = make_pool()
    for case in fit_cases(selector, X):
        fitted = fit_clone(selector, X, **case)
        indices, scores = fitted.indices_, fitted.scores_
        demand(indices.dtype == np.int64 and indices.shape == (BUDGET,), f"{indices=}")
        demand(len(np.unique(indices)) == BUDGET, f"{indices=} repeat a row")
        demand(indices.min() >= 0 and indices.max() < len(X), f"{indices=} for {len(X)} rows")
        demand(scores.dtype == np.float64 and scores.shape == (BUDGET,), f"{scores=}")
        demand(not np.isnan(scores).any(), f"{scores=}")


@contract()
def check_labeled_rows_are_not_picked(selector: BaseSelector) -> None:
    """Labeled rows are never picked; a mask means its positions, an empty list means None."""
    y = classes_of(make_pool())
    mask = np.isin(np.arange(len(y)), LABELED)
    for X in (make_pool(), np.ones((30, 4))):
        for budget in (BUDGET, 24):
            picks = fit_clone(selector, X, y, budget=budget, labeled=LABELED).indices_
            both = np.intersect1d(picks, LABELED)
            demand(len(both) == 0, f"labeled rows {both} were picked")
            masked = fit_clone(selector, X, y, budget=budget, labeled=mask).indices_
            demand_same_picks(masked, picks, "with a mask instead of positions")
        empty = fit_clone(selector, X, y, labeled=[]).indices_
        demand_same_picks(
            empty, fit_clone(selector, X, y).indices_, "with labeled=[] instead of None"
        )


@contract()
def check_budget(selector: BaseSelector) -> None:
    """budget is a count, or a share f of all rows, labeled ones included: max(1, int(f * n))."""
    X = make_pool()
    counts = [(4, 4), (np.int32(4), 4), (0.2, 6), (np.float64(0.5), 15), (0.01, 1)]
    for budget, expected in counts:
        n_picks = len(fit_clone(selector, X, budget=budget, **known_rows(X)).indices_)
        demand(n_picks == expected, f"{budget=!r} of 30 rows gave {n_picks} picks")
    demand(len(fit_clone(selector, X, budget=1.0).indices_) == len(X), "budget=1.0 is not all rows")


@contract()
def check_budget_beyond_candidates(selector: BaseSelector) -> None:
    """A budget beyond the candidates selects all of them and gives one BudgetWarning."""
    X = make_pool()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = fit_clone(selector, X, budget=len(X), **known_rows(X))
    candidates = np.setdiff1d(np.arange(len(X)), LABELED)
    demand_same_picks(np.sort(fitted.indices_), candidates, "when all candidates should be picked")
    count = sum(issubclass(warning.category, BudgetWarning) for warning in caught)
    demand(count == 1, f"{count} BudgetWarnings")


@contract()
def check_bad_budgets(selector: BaseSelector) -> None:
    """A budget that is no int >= 1 and no float in (0, 1] is an error that mentions budget."""
    for budget in (0, -1, 1.5, 0.0, float("nan"), "10", True, None):
        with demand_error(f"{budget=!r}", "budget", kinds=(TypeError, ValueError)):
            fit_clone(selector, make_pool(), budget=budget)


@contract()
def check_identical_rows(selector: BaseSelector) -> None:
    """A pool of identical rows is legal; each is still picked once at most."""
    X = np.ones((30, 4))
    for case in fit_cases(selector, make_pool()):
        picks = fit_clone(selector, X, **case).indices_
        demand(len(np.unique(picks)) == BUDGET, f"{picks=}")


@contract(lambda selector: selector._has_prefix_property())
def check_prefix_property(selector: BaseSelector) -> None:
    """The picks for a smaller budget are the first picks for a larger one."""
    X = make_pool()
    for case in fit_cases(selector, X):
        full = fit_clone(selector, X, budget=12, **case).indices_
        for budget in (1, 2, 7):
            picks = fit_clone(selector, X, budget=budget, **case).indices_
            demand_same_picks(picks, full[:budget], f"with {budget=} instead of 12")


@contract()
def check_bad_labeled(selector: BaseSelector) -> None:
    """labeled is a mask over the rows or unique positions that leave some; else a ValueError."""
    X = make_pool()
    n = len(X)
    mistakes = {
        "a short mask": np.zeros(n - 1, dtype=bool),
        "a repeated position": [1, 2, 1],
        "a negative position": [-1],
        "a position beyond the rows": [n],
        "a mask of integers": np.arange(n) % 2,
        "floats": [1.0, 2.0],
        "two dimensions": [[1, 2]],
        "a mask of all rows": np.ones(n, dtype=bool),
        "positions of all rows": np.arange(n),
    }
    for mistake, labeled in mistakes.items():
        with demand_error(f"labeled with {mistake}", "labeled"):
            fit_clone(selector, X, classes_of(X), labeled=labeled)


@contract()
def check_unlabeled_y_is_not_read(selector: BaseSelector) -> None:
    """y is read at the labeled rows only: anything may stand at the others."""
    X = make_pool()
    y = classes_of(X)
    expected = fit_clone(selector, X, y, labeled=LABELED).indices_
    objects = [label if i in LABELED else (None, "?", object())[i % 3] for i, label in enumerate(y)]
    garbage = {
        "other classes": np.where(np.isin(np.arange(len(X)), LABELED), y, 7 - y),
        "NaN": np.where(np.isin(np.arange(len(X)), LABELED), y, np.nan),
        "objects in a list": objects,
        "objects in an array": np.array(objects, dtype=object),
    }
    for kind, y_garbage in garbage.items():
        picks = fit_clone(selector, X, y_garbage, labeled=LABELED).indices_
        demand_same_picks(picks, expected, f"with {kind} in y at unlabeled rows")


@contract(lambda selector: selector._needs_labels)
def check_labeled_needs_y(selector: BaseSelector) -> None:
    """A selector that learns from labels refuses `labeled` without y, or with y too short."""
    X = make_pool()
    with demand_error("labeled without y", r"\by\b"):
        fit_clone(selector, X, labeled=LABELED)
    with demand_error("y without its last entry", r"\by\b"):
        fit_clone(selector, X, classes_of(X)[:-1], labeled=LABELED)


@contract(takes_targets)
def check_targets(selector: BaseSelector) -> None:
    """X_target are finite rows as wide as X, any number of them, else a ValueError; None is X."""
    X = make_pool()
    given = fit_clone(selector, X, X_target=None).indices_
    demand_same_picks(given, fit_clone(selector, X).indices_, "with X_target=None")
    for n_targets in (1, len(X), 2 * len(X)):
        fit_clone(selector, X, X_target=make_pool(seed=1, n_samples=n_targets))
    with demand_error("X_target of another width", "X_target"):
        fit_clone(selector, X, X_target=X[:5, :3])
    with demand_error("NaN in X_target", "X_target"):
        fit_clone(selector, X, X_target=np.full((2, 4), np.nan))
