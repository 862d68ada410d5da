"""Which component each row of ActiveFT belongs to, kept exact while the components move."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skactive._rows import Rows
from skactive._ties import RELATIVE_TOLERANCE, first_minimum
from skactive.selection._activeft_rows import batches, gather, take

# Components a row is compared with before all of them: its own and its strongest rivals. More
# would settle more rows, at a higher price for each.
_N_RIVALS = 4
# Similarities closer than this are decided in float64, by the rule for ties.
_MARGIN = 2 * RELATIVE_TOLERANCE
_UNIT_TOLERANCE = 1e-6


class Turns:
    """Tells by which angles unit vectors have turned.

    Parameters
    ----------
    components : tensor of shape (n_components, n_features)
        Where they are at first; copied.
    """

    def __init__(self, components: Tensor) -> None:
        self._components = components.clone()
        self._is_unit = _is_unit(components)

    def follow(self, components: Tensor) -> Tensor:
        """Take over where the components are; the angle by which each has turned."""
        was_unit, self._is_unit = self._is_unit, _is_unit(components)
        chords = self._components.sub_(components).norm(dim=1)
        self._components.copy_(components)
        turns = 2 * torch.asin((chords / 2).clamp(max=1))
        # A center that started at a row of zeros had no direction.
        return torch.where(was_unit & self._is_unit, turns, math.pi)


def _is_unit(components: Tensor) -> Tensor:
    is_unit: Tensor = (components.norm(dim=1) - 1).abs() < _UNIT_TOLERANCE
    return is_unit


class Assignment:
    """The most similar component of every row, the lowest one where several tie.

    Angles between unit vectors obey the triangle inequality. So when components have moved, the
    angle of a row to its own has grown by no more than that one has turned, and the angle to any
    other has shrunk by no more than the largest turn among the others (G. Hamerly: Making k-means
    even faster, 2010). Rows which these bounds leave open are compared with their rivals,
    the components that were next when all were last compared (J. Drake, G. Hamerly: Accelerated
    k-means with adaptive distance bounds, 2012), and only those still open with all components.
    Similarities are float32 where the rows allow it; rows for which that does not suffice to tell
    the best two apart are decided in float64, so that each update ends where a float64 comparison
    of all rows with all components would.

    Parameters
    ----------
    rows : Rows
        Unit rows; rows of zeros belong to component 0.
    components : tensor of shape (n_components, n_features)
        Unit vectors, not kept.

    Attributes
    ----------
    nearest : int64 tensor of shape (n_samples,)
        The component of each row.
    """

    def __init__(self, rows: Rows, components: Tensor) -> None:
        self._rows = rows
        self._directed = rows.squared_norms() > 0
        n, n_rivals = rows.n_samples, min(_N_RIVALS, len(components) - 1)
        self.nearest = torch.zeros(n, dtype=torch.int64, device=rows.device)
        self._rivals = self.nearest.to(torch.int32)[:, None].repeat(1, n_rivals)
        # In radians: at most to the own component; at least to any other, and to any that is
        # not among the rivals.
        self._own, self._other, self._outer = torch.zeros_like(rows.squared_norms()).repeat(3, 1)
        if len(components) > 1:
            self._use(components)
            self._compare_with_all(self._directed.nonzero()[:, 0])
            self._let_go()

    def update(self, components: Tensor, turns: Tensor) -> tuple[Tensor, Tensor]:
        """Follow the components to where they are now.

        Parameters
        ----------
        components : tensor of shape (n_components, n_features)
        turns : tensor of shape (n_components,)
            The angle by which each has turned; see `Turns`.

        Returns
        -------
        moved, before : int64 tensors of shape (n_moved,)
            Rows that belong to another component than before, in ascending order, and the one
            they belonged to.
        """
        self._turn(turns)
        # Not "<=": a bound that is not a number proves nothing.
        proven = self._own.cos() - self._other.cos() > _MARGIN
        considered = (self._directed & ~proven).nonzero()[:, 0]
        before = self.nearest[considered]
        if len(components) > 1:
            self._use(components)
            self._compare_with_all(self._compare_with_rivals(considered))
            self._let_go()
        moved = self.nearest[considered] != before
        return considered[moved], before[moved]

    def _use(self, components: Tensor) -> None:
        self._components = components
        self._points = components.to(self._rows.product_dtype)

    def _let_go(self) -> None:
        self._components = self._points = self._own[:0, None].clone()

    def _turn(self, turns: Tensor) -> None:
        """Loosen the bounds by the angles the components have turned."""
        largest, at = turns.topk(min(2, len(turns)))
        others = torch.where(self.nearest == at[0], largest[-1], largest[0])
        # Beyond 0 and pi the cosine would turn back.
        self._own.add_(turns[self.nearest]).clamp_(max=math.pi)
        self._other.sub_(others).clamp_(min=0)
        self._outer.sub_(largest[0]).clamp_(min=0)

    def _compare_with_rivals(self, indices: Tensor) -> Tensor:
        """Settle rows among their rivals; return those that need a comparison with all."""
        n_rivals, n_features = self._rivals.shape[1], self._rows.n_features
        if n_rivals < 2:
            return indices
        is_open = torch.ones_like(indices, dtype=torch.bool)
        for batch in batches(len(indices), n_rivals * n_features, self._points.dtype):
            part = indices[batch]
            rivals = self._rivals[part]
            points = self._points.index_select(0, rivals.view(-1)).view(*rivals.shape, n_features)
            similarity = points.mul_(gather(self._rows, part)[:, None]).sum(2)
            values, order = similarity.topk(2)
            second = torch.maximum(values[:, 1].double(), self._outer[part].cos())
            is_open[batch] = ~self._settle(part, values[:, 0], second, self._rows.product_error)
            self.nearest[part] = torch.where(
                is_open[batch], self.nearest[part], rivals.gather(1, order[:, :1])[:, 0].long()
            )
        return indices[is_open]

    def _compare_with_all(self, indices: Tensor) -> None:
        """Settle rows among all components: by fast products, or in float64 if those are close."""
        is_open = torch.ones_like(indices, dtype=torch.bool)
        for batch in batches(len(indices), max(self._points.shape), self._points.dtype):
            part = indices[batch]
            similarity = gather(self._rows, part) @ self._points.T
            is_open[batch] = ~self._rank(part, similarity, self._rows.product_error)
        indices = indices[is_open]
        for batch in batches(len(indices), max(self._components.shape), self._components.dtype):
            self._decide(indices[batch])

    def _decide(self, part: Tensor) -> None:
        """Compare rows with all components in float64, by the rule for ties."""
        similarity = take(self._rows, part) @ self._components.T
        winner = first_minimum(-similarity, torch.ones_like(similarity[:1, :1]))[:, None]
        own = similarity.gather(1, winner)[:, 0]
        error = (self._rows.n_features + 16) * torch.finfo(torch.float64).eps
        self._rank(part, similarity.scatter_(1, winner, math.inf), error)
        self._own[part] = (own - error).clamp(min=-1).acos()

    def _rank(self, part: Tensor, similarity: Tensor, error: float) -> Tensor:
        """Note the best components of rows; return whether the first is settled."""
        values, order = similarity.topk(1 + self._rivals.shape[1])
        self.nearest[part] = order[:, 0]
        self._rivals[part] = order[:, :-1].to(torch.int32)
        self._outer[part] = (values[:, -1].double() + error).clamp(-1, 1).acos()
        return self._settle(part, values[:, 0], values[:, 1], error)

    def _settle(self, part: Tensor, best: Tensor, second: Tensor, error: float) -> Tensor:
        """Bounds from the two largest similarities; whether they prove which is the larger."""
        best, second = best.double() - error, second.double() + error
        self._own[part] = best.clamp(-1, 1).acos()
        self._other[part] = second.clamp(-1, 1).acos()
        return best - second > _MARGIN
