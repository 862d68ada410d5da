"""The rule that suits the situation."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from skactive._base import BaseSelector, Pool, Selection
from skactive._landmarks import Landmarks
from skactive._targeted import TargetedSelector
from skactive._validation import check_number
from skactive.selection._facility_location import FacilityLocationSelector
from skactive.selection._itl import ITLSelector
from skactive.selection._kmeans import KMeansSelector
from skactive.selection._label_values import known_labels
from skactive.selection._uncertainty import UncertaintySelector

__all__ = ["AutoSelector"]

# Facility location compares all pairs of rows.
_MANY_ROWS = 20_000
# What any fit leaves behind: the rule has the same pool and the same picks.
_SHARED = (
    "indices_",
    "scores_",
    "components_",
    "n_samples_fit_",
    "n_features_in_",
    "feature_names_in_",
    "embedding_",
    "_landmarks",
    "_n_features_out",
)


class Choice(NamedTuple):
    """A rule, and why it is taken."""

    selector: BaseSelector
    reason: str


class AutoSelector(TargetedSelector):
    r"""Pick by the rule that suits what is known.

    The first of these that applies:

    ==================================================  ==================================
    situation                                           rule
    ==================================================  ==================================
    `X_target` is given                                 :class:`~skactive.ITLSelector`
    labels are classes, `labels_per_class` of them for  :class:`~skactive.UncertaintySelector`,
    each class on average                               smallest margin
    the pool has up to 20,000 rows                      :class:`~skactive.FacilityLocationSelector`
    else                                                :class:`~skactive.KMeansSelector`
    ==================================================  ==================================

    While labels are few, a model trained on them is a poor guide, and rows that represent the
    pool teach it most; once it knows the classes, rows between two of them do. The rules were
    chosen on four data sets and are judged on others, see ``benchmarks/LABELS.md``. Labels that
    are numbers, several to a row, or not given, count as none.

    Time and memory are those of the rule.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    labels_per_class : int >= 1, default=20
        Labels for each class, on average over the classes seen, from which on the model is
        asked.
    estimator : classifier or None, default=None
        The model. None means the one handed to ``fit``: in an
        :class:`~skactive.ActiveLearningLoop` that of the round before; without one, a logistic
        regression on standardised features is fitted to the labeled rows. A FrozenEstimator is
        asked as it is; any other estimator is cloned and fitted to the labeled rows.
    random_state : int, RandomState instance or None, default=None
        Seed of k-means, and of a model that is fitted here.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
    verbose : bool, default=False
        Show a progress bar, where the rule has one.
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
        Row positions in the order picked.
    scores_ : ndarray of shape (n_selected,)
        Score of each pick, by the rule.
    selector_ : selector
        The rule, fitted: what it knows besides is there.
    reason_ : str
        Why this one.
    components_ : ndarray of shape (n_selected, n_features)
        The selected rows; ``transform`` gives similarities or distances to them, as the rule
        does.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only with `network` or `embedding`. ``transform`` and
        ``represent`` then take raw inputs, too.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skactive import AutoSelector
    >>> X, y = load_digits(return_X_y=True)
    >>> first = AutoSelector(budget=200).fit(X)
    >>> first.reason_
    'Few labels (none): rows that represent the pool.'
    >>> more = AutoSelector(budget=10).fit(X, y, labeled=first.indices_)
    >>> type(more.selector_).__name__
    'UncertaintySelector'
    """

    _uses_labels = True

    def __init__(
        self,
        budget: int | float = 10,
        *,
        labels_per_class: int = 20,
        estimator: Any = None,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        verbose: bool = False,
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.labels_per_class = labels_per_class
        self.estimator = estimator
        self.random_state = random_state
        self.device = device
        self.verbose = verbose
        self.network = network
        self.embedding = embedding

    def _fit(self, X: Any, y: Any, **fit_params: Any) -> Self:
        super()._fit(X, y, **fit_params)
        for name in _SHARED:
            if hasattr(self, name):
                setattr(self.selector_, name, getattr(self, name))
        return self

    def _check_params(self) -> None:
        check_number(self.labels_per_class, "labels_per_class", minimum=1, strict=False)

    def _accepts_sparse(self) -> bool:
        return True

    def _uses_unit_norm(self) -> bool:
        return True  # as all rules that compare rows do

    def _select(self, pool: Pool) -> Selection:
        self.selector_, self.reason_ = self._choose(pool)
        return self.selector_._select(pool)

    def _choose(self, pool: Pool) -> Choice:
        if pool.targets is not None:
            rule = ITLSelector(self.budget, device=self.device, verbose=self.verbose)
            return Choice(rule, "Targets: rows that tell most about them.")
        n_labeled, n_classes = _count_labels(pool)
        if n_classes > 1 and n_labeled >= self.labels_per_class * n_classes:
            return Choice(
                UncertaintySelector(
                    self.budget,
                    criterion="margin",
                    estimator=self.estimator,
                    random_state=self.random_state,
                ),
                f"Many labels ({n_labeled} of {n_classes} classes): rows the model is unsure of.",
            )
        reason = f"Few labels ({n_labeled or 'none'}): rows that represent the pool."
        if pool.rows.n_samples <= _MANY_ROWS:
            rule = FacilityLocationSelector(self.budget, device=self.device, verbose=self.verbose)
            return Choice(rule, reason)
        return Choice(
            KMeansSelector(self.budget, random_state=self.random_state, device=self.device), reason
        )

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return self.selector_._make_landmarks(pool, selection)

    def _draws_at_random(self) -> bool:
        return True


def _count_labels(pool: Pool) -> tuple[int, int]:
    """Labeled rows whose class is known, and their classes."""
    if pool.y_labeled is None:
        return 0, 0
    values, kind = known_labels(pool.y_labeled, pool.labeled)
    return (len(values), len(np.unique(values))) if kind in ("binary", "multiclass") else (0, 0)
