"""The best rows of a pool in parts, where every row has a score of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._rows import Rows
from skactive._ties import SCORE_TOLERANCE
from skactive.distributed._part import Part
from skactive.distributed._pool import PartitionedPool
from skactive.selection._scored_once import ScoredOnceSelector

# Of a part: the score of each of its rows, and by how much it may be off.
Scorer = Callable[[Part], tuple[Tensor, float]]


def select_by_scores(pool: PartitionedPool, score: Scorer) -> Selection:
    """The picks of a `ScoredOnceSelector`, in two calls: the second one reads no rows.

    Each part reports the scores of its best rows, and then the rows near those that count.

    Parameters
    ----------
    pool : PartitionedPool
    score : callable
        Sent to the workers once.
    """
    heads = pool.parts.map(score_rows, _Question(score, pool.n_picks))
    best = np.sort(np.concatenate([head.best for head in heads]))[::-1]
    rounding = max(head.rounding for head in heads)
    # No pick is farther below the last of the best scores than what makes a tie.
    margin = max(rounding, SCORE_TOLERANCE * float(np.abs(best[[0, -1]]).max()))
    limit = float(best[pool.n_picks - 1]) - 2 * margin
    lists = pool.parts.map(list_rows, _Limit(limit, pool.n_picks), reads=False)
    rows = np.concatenate([listed.rows for listed in lists])
    scores = torch.from_numpy(np.concatenate([listed.scores for listed in lists]))
    selection = _Merged(scores, rounding).best(pool)
    return Selection(rows[selection.indices], selection.scores)


def select_at_random(pool: PartitionedPool) -> Selection:
    """The rows that `OnceScored.at_random` puts first; takes 8 bytes for each row of the pool."""
    order = pool.random_state.permutation(pool.parts.n_samples)
    order[pool.labeled] = -1
    best = np.argpartition(order, -pool.n_picks)[-pool.n_picks :]
    best = best[np.argsort(-order[best])]
    return Selection(best.astype(np.int64), np.zeros(pool.n_picks))


class _Question(NamedTuple):
    score: Scorer
    n_picks: int


class _Head(NamedTuple):
    """What is best in a part."""

    best: NDArray[np.float64]  # scores, one for each pick where there are so many rows
    rounding: float


def score_rows(part: Part, message: _Question, own: None) -> _Head:
    """Score all rows, and report the scores of the best."""
    scores, rounding = message.score(part)
    part.state = scores.cpu().numpy()
    left = part.state[part.available.cpu().numpy()]
    if message.n_picks < len(left):
        left = np.partition(left, -message.n_picks)[-message.n_picks :]
    return _Head(left, rounding)


class _Limit(NamedTuple):
    score: float
    n_picks: int


class _Listed(NamedTuple):
    rows: NDArray[np.int64]  # positions in the pool, ascending
    scores: NDArray[np.float64]


def list_rows(part: Part, message: _Limit, own: None) -> _Listed:
    """Rows of at least such a score; of equal ones no more than there are picks."""
    rows = np.flatnonzero(part.available.cpu().numpy() & (part.state >= message.score))
    scores = part.state[rows]
    if len(rows) > message.n_picks:
        order = np.argsort(scores, kind="stable")
        _, first, counts = np.unique(scores[order], return_index=True, return_counts=True)
        ranks = np.arange(len(rows)) - np.repeat(first, counts)
        kept = np.sort(order[ranks < message.n_picks])
        rows, scores = rows[kept], scores[kept]
    return _Listed(part.offset + rows, scores)


@final
class _Merged(ScoredOnceSelector):
    """Picks among the rows that parts have listed, by the rule for rows in memory.

    Parameters
    ----------
    scores : tensor of shape (n_listed,)
    rounding : float
    """

    def __init__(self, scores: Tensor, rounding: float) -> None:
        self.scores = scores
        self.rounding = rounding

    def best(self, pool: PartitionedPool) -> Selection:
        """Positions among the listed rows, and their scores."""
        n_listed = len(self.scores)
        return self._select(
            Pool(
                rows=Rows(np.empty((n_listed, 0)), torch.device("cpu")),  # of which none is read
                labeled=np.empty(0, dtype=np.int64),
                y_labeled=None,
                targets=None,
                estimator=None,
                inputs=None,
                candidates=torch.ones(n_listed, dtype=torch.bool),
                n_picks=pool.n_picks,
                random_state=pool.random_state,
            )
        )

    def _scores_of_pool(self, pool: Pool) -> tuple[Tensor, float]:
        return self.scores, self.rounding
