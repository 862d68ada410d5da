"""From the centers of ActiveFT to rows of a pool in parts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive._ties import RELATIVE_TOLERANCE
from skactive.distributed._part import Part
from skactive.distributed._partitions import Partitions
from skactive.distributed._pool import PartitionedPool
from skactive.selection._activeft_picks import most_similar

# Rows that a part notes for each center; those taken by centers before it are passed over.
_N_NOTED = 8
# Notes of all parts that are asked for at once, and the fewest centers.
_SHEET = 2**18
_FEWEST = 64
_EXACT_BYTES = 64 * 2**20  # of similarities at a time


def pick_rows(pool: PartitionedPool, centers: Tensor) -> NDArray[np.int64]:
    """For each center in turn the most similar row that is left; rows of zeros last."""
    n_directed = min(pool.n_picks, pool.n_directed_candidates)
    sheets = Sheets(pool.parts, centers.numpy(), n_directed)
    indices = [sheets.take_best(t) for t in range(n_directed)]
    zeros = np.setdiff1d(pool.zeros, pool.labeled)
    return np.append(np.array(indices, dtype=np.int64), zeros)[: pool.n_picks]


class _Ask(NamedTuple):
    centers: NDArray[np.float64]
    picked: NDArray[np.int64]  # rows taken since the last call


class Notes(NamedTuple):
    """The most similar available rows of some centers in a part."""

    rows: NDArray[np.int64]
    """Positions in the pool, of shape (n_centers, n_noted)."""
    similarity: NDArray[np.float64]
    """Of the same shape; -inf where there are too few rows."""
    others: NDArray[np.float64]
    """Of shape (n_centers,): no other available row is more similar than that, ..."""
    is_crowded: NDArray[np.bool_]
    """... but for higher ones which tie with the best one."""


def note(part: Part, message: _Ask, own: None) -> Notes:
    part.available[torch.as_tensor(part.local(message.picked))] = False
    rows, available = _open_rows(part)
    centers = torch.tensor(message.centers, device=rows.device)
    noted = most_similar(rows, centers, available, _N_NOTED)
    similarity = noted.similarity.masked_fill(~available[noted.rows], -torch.inf)
    best = similarity.amax(1)
    is_crowded = (best > -torch.inf) & (best - RELATIVE_TOLERANCE <= noted.others)
    indices = is_crowded.nonzero()[:, 0]
    step = max(1, _EXACT_BYTES // (8 * rows.n_samples))
    for start in range(0, len(indices), step):
        some = indices[start : start + step]
        exact = _lowest_ties(rows, centers[some], available, noted.rows.shape[1])
        noted.rows[some], similarity[some], noted.others[some] = exact
    return Notes(
        part.offset + _padded(noted.rows, 0).astype(np.int64),
        _padded(similarity, -torch.inf).astype(np.float64),
        noted.others.cpu().numpy(),
        is_crowded.cpu().numpy(),
    )


def _open_rows(part: Part) -> tuple[Rows, Tensor]:
    """The unit rows of a part, and which of them may be picked before those of zeros."""
    return part.rows.unit(), part.available & (part.rows.squared_norms() > 0)


def _padded(values: Tensor, filler: float) -> NDArray[Any]:
    missing = _N_NOTED - values.shape[1]
    padded: NDArray[Any] = torch.nn.functional.pad(values, (0, missing), value=filler).cpu().numpy()
    return padded


def _lowest_ties(
    rows: Rows, centers: Tensor, available: Tensor, n_noted: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The lowest rows that tie as the most similar ones, and what all other rows are at most."""
    similarity = rows.matmul(centers.T).T.masked_fill(~available, -torch.inf)
    is_tied = similarity >= similarity.amax(1, keepdim=True) - RELATIVE_TOLERANCE
    others = similarity.masked_fill(is_tied, -torch.inf).amax(1)
    positions = torch.arange(rows.n_samples, device=centers.device).expand_as(similarity)
    lowest = positions.masked_fill(~is_tied, rows.n_samples).topk(n_noted, 1, largest=False)[0]
    is_row = lowest < rows.n_samples
    lowest = lowest.clamp(max=rows.n_samples - 1)
    return lowest, similarity.gather(1, lowest).masked_fill(~is_row, -torch.inf), others


class _AskAgain(NamedTuple):
    center: NDArray[np.float64]
    limit: float  # what counts as most similar


def largest(part: Part, message: _Ask, own: None) -> float:
    """The largest similarity to a center."""
    part.available[torch.as_tensor(part.local(message.picked))] = False
    return float(_similarity(part, message.centers[0]).max())


def lowest(part: Part, message: _AskAgain, own: None) -> int | None:
    """The lowest row that is as similar as that."""
    found = (_similarity(part, message.center) >= message.limit).nonzero()
    return part.offset + int(found[0]) if len(found) else None


def _similarity(part: Part, center: NDArray[np.float64]) -> Tensor:
    rows, available = _open_rows(part)
    similarity = rows.matmul(torch.tensor(center, device=rows.device)[:, None])[:, 0]
    return similarity.masked_fill_(~available, -torch.inf)


class Sheets:
    """The notes of all parts, for some picks in turn.

    Parameters
    ----------
    parts : Partitions
    centers : ndarray of shape (n_centers, n_features)
        Where there are fewer than picks, they take turns.
    n_picks : int
        No more than rows are available.
    """

    def __init__(self, parts: Partitions, centers: NDArray[np.float64], n_picks: int) -> None:
        self._parts, self._centers, self._n_picks = parts, centers, n_picks
        self._first = self._end = 0  # of the picks with notes
        self._taken: list[int] = []  # since the parts were told
        self._size = max(_FEWEST, _SHEET // (_N_NOTED * len(parts)))

    def take_best(self, pick: int) -> int:
        """The lowest of the available rows that tie as the most similar; not available then."""
        row = self._best_noted(pick) if pick < self._end else None
        if row is None:
            self._renew(pick)
            row = self._best_noted(pick)
        if row is None:
            row = self._best(pick)
        self._taken.append(row)
        return row

    def _renew(self, pick: int) -> None:
        self._first, self._end = pick, min(pick + self._size, self._n_picks)
        picks = np.arange(self._first, self._end) % len(self._centers)
        notes = self._parts.map(note, self._ask(self._centers[picks]))
        # Of shape (n_picks, n_parts, ...).
        self._notes = Notes(*(np.stack(values, 1) for values in zip(*notes, strict=True)))

    def _ask(self, centers: NDArray[np.float64]) -> _Ask:
        picked, self._taken = np.array(self._taken, dtype=np.int64), []
        return _Ask(centers, picked)

    def _best_noted(self, pick: int) -> int | None:
        rows, noted, others, is_crowded = (values[pick - self._first] for values in self._notes)
        similarity = np.where(np.isin(rows, self._taken), -np.inf, noted)
        limit = similarity.max() - RELATIVE_TOLERANCE
        ties = similarity >= limit
        # Rows that are not noted may tie where lower ones of their part do.
        may_hide = is_crowded & (noted.max(1) >= limit) & ~ties.any(1)
        if limit == -np.inf or (others >= limit).any() or may_hide.any():
            return None
        return int(rows[ties].min())

    def _best(self, pick: int) -> int:
        center = self._centers[pick % len(self._centers)]
        best = max(self._parts.map(largest, self._ask(center[None, :])))
        found = self._parts.map(lowest, _AskAgain(center, best - RELATIVE_TOLERANCE))
        return int(min(row for row in found if row is not None))
