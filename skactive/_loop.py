"""The loop: select, ask, record, refit, until the budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing, check_random_state, indexable
from sklearn.utils.validation import _num_samples
from tqdm.auto import tqdm

from skactive._atomic import all_or_nothing
from skactive._delegation import DelegatingEstimator, cut_to_rows
from skactive._labels import LabelBook
from skactive._oracles import make_oracle, owned_labels
from skactive._query import Context, Query
from skactive._scoring import held_out_score
from skactive._training import check_warm_start, train
from skactive._validation import (
    check_batch_size,
    check_budget,
    check_is_estimator,
    check_labeled,
)
from skactive.selection._coreset import CoreSetSelector
from skactive.selection._itl import ITLSelector

__all__ = ["ActiveLearningLoop"]


class Problem(NamedTuple):
    """The checked arguments of one `fit`."""

    X: Any
    n_samples: int
    ask: Callable[[NDArray[np.int64]], Any]
    book: LabelBook
    budget: int
    batch_size: int
    n_initial: int  # the same for the first batch
    query: Query
    first_query: Query
    score: Callable[[], float]  # of the latest model
    random_state: np.random.RandomState
    estimator_params: dict[str, Any]


class ActiveLearningLoop(DelegatingEstimator):
    """Train an estimator on the rows that a selector finds worth labelling.

    Each round the selector picks a batch of unlabeled rows, the oracle labels them, and a
    clone of the estimator is fitted to all labeled rows, until the budget is spent. The fitted
    loop predicts like the estimator it has trained.

    Parameters
    ----------
    estimator : estimator object
        Classifier, regressor, Pipeline or skorch net to train; cloned.
    selector : selector or Pipeline ending in one, default=None
        What picks the rows; cloned. None means ``ITLSelector()``. In a Pipeline, steps that
        ignore labels are fitted once on the whole pool, steps that require labels are fitted
        each round on the labeled rows only. While a step lacks labels (there are none, or only of
        one class) or the model of the round before, rows are drawn at random.
    budget : int or float, default=100
        Labels to buy; a float in (0, 1] is the share of the rows. Labels passed as `labeled`
        do not count.
    batch_size : int, float or None, default=None
        Labels to buy in a round; None takes the selector's own budget. The last batch is cut
        to the labels left.
    init_selector : selector, Pipeline ending in one, or None, default=None
        What picks the first batch when no label is known. None means `selector` itself where
        it needs no labels, else ``CoreSetSelector()``.
    n_initial : int, float or None, default=None
        Size of that first batch; None takes `batch_size`.
    classes : array-like or None, default=None
        All labels that can occur, as in ``partial_fit``. With it ``predict_proba`` has one
        column a class from the first round, and other labels are refused.
    scoring : str, callable or None, default=None
        How to score the model on `X_val`, `y_val` after each round, as in
        :func:`sklearn.metrics.check_scoring`; None takes the estimator's ``score``.
    warm_start : bool, default=False
        Train the model of the round before further instead of a fresh clone. The estimator (or
        the last step of a Pipeline) needs a parameter `warm_start`, which is set. Cheaper, at
        times at the cost of accuracy (Ash & Adams, NeurIPS 2020).
    random_state : int, RandomState instance or None, default=None
        Seeds every ``random_state`` parameter of the parts that is None, the initial weights and
        batches of a skorch net, and random choices of the loop. None leaves the parts as they are.
    verbose : bool, default=False
        Show a progress bar.

    Attributes
    ----------
    estimator_ : estimator object
        The estimator fitted to all labels.
    selector_ : selector or Pipeline
        The selector as fitted last; missing where all rows are random.
    labeled_indices_ : ndarray of shape (n_labeled,)
        Rows with a label: those owned first, then those bought, in the order bought.
    y_labeled_ : ndarray of shape (n_labeled,) or (n_labeled, n_outputs)
        Their labels.
    labeled_ids_ : ndarray of shape (n_labeled,)
        Their `ids`, where given.
    history_ : list of dict
        One entry a round: ``round`` (0 for the model on owned labels alone), ``indices`` (rows
        bought), ``selected_by``, ``n_labeled``, ``n_bought``, ``cost`` (one unit a label),
        ``fitted`` (False while the estimator cannot be fitted to labels of a single class),
        ``score`` (NaN without `X_val`), ``seconds_select``, ``seconds_oracle``,
        ``seconds_fit``.
    n_rounds_ : int
        Rounds in which labels were bought.
    termination_condition_ : {"budget", "pool exhausted"}
        Why the loop ended.
    classes_ : ndarray of shape (n_classes,)
        Class labels, for classifiers.
    n_features_in_, feature_names_in_
        As the fitted estimator has them.

    Notes
    -----
    `X` is checked for its length only: what else it may be, texts or images, is up to
    estimator and selector.

    Under cross-validation positions count inside the fold, so only `y` or an oracle that reads
    the rows or `ids` answers rightly there.

    Whatever ends ``fit`` early, an error of the oracle or Ctrl-C, carries the labels known so
    far as ``labeled_indices`` and ``y_labeled``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skactive import ActiveLearningLoop, ITLSelector
    >>> X, y = load_digits(return_X_y=True)
    >>> loop = ActiveLearningLoop(
    ...     LogisticRegression(max_iter=1000), ITLSelector(), budget=60, batch_size=20
    ... )
    >>> loop.fit(X[:1000] / 16, y[:1000]).score(X[1000:] / 16, y[1000:]) > 0.75
    True
    >>> [entry["n_labeled"] for entry in loop.history_]
    [20, 40, 60]
    """

    def __init__(
        self,
        estimator: Any,
        selector: Any = None,
        *,
        budget: int | float = 100,
        batch_size: int | float | None = None,
        init_selector: Any = None,
        n_initial: int | float | None = None,
        classes: Any = None,
        scoring: Any = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.estimator = estimator
        self.selector = selector
        self.budget = budget
        self.batch_size = batch_size
        self.init_selector = init_selector
        self.n_initial = n_initial
        self.classes = classes
        self.scoring = scoring
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        labeled: Any = None,
        oracle: Callable[[Any, NDArray[Any]], Any] | None = None,
        X_target: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        ids: Any = None,
        **params: Any,
    ) -> Self:
        """Spend the budget and train the estimator.

        Parameters
        ----------
        X : array-like, sparse matrix, frame or list of length n_samples
            The pool.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Labels. Without an oracle they answer its questions; with one, only those at
            `labeled` rows are read. Nothing else reads labels that were not bought.
        labeled : array-like, default=None
            Rows whose label is owned already, as a mask or as positions.
        oracle : callable, default=None
            ``oracle(X_rows, indices) -> labels``, one label a row, in the order asked.
            `indices` are positions in `X`, or `ids` of the rows where given.
        X_target : array-like, default=None
            Points one wants to predict well, for selectors that use them.
        X_val, y_val : array-like, default=None
            Held-out data for ``history_[...]["score"]``.
        ids : array-like of shape (n_samples,), default=None
            Names of the rows for the oracle.
        **params : dict
            Passed to the estimator's ``fit`` by metadata routing, arrays of length n_samples
            cut to the labeled rows.

        Returns
        -------
        self : object
            The fitted loop.
        """
        check_is_estimator(self.estimator)
        check_warm_start(self.warm_start, self.estimator)
        estimator_params = self._route_params("fit", params)
        with all_or_nothing(self):
            score = held_out_score(self, self.scoring, X_val, y_val)
            problem = self._make_problem(
                X, y, labeled, oracle, X_target, ids, score, estimator_params
            )
            with problem.book.kept_on_error():
                self._run(problem)
                self._publish(problem, ids)
        return self

    def _make_problem(
        self,
        X: Any,
        y: Any,
        labeled: Any,
        oracle: Any,
        X_target: Any,
        ids: Any,
        score: Callable[[], float],
        estimator_params: dict[str, Any],
    ) -> Problem:
        X, y, ids = indexable(X, y, ids)
        n_samples = _num_samples(X)
        if n_samples == 0:
            raise ValueError("Found array with 0 sample(s) in X while a minimum of 1 is required.")
        book = LabelBook(
            None if self.classes is None else np.unique(np.asarray(self.classes)),
            "y" if oracle is None else "the oracle's answer",
        )
        book.own(*owned_labels(y, check_labeled(labeled, n_samples)))
        if len(book) == n_samples:
            raise ValueError(
                f"labeled covers all {n_samples} rows, so there is nothing to ask. Fit the "
                "estimator itself, or add unlabeled rows to X."
            )
        selector = ITLSelector() if self.selector is None else self.selector
        query = Query(selector, X, X_target, "selector")
        if X_target is not None and not query.takes_targets:
            raise ValueError(
                f"X_target was given, but selector == {selector!r} has no use for targets. Use "
                "ITLSelector or VTLSelector, or leave X_target out."
            )
        batch_size, n_initial = self._batch_sizes(query, n_samples)
        return Problem(
            X=X,
            n_samples=n_samples,
            ask=make_oracle(X, y, oracle, ids, type(self).__name__),
            book=book,
            budget=check_budget(self.budget, n_samples, n_samples - len(book)),
            batch_size=batch_size,
            n_initial=n_initial,
            query=query,
            first_query=self._first_query(query, X, X_target),
            score=score,
            random_state=check_random_state(self.random_state),
            estimator_params=estimator_params,
        )

    def _batch_sizes(self, query: Query, n_samples: int) -> tuple[int, int]:
        """Labels of a round, and of the first one where nothing is labeled."""
        size, name = self.batch_size, "batch_size"
        if size is None:
            size, name = query.budget, query.budget_name
        batch_size = check_batch_size(size, n_samples, name)
        if self.n_initial is None:
            return batch_size, batch_size
        return batch_size, check_batch_size(self.n_initial, n_samples, "n_initial")

    def _first_query(self, query: Query, X: Any, X_target: Any) -> Query:
        """What picks the first batch where no label is known."""
        if self.init_selector is not None:
            return Query(self.init_selector, X, X_target, "init_selector")
        if query.needs_labels and not query.needs_model:
            return query.with_final(CoreSetSelector())
        return query

    def _run(self, problem: Problem) -> None:
        book = problem.book
        self.history_: list[dict[str, Any]] = []
        model, failure = None, None
        if len(book):
            entry = _entry(0, book.indices[:0], "", 0.0, 0.0)
            model, failure = self._refit(problem, entry, None)
        with tqdm(total=problem.budget, unit="label", disable=not self.verbose) as bar:
            while book.n_bought < problem.budget:
                entry = self._buy(problem, model)
                model, failure = self._refit(problem, entry, model)
                bar.update(len(entry["indices"]))
        if failure is not None:
            raise failure

    def _buy(self, problem: Problem, model: Any) -> dict[str, Any]:
        """Pick a batch and ask the oracle for its labels."""
        book = problem.book
        is_first = len(book) == 0
        query = problem.first_query if is_first else problem.query
        size = problem.n_initial if is_first else problem.batch_size
        n_picks = min(size, problem.budget - book.n_bought)
        context = Context(
            book=book,
            estimator=model,
            too_few_labels=is_first or (is_classifier(self.estimator) and book.has_single_class()),
            random_state=None if self.random_state is None else problem.random_state,
        )
        start = time.perf_counter()
        picks, selected_by = query.pick(n_picks, context), query.name
        if picks is None:  # a step lacks labels or a network
            unlabeled = np.setdiff1d(np.arange(problem.n_samples), book.indices)
            picks = problem.random_state.choice(unlabeled, n_picks, replace=False)
            selected_by = "random"
        else:
            self.selector_ = query.selector_
        selected = time.perf_counter()
        book.buy(picks, problem.ask(picks))
        answered = time.perf_counter()
        number = self.history_[-1]["round"] + 1 if self.history_ else 1
        return _entry(number, picks, selected_by, selected - start, answered - selected)

    def _refit(
        self, problem: Problem, entry: dict[str, Any], former: Any
    ) -> tuple[Any, ValueError | None]:
        """Fit a fresh clone, or the former model, to all labels and complete the round's record."""
        book, rows = problem.book, problem.book.indices
        model, failure = None, None
        start = time.perf_counter()
        try:
            model = train(
                self.estimator,
                _safe_indexing(problem.X, rows),
                book.labels,
                cut_to_rows(problem.estimator_params, problem.n_samples, rows),
                warm_start=self.warm_start,
                former=former,
                random_state=None if self.random_state is None else problem.random_state,
            )
        except ValueError as error:
            if not (is_classifier(self.estimator) and book.has_single_class()):
                raise
            failure = error  # more labels will help
        seconds_fit = time.perf_counter() - start
        score = np.nan
        if model is not None:
            self.estimator_ = model
            score = problem.score()
        self.history_.append(
            {
                **entry,
                "n_labeled": len(book),
                "n_bought": book.n_bought,
                "cost": float(book.n_bought),
                "fitted": model is not None,
                "score": score,
                "seconds_fit": seconds_fit,
            }
        )
        return model, failure

    def _publish(self, problem: Problem, ids: Any) -> None:
        book = problem.book
        self.labeled_indices_ = book.indices
        self.y_labeled_ = book.labels
        if ids is not None:
            self.labeled_ids_ = np.asarray(_safe_indexing(ids, book.indices))
        self.n_rounds_ = self.history_[-1]["round"]
        exhausted = len(book) == problem.n_samples
        self.termination_condition_ = "pool exhausted" if exhausted else "budget"
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))


def _entry(
    number: int, picks: NDArray[np.int64], selected_by: str, select: float, oracle: float
) -> dict[str, Any]:
    """The part of a round's record that is known before the model is fitted."""
    return {
        "round": number,
        "indices": picks,
        "selected_by": selected_by,
        "seconds_select": select,
        "seconds_oracle": oracle,
    }
