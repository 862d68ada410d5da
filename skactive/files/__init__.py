"""Pools of rows read from files, and tables written to files that are always whole."""

from __future__ import annotations

from skactive.files._errors import FileError
from skactive.files._pool import PoolFile
from skactive.files._reading import read_pool
from skactive.files._writing import write_table

__all__ = ["FileError", "PoolFile", "read_pool", "write_table"]
