"""The command line: ``skactive select``, ``label``, ``labelstudio`` and ``sheet``."""

from __future__ import annotations

from skactive.cli._main import main

__all__ = ["main"]
