"""The labels a loop owns: checked when they come in, attached to whatever error ends the loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skactive.exceptions import OracleError

_REMEDY = "To go on, put them into y and pass labeled=labeled_indices to fit."


class Checked(NamedTuple):
    """The usable part of an answer."""

    indices: NDArray[np.int64]
    labels: NDArray[Any] | None  # None where nothing is usable
    error: OracleError | None  # what is wrong with the rest


class LabelBook:
    """Labeled rows in the order their labels came in.

    Parameters
    ----------
    classes : ndarray or None
        The labels allowed; None allows any.
    source : str
        Who answers, for errors.
    """

    def __init__(
        self, classes: NDArray[Any] | None = None, source: str = "the oracle's answer"
    ) -> None:
        self.indices: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.labels: NDArray[Any] | None = None
        self.n_owned = 0
        self._classes = classes
        self._source = source

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def n_bought(self) -> int:
        return len(self) - self.n_owned

    def own(self, indices: NDArray[np.int64], labels: Any) -> None:
        """Record labels known before the loop began."""
        if len(indices):
            self._record(self.check(indices, labels, "y at the labeled rows"))
        self.n_owned = len(self)

    def buy(self, indices: NDArray[np.int64], answer: Any) -> None:
        """Record the answer of an oracle.

        Raises
        ------
        OracleError
            If the answer does not hold one label a row. Where some of them are missing or
            unknown, the others are recorded all the same.
        """
        self._record(self.check(indices, answer))

    def add(self, indices: NDArray[np.int64], labels: NDArray[Any]) -> None:
        """Record labels that have been checked."""
        self.indices = np.concatenate([self.indices, indices])
        self.labels = labels if self.labels is None else np.concatenate([self.labels, labels])

    def clear(self) -> None:
        """Forget all labels."""
        self.indices, self.labels = self.indices[:0], None

    def spread(self, n_samples: int) -> NDArray[Any] | None:
        """Labels at their rows in an array of length n_samples, zeros elsewhere."""
        if self.labels is None:
            return None
        y = np.zeros((n_samples, *self.labels.shape[1:]), dtype=self.labels.dtype)
        y[self.indices] = self.labels
        return y

    def has_single_class(self) -> bool:
        """Whether an output has shown one value only, which many classifiers cannot fit."""
        if self.labels is None:
            return False
        return any(len(np.unique(output)) == 1 for output in self.labels.reshape(len(self), -1).T)

    def emptied(self) -> LabelBook:
        """A book for the same labels."""
        return LabelBook(self._classes, self._source)

    @contextmanager
    def kept_on_error(self, remedy: str = _REMEDY) -> Iterator[None]:
        """Attach the labels to any exception, so that nothing paid for is lost."""
        try:
            yield
        except BaseException as error:
            error.labeled_indices = self.indices  # type: ignore[attr-defined]
            labels = np.empty(0) if self.labels is None else self.labels
            error.y_labeled = labels  # type: ignore[attr-defined]
            if self.n_bought:
                error.add_note(
                    f"The {len(self)} labels known so far are kept on this exception as "
                    f"`labeled_indices` (rows of X) and `y_labeled`. {remedy}"
                )
            raise

    def check(self, indices: NDArray[np.int64], answer: Any, source: str | None = None) -> Checked:
        """What of an answer can be recorded, and what is wrong with the rest."""
        source, error = source or self._source, None
        labels = _as_array(answer)
        if labels is None or labels.ndim not in (1, 2) or len(labels) != len(indices):
            error = OracleError(
                f"{source} must hold one label for each of the {len(indices)} rows asked, as an "
                f"array of shape ({len(indices)},) or ({len(indices)}, n_outputs); got "
                f"{'rows of different lengths' if labels is None else f'shape {labels.shape}'}. "
                "It is kept as `answer` on this exception.",
                answer,
            )
            return Checked(indices[:0], None, error)
        missing = _in_any_output(_is_missing(labels))
        rows, known = indices[~missing], _tightened(labels[~missing])
        if (error := self._incomparable(known, source, answer)) is not None:
            return Checked(indices[:0], None, error)
        unknown = self._unknown(known)
        if missing.any():
            error = OracleError(
                f"{source} must not hold NaN, infinity or None; got {int(missing.sum())} of them "
                f"among {len(labels)} labels, first for row {indices[missing][0]}. Leave rows "
                "without a label out.",
                answer,
            )
        elif unknown.any():
            error = OracleError(
                f"{source} must hold labels from classes == {self._class_names()}; got "
                f"{known[unknown].tolist()[0]!r} for row {rows[unknown][0]}. Correct the label or "
                "add it to classes.",
                answer,
            )
        return Checked(rows[~unknown], known[~unknown], error)

    def _record(self, checked: Checked) -> None:
        if len(checked.indices) and checked.labels is not None:
            self.add(checked.indices, checked.labels)
        if checked.error is not None:
            raise checked.error

    def _incomparable(self, labels: NDArray[Any], source: str, answer: Any) -> OracleError | None:
        kinds = _kinds(labels)
        if len(kinds - {"other"}) > 1:
            return OracleError(
                f"{source} must hold labels of one kind; got {'s and '.join(sorted(kinds))}s. "
                "Write all of them as numbers or all as texts.",
                answer,
            )
        if self.labels is None or len(labels) == 0:
            return None
        if labels.shape[1:] != self.labels.shape[1:]:
            return OracleError(
                f"{source} must have the shape of the labels before, "
                f"{(len(labels), *self.labels.shape[1:])}; got {labels.shape}. Give every row as "
                "many labels as the first ones.",
                answer,
            )
        if len((kinds | _kinds(self.labels)) - {"other"}) > 1:
            return OracleError(
                f"{source} must be of the same kind as the labels before, {self.labels.dtype}; "
                f"got {labels.dtype}. NumPy would turn all of them into strings.",
                answer,
            )
        if not _have_common_type(labels, self.labels):
            return OracleError(
                f"{source} must be of the same kind as the labels before, {self.labels.dtype}; "
                f"got {labels.dtype}. No array holds both.",
                answer,
            )
        return None

    def _unknown(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Rows with a label that is none of the classes."""
        if self._classes is None or len(labels) == 0:
            return np.zeros(len(labels), dtype=bool)
        if _kinds(labels) != _kinds(self._classes):  # np.isin may find 1 among ["1"]
            return np.ones(len(labels), dtype=bool)
        return _in_any_output(~np.isin(labels, self._classes))

    def _class_names(self) -> list[Any]:
        return [] if self._classes is None else self._classes.tolist()


