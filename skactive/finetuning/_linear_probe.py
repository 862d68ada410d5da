"""Linear probing, then fine-tuning."""

from __future__ import annotations

from typing import Any, Self

from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import nn

from skactive._validation import check_number
from skactive.finetuning._probing import Probing

__all__ = ["LinearProbeFineTune"]


class LinearProbeFineTune(Callback):
    """Train the head of a pretrained network first, then all of it (LP-FT).

    The gradients of a head that knows nothing yet distort pretrained features before the head
    has learned to use them. So for `probe_epochs` only the head learns: all other parameters
    are held still, and all other modules run in evaluation mode, so that BatchNorm statistics
    stay and Dropout is off. Then the remaining epochs train everything.

    This is a skorch callback, so the net remains a skorch net: it goes as it is into an
    :class:`ActiveLearningLoop`, a Pipeline or an embedding, and the parameters here are grid
    keys such as ``estimator__callbacks__probe__probe_epochs`` for
    ``callbacks=[("probe", LinearProbeFineTune())]``.

    Parameters
    ----------
    probe_epochs : int, default=10
        Epochs in which only the head learns, out of the ``max_epochs`` of the net; where these
        are no more, nothing is fine-tuned. 0 is plain fine-tuning. ``partial_fit`` and
        ``warm_start`` go on counting, they do not probe again.
    head : str or None, default=None
        Name of the head as in ``named_modules()``; None is the :class:`torch.nn.Linear` that
        was defined last.
    probe_lr : float or None, default=None
        Learning rate of those epochs; None is the net's own ``lr``, which fine-tuning has. It
        overrides learning-rate schedulers; do not combine it with one that steps after each batch.

    Attributes
    ----------
    head_ : str
        Name of the head.

    Raises
    ------
    ValueError
        When training begins: if there is no such head (the names of all modules are listed), or
        it has nothing to learn.

    Notes
    -----
    Fine-tuning starts from the weights in ``net.module``: pass the pretrained module itself,
    ``NeuralNetClassifier(module)``, without ``module__...`` parameters, for which skorch would
    make a new one. Mind that skorch trains this very instance, not a copy, so that a second
    ``fit`` begins where the first one ended. ``sklearn.base.clone`` copies the module with its
    weights; everything that clones the net, such as :class:`ActiveLearningLoop` in each round
    or a grid search, therefore does start from the pretrained weights each time. Do the same by
    hand: ``clone(net).fit(X, y)``.

    skorch sets a fifth of the labels aside unless ``train_split=None``. An EarlyStopping
    callback counts the epochs of the probe too.

    References
    ----------
    A. Kumar, A. Raghunathan, R. Jones, T. Ma, P. Liang: Fine-Tuning can Distort Pretrained
    Features and Underperform Out-of-Distribution. ICLR 2022.

    Examples
    --------
    >>> import torch
    >>> from skactive.finetuning import LinearProbeFineTune
    >>> from sklearn.base import clone
    >>> from skorch import NeuralNetClassifier
    >>> _ = torch.manual_seed(0)
    >>> pretrained = torch.nn.Sequential(
    ...     torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)
    ... )
    >>> net = NeuralNetClassifier(
    ...     pretrained,
    ...     criterion=torch.nn.CrossEntropyLoss,
    ...     max_epochs=6,
    ...     train_split=None,
    ...     verbose=0,
    ...     callbacks=[("probe", LinearProbeFineTune(probe_epochs=4))],
    ... )
    >>> X, y = torch.rand(20, 4), torch.arange(20) % 2
    >>> probed = clone(net).set_params(max_epochs=4).fit(X, y)
    >>> torch.equal(probed.module_[0].weight, pretrained[0].weight)
    True
    >>> tuned = clone(net).fit(X, y)
    >>> torch.equal(tuned.module_[0].weight, pretrained[0].weight)
    False
    """

    def __init__(
        self,
        probe_epochs: int = 10,
        *,
        head: str | None = None,
        probe_lr: float | None = None,
    ) -> None:
        self.probe_epochs = probe_epochs
        self.head = head
        self.probe_lr = probe_lr

    def initialize(self) -> Self:
        self.lrs_: list[float] = []  # of an optimizer that is gone now
        return self

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        check_number(self.probe_epochs, "probe_epochs", strict=False, integer=True)
        if self.probe_lr is not None:
            check_number(self.probe_lr, "probe_lr", hint="None is the net's own lr.")
        self._end_probe(net)
        self.head_ = self._find_head(net.module_)
        self.probing_ = Probing(net.module_, net.module_.get_submodule(self.head_))

    def on_batch_begin(
        self, net: NeuralNet, batch: Any = None, training: Any = None, **kwargs: Any
    ) -> None:
        if training and len(net.history) <= self.probe_epochs:
            self._set_lrs(net)
            self.probing_.armed = True

    def on_grad_computed(
        self,
        net: NeuralNet,
        named_parameters: Any,
        X: Any = None,
        y: Any = None,
        training: Any = None,
        **kwargs: Any,
    ) -> None:
        # Optimizers such as LBFGS go through the network more than once a batch.
        self.probing_.armed = bool(training) and len(net.history) <= self.probe_epochs

    def on_batch_end(
        self, net: NeuralNet, batch: Any = None, training: Any = None, **kwargs: Any
    ) -> None:
        self.probing_.armed = False
        self._restore_lrs(net)

    def on_train_end(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        self._end_probe(net)

    def _end_probe(self, net: NeuralNet) -> None:
        self._restore_lrs(net)
        if hasattr(self, "probing_"):
            self.probing_.remove()
            del self.probing_

    def _set_lrs(self, net: NeuralNet) -> None:
        if self.probe_lr is None:
            return
        self.lrs_ = [group["lr"] for group in net.optimizer_.param_groups]
        for group in net.optimizer_.param_groups:
            group["lr"] = self.probe_lr

    def _restore_lrs(self, net: NeuralNet) -> None:
        """Put the learning rates back; after an exception this happens when training goes on."""
        groups = net.optimizer_.param_groups
        for group, lr in zip(groups, self.lrs_, strict=False):
            group["lr"] = lr
        self.lrs_ = []

    def _find_head(self, module: nn.Module) -> str:
        modules = {name: inner for name, inner in module.named_modules() if name}
        names = ", ".join(map(repr, modules)) or "it has no modules inside"
        name = self.head
        if name is None:
            linear = [key for key, inner in modules.items() if isinstance(inner, nn.Linear)]
            if not linear:
                raise ValueError(
                    "head == None, but the network has no torch.nn.Linear inside. Name the module "
                    f"that is trained first: {names}."
                )
            name = linear[-1]
        if name not in modules:
            raise ValueError(
                f"head == {name!r}, must be None or the name of a module of the network: {names}."
            )
        if not any(parameter.requires_grad for parameter in modules[name].parameters()):
            raise ValueError(
                f"head == {name!r} has no parameters that require gradients, so probing would "
                f"learn nothing. Name another module: {names}."
            )
        return name
