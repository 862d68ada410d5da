"""What is done while people label: the next batch, the learning curve, the file of labels."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from skactive.exceptions import JournalInUseError
from skactive.labelling._curve import LearningCurve
from skactive.labelling._desk import Desk

_SECONDS_BETWEEN_LOOKS = 2.0  # at answers that other programs have given


class Background(threading.Thread):
    """A thread that prepares what people will want next, the most urgent first.

    Parameters
    ----------
    desk : Desk
        Opened already.
    curve : LearningCurve
    export : callable or None
        Called with the rows of the file of labels whenever there are others.
    """

    def __init__(
        self,
        desk: Desk,
        curve: LearningCurve,
        export: Callable[[list[dict[str, Any]]], None] | None = None,
    ) -> None:
        super().__init__(name="skactive-labelling", daemon=True)
        self._desk = desk
        self._curve = curve
        self._export = export
        self._exported: int | None = None
        self._last_error = ""
        self._ending = False

    def run(self) -> None:
        while not self._ending:
            self._desk.changed.clear()
            if not self._safely(self._do_next):
                self._desk.changed.wait(_SECONDS_BETWEEN_LOOKS)

    def end(self, timeout: float | None = None) -> None:
        """Finish what is being done, and write the file of labels once more."""
        self._ending = True
        self._desk.changed.set()
        self.join(timeout)
        self._write()

    def _do_next(self) -> bool:
        """One piece of work; False if there is none."""
        self._desk.refresh()
        if self._desk.needs_batch():
            self._desk.prepare()
            return True
        self._write()
        rows, labels = self._desk.labeled()
        size = self._curve.missing(rows, labels)
        if size is None:
            return False
        self._curve.compute(rows, labels, size)
        return True

    def _write(self) -> None:
        version = self._desk.version
        if self._export is not None and version > 0 and self._exported != version:
            self._exported = version
            self._export(self._desk.export_rows())

    def _safely(self, work: Callable[[], bool]) -> bool:
        """Whether more is to be done; people go on labelling what is open whatever happens here."""
        try:
            return work()
        except JournalInUseError:  # until the other process has picked its rows
            return False
        except Exception as error:
            if repr(error) != self._last_error:  # it may be tried again and again
                self._last_error = repr(error)
                print("skactive: this failed in the background:", file=sys.stderr)
                traceback.print_exc()
            return False