def _as_array(answer: Any) -> NDArray[Any] | None:
    """The answer as an array; None where its rows differ in length."""
    try:
        labels = np.asarray(answer)
        if labels.dtype.kind in "US" and not hasattr(answer, "dtype"):
            # NumPy has turned any number or NaN beside the texts into text.
            objects = np.asarray(answer, dtype=object)
            if _kinds(objects) != {"text"}:
                labels = objects
    except ValueError:
        return None
    return labels


def _tightened(labels: NDArray[Any]) -> NDArray[Any]:
    """Numbers held as objects as an array of numbers, anything else as it is."""
    if labels.dtype == object and _kinds(labels) == {"number"}:
        return np.array(labels.tolist())
    return labels


def _kinds(labels: NDArray[Any]) -> set[str]:
    """Which of "number", "text", "byte string" and "other" the labels are."""
    if labels.dtype == object:
        return {_kind(value) for value in labels.ravel()}
    if labels.size == 0:
        return set()
    return {"number" if labels.dtype.kind in "biuf" else _kind(labels.ravel()[0])}


def _have_common_type(labels: NDArray[Any], others: NDArray[Any]) -> bool:
    try:
        np.result_type(labels, others)
    except TypeError:  # times and numbers, for instance
        return False
    return True


def _kind(value: Any) -> str:
    if isinstance(value, bytes):
        return "byte string"
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, (Real, np.bool_)) else "other"


def _is_missing(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """NaN, infinite or None entries."""
    if labels.dtype.kind == "f":
        return np.asarray(~np.isfinite(labels))
    if labels.dtype == object:
        return np.asarray(np.frompyfunc(_is_none_or_nan, 1, 1)(labels), dtype=bool)
    return np.zeros(labels.shape, dtype=bool)


def _is_none_or_nan(value: Any) -> bool:
    if isinstance(value, (float, np.floating)):
        return not np.isfinite(value)
    return value is None or type(value).__name__ == "NAType"  # pandas.NA, without pandas


def _in_any_output(entries: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows with at least one such entry."""
    return np.asarray(entries.any(axis=tuple(range(1, entries.ndim))))
