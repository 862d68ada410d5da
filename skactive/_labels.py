"""The labels a loop owns: checked when they come in, attached to whatever error ends the loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive.exceptions import OracleError

_NUMBERS, _TEXT = "biuf", "US"


class LabelBook:
    """Labeled rows in the order their labels came in.

    Parameters
    ----------
    classes : ndarray or None
        The labels allowed; None allows any.
    """

    def __init__(self, classes: NDArray[Any] | None = None) -> None:
        self.indices: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.labels: NDArray[Any] | None = None
        self.n_owned = 0
        self._classes = classes

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def n_bought(self) -> int:
        return len(self) - self.n_owned

    def own(self, indices: NDArray[np.int64], labels: Any) -> None:
        """Record labels known before the loop began."""
        if len(indices):
            self._record(indices, labels, "y at the labeled rows")
        self.n_owned = len(self)

    def buy(self, indices: NDArray[np.int64], answer: Any) -> None:
        """Record the answer of an oracle.

        Raises
        ------
        OracleError
            If the answer does not hold one label a row. Labels that can be told apart from
            missing ones are recorded all the same.
        """
        self._record(indices, answer, "the oracle's answer")

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

    @contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """Attach the labels to any exception, so that nothing paid for is lost."""
        try:
            yield
        except BaseException as error:
            if self.n_bought:
                error.labeled_indices = self.indices  # type: ignore[attr-defined]
                error.y_labeled = self.labels  # type: ignore[attr-defined]
                error.add_note(
                    f"The {len(self)} labels known so far are kept on this exception as "
                    "`labeled_indices` (rows of X) and `y_labeled`. To go on, put them into y "
                    "and pass labeled=labeled_indices to fit."
                )
            raise

    def _record(self, indices: NDArray[np.int64], answer: Any, source: str) -> None:
        labels = np.asarray(answer)
        if labels.ndim not in (1, 2) or len(labels) != len(indices):
            raise OracleError(
                f"{source} must hold one label for each of the {len(indices)} rows asked, as an "
                f"array of shape ({len(indices)},) or ({len(indices)}, n_outputs); got shape "
                f"{labels.shape}. It is kept as `answer` on this exception.",
                answer,
            )
        missing = _is_missing(labels)
        self._check_comparable(labels[~missing], source, answer)
        self._append(indices[~missing], labels[~missing])
        if missing.any():
            raise OracleError(
                f"{source} must not hold NaN, infinity or None; got {int(missing.sum())} of them "
                f"among {len(labels)} labels, first for row {indices[missing][0]}. Ask only rows "
                "that can be labeled.",
                answer,
            )

    def _check_comparable(self, labels: NDArray[Any], source: str, answer: Any) -> None:
        if self._classes is not None:
            unknown = labels[~np.isin(labels, self._classes)]
            if len(unknown):
                raise OracleError(
                    f"{source} must hold labels from classes == {self._classes.tolist()}; got "
                    f"{unknown.ravel()[0]!r}. Correct the label or add it to classes.",
                    answer,
                )
        if self.labels is None:
            return
        if labels.shape[1:] != self.labels.shape[1:]:
            raise OracleError(
                f"{source} must have the shape of the labels before, (n, "
                f"{', '.join(map(str, self.labels.shape[1:])) or 'no outputs axis'}); got "
                f"{labels.shape}.",
                answer,
            )
        kinds = {labels.dtype.kind, self.labels.dtype.kind}
        if kinds & set(_NUMBERS) and kinds & set(_TEXT):
            raise OracleError(
                f"{source} must be of the same kind as the labels before, {self.labels.dtype}; "
                f"got {labels.dtype}. NumPy would turn all of them into strings.",
                answer,
            )

    def _append(self, indices: NDArray[np.int64], labels: NDArray[Any]) -> None:
        self.indices = np.concatenate([self.indices, indices])
        self.labels = labels if self.labels is None else np.concatenate([self.labels, labels])


def _is_missing(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Rows with a NaN, infinite or None entry."""
    if labels.dtype.kind == "f":
        missing = ~np.isfinite(labels)
    elif labels.dtype == object:
        missing = np.frompyfunc(_is_none_or_nan, 1, 1)(labels).astype(bool)
    else:
        missing = np.zeros(labels.shape, dtype=bool)
    any_output: NDArray[np.bool_] = missing.reshape(len(labels), -1).any(axis=1)
    return any_output


def _is_none_or_nan(value: Any) -> bool:
    if isinstance(value, float):
        return not np.isfinite(value)
    return value is None or type(value).__name__ == "NAType"  # pandas.NA, without pandas
