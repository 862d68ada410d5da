"""The rows that point where the targets do: relevance without diversity."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from skactive._base import Pool, Selection
from skactive._landmarks import KernelLandmarks, Landmarks
from skactive._targeted import TargetedSelector
from skactive.kernels import resolve_kernel
from skactive.selection._scored_once import ScoredOnceSelector
from skactive.selection._weighted_sum import mean_direction

__all__ = ["CosineSimilaritySelector"]

# A mean of cosines adds up to 1 at most, whatever is left of it.
_ROUNDING = 1e-12


class CosineSimilaritySelector(TargetedSelector, ScoredOnceSelector):
    r"""Pick the rows most similar to the targets.

    Row :math:`x` scores its mean cosine similarity to the targets :math:`A`,

    .. math::

        \frac{1}{|A|} \sum_{a \in A} \frac{x^\top a}{\|x\| \, \|a\|},

    and the best rows are taken, however alike they are: the baseline of nearest neighbours that
    directed methods have to beat. Without targets the pool itself is meant. Labeled rows are not
    picked; otherwise they change nothing.

    For a single target the first pick is that of ITLSelector with a cosine kernel, unless a row
    points away from the target more than any other points towards it: signs count here.

    The mean of the targets' directions stands for all of them: O((n + m) d) time for m targets in
    one sweep over each, and 160 bytes of memory a row beside chunks of a few MiB.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
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
        Row positions, the most similar first. The picks for a smaller budget are the first ones.
        Similarities within 1e-12 tie, and go to the lowest row number.
    scores_ : ndarray of shape (n_selected,)
        Mean cosine similarity of each pick to the targets, from -1 to 1.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the cosine similarities of any rows to these.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only with `network` or `embedding`. ``transform`` and
        ``represent`` then take raw inputs, too.

    See Also
    --------
    CTLSelector : The same correlations, given what earlier picks and labeled rows tell.
    ITLSelector : Information about the targets.

    References
    ----------
    J. Hübotter, B. Sukhija, L. Treven, Y. As, A. Krause: Transductive Active Learning: Theory
    and Applications. NeurIPS 2024. (There a baseline.)

    Examples
    --------
    >>> from skactive import CosineSimilaritySelector
    >>> X = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.2]]
    >>> CosineSimilaritySelector(budget=2).fit(X, X_target=[[2.0, 0.2]]).indices_
    array([1, 0])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        device: Any = "auto",
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.device = device
        self.network = network
        self.embedding = embedding

    def _accepts_sparse(self) -> bool:
        return True

    def _uses_unit_norm(self) -> bool:
        return True

    def _scores_of_pool(self, pool: Pool) -> tuple[Tensor, float]:
        direction = mean_direction(pool.rows if pool.targets is None else pool.targets)
        return pool.rows.unit().matmul(direction[:, None])[:, 0], _ROUNDING

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return KernelLandmarks(resolve_kernel("cosine", pool.rows))

    def _draws_at_random(self) -> bool:
        return False
