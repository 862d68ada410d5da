"""Rows that are outer products, compared without forming them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._landmarks import Landmarks
from skactive._points import Points
from skactive._rows import Rows
from skactive._threads import for_each
from skactive._ties import first_minimum

# Below this share of the squared norms, the difference of the expanded squares has lost too many
# digits.
_CLOSE = 1e-3
_PAIR_ENTRIES = 2**18  # entries of the differences of as many pairs as are taken at once
_THREAD_BYTES = 2**20


class FactoredPoints(Points):
    """The outer products of errors and features, one a row.

    Parameters
    ----------
    rows : Rows
        Features, after `n_skipped` columns that are something else.
    errors : float64 tensor of shape (n_samples, n_outputs)
    rounding : float
        By how much an error, and a feature of norm 1, may be wrong; shorter differences are 0.
    n_skipped : int, default=0
    """

    def __init__(self, rows: Rows, errors: Tensor, rounding: float, n_skipped: int = 0) -> None:
        self.n_samples = rows.n_samples
        self.device = rows.device
        self._rows = rows
        self._errors = errors
        self._negligible = (errors.shape[1] + 2) * rounding**2
        self._n_skipped = n_skipped

    def feature_squares(self) -> Tensor:
        """Squared norms of the second factors, of shape (n_samples,)."""
        squares = torch.empty(self.n_samples, dtype=torch.float64, device=self.device)

        def work(part: slice) -> None:
            squares[part] = self._features(part).square().sum(1)

        self._for_each(0, work)
        return squares

    def squares_from(self, indices: NDArray[np.int64]) -> Tensor:
        errors, features = self._factors(indices)
        squares = errors.new_empty(self.n_samples, len(errors))

        def work(part: slice) -> None:
            squares[part] = self._between(part, errors, features)

        self._for_each(len(errors), work)
        return squares

    def squares_among(self, indices: NDArray[np.int64]) -> Tensor:
        errors, features = self._factors(indices)
        return factored_squares(errors, features, errors, features, self._negligible)

    def nearest_squares(self, indices: NDArray[np.int64]) -> Tensor:
        errors, features = self._factors(indices)
        nearest = torch.full((self.n_samples,), torch.inf, dtype=torch.float64, device=self.device)

        def work(part: slice) -> None:
            nearest[part] = self._between(part, errors, features).amin(1)

        if len(indices):
            self._for_each(len(errors), work)
        return nearest

    def _between(self, part: slice, errors: Tensor, features: Tensor) -> Tensor:
        own = self._features(part)
        return factored_squares(self._errors[part], own, errors, features, self._negligible)

    def _factors(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        positions = torch.as_tensor(indices, device=self.device)
        return self._errors[positions], self._rows.take(indices)[:, self._n_skipped :]

    def _features(self, part: slice) -> Tensor:
        return self._rows.take(part)[:, self._n_skipped :]

    def _for_each(self, n_columns: int, work: Callable[[slice], None]) -> None:
        width = max(self._rows.n_features, n_columns)
        parts = self._rows.slices(width, limit=_THREAD_BYTES)
        if self.device.type == "cpu":
            for_each(parts, work)
        else:
            for part in parts:
                work(part)


class FactoredLandmarks(Landmarks):
    """Distances between outer products, from rows that hold both factors side by side.

    Parameters
    ----------
    n_outputs : int
        Width of the first factor.
    """

    def __init__(self, n_outputs: int) -> None:
        self.n_outputs = n_outputs

    def transform(self, rows: Rows, components: Rows) -> Tensor:
        return self._squares(rows, components).sqrt_()

    def nearest(self, rows: Rows, components: Rows) -> Tensor:
        return first_minimum(self._squares(rows, components))

    def _squares(self, rows: Rows, components: Rows) -> Tensor:
        k, points = self.n_outputs, components.dense()
        squares = points.new_empty(rows.n_samples, len(points))
        for part, chunk in rows.chunks():
            squares[part] = factored_squares(
                chunk[:, :k], chunk[:, k:], points[:, :k], points[:, k:]
            )
        return squares


def factored_squares(
    errors: Tensor,
    features: Tensor,
    other_errors: Tensor,
    other_features: Tensor,
    negligible: float = 0.0,
) -> Tensor:
    """Squared distances between outer products, exactly 0 between equal ones of equal factors.

    Parameters
    ----------
    errors, features : tensors of shape (n_rows, n_outputs), (n_rows, n_features)
        Factors of some of them.
    other_errors, other_features : tensors of shape (k, n_outputs), (k, n_features)
        Factors of the others.
    negligible : float, default=0
        Squares up to this share of those of the features count as 0.

    Returns
    -------
    squares : tensor of shape (n_rows, k)
    """
    lengths, other_lengths = features.square().sum(1), other_features.square().sum(1)
    own, norms = errors.square().sum(1) * lengths, other_errors.square().sum(1) * other_lengths
    sums = own[:, None] + norms
    squares = (errors @ other_errors.T).mul_(features @ other_features.T).mul_(-2).add_(sums)
    # "Not larger", so that the NaN of overflowing norms is replaced as well.
    first, second = (~(squares > _CLOSE * sums)).nonzero(as_tuple=True)
    step = max(1, _PAIR_ENTRIES // max(1, features.shape[1] + errors.shape[1]))
    for start in range(0, len(first), step):
        i, j = first[start : start + step], second[start : start + step]
        values = _close_squares(errors[i], features[i], other_errors[j], other_features[j])
        values[values <= negligible * (lengths[i] + other_lengths[j])] = 0
        squares[i, j] = values
    return squares


def _close_squares(e: Tensor, h: Tensor, f: Tensor, k: Tensor) -> Tensor:
    """|e ⊗ h − f ⊗ k|² of each row, as (e − f) ⊗ (h + k)/2 + (e + f)/2 ⊗ (h − k)."""
    de, dh, me, mh = e - f, h - k, (e + f) / 2, (h + k) / 2
    squares = de.square().sum(1) * mh.square().sum(1) + me.square().sum(1) * dh.square().sum(1)
    squares += 2 * (de * me).sum(1) * (dh * mh).sum(1)
    return squares.clamp_(min=0.0)
