"""Leverage score sampling for regression, with rows that keep apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import BaseSelector, Pool, Selection
from skactive._memory import check_memory
from skactive._rows import Rows
from skactive._validation import check_choice, check_number
from skactive.selection._pivotal import inclusion_probabilities, pivotal_sample
from skactive.selection._split_tree import split_tree

__all__ = ["LeverageScoreSelector"]

# Directions of less than this share of the largest eigenvalue count as rounding.
_RANK_TOLERANCE = 1e-11
_MATRICES = 5  # of the width of the features that are held at once


class LeverageScoreSelector(BaseSelector):
    r"""Draw rows by their leverage scores, with neighbours that rarely both are drawn.

    A linear model can be fitted to few labels almost as well as to all if rows are drawn by
    their leverage scores,

    .. math:: \tau_i = x_i^\top (X^\top X + \alpha I)^+ x_i,

    which tell how much a row's own label moves the prediction there. Row i is drawn with
    probability :math:`\pi_i = \min(1, c \tau_i)`, where c makes these add up to the budget.
    Draws are not independent: rows compete two by two along a balanced binary tree over the
    pool, neighbours first (pivotal sampling). That keeps every :math:`\pi_i`, gives exactly the
    budget, and spreads the rows over the pool.

    Fit the model with `sample_weight_` = :math:`1 / \pi_i`: for a number :math:`z_i` known at the
    picks, :math:`\sum_{i \in S} z_i / \pi_i` is an unbiased estimate of its sum over all unlabeled
    rows, so that the weighted loss is one of the loss over all of them. Labeled rows are not
    drawn, and have weight 1 in that fit; the scores are those of the whole pool whatever is
    labeled. `X` is the design matrix: for a model with an intercept append a column of ones,
    for polynomials use :class:`sklearn.preprocessing.PolynomialFeatures`.

    Scores take O(n d² + d³) time and O(d²) memory, beside 160 bytes a row and chunks of a few
    MiB within scikit-learn's ``working_memory``. The tree takes O(n log² n) time for
    ``method="coordinate"``; for ``method="pca"`` O(n d² log(n / d) + n d²) more, blocks of 2 MiB
    for each thread, and eigenvectors of about 2 n / d matrices of d features.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    method : {"pca", "coordinate"}, default="pca"
        Along which direction the rows of a node are halved: their principal axis, or the
        features in turn. Here units matter: standardise features of different ones.
    alpha : float >= 0, default=0.0
        Penalty of a ridge regression, in squared units of the features. With 0 the scores do
        not depend on the units of the features, and features that are linear combinations of
        others, up to about 3e-6 of their size, change nothing.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute the scores; "auto" is the device of a tensor `X`, else CUDA where
        available. The tree is made on the CPU.
    network : skorch net, torch.nn.Module or None, default=None
        Network that turns the raw inputs `X` (images, texts as tokens, ...) into features, as in
        :class:`~skactive.embedding.NetworkEmbedding`; shorthand for a Pipeline with that step.
    embedding : str, transformer or None, default=None
        Which features: a `kind` of NetworkEmbedding, or any transformer. None means
        "last_layer" where there is a network. A kind without `network` takes the `estimator`
        handed to ``fit``: in an :class:`~skactive.ActiveLearningLoop` the model of the round
        before.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions, ascending: the rows are drawn as a set. Those for a smaller budget are
        others.
    scores_ : ndarray of shape (n_selected,)
        Leverage score of each pick, from 0 to 1.
    sample_weight_ : ndarray of shape (n_selected,)
        :math:`1 / \pi_i` of each pick.
    inclusion_probabilities_ : ndarray of shape (n_samples,)
        :math:`\pi_i` of every row; 0 for labeled rows.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the Euclidean distances to them.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only with `network` or `embedding`. ``transform`` and
        ``represent`` then take raw inputs, too.

    References
    ----------
    A. Shimizu, X. Cheng, C. Musco, J. Weare: Improved Active Learning via Dependent Leverage
    Score Sampling. ICLR 2024.

    J.-C. Deville, Y. Tillé: Unequal Probability Sampling without Replacement through a Splitting
    Method. Biometrika 85, 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skactive import LeverageScoreSelector
    >>> t = np.linspace(-1, 1, 201)
    >>> X = np.column_stack([np.ones(201), t, t**2])
    >>> y = 1 - 2 * t + 3 * t**2
    >>> selector = LeverageScoreSelector(budget=8, random_state=0).fit(X)
    >>> model = LinearRegression(fit_intercept=False)
    >>> rows, weights = selector.indices_, selector.sample_weight_
    >>> model.fit(X[rows], y[rows], sample_weight=weights).coef_.round(6)
    array([ 1., -2.,  3.])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        method: str = "pca",
        alpha: float = 0.0,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.method = method
        self.alpha = alpha
        self.random_state = random_state
        self.device = device
        self.network = network
        self.embedding = embedding

    def _check_params(self) -> None:
        check_choice(self.method, "method", ("pca", "coordinate"))
        check_number(self.alpha, "alpha", strict=False, hint="0 means no penalty.")

    def _accepts_sparse(self) -> bool:
        return True

    def _select(self, pool: Pool) -> Selection:
        scores = leverage_scores(pool.rows, float(self.alpha)).cpu().numpy()
        candidates = np.flatnonzero(pool.candidates.cpu().numpy())
        chances = np.zeros(pool.rows.n_samples)
        chances[candidates] = inclusion_probabilities(scores[candidates], pool.n_picks)
        undecided = np.flatnonzero((chances > 0) & (chances < 1))
        tree = split_tree(pool.rows, undecided, self.method)
        drawn = pivotal_sample(tree, chances, pool.random_state)
        picks: NDArray[np.int64] = np.union1d(np.flatnonzero(chances == 1), drawn)
        self.inclusion_probabilities_ = chances
        self.sample_weight_ = 1 / chances[picks]
        return Selection(picks, scores[picks])

    def _draws_at_random(self) -> bool:
        return True


def leverage_scores(rows: Rows, alpha: float) -> Tensor:
    """xᵀ (XᵀX + αI)⁺ x for every row x, of shape (n_samples,)."""
    check_memory(
        8.0 * _MATRICES * rows.n_features**2,
        rows.device,
        f"The inner products of {rows.n_features} features",
        "Reduce the features, for instance with sklearn.decomposition.PCA.",
    )
    gram = rows.gram()
    gram.diagonal().add_(alpha)
    if not bool(gram.isfinite().all()):
        raise ValueError(
            f"The squares of the features and alpha == {alpha!r} exceed the range of float64. "
            "Rescale the features, for instance with sklearn.preprocessing.StandardScaler."
        )
    # Features of unit norm: their units must not decide what counts as rounding.
    norms = gram.diagonal().sqrt()
    scale = torch.where(norms > 0, 1 / norms, 0.0)
    values, vectors = torch.linalg.eigh(scale[:, None] * gram * scale)
    kept = values > _RANK_TOLERANCE * values[-1]
    points = (vectors[:, kept] / values[kept].sqrt() * scale[:, None]).T
    return rows.image_squares(points).clamp_(max=1.0)
