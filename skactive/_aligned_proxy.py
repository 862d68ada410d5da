"""Selection on precomputed features that are updated once, when the labels say so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from skactive._alignment import Aligner, Verdict
from skactive._atomic import all_or_nothing
from skactive._labels import LabelBook
from skactive._proxy_rounds import ProxyRounds, make_rounds
from skactive._validation import check_choice, check_number
from skactive.finetuning._tuner import Tuner, as_inputs

__all__ = ["AlignedProxy"]


class AlignedProxy(ClassifierMixin, BaseEstimator):
    r"""Select with a cheap proxy on features of a pretrained network, and fine-tune it at the end.

    Standard active learning fine-tunes the network in every round. Selection via a proxy (SVPp)
    computes the features of the pool once, runs all rounds with a small model on them, and
    fine-tunes only when the labels are bought. That is cheap, but the features may stop telling
    samples apart that fine-tuning would. Aligned selection (ASVP) watches for it:

    1. Every `align_every` rounds a snapshot of the network is fine-tuned on the labels so far,
       and the evidence :func:`skactive.metrics.logme` of its features is compared with that of
       the pretrained ones.
    2. When the fine-tuned features win, the pool's features are computed anew with such a
       snapshot, once and for all: nothing is compared after that.
    3. The final network is trained on all labels from the pretrained weights: where the
       pretrained features were good to the end, by linear probing before fine-tuning
       (:class:`skactive.finetuning.LinearProbeFineTune`), which preserves them, else by
       fine-tuning alone.

    Parameters
    ----------
    network : skorch NeuralNetClassifier
        Net around a module instance that holds pretrained weights, with an output for every
        class; cloned. With few labels pass ``train_split=None``: skorch sets a fifth of them
        aside otherwise.
    proxy : classifier or None, default=None
        Model of the rounds, trained on the features; cloned. None means
        ``LogisticRegression(max_iter=1000)``.
    selector : selector, Pipeline ending in one, or None, default=None
        What picks rows by their features; cloned. None means ``ITLSelector()``.
    budget : int or float, default=100
        Labels to buy; a float in (0, 1] is the share of the rows. Labels passed as `labeled`
        do not count.
    batch_size : int or float, default=10
        Labels to buy in a round.
    align : {"auto", "always", "never"}, default="auto"
        "auto" compares; "always" switches to the fine-tuned features at the first comparison,
        whatever it says; "never" is plain selection via the proxy.
    align_every : int, default=2
        Rounds between comparisons. There is none after the last round.
    holdout : float in [0, 1), default=0.5
        Share of the labeled rows of each class, rounded down, that the snapshot does not see and
        by which the features are compared; if it wins, it is trained once more, on all of them.
        0 compares by the very rows it was trained on.
    head : str or None, default=None
        Name of the network's head, as in ``named_modules()``: the features are its input, and
        linear probing trains it first. None finds the last linear layer.
    probe_epochs : int, default=10
        Epochs of linear probing, in addition to the ``max_epochs`` of the net.
    classes : array-like or None, default=None
        All labels that can occur; None means those bought.
    random_state : int, RandomState instance or None, default=None
        Seeds the training of networks, the rows held out, and every ``random_state`` parameter
        of the parts that is None.
    verbose : bool, default=False
        Show a progress bar for each stretch of rounds.

    Attributes
    ----------
    network_ : skorch net
        The network trained on all labels; its classes are positions in ``classes_``.
    proxy_ : classifier
        The proxy of the last round.
    embedding_ : NetworkEmbedding
        What made the features it was trained on.
    aligned_ : bool
        Whether the features were updated.
    n_finetunings_ : int
        Trainings of the network, the last one included.
    labeled_indices_ : ndarray of shape (n_labeled,)
        Rows with a label: those owned first, then those bought, in the order bought.
    y_labeled_ : ndarray of shape (n_labeled,)
        Their labels.
    history_ : list of dict
        One entry a round: ``round`` (0 for the proxy on owned labels alone), ``indices`` (rows
        bought), ``selected_by``, ``n_labeled``, ``n_bought``, ``cost``, ``fitted`` and
        ``score`` of the proxy as in :class:`ActiveLearningLoop`; ``logme_pretrained`` and
        ``logme_finetuned`` (NaN without a comparison), ``aligned`` (whether the next round sees
        fine-tuned features), ``reason``, ``n_finetunings`` (so far); ``seconds_select``,
        ``seconds_oracle``, ``seconds_fit``, ``seconds_align``. While the labels are of one
        class and the proxy cannot be fitted to them, ``selected_by`` is empty and the first
        three times are NaN.
    n_rounds_ : int
        Rounds in which labels were bought.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Second axis of `X`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.

    Notes
    -----
    Fine-tuning pulls the classes of its own training rows apart, so by those rows, ``holdout=0``,
    the fine-tuned features nearly always win, useful or not. Rows held out have no such bias, but
    they are few and the snapshot has seen fewer: with two labels a class the comparison is little
    more than a guess. `align_every` says when the first one comes.

    Whatever ends ``fit`` early, an error of the oracle or Ctrl-C, carries the labels known so
    far as ``labeled_indices`` and ``y_labeled``.

    References
    ----------
    Z. Wen, O. Pizarro, S. B. Williams: Feature Alignment: Rethinking Efficient Active Learning
    via Proxy in the Context of Pre-trained Models. TMLR 2024.

    C. Coleman et al.: Selection via Proxy: Efficient Data Selection for Deep Learning. ICLR 2020.

    Examples
    --------
    >>> import torch
    >>> from skactive import AlignedProxy
    >>> from sklearn.datasets import load_digits
    >>> from skorch import NeuralNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> _ = torch.manual_seed(0)
    >>> module = torch.nn.Sequential(
    ...     torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    ... )  # think of it as pretrained
    >>> net = NeuralNetClassifier(
    ...     module,
    ...     criterion=torch.nn.CrossEntropyLoss,
    ...     optimizer=torch.optim.Adam,
    ...     max_epochs=30,
    ...     train_split=None,
    ...     verbose=0,
    ... )
    >>> model = AlignedProxy(net, budget=80, batch_size=20, random_state=0)
    >>> model.fit(X[:1000] / 16, y[:1000]).score(X[1000:] / 16, y[1000:]) > 0.7
    True
    >>> [entry["n_labeled"] for entry in model.history_]
    [20, 40, 60, 80]
    """

    def __init__(
        self,
        network: Any,
        proxy: Any = None,
        selector: Any = None,
        *,
        budget: int | float = 100,
        batch_size: int | float = 10,
        align: str = "auto",
        align_every: int = 2,
        holdout: float = 0.5,
        head: str | None = None,
        probe_epochs: int = 10,
        classes: Any = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.network = network
        self.proxy = proxy
        self.selector = selector
        self.budget = budget
        self.batch_size = batch_size
        self.align = align
        self.align_every = align_every
        self.holdout = holdout
        self.head = head
        self.probe_epochs = probe_epochs
        self.classes = classes
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        labeled: Any = None,
        oracle: Callable[[Any, NDArray[Any]], Any] | None = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Spend the budget and train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The pool: numbers, as the network reads them, in two or more dimensions.
        y : array-like of shape (n_samples,), default=None
            Labels. Without an oracle they answer its questions; with one, only those at
            `labeled` rows are read.
        labeled : array-like, default=None
            Rows whose label is owned already, as a mask or as positions.
        oracle : callable, default=None
            ``oracle(X_rows, indices) -> labels``, one label a row, in the order asked.
            `indices` are positions in `X`.
        X_val, y_val : array-like, default=None
            Held-out data for the proxy's ``history_[...]["score"]``.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._check_params()
        with all_or_nothing(self):
            inputs = validate_data(self, X, allow_nd=True)
            if X_val is not None:
                X_val = validate_data(self, X_val, allow_nd=True, reset=False)
            random_state = check_random_state(self.random_state)
            tuner = Tuner(self.network, random_state)
            rounds = make_rounds(self, X, y, labeled, oracle, random_state)
            aligner = Aligner(
                tuner,
                inputs,
                X_val,
                head=self.head,
                probe_epochs=self.probe_epochs,
                holdout=self.holdout,
                always=self.align == "always",
                random_state=random_state,
            )
            self._buy(aligner, y_val, rounds)
            book = rounds.book
            with book.kept_on_error():
                probe = None if aligner.aligned else aligner.probe
                self.network_ = tuner.tune(inputs[book.indices], self._codes(book), probe)
            self._publish(tuner, aligner, rounds)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Most likely classes by the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows as in ``fit``.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
        """
        likeliest = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[likeliest]
        return labels

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Class probabilities by the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows as in ``fit``.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; outputs of the network beyond these are left
            out, and the others sum to one.
        """
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, reset=False)
        proba: NDArray[Any] = self.network_.predict_proba(as_inputs(self.network_.module_, X))
        proba = proba[:, : len(self.classes_)]
        total = proba.sum(axis=1, keepdims=True)
        uniform = np.full_like(proba, 1 / len(self.classes_))
        np.divide(proba, total, out=uniform, where=total > 0)
        return uniform

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.non_deterministic = self.random_state is None
        return tags

    def _check_params(self) -> None:
        check_choice(self.align, "align", ("auto", "always", "never"))
        check_number(self.align_every, "align_every", minimum=1, strict=False, integer=True)
        check_number(self.holdout, "holdout", strict=False)
        if self.holdout >= 1:
            raise ValueError(
                f"holdout == {self.holdout!r}, must be a share in [0, 1). The snapshot is trained "
                "on the rest."
            )
        check_number(self.probe_epochs, "probe_epochs", strict=False, integer=True)

    def _buy(self, aligner: Aligner, y_val: Any, rounds: ProxyRounds) -> None:
        """Spend the budget, comparing features on the way."""
        book = rounds.book
        while not rounds.finished:
            compares = self.align != "never" and not aligner.aligned
            left = self.align_every - rounds.n_rounds % self.align_every
            entries = rounds.advance(aligner.features, y_val, left if compares else None)
            for entry in entries:
                entry.update(aligner.record(Verdict()), seconds_align=0.0)
            if compares and rounds.n_rounds % self.align_every == 0 and not rounds.finished:
                start = time.perf_counter()
                with book.kept_on_error():
                    verdict = aligner.compare(book.indices, self._codes(book))
                seconds = time.perf_counter() - start
                entries[-1].update(aligner.record(verdict), seconds_align=seconds)

    def _codes(self, book: LabelBook) -> NDArray[np.int64]:
        """Labels as positions among the classes."""
        labels = column_or_1d(book.labels)
        check_classification_targets(labels)
        self.classes_ = np.unique(labels if self.classes is None else np.asarray(self.classes))
        codes: NDArray[np.int64] = np.searchsorted(self.classes_, labels)
        return codes

    def _publish(self, tuner: Tuner, aligner: Aligner, rounds: ProxyRounds) -> None:
        self.proxy_ = rounds.model
        self.embedding_ = aligner.embedding
        self.aligned_ = aligner.aligned
        self.n_finetunings_ = tuner.n_finetunings
        self.labeled_indices_ = rounds.book.indices
        self.y_labeled_ = rounds.book.labels
        self.history_ = rounds.history
        self.n_rounds_ = rounds.n_rounds
