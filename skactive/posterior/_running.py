"""Variances kept per row while observations come in, with bounds on their rounding."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor


class Columns(NamedTuple):
    """Whitened covariances of some rows with b observations, one after the other.

    Observation t lowers the variance of a row by ``fall[t]²`` and its reduction (the summed
    squared covariance with the targets) by ``fall[t] (2 turn[t] - fall[t] curvature[t])``.
    """

    fall: Tensor  # (b, n_rows)
    turn: Tensor | None  # (b, n_rows)
    curvature: Tensor | None  # (b, 1)

    def first(self, count: int) -> Columns:
        """Those of the first observations."""
        if self.turn is None or self.curvature is None:
            return Columns(self.fall[:count], None, None)
        return Columns(self.fall[:count], self.turn[:count], self.curvature[:count])

    def variance_steps(self) -> Tensor:
        """By how much each observation lowers the variances, of shape (b, n_rows)."""
        return self.fall.square()

    def reduction_steps(self) -> Tensor:
        """By how much each observation lowers the reductions, of shape (b, n_rows)."""
        assert self.turn is not None and self.curvature is not None  # tracked together
        return self.fall * (2 * self.turn - self.curvature * self.fall)


class Steps(NamedTuple):
    """What each of b observations subtracts from the values of some rows."""

    variance: Tensor  # (b, n_rows)
    reduction: Tensor | None  # (b, n_rows), where it is tracked


class Magnitudes(NamedTuple):
    """Sums over the observations of the squares of what is multiplied with the rows."""

    fall: float = 0.0
    turn: float = 0.0
    curved: float = 0.0  # of the fall times the curvature

    def __add__(self, other: tuple[float, ...]) -> Magnitudes:  # type: ignore[override]
        return Magnitudes(*(a + b for a, b in zip(self, other, strict=True)))


class Running:
    r"""Posterior variance of every row, and its reduction where that is asked for.

    Each observation t subtracts :math:`w_t^2`, where :math:`w_t = m_t^\top x` comes with an error
    of at most :math:`\epsilon \|m_t\| \|x\|`. The errors since a row was last set exactly add up,
    by the triangle inequality for the vectors of all :math:`w_t`, to

    .. math::

        |\sum_t \tilde w_t^2 - \sum_t w_t^2| \le 2 g \sqrt{\sum_t \tilde w_t^2} + g^2, \quad
        g = \epsilon \|x\| \sqrt{\sum_t \|m_t\|^2},

    and likewise for the reductions.

    Parameters
    ----------
    variance : tensor of shape (n_samples,)
        Exact variances to begin with.
    squared_norms : tensor of shape (n_samples,)
        :math:`\|x\|^2`.
    error : float
        :math:`\epsilon`.
    reduction : tensor of shape (n_samples,) or None
    """

    def __init__(
        self, variance: Tensor, squared_norms: Tensor, error: float, reduction: Tensor | None = None
    ) -> None:
        self.variance = variance.clone()
        self.reduction = reduction
        self._squared_norms = squared_norms
        self._error = error
        self._fallen = torch.zeros_like(variance)  # Σ w² since a row was set exactly, ...
        self._turned = None if reduction is None else torch.zeros_like(variance)
        # ... and since which block of observations that is.
        self._version = torch.zeros_like(variance, dtype=torch.int32)
        self._magnitudes = [Magnitudes()]
        self._past = self._tabulate()
        self._next: list[Tensor | None] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        memo[id(self._squared_norms)] = self._squared_norms  # never changes: shared
        copied = memo[id(self)] = copy(self)
        vars(copied).update((name, deepcopy(value, memo)) for name, value in vars(self).items())
        return copied

    def set_exactly(self, rows: Tensor | slice, variance: Tensor, reduction: Tensor | None) -> None:
        """Replace what has been added up for some rows by values without error."""
        self.variance[rows] = variance.to(self.variance)
        self._fallen[rows] = 0.0
        self._version[rows] = len(self._magnitudes) - 1
        if self.reduction is not None and self._turned is not None and reduction is not None:
            self.reduction[rows] = reduction.to(self.variance)
            self._turned[rows] = 0.0

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Lower and upper bound of the variances, at least 0."""
        slack = self._variance_slack(slice(None), self._fallen, self._magnitudes[-1])
        return (self.variance - slack).clamp_(min=0.0), (self.variance + slack).clamp_(min=0.0)

    def reduction_bound(self) -> Tensor:
        """Upper bound of the reductions, at least 0."""
        assert self.reduction is not None and self._turned is not None  # requested
        slack = self._reduction_slack(slice(None), self._fallen, self._turned, self._magnitudes[-1])
        return (self.reduction + slack).clamp_(min=0.0)

    # One block of observations: `begin`, `put` every slice of rows, `commit`. Nothing changes
    # before the last, so that a block may be given up.

    def begin(self) -> None:
        """Make room for the values after a block."""
        current = [self.variance, self._fallen, self.reduction, self._turned]
        self._next = [None if values is None else torch.empty_like(values) for values in current]

    def forget(self) -> None:
        """Give the room back, and the block up."""
        self._next = []

    def put(self, rows: slice, columns: Columns) -> Steps:
        """Values of some rows after the block; returns the steps that lead there."""
        steps = columns.variance_steps()
        fall = steps.sum(0).to(self.variance.dtype)
        reduction_steps = None
        variance, fallen, reduction, turned = self._next
        assert variance is not None and fallen is not None
        torch.sub(self.variance[rows], fall, out=variance[rows])
        torch.add(self._fallen[rows], fall, out=fallen[rows])
        if reduction is not None and turned is not None:
            assert self.reduction is not None and self._turned is not None
            assert columns.turn is not None
            reduction_steps = columns.reduction_steps()
            change = reduction_steps.sum(0).to(self.variance.dtype)
            torch.sub(self.reduction[rows], change, out=reduction[rows])
            turn = columns.turn.square().sum(0).to(self.variance.dtype)
            torch.add(self._turned[rows], turn, out=turned[rows])
        return Steps(steps, reduction_steps)

    def commit(self, magnitudes: Magnitudes) -> None:
        """Take the values after the block for the present ones."""
        variance, fallen, self.reduction, self._turned = self._next
        assert variance is not None and fallen is not None
        self.variance, self._fallen = variance, fallen
        self._next = []
        self._magnitudes.append(self._magnitudes[-1] + magnitudes)
        self._past = self._tabulate()

    def slacks_after(self, rows: slice, magnitudes: Magnitudes) -> tuple[Tensor, Tensor | None]:
        """Error bounds for some rows, of variance and reduction, that hold all through a block.

        Parameters
        ----------
        rows : slice
            Rows that have been `put`.
        magnitudes : Magnitudes
            Of the whole block.
        """
        _, fallen, _, turned = self._next
        assert fallen is not None
        total = self._magnitudes[-1] + magnitudes
        slack = self._variance_slack(rows, fallen[rows], total)
        if turned is None:
            return slack, None
        return slack, self._reduction_slack(rows, fallen[rows], turned[rows], total)

    def _tabulate(self) -> dict[str, Tensor]:
        """The magnitudes after each block, by name."""
        return {
            name: self.variance.new_tensor([getattr(past, name) for past in self._magnitudes])
            for name in Magnitudes._fields
        }

    def _variance_slack(self, rows: slice, fallen: Tensor, total: Magnitudes) -> Tensor:
        gap = self._gap(rows, "fall", total)
        return gap * (2 * fallen.sqrt() + gap)

    def _reduction_slack(
        self, rows: slice, fallen: Tensor, turned: Tensor, total: Magnitudes
    ) -> Tensor:
        fall_gap, turn_gap, curved_gap = (self._gap(rows, name, total) for name in total._fields)
        size = fallen.sqrt() + fall_gap
        return 2 * (size * (turn_gap + curved_gap) + turned.sqrt() * fall_gap)

    def _gap(self, rows: slice, name: str, total: Magnitudes) -> Tensor:
        """g: by how much the vector of a row's products may be wrong in norm."""
        grown = getattr(total, name) - self._past[name].index_select(0, self._version[rows])
        gap: Tensor = self._error * (grown.clamp_(min=0.0) * self._squared_norms[rows]).sqrt_()
        return gap
