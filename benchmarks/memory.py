"""How much memory a piece of work takes beyond what was there before (Linux; elsewhere unknown)."""

from __future__ import annotations

import ctypes
import gc
import threading
from contextlib import suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
SAMPLING_SECONDS = 0.005


class Watch:
    """Bytes at the peak, while the context lasts, beyond those at its start; None if not known.

    The kernel keeps the peak of all resident memory, pages of mapped files among it. Of anonymous
    memory, which a program has asked for itself, it keeps none, so that a thread takes samples.
    """

    resident: int | None = None
    anonymous: int | None = None

    def __enter__(self) -> Watch:
        _give_back_what_is_free()
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
            self._resident_before = _read("VmHWM:")
            self._anonymous_before = self._largest = _read("RssAnon:")
        except (OSError, IndexError):
            self._thread = None
            return self
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is None:
            return
        self._done.set()
        self._thread.join()
        self.resident = _read("VmHWM:") - self._resident_before
        self.anonymous = self._largest - self._anonymous_before

    def _sample(self) -> None:
        while not self._done.wait(SAMPLING_SECONDS):
            self._largest = max(self._largest, _read("RssAnon:"))
        self._largest = max(self._largest, _read("RssAnon:"))


def resident_now() -> int:
    """Bytes of resident memory; 0 where it is not known."""
    return _read("VmRSS:") if STATUS.exists() else 0


def _read(key: str) -> int:
    return int(STATUS.read_text().split(key)[1].split()[0]) * 1024


def _give_back_what_is_free() -> None:
    """Else memory that the allocator has kept would be used again without being counted."""
    gc.collect()
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
