"""A batch drawn by the scores of single rows, in place of the rows with the best ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Tags

from skactive._base import Pool, Selection
from skactive._validation import check_choice, check_number
from skactive.selection._meta_selector import MetaSelector

__all__ = ["StochasticBatch"]

_MODES = ("power", "softmax", "softrank")


class StochasticBatch(MetaSelector):
    r"""Draw the rows of a batch with probabilities that follow from the scores of a selector.

    The best rows by a score that is computed once are often alike, and the score of a row says
    less once others are labeled. Instead, rows are drawn without replacement, each time with
    probabilities proportional to

    ============ =================================== =========================================
    `mode`       weight of a row                     fits scores that
    ============ =================================== =========================================
    "power"      :math:`s_i^\beta`                   are at least 0, and where 0 means that
                                                     nothing can be learned
    "softmax"    :math:`\exp(\beta s_i)`             are compared by differences; the
                                                     temperature is in units of the score
    "softrank"   :math:`r_i^{-\beta}`                are only an order
    ============ =================================== =========================================

    with :math:`s_i` the score of row i before any pick, :math:`r_i` its rank from the best one,
    which has rank 1, and :math:`\beta = 1 / T` the coldness of the paper, `T` being
    `temperature`. The draw takes the rows with the largest
    :math:`\log w_i + g_i`, where w are the weights and :math:`g_i` is Gumbel noise.

    Scores that differ by less than the rounding of the selector inside (1e-12 of the best score,
    more where a model of less precision is asked) count as equal, and equal scores share the
    average of their ranks: equal rows are drawn with the same probability. Rows of weight 0 come
    last, and so do rows that the selector inside would pick last, such as rows of zeros where
    directions are compared. Time and memory are those of scoring the candidates once with the
    selector inside, labeled rows being known, and of sorting them.

    Parameters
    ----------
    selector : selector
        What scores the rows: one that picks by scores of single rows, such as
        ``UncertaintySelector()``, ``MLMOCSelector()`` or ``CoreSetSelector()``. It is cloned.
    budget : int or float, default=10
        Rows to pick, in place of the budget of `selector`; a float in (0, 1] is the share of all
        rows.
    mode : {"power", "softmax", "softrank"}, default="power"
        How probabilities follow from scores, as above.
    temperature : float > 0, default=1.0
        :math:`1 / \beta`. Towards 0 the rows with the best scores are picked, best first;
        the larger, the closer the draw is to a uniform one.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw, and of what in `selector` has no seed.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the order drawn. The picks for a smaller budget are the first ones.
    scores_ : ndarray of shape (n_selected,)
        Score of each pick by `selector`, before any pick; zeros where that one draws at random
        for want of a model.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives what `selector` gives for such picks.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only where `selector` has a network or an embedding.

    Raises
    ------
    TypeError
        If `selector` does not score single rows.
    ValueError
        If ``mode="power"`` meets a negative score.

    See Also
    --------
    SubsamplePool : Candidates are drawn uniformly instead, and then picked by the best score.

    References
    ----------
    A. Kirsch, S. Farquhar, P. Atighehchian, A. Jesson, F. Branchaud-Charron, Y. Gal: Stochastic
    Batch Acquisition: A Simple Baseline for Deep Active Learning. TMLR 2023.

    Examples
    --------
    >>> from skactive import CoreSetSelector, StochasticBatch
    >>> X = [[0.0], [0.1], [2.0], [2.1], [9.0], [9.1]]
    >>> drawn = StochasticBatch(CoreSetSelector(), budget=2, random_state=0).fit(X, labeled=[0])
    >>> drawn.indices_, drawn.scores_  # the distances from row 0
    (array([5, 2]), array([9.1, 2. ]))
    >>> cold = StochasticBatch(CoreSetSelector(), budget=2, temperature=1e-3, random_state=0)
    >>> cold.fit(X, labeled=[0]).indices_
    array([5, 4])
    """

    def __init__(
        self,
        selector: Any,
        budget: int | float = 10,
        *,
        mode: str = "power",
        temperature: float = 1.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.selector = selector
        self.budget = budget
        self.mode = mode
        self.temperature = temperature
        self.random_state = random_state

    def _check_params(self) -> None:
        super()._check_params()
        check_choice(self.mode, "mode", _MODES)
        check_number(self.temperature, "temperature", hint="Try 1.0.")
        if not hasattr(self.selector, "_pool_scores"):
            raise TypeError(
                f"selector == {self.selector!r} gives no scores of single rows to draw from. Use "
                "one that does, for instance UncertaintySelector() or CoreSetSelector()."
            )

    def _has_prefix_property(self) -> bool:
        return True

    def _select(self, pool: Pool) -> Selection:
        seeds = [self._seed, pool.random_state.randint(np.iinfo(np.int32).max)]
        scorer: Any = self._selector
        tensor, tolerance = scorer._pool_scores(pool)
        preferred = tensor > -np.inf
        if self._uses_unit_norm():
            preferred &= pool.rows.squared_norms() > 0
        rows = np.flatnonzero(pool.candidates.cpu().numpy())
        scores = tensor.cpu().numpy()[rows]
        possible = preferred.cpu().numpy()[rows]
        levels = np.where(possible, level_scores(scores, tolerance), -np.inf)
        weights = np.full(len(rows), -np.inf)
        weights[possible] = self._log_weights(levels[possible], tolerance)
        noise = np.random.RandomState(seeds).gumbel(size=len(rows))
        order = gumbel_order(weights, levels, noise)[: pool.n_picks]
        return Selection(rows[order].astype(np.int64), scores[order])

    def _log_weights(self, scores: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
        """Logarithm of the weights, the largest of which is 1."""
        if len(scores) == 0:
            return scores
        if self.mode == "softrank":
            values = -np.log(average_ranks(scores))
        elif self.mode == "softmax":
            values = scores
        else:
            values = _logarithms(scores, tolerance, self.selector)
        best = values.max()
        if not np.isfinite(best):  # all weights are 0, or some infinite
            return np.where(values == best, 0.0, -np.inf)
        with np.errstate(over="ignore"):
            weights: NDArray[np.float64] = (values - best) / float(self.temperature)
        return weights

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        return tags


def level_scores(scores: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Scores within the tolerance of a larger one take its place, from the best one on."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends_level = falling[1:] < falling[:-1] - tolerance
    starts = np.flatnonzero(np.append(True, ends_level))
    ends = np.append(starts[1:], len(falling))
    limits, rising = falling - tolerance, -falling
    wide = falling[ends - 1] < limits[starts]
    for start, end in zip(starts[wide], ends[wide], strict=True):
        # Steps within the tolerance lead far away: each level ends where it is left.
        while start < end:
            stop = start + int(np.searchsorted(rising[start:end], -limits[start], side="right"))
            falling[start:stop] = falling[start]
            start = stop
    for_narrow = np.repeat(~wide, ends - starts)
    falling[for_narrow] = np.repeat(falling[starts], ends - starts)[for_narrow]
    levels = np.empty_like(falling)
    levels[order] = falling
    return levels


def average_ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1 for the largest score, equal scores sharing the average of theirs."""
    _, inverse, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks


def gumbel_order(
    log_weights: NDArray[np.float64], scores: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Rows in the order in which they are drawn without replacement.

    Rows of weight 0 follow by their scores, equal ones in the order of the noise.
    """
    order: NDArray[np.int64] = np.lexsort((-noise, -scores, -(log_weights + noise)))
    return order


def _logarithms(
    scores: NDArray[np.float64], tolerance: float, selector: Any
) -> NDArray[np.float64]:
    lowest = float(scores.min())
    if lowest < -tolerance:
        raise ValueError(
            f"mode == 'power' needs scores of at least 0; {selector!r} gives {lowest:g}. Use "
            "mode='softmax' or mode='softrank'; where nothing is labeled, label a few rows first."
        )
    values = np.full(len(scores), -np.inf)
    positive = scores > tolerance
    values[positive] = np.log(scores[positive])
    return values
