"""Rounds of a proxy on features that may change between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.utils import column_or_1d, indexable
from sklearn.utils.validation import _num_samples

from skactive._labels import LabelBook
from skactive._loop import ActiveLearningLoop
from skactive._oracles import make_oracle, owned_labels
from skactive._validation import check_batch_size, check_budget, check_labeled
from skactive.exceptions import OracleError


class Features(NamedTuple):
    """What the proxy sees in place of raw inputs."""

    pool: NDArray[Any]
    validation: NDArray[Any] | None


class ProxyRounds:
    """Buys labels by an ActiveLearningLoop for each stretch of rounds on the same features.

    Parameters
    ----------
    proxy, selector : as for ActiveLearningLoop
    ask : callable
        From positions to labels.
    book : LabelBook
        The labels known, here and after each stretch.
    budget, batch_size : int
        Labels to buy in all, and in a round.
    """

    def __init__(
        self,
        proxy: Any,
        selector: Any,
        ask: Callable[[NDArray[np.int64]], Any],
        book: LabelBook,
        *,
        budget: int,
        batch_size: int,
        classes: Any,
        random_state: np.random.RandomState | None,
        verbose: bool,
    ) -> None:
        self._options = {
            "estimator": LogisticRegression(max_iter=1000) if proxy is None else proxy,
            "selector": selector,
            "batch_size": batch_size,
            "classes": classes,
            "random_state": random_state,
            "verbose": verbose,
        }
        self._ask = ask
        self.book = book
        self._budget = budget
        self._batch_size = batch_size
        self._failure: ValueError | None = None
        self.n_rounds = 0
        self.history: list[dict[str, Any]] = []
        self.model: Any = None  # the fitted proxy

    @property
    def finished(self) -> bool:
        """Whether the budget is spent."""
        return self.book.n_bought == self._budget

    def advance(self, features: Features, y_val: Any, n_rounds: int | None) -> list[dict[str, Any]]:
        """The records of some rounds, or all that are left; one while there are no two classes."""
        n_before = len(self.history)
        book, left = self.book, self._budget - self.book.n_bought
        too_few = len(book) == 0 or book.has_single_class()
        n_labels = left if n_rounds is None else min(left, n_rounds * self._batch_size)
        if too_few:
            n_labels = min(left, self._batch_size)
        loop = ActiveLearningLoop(**self._options, budget=n_labels)
        try:
            loop.fit(
                features.pool,
                book.spread(len(features.pool)),
                labeled=book.indices,
                oracle=lambda _rows, indices: self._ask(indices),
                X_val=features.validation,
                y_val=y_val,
            )
        except OracleError:
            raise
        except ValueError as error:
            if not self._is_lack_of_classes(error, len(book) + n_labels):
                raise
            self._failure = error
            self._record_unfitted(error)
        else:
            self._failure = None
            self.model = loop.estimator_
            self._record(loop)
        if self.finished and self._failure is not None:
            raise self._failure
        return self.history[n_before:]

    def _is_lack_of_classes(self, error: ValueError, n_expected: int) -> bool:
        """Whether all labels came in, and only the proxy could not be fitted to them."""
        labels = getattr(error, "y_labeled", ())
        return len(labels) == n_expected and len(np.unique(labels)) == 1

    def _record(self, loop: ActiveLearningLoop) -> None:
        n_known, n_before = len(self.book), self.book.n_bought
        answers: Any = loop.y_labeled_
        self.book.buy(loop.labeled_indices_[n_known:], answers[n_known:])
        for entry in loop.history_:
            if entry["round"] == 0 and self.history:
                continue  # the proxy of the round before, on the features of this stretch
            n_bought = n_before + entry["n_bought"]
            self._append(entry | {"n_bought": n_bought, "cost": float(n_bought)})

    def _record_unfitted(self, error: Any) -> None:
        n_known = len(self.book)
        indices = error.labeled_indices[n_known:]
        self.book.buy(indices, error.y_labeled[n_known:])
        self._append(
            {
                "indices": indices,
                "selected_by": "",  # the loop has told its labels, not its history
                "seconds_select": np.nan,
                "seconds_oracle": np.nan,
                "n_labeled": len(self.book),
                "n_bought": self.book.n_bought,
                "cost": float(self.book.n_bought),
                "fitted": False,
                "score": np.nan,
                "seconds_fit": np.nan,
            }
        )

    def _append(self, entry: dict[str, Any]) -> None:
        self.n_rounds += len(entry["indices"]) > 0
        self.history.append(entry | {"round": self.n_rounds})


def make_rounds(
    owner: Any, X: Any, y: Any, labeled: Any, oracle: Any, random_state: np.random.RandomState
) -> ProxyRounds:
    """The rounds that an AlignedProxy asks for, with the labels owned so far."""
    X, y = indexable(X, y)
    n_samples = _num_samples(X)
    if len(getattr(y, "shape", ())) == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    book = LabelBook(None if owner.classes is None else np.unique(np.asarray(owner.classes)))
    book.own(*owned_labels(y, check_labeled(labeled, n_samples)))
    if len(book) == n_samples:
        raise ValueError(
            f"labeled covers all {n_samples} rows, so there is nothing to ask. Fit the network "
            "itself, or add unlabeled rows to X."
        )
    return ProxyRounds(
        owner.proxy,
        owner.selector,
        make_oracle(X, y, oracle, None, type(owner).__name__),
        book,
        budget=check_budget(owner.budget, n_samples, n_samples - len(book)),
        batch_size=check_batch_size(owner.batch_size, n_samples, "batch_size"),
        classes=owner.classes,
        random_state=None if owner.random_state is None else random_state,
        verbose=owner.verbose,
    )
