"""What each row would add to a facility location function: bounds, and exact values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.utils import gen_batches
from torch import Tensor

from skactive._distances import amid
from skactive._memory import available_memory, check_memory
from skactive._rows import Rows
from skactive._threads import for_each
from skactive._ties import tolerance

_SWEPT_ROWS = 256  # compared with all targets at once
_CACHE_BYTES = 2**28
_LEAST_CACHED = 64  # rows
_PIECE_ENTRIES = 2**16  # of the cache that are worked on at a time
_EXACT_ENTRIES = 2**21  # of the targets that are compared in float64 at a time
_GROUP = 64  # float32 numbers that are added up before they become float64


class FacilityGains:
    r"""Gains :math:`g(x) = \sum_i \max(0, t_i \cdot x - h(x) - c_i)` of rows x over targets i.

    The covers :math:`c_i` are the largest :math:`t_i \cdot s - h(s)` of all rows s added so far,
    so that no gain ever rises. Fast products give upper bounds, which are looked at again only
    where they might be the largest; the gains that decide are float64, from the targets for which
    a row may matter at all. Products of rows that came into question are kept, as many as fit
    into 256 MiB and scikit-learn's ``working_memory``.

    Parameters
    ----------
    rows, targets : Rows
    halved : bool
        Whether h(x) is half the squared norm, which makes it a distance; else 0.
    base : float
        What the first covers are derived from: ``base`` itself, or half of the squared norm of a
        target less ``base``.
    available : boolean tensor of shape (n_samples,)
        Rows whose gains matter.

    Attributes
    ----------
    covers : float64 tensor of shape (n_targets,)
    magnitude : float
        Of the sum of the numbers the gains are computed from.
    """

    def __init__(
        self, rows: Rows, targets: Rows, *, halved: bool, base: float, available: Tensor
    ) -> None:
        if rows.product_dtype != targets.product_dtype:
            rows, targets = rows.precise(), targets.precise()
        self.rows, self.targets = rows, targets
        self._origin = amid(rows) if halved and not targets.is_sparse else None
        squares = _squares(rows, self._origin)
        target_squares = _squares(targets, self._origin)
        self._offsets = 0.5 * squares if halved else torch.zeros_like(squares)
        self.covers = torch.full_like(target_squares, base)
        if halved:
            self.covers = 0.5 * (target_squares - base)
        self.magnitude = float(target_squares.sum() + len(target_squares) * squares.mean())
        rounding = torch.finfo(targets.product_dtype).eps
        relative = 0.5 * (targets.product_error + 8 * rounding)
        self._row_slacks = relative * squares + 4 * rounding * self._offsets
        self._target_slacks = relative * target_squares
        self._rounding = rounding
        if self._origin is not None:
            largest = targets.squared_norms().max().sqrt()  # rounded before they are shifted
            self._row_slacks += rounding * largest * squares.sqrt()
        self._upper = torch.where(available, torch.inf, -torch.inf).to(squares)
        self._fresh = torch.zeros_like(available)  # bounds given all rows added
        self._exact = torch.zeros_like(available)
        self._cache = _ProductCache(rows, targets)

    def add(self, row: int) -> None:
        """Add a row."""
        self._upper[row] = -torch.inf
        for active, values in self._values(np.array([row])):
            self.covers[active] = torch.maximum(self.covers[active], values[0])
        self._fresh[:] = False
        self._exact[:] = False

    def add_many(self, rows: NDArray[np.int64]) -> None:
        """Add rows, where there are too many for one at a time."""
        self._upper[torch.as_tensor(rows)] = -torch.inf
        precise = self.targets.precise()
        for part in gen_batches(len(rows), _SWEPT_ROWS):
            offsets = self._offsets[torch.as_tensor(rows[part])][:, None]

            def use(columns: slice, products: Tensor, offsets: Tensor = offsets) -> None:
                best = products.sub_(offsets).amax(0)
                torch.maximum(self.covers[columns], best, out=self.covers[columns])

            precise.visit_products(self._points(rows[part]), use, self._origin)

    def scores(self, floor: float) -> Tensor:
        """Gains, exact for all rows that may tie with the best; upper bounds of the others."""
        best, refreshed, decided = -torch.inf, 16, 4
        while True:
            margin = 4 * tolerance(best, floor)
            open_ = torch.where(self._exact, -torch.inf, self._upper)
            top = int(open_.argmax())
            if not float(open_[top]) >= best - margin or open_[top] == -torch.inf:
                return self._upper
            if self._fresh[top]:
                rows = self._largest(open_, self._fresh, decided, best - margin)
                gains = torch.zeros_like(open_[: len(rows)])
                for active, values in self._values(rows):
                    gains += (values - self.covers[active]).clamp_(min=0.0).sum(1)
                self._upper[torch.as_tensor(rows)] = gains
                self._exact[torch.as_tensor(rows)] = True
                best = max(best, float(gains.max()))
                decided = min(2 * decided, _LEAST_CACHED)
            else:
                self._refresh(self._largest(open_, ~self._fresh, refreshed, best - margin))
                refreshed = min(2 * refreshed, 2 * _SWEPT_ROWS)

    def _largest(self, values: Tensor, mask: Tensor, count: int, least: float) -> NDArray[np.int64]:
        """Rows of a mask with the largest values, if not below the least."""
        top = torch.where(mask, values, -torch.inf).topk(min(count, len(values)))
        found = top.indices[(top.values >= least) & (top.values > -torch.inf)]
        return found.sort().values.cpu().numpy()

    def _refresh(self, rows: NDArray[np.int64]) -> None:
        """Lower the bounds of some rows to what they are given all rows added."""
        positions = torch.as_tensor(rows, device=self._upper.device)
        cached = self._cache.slots[positions] >= 0
        ready, missing = positions[cached], positions[~cached]
        limits = self._limits()

        def work(some: Tensor) -> None:
            values = self._cache.values[self._cache.slots[some]]
            self._upper[some] = self._bounds(values, some, limits)

        if len(ready):
            for_each(torch.split(ready, max(1, _PIECE_ENTRIES // len(limits))), work)
        if len(missing):  # after those, whose slots these may take
            for some in torch.split(missing, _SWEPT_ROWS):
                slots = self._cache.reserve(some, self._upper)
                self._upper[some] = self._sweep(some, slots)
        self._fresh[positions] = True

    def _limits(self) -> Tensor:
        """What a product less a lowered offset exceeds wherever the true one exceeds the cover."""
        lowered = self.covers - self._target_slacks - 4 * self._rounding * self.covers.abs()
        return lowered.to(self.targets.product_dtype)

    def _lowered_offsets(self, rows: Tensor) -> Tensor:
        lowered = self._offsets[rows] - self._row_slacks[rows]
        return lowered.to(self.targets.product_dtype)[:, None]

    def _bounds(self, products: Tensor, rows: Tensor, limits: Tensor) -> Tensor:
        """Upper bounds of the gains, from products which are overwritten."""
        products -= limits
        products -= self._lowered_offsets(rows)
        return _row_sums(products.clamp_(min=0.0)) * (1 + _GROUP * self._rounding)

    def _sweep(self, rows: Tensor, slots: Tensor) -> Tensor:
        """Upper bounds from products with all targets; those of some rows are kept."""
        kept = slots >= 0
        limits = self._limits()
        parts: dict[int, Tensor] = {}

        def use(columns: slice, products: Tensor) -> None:
            self._cache.values[slots[kept], columns] = products[kept]
            parts[columns.start] = self._bounds(products, rows, limits[columns])

        self.targets.visit_products(self._points(rows.cpu().numpy()), use, self._origin)
        return torch.stack([parts[start] for start in sorted(parts)]).sum(0)

    def _values(self, rows: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        """Targets for which some of a few rows may matter, and their values in float64."""
        positions = torch.as_tensor(rows, device=self._upper.device)
        missing = positions[self._cache.slots[positions] < 0]
        if len(missing):
            self._sweep(missing, self._cache.reserve(missing, self._upper, keep=positions))
        limits = self._limits()
        lowered = self._lowered_offsets(positions)
        matters = torch.zeros_like(self.covers, dtype=torch.bool)
        for slot, offset in zip(self._cache.slots[positions], lowered, strict=True):
            matters |= self._cache.values[slot] - limits - offset >= 0
        active = matters.nonzero()[:, 0]
        points, offsets = self._points(rows), self._offsets[positions][:, None]
        step = max(1, _EXACT_ENTRIES // int(self.rows.n_features))
        for start in range(0, len(active), step):
            some = active[start : start + step]
            targets = self.targets.take(some.cpu().numpy())
            if self._origin is not None:
                targets = targets - self._origin
            yield some, (points @ targets.T).sub_(offsets)

    def _points(self, rows: NDArray[np.int64]) -> Tensor:
        points = self.rows.take(rows)
        return points if self._origin is None else points - self._origin


class _ProductCache:
    """Products with all targets of some rows."""

    def __init__(self, rows: Rows, targets: Rows) -> None:
        dtype = targets.product_dtype
        limit = min(_CACHE_BYTES, int(get_config()["working_memory"] * 2**20))
        limit = min(limit, (available_memory(targets.device) or limit) // 2)
        size = max(_LEAST_CACHED, limit // (dtype.itemsize * targets.n_samples))
        size = min(size, rows.n_samples)
        check_memory(
            float(dtype.itemsize * size * targets.n_samples),
            targets.device,
            f"The similarity of {size} rows to {targets.n_samples} targets",
            "Pass fewer rows, or fewer targets as X_target.",
        )
        self.values = torch.empty(size, targets.n_samples, dtype=dtype, device=targets.device)
        self.slots = torch.full((rows.n_samples,), -1, dtype=torch.int64, device=targets.device)
        self._owners = torch.full((size,), -1, dtype=torch.int64, device=targets.device)

    def reserve(self, rows: Tensor, upper: Tensor, keep: Tensor | None = None) -> Tensor:
        """A slot for each of some rows, or -1 where rows with larger bounds have them all.

        Parameters
        ----------
        rows : tensor of shape (n_rows,)
        upper : tensor of shape (n_samples,)
            Slots go to rows with large bounds.
        keep : tensor or None
            Rows that have slots, or get them in any case.
        """
        worth = torch.where(self._owners < 0, -torch.inf, upper[self._owners])
        if keep is not None:
            held = self.slots[keep]
            worth[held[held >= 0]] = torch.inf
        least = worth.topk(min(len(rows), len(worth)), largest=False)
        order = upper[rows].argsort(descending=True)[: len(least.values)]
        gets = torch.ones_like(order, dtype=torch.bool)
        if keep is None:
            gets = (least.values < upper[rows[order]]) | (self._owners[least.indices] < 0)
        winners, taken = rows[order[gets]], least.indices[gets]
        losers = self._owners[taken]
        self.slots[losers[losers >= 0]] = -1
        self._owners[taken] = winners
        self.slots[winners] = taken
        return self.slots[rows]


def _squares(rows: Rows, origin: Tensor | None) -> Tensor:
    return rows.squared_norms() if origin is None else rows.squared_distances_from(origin)


def _row_sums(values: Tensor) -> Tensor:
    """Sums of each row, float64 but for groups of a few numbers."""
    whole = values.shape[1] // _GROUP * _GROUP
    groups = values[:, :whole].reshape(len(values), -1, _GROUP).sum(2)
    rest = values[:, whole:].sum(1, dtype=torch.float64)
    return groups.sum(1, dtype=torch.float64) + rest
