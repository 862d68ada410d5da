"""The rows of a feature matrix as float64 chunks on one device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy, deepcopy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.utils import gen_batches
from torch import Tensor

from skactive._matrix import Matrix
from skactive._threads import all_threads, for_each

# A chunk of this size stays in the caches between its conversion and its use, ...
_CACHE_BYTES = 4 * 2**20
# ... and one for each thread.
_THREAD_BYTES = 2**20
_GATHERED_BYTES = 2 * 2**20  # of rows that are copied first
_FEW_ROWS = 1024  # too few for a thread of their own
# Outside of these, float32 products of rows would overflow, or lose digits to underflow.
_FLOAT32_NORMS = (1e-12, 1e12)


class Rows:
    """Read-only view of a feature matrix that hands out float64 tensors chunk by chunk.

    The source (NumPy array of any layout, memory map, torch tensor or CSR matrix) is never
    copied whole and never written. All arithmetic on rows is float64, whatever the type of
    the source, so that results do not depend on the chunk size beyond the last bits.

    Parameters
    ----------
    X : ndarray, tensor, CSR matrix or Matrix of shape (n_samples, n_features)
        The source.
    device : torch.device
        Where the chunks go.
    multiplier : tensor of shape (n_samples,) or None
        Factor applied to each row, 1 when None.
    """

    def __init__(self, X: Any, device: torch.device, multiplier: Tensor | None = None) -> None:
        self._matrix = X if isinstance(X, Matrix) else Matrix(X)
        self.device = device
        self.n_samples, self.n_features = self._matrix.shape
        self._multiplier = multiplier
        self._squared_norms: Tensor | None = None
        self._source = self  # these rows without the multiplier

    def attach(self, X: Any) -> None:
        """Read X from now on, the same rows as before; for all views that share the matrix."""
        self._matrix.attach(X)

    def detach(self) -> None:
        """Let go of the matrix, but keep what was found out about it."""
        self._matrix.detach()

    def __deepcopy__(self, memo: dict[int, Any]) -> Rows:
        """A view that is attached and detached on its own; what never changes is shared."""
        copied = memo[id(self)] = copy(self)
        copied._matrix = deepcopy(self._matrix, memo)
        copied._source = deepcopy(self._source, memo)
        return copied

    @property
    def _X(self) -> Any:
        return self._matrix.values

    @property
    def is_sparse(self) -> bool:
        return self._matrix.is_sparse

    @property
    def is_scaled(self) -> bool:
        """Whether the rows are those of the source times a multiplier."""
        return self._multiplier is not None

    def slices(
        self, n_columns: int | None = None, itemsize: int = 8, limit: int = _CACHE_BYTES
    ) -> Iterator[slice]:
        """Row slices whose chunks with `n_columns` (default n_features) entries a row fit both
        `limit` bytes and scikit-learn's ``working_memory``."""
        n_columns = self.n_features if n_columns is None else n_columns
        rows: Iterator[slice] = gen_batches(
            self.n_samples, self._fitting(n_columns, itemsize, limit)
        )
        return rows

    @staticmethod
    def _fitting(n_columns: int, itemsize: int, limit: int) -> int:
        """How many rows of so many entries fit both `limit` bytes and ``working_memory``."""
        limit = min(limit, int(get_config()["working_memory"] * 2**20))
        return max(1, limit // (itemsize * max(1, n_columns)))

    def chunks(self) -> Iterator[tuple[slice, Tensor]]:
        """Slices of rows with their values, float64 of shape (n_rows, n_features)."""
        for rows in self.slices():
            yield rows, self._scaled(self._block(rows, torch.float64), rows)
            self._matrix.release(rows)

    def parts(self, n_columns: int) -> Iterator[tuple[slice, Rows]]:
        """The same rows in pieces, sized for results of `n_columns` entries a row."""
        for rows in self.slices(max(self.n_features, n_columns)):
            multiplier = None if self._multiplier is None else self._multiplier[rows]
            yield rows, Rows(self._X[rows], self.device, multiplier)

    def take(self, indices: ArrayLike | slice, dtype: torch.dtype = torch.float64) -> Tensor:
        """The given rows, of shape (n_indices, n_features)."""
        if not isinstance(indices, slice):
            indices = np.asarray(indices, dtype=np.int64)
        return self._scaled(self._matrix.take(indices, dtype, self.device), indices)

    def products(
        self, points: Tensor, origin: Tensor | None = None
    ) -> Iterator[tuple[slice, Tensor]]:
        """Fast inner products with points (k, n_features), a slice of rows at a time.

        Each has an error of at most ``product_error`` times the norms of its two factors.
        Where that suffices to decide, it is several times faster than float64.

        Parameters
        ----------
        points : float64 tensor of shape (k, n_features)
        origin : float64 tensor of shape (n_features,) or None
            Subtracted from the rows first (not from the points): the norms that bound the error
            are then those of the differences, beside the rounding of the rows themselves.
            Only without a multiplier.

        Yields
        ------
        rows, products : slice, tensor of shape (k, n_rows), float32 or float64
        """
        product = self._product(points, origin, by_row=False)
        for rows in self._product_slices(len(points)):
            yield rows, product(rows)

    def visit_products(
        self,
        points: Tensor,
        visit: Callable[[slice, Tensor], None],
        origin: Tensor | None = None,
    ) -> None:
        """Call ``visit(rows, products)`` for all that `products` yields, on several threads."""
        product = self._product(points, origin, by_row=False)
        self.visit_slices(len(points), lambda rows: visit(rows, product(rows)))

    def visit_slices(self, n_points: int, visit: Callable[[slice], None]) -> None:
        """Call `visit` with the slices of rows that suit so many products, on several threads."""
        self._for_each(self._product_slices(n_points), visit)

    def visit_positions(
        self, n_points: int, positions: Tensor, visit: Callable[[Tensor], None]
    ) -> None:
        """The same for some rows, by their positions."""
        n_rows = self._fitting_products(n_points, _GATHERED_BYTES)
        batches = [positions[i : i + n_rows] for i in range(0, len(positions), n_rows)]
        if not self._matrix.takes_on_threads:
            self._for_each(batches, visit)
            return
        with all_threads():
            for batch in batches:
                visit(batch)

    def _product_slices(self, n_points: int) -> Iterator[slice]:
        # A small pool, too, is worth several threads.
        fewer = max(_FEW_ROWS, self.n_samples // 4)
        n_rows = min(self._fitting_products(n_points, _CACHE_BYTES), fewer)
        slices: Iterator[slice] = gen_batches(self.n_samples, n_rows)
        return slices

    def _fitting_products(self, n_points: int, limit: int) -> int:
        return self._fitting(self.n_features + n_points, self.product_dtype.itemsize, limit)

    def product(
        self, points: Tensor, origin: Tensor | None = None
    ) -> Callable[[slice | Tensor], Tensor]:
        """A function of a slice of rows, or of some positions, to their products.

        See `products`; but the result has shape (n_rows, k).
        """
        return self._product(points, origin, by_row=True)

    def _product(
        self, points: Tensor, origin: Tensor | None, *, by_row: bool
    ) -> Callable[[slice | Tensor], Tensor]:
        dtype = self.product_dtype
        points = points.to(device=self.device, dtype=dtype)
        if origin is not None:
            origin = origin.to(device=self.device, dtype=dtype)
        columns = points.T.cpu().numpy() if self.is_sparse else None

        def product(rows: slice | Tensor) -> Tensor:
            if columns is not None:
                key = rows.cpu().numpy() if isinstance(rows, Tensor) else rows
                values = self._X[key] @ columns
                values = np.ascontiguousarray(values if by_row else values.T)
                result = torch.from_numpy(values).to(self.device)
            else:
                block = self._matrix.take(rows, dtype, self.device)
                block = block if origin is None else block - origin
                result = block @ points.T if by_row else points @ block.T
                if isinstance(rows, slice):
                    self._matrix.release(rows)
            if self._multiplier is not None:
                factor = self._multiplier[rows].to(dtype)
                result *= factor[:, None] if by_row else factor
            return result

        return product

    @cached_property
    def product_dtype(self) -> torch.dtype:
        """Type of the fast products: float32 where the rows allow it."""
        if self.is_sparse or torch.get_float32_matmul_precision() != "highest":
            return torch.float64  # products by SciPy; float32 ones of fewer digits
        smallest, largest = _FLOAT32_NORMS
        norms = self._source.squared_norms().sqrt()
        fits = (norms == 0) | ((norms > smallest) & (norms < largest))
        return torch.float32 if bool(fits.all()) else torch.float64

    @property
    def product_error(self) -> float:
        """Largest relative error of an inner product, for any order of its additions.

        N. Higham: Accuracy and Stability of Numerical Algorithms, 2002, section 3.1. Some more
        roundings are included: of the factors, and of sums of up to 64 squared products.
        """
        return float(self.n_features + 32) * torch.finfo(self.product_dtype).eps / 2

    def matmul(self, V: Tensor) -> Tensor:
        """Product with V (n_features, k), of shape (n_samples, k)."""
        if self.is_sparse:
            product = torch.from_numpy(np.asarray(self._X @ V.cpu().numpy())).to(self.device)
        else:
            product = torch.empty(self.n_samples, V.shape[1], **self._float64)
            for rows in self.slices():
                product[rows] = self._block(rows, torch.float64) @ V
                self._matrix.release(rows)
        return product if self._multiplier is None else product.mul_(self._multiplier[:, None])

    def column(self, j: int) -> Tensor:
        """Column j of the source, of shape (n_samples,)."""
        column = self._matrix.column(j, torch.float64, self.device)
        return self._scaled(column, slice(None))[:, 0]

    def quadratic_form(self, M: Tensor) -> Tensor:
        """xᵀMx for every row x, of shape (n_samples,)."""
        return self._per_row(lambda chunk: (chunk @ M).mul_(chunk).sum(1))

    def image_squares(self, points: Tensor) -> Tensor:
        """Sum of the squared products with points (k, n_features), of shape (n_samples,)."""
        return self._per_row(lambda chunk: (chunk @ points.T).square_().sum(1))

    def squared_distances_from(self, point: Tensor) -> Tensor:
        """Squared distance of every row from one point (n_features,), of shape (n_samples,)."""
        return self._per_row(lambda chunk: (chunk - point).square_().sum(1))

    def gram(self) -> Tensor:
        """Sum of the outer products of all rows, of shape (n_features, n_features)."""
        total = torch.zeros(self.n_features, self.n_features, **self._float64)
        for _, chunk in self.chunks():
            total.addmm_(chunk.T, chunk)
        return total

    def mean(self) -> Tensor:
        """Mean row, of shape (n_features,)."""
        total = torch.zeros(self.n_features, **self._float64)
        for _, chunk in self.chunks():
            total += chunk.sum(0)
        return total.div_(self.n_samples)

    def squared_norms(self) -> Tensor:
        """Squared Euclidean norm of every row, of shape (n_samples,)."""
        if self._squared_norms is None:
            self._squared_norms = self._per_row(_row_squares, self._storage_dtype)
        return self._squared_norms

    def distances(self, points: Tensor) -> Tensor:
        """Euclidean distances to points (k, n_features), of shape (n_samples, k)."""
        if self.is_sparse:
            return self._sparse_distances(points)
        result = torch.empty(self.n_samples, len(points), **self._float64)
        for rows, chunk in self.chunks():
            # Differences, not |x|² + |y|² - 2xy: duplicates have distance exactly 0.
            result[rows] = torch.cdist(chunk, points, compute_mode=_DIRECT)
        return result

    def unit(self) -> Rows:
        """The rows divided by their norms; rows of zeros stay zero."""
        norms = self.squared_norms().sqrt()
        multiplier = torch.where(norms > 0, 1 / norms, torch.zeros_like(norms))
        unit = Rows(self._matrix, self.device, multiplier)
        unit._source = self
        # Exactly 1: rounding must not decide between rows that tie by construction.
        unit._squared_norms = (norms > 0).to(torch.float64)
        return unit

    def precise(self) -> Rows:
        """The same rows, whose products are float64."""
        rows = Rows(self._matrix, self.device, self._multiplier)
        rows._source = self._source
        rows._squared_norms = self._squared_norms
        rows.product_dtype = torch.float64
        return rows

    def dense(self) -> Tensor:
        """All rows, float64; for the few that were selected or are targets."""
        return self.take(slice(None))

    @property
    def _float64(self) -> dict[str, Any]:
        return {"dtype": torch.float64, "device": self.device}

    def _sparse_distances(self, points: Tensor) -> Tensor:
        """Expanded squares, which keep the matrix sparse; what rounding cannot tell from 0 is 0."""
        sums = self.squared_norms()[:, None] + (points * points).sum(1)
        squares = sums - 2 * self.matmul(points.T)
        return torch.where(squares > 1e-13 * sums, squares, torch.zeros_like(squares)).sqrt_()

    @property
    def _storage_dtype(self) -> torch.dtype:
        """Type that holds the rows of the source without rounding."""
        narrow = (np.float16, np.float32, torch.float16, torch.bfloat16, torch.float32)
        is_narrow = not self.is_scaled and self._X.dtype in narrow
        return torch.float32 if is_narrow else torch.float64

    def _per_row(
        self, evaluate: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """One number for each row, from chunks of rows, of shape (n_samples,)."""
        values = torch.empty(self.n_samples, **self._float64)

        def work(rows: slice) -> None:
            values[rows] = evaluate(self._scaled(self._block(rows, dtype), rows))
            self._matrix.release(rows)

        self._for_each(self.slices(limit=_THREAD_BYTES), work)
        return values

    def _for_each(self, batches: Iterable[Any], work: Callable[[Any], None]) -> None:
        """On several threads, where chunks are worked on by the CPU."""
        if self.device.type == "cpu":
            for_each(batches, work)
        else:
            for rows in batches:
                work(rows)

    def _block(self, rows: slice, dtype: torch.dtype) -> Tensor:
        return self._matrix.block(rows, dtype, self.device)

    def _scaled(self, chunk: Tensor, rows: Any) -> Tensor:
        if self._multiplier is None:
            return chunk
        return chunk * self._multiplier[rows, None].to(chunk.dtype)


def _row_squares(chunk: Tensor) -> Tensor:
    """Float64 sums of the squares of each row."""
    if chunk.device.type != "cpu":
        return chunk.to(torch.float64).square().sum(1)
    values = chunk.numpy()  # whose sums convert as they go, without a second chunk
    return torch.from_numpy(np.einsum("ij,ij->i", values, values, dtype=np.float64))


_DIRECT = "donot_use_mm_for_euclid_dist"
