"""Sums of the rows of each cluster."""

from __future__ import annotations

import torch
from torch import Tensor

from skactive._rows import Rows

_SUMMED_BYTES = 4 * 2**20


class ClusterSums:
    """Weighted sum of the rows of each cluster; those of clusters that have not changed are kept.

    Parameters
    ----------
    rows : Rows
    weights : tensor of shape (n_samples,) or None
    origin : float64 tensor of shape (n_features,)
        What is summed are differences from here: far from 0 the rounding of sums of rows would
        show.
    n_clusters : int

    Attributes
    ----------
    sums : float64 tensor of shape (n_clusters, n_features)
    counts : float64 tensor of shape (n_clusters,)
        Sums of the weights.
    """

    def __init__(self, rows: Rows, weights: Tensor | None, origin: Tensor, n_clusters: int) -> None:
        self._rows, self._weights, self._origin = rows, weights, origin
        self.sums = origin.new_zeros(n_clusters, len(origin))
        self.counts = origin.new_zeros(n_clusters)

    def renew(self, nearest: Tensor, changed: Tensor) -> None:
        """Sum up the rows of some clusters anew.

        Parameters
        ----------
        nearest : int64 tensor of shape (n_samples,)
            The cluster of each row.
        changed : int64 tensor
            Clusters.
        """
        self.sums[changed] = 0.0
        self.counts[changed] = 0.0
        is_changed = torch.zeros_like(self.counts, dtype=torch.bool)
        is_changed[changed] = True
        summed = is_changed[nearest]
        if int(summed.sum()) > len(nearest) // 2:
            for part, chunk in self._rows.chunks():
                some = summed[part]
                if bool(some.all()):
                    self._add(nearest[part], chunk, part)
                else:
                    at = some.nonzero()[:, 0]
                    self._add(nearest[part][at], chunk[at], at + part.start)
        else:
            indices = summed.nonzero()[:, 0]
            step = max(1, _SUMMED_BYTES // (8 * self._rows.n_features))
            for start in range(0, len(indices), step):
                piece = indices[start : start + step]
                self._add(nearest[piece], self._rows.take(piece.cpu().numpy()), piece)

    def _add(self, clusters: Tensor, points: Tensor, at: slice | Tensor) -> None:
        weights = torch.ones_like(points[:, 0])
        points = points - self._origin
        if self._weights is not None:
            weights = self._weights[at]
            points = points * weights[:, None]
        self.sums.index_add_(0, clusters, points)
        self.counts.index_add_(0, clusters, weights)
