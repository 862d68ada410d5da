"""Pivotal sampling: a fixed number of rows with given chances, spread over a tree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skactive.selection._split_tree import SplitTree

# What is as close to 0 or 1 is decided: sums of chances are whole numbers but for rounding.
_DECIDED = 1e-10


def inclusion_probabilities(weights: NDArray[np.float64], n_picks: int) -> NDArray[np.float64]:
    """Chances min(1, c · weight) that add up to the number of picks.

    Parameters
    ----------
    weights : ndarray of shape (n_rows,)
        Not negative. Where fewer than `n_picks` are positive, rows of weight 0 share the rest.
    n_picks : int
        At most n_rows.
    """
    positive = weights > 0
    n_positive = int(positive.sum())
    if n_positive <= n_picks:
        rest = len(weights) - n_positive
        share = (n_picks - n_positive) / rest if rest else 0.0
        return np.where(positive, 1.0, share)
    largest = np.sort(weights)[::-1]
    remaining = np.cumsum(largest[::-1])[::-1][:n_picks]  # without the first k, for every k
    factors = (n_picks - np.arange(n_picks)) / remaining
    n_certain = int((factors * largest[:n_picks] <= 1 + _DECIDED).argmax())
    chances: NDArray[np.float64] = np.minimum(1.0, factors[n_certain] * weights)
    chances[chances >= 1 - _DECIDED] = 1.0
    return chances


def pivotal_sample(
    tree: SplitTree, chances: NDArray[np.float64], random_state: np.random.RandomState
) -> NDArray[np.int64]:
    """Rows drawn from the leaves, whose chances lie between 0 and 1 and add up to their number.

    From the leaves to the root, of the two rows that are still undecided below a node one is
    decided: with chances p and q, for p + q <= 1 one of them is out and the other goes on with
    p + q; else one is in and the other goes on with p + q - 1. Neighbours compete first, so
    that both are hardly ever in. One number is drawn for every node.

    Parameters
    ----------
    tree : SplitTree
    chances : ndarray of shape (n_samples,)
    random_state : RandomState

    Returns
    -------
    drawn : ndarray
        Ascending.
    """
    champions, chance = tree.order.copy(), chances[tree.order]
    drawn: list[NDArray[np.int64]] = []
    for begins, middles in reversed(tree.levels):
        luck = random_state.uniform(size=len(begins))
        first, second = champions[begins], champions[middles]
        p, q = chance[begins], chance[middles]
        both = p + q
        scarce = both <= 1
        # The first one goes on where chances are scarce, and is in where they are not; the two
        # formulas meet at p + q = 1.
        part = np.where(scarce, p, 1 - q) / np.where(scarce, np.maximum(both, _DECIDED), 2 - both)
        first_wins = luck < part
        winner, loser = np.where(first_wins, first, second), np.where(first_wins, second, first)
        champion, left = np.where(scarce, winner, loser), np.where(scarce, both, both - 1)
        certain = scarce & (left >= 1 - _DECIDED)
        drawn.extend([winner[~scarce], winner[certain]])
        left[certain | (left <= _DECIDED)] = 0.0
        champions[begins], chance[begins] = champion, left
    drawn.append(champions[:1][chance[:1] > 0.5])  # 0 or 1 but for rounding
    return np.sort(np.concatenate(drawn))
