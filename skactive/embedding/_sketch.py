"""Random projections of gradients that are never held as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from skactive.embedding._gradients_factors import Factor, Lookup, Outer

# Below this width many short operations would take longer than the work in them.
_MIN_WIDTH = 2048


class Sketch:
    r"""Linear map from gradients to few columns that preserves inner products on average.

    A CountSketch (Charikar, Chen, Farach-Colton, 2002; Weinberger et al., 2009): each entry is
    added, with a random sign, to one column of the sketch. Consecutive entries go to consecutive
    columns, a *lap* around the sketch, and each lap starts at a random column: memory is read and
    written in order. Two entries of one lap never meet, two of different laps meet with
    probability 1 / sketch_dim; as signs are independent, no more than that is needed for

    .. math::
        E \langle S g, S h \rangle = \langle g, h \rangle, \qquad
        \operatorname{Var} \langle S g, S h \rangle \le
        \frac{1}{m} (\|g\|^2 \|h\|^2 + \langle g, h \rangle^2).

    Outer products that are too large to be written down are sketched from their factors
    (TensorSketch; Pham and Pagh, 2013): the sketch of :math:`u v^T` is the circular convolution of
    those of `u` and `v`. Entries of one factor get columns of their own as long as there are
    enough, which removes those meetings that would make the variance four times as large.

    All random numbers depend on the seed and the network alone. With as many columns as
    parameters there is nothing to meet: inner products are exact.

    Parameters
    ----------
    n_parameters : int
    n_columns : int
    seed : int
    device : torch.device

    References
    ----------
    N. Pham, R. Pagh (2013), Fast and scalable polynomial kernels via explicit feature maps, KDD.
    """

    def __init__(self, n_parameters: int, n_columns: int, seed: int, device: torch.device) -> None:
        self.n_columns = n_columns
        self._seed = seed
        self._device = device
        self._is_exact = n_parameters <= n_columns
        n_parts = 1 if self._is_exact else max(1, _MIN_WIDTH // n_columns)
        self._width = n_columns * n_parts  # of a lap; the parts are added up at the end
        rng = np.random.default_rng([seed, 0])
        self._signs = _random_signs(rng, n_parameters, device)
        n_laps = math.ceil(n_parameters / self._width)
        self._shifts = rng.integers(0, self._width, n_laps)
        self._turns = rng.integers(0, n_columns, n_parts).tolist()  # of the parts of all laps
        self._tables: dict[int, OuterTables] = {}

    def rows(self, factors: Iterable[Factor], n: int, dtype: torch.dtype) -> Tensor:
        """The sketches of n rows with one gradient each, of shape (n, n_columns)."""
        laps = torch.zeros((n, self._width), dtype=dtype, device=self._device)
        spectrum: Tensor | None = None
        for factor in factors:
            if isinstance(factor, Outer) and self._is_better_transformed(factor):
                added = self._transformed(factor)
                spectrum = added if spectrum is None else spectrum.add_(added)
            elif isinstance(factor, Lookup) and factor.left.shape[2] < factor.n_table:
                self._add_lookups(laps, factor)
            else:
                for start, values in factor.pieces():
                    self._add_laps(laps, start, values[:, 0])
        parts = torch.split(laps, self.n_columns, 1)
        total = torch.zeros((n, self.n_columns), dtype=dtype, device=self._device)
        for part, turn in zip(parts, self._turns, strict=True):
            total += part.roll(turn, 1)
        if spectrum is not None:
            total += torch.fft.irfft(spectrum, self.n_columns)
        return total

    def n_numbers(self, factor: Factor) -> int:
        """How many numbers `rows` needs beside a factor."""
        if isinstance(factor, Outer) and self._is_better_transformed(factor):
            return 0
        if isinstance(factor, Lookup) and factor.left.shape[2] < factor.n_table:
            return 4 * factor.left.numel()
        return sum(values.numel() for _, values in factor.pieces())

    @property
    def memory(self) -> int:
        """Bytes for each row of the result and its transforms."""
        return 8 * (self._width + 8 * self.n_columns)

    def _add_laps(self, laps: Tensor, start: int, values: Tensor) -> None:
        done, n_entries = 0, values.shape[1]
        while done < n_entries:
            lap, offset = divmod(start + done, self._width)
            column = (offset + int(self._shifts[lap])) % self._width
            length = min(n_entries - done, self._width - offset, self._width - column)
            signs = self._signs[start + done : start + done + length].to(values.dtype)
            laps[:, column : column + length].addcmul_(values[:, done : done + length], signs)
            done += length

    def _add_lookups(self, laps: Tensor, factor: Lookup) -> None:
        """The few entries that are not zero."""
        left = factor.left[:, 0]  # (n, n_positions, n_out)
        first = factor.start + factor.numbers[:, :, None] * left.shape[2]
        entries = first + torch.arange(left.shape[2], device=left.device)
        shifts = torch.as_tensor(self._shifts, device=left.device)
        columns = (entries + shifts[entries // self._width]) % self._width
        values = left * self._signs[entries].to(left.dtype)
        laps.scatter_add_(1, columns.flatten(1), values.flatten(1))

    def _is_better_transformed(self, factor: Outer) -> bool:
        """Whether two Fourier transforms a position take less time than all entries."""
        cost = self.n_columns * (2 + 0.3 * math.log2(self.n_columns))
        return not self._is_exact and factor.left.shape[2] * cost < factor.n_entries

    def _transformed(self, factor: Outer) -> Tensor:
        """The Fourier transform of the sketch of a sum of outer products."""
        n_out, n_in = factor.left.shape[3], factor.right.shape[2] + factor.has_bias
        if factor.start not in self._tables:
            rng = np.random.default_rng([self._seed, 1, factor.start])
            tables = OuterTables(rng, n_out, n_in, self.n_columns, self._device)
            self._tables[factor.start] = tables
        tables = self._tables[factor.start]
        total: Tensor | None = None
        for t in range(factor.left.shape[2]):
            left = tables.left(factor.left[:, 0, t])
            right = tables.right(factor.right[:, t], factor.has_bias)
            spectrum = torch.fft.rfft(left).mul_(torch.fft.rfft(right))
            total = spectrum if total is None else total.add_(spectrum)
        assert total is not None
        return total


class OuterTables:
    """Where the entries of two vectors go whose outer product is sketched.

    Those of the right one follow one another, lap after lap; those of the left one are scattered.
    """

    def __init__(
        self, rng: np.random.Generator, n_out: int, n_in: int, n_columns: int, device: torch.device
    ) -> None:
        self._n_columns = n_columns
        self._left_signs = _random_signs(rng, n_out, device)
        self._right_signs = _random_signs(rng, n_in, device)
        laps = [rng.permutation(n_columns) for _ in range(math.ceil(n_out / n_columns))]
        self._left_columns = torch.as_tensor(np.concatenate(laps)[:n_out], device=device)
        self._right_shifts = rng.integers(0, n_columns, math.ceil(n_in / n_columns)).tolist()

    def left(self, values: Tensor) -> Tensor:
        result = values.new_zeros(len(values), self._n_columns)
        return result.index_add_(1, self._left_columns, values * self._left_signs)

    def right(self, values: Tensor, has_bias: bool) -> Tensor:
        """With the constant 1 that belongs to the bias as a last entry."""
        if has_bias:
            values = torch.nn.functional.pad(values, (0, 1), value=1.0)
        total = torch.zeros_like(values[:, :1]).expand(-1, self._n_columns)
        for lap, shift in enumerate(self._right_shifts):
            entries = slice(lap * self._n_columns, (lap + 1) * self._n_columns)
            signed = values[:, entries] * self._right_signs[entries]
            missing = self._n_columns - signed.shape[1]
            total = total + torch.nn.functional.pad(signed, (0, missing)).roll(shift, 1)
        return total


def _random_signs(rng: np.random.Generator, n: int, device: torch.device) -> Tensor:
    """+1 or -1, of shape (n,); a byte each, as networks are large."""
    signs = rng.integers(0, 2, n, dtype=np.int8)
    return torch.as_tensor(2 * signs - 1, device=device)
