"""What each row would add to a facility location function: bounds, and exact values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import gen_batches
from torch import Tensor

from skactive._distances import amid
from skactive._rows import Rows
from skactive._ties import tolerance
from skactive.selection._active_products import ActiveProducts

_SWEPT_ROWS = 256  # compared with all targets at once
_DECIDED_ROWS = 64  # compared in float64 at once, at most
_LISTED_SHARE = 0.25  # of the targets; where more are active, lists would soon be full
_EXACT_ENTRIES = 2**21  # of the targets that are compared in float64 at a time
_GROUP = 64  # float32 numbers that are added up before they become float64


class FacilityGains:
    r"""Gains :math:`g(x) = \sum_i \max(0, t_i \cdot x - h(x) - c_i)` of rows x over targets i.

    The covers :math:`c_i` are the largest :math:`t_i \cdot s - h(s)` of all rows s added so far,
    so that no gain ever rises. Fast products give upper bounds, which are looked at again only
    where they might be the largest; the gains that decide are float64, from the targets for which
    a row may matter at all. As covers rise these become few: they are listed, with the products,
    for the rows that came into question.

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
        self._lists = ActiveProducts(
            rows.n_samples, targets.n_samples, targets.product_dtype, targets.device
        )
        self._active_share = 1.0  # of the products looked at last

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
                decided = min(2 * decided, _DECIDED_ROWS)
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
        listed = self._lists.lengths[positions] >= 0
        ready, missing = positions[listed], positions[~listed]
        if len(ready):
            sums = self._lists.excesses(ready, self._limits())
            self._upper[ready] = sums * (1 + _GROUP * self._rounding)
        for some in torch.split(missing, _SWEPT_ROWS) if len(missing) else ():
            self._upper[some] = self._sweep(some)
        self._fresh[positions] = True

    def _limits(self) -> Tensor:
        """What a product less a lowered offset exceeds wherever the true one exceeds the cover."""
        lowered = self.covers - self._target_slacks - 4 * self._rounding * self.covers.abs()
        return lowered.to(self.targets.product_dtype)

    def _lowered_offsets(self, rows: Tensor) -> Tensor:
        lowered = self._offsets[rows] - self._row_slacks[rows]
        return lowered.to(self.targets.product_dtype)[:, None]

    def _sweep(self, rows: Tensor) -> Tensor:
        """Upper bounds from products with all targets, which are listed where they are few."""
        limits, lowered = self._limits(), self._lowered_offsets(rows)
        room = self._lists.capacity // 2
        expected = self._active_share * len(rows) * self.targets.n_samples
        listing = self._active_share <= _LISTED_SHARE and expected <= room
        sums: dict[int, Tensor] = {}
        counts: dict[int, Tensor] = {}
        lists: dict[int, tuple[Tensor, Tensor]] = {}

        def use(columns: slice, products: Tensor) -> None:
            products -= lowered
            excess = products - limits[columns]
            active = excess > 0
            sums[columns.start] = _row_sums(excess.clamp_(min=0.0))
            counts[columns.start] = active.sum(1)
            if listing:
                found = active.flatten().nonzero()[:, 0]
                targets = (found % active.shape[1]).add_(columns.start).to(torch.int32)
                lists[columns.start] = targets, products.flatten().index_select(0, found)

        self.targets.visit_products(self._points(rows.cpu().numpy()), use, self._origin)
        starts = sorted(sums)
        active = torch.stack([counts[start] for start in starts])
        n_active = int(active.sum())
        if listing and n_active <= room:
            self._lists.keep(rows, active, [lists[start] for start in starts], self._upper)
        self._active_share = n_active / (len(rows) * self.targets.n_samples)
        return torch.stack([sums[i] for i in starts]).sum(0) * (1 + _GROUP * self._rounding)

    def _values(self, rows: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        """Targets for which some of a few rows may matter, and their values in float64."""
        positions = torch.as_tensor(rows, device=self._upper.device)
        listed = self._lists.lengths[positions] >= 0
        matters = torch.zeros_like(self.covers, dtype=torch.bool)
        matters[self._lists.targets(positions[listed])] = True
        if not bool(listed.all()):
            self._mark(positions[~listed], matters)
        active = matters.nonzero()[:, 0]
        points, offsets = self._points(rows), self._offsets[positions][:, None]
        step = max(1, _EXACT_ENTRIES // int(self.rows.n_features))
        for start in range(0, len(active), step):
            some = active[start : start + step]
            targets = self.targets.take(some.cpu().numpy())
            if self._origin is not None:
                targets = targets - self._origin
            yield some, (points @ targets.T).sub_(offsets)

    def _mark(self, rows: Tensor, matters: Tensor) -> None:
        """Targets for which rows without a list may matter."""
        limits, lowered = self._limits(), self._lowered_offsets(rows)

        def use(columns: slice, products: Tensor) -> None:
            products -= lowered
            matters[columns] |= (products > limits[columns]).any(0)

        self.targets.visit_products(self._points(rows.cpu().numpy()), use, self._origin)

    def _points(self, rows: NDArray[np.int64]) -> Tensor:
        points = self.rows.take(rows)
        return points if self._origin is None else points - self._origin


def _squares(rows: Rows, origin: Tensor | None) -> Tensor:
    return rows.squared_norms() if origin is None else rows.squared_distances_from(origin)


def _row_sums(values: Tensor) -> Tensor:
    """Sums of each row, float64 but for groups of a few numbers."""
    whole = values.shape[1] // _GROUP * _GROUP
    groups = values[:, :whole].reshape(len(values), -1, _GROUP).sum(2)
    rest = values[:, whole:].sum(1, dtype=torch.float64)
    return groups.sum(1, dtype=torch.float64) + rest
