"""BALD and BatchBALD: rows on whose labels the members of an ensemble disagree."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._greedy import GreedySelector
from skactive._ties import SCORE_TOLERANCE
from skactive._validation import check_choice, check_number
from skactive.selection._joint_labels import BatchInformation
from skactive.selection._member_table import (
    Answers,
    disagreement,
    member_table,
    precomputed_answers,
)
from skactive.selection._members import check_committee, pool_members
from skactive.selection._output_features import features_by_model
from skactive.selection._scored_once import OnceScored

__all__ = ["BALDSelector"]

# Scores that no pick changes, or those of batches.
BALDState = OnceScored | BatchInformation


class BALDSelector(GreedySelector[BALDState]):
    r"""Pick the rows whose labels tell most about which member of an ensemble is right.

    The members :math:`k = 1, \dots, K` of an ensemble stand for samples from the posterior of
    a model: each gives its own class probabilities :math:`p_k(y \mid x)`. The label of row
    :math:`x` has the mutual information with the member

    .. math::

        I(y; k \mid x) = H\Big(\frac1K \sum_k p_k(\cdot \mid x)\Big)
        - \frac1K \sum_k H\big(p_k(\cdot \mid x)\big),

    which is large where the members are sure and do not agree, and small where all of them
    are unsure (BALD). Near-duplicates have all the same score. So BatchBALD takes the
    labels :math:`y_A` of the rows picked so far into account, and picks the row of the largest

    .. math::

        I(y_A, y; k) - I(y_A; k) = \sum_{y_A} p(y_A)\,
        H\Big(\sum_k p(k \mid y_A)\, p_k(\cdot \mid x)\Big)
        - \frac1K \sum_k H\big(p_k(\cdot \mid x)\big).

    The sum runs over all configurations of labels that are possible while there are no more
    than `max_configurations`. After that so many are drawn, the same number from each member,
    and go on with labels drawn for each further pick.

    Costs of b picks from n rows with C classes, beside asking the members about every row:
    "top" O(n · K · C) time and O(n) memory. "greedy" O(b · n · K² · C) time and
    O(n · K · C) memory, and O(M · K · C) time for each row whose score is needed, with M
    configurations: those which might be best by a bound from K mixtures of configurations. They
    are few for the first ten picks or so, and then may be half of the pool: for long batches
    lower `max_configurations`, or see :class:`~skactive.SubsamplePool`. All is float64.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    strategy : {"greedy", "top"}, default="greedy"
        "greedy" is BatchBALD, "top" takes the best rows by BALD.
    estimator : classifier, list of classifiers, "precomputed" or None, default=None
        The ensemble: a random forest or extra trees, a BaggingClassifier, a soft
        VotingClassifier (without its weights), a skorch net with dropout modules, or a Pipeline,
        search or FrozenEstimator around one of these; or a list of classifiers. None means the
        one handed to ``fit``: in an :class:`~skactive.ActiveLearningLoop` that of the round
        before; without one, a random forest of `n_members` trees is fitted to the labeled rows.
        A FrozenEstimator is asked as it is; any other estimator is cloned and fitted to the
        labeled rows, and so are the classifiers of a list, which are either all frozen or none.
        With "precomputed", `X` itself holds probabilities, (n_samples, n_members, n_classes).
    n_members : int, default=20
        Dropout masks under which a net is asked, or trees of the forest fitted by default.
        Other ensembles have the members they have.
    max_configurations : int, default=10000
        Most configurations of labels of a batch; at least one for each member is drawn.
    random_state : int, RandomState instance or None, default=None
        Seed of the dropout masks, of the forest fitted by default, of configurations drawn, and
        of rows, where there is no model to ask: nothing, or but one class, is labeled. A
        ``ColdStartWarning`` says so.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
    verbose : bool, default=False
        Show a progress bar.
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
        Row positions in the order picked. The picks for a smaller budget are the first ones.
    scores_ : ndarray of shape (n_selected,)
        Information of the label of each pick when it was made, in nats; zeros where rows were
        drawn at random.
    information_gain_ : ndarray of shape (n_selected,)
        Joint information :math:`I(y_A; k)` of the labels of the picks so far, in nats; at most
        :math:`\log K`. Only of BatchBALD.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the Euclidean distances to them.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features, where `X` is not a matrix of numbers. ``transform`` and
        ``represent`` then take raw inputs, too.

    Notes
    -----
    A net is asked with one dropout mask for all rows at a time (consistent dropout), so each
    member is one network, and answers do not depend on batches. All other layers are in
    evaluation mode, and the net is left as it was. Dropout by ``torch.nn.functional``, and
    inside of recurrent and attention modules, stays off.

    A fitted model reads `X` as it was given. That may be texts, images, or a frame with words,
    also without `network` and `embedding`: the probabilities that the model gives are then the
    features which ``transform`` and ``represent`` compare.

    References
    ----------
    N. Houlsby, F. Huszár, Z. Ghahramani, M. Lengyel: Bayesian Active Learning for
    Classification and Preference Learning. arXiv:1112.5745, 2011.

    Y. Gal, R. Islam, Z. Ghahramani: Deep Bayesian Active Learning with Image Data. ICML 2017.

    A. Kirsch, J. van Amersfoort, Y. Gal: BatchBALD: Efficient and Diverse Batch Acquisition for
    Deep Bayesian Active Learning. NeurIPS 2019.

    Examples
    --------
    Two members that disagree on the first two rows, in the same way, and less on the third:

    >>> from skactive import BALDSelector
    >>> X = [
    ...     [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]],
    ...     [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]],
    ...     [[0.5, 0.5], [0.5, 0.5], [0.9, 0.1]],
    ... ]
    >>> BALDSelector(budget=2, estimator="precomputed", strategy="top").fit(X).indices_
    array([0, 1])

    With a random forest, fitted to four labeled rows:

    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X = [[-3.0], [-2.0], [-0.5], [0.4], [2.0], [3.0]]
    >>> y = ["left", "left", "?", "?", "right", "right"]
    >>> forest = RandomForestClassifier(50, random_state=0)
    >>> selector = BALDSelector(budget=2, estimator=forest).fit(X, y, labeled=[0, 1, 4, 5])
    >>> selector.indices_.tolist()
    [3, 2]
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        strategy: str = "greedy",
        estimator: Any = None,
        n_members: int = 20,
        max_configurations: int = 10_000,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        verbose: bool = False,
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.strategy = strategy
        self.estimator = estimator
        self.n_members = n_members
        self.max_configurations = max_configurations
        self.random_state = random_state
        self.device = device
        self.verbose = verbose
        self.network = network
        self.embedding = embedding

    @property
    def _needs_labels(self) -> bool:  # type: ignore[override]
        if isinstance(self.estimator, (list, tuple)):
            return not all(isinstance(member, FrozenEstimator) for member in self.estimator)
        return not (self._is_precomputed() or isinstance(self.estimator, FrozenEstimator))

    def _is_precomputed(self) -> bool:
        return isinstance(self.estimator, str)

    def _needs_model(self) -> bool:
        return super()._needs_model() or self.estimator is None

    def _accepts_sparse(self) -> bool:
        return True

    def _check_params(self) -> None:
        check_choice(self.strategy, "strategy", ("greedy", "top"))
        for name, minimum in (("n_members", 2), ("max_configurations", 1)):
            check_number(getattr(self, name), name, minimum=minimum, strict=False, integer=True)
        if self._is_precomputed():
            check_choice(self.estimator, "estimator", ("precomputed",))
        if isinstance(self.estimator, (list, tuple)):
            check_committee(self.estimator)

    # Inputs

    def _embed_pool(self, X: Any, X_target: Any, estimator: Any) -> tuple[Any, Any]:
        if self._is_precomputed() and self.network is None and self.embedding is None:
            return _flattened(X), X_target
        features = features_by_model(self, X, estimator)
        if features is not None:
            return features, X_target
        return super()._embed_pool(X, X_target, estimator)

    def _embedded(self, X: Any) -> Any:
        features = super()._embedded(X)
        return _flattened(features) if self._is_precomputed() else features

    def _answers(self, pool: Pool, seed: int) -> Answers | None:
        """What all members say about all rows."""
        if self._is_precomputed():
            return precomputed_answers(pool)
        owner = type(self).__name__
        members = pool_members(self.estimator, pool, owner, int(self.n_members), seed)
        return None if members is None else members.probabilities()

    # The method

    def _start(self, pool: Pool) -> BALDState:
        n_samples, device = pool.rows.n_samples, pool.rows.device
        seeds = pool.random_state.randint(np.iinfo(np.int32).max, size=2)
        answers = self._answers(pool, int(seeds[0]))
        if answers is None:
            return OnceScored.at_random(pool)
        if self.strategy == "top":
            return OnceScored(*disagreement(answers, n_samples, device), drawn=False)
        table = member_table(answers, n_samples, device)
        limit = int(self.max_configurations)
        return BatchInformation.before_any_pick(table, limit, int(seeds[1]))

    def _condition(self, state: BALDState, labeled: NDArray[np.int64]) -> BALDState:
        return state  # the members have learned from the labeled rows

    def _score(self, state: BALDState) -> Tensor:
        return state.scores

    def _upper(self, state: BALDState) -> Tensor:
        return state.upper_scores

    def _score_floor(self, state: BALDState, first_score: float) -> float:
        return max(abs(first_score), state.rounding / SCORE_TOLERANCE)

    def _step(self, state: BALDState, row: int) -> BALDState:
        return state.add(row)

    def _restrict(self, state: BALDState, rows: NDArray[np.int64]) -> BALDState:
        return state.restrict(rows)

    def _scores_only_fall(self) -> bool:
        return bool(self.strategy == "top")

    def _block_size(self, state: BALDState) -> int:
        return self._shortlist_size(state) if isinstance(state, OnceScored) else 1

    def _shortlist_size(self, state: BALDState) -> int:
        return 512 if isinstance(state, OnceScored) else 64

    def _reported(self, state: BALDState, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return state.reported(scores) if isinstance(state, OnceScored) else scores

    def _finish(self, state: BALDState, selection: Selection) -> Selection:
        if isinstance(state, BatchInformation):
            self.information_gain_ = np.array(state.gained)
        return selection

    def _draws_at_random(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array |= self._is_precomputed()
        return tags


def _flattened(X: Any) -> Any:
    """The numbers of each row in a line."""
    if not hasattr(X, "shape"):
        X = np.asarray(X)
    return X.reshape(len(X), -1) if X.ndim > 2 else X
