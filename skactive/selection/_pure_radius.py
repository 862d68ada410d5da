"""The largest radius at which most balls hold rows of one label only."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive.selection._pair_sweep import PairSweep

Found = dict[int, tuple[Tensor, Tensor]]  # by the first row of each slice


def pure_radius(
    sweep: PairSweep, labels: Tensor, purity: float, centers: NDArray[np.int64]
) -> float:
    """Largest radius of open balls of which at least a share `purity` is pure.

    A ball is pure up to the distance to the nearest row of another label, so that the radius is
    one of these distances, exact to float64.

    Parameters
    ----------
    sweep : PairSweep
    labels : tensor of shape (n_samples,)
    purity : float in (0, 1]
    centers : ndarray of shape (n_centers,)
        Rows around which the balls are looked at.

    Returns
    -------
    radius : float
        Infinite where all rows have the same label.
    """
    if bool((labels == labels[0]).all()):
        return math.inf
    lower, upper = _bounds(sweep, labels, centers)
    n_pure = max(1, math.ceil(purity * len(centers) - 1e-9))
    # The n_pure-th largest distance lies between those of the bounds.
    least = float(lower.sort(descending=True).values[n_pure - 1])
    most = float(upper.sort(descending=True).values[n_pure - 1])
    n_larger = int((lower > most).sum())
    open_ = ((lower <= most) & (upper >= least)).nonzero()[:, 0]
    squares = _exact(sweep, labels, centers[open_.cpu().numpy()], upper[open_])
    return math.sqrt(float(squares.sort(descending=True).values[n_pure - n_larger - 1]))


def _bounds(sweep: PairSweep, labels: Tensor, centers: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Bounds of half the squared distance from each center to the nearest row of another label."""
    lower = sweep.halves.new_empty(len(centers))
    upper = torch.empty_like(lower)
    start = 0
    for block in sweep.blocks(centers):
        points = torch.as_tensor(block, device=labels.device)
        nearest: Found = {}
        own = labels[points][:, None]

        def use(rows: slice, values: Tensor, own: Tensor = own, nearest: Found = nearest) -> None:
            slacks = sweep.slacks[rows]
            values += slacks.to(values.dtype)
            values.masked_fill_(labels[rows] == own, -torch.inf)
            best = values.max(1)
            # The one found is at least as near as this.
            safe = best.values.to(slacks) - 2 * slacks[best.indices]
            nearest[rows.start] = best.values.to(slacks), safe

        sweep.visit(block, use)
        part = slice(start, start + len(block))
        largest = [torch.stack(values).amax(0) for values in zip(*nearest.values(), strict=True)]
        half, slack = sweep.halves[points], sweep.slacks[points]
        lower[part] = half - largest[0] - slack
        upper[part] = half - largest[1] + slack
        start += len(block)
    return lower, upper


def _exact(sweep: PairSweep, labels: Tensor, centers: NDArray[np.int64], upper: Tensor) -> Tensor:
    """The squared distances themselves, given upper bounds of their halves."""
    found = []
    start = 0
    for block in sweep.blocks(centers):
        points = torch.as_tensor(block, device=labels.device)
        own = labels[points][:, None]
        part = slice(start, start + len(block))
        levels = sweep.halves[points] - upper[part] - sweep.slacks[points]
        pairs: Found = {}

        def use(
            rows: slice,
            values: Tensor,
            own: Tensor = own,
            levels: Tensor = levels,
            pairs: Found = pairs,
        ) -> None:
            values += sweep.slacks[rows].to(values.dtype)
            possible = (values >= levels.to(values.dtype)[:, None]) & (labels[rows] != own)
            owner, column = possible.nonzero(as_tuple=True)
            pairs[rows.start] = owner, column + rows.start

        sweep.visit(block, use)
        owner, row = (torch.cat(values) for values in zip(*pairs.values(), strict=True))
        squares = torch.full_like(sweep.halves[points], torch.inf)
        found.append(squares.scatter_reduce_(0, owner, sweep.exact(points[owner], row), "amin"))
        start += len(block)
    return torch.cat(found)
