"""Questions and answers on disk: what a loop goes on with after a crash."""

from __future__ import annotations

from skactive.journal._journal import Journal
from skactive.journal._reading import read_journal

__all__ = ["Journal", "read_journal"]
