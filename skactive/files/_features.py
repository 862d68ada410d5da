"""How features are made from a table, for the pool and for what must be read as the pool was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skactive.files._delimited import DelimitedTable
from skactive.files._errors import FileError, some
from skactive.files._images import SIDE, grey_pixels, image_file
from skactive.files._parquet import ParquetTable
from skactive.files._tables import Table, check_column

_N_TOPICS = 100
_N_WORDS = 50_000


class Featurizer(Protocol):
    """Makes features from a table."""

    @property
    def kind(self) -> str:
        """What the rows are for a person: "table", "text" or "images"."""
        ...

    def __call__(self, table: Table, path: Path) -> NDArray[Any]:
        """Features of shape (n, d)."""
        ...


@dataclass(frozen=True)
class Columns:
    """Features are columns of numbers."""

    names: list[str]
    kind: str = "table"

    def __call__(self, table: Table, path: Path) -> NDArray[Any]:
        parts = [self._column(table, check_column(table, name, path), path) for name in self.names]
        dtype = np.result_type(*parts)
        n_features = sum(part.shape[1] for part in parts)
        X = np.empty((len(table), n_features), dtype=dtype)
        np.concatenate(parts, axis=1, out=X)
        return X

    def _column(self, table: Table, name: str, path: Path) -> NDArray[Any]:
        values = table.numbers(name)
        if values is None:
            raise FileError(f"{path}: column {name!r} cannot be a feature: {_fault(table, name)}")
        values = values.reshape(len(table), -1)
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise FileError(
                f"{path}: column {name!r} has no finite number in {len(bad)} of {len(table)} "
                f"rows, first in {table.place(int(bad[0]))}. Fill the gaps, drop the rows, or "
                "name other columns as features."
            )
        return values


def _fault(table: Table, name: str) -> str:
    """Why a column is not one of numbers."""
    if isinstance(table, DelimitedTable) and table.has_decimal_commas(name):
        return "its numbers have decimal commas. Save them with decimal points."
    if isinstance(table, ParquetTable) and table.is_nested(name):
        return "its lists are not all of one length, or hold no numbers. Name another column."
    for i, cell in enumerate(table.cells(name)):
        try:
            float(cell or "nan")
        except ValueError:
            shown = cell if len(cell) <= 40 else cell[:40] + "..."
            return f"{table.place(i)} holds {shown!r}. Name columns of numbers."
    return "it holds no numbers. Name columns of numbers."


class Words:
    """Features are the words of a text column: TF-IDF, and its leading singular vectors.

    References
    ----------
    S. Deerwester, S. Dumais, G. Furnas, T. Landauer, R. Harshman: Indexing by Latent Semantic
    Analysis. Journal of the American Society for Information Science 41, 1990.
    """

    kind = "text"

    def __init__(self, column: str) -> None:
        self.column = column
        self._pipeline: Any = None

    def __call__(self, table: Table, path: Path) -> NDArray[Any]:
        from threadpoolctl import threadpool_limits

        texts = table.cells(check_column(table, self.column, path))
        # Sums in an order that depends on the threads would make another pool of the same file.
        with threadpool_limits(1):
            if self._pipeline is None:
                self._pipeline = _fitted_words(texts, self.column, path)
            features = self._pipeline.transform(texts)
        dense = features.toarray() if hasattr(features, "toarray") else features
        return np.ascontiguousarray(dense, dtype=np.float32)


def _fitted_words(texts: list[str], column: str, path: Path) -> Any:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(sublinear_tf=True, max_features=_N_WORDS)
    try:
        counts = words.fit_transform(texts)
    except ValueError as error:
        raise FileError(
            f"{path}: the texts of column {column!r} hold no words. Name another column, or pass "
            "features of your own."
        ) from error
    if counts.shape[1] <= _N_TOPICS:
        return make_pipeline(words)
    topics = TruncatedSVD(min(_N_TOPICS, len(texts)), random_state=0).fit(counts)
    return make_pipeline(words, topics)


class GreyPixels:
    """Features are small grey versions of images."""

    kind = "images"

    def __init__(self, column: str) -> None:
        self.column = column

    def __call__(self, table: Table, path: Path) -> NDArray[Any]:
        folder = path if path.is_dir() else path.parent
        names = table.cells(check_column(table, self.column, path))
        return grey_pixels([image_file(folder, name) for name in names])


def choose_columns(
    table: Table, path: Path, taken: Iterable[str | None]
) -> tuple[Featurizer, list[str]]:
    """Columns of numbers where there are any, else the one column of texts; and what to say."""
    free = [name for name in table.names if name not in {*taken, *table.unnamed}]
    numeric = [name for name in free if table.numbers(name) is not None]
    texts = [name for name in free if name not in numeric]
    if numeric:
        notes = [f"features: the numbers of {some(numeric)}"]
        if texts:
            notes.append(f"no features: the texts of {some(texts)} (--text uses the words of one)")
        return Columns(numeric), notes
    commas = [
        name
        for name in texts
        if isinstance(table, DelimitedTable) and table.has_decimal_commas(name)
    ]
    if commas:
        return Columns(commas), []  # refused with the reason
    if len(texts) == 1 or "text" in texts:
        column = texts[0] if len(texts) == 1 else "text"
        return Words(column), [words_note(column)]
    raise FileError(
        f"{path} has no column of numbers to use as features, and {len(texts)} columns of texts, "
        f"{some(texts)}. Name the one whose words count (--text), or pass features of your own "
        "(--features)."
    )


def words_note(column: str) -> str:
    """What the words of a column are made into."""
    return f"features: the words of column {column!r} (TF-IDF, {_N_TOPICS} dimensions at most)"


def pixel_note() -> str:
    """What grey pixels are worth."""
    return (
        f"features: {SIDE} x {SIDE} grey pixels, which tell little about what images show. "
        "Features of a pretrained network (--features) give better picks"
    )
