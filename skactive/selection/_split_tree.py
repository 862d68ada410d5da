"""A balanced binary tree over rows: each node is cut at the median of some direction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive._threads import for_each, one_thread

# Fixed, not from ``working_memory``: where directions tie, rounding decides, and must do so
# alike for any of its settings.
_BLOCK_ENTRIES = 2**18

Positions = NDArray[np.int64]


class SplitTree(NamedTuple):
    """Leaves and inner nodes."""

    order: Positions
    """Rows, such that every node is a run of them."""
    levels: list[tuple[Positions, Positions]]
    """From the root down: where the nodes of a level begin, and where their second halves do."""


def split_tree(rows: Rows, members: Positions, method: str) -> SplitTree:
    """Halve the rows until each stands alone.

    Parameters
    ----------
    rows : Rows
    members : ndarray of shape (n_members,)
        Ascending; the rows that become leaves.
    method : {"pca", "coordinate"}
        Whether a node is cut along its principal axis, or along the features in turn.
    """
    order = members.copy()
    starts = np.zeros(min(1, len(order)), dtype=np.int64)
    levels: list[tuple[Positions, Positions]] = []
    while len(starts) < len(order):
        sizes = np.diff(starts, append=len(order))
        if method == "pca":
            values = _along_principal_axes(rows, order, starts, sizes)
        else:
            column = rows.column(len(levels) % rows.n_features)
            values = column[torch.as_tensor(order)].cpu().numpy()
        node = np.repeat(np.arange(len(starts)), sizes)
        order = order[np.lexsort((order, values, node))]
        inner = sizes > 1
        begins, middles = starts[inner], (starts + sizes // 2)[inner]
        levels.append((begins, middles))
        starts = np.sort(np.concatenate([starts, middles]))
        # Rows in their order within each node: memory maps are read forwards, and sums come out
        # alike for alike nodes.
        node = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
        order = order[np.lexsort((order, node))]
    return SplitTree(order, levels)


def _along_principal_axes(
    rows: Rows, order: Positions, starts: Positions, sizes: Positions
) -> NDArray[np.float64]:
    """Position of each row along the principal axis of its node, of shape (n_members,)."""
    values = np.zeros(len(order))
    blocks: list[NDArray[np.int64]] = []  # positions in `order`, of shape (n_nodes, size)
    for size in np.unique(sizes[sizes > 1]).tolist():
        places = starts[sizes == size][:, None] + np.arange(size)
        step = max(1, _BLOCK_ENTRIES // (size * rows.n_features))
        blocks.extend(places[begin : begin + step] for begin in range(0, len(places), step))

    def work(places: Positions) -> None:
        if places.size * rows.n_features <= _BLOCK_ENTRIES:
            block = _taken(rows, order[places.ravel()]).reshape(*places.shape, -1)
            projections = _small_projections(block - block.mean(1, keepdim=True))
        else:
            projections = _large_projections(rows, order[places[0]])[None]
        # Of the two signs that an axis may have, always the same.
        signs = torch.where(projections[:, :1] > 0, -1.0, 1.0)
        values[places] = (signs * projections).numpy()

    with one_thread():
        for_each(blocks, work)
    return values


def _small_projections(centered: Tensor) -> Tensor:
    """Projections of centered rows (n_nodes, size, n_features), of shape (n_nodes, size)."""
    transposed = centered.transpose(1, 2)
    if centered.shape[1] <= centered.shape[2]:  # the left singular vector is proportional to them
        return _top_eigenvectors(centered @ transposed)
    axes = _top_eigenvectors(transposed @ centered)
    return (centered @ axes[:, :, None])[:, :, 0]


def _large_projections(rows: Rows, members: Positions) -> Tensor:
    """Projections of the rows of one node, read piece by piece, of shape (size,)."""
    d = rows.n_features
    step = max(1, _BLOCK_ENTRIES // d)
    pieces = [members[begin : begin + step] for begin in range(0, len(members), step)]
    mean, scatter = torch.zeros(d, dtype=torch.float64), torch.zeros(d, d, dtype=torch.float64)
    for piece in pieces:
        mean += _taken(rows, piece).sum(0)
    mean /= len(members)
    for piece in pieces:
        centered = _taken(rows, piece) - mean
        scatter.addmm_(centered.T, centered)
    axis = _top_eigenvectors(scatter)
    return torch.cat([(_taken(rows, piece) - mean) @ axis for piece in pieces])


def _top_eigenvectors(matrices: Tensor) -> Tensor:
    """Of symmetric matrices (..., k, k) those of the largest eigenvalue, of shape (..., k)."""
    vectors: Tensor = torch.linalg.eigh(matrices).eigenvectors
    return vectors[..., -1]


def _taken(rows: Rows, positions: Positions) -> Tensor:
    return rows.take(positions).cpu()
