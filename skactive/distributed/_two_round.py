"""Two rounds in place of one for each block: parts pick alone, the best of their picks are kept.

For k-center see G. Malkomes, M. Kusner, W. Chen, K. Weinberger, B. Moseley: Fast Distributed
k-Center Clustering with Outliers on Massive Data, NeurIPS 2015; for gains that only fall see
B. Mirzasoleiman, A. Karbasi, R. Sarkar, A. Krause: Distributed Submodular Maximization:
Identifying Representative Elements in Massive Data, NeurIPS 2013 (GreeDi).
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone

from skactive._rows import Rows
from skactive._ties import SCORE_TOLERANCE
from skactive.distributed._part import Part
from skactive.distributed._pool import PartitionedPool
from skactive.exceptions import ZeroNormWarning
from skactive.kernels import Kernel

# Times the mean prior variance of a part, that of the pool may be: beyond, rows of the part tell
# nothing, and a larger ratio could overflow.
_LARGEST_FACTOR = 1e12


class Noise(NamedTuple):
    """Variances that are given as shares of the mean prior variance of the pool."""

    kernel: Kernel
    scale: float  # that variance
    labels: float
    targets: float | None


class Alone(NamedTuple):
    """What every part needs to know to pick on its own."""

    selector: Any
    labeled: NDArray[Any]  # rows as they are stored
    targets: NDArray[Any] | None
    noise: Noise | None


class Picks(NamedTuple):
    """What one selection has picked."""

    rows: NDArray[np.int64]  # positions in the pool
    points: NDArray[Any]  # as they are stored
    scores: NDArray[np.float64]
    value: float | None  # of all picks together, where different pools can be compared


def pick_in_two_rounds(selector: Any, pool: PartitionedPool, noise: Noise | None = None) -> Picks:
    """Picks among those of the parts, or those of one part where they are better together."""
    parts = pool.parts
    labeled = parts.take(pool.labeled)
    targets = None if pool.targets is None else pool.targets.dense().numpy()
    seeds = np.zeros(len(parts) + 1, dtype=np.int64)
    if "random_state" in selector.get_params():
        seeds = pool.random_state.randint(2**31 - 1, size=len(seeds))
    sent = clone(selector).set_params(strategy="greedy", verbose=False)
    alone = Alone(sent, labeled, targets, noise)
    own = [(pool.n_picks, int(seed)) for seed in seeds[:-1]]
    first = parts.map(_pick_alone, alone, own)
    rows = np.concatenate([picks.rows for picks in first])
    points = np.concatenate([picks.points for picks in first])
    order = np.argsort(rows)
    best = _pick(alone, rows[order], points[order], pool.n_picks, int(seeds[-1]))
    for picks in first:
        if _is_better(picks, best):
            best = picks
    return best


def _is_better(picks: Picks, best: Picks) -> bool:
    if picks.value is None or best.value is None or len(picks.rows) < len(best.rows):
        return False
    return picks.value > best.value + SCORE_TOLERANCE * abs(best.value)


def _pick_alone(part: Part, message: Alone, own: tuple[int, int]) -> Picks:
    """What the part would pick if it were all of the pool."""
    rows = part.available.nonzero()[:, 0].cpu().numpy()
    points = part.raw(rows if len(rows) < part.n_samples else slice(None))
    return _pick(message, part.offset + rows, points, *own)


def _pick(
    message: Alone, rows: NDArray[np.int64], points: NDArray[Any], n_picks: int, seed: int
) -> Picks:
    """Pick some of the given rows, beside the labeled ones."""
    selector, labeled = clone(message.selector), message.labeled
    n_picks = min(n_picks, len(rows))
    if n_picks == 0:
        return Picks(rows, points, np.empty(0), None)
    X = np.concatenate([labeled, points]) if len(labeled) else points
    selector.set_params(budget=n_picks)
    if "random_state" in selector.get_params():
        selector.set_params(random_state=seed)
    if message.noise is not None:
        _set_noise(selector, message.noise, X)
    options = {} if message.targets is None else {"X_target": message.targets}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)  # said once, of the whole pool
        selector.fit(X, labeled=np.arange(len(labeled)), **options)
    picked = selector.indices_ - len(labeled)
    value = _value(selector, has_targets=message.targets is not None)
    return Picks(rows[picked], points[picked], selector.scores_, value)


def _set_noise(selector: Any, noise: Noise, X: NDArray[Any]) -> None:
    """The same variances, as shares of the mean prior variance of X."""
    prior = noise.kernel.diagonal(noise.kernel.prepare(Rows(X, torch.device("cpu"))))
    own = float(prior.mean())
    factor = min(noise.scale / (own if own > 0 else 1.0), _LARGEST_FACTOR)
    selector.set_params(noise_ratio=noise.labels * factor)
    if noise.targets is not None:
        selector.set_params(target_noise_ratio=noise.targets * factor)


def _value(selector: Any, *, has_targets: bool) -> float | None:
    """What the picks are worth together, if that can be said without the rest of the pool."""
    if not hasattr(selector, "information_gain_"):
        return None
    if not selector._tracks_reduction:
        return float(selector.information_gain_[-1])
    return -float(selector.target_variance_[-1]) if has_targets else None
