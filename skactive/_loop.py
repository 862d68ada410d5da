"""The loop: select, ask, record, refit, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skactive._atomic import all_or_nothing
from skactive._delegation import DelegatingEstimator
from skactive._indexing import counted, is_same
from skactive._ledger import Ledger
from skactive._opening import exclusive, go_on, journal_of, ledger_of, open_session
from skactive._problem import Problem, make_problem, oracle_of
from skactive._replies import read_reply
from skactive._scoring import held_out_score
from skactive._session import Session
from skactive._training import check_warm_start
from skactive._turns import Turns
from skactive._validation import check_is_estimator
from skactive.oracles import Answers

__all__ = ["ActiveLearningLoop"]


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
    stopping : rule, list of rules or None, default=None
        When to stop before the budget is spent, see :mod:`skactive.stopping`; of several rules
        the first that holds.
    callbacks : list of callbacks or None, default=None
        What to do on the way, see :mod:`skactive.callbacks`.
    journal : path, SQLAlchemy URL or None, default=None
        Where every question and answer is written, durably, before the loop acts on it. A loop
        with the same parameters and pool, started again, goes on with exactly the picks that it
        would have made without the interruption. Needs ``pip install "skactive[journal]"``. Not
        for clones, as made by cross-validation.
    random_state : int, RandomState instance or None, default=None
        Seeds every ``random_state`` parameter of the parts that is None, the initial weights and
        batches of a skorch net, and random choices of the loop. None leaves the parts as they
        are; with a journal a seed is drawn and written down.
    verbose : bool, default=False
        Show a progress bar.

    Attributes
    ----------
    estimator_ : estimator object
        The estimator fitted to all labels.
    selector_ : selector or Pipeline
        The selector as fitted last; missing where all rows are random, or from a journal.
    labeled_indices_ : ndarray of shape (n_labeled,)
        Rows with a label: those owned first, then those bought, in the order bought.
    y_labeled_ : ndarray of shape (n_labeled,) or (n_labeled, n_outputs)
        Their labels.
    labeled_ids_ : ndarray of shape (n_labeled,)
        Their `ids`, where there are any.
    pending_indices_ : ndarray of shape (n_pending,)
        Rows asked and not answered.
    history_ : list of dict
        One entry a round: ``round`` (0 for the model on owned labels alone), ``indices`` (rows
        bought) and their ``ids``, ``selected_by``, ``gains`` (score of each row when it was
        picked), ``n_labeled``, ``n_bought``, ``n_unknown`` (rows that nobody can label), ``cost``
        (one unit an answer unless the oracle says otherwise), ``fitted`` (False while the
        estimator cannot be fitted to labels of a single class), ``score`` (NaN without `X_val`),
        ``measures`` (of stopping rules), ``seconds_select``, ``seconds_oracle``,
        ``seconds_fit``; ``n_batches`` and ``n_told``, batches asked and answers got so far.
    n_rounds_ : int
        Rounds in which labels were bought.
    termination_condition_ : {"budget", "pool exhausted", "stopping rule", "callback", \
            "waiting for labels"}
        Why the loop ended.
    stop_reason_ : str
        The same in a sentence, with the numbers.
    classes_ : ndarray of shape (n_classes,)
        Class labels, for classifiers.
    n_features_in_, feature_names_in_
        As the fitted estimator has them.

    Notes
    -----
    `X` is checked for its length only: what else it may be, texts or images, is up to
    estimator and selector.

    Labels from people, which come late and in any order, are asked by ``ask`` and told by
    ``tell``, from a notebook, a web page or a job that runs now and then; with a `journal` each
    call may be made by another process. ``fit`` takes the same steps.

    Under cross-validation positions count inside the fold, so only `y` or an oracle that reads
    the rows or `ids` (which the index of a DataFrame gives) answers rightly there.

    Of a dask array or data frame only the rows asked come into memory, for the oracle and for
    training; the partitions without any of them are not computed for it. The selector has to take
    dask collections. Partitions of unknown length are counted once a ``fit``, and together with
    them the index of a data frame is read (pass `ids`, or ``X.reset_index(drop=True)``, if it is
    too large). Predictions are dask collections then. A step before the selector has to be
    frozen, stateless, supervised (fitted to the labeled rows) or made for dask.

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

    _session: Session | None = None  # of ask and tell
    _ledger: Ledger | None = None  # of tell alone
    _shares_journal = False

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
        stopping: Any = None,
        callbacks: Any = None,
        journal: Any = None,
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
        self.stopping = stopping
        self.callbacks = callbacks
        self.journal = journal
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

        With a `journal` that has been begun, the loop goes on where it was.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, list or dask collection of length n_samples
            The pool.
        y : array-like or dask collection of shape (n_samples,) or (n_samples, n_outputs), \
                default=None
            Labels. Without an oracle they answer its questions; with one, only those at
            `labeled` rows are read. Nothing else reads labels that were not bought.
        labeled : array-like, default=None
            Rows whose label is owned already, as a mask or as positions.
        oracle : callable, default=None
            ``oracle(X_rows, indices) -> answer``, see :mod:`skactive.oracles`: one label a row in
            the order asked, or some of them. `indices` are `ids` of the rows where given, else
            their positions in `X`. Rows that it leaves open are asked again before the next
            batch; when neither brings an answer, ``fit`` returns, "waiting for labels".
        X_target : array-like, default=None
            Points one wants to predict well, for selectors that use them.
        X_val, y_val : array-like, default=None
            Held-out data for ``history_[...]["score"]``.
        ids : array-like of shape (n_samples,), default=None
            Names of the rows, all different, none missing. None takes the index of a DataFrame if
            its labels are such names, else positions.
        **params : dict
            Passed to the estimator's ``fit`` by metadata routing, arrays of length n_samples
            cut to the labeled rows.

        Returns
        -------
        self : object
            The fitted loop.
        """
        with all_or_nothing(self):
            self._session = None
            y = counted(y)
            score = held_out_score(self, self.scoring, X_val, y_val)
            problem = self._problem(X, y, labeled, X_target, ids, score, params)
            answer = oracle_of(self, problem, y, oracle)
            source = "y" if oracle is None else "the oracle's answer"
            with exclusive(journal := journal_of(self)):
                session = open_session(self, problem, journal, source)
                with session.ledger.kept_on_error(), closing(session):
                    session.run(answer, source)
                    if session.ending is not None and session.failure is not None:
                        raise session.failure
                    session.publish()
        return self

    def ask(
        self,
        X: Any,
        y: Any = None,
        *,
        labeled: Any = None,
        X_target: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        ids: Any = None,
        ahead: bool = False,
        **params: Any,
    ) -> NDArray[Any]:
        """Rows to label now: one step of ``fit``, for labels that come by ``tell``.

        The model learns the labels told so far before new rows are picked. Rows that have been
        asked and not been answered come first: as long as there are any, they are returned again.
        Asking twice, or in another process after a crash, thus does no harm. Processes may ask in
        turn.

        Parameters
        ----------
        X : array-like, sparse matrix, frame or list of length n_samples
            The pool, the same each time. Also a dask collection.
        y, labeled, X_target, X_val, y_val, ids, **params
            As in ``fit``, the same each time; `y` is read at `labeled` rows only.
        ahead : bool, default=False
            Ask a further batch although answers are pending. Selectors that need no labels
            count pending rows as labeled, others leave them out of the pool.

        Returns
        -------
        indices : ndarray of shape (n_rows,)
            `ids` of the rows where there are any, else positions. Empty when the loop has ended
            (see `termination_condition_`), or when the whole budget is pending.
        """
        score = held_out_score(self, self.scoring, X_val, y_val)
        problem = self._problem(X, y, labeled, X_target, ids, score, params)
        with self._turns.take(), exclusive(journal := journal_of(self)):
            if self._session is None:
                session = open_session(self, problem, journal, "what was told")
            else:
                session = go_on(self, self._session, problem)
            self._session = session
            rows = session.ledger.pending
            if ahead or len(rows) == 0:
                rows = session.ask()
            session.publish()
        return session.problem.names(rows)

    def tell(
        self,
        indices: Any,
        labels: Any,
        *,
        costs: Any = None,
        details: Any = None,
        replace: bool = False,
    ) -> Self:
        """Record labels of rows that have been asked.

        They are safe when this returns; the model learns them in the next ``ask`` or ``fit``.
        With a `journal` any process or thread may tell, also while another one asks.

        Parameters
        ----------
        indices : array-like of shape (n_rows,)
            Rows as ``ask`` has named them, in any order, not necessarily all.
        labels : array-like of shape (n_rows,) or (n_rows, n_outputs)
            Their labels; ``DONT_KNOW`` for rows that nobody can label, ``NOT_YET`` for others to
            be skipped.
        costs : float or array-like of shape (n_rows,), default=None
            What the answers have cost; None means 1 each.
        details : list of dict or None, default=None
            What else is to be kept of each answer, as JSON: who gave it, votes, remarks.
        replace : bool, default=False
            Correct rows that have been answered: the latest answer counts, earlier ones stay in
            the journal. Rows picked in the meantime stay picked.

        Returns
        -------
        self : object

        Raises
        ------
        OracleError
            If an answer cannot be used: not asked, answered otherwise before, no valid label. The
            other answers are recorded all the same.
        """
        # Beside a journal nobody waits for another thread that asks.
        with self._turns.take(wait=self.journal is None) as is_taken:
            session = self._session if is_taken else None
            ledger = ledger_of(self, session, keep=is_taken)
            ledger.refresh()
            rows, names = ledger.known(indices)
            answers = Answers(indices, labels, costs, details)
            reply = read_reply(answers, rows, names, "what was told")
            if session is None:
                ledger.tell(reply, 0.0, replace=replace)
                return self
            try:
                session.tell(reply, replace=replace)
            finally:  # what could be used has been recorded
                session.publish()
        return self

    def __sklearn_clone__(self) -> Self:
        clone: Self = super().__sklearn_clone__()
        clone._shares_journal = self.journal is not None
        return clone

    def set_params(self, **params: Any) -> Self:
        """Set parameters, as in scikit-learn.

        Parameters
        ----------
        **params : dict
            Names and values; those of the parts as ``estimator__alpha``.

        Returns
        -------
        self : object
        """
        self._ledger = None
        if "journal" in params:
            self._shares_journal = False
        changed: Self = super().set_params(**params)
        return changed

    def _problem(
        self,
        X: Any,
        y: Any,
        labeled: Any,
        X_target: Any,
        ids: Any,
        score: Any,
        params: dict[str, Any],
    ) -> Problem:
        check_is_estimator(self.estimator)
        check_warm_start(self.warm_start, self.estimator)
        if self._session is not None and is_same(X, self._session.problem.X):
            X = self._session.problem.X  # counted already, if it is of dask
        return make_problem(
            self,
            X,
            y,
            labeled=labeled,
            X_target=X_target,
            ids=ids,
            score=score,
            estimator_params=self._route_params("fit", params),
        )

    @property
    def _turns(self) -> Turns:
        turns: Turns = self.__dict__.setdefault("_turns_of_threads", Turns())
        return turns
