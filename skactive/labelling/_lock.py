"""One labelling page a journal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from skactive.exceptions import JournalError, JournalInUseError
from skactive.journal._asking import file_lock, read_note
from skactive.journal._target import resolve


@contextmanager
def page_lock(journal: str | os.PathLike[str]) -> Iterator[None]:
    """The right to serve a page for a journal, until the process ends, however it ends.

    Other programs can still ask and tell; this keeps two pages from picking rows in turn.

    Raises
    ------
    JournalInUseError
        If another page has it. Says which.
    """
    target = resolve(journal)
    if target.path is None:
        raise JournalError(
            f"journal == {target.name!r}: the page keeps labels in a file of its own computer. "
            "Name one, for instance labels.db."
        )
    # Its own file: the loop takes and frees the journal's lock each time it asks.
    name = target.path.with_name(target.path.name + ".page")
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(name))
        except JournalInUseError as error:
            holder = read_note(name.with_name(name.name + ".holder"))
            raise JournalInUseError(
                f"journal == {target.name!r}: {holder} serves a labelling page with it. Open "
                "that page in further tabs, end it, or use another journal."
            ) from error
        yield
