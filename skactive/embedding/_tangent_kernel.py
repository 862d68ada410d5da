"""The empirical neural tangent kernel, block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations_with_replacement, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn import get_config
from torch import Tensor

from skactive._memory import check_memory
from skactive._validation import check_choice
from skactive.embedding._gradients import Gradients
from skactive.embedding._gradients_factors import Factor
from skactive.embedding._inputs import n_rows, take_rows
from skactive.embedding._view import NetworkView

# The cotangents of some rows: (k, n_outputs) or (n, k, n_outputs).
Cotangents = Callable[[slice], Tensor]

KINDS = ("pntk", "diagonal", "full")
# Bytes for one entry of a tile: products, their sum, and as much again.
_TILE_BYTES = 64


class Chunk(NamedTuple):
    """Gradients of some rows, by the first column of each factor."""

    rows: slice
    n_sums: int  # of outputs, for each row
    factors: dict[int, Factor]

    def of_sum(self, j: int) -> Chunk:
        """Those of one of the sums of outputs."""
        return Chunk(self.rows, 1, {start: f.of_sum(j) for start, f in self.factors.items()})


class TangentKernel:
    r"""Inner products of the gradients of a network's outputs.

    With :math:`f_c` the outputs and :math:`\nabla` the gradient with respect to the parameters,

    - ``"full"``: :math:`\langle \nabla f_c(x), \nabla f_{c'}(x') \rangle`;
    - ``"diagonal"``: the same for :math:`c = c'` alone;
    - ``"pntk"``: :math:`\langle \nabla s(x), \nabla s(x') \rangle` for
      :math:`s = C^{-1/2} \sum_c f_c`.

    Gradients are kept as the layers give them, outer products as their factors. A group of rows
    that fits into ``working_memory`` stays while all other rows pass by. Inner products of one
    layer are float32 for a float32 network, their sums float64.

    Parameters
    ----------
    view : NetworkView
    kind : {"pntk", "diagonal", "full"}
    example : prepared inputs
        The first rows serve to choose how gradients are computed.
    parameters : list of str or None, default=None
        Names of parameters, or of modules with all inside; None: those that require gradients.

    Attributes
    ----------
    n_outputs : int
    """

    def __init__(
        self, view: NetworkView, kind: str, example: Any, *, parameters: Sequence[str] | None = None
    ) -> None:
        check_choice(kind, "kind", KINDS)
        self.kind = kind
        self._view = view
        self._gradients = Gradients(view, example, parameters)
        self.n_outputs = self._gradients.n_outputs
        self._cotangents = torch.eye(self.n_outputs, dtype=torch.float64)
        if kind == "pntk":
            self._cotangents = self._cotangents.sum(0, keepdim=True) / math.sqrt(self.n_outputs)
        with self._gradients.session():
            self._passing, self._kept = self._gradients.bytes_per_row(
                lambda factor: factor.compact().n_numbers()
            )

    def gram(self, A: Any, B: Any = None) -> Tensor:
        """The kernel between rows of A and of B, or of A where B is None; float64.

        Of shape (n_a, n_b) for "pntk", (n_outputs, n_a, n_b) for "diagonal", and
        (n_a * n_outputs, n_b * n_outputs) for "full", row i and output c at i * n_outputs + c.
        """
        n_a, n_b = n_rows(A), n_rows(A if B is None else B)
        k = len(self._cotangents)
        shape = (k, n_a, n_b) if self.kind == "diagonal" else (n_a * k, n_b * k)
        check_memory(
            8.0 * math.prod(shape),
            self._view.device,
            f"The tangent kernel of kind {self.kind!r} between {n_a} and {n_b} rows with "
            f"{self.n_outputs} outputs",
            "Pass fewer rows, or use kind='pntk'.",
        )
        result = torch.zeros(shape, dtype=torch.float64, device=self._view.device)
        with self._gradients.session():
            if self.kind == "diagonal":
                # One output after the other: gradients of all would take k times the memory.
                for kernel, weights in zip(result, self._cotangents, strict=True):
                    self._fill(kernel, A, B, weights[None])
            else:
                self._fill(result, A, B, self._cotangents)
        return _checked(result)

    def diagonal(self, A: Any) -> Tensor:
        """The kernel of each row with itself; float64.

        Of shape (n_a,) for "pntk", (n_outputs, n_a) for "diagonal", and
        (n_a, n_outputs, n_outputs) for "full".
        """
        k = len(self._cotangents)
        shape = (n_rows(A), k, k)
        result = torch.zeros(shape, dtype=torch.float64, device=self._view.device)
        with self._gradients.session():
            for chunk in self._chunks(A, _same(self._cotangents), self._chunk_rows(A, k)):
                for factor in chunk.factors.values():
                    result[chunk.rows] += factor.own_products()
        _checked(result)
        if self.kind == "full":
            return result
        squared = result.diagonal(dim1=1, dim2=2).T
        return squared if self.kind == "diagonal" else squared[0]

    def applied(self, A: Any, B: Any, vectors: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
        """The kernel times a vector for each row of B, in tiles, never the kernel itself.

        For "full" each row of B costs one backward pass, and each pair of rows as much as
        n_outputs inner products, not their square.

        Parameters
        ----------
        A, B : prepared inputs
        vectors : tensor of shape (n_b, n_outputs)

        Yields
        ------
        rows, columns, tile : slice of A, slice of B, float64 tensor of shape (a, n_outputs, b)
            Entry (i, c, j) is entry c of Θ(A_i, B_j) v_j.
        """
        vectors = vectors.to(self._view.device)
        weights = _same(self._cotangents)
        pairs = self._pairs(
            A, weights, B, (lambda rows: vectors[rows, None]) if self.kind == "full" else weights
        )
        while True:
            # Between two tiles the caller must find the network as it was.
            with self._gradients.session():
                pair = next(pairs, None)
                if pair is None:
                    return
                of_a, of_b = pair
                v = vectors[of_b.rows].T.double()  # (n_outputs, b)
                if self.kind == "full":
                    tile = self._products(of_a, of_b)[..., 0]
                elif self.kind == "pntk":
                    tile = self._products(of_a, of_b)[:, :, :, 0] * v
                else:
                    own = [self._products(of_a.of_sum(c), of_b.of_sum(c)) for c in range(len(v))]
                    tile = torch.cat(own, 1)[..., 0] * v
            yield of_a.rows, of_b.rows, _checked(tile)

    def _fill(self, result: Tensor, A: Any, B: Any, cotangents: Tensor) -> None:
        """Kernel of the given sums of outputs, (n_a * k, n_b * k)."""
        k = len(cotangents)
        for of_a, of_b in self._pairs(A, _same(cotangents), B, _same(cotangents)):
            tile = self._products(of_a, of_b)
            tile = tile.reshape(tile.shape[0] * k, tile.shape[2] * k)
            rows, columns = (slice(k * c.rows.start, k * c.rows.stop) for c in (of_a, of_b))
            if B is None and rows == columns:
                tile = (tile + tile.T) / 2  # float32 products differ in the last bits
            result[rows, columns] = tile
            if B is None:
                result[columns, rows] = tile.T

    def _pairs(
        self, A: Any, weights_a: Cotangents, B: Any, weights_b: Cotangents
    ) -> Iterator[tuple[Chunk, Chunk]]:
        """All pairs of chunks of A and B; if B is None, one of each two of A that mirror."""
        if B is not None and n_rows(B) < n_rows(A):
            # Better keep the one that is more likely to fit into memory as a whole.
            yield from ((a, b) for b, a in self._blocks(B, weights_b, A, weights_a))
        else:
            yield from self._blocks(A, weights_a, B, weights_b)

    def _blocks(
        self, A: Any, weights_a: Cotangents, B: Any, weights_b: Cotangents
    ) -> Iterator[tuple[Chunk, Chunk]]:
        """The same; a group of chunks of A stays while all those of B pass by."""
        k = max(weights(slice(1)).shape[-2] for weights in (weights_a, weights_b))
        size = self._chunk_rows(A, k)
        chunks = self._chunks(A, weights_a, size)
        while group := list(islice(chunks, self._n_kept(size, k))):
            if B is None:
                yield from combinations_with_replacement(group, 2)
                others = self._chunks(A, weights_b, size, first=group[-1].rows.stop)
            else:
                others = self._chunks(B, weights_b, size)
            for other in others:
                yield from ((chunk, other) for chunk in group)

    def _chunks(self, X: Any, weights: Cotangents, size: int, first: int = 0) -> Iterator[Chunk]:
        """Gradients of the rows from `first` on."""
        if first == n_rows(X):
            return
        stop = first
        X = take_rows(X, np.arange(first, n_rows(X))) if first else X
        for batch in self._view.batches(X, size):
            rows = slice(stop, stop := stop + n_rows(batch))
            cotangents = weights(rows)
            factors = [f.compact() for f in self._gradients.factors(batch, cotangents)]
            by_start = {factor.start: factor for factor in factors}
            yield Chunk(rows, cotangents.shape[-2], by_start)

    def _products(self, chunk: Chunk, other: Chunk) -> Tensor:
        """Inner products of all gradients, float64 of shape (n, k, m, l)."""
        n, m = (c.rows.stop - c.rows.start for c in (chunk, other))
        shape = (n, chunk.n_sums, m, other.n_sums)
        total = torch.zeros(shape, dtype=torch.float64, device=self._view.device)
        for start in chunk.factors.keys() & other.factors.keys():
            total += chunk.factors[start].products(other.factors[start])
        return total

    def _n_kept(self, size: int, k: int) -> int:
        """Chunks whose gradients fit into half of working_memory."""
        budget = get_config()["working_memory"] * 2**19
        return max(1, int(budget // max(1, size * k * self._kept)))

    def _chunk_rows(self, X: Any, k: int) -> int:
        """Rows in a chunk: two of them and their tile fit into working_memory."""
        budget = get_config()["working_memory"] * 2**20
        largest_tile = max(1, int((budget / _TILE_BYTES) ** 0.5 / k))
        n_fitting = self._view.batch_size(X, 2.0 * k * (self._kept + self._passing))
        return min(largest_tile, n_fitting)


def _same(cotangents: Tensor) -> Cotangents:
    """The same for all rows."""
    return lambda _rows: cotangents


def _checked(values: Tensor) -> Tensor:
    if not values.isfinite().all():
        raise ValueError(
            "The tangent kernel must be finite; got NaN or infinity. Look for NaN in X and for "
            "diverged weights."
        )
    return values
