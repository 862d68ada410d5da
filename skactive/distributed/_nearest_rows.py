"""For each of many centers in turn the nearest row that is left, in a pool in parts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from skactive._fast_squares import FastSquares
from skactive._nearest_rows import Noted, Notes, note_rows
from skactive._rows import Rows
from skactive.distributed._part import Part
from skactive.distributed._partitions import Partitions


def nearest_rows(
    parts: Partitions, centers: NDArray[np.float64], largest: float, unit_norm: bool
) -> NDArray[np.int64]:
    """Compare `skactive._nearest_rows.nearest_rows`.

    Each part notes a few rows for each of some centers, all in one call.

    Parameters
    ----------
    parts : Partitions
        Of which the available rows are taken, under `unit_norm` those that have a direction.
    centers : ndarray of shape (n_centers, n_features)
    largest : float
        Largest squared norm of all rows, of the unit rows under `unit_norm`.
    unit_norm : bool
        Whether rows are divided by their norms.
    """
    parts.map(open_notes, unit_norm)
    return _NotesOfParts(parts, centers, largest).take_all()


class PartNotes:
    """What a part keeps while centers take their rows."""

    def __init__(self, part: Part, unit_norm: bool) -> None:
        self.rows: Rows = part.rows.unit() if unit_norm else part.rows
        self.fast = FastSquares(self.rows)
        self.left = part.available.clone()
        if unit_norm:
            self.left &= part.rows.squared_norms() > 0


def open_notes(part: Part, message: bool, own: None) -> None:
    part.state = PartNotes(part, message)


class _Request(NamedTuple):
    centers: NDArray[np.float64]
    taken: NDArray[np.int64]
    """Rows that centers have taken since the last request."""
    floor: float
    n_exact: int


def note(part: Part, message: _Request, own: None) -> Noted:
    """Note the nearest rows that are left."""
    notes: PartNotes = part.state
    notes.left[torch.as_tensor(part.local(message.taken))] = False
    centers = torch.tensor(message.centers, device=notes.rows.device)
    noted = note_rows(notes.fast, centers, notes.left, message.floor, message.n_exact)
    return noted._replace(rows=part.offset + noted.rows)


class _NotesOfParts(Notes):
    def __init__(self, parts: Partitions, centers: NDArray[np.float64], largest: float) -> None:
        super().__init__(len(centers), largest)
        self._parts, self._centers = parts, centers
        self._taken: list[int] = []  # since the last request

    def _note(self, centers: slice) -> list[Noted]:
        taken, self._taken = np.array(self._taken, dtype=np.int64), []
        request = _Request(self._centers[centers], taken, self.floor, self.n_exact)
        return self._parts.map(note, request)

    def _are_left(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        left: NDArray[np.bool_] = ~np.isin(rows, self._taken)
        return left

    def _take(self, row: int) -> None:
        self._taken.append(row)
