"""How a loop begins, or goes on with what its journal holds."""

from __future__ import annotations

import secrets
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from skactive._header import make_header, refuse_other
from skactive._ledger import Ledger
from skactive._problem import Problem, make_book
from skactive._seeds import root_of
from skactive._session import Session
from skactive.journal import Journal
from skactive.journal._fingerprint import fingerprint

_NOT_READ = ""  # instead of the fingerprint of a pool that nobody has asked for


def journal_of(loop: Any) -> Journal | None:
    """The journal that a loop may write questions to."""
    if loop._session is not None:
        return ledger_of(loop, loop._session).journal
    if loop.journal is None:
        return None
    if loop._shares_journal:
        raise ValueError(
            f"journal == {str(loop.journal)!r} is that of the loop this one was cloned from. "
            "In cross-validation and grid searches rows are counted inside a fold, which cannot "
            "share a journal: pass journal=None there. A copy that is to have a journal of its "
            "own gets it by set_params(journal=...)."
        )
    return Journal(loop.journal)


def exclusive(journal: Journal | None) -> AbstractContextManager[Any]:
    """The right to ask: only one process at a time has it."""
    return nullcontext() if journal is None else journal.asking()


def open_session(loop: Any, problem: Problem, journal: Journal | None, source: str) -> Session:
    """A loop from its start, or from where the journal ends."""
    ledger = Ledger(make_book(loop, source), journal)
    root = root_of(loop.random_state)
    history: list[dict[str, Any]] = []
    if journal is None:
        header = make_header(loop, problem, root, pool=_NOT_READ)
        ledger.begin(None, problem.owned)
        return Session(loop, problem, ledger, header, history)
    header = make_header(loop, problem, secrets.randbits(31) if root is None else root)
    before = journal.header()
    if before is None:
        ledger.begin(header, problem.owned)
    else:
        refuse_other(before, header, f"journal == {str(loop.journal)!r}")
        header = before
        ledger.refresh()
        history = journal.rounds(0)
    return Session(loop, problem, ledger, header, history)


def go_on(loop: Any, session: Session, problem: Problem) -> Session:
    """The session of a loop that is asked again, refused for another pool or other parameters."""
    before = session.header
    if problem.X is session.problem.X:
        now = make_header(loop, problem, None, pool=before.pool)
    else:
        now = make_header(loop, problem, None)
        if before.pool == _NOT_READ:
            before = before._replace(pool=fingerprint(session.problem.X))
    refuse_other(before, now, "The loop")
    if session.is_behind:
        return open_session(loop, problem, session.ledger.journal, "what was told")
    session.adopt(problem)
    session.ledger.refresh()
    return session


def ledger_of(loop: Any, session: Session | None, *, keep: bool = False) -> Ledger:
    """Where answers go; one without a pool may be kept, so that it reads only what is new."""
    if session is None:
        kept: Ledger | None = loop._ledger if keep else None
        if kept is not None and kept.journal is not None and kept.journal.target == loop.journal:
            return kept
        ledger = _ledger_alone(loop)
        if keep:
            loop._ledger = ledger
        return ledger
    journal = session.ledger.journal
    if loop.journal != (None if journal is None else journal.target):
        raise ValueError(
            f"journal == {str(loop.journal)!r} was set while the loop is under way. Set it before "
            "the first question; a copy of the loop that is to begin anew is made by clone(loop)."
        )
    return session.ledger


def _ledger_alone(loop: Any) -> Ledger:
    """Questions and answers without the pool."""
    if loop.journal is None:
        raise ValueError(
            "tell needs a question first: call ask, or give the loop the journal of the one that "
            "asked."
        )
    journal = Journal(loop.journal)
    if not journal.exists():
        raise ValueError(
            f"journal == {str(loop.journal)!r} holds no questions yet, so that no label can be an "
            "answer. Call ask first, or correct the name."
        )
    return Ledger(make_book(loop, "what was told"), journal)
