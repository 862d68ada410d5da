"""For some rows the targets to which they could still add, and the products with these."""

from __future__ import annotations

import torch
from sklearn import get_config
from torch import Tensor

from skactive._memory import available_memory
from skactive._threads import for_each

_LIMIT_BYTES = 2**28
_PIECE_ENTRIES = 2**17  # worked on at a time


class ActiveProducts:
    """Lists of the targets whose limit a row exceeds, one list for each of some rows.

    Limits only rise, so that a target that has left a list never returns, and lists only become
    shorter. They lie one after the other in an array of fixed size, 256 MiB or scikit-learn's
    ``working_memory`` at most; when it is full, the rows with the largest bounds stay.

    Parameters
    ----------
    n_rows, n_targets : int
    dtype : torch.dtype
        Of the products.
    device : torch.device

    Attributes
    ----------
    capacity : int
        Entries that fit.
    lengths : int64 tensor of shape (n_rows,)
        Entries of each list, -1 where there is none.
    """

    def __init__(
        self, n_rows: int, n_targets: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        limit = min(_LIMIT_BYTES, int(get_config()["working_memory"] * 2**20))
        limit = min(limit, (available_memory(device) or limit) // 2)
        self.capacity = min(limit // (4 + dtype.itemsize), n_rows * n_targets)
        self.lengths = torch.full((n_rows,), -1, dtype=torch.int64, device=device)
        self._starts = torch.zeros_like(self.lengths)
        self._end = 0
        self._targets = torch.empty(self.capacity, dtype=torch.int32, device=device)
        self._values = torch.empty(self.capacity, dtype=dtype, device=device)

    def keep(
        self, rows: Tensor, counts: Tensor, parts: list[tuple[Tensor, Tensor]], upper: Tensor
    ) -> None:
        """Add the lists of some rows.

        Parameters
        ----------
        rows : tensor of shape (n_rows,)
        counts : int64 tensor of shape (n_parts, n_rows)
            Entries of each row in each part, in all at most half the capacity.
        parts : list of (targets, values)
            Entries of the first row, then of the second, and so on.
        upper : tensor of shape (n_samples,)
            Where there is no room, rows with larger bounds are kept.
        """
        lengths = counts.sum(0)
        n_entries = int(lengths.sum())
        if self._end + n_entries > self.capacity:
            self._make_room(upper)
        starts = self._end + lengths.cumsum(0) - lengths
        self.lengths[rows], self._starts[rows] = lengths, starts
        self._end += n_entries
        for count, (targets, values) in zip(counts, parts, strict=True):
            entries = _entries(starts, count)
            self._targets[entries], self._values[entries] = targets, values
            starts = starts + count

    def excesses(self, rows: Tensor, limits: Tensor) -> Tensor:
        """Sums of what the products exceed the limits by, for rows that have a list."""
        sums = torch.empty(len(rows), dtype=torch.float64, device=rows.device)

        def work(part: slice) -> None:
            sums[part] = self._shorten(rows[part], limits)

        mean = float(self.lengths[rows].to(torch.float64).mean())
        step = max(1, int(_PIECE_ENTRIES / max(1.0, mean)))
        for_each([slice(i, i + step) for i in range(0, len(rows), step)], work)
        return sums

    def targets(self, rows: Tensor) -> Tensor:
        """Targets in the lists of some rows, maybe more than once."""
        return torch.cat([self._targets[part] for part in self._parts(rows)] or [self._targets[:0]])

    def _parts(self, rows: Tensor) -> list[slice]:
        starts, lengths = self._starts[rows].tolist(), self.lengths[rows].tolist()
        return [slice(i, i + n) for i, n in zip(starts, lengths, strict=True)]

    def _shorten(self, rows: Tensor, limits: Tensor) -> Tensor:
        parts = self._parts(rows)
        targets = torch.cat([self._targets[part] for part in parts])
        values = torch.cat([self._values[part] for part in parts])
        excess = values - limits.index_select(0, targets)
        active = excess > 0
        lengths = self.lengths[rows]
        sums = excess.clamp_(min=0.0).to(torch.float64)
        sums = torch.segment_reduce(sums, "sum", lengths=lengths, unsafe=True)
        if 2 * int(active.sum()) < len(active):
            some = active.nonzero()[:, 0]
            left = torch.bincount(torch.repeat_interleave(lengths)[some], minlength=len(rows))
            entries = _entries(self._starts[rows], left)
            self._targets[entries], self._values[entries] = targets[some], values[some]
            self.lengths[rows] = left
        return sums

    def _make_room(self, upper: Tensor) -> None:
        """Keep what fits into half of the capacity, at the front."""
        rows = (self.lengths >= 0).nonzero()[:, 0]
        rows = rows[upper[rows].argsort(descending=True)]
        stay = self.lengths[rows].cumsum(0) <= self.capacity // 2
        self.lengths[rows[~stay]] = -1
        rows = rows[stay]
        rows = rows[self._starts[rows].argsort()]  # each list moves to the left of itself
        lengths = self.lengths[rows]
        ends = lengths.cumsum(0)
        self._end = int(ends[-1]) if len(ends) else 0
        longest = int(lengths.max()) if len(lengths) else 1
        step = max(1, _PIECE_ENTRIES // max(1, longest))
        moves = (self._starts[rows], ends - lengths, lengths)
        for old, new, count in zip(*(torch.split(move, step) for move in moves), strict=True):
            before, after = _entries(old, count), _entries(new, count)
            self._targets[after] = self._targets[before]
            self._values[after] = self._values[before]
        self._starts[rows] = ends - lengths


def _entries(starts: Tensor, lengths: Tensor) -> Tensor:
    """Positions of the entries of lists that begin at `starts`, one list after the other."""
    before = starts - (lengths.cumsum(0) - lengths)
    positions = torch.repeat_interleave(before, lengths)
    return positions.add_(torch.arange(len(positions), device=starts.device))
