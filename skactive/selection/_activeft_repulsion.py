"""How the components of ActiveFT keep each other at a distance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

# Centers per block of their similarities. Not a matter of working memory: sums over blocks of
# another size differ in the last bits, which Adam can magnify where a pool is symmetric.
_BLOCK = 128
# Up to so many components their similarities are kept (32 MB) rather than computed twice.
_KEEP = 2048

Block = tuple[slice, Tensor]


class Repulsion:
    r"""Log-sum-exp of the similarities of components, and their sums weighted by its softmax.

    With the logits :math:`l_{jk} = \theta_j^\top \theta_k / \tau` and
    :math:`L_j = \log \sum_k \exp l_{jk}`, center j gets the sum over k of
    :math:`w_{jk} \theta_k`, where :math:`w_{jk} = \exp(l_{jk} - L_j)`, if `mutual` plus
    :math:`\exp(l_{jk} - L_k)`. All sums leave out k = j unless `own`.

    Logits are symmetric, so that each center meets the components before it only, a block of
    centers at a time; never is there a second matrix of that size, nor for many components a
    first. The components that are `fixed`, the first ones, meet each other once and for all.

    Parameters
    ----------
    fixed : tensor of shape (n_fixed, n_features)
    temperature : float
    own, mutual : bool
    """

    def __init__(self, fixed: Tensor, temperature: float, *, own: bool, mutual: bool) -> None:
        self._temperature, self._own, self._mutual = temperature, own, mutual
        self._among_fixed = fixed[:0, 0]
        self._among_fixed = self._log_sums(fixed, self._blocks(fixed))

    def __call__(self, components: Tensor) -> tuple[Tensor, Tensor]:
        """Log-sums of all components, weighted sums for the centers.

        Parameters
        ----------
        components : tensor of shape (n_components, n_features)

        Returns
        -------
        log_sums, sums : tensors of shape (n_components,), (n_components - n_fixed, n_features)
        """
        if len(components) <= _KEEP:
            kept = list(self._blocks(components))
            log_sums = self._log_sums(components, kept)
            return log_sums, self._weighted_sums(components, log_sums, kept)
        log_sums = self._log_sums(components, self._blocks(components))
        return log_sums, self._weighted_sums(components, log_sums, self._blocks(components))

    def _blocks(self, components: Tensor) -> Iterator[Block]:
        """Centers, and their logits with all components up to the last of them."""
        n_fixed = len(self._among_fixed)
        for start in range(n_fixed, len(components), _BLOCK):
            block = slice(start, min(start + _BLOCK, len(components)))
            logits = (components[block] / self._temperature) @ components[: block.stop].T
            if not self._own:
                logits.diagonal(block.start).fill_(-math.inf)
            yield block, logits

    def _log_sums(self, components: Tensor, blocks: Iterable[Block]) -> Tensor:
        log_sums = torch.empty_like(components[:, 0])
        log_sums[: len(self._among_fixed)] = self._among_fixed
        for block, logits in blocks:
            log_sums[block] = logits.logsumexp(1)
            before = log_sums[: block.start]
            torch.logaddexp(before, logits[:, : block.start].logsumexp(0), out=before)
        return log_sums

    def _weighted_sums(
        self, components: Tensor, log_sums: Tensor, blocks: Iterable[Block]
    ) -> Tensor:
        n_fixed = len(self._among_fixed)
        sums = torch.zeros_like(components[n_fixed:])
        for block, logits in blocks:
            weights = (logits - log_sums[block, None]).exp_()
            transposed = logits.sub_(log_sums[: block.stop]).exp_()
            if self._mutual:
                transposed = weights.add_(transposed)
            sums[block.start - n_fixed : block.stop - n_fixed] += weights @ components[: block.stop]
            # Centers before the block; those in it have met each other above.
            sums[: block.start - n_fixed].addmm_(
                transposed[:, n_fixed : block.start].T, components[block]
            )
        return sums
