"""Features of a network as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor
from torch.utils.data import Dataset

from skactive._atomic import all_or_nothing
from skactive._memory import check_memory
from skactive._validation import check_choice, check_number
from skactive.embedding._features import Features, make_features
from skactive.embedding._inputs import n_rows, refuse_missing, refuse_sparse, take_rows
from skactive.embedding._view import NetworkView, view_network

__all__ = ["NetworkEmbedding"]

_KINDS = ("last_layer", "logits", "loss_gradient", "ntk")
_EXAMPLES = 3  # rows by which shapes are found
_ERROR_ROWS = 256  # rows on which the error of a sketch is measured


class NetworkEmbedding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Turn raw inputs into features of a torch network.

    The network runs in evaluation mode and is left as it was: its weights, its training mode,
    its gradients, its buffers and torch's random state.

    Parameters
    ----------
    network : skorch net, torch.nn.Module, Pipeline ending in one, or None, default=None
        Where the features come from. A fitted skorch net goes into a
        :class:`~sklearn.frozen.FrozenEstimator`, since ``clone`` drops the weights of a net. A
        module is deep-copied by ``clone``. None means the `estimator` handed to ``fit``: an
        :class:`ActiveLearningLoop` hands over the model of the round before.
    kind : {"last_layer", "logits", "loss_gradient", "ntk"}, default="last_layer"
        Which features.

        - "last_layer": the input :math:`h(x)` of the last linear layer.
        - "logits": its result :math:`z(x)`, before any softmax.
        - "loss_gradient": the gradient of the cross-entropy at the predicted label
          :math:`\hat y` with respect to that layer's weights,
          :math:`(p(x) - e_{\hat y}) \otimes h(x)` [1]_. Uncertain rows have long gradients.
        - "ntk": the gradient of the summed outputs :math:`\sum_c f_c(x) / \sqrt{C}` with
          respect to all parameters. Their inner products are the pseudo neural tangent kernel
          [2]_.
    layer : str or None, default=None
        Name of the layer, as in ``named_modules()``; None finds the last linear one. For
        "last_layer" and "logits" it may be any module that is called once; tensors of more
        dimensions are flattened. Not for "ntk".
    parameters : list of str or None, default=None
        For "ntk": names of parameters, or of modules whose parameters are meant. None means
        all that require gradients.
    factored : bool, default=False
        For "loss_gradient": give the two factors side by side, ``[p - e, h]``, in place of
        their outer product. Use them with ``kernel=OuterProductKernel(n_outputs)``: inner
        products of gradients are :math:`\langle p - e, p' - e' \rangle \langle h, h' \rangle`.
    sketch_dim : int or None, default=None
        For "loss_gradient" and "ntk": project the gradients at random to this many features.
        Their inner products stay the same in expectation, with relative errors of about
        :math:`1 / \sqrt{sketch\_dim}`. None keeps all entries.
    batch_size : int or None, default=None
        Rows that pass through the network at a time; None takes what fits into scikit-learn's
        ``working_memory``, 512 at most.
    random_state : int, RandomState instance or None, default=None
        Seed of the projection.

    Attributes
    ----------
    network_ : object
        The network, not a copy of it.
    layer_ : str
        Name of the layer; not for "ntk".
    kernel_error_ : float
        Relative Frobenius error of the kernel matrix of up to 256 rows that the projection
        makes; only with `sketch_dim`.
    n_features_in_ : int
        Second axis of the arrays seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.

    Raises
    ------
    NotFittedError
        If there is no network, or it is a skorch net without weights.
    ValueError
        If the layer is not found (the names of all modules are listed), the network lies on
        several devices, its outputs or features are not finite or not one row a sample, or they
        depend on the other rows of the batch, as under batch statistics.

    References
    ----------
    .. [1] J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal: Deep Batch Active
       Learning by Diverse, Uncertain Gradient Lower Bounds. ICLR 2020.

    .. [2] M. A. Mohamadi, W. Bae, D. J. Sutherland: A Fast, Well-Founded Approximation to the
       Empirical Neural Tangent Kernel. ICML 2023.

    Examples
    --------
    >>> import torch
    >>> from skactive import CoreSetSelector
    >>> from skactive.embedding import NetworkEmbedding
    >>> from sklearn.pipeline import make_pipeline
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(
    ...     torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)
    ... )
    >>> images = torch.rand(100, 8, 8)
    >>> NetworkEmbedding(network).fit_transform(images).shape
    (100, 16)
    >>> pipe = make_pipeline(NetworkEmbedding(network, kind="ntk"), CoreSetSelector(budget=5))
    >>> len(pipe.fit(images)[-1].indices_)
    5
    """

    def __init__(
        self,
        network: Any = None,
        *,
        kind: str = "last_layer",
        layer: str | None = None,
        parameters: Sequence[str] | None = None,
        factored: bool = False,
        sketch_dim: int | None = None,
        batch_size: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.network = network
        self.kind = kind
        self.layer = layer
        self.parameters = parameters
        self.factored = factored
        self.sketch_dim = sketch_dim
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, estimator: Any = None) -> Self:
        """Find the layer and the shapes; nothing is trained.

        Parameters
        ----------
        X : array-like, tensor, dict of them, or Dataset, of length n_samples
            Raw inputs of any shape, as the network reads them. A dict gives the arguments of
            ``forward`` by name, and so does a frame whose columns are arguments of a skorch
            net's module. Steps of a Pipeline before the network get `X` as it is. Of a Dataset's
            pairs the second entry is left alone. Numbers become the floating-point type of the
            network; whole numbers stay as they are for skorch nets and for modules with
            embedding tables, booleans also in a dict.
        y : None
            Ignored.
        estimator : skorch net, module or Pipeline ending in one, default=None
            The network where `network` is None.

        Returns
        -------
        self : object
            The fitted embedding.
        """
        with all_or_nothing(self):
            self._check_params()
            view = view_network(self.network, estimator)
            X = self._prepared(view, X, reset=True)
            self.network_ = estimator if self.network is None else self.network
            self._seed = self._draw_seed()
            with view.untouched():
                features = self._features(view, X, self.layer)
                self._n_features_out = features.n_features
                if features.layer is not None:
                    self.layer_ = features.layer
                if self.sketch_dim is not None:
                    last, count = n_rows(X) - 1, min(n_rows(X), _ERROR_ROWS)
                    rows = np.linspace(0, last, count).astype(np.int64)
                    self.kernel_error_ = features.kernel_error(take_rows(X, rows))
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """Features of raw inputs.

        Parameters
        ----------
        X : array-like, tensor, dict of them, or Dataset, of length n_samples
            As in ``fit``.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features_out)
            In the floating-point type of the network; float32 for bfloat16, which NumPy does
            not have, and where gradients by the parameters of a float16 network are meant.
        """
        check_is_fitted(self)
        view = view_network(self.network_)
        X = self._prepared(view, X, reset=False)
        with view.untouched():
            features = self._features(view, X, getattr(self, "layer_", None))
            shape = n_rows(X), features.n_features
            check_memory(
                shape[0] * shape[1] * features.dtype.itemsize,
                torch.device("cpu"),
                f"The result of transform, {shape[0]} rows by {shape[1]} features,",
                "Set sketch_dim, or transform fewer rows at a time.",
            )
            return features.compute(X, self.batch_size)

    def _features(self, view: NetworkView, X: Any, layer: str | None) -> Features:
        example = take_rows(X, np.arange(min(n_rows(X), _EXAMPLES)))
        return make_features(
            view,
            example,
            self.kind,
            layer=layer,
            parameters=self.parameters,
            factored=self.factored,
            sketch_dim=self.sketch_dim,
            seed=self._seed,
        )

    def _draw_seed(self) -> int:
        """Of the projection; nothing is drawn where there is none."""
        if self.sketch_dim is None:
            return 0
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _check_params(self) -> None:
        check_choice(self.kind, "kind", _KINDS)
        for name, kinds in (
            ("layer", ("last_layer", "logits", "loss_gradient")),
            ("parameters", ("ntk",)),
            ("sketch_dim", ("loss_gradient", "ntk")),
            ("factored", ("loss_gradient",)),
        ):
            value = getattr(self, name)
            if value is not None and value is not False and self.kind not in kinds:
                raise ValueError(
                    f"{name} == {value!r} has no meaning for kind == {self.kind!r}, only for "
                    f"{', '.join(map(repr, kinds))}. Leave it out."
                )
        if self.factored and self.sketch_dim is not None:
            raise ValueError(
                "factored == True gives exact factors, which sketch_dim would project. Leave one "
                "of them out."
            )
        for name in ("sketch_dim", "batch_size"):
            if getattr(self, name) is not None:
                check_number(getattr(self, name), name, minimum=1, strict=False, integer=True)

    def _prepared(self, view: NetworkView, X: Any, *, reset: bool) -> Any:
        """Inputs of the network itself. What steps before it read is their business."""
        if view.reads_raw(X):
            if not isinstance(X, (Dataset, Mapping)):
                validate_data(self, X, reset=reset, skip_check_array=True)
            X = view.prepare(X)
        else:
            refuse_sparse(X)
            X = view.prepare(self._checked(X, reset=reset))
        if isinstance(X, np.ndarray):
            refuse_missing(X)
        return X

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """Arrays are checked as scikit-learn does; the rest is the network's business."""
        if isinstance(X, (Dataset, Mapping)):
            return X
        if isinstance(X, Tensor):
            if X.ndim < 2:
                raise ValueError(
                    f"Expected an array of at least two dimensions for X, got a tensor of shape "
                    f"{tuple(X.shape)}. Reshape it to (n_samples, ...)."
                )
            return validate_data(self, X, reset=reset, skip_check_array=True)
        return validate_data(self, X, reset=reset, allow_nd=True, ensure_all_finite=False)

    def _needs_model(self) -> bool:
        return self.network is None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        tags.non_deterministic = self.sketch_dim is not None and self.random_state is None
        return tags
