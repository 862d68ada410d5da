"""Look-ahead selection: how would the model change if a row were labeled?"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skactive._base import Pool
from skactive._validation import check_choice
from skactive.embedding import NetworkEmbedding
from skactive.embedding._view import view_network
from skactive.selection._kernel_selector import KernelPool
from skactive.selection._label_models import read_labels
from skactive.selection._linearized_network import LinearizedNetwork
from skactive.selection._lookahead_base import LookAheadSelector
from skactive.selection._lookahead_models import LookAheadModel, RidgeLookAhead

__all__ = ["MLMOCSelector"]


class MLMOCSelector(LookAheadSelector):
    r"""Pick the rows whose label would change the model most.

    Most likely model output change: for each candidate :math:`x'` pretend that its label
    :math:`y'` is the most likely one, train on it, and sum the change over the unlabeled rows
    :math:`U`. The change is known without training, for two kinds of models.

    **Kernel ridge regression on features** (`ntk` None): the labels (one-hot for classes) are
    fitted by :math:`f_L(x) = \Theta_{xL} (\Theta_{LL} + \rho^2 I)^{-1} Y_L`, and one more row is
    a rank-one correction:

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

    **A network** (`network`, or `ntk` in a loop): :math:`f` are its raw outputs as it was
    trained, :math:`\Theta` its tangent kernel, and training goes on with the squared loss in
    the network linearized around its weights, see :func:`~skactive.linearized_retrain`:

    .. math::

        A(x') = \sum_{x \in U} \|a_x + c_{xx'} (c_{x'x'} + \rho^2 I)^{-1}
        (y' - f(x') - a_{x'})\|_2, \quad
        a_x = \Theta_{xL} (\Theta_{LL} + \rho^2 I)^{-1} (Y_L - f(L))

    where :math:`a` is what labeled rows change that the network has not learned yet, or not
    wholly; 0 with nothing labeled. Classes are those of the network (the numbers 0 to
    C - 1 where it knows none), with one-hot targets for C outputs, -1 and 1 for a single logit,
    0 and 1 for a single probability. Columns of 0 and 1 are independent labels, with the targets
    of such single outputs. Regressors have their targets; so has a module with a single
    output, unless all labels are 0 or 1.

    Scoring costs O(n_candidates · n_reference) products of features, or of gradients, for
    "expected_error" with an additional O(n_candidates · n_reference · n_classes) (with a
    network and for both expectations, n_classes²), in blocks that fit scikit-learn's
    ``working_memory``. It is done once, or before every pick if `sequential`. All arithmetic
    is float64, and near ties (1e-12 of the score) go to the lowest row number. Gradients have
    the precision of the network, and scores that are as close as their rounding tie. Beside the
    blocks, a network needs memory for its kernel between labeled and other rows, if
    `sequential` between all these, with ``ntk="diagonal"`` n_outputs and with "full"
    n_outputs² numbers a pair.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    kernel : {"cosine", "linear", "rbf", "precomputed"}, kernel object or callable, \
            default="cosine"
        The kernel :math:`\Theta` of features, see :mod:`skactive.kernels`. With a network that
        is retrained it has a meaning for ``transform`` only.
    noise_ratio : float > 0, default=0.1
        Variance of the label noise, which is the ridge :math:`\rho^2`, relative to the mean
        prior variance :math:`\Theta_{xx}` of the pool (and of the outputs).
    criterion : {"output_change", "expected_output_change", "expected_error"}, \
            default="output_change"
        What a candidate is worth.

        - "output_change": the change :math:`A(x')` by the most likely label. In regression
          this label is the prediction, which changes nothing, so the next criterion is meant.
        - "expected_output_change": the mean of that change over the labels. Their
          probabilities are the outputs :math:`f_L(x')` clipped to [0, 1] and normalised
          (uniform where all are 0), or what the network makes of its outputs (softmax of
          logits). Independent labels: the root mean square, each column being 1 with its own
          probability. Regression: a normal label of variance :math:`c_{x'x'} + \rho^2` in each
          output; with a network the root mean square.
        - "expected_error": minus the expected share of wrong rows in :math:`U` after the
          label, :math:`\sum_{y'} p(y' \mid x') (1 - \max_c p^+(c \mid x))`, with :math:`p^+`
          the probabilities that the changed outputs give likewise. Independent labels: the
          share of wrong entries. Regression: the fall of the summed variance,
          :math:`\sum_x c_{xx'}^2 / (c_{x'x'} + \rho^2)`, in the mean of the outputs. With a
          single class nothing can be wrong, and "output_change" is meant.
    sequential : bool, default=False
        If False, score once and take the best: of near-duplicates that score high, all are
        picked. If True, each pick joins the labeled rows with its most likely label (the
        prediction in regression) before the next, so that rows like it lose their worth. The
        next change is measured against the model so trained.
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
    network : skorch net, torch.nn.Module or None, default=None
        The network that is retrained in thought, and reads the raw inputs `X`; a fitted skorch
        net goes into a FrozenEstimator, as in :class:`~skactive.embedding.NetworkEmbedding`.
        With `embedding` and without `ntk` it is but what makes the features.
    embedding : str, transformer or None, default=None
        Features of raw inputs: a `kind` of NetworkEmbedding, or any transformer. None means
        "last_layer" where there is a network. They are what ``transform`` and ``represent``
        compare, and what the kernel ridge regression fits.
    ntk : {"pntk", "diagonal", "full"} or None, default=None
        Tangent kernel of the network: between all outputs ("full"), between each output and
        itself ("diagonal"), or one for all of them, that of the summed outputs ("pntk", by far
        the fastest, but not for probabilities, whose sum is always 1). None means "pntk" where
        there is a `network` and no `embedding`, else features. Without `network` it is that of
        the `estimator` handed to ``fit``: in an :class:`~skactive.ActiveLearningLoop` the model
        of the round before.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the order picked. The picks for a smaller budget are the first ones.
    scores_ : ndarray of shape (n_selected,)
        Score of each pick when it was made.
    noise_variance_ : float
        :math:`\rho^2` in squared units of the features, or of the network's gradients.
    classes_ : ndarray of shape (n_classes,)
        The classes among the labels, only in classification with labeled rows; those of the
        network where there is one.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the kernel between any rows and these.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only with a network or an embedding. ``transform`` and
        ``represent`` then take raw inputs, too.

    See Also
    --------
    VTLSelector : Greedy fall of the variance, which needs no labels.
    linearized_retrain : What a network would say after more training.

    References
    ----------
    M. A. Mohamadi, W. Bae, D. J. Sutherland: Making Look-Ahead Active Learning Strategies
    Feasible with Neural Tangent Kernels. NeurIPS 2022.

    M. A. Mohamadi, W. Bae, D. J. Sutherland: A Fast, Well-Founded Approximation to the Empirical
    Neural Tangent Kernel. ICML 2023.

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

    With a network, which has classes 0 and 1 here:

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(2, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2)
    ... )
    >>> selector = MLMOCSelector(budget=2, network=network, sequential=True)
    >>> picks = selector.fit_select(X, [0, 1, -1, -1, -1], labeled=[0, 1])
    >>> len(picks), selector.classes_
    (2, array([0, 1]))
    """

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
        network: Any = None,
        embedding: Any = None,
        ntk: str | None = None,
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
        self.network = network
        self.embedding = embedding
        self.ntk = ntk

    def fit(self, X: Any, y: Any = None, *, labeled: Any = None, estimator: Any = None) -> Self:
        """Select rows of `X`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The pool; its Gram matrix (n_samples, n_samples) for ``kernel="precomputed"``;
            whatever the network reads where there is one.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Labels, read at the `labeled` rows only; the other entries may hold anything.
        labeled : array-like, default=None
            Rows whose label is known, as a boolean mask of length n_samples or as unique
            positions. The model is fitted to them, or has been; they are never picked. Under
            cross-validation pass a mask: scikit-learn slices per-row arrays only.
        estimator : skorch net, module or Pipeline ending in one, default=None
            The fitted model of the round before: the network of `ntk` or `embedding` where
            `network` is None, and not looked at otherwise.

        Returns
        -------
        self : object
            The fitted selector.
        """
        return self._fit(X, y, labeled=labeled, estimator=estimator)

    def _check_params(self) -> None:
        super()._check_params()
        if self.ntk is not None:
            check_choice(self.ntk, "ntk", ("pntk", "diagonal", "full"))

    def _make_model(self, pool: Pool, view: KernelPool, rows: NDArray[np.int64]) -> LookAheadModel:
        owner = type(self).__name__
        kind = self._tangent_kernel()
        if kind is None:
            labels = read_labels(pool.y_labeled, pool.labeled, pool.rows.device, owner)
            return RidgeLookAhead(view, pool.labeled, labels, n_expected=pool.n_picks)
        return LinearizedNetwork(
            view_network(self.network, pool.estimator, owner=owner),
            kind,
            pool.inputs,
            pool.y_labeled,
            pool.labeled,
            rows,
            float(self.noise_ratio),
            learns=self.sequential,
        )

    def _tangent_kernel(self) -> str | None:
        """The kernel of the network that is retrained in thought; None without one."""
        if self.ntk is None and self.network is not None and self.embedding is None:
            return "pntk"
        return self.ntk

    def _embed_pool(self, X: Any, X_target: Any, estimator: Any) -> tuple[Any, Any]:
        if self.ntk is None or self.network is not None or self.embedding is not None:
            return super()._embed_pool(X, X_target, estimator)
        self.embedding_ = NetworkEmbedding().fit(X, estimator=estimator)
        return self.embedding_.transform(X), X_target

    def _needs_model(self) -> bool:
        return super()._needs_model() or (self.network is None and self.ntk is not None)

    def _uses_unit_norm(self) -> bool:
        # The features of a network that is retrained decide nothing.
        return super()._uses_unit_norm() and self._tangent_kernel() is None
