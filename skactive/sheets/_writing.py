"""Rows as a sheet with a column to fill in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skactive._replacing import replacing
from skactive.annotations._names import name_to_text
from skactive.annotations._rows import Row, make_rows
from skactive.files._errors import FileError
from skactive.files._writing import check_output
from skactive.sheets._cells import ANNOTATOR, ID, LABEL, guarded
from skactive.sheets._parquet import write_parquet

_FILLED = (ID, LABEL, ANNOTATOR)
_OWN = (*_FILLED, "suggested", "suggested_score", "rank", "score", "selected_by")


def export_sheet(
    ids: Iterable[Any],
    data: Any,
    path: Any = None,
    *,
    scores: Any = None,
    selected_by: str | Sequence[str | None] | None = None,
    predictions: Any = None,
    prediction_scores: Any = None,
) -> list[dict[str, Any]]:
    """Write rows to be labeled as a sheet, with an empty column ``label`` to fill in.

    Parameters
    ----------
    ids : iterable of length n_rows
        Names of the rows, all different, as ``loop.ask`` gives them, the most wanted first.
    data : sequence of length n_rows, or DataFrame
        What is shown: texts or numbers, or dicts (or a frame) from column to value. Columns with
        the name of one of the sheet's own get ``" (data)"`` appended.
    path : str, PathLike or None, default=None
        The file to write, as a whole or not at all: ``.csv``, or ``.parquet``, which needs pyarrow.
        None writes none.
    scores : array-like of shape (n_rows,), default=None
        Score of each row when it was picked.
    selected_by : str or sequence of str, default=None
        What has picked the rows.
    predictions : array-like of shape (n_rows,), default=None
        What a model takes the labels to be, in a column ``suggested``.
    prediction_scores : array-like of shape (n_rows,), default=None
        How sure the model is, between 0 and 1.

    Returns
    -------
    rows : list of dict
        What was written, from column to value.

    Raises
    ------
    ImportError
        For Parquet, without pyarrow.
    FileError
        If the file cannot be written, or has another ending.
    ValueError
        If names repeat, or lengths differ.

    Notes
    -----
    CSV is written as spreadsheet programs read it, UTF-8 with a byte-order mark. Texts that they
    would compute, such as ``=1+1``, get an apostrophe in front, which ``read_sheet`` takes away.

    Spreadsheet programs turn names such as ``007`` into 7; ``read_sheet`` then reports rows that
    it does not know. Use Parquet, or names that begin with a letter.

    Examples
    --------
    >>> from skactive.sheets import export_sheet
    >>> export_sheet([7], ["Fine soap."], scores=[0.5])
    [{'id': 7, 'label': None, 'annotator': None, 'data': 'Fine soap.', 'rank': 1, 'score': 0.5}]
    """
    rows = make_rows(
        ids,
        data,
        scores=scores,
        selected_by=selected_by,
        predictions=predictions,
        prediction_scores=prediction_scores,
    )
    table = [_cells(row) for row in rows]
    used = [name for name in _columns(table) if _is_used(name, table)]
    sheet = [{name: cells.get(name) for name in used} for cells in table]
    if path is not None:
        check_path(path)
        with replacing(Path(path)) as unfinished:
            if Path(path).suffix.lower() == ".csv":
                unfinished.write_bytes(as_csv(sheet, columns_of(sheet)))
            else:
                write_parquet(sheet, columns_of(sheet), unfinished)
    return sheet


def check_path(path: Any) -> None:
    """Refuse a file that cannot be written."""
    if check_output(path) not in ("csv", "parquet"):
        raise FileError(f"{path} must end in '.csv' or '.parquet'.")


def columns_of(sheet: list[dict[str, Any]]) -> list[str]:
    """The columns of a sheet, also of one without rows."""
    return list(sheet[0]) if sheet else list(_FILLED)


def as_csv(sheet: list[dict[str, Any]], columns: list[str]) -> bytes:
    """As RFC 4180 has it, after a byte-order mark."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([guarded(column) for column in columns])
    for row in sheet:
        writer.writerow([_cell(row[column]) for column in columns])
    return text.getvalue().encode("utf-8-sig", "replace")


def _columns(table: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for cells in table for name in cells))


def _is_used(name: str, table: list[dict[str, Any]]) -> bool:
    return name in _FILLED or any(cells.get(name) is not None for cells in table)


def _cells(row: Row) -> dict[str, Any]:
    plain_name = isinstance(row.id, int) and not isinstance(row.id, bool)
    content = row.content if isinstance(row.content, Mapping) else {"data": row.content}
    shown = {_free(str(column)): value for column, value in content.items()}
    return {
        ID: row.id if plain_name else name_to_text(row.id),
        LABEL: None,
        ANNOTATOR: None,
        **shown,
        "suggested": row.prediction,
        "suggested_score": row.prediction_score,
        "rank": row.rank,
        "score": row.score,
        "selected_by": row.selected_by,
    }


def _free(column: str) -> str:
    """A name that is none of the sheet's own."""
    taken = column.strip().casefold().removesuffix(" (data)") in _OWN
    return f"{column} (data)" if taken else column


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return guarded(value) if isinstance(value, str) else guarded(str(value))
