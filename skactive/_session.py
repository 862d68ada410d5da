"""The loop from the inside: which rows to ask next, what the model learns, when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing, check_random_state

from skactive._dask import is_dask
from skactive._delegation import cut_to_rows
from skactive._indexing import rows_of
from skactive._labels import LabelBook
from skactive._ledger import Ledger
from skactive._problem import Problem
from skactive._query import Context
from skactive._record import Asked, Header, Told
from skactive._replies import Reply, read_reply
from skactive._seeds import RANDOM_PICKS, SELECTION, STEPS, TRAINING, Seeds
from skactive._training import train


class Ending(NamedTuple):
    """Why a loop has ended."""

    condition: str
    reason: str


class Session:
    """One run of a loop over one pool, in as many steps and processes as it takes.

    What happens next depends on the ledger alone, so that a run that was cut off goes on as if it
    had not been.

    Parameters
    ----------
    loop : ActiveLearningLoop
        Gets `estimator_`, `selector_` and `history_` as they come.
    problem : Problem
    ledger : Ledger
        Begun already.
    header : Header
    history : list of dict
        Rounds that are over.
    """

    def __init__(
        self,
        loop: Any,
        problem: Problem,
        ledger: Ledger,
        header: Header,
        history: list[dict[str, Any]],
    ) -> None:
        self.loop = loop
        self.problem = problem
        self.ledger = ledger
        self.header = header
        self._seeds = Seeds(header.seed)
        self.failure: ValueError | None = None  # to fit labels of a single class
        self.ending: Ending | None = None
        self._stops: list[str] = []  # what callbacks have said after the latest round
        self._model: Any = None
        loop.history_ = history
        self._restore()
        self._notify("on_loop_begin", problem.X)

    def ask(self) -> NDArray[np.int64]:
        """Rows of a new batch; none if the loop has ended or has to wait for answers."""
        self.learn()
        self.ending = self._find_ending()
        n_picks = 0 if self.ending else self._n_picks()
        if n_picks == 0:
            return np.empty(0, dtype=np.int64)
        self._notify("on_round_begin")
        batch = self._pick(n_picks)
        self.ledger.ask(batch)
        self._notify("on_query", self.problem.names(batch.rows))
        return batch.rows

    @property
    def is_behind(self) -> bool:
        """Whether another process has gone on with the same journal."""
        journal = self.ledger.journal
        return journal is not None and len(journal.rounds(len(self.loop.history_))) > 0

    def adopt(self, problem: Problem) -> None:
        """Take over what may change on the way."""
        self.problem = self.problem._replace(
            budget=problem.budget, score=problem.score, stopping=problem.stopping
        )

    def tell(self, reply: Reply, seconds: float = 0.0, *, replace: bool = False) -> int:
        """Record answers; how many of them were new."""
        n_before = len(self.ledger.book)
        try:
            return self.ledger.tell(reply, seconds, replace=replace)
        finally:
            book = self.ledger.book
            if book.labels is not None and len(book) > n_before:
                names = self.problem.names(book.indices[n_before:])
                self._notify("on_labels", names, book.labels[n_before:])

    def run(self, answer: Callable[[NDArray[np.int64]], Any], source: str) -> None:
        """Ask and have answered until the loop ends or nobody answers any more."""
        goes_on = len(self.ledger.pending) == 0
        while self.ending is None:
            n_old = self._consult(self.ledger.pending, answer, source)
            if not (n_old or goes_on):
                return
            batch = self.ask()
            goes_on = self._consult(batch, answer, source) > 0
            if not (n_old or len(batch)):
                return

    def _consult(
        self, rows: NDArray[np.int64], answer: Callable[[NDArray[np.int64]], Any], source: str
    ) -> int:
        """Have rows answered; how many answers were new."""
        if len(rows) == 0:
            return 0
        start = time.perf_counter()
        reply = read_reply(answer(rows), rows, self.problem.names(rows), source)
        return self.tell(reply, time.perf_counter() - start)

    def learn(self) -> None:
        """Train on all labels, if there are answers the model has not seen."""
        history, ledger = self.loop.history_, self.ledger
        n_seen = history[-1]["n_told"] if history else (-1 if ledger.book.n_owned else 0)
        if ledger.n_told == n_seen:
            return
        former = self._model
        try:
            start = time.perf_counter()
            if _change_labels(ledger.told[n_seen + 1 :]):
                self._train(ledger.book)
            entry = self._entry(n_seen, time.perf_counter() - start)
            if self.problem.stopping is not None:
                rule = self.problem.stopping
                entry["measures"] |= rule.of_round(self._model, former, self.problem.X)
            if ledger.journal is not None:
                ledger.journal.round_done(entry)
        except BaseException:
            self._model = former  # whoever asks again trains once, not twice
            raise
        history.append(entry)
        self._stops = self._notify("on_round_end", entry)

    def close(self) -> None:
        """Tell the callbacks that nothing follows."""
        self._notify("on_loop_end")

    def publish(self) -> None:
        """Give the loop what a fitted one has."""
        loop, ledger, book = self.loop, self.ledger, self.ledger.book
        loop.labeled_indices_ = book.indices
        loop.y_labeled_ = np.empty(0) if book.labels is None else book.labels
        loop.pending_indices_ = ledger.pending
        if self.problem.ids is not None:
            loop.labeled_ids_ = self.problem.names(book.indices)
        loop.n_rounds_ = loop.history_[-1]["round"] if loop.history_ else 0
        loop.termination_condition_, loop.stop_reason_ = self.ending or Ending(
            "waiting for labels", f"{len(ledger.pending)} rows asked have no answer yet."
        )
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self._model, name):
                setattr(loop, name, getattr(self._model, name))

    def _find_ending(self) -> Ending | None:
        ledger, budget = self.ledger, self.problem.budget
        n_bought, n_closed = ledger.book.n_bought, len(ledger.book) + len(ledger.unknown)
        if n_closed == self.problem.n_samples:
            return Ending("pool exhausted", f"All {n_closed} rows have been answered.")
        if n_bought >= budget:
            return Ending("budget", f"{n_bought} labels were bought, the budget is {budget}.")
        if self._stops:
            return Ending("callback", self._stops[0])
        if self.problem.stopping is not None and self.loop.history_:
            reason = self.problem.stopping.reason(self.loop.history_)
            if reason is not None:
                return Ending("stopping rule", reason)
        return None

    def _n_picks(self) -> int:
        ledger, problem = self.ledger, self.problem
        size = problem.n_initial if len(ledger.book) == 0 else problem.batch_size
        n_left = problem.n_samples - len(ledger.book) - len(ledger.closed)
        n_pending = len(ledger.pending)
        return max(0, min(size, problem.budget - ledger.book.n_bought - n_pending, n_left))

    def _pick(self, n_picks: int) -> Asked:
        """A batch; its rows depend on the answers so far and on nothing else."""
        problem, ledger, book = self.problem, self.ledger, self.ledger.book
        number = len(ledger.batches) + 1
        is_first = len(book) == 0
        query = problem.first_query if is_first else problem.query
        context = Context(
            book=book,
            estimator=self._model,
            too_few_labels=is_first
            or (is_classifier(self.loop.estimator) and book.has_single_class()),
            random_state=self._seeds.of(SELECTION, number),
            steps_random_state=self._seeds.of(STEPS),
            closed=ledger.closed,
        )
        start = time.perf_counter()
        picked = query.pick(n_picks, context)
        if picked is None:  # a step lacks labels or a network
            rows, gains, selected_by = self._random_rows(n_picks, number), None, "random"
        else:
            rows, gains, selected_by = picked.rows, picked.gains, query.name
            self.loop.selector_ = query.selector_
        measures: dict[str, float] = {}
        if problem.stopping is not None:
            # Rules read the loop's own selector, not what picks the first batch only.
            is_own = picked is not None and query is problem.query
            measures = problem.stopping.of_selection(query.selector_ if is_own else None)
        return Asked(
            batch=number,
            rows=rows,
            ids=None if problem.ids is None else self.problem.names(rows).tolist(),
            gains=np.full(len(rows), np.nan) if gains is None else gains,
            selected_by=selected_by,
            n_told=ledger.n_told,
            measures=measures,
            seconds=time.perf_counter() - start,
        )

    def _random_rows(self, n_picks: int, number: int) -> NDArray[np.int64]:
        random_state = check_random_state(self._seeds.of(RANDOM_PICKS, number))
        taken = np.concatenate([self.ledger.book.indices, self.ledger.closed])
        unlabeled = np.setdiff1d(np.arange(self.problem.n_samples), taken)
        rows: NDArray[np.int64] = random_state.choice(unlabeled, n_picks, replace=False)
        return rows

    def _train(self, book: LabelBook) -> None:
        """Fit a fresh clone, or the former model, to all labels."""
        problem, rows = self.problem, book.indices
        former, self._model, self.failure = self._model, None, None
        if book.labels is None:  # all of them were taken back
            return
        X_rows = rows_of(problem.X, rows)
        self.loop._example = _safe_indexing(X_rows, [0]) if is_dask(problem.X) else None
        try:
            self._model = train(
                self.loop.estimator,
                X_rows,
                book.labels,
                cut_to_rows(problem.estimator_params, problem.n_samples, rows),
                warm_start=self.loop.warm_start,
                former=former,
                random_state=self._seeds.of(TRAINING, len(book)),
            )
        except ValueError as error:
            if not (is_classifier(self.loop.estimator) and book.has_single_class()):
                raise
            self.failure = error  # more labels will help
        if self._model is not None:
            self.loop.estimator_ = self._model

    def _restore(self) -> None:
        """Train again what an earlier process has trained, as far as it is needed."""
        counts = [entry["n_told"] for entry in self.loop.history_]
        rule, told = self.problem.stopping, self.ledger.told
        follows = self.loop.warm_start or (rule is not None and rule.needs_former)
        if not counts or not (follows or not _change_labels(told[counts[-1] + 1 :])):
            return
        past, n_seen = self.ledger.at_begin(), -1
        for n_told in counts if self.loop.warm_start else counts[-1:]:
            news = told[n_seen + 1 : n_told + 1]
            past.take_answers(news)
            if _change_labels(news):
                self._train(past.book)
            n_seen = n_told

    def _entry(self, n_seen: int, seconds_fit: float) -> dict[str, Any]:
        """The record of a round: what came in since the one before."""
        ledger, history = self.ledger, self.loop.history_
        told = ledger.told[max(1, n_seen + 1) :]
        asked = ledger.batches[history[-1]["n_batches"] if history else 0 :]
        rows = np.concatenate([np.empty(0, dtype=np.int64), *(answers.rows for answers in told)])
        gains = ledger.gains_of(rows)
        fitted = self._model is not None
        entry = {
            "round": history[-1]["round"] + 1 if history else n_seen + 1,  # 0 on owned labels
            "indices": rows,
            "selected_by": asked[-1].selected_by if asked else "",
            "gains": gains,
            "n_labeled": len(ledger.book),
            "n_bought": ledger.book.n_bought,
            "n_unknown": len(ledger.unknown),
            "cost": ledger.cost,
            "fitted": fitted,
            "score": self.problem.score(self.loop) if fitted else np.nan,
            "measures": {k: v for batch in asked for k, v in batch.measures.items()},
            "seconds_select": sum(batch.seconds for batch in asked),
            "seconds_oracle": sum(answers.seconds for answers in told),
            "seconds_fit": seconds_fit,
            "n_batches": len(ledger.batches),
            "n_told": ledger.n_told,
        }
        if self.problem.ids is not None:
            entry["ids"] = self.problem.names(rows)
        return entry

    def _notify(self, event: str, *args: Any) -> list[str]:
        """Call all callbacks; what they return."""
        found = [getattr(callback, event)(self.loop, *args) for callback in self.problem.callbacks]
        return [reason for reason in found if reason is not None]


def _change_labels(told: list[Told]) -> bool:
    """Whether there is anything to learn from the answers."""
    return any(len(answers.rows) or answers.replaces for answers in told)
