"""How a loop begins, or goes on with what its journal holds."""

from __future__ import annotations

import secrets
from typing import Any

from skactive._header import make_header, refuse_other
from skactive._ledger import Ledger
from skactive._problem import Problem, make_book
from skactive._seeds import Seeds, root_of
from skactive._session import Session
from skactive.journal import Journal


def open_journal(loop: Any) -> Journal | None:
    """The journal that a loop may write to."""
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


def open_session(loop: Any, problem: Problem, journal: Journal | None, source: str) -> Session:
    """A loop from its start, or from where the journal ends."""
    ledger = Ledger(make_book(loop, source), journal)
    root = root_of(loop.random_state)
    history: list[dict[str, Any]] = []
    if journal is None:
        ledger.begin(None, problem.owned)
        return Session(loop, problem, ledger, Seeds(root), history)
    header = make_header(loop, problem, secrets.randbits(31) if root is None else root)
    before = journal.header()
    if before is None:
        ledger.begin(header, problem.owned)
    else:
        refuse_other(before, header, f"journal == {str(loop.journal)!r}")
        header = before
        ledger.refresh()
        history = journal.rounds(0)
    return Session(loop, problem, ledger, Seeds(header.seed), history)


def refuse_other_pool(loop: Any, before: Problem, now: Problem) -> None:
    """Raise unless a loop that is asked again is asked about the same pool."""
    if now.X is before.X:
        return
    headers = make_header(loop, before, None), make_header(loop, now, None)
    refuse_other(*headers, "The loop")


def ledger_alone(loop: Any) -> Ledger:
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
