"""What ActiveFT computes in passes over chunks of rows: its losses, their gradients, the rest.

Components are unit vectors: first those that stay where they are, the labeled rows, then the
centers being learned. Only the gradient of the latter is returned. A row belongs to its most
similar component, the lowest one where several tie.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from sklearn.utils import gen_batches
from torch import Tensor

from skactive._rows import Rows
from skactive._ties import RELATIVE_TOLERANCE, first_minimum

# From the similarity of each row to its component, and the number of that component: the cost of
# each row and its slope, by how much the cost falls per unit of similarity times temperature.
RowCost = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


# Components per block of their similarity matrix. Not a matter of working memory: sums over blocks
# of another size differ in the last bits, which Adam can magnify where a pool is symmetric.
_BLOCK = 256


class Sweep(NamedTuple):
    """What one pass over the rows adds up."""

    cost: float
    slopes: Tensor  # (n_components,) of the rows that belong to a component
    rows: Tensor  # (n_components, n_features) the same rows times their slopes


def sweep(rows: Rows, components: Tensor, row_cost: RowCost) -> Sweep:
    """Assign every row to its component; add up costs, slopes and rows."""
    cost = 0.0
    slopes = torch.zeros_like(components[:, 0])
    sums = torch.zeros_like(components)
    unit_scale = torch.ones_like(components[:1, :1])
    for _, piece in rows.parts(len(components)):
        chunk = piece.dense()
        similarity = chunk @ components.T
        nearest = first_minimum(-similarity, unit_scale)
        costs, row_slopes = row_cost(similarity.gather(1, nearest[:, None])[:, 0], nearest)
        cost += float(costs.sum())
        # On the CPU index_add_ takes row after row: the sums do not depend on the chunk size.
        slopes.index_add_(0, nearest, row_slopes)
        sums.index_add_(0, nearest, chunk * row_slopes[:, None])
    return Sweep(cost, slopes, sums)


def plain_cost(similarity: Tensor, nearest: Tensor) -> tuple[Tensor, Tensor]:
    """Rows count alike, so that the slopes of a component add up to the number of its rows."""
    return -similarity, torch.ones_like(similarity)


def kl_loss(
    rows: Rows, components: Tensor, n_fixed: int, temperature: float, balance: float
) -> tuple[float, Tensor]:
    """Attraction to the rows of a center against log-sum-exp repulsion between components.

    Parameters
    ----------
    rows : Rows
        Pool of unit rows.
    components : tensor of shape (n_components, n_features)
    n_fixed : int
        How many of the components, the first ones, are not learned.
    temperature, balance : float

    Returns
    -------
    loss, gradient : float, tensor of shape (n_components - n_fixed, n_features)
    """
    attraction = sweep(rows, components, plain_cost)
    per_row = 1 / (rows.n_samples * temperature)
    loss = attraction.cost * per_row
    gradient = attraction.rows * -per_row
    if len(components) > 1:
        share = balance / len(components)
        for block, log_sums, softmax in _softmax_blocks(components, temperature, own=False):
            loss += share * float(log_sums.sum())
            gradient[block] += (share / temperature) * (softmax @ components)
            gradient += (share / temperature) * (softmax.T @ components[block])
    return loss, gradient[n_fixed:]


def contrastive_loss(
    rows: Rows, components: Tensor, n_fixed: int, temperature: float, balance: float
) -> tuple[float, Tensor]:
    """Each row tells its component from all components; parameters as for `kl_loss`.

    The gradient takes the other components for constants.
    """
    log_sums = torch.empty_like(components[:, 0])
    surroundings = torch.empty_like(components)
    for block, sums, softmax in _softmax_blocks(components, temperature, own=True):
        log_sums[block] = sums
        surroundings[block] = softmax @ components
    log_rivals = log_sums + (math.log(balance) if balance > 0 else -math.inf)

    def row_cost(similarity: Tensor, nearest: Tensor) -> tuple[Tensor, Tensor]:
        logits, rivals = similarity / temperature, log_rivals[nearest]
        total = torch.logaddexp(logits, rivals)
        return total - logits, (rivals - total).exp()

    total = sweep(rows, components, row_cost)
    gradient = (total.slopes[:, None] * surroundings - total.rows)[n_fixed:]
    return total.cost / rows.n_samples, gradient / (rows.n_samples * temperature)


LOSSES = {"kl": kl_loss, "contrastive": contrastive_loss}


def largest_similarity(rows: Rows, points: Tensor) -> Tensor:
    """Similarity of each row to the nearest of `points`, -1 where there are none."""
    largest = torch.full_like(rows.squared_norms(), -1.0)
    if len(points):
        for part, piece in rows.parts(len(points)):
            largest[part] = (piece.dense() @ points.T).amax(1)
    return largest


def most_similar(rows: Rows, centers: Tensor, available: Tensor) -> Tensor:
    """For each center the lowest of the available rows that tie as the most similar."""
    best = torch.full_like(centers[:, 0], -math.inf)
    for part, piece in rows.parts(len(centers)):
        similarity = piece.dense() @ centers.T
        similarity[~available[part]] = -math.inf
        best = torch.maximum(best, similarity.amax(0))
    found = torch.full_like(best, rows.n_samples, dtype=torch.int64)
    for part, piece in rows.parts(len(centers)):
        ties = piece.dense() @ centers.T >= best - RELATIVE_TOLERANCE
        ties &= available[part, None]
        lowest = part.start + ties.to(torch.uint8).argmax(0)
        found = torch.where(ties.any(0), torch.minimum(found, lowest), found)
    return found


def transport_cost(rows: Rows, representatives: Tensor) -> float:
    """Mean distance of the rows to the nearest representative."""
    squares = representatives.square().sum(1)
    distances = torch.empty_like(rows.squared_norms())
    for part, piece in rows.parts(len(representatives)):
        chunk = piece.dense()
        nearest = (squares - 2 * (chunk @ representatives.T)).argmin(1)
        distances[part] = (chunk - representatives[nearest]).norm(dim=1)
    return float(distances.mean())


def _softmax_blocks(
    components: Tensor, temperature: float, *, own: bool
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Log-sum-exp and softmax of the similarities between components, a block of rows at a time.

    Similarity to the component itself takes part only if `own`.
    """
    for block in gen_batches(len(components), _BLOCK):
        logits = components[block] @ components.T / temperature
        if not own:
            logits.diagonal(block.start).fill_(-math.inf)
        log_sums = logits.logsumexp(1)
        yield block, log_sums, logits.sub_(log_sums[:, None]).exp_()
