"""An oracle that reads its labels from an array, for simulations."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples

from skactive._answers import DONT_KNOW, NOT_YET, Answers
from skactive._labels import LabelBook
from skactive._replies import plain_value
from skactive._seeds import Seeds, root_of
from skactive._validation import check_number

# What random numbers are for, apart from those of a loop with the same seed.
NOISE, OTHER_CLASSES, ABSTENTIONS = range(100, 103)


class Plan(NamedTuple):
    """The answers to all questions, fixed before the first."""

    labels: NDArray[Any]
    abstains: NDArray[np.bool_]
    costs: NDArray[np.float64]
    rows: dict[Any, int] | None  # of ids


class ArrayOracle(BaseEstimator):
    """Answer from known labels, as faultily as people do.

    What happens to a row depends on `random_state` and on its place in `y`, not on when it is
    asked. All parameters are read at the first question.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The true labels. Floats that are not whole are regression targets, all else are classes.
    ids : array-like of shape (n_samples,), default=None
        Names that the rows are asked by. None means positions in `y`. Under cross-validation,
        where positions count inside the fold, names are needed.
    noise : float >= 0, default=0.0
        For classes: probability, at most 1, that a label is replaced by another class, each of
        them alike. For regression targets: standard deviation of the normal noise added, in
        units of `y`.
    cost : float or array-like of shape (n_samples,), default=1.0
        Cost of an answer, in any unit; a don't-know costs as much as a label.
    abstain : float in [0, 1] or array-like of shape (n_samples,), default=0.0
        Probability that a row gets ``DONT_KNOW``, or a boolean mask of the rows that do.
    delay : int >= 0, default=0
        How many times each row gets ``NOT_YET`` before it gets an answer.
    random_state : int, RandomState instance or None, default=None
        Draws noise and abstentions. With an int they are the same in every run, and rows that
        are noisy at a low `noise` are so at a higher one.

    Raises
    ------
    ValueError, TypeError
        At the first question, if a parameter is not allowed; at any, if it names rows that
        there are not.

    See Also
    --------
    ConsensusOracle : Asks several oracles and combines what they say.

    Examples
    --------
    >>> import numpy as np
    >>> from skactive.oracles import ArrayOracle
    >>> oracle = ArrayOracle(
    ...     ["cat", "dog", "cat"], ids=["a", "b", "c"], abstain=[False, True, False], cost=0.5
    ... )
    >>> answers = oracle(np.zeros((2, 4)), ["c", "b"])
    >>> [str(label) for label in answers.labels], answers.costs.tolist()
    (['cat', 'DONT_KNOW'], [0.5, 0.5])
    """

    def __init__(
        self,
        y: Any,
        *,
        ids: Any = None,
        noise: float = 0.0,
        cost: Any = 1.0,
        abstain: Any = 0.0,
        delay: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.y = y
        self.ids = ids
        self.noise = noise
        self.cost = cost
        self.abstain = abstain
        self.delay = delay
        self.random_state = random_state

    def __call__(self, X_rows: Any, indices: Any) -> Answers:
        """Answer one batch of questions.

        Parameters
        ----------
        X_rows : array-like of length n_rows
            Not read.
        indices : array-like of shape (n_rows,)
            Positions in `y`, or `ids`.

        Returns
        -------
        answers : Answers
            In the order asked.
        """
        if not hasattr(self, "_plan"):
            self._plan = self._make_plan()
            self._n_asked: Counter[int] = Counter()
        names = np.asarray(indices)
        rows = self._rows_of(names)
        labels = [self._answer(row) for row in rows.tolist()]
        return Answers(names, labels, self._plan.costs[rows])

    def _answer(self, row: int) -> Any:
        self._n_asked[row] += 1
        if self._n_asked[row] <= self.delay:
            return NOT_YET
        return DONT_KNOW if self._plan.abstains[row] else self._plan.labels[row]

    def _make_plan(self) -> Plan:
        check_number(self.delay, "delay", strict=False, integer=True)
        check_number(self.noise, "noise", strict=False)
        n_samples = _num_samples(self.y)
        checked = LabelBook().check(np.arange(n_samples), self.y, "y")
        if checked.error is not None or checked.labels is None:
            raise ValueError(
                f"{checked.error} For rows that nobody can label pass a mask as abstain."
            )
        random_state = check_random_state(self.random_state)
        root = root_of(random_state if self.random_state is None else self.random_state)
        return Plan(
            labels=_with_noise(checked.labels, float(self.noise), root),
            abstains=_abstentions(self.abstain, n_samples, root),
            costs=_costs(self.cost, n_samples),
            rows=None if self.ids is None else _rows_by_id(self.ids, n_samples),
        )

    def _rows_of(self, names: NDArray[Any]) -> NDArray[np.int64]:
        if self._plan.rows is not None:
            plain = [plain_value(name) for name in names]
            strange = [name for name in plain if name not in self._plan.rows]
            if strange:
                raise ValueError(
                    f"indices has {strange[0]!r}, which is not among the ids of this oracle. Give "
                    "fit the ids that the oracle has."
                )
            return np.array([self._plan.rows[name] for name in plain], dtype=np.int64)
        n_samples = len(self._plan.labels)
        if len(names) and names.dtype.kind not in "iu":
            raise TypeError(
                f"indices must be positions in y, as this oracle has no ids; got {names[0]!r}. "
                "Pass ids to the oracle as well."
            )
        outside = names[(names < 0) | (names >= n_samples)]
        if len(outside):
            raise ValueError(
                f"indices must be positions in [0, {n_samples}); got {outside[0]}. Give the "
                "oracle the labels of all rows of X."
            )
        return names.astype(np.int64)


def _draws(root: int | None, purpose: int) -> np.random.RandomState:
    random_state = Seeds(root).of(purpose)
    assert random_state is not None  # as root is a number
    return random_state


def _with_noise(labels: NDArray[Any], noise: float, root: int | None) -> NDArray[Any]:
    """The labels that are told, row by row from the same random numbers."""
    draws = _draws(root, NOISE)
    if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
        noisy = labels + noise * draws.standard_normal(labels.shape)
        return np.asarray(noisy, dtype=labels.dtype)
    if noise > 1:
        raise ValueError(
            f"noise == {noise:g}, must be a probability <= 1 as y holds classes. Regression "
            "targets are told by floats that are not whole."
        )
    if noise == 0:
        return labels
    is_noisy = draws.random_sample(labels.shape) < noise
    columns = labels.reshape(len(labels), -1)
    shifts = _draws(root, OTHER_CLASSES).random_sample(columns.shape)
    replaced = [
        _other_classes(column, shift) for column, shift in zip(columns.T, shifts.T, strict=True)
    ]
    return np.where(is_noisy, np.column_stack(replaced).reshape(labels.shape), labels)


def _other_classes(labels: NDArray[Any], shifts: NDArray[np.float64]) -> NDArray[Any]:
    """For each label one of the other classes, by a number in [0, 1)."""
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) == 1:
        raise ValueError(
            f"noise > 0, but y holds the single class {classes[0]!r}, so there is no other to "
            "replace it by. Use noise=0."
        )
    steps = 1 + (shifts * (len(classes) - 1)).astype(np.intp)
    return np.asarray(classes[(codes.reshape(-1) + steps) % len(classes)])


def _abstentions(abstain: Any, n_samples: int, root: int | None) -> NDArray[np.bool_]:
    if np.ndim(abstain) == 0:
        check_number(abstain, "abstain", strict=False, hint="Or pass a boolean mask.")
        if abstain > 1:
            raise ValueError(f"abstain == {abstain!r}, must be a probability <= 1 or a mask.")
        return np.asarray(_draws(root, ABSTENTIONS).random_sample(n_samples) < abstain)
    mask = np.asarray(abstain)
    if mask.dtype != bool or mask.shape != (n_samples,):
        raise ValueError(
            f"abstain must be a number in [0, 1] or a boolean mask of shape ({n_samples},); got "
            f"shape {mask.shape} and type {mask.dtype}. For positions pass "
            "np.isin(np.arange(len(y)), positions)."
        )
    return mask.copy()


def _costs(cost: Any, n_samples: int) -> NDArray[np.float64]:
    if np.ndim(cost) == 0:
        check_number(cost, "cost", strict=False, hint="Or pass one number a row.")
        return np.full(n_samples, float(cost))
    costs = np.array(cost, dtype=np.float64)
    if costs.shape != (n_samples,) or not np.isfinite(costs).all() or (costs < 0).any():
        raise ValueError(
            f"cost must be a finite number >= 0 or {n_samples} of them, one for each entry of y; "
            f"got shape {costs.shape}, from {costs.min(initial=np.inf)} to "
            f"{costs.max(initial=-np.inf)}."
        )
    return costs


def _rows_by_id(ids: Any, n_samples: int) -> dict[Any, int]:
    names = [plain_value(name) for name in np.asarray(ids)]
    rows = {name: row for row, name in enumerate(names)}
    if len(names) != n_samples or len(rows) != n_samples:
        raise ValueError(
            f"ids must be {n_samples} different names, one for each entry of y; got {len(names)}, "
            f"{len(rows)} of them different. Give every row a name of its own."
        )
    return rows
