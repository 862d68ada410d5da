"""From the centers of ActiveFT to rows, and how well those stand for the pool."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive._ties import RELATIVE_TOLERANCE, first_minimum
from skactive.selection._activeft_assignment import Assignment
from skactive.selection._activeft_rows import batches, take

# Rows noted for each center: those taken by centers before it are passed over.
_N_NOTED = 8
# Centers whose notes are renewed together; that costs little more than to renew one.
_RENEWED = 64


def pick_rows(rows: Rows, centers: Tensor, candidates: Tensor, n_picks: int) -> NDArray[np.int64]:
    """For each center in turn the most similar candidate that is left; rows of zeros last.

    Parameters
    ----------
    rows : Rows
        Unit rows.
    centers : tensor of shape (n_centers, n_features)
        Where there are fewer than picks, they take turns.
    candidates : boolean tensor of shape (n_samples,)
    n_picks : int
    """
    directed = rows.squared_norms() > 0
    zeros = (candidates & ~directed).nonzero()[:, 0].tolist()
    notes = _Notes(rows, centers, candidates & directed)
    indices = [
        notes.take_best(j % len(centers)) for j in range(min(n_picks, int(notes.available.sum())))
    ]
    return np.array((indices + zeros)[:n_picks], dtype=np.int64)


class _Notes:
    """The most similar available rows of each center, found by fast products.

    Attributes
    ----------
    available : boolean ndarray of shape (n_samples,)
        Rows not taken yet.
    """

    def __init__(self, rows: Rows, centers: Tensor, available: Tensor) -> None:
        self._rows, self._centers = rows, centers
        self.available = available.cpu().numpy()
        shape = len(centers), min(_N_NOTED, rows.n_samples)
        self._noted = np.empty(shape, dtype=np.int64)
        self._similarity = np.empty(shape)
        # No available row beside the noted ones is more similar than that.
        self._others = np.empty(len(centers))
        self._renew(slice(None))

    def take_best(self, center: int) -> int:
        """The lowest of the available rows that tie as the most similar; not available then."""
        row = self._best_noted(center)
        if row is None:
            self._renew(slice(center, center + _RENEWED))
            row = self._best_noted(center)
        if row is None:  # more ties than notes
            row = self._best(center)
        self.available[row] = False
        return row

    def _best_noted(self, center: int) -> int | None:
        noted = self._noted[center]
        similarity = np.where(self.available[noted], self._similarity[center], -np.inf)
        limit = similarity.max() - RELATIVE_TOLERANCE
        return int(noted[similarity >= limit].min()) if limit > self._others[center] else None

    def _best(self, center: int) -> int:
        similarity = self._rows.matmul(self._centers[center][:, None]).T
        available = torch.from_numpy(self.available).to(similarity.device)
        costs = torch.where(available, -similarity, torch.inf)
        return int(first_minimum(costs, torch.ones_like(costs[:, :1])))

    def _renew(self, block: slice) -> None:
        """Note rows anew for a block of centers."""
        noted = most_similar(
            self._rows, self._centers[block], torch.from_numpy(self.available), _N_NOTED
        )
        self._noted[block] = noted.rows.cpu().numpy()
        self._similarity[block] = noted.similarity.cpu().numpy()
        self._others[block] = noted.others.cpu().numpy()


class Noted(NamedTuple):
    """Rows that are more similar to a center than all others."""

    rows: Tensor
    """int64 of shape (n_centers, n_noted)."""
    similarity: Tensor
    """Of the same shape, exact; also of rows that are not available, where there are too few."""
    others: Tensor
    """Of shape (n_centers,): no other available row is more similar than that."""


def most_similar(rows: Rows, centers: Tensor, available: Tensor, n_noted: int) -> Noted:
    """The most similar available rows of each center.

    Parameters
    ----------
    rows : Rows
        Unit rows.
    centers : tensor of shape (n_centers, n_features)
    available : boolean tensor of shape (n_samples,)
    n_noted : int
        At most; there may be fewer rows.
    """
    n_noted = min(n_noted, rows.n_samples)
    taken = ~available.to(centers.device)
    values = centers[:, :0].to(rows.product_dtype)
    noted = values.long()
    for part, products in rows.products(centers):
        values = torch.cat([values, products.masked_fill_(taken[part], -torch.inf)], 1)
        here = torch.arange(part.start, part.stop, device=noted.device)
        noted = torch.cat([noted, here.expand(len(noted), -1)], 1)
        values, order = values.topk(min(n_noted, values.shape[1]), 1)
        noted = noted.gather(1, order)
    others = torch.full_like(centers[:, 0], -torch.inf)
    if n_noted < rows.n_samples:
        others = values[:, -1].double() + rows.product_error
    similarity = torch.empty_like(values, dtype=torch.float64)
    for batch in batches(len(centers), n_noted * rows.n_features, torch.float64):
        points = take(rows, noted[batch].flatten()).view(-1, n_noted, rows.n_features)
        similarity[batch] = (points * centers[batch, None]).sum(2)
    return Noted(noted, similarity, others)


def transport_cost(rows: Rows, representatives: Tensor) -> float:
    """Mean distance of unit rows to the nearest representative.

    Parameters
    ----------
    rows : Rows
        Unit rows, or rows of zeros.
    representatives : tensor of shape (n_representatives, n_features)
        Of the same kind.
    """
    return float(distances_to_nearest(rows, representatives).mean())


def distances_to_nearest(rows: Rows, representatives: Tensor) -> Tensor:
    """Distance of each row to the nearest representative; as `transport_cost`."""
    directed = representatives[representatives.any(1)]
    # From a row of zeros.
    distances = rows.squared_norms()
    if len(directed):
        nearest = Assignment(rows, directed).nearest
        to_directed = torch.empty_like(distances)
        for part, chunk in rows.chunks():
            to_directed[part] = (chunk - directed[nearest[part]]).norm(dim=1)
        has_zeros = len(directed) < len(representatives)
        distances = torch.minimum(distances, to_directed) if has_zeros else to_directed
    return distances
