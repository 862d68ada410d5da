"""Sheets (CSV or Parquet) to be labeled in any spreadsheet program."""

from __future__ import annotations

from skactive.sheets._reading import read_sheet
from skactive.sheets._writing import export_sheet

__all__ = ["export_sheet", "read_sheet"]
