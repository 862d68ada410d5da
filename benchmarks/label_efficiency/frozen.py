"""ActiveFT whose rows stay with the center that was nearest at the start: the paper's ablation."""

from __future__ import annotations

from torch import Tensor

from skactive import ActiveFTSelector
from skactive.selection._activeft_segments import Pull, Segments


class FrozenSegments(Segments):
    """Others as they are now, wherever the components move."""

    def __init__(self, segments: Segments, components: Tensor) -> None:
        self.n_samples = segments.n_samples
        self._sums = segments.sums(components).clone()
        self._sizes = segments.sizes(components)

    def sums(self, components: Tensor) -> Tensor:
        return self._sums

    def pull(self, components: Tensor, log_rivals: Tensor, temperature: float) -> Pull:
        raise TypeError('The ablation is of loss="kl".')

    def sizes(self, components: Tensor) -> Tensor:
        return self._sizes


class FrozenActiveFT(ActiveFTSelector):
    """ActiveFTSelector with ``loss="kl"``, but for the assignment."""

    def _optimize(self, segments: Segments, components: Tensor, n_fixed: int) -> Tensor:
        frozen = FrozenSegments(segments, components)
        return super()._optimize(frozen, components, n_fixed)
