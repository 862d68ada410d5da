"""One thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Turns:
    """The right to change an object, which one thread has at a time.

    A copy of the object, in this process or in another one, begins with turns of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    @contextmanager
    def take(self, wait: bool = True) -> Iterator[bool]:
        """A turn, or without waiting perhaps none; whether it is one."""
        is_taken = self._lock.acquire(blocking=wait)
        try:
            yield is_taken
        finally:
            if is_taken:
                self._lock.release()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()
