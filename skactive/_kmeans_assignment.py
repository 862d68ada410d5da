"""The nearest center of every row, kept exact while the centers move."""

from __future__ import annotations

import torch
from sklearn import get_config
from sklearn.utils import gen_batches
from torch import Tensor

from skactive._distances import squared_distances
from skactive._fast_squares import FastSquares
from skactive._rows import Rows
from skactive._threads import for_each
from skactive._ties import RELATIVE_TOLERANCE, first_minimum

# Of float32 rows gathered for a product of matrices, and its result.
_BATCH_BYTES = 8 * 2**20
# Squared distances tie that differ by less than this share of the largest square: the means of
# equal rows are equal to rounding only.
_ROUNDING = 1e-24
# What is added to bounds for the rounding of their own sums.
_SLACK = 1e-8


class NearestCenters:
    """The nearest center of every row, the lowest one where several tie.

    When centers have moved, the distance of a row to its own has grown by no more than that one
    has moved, and the distance to any other has shrunk by no more than the largest move among
    these (G. Hamerly: Making k-means even faster, SDM 2010). Rows which that leaves open are
    compared with all centers by fast products, and in float64 where rounding could decide.

    Parameters
    ----------
    rows : Rows
    mean : float64 tensor of shape (n_features,)
        Mean row.
    largest : float, default=None
        Largest squared norm of all rows, where these are but a part of them.

    Attributes
    ----------
    centers : float64 tensor of shape (n_centers, n_features)
        As of the latest update.
    nearest : int64 tensor of shape (n_samples,)
        The center of each row.
    """

    centers: Tensor

    def __init__(self, rows: Rows, mean: Tensor, largest: float | None = None) -> None:
        self._rows, self._mean = rows, mean
        self._fast = FastSquares(rows)
        largest = float(rows.squared_norms().max()) if largest is None else largest
        self._floor = _ROUNDING * largest
        self.nearest = torch.zeros(rows.n_samples, dtype=torch.int64, device=rows.device)
        # Bounds of the distances: at most to the own center, at least to any other.
        self._own = torch.full_like(self._fast.own, torch.inf)
        self._other = torch.zeros_like(self._fast.own)

    def update(self, centers: Tensor) -> tuple[Tensor, Tensor]:
        """Follow the centers to where they are now.

        Parameters
        ----------
        centers : float64 tensor of shape (n_centers, n_features)

        Returns
        -------
        moved, before : int64 tensors of shape (n_moved,)
            Rows that have another center than before, in ascending order, and that one.
        """
        self._loosen(centers)
        self._use(centers)
        # Not ">=": a bound that is not a number proves nothing.
        proven = self._own * (1 + _SLACK) + 2 * self._floor**0.5 < self._other
        considered = (~proven).nonzero()[:, 0]
        before = self.nearest[considered]
        self._compare(considered)
        del self._points, self._halves  # which are as large as the centers
        moved = self.nearest[considered] != before
        return considered[moved], before[moved]

    def assign(self, row: int, center: int) -> None:
        """Give a row to another center, until the next update finds the nearest."""
        self.nearest[row] = center
        self._own[row] = torch.inf
        self._other[row] = 0.0

    def own_squares(self) -> Tensor:
        """Squared distance of each row to its center, by differences."""
        squares = torch.empty_like(self._own)
        for part, chunk in self._rows.chunks():
            squares[part] = (chunk - self.centers[self.nearest[part]]).square_().sum(1)
        return squares

    def _loosen(self, centers: Tensor) -> None:
        """Loosen the bounds by what the centers have moved."""
        if not hasattr(self, "centers"):
            return
        moves = (centers - self.centers).norm(dim=1) * (1 + _SLACK)
        largest, at = moves.topk(min(2, len(moves)))
        others = torch.where(self.nearest == at[0], largest[-1], largest[0])
        self._own.add_(moves[self.nearest])
        self._other.sub_(others)

    def _use(self, centers: Tensor) -> None:
        self.centers = centers
        self._points = self._fast.shifted(centers)
        squares = self._points.square().sum(1)
        self._halves = (squares / 2).to(self._rows.product_dtype)[:, None]
        self._largest = squares.max()

    def _compare(self, considered: Tensor) -> None:
        """Find the nearest of all centers."""
        rows = self._rows
        if not len(considered):
            return
        if len(considered) > rows.n_samples // 2:
            rows.visit_products(self._points, self._rank_slice, self._fast.origin)
            return
        points = self._points.to(rows.product_dtype)
        limit = min(_BATCH_BYTES, int(get_config()["working_memory"] * 2**20))
        step = max(1, limit // (rows.product_dtype.itemsize * sum(points.shape)))

        def work(batch: slice) -> None:
            part = considered[batch]
            block = rows.take(part.cpu().numpy(), rows.product_dtype)
            if self._fast.origin is not None:
                block -= self._fast.origin.to(block.dtype)
            self._rank(part, points @ block.T)

        for_each(gen_batches(len(considered), step), work)

    def _rank_slice(self, part: slice, products: Tensor) -> None:
        self._rank(torch.arange(part.start, part.stop, device=products.device), products)

    def _rank(self, part: Tensor, products: Tensor) -> None:
        """Settle rows by their products (n_centers, n_rows); in float64 where these are close."""
        values = products.sub_(self._halves)
        best, nearest = values.max(0)
        second = values.scatter_(0, nearest[None], -torch.inf).amax(0)
        squares = self._fast.own[part]
        slack = self._fast.slack(squares, self._largest)
        own = (squares - 2 * best.double() + slack).clamp_(min=0.0)
        other = (squares - 2 * second.double() - slack).clamp_(min=0.0)
        margin = 2 * (RELATIVE_TOLERANCE * own + self._floor)
        self.nearest[part] = nearest
        self._own[part], self._other[part] = own.sqrt_(), other.sqrt()
        # Not "<=": what is not a number settles nothing.
        close = ~(other - own.square() > margin)
        if bool(close.any()):
            self._decide(part[close])

    def _decide(self, part: Tensor) -> None:
        """Compare rows with all centers in float64, by the rule for ties."""
        points = Rows(self._rows.take(part.cpu().numpy()), self._rows.device)
        squares = squared_distances(points, self.centers, self._mean)
        scale = squares.amin(1, keepdim=True).clamp_(min=self._floor / RELATIVE_TOLERANCE)
        nearest = first_minimum(squares, scale)[:, None]
        self.nearest[part] = nearest[:, 0]
        self._own[part] = squares.gather(1, nearest)[:, 0].sqrt() * (1 + _SLACK)
        squares.scatter_(1, nearest, torch.inf)
        self._other[part] = squares.amin(1).sqrt() * (1 - _SLACK)
