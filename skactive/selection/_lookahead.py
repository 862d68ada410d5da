"""Look-ahead selection: how would the model change if a row were labeled?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._validation import check_choice, check_number
from skactive.selection._kernel_ridge import KernelRidge
from skactive.selection._kernel_selector import KernelSelector
from skactive.selection._label_models import LabelModel, read_labels

__all__ = ["MLMOCSelector"]

_CRITERIA = ("output_change", "expected_output_change", "expected_error")


class LookAheadState(NamedTuple):
    """What one pick hands to the next."""

    ridge: KernelRidge  # the fit to the labeled rows and, if sequential, to the picks
    model: LabelModel
    candidates: NDArray[np.int64]
    reference: NDArray[np.int64]  # unlabeled rows; the first `n_reference` are summed over
    frozen_scores: Tensor | None  # (n_samples,) unless sequential


class MLMOCSelector(KernelSelector[LookAheadState]):
    r"""Pick the rows whose label would change the model most.

    Most likely model output change: for each candidate :math:`x'` pretend that its label
    :math:`y'` is the most likely one, refit, and sum the change over the unlabeled rows
    :math:`U`. The model is the kernel ridge regression of the labels (one-hot for classes) on
    the features, :math:`f_L(x) = \Theta_{xL} (\Theta_{LL} + \rho^2 I)^{-1} Y_L`, and one more
    row is a rank-one correction of it, so that no refit is needed:

    .. math::

        A(x') = \sum_{x \in U} \|f_{L \cup \{x'\}}(x) - f_L(x)\|_2
        = \frac{\|y' - f_L(x')\|_2}{c_{x'x'} + \rho^2} \sum_{x \in U} |c_{xx'}|

    with kernel :math:`\Theta`, label noise :math:`\rho^2` and posterior covariance
    :math:`c_{xx'} = \Theta_{xx'} - \Theta_{xL} (\Theta_{LL} + \rho^2 I)^{-1} \Theta_{Lx'}`.

    The labels decide what is learned: whole numbers, strings and booleans are classes,
    columns of 0 and 1 are independent labels (each likely where its output exceeds 0.5), and
    numbers among which one at least is no whole number are regression targets. A single class
    is enough. With nothing labeled :math:`f_L = 0`, and every criterion is the change that the
    first label makes, :math:`\sum_x |\Theta_{xx'}| / (\Theta_{x'x'} + \rho^2)`; a
    ``ColdStartWarning`` says so.

    Scoring costs O(n_candidates · n_reference · n_features) time, for "expected_error" with an
    additional O(n_candidates · n_reference · n_classes), in blocks that fit scikit-learn's
    ``working_memory``. It is done once, or before every pick if `sequential`. All arithmetic
    is float64, and near ties (1e-12 of the score) go to the lowest row number.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    kernel : {"cosine", "linear", "rbf", "precomputed"}, kernel object or callable, \
            default="cosine"
        The kernel :math:`\Theta`, see :mod:`skactive.kernels`.
    noise_ratio : float > 0, default=0.1
        Variance of the label noise, which is the ridge :math:`\rho^2`, relative to the mean
        prior variance of the pool.
    criterion : {"output_change", "expected_output_change", "expected_error"}, \
            default="output_change"
        What a candidate is worth.

        - "output_change": the change :math:`A(x')` by the most likely label. In regression
          this label is the prediction, which changes nothing, so the next criterion is meant.
        - "expected_output_change": the mean of that change over the labels. Their
          probabilities are the outputs :math:`f_L(x')` clipped to [0, 1] and normalised
          (uniform where all are 0). Independent labels: the root mean square, each column being
          1 with its clipped output as probability. Regression: a normal label of variance
          :math:`c_{x'x'} + \rho^2` in each output.
        - "expected_error": minus the expected share of wrong rows in :math:`U` after the
          label, :math:`\sum_{y'} p(y' \mid x') (1 - \max_c p^+(c \mid x))`, with :math:`p^+`
          the outputs after refitting, clipped and normalised likewise. Independent labels: the
          share of wrong entries. Regression: the fall of the summed variance,
          :math:`\sum_x c_{xx'}^2 / (c_{x'x'} + \rho^2)`. With a single class nothing can be
          wrong, and "output_change" is meant.
    sequential : bool, default=False
        If False, score once and take the best: of near-duplicates that score high, all are
        picked. If True, each pick joins the labeled rows with its most likely label (the
        prediction in regression) before the next, so that rows like it lose their worth.
    n_candidates : int or None, default=None
        Number of unlabeled rows drawn at random to be scored, at least the number of picks.
        None means all.
    n_reference : int or None, default=None
        Number of unlabeled rows drawn at random to be summed over; if `sequential`, other ones
        replace those that are picked. None means all.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
    verbose : bool, default=False
        Show a progress bar.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the order picked. The picks for a smaller budget are the first ones.
    scores_ : ndarray of shape (n_selected,)
        Score of each pick when it was made.
    noise_variance_ : float
        :math:`\rho^2` in squared units of the features.
    classes_ : ndarray of shape (n_classes,)
        The classes among the labels; only in classification with labeled rows.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the kernel between any rows and these.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.

    See Also
    --------
    VTLSelector : Greedy fall of the variance, which needs no labels.

    References
    ----------
    M. A. Mohamadi, W. Bae, D. J. Sutherland: Making Look-Ahead Active Learning Strategies
    Feasible with Neural Tangent Kernels. NeurIPS 2022.

    N. Roy, A. McCallum: Toward Optimal Active Learning through Sampling Estimation of Error
    Reduction. ICML 2001.

    Examples
    --------
    >>> from skactive import MLMOCSelector
    >>> X = [[1.0, 0.0], [0.0, 1.0], [0.7, 0.7], [0.7, 0.6], [-0.7, 0.7]]
    >>> y = ["cat", "dog", None, None, None]
    >>> MLMOCSelector(budget=2).fit(X, y, labeled=[0, 1]).indices_
    array([2, 3])
    >>> MLMOCSelector(budget=2, sequential=True).fit(X, y, labeled=[0, 1]).indices_
    array([2, 4])
    """

    _needs_labels = True

    def __init__(
        self,
        budget: int | float = 10,
        *,
        kernel: Any = "cosine",
        noise_ratio: float = 0.1,
        criterion: str = "output_change",
        sequential: bool = False,
        n_candidates: int | None = None,
        n_reference: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        verbose: bool = False,
    ) -> None:
        self.budget = budget
        self.kernel = kernel
        self.noise_ratio = noise_ratio
        self.criterion = criterion
        self.sequential = sequential
        self.n_candidates = n_candidates
        self.n_reference = n_reference
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, *, labeled: Any = None) -> Self:
        """Select rows of `X`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The pool; its Gram matrix (n_samples, n_samples) for ``kernel="precomputed"``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Labels, read at the `labeled` rows only; the other entries may hold anything.
        labeled : array-like, default=None
            Rows whose label is known, as a boolean mask of length n_samples or as unique
            positions. The model is fitted to them; they are never picked. Under
            cross-validation pass a mask: scikit-learn slices per-row arrays only.

        Returns
        -------
        self : object
            The fitted selector.
        """
        return self._fit(X, y, labeled=labeled)

    def _check_params(self) -> None:
        super()._check_params()
        check_choice(self.criterion, "criterion", _CRITERIA)
        for name in ("n_candidates", "n_reference"):
            value = getattr(self, name)
            if value is not None:
                hint = "None takes all unlabeled rows."
                check_number(value, name, minimum=1, strict=False, integer=True, hint=hint)

    def _select(self, pool: Pool) -> Selection:
        if self.n_candidates is None:
            return super()._select(pool)
        if self.n_candidates < pool.n_picks:
            raise ValueError(
                f"n_candidates == {self.n_candidates}, must be at least the {pool.n_picks} rows "
                "to pick. Raise it, lower budget, or pass None to score all unlabeled rows."
            )
        # The draw does not depend on the budget: the picks for a smaller one are the first ones.
        unlabeled = np.flatnonzero(pool.candidates.cpu().numpy())
        drawn = pool.random_state.permutation(unlabeled)[: self.n_candidates]
        candidates = torch.zeros_like(pool.candidates)
        candidates[torch.as_tensor(drawn)] = True
        return super()._select(replace(pool, candidates=candidates))

    def _start(self, pool: Pool) -> LookAheadState:
        view = self._kernel_pool(pool)
        self.noise_variance_ = view.noise_variance
        model = read_labels(pool.y_labeled, pool.labeled, pool.rows.device, type(self).__name__)
        if model.classes is not None:
            self.classes_ = model.classes
        reference = np.setdiff1d(np.arange(pool.rows.n_samples), pool.labeled)
        if self.n_reference is not None:
            reference = pool.random_state.permutation(reference)
        state = LookAheadState(
            ridge=KernelRidge(view, pool.labeled, model.targets, n_expected=pool.n_picks),
            model=model,
            candidates=np.flatnonzero(pool.candidates.cpu().numpy()),
            reference=reference,
            frozen_scores=None,
        )
        if self.sequential:
            return state
        return state._replace(frozen_scores=self._current_scores(state))

    def _condition(self, state: LookAheadState, labeled: NDArray[np.int64]) -> LookAheadState:
        return state  # `_start` has conditioned on all labeled rows at once

    def _score(self, state: LookAheadState) -> Tensor:
        if state.frozen_scores is not None:
            return state.frozen_scores
        return self._current_scores(state)

    def _step(self, state: LookAheadState, row: int) -> LookAheadState:
        if not self.sequential:
            return state
        outputs = state.ridge.outputs(np.array([row]))
        state.ridge.add(row, state.model.most_likely(outputs))
        return state._replace(
            candidates=state.candidates[state.candidates != row],
            reference=state.reference[state.reference != row],
        )

    def _finish(self, state: LookAheadState, selection: Selection) -> Selection:
        if self.criterion == "expected_error" and state.model.counts_accuracy:
            # Ties were judged on accuracies, which do not vanish as errors do.
            return replace(selection, scores=selection.scores - 1.0)
        return selection

    def _current_scores(self, state: LookAheadState) -> Tensor:
        score = self._benefits if self.criterion == "expected_error" else self._changes
        values = score(state, np.sort(state.reference[: self.n_reference]))
        scores = torch.full_like(state.ridge.variance, -torch.inf)
        scores[state.candidates] = values
        return scores

    def _changes(self, state: LookAheadState, reference: NDArray[np.int64]) -> Tensor:
        """Change of the outputs by the label of each candidate, summed over the reference."""
        ridge, candidates = state.ridge, state.candidates
        variance = ridge.variance[candidates] + self.noise_variance_
        outputs = ridge.outputs(candidates)
        expected = self.criterion == "expected_output_change"
        residual = state.model.expected_residual if expected else state.model.likely_residual
        sums = ridge.absolute_sums(candidates, reference)
        return residual(outputs, variance) / variance * sums

    def _benefits(self, state: LookAheadState, reference: NDArray[np.int64]) -> Tensor:
        """Accuracy over the reference after the label of each candidate, or what stands for it."""
        ridge, candidates = state.ridge, state.candidates
        variance = ridge.variance[candidates] + self.noise_variance_
        outputs = ridge.outputs(candidates)
        others = ridge.outputs(reference).T.contiguous().T  # read one column at a time
        benefits = torch.zeros_like(variance)
        for rows, columns, covariances in ridge.covariances(candidates, reference):
            weights = covariances / variance[rows, None]
            benefits[rows] += state.model.benefit(
                weights, variance[rows], outputs[rows], others[columns]
            )
        return benefits / len(reference) if state.model.counts_accuracy else benefits

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        subsamples = self.n_candidates is not None or self.n_reference is not None
        tags.non_deterministic = subsamples and self.random_state is None
        return tags
