"""A selector behind torch's DataLoader: the next useful batch of a network in training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from torch.utils.data import Sampler

from skactive._dataset import LabeledInputs
from skactive._labels import LabelBook
from skactive._query import Context, Query, check_is_selector
from skactive._shorthand import needs_model
from skactive._supervision import requires_labels
from skactive._validation import check_choice, check_number
from skactive.embedding._network_embedding import _KINDS, NetworkEmbedding
from skactive.embedding._view import view_network
from skactive.selection._coreset import CoreSetSelector

__all__ = ["ActiveBatchSampler"]


class ActiveBatchSampler(Sampler[list[int]]):
    r"""Batches that a selector picks with the network as it is at that moment.

    For training loops written by hand: passed to a DataLoader as `batch_sampler`, it decides
    which rows each step trains on. A step draws candidates among the rows not yet used in this
    pass, computes their features with the network's present weights, and lets the selector
    pick a batch; rows used shortly before are its `labeled` ones. Each row comes at most once
    a pass.

    The network is run in evaluation mode and left as it was: training mode, gradients, buffers
    and random state. A step costs a forward pass over
    :math:`n_{\mathrm{candidates}} + n_{\mathrm{context}}` rows and one ``fit`` of the selector.

    Parameters
    ----------
    dataset : Dataset, Tensor or ndarray
        What the DataLoader reads. An item of a map-style Dataset is an input or a tuple that
        begins with an input and its label.
    selector : selector or Pipeline ending in one
        What picks the rows; clones of it are fitted, with `batch_size` as their budget. One
        that learns from labels gets those of the rows used before; the first batch of a pass,
        before which there are none, is picked by :class:`CoreSetSelector`. One with an
        `embedding`, or a Pipeline with a NetworkEmbedding, that names no network takes
        `network` and reads the inputs themselves.
    batch_size : int, default=32
        Rows of a batch.
    network : nn.Module, fitted skorch net or None, default=None
        The network in training, never copied. None means that the selector works on the inputs
        themselves, each flattened to a row of numbers.
    embedding : {"last_layer", "logits", "loss_gradient", "ntk"}, default="last_layer"
        Features of `network` that the selector gets, as for
        :class:`skactive.embedding.NetworkEmbedding`. For its other parameters begin a Pipeline
        with one.
    n_candidates : int or None, default=None
        Rows drawn at random for a step, at least `batch_size`; None means all that remain,
        which costs a pass over the whole dataset for each batch. Ten times `batch_size` is
        common.
    n_context : int or None, default=256
        How many of the rows used last in this pass the selector knows as labeled; None means
        all of them.
    n_batches : int or None, default=None
        Batches of a pass at most; None goes through the whole dataset.
    drop_last : bool, default=False
        Leave out the last batch where it is smaller than `batch_size`.
    random_state : int, RandomState instance or None, default=None
        Seeds the draws, and every ``random_state`` of the selector that is None. Passes differ
        from each other; the same seed gives the same passes.

    Raises
    ------
    TypeError
        If `dataset` has no positions (an IterableDataset), or `selector` or `network` is none.
    ValueError
        If a number is out of range, or the selector learns from labels and `dataset` has none.

    Notes
    -----
    With ``num_workers=0`` a DataLoader asks for a batch when the training loop does. Workers
    load ahead: batches are then picked up to ``num_workers * prefetch_factor`` steps before
    they are used, with the weights of that time. The features are computed in the main process
    in any case, on items read anew: where a Dataset augments at random, they are those of
    other views than the step trains on.

    See Also
    --------
    ActiveLearningLoop : Buys labels and retrains.
    SelectionSampler : Selects rows once, inside a Pipeline.

    References
    ----------
    S. Mindermann et al.: Prioritized Training on Points that are Learnable, Worth Learning, and
    Not Yet Learnt. ICML 2022 (drawing a large batch of candidates for each small one).

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> from skactive import ActiveBatchSampler, CoreSetSelector
    >>> X = torch.tensor([[0.0], [1.0], [5.0], [7.0], [9.0]])
    >>> dataset = TensorDataset(X, 2 * X)
    >>> list(ActiveBatchSampler(dataset, CoreSetSelector(), batch_size=2))
    [[2, 0], [4, 3], [1]]

    With a network, in a training loop:

    >>> network = torch.nn.Sequential(torch.nn.Linear(1, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    >>> optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    >>> sampler = ActiveBatchSampler(dataset, CoreSetSelector(), batch_size=2, network=network)
    >>> for X_batch, y_batch in DataLoader(dataset, batch_sampler=sampler):
    ...     loss = torch.nn.functional.mse_loss(network(X_batch), y_batch)
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    """

    def __init__(
        self,
        dataset: Any,
        selector: Any,
        batch_size: int = 32,
        *,
        network: Any = None,
        embedding: str = "last_layer",
        n_candidates: int | None = None,
        n_context: int | None = 256,
        n_batches: int | None = None,
        drop_last: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.dataset = dataset
        self.selector = selector
        self.batch_size = batch_size
        self.network = network
        self.embedding = embedding
        self.n_candidates = n_candidates
        self.n_context = n_context
        self.n_batches = n_batches
        self.drop_last = drop_last
        self.random_state = random_state
        self._check_numbers()
        self._inputs = LabeledInputs(dataset)
        check_is_selector(selector, "selector")
        self._steps = list(selector) if isinstance(selector, Pipeline) else [selector]
        self._learns_from_labels = self._check_labels()
        self._embeds_itself = self._check_network()
        self._random_state = check_random_state(random_state)

    def __len__(self) -> int:
        """Batches of a pass."""
        n_full, n_rest = divmod(len(self._inputs), self.batch_size)
        count = n_full if self.drop_last or n_rest == 0 else n_full + 1
        return count if self.n_batches is None else min(count, self.n_batches)

    def __iter__(self) -> Iterator[list[int]]:
        """One pass: positions in the dataset, a batch at a time, in the order picked."""
        # A state of its own, so that a pass left early does not change the next one.
        random_state = np.random.RandomState(self._random_state.randint(np.iinfo(np.int32).max))
        remaining = np.arange(len(self._inputs))
        book = LabelBook(source="dataset")
        for _ in range(len(self)):
            # A DataLoader that reads a Dataset draws from torch's generator, as its items may.
            with torch.random.fork_rng(devices=[]):
                picks = self._pick(remaining, self._context(book), random_state)
            remaining = np.setdiff1d(remaining, picks)
            book.buy(picks, self._labels(picks))
            yield picks.tolist()

    def _pick(
        self, remaining: NDArray[np.int64], context: LabelBook, random_state: np.random.RandomState
    ) -> NDArray[np.int64]:
        """The next batch out of the rows that remain."""
        candidates = remaining
        if self.n_candidates is not None and self.n_candidates < len(remaining):
            candidates = np.sort(random_state.choice(remaining, self.n_candidates, replace=False))
        n_picks = min(self.batch_size, len(candidates))
        rows = np.union1d(candidates, context.indices)
        known = LabelBook(source="dataset")
        known.own(np.searchsorted(rows, context.indices), context.labels)
        query = Query(self.selector, self._features(rows), None, "selector")
        if len(known) == 0 and query.needs_labels:
            embedding = self.embedding if needs_model(self._steps[-1]) else None
            query = query.with_final(CoreSetSelector(embedding=embedding))
        network = self.network if self._embeds_itself else None
        too_few_labels = len(known) == 0 or known.has_single_class()
        picks = query.pick(n_picks, Context(known, network, too_few_labels, random_state))
        if picks is None:  # a supervised step of the Pipeline cannot be fitted yet
            return random_state.choice(candidates, n_picks, replace=False)
        return rows[picks.rows]

    def _features(self, rows: NDArray[np.int64]) -> Any:
        """What the selector gets."""
        if self.network is None:
            return self._inputs.features(rows)
        inputs = self._inputs.take(rows)
        if self._embeds_itself:
            return inputs
        embedding = NetworkEmbedding(kind=self.embedding).fit(inputs, estimator=self.network)
        return embedding.transform(inputs)

    def _context(self, used: LabelBook) -> LabelBook:
        """The rows used last."""
        context = LabelBook(source="dataset")
        start = 0 if self.n_context is None else max(0, len(used) - self.n_context)
        if used.labels is not None:
            context.own(used.indices[start:], used.labels[start:])
        return context

    def _labels(self, picks: NDArray[np.int64]) -> NDArray[Any]:
        """Their labels, or zeros where nothing learns from them."""
        if self._learns_from_labels:
            return self._inputs.labels(picks)
        return np.zeros(len(picks), dtype=np.int64)

    def _check_labels(self) -> bool:
        """Whether the selector, or a step before it, learns from labels."""
        learns = bool(getattr(self._steps[-1], "_needs_labels", False))
        learns = learns or any(requires_labels(step) for step in self._steps[:-1])
        if learns and not self._inputs.has_labels():
            raise ValueError(
                f"selector == {self.selector!r} learns from labels, but dataset yields inputs "
                "alone. Pass a Dataset of (input, label) tuples, or a selector such as "
                "CoreSetSelector()."
            )
        return learns

    def _check_network(self) -> bool:
        """Whether the selector, or a step before it, takes the network and the inputs."""
        takes = any(needs_model(step) for step in self._steps)
        if self.network is not None:
            view_network(self.network, owner="ActiveBatchSampler")  # refuses what is none
        elif takes:
            raise ValueError(
                f"selector == {self.selector!r} reads features of a network, but network is None. "
                "Pass the network in training."
            )
        return takes

    def _check_numbers(self) -> None:
        check_number(self.batch_size, "batch_size", minimum=1, strict=False, integer=True)
        check_choice(self.embedding, "embedding", _KINDS)
        hints = {
            "n_candidates": (self.batch_size, "Batches are picked among them; None takes all."),
            "n_context": (0, "None takes all rows used in this pass."),
            "n_batches": (1, "None goes through the whole dataset."),
        }
        for name, (minimum, hint) in hints.items():
            value = getattr(self, name)
            if value is not None:
                check_number(value, name, minimum=minimum, strict=False, integer=True, hint=hint)
        if not isinstance(self.drop_last, (bool, np.bool_)):
            raise TypeError(f"drop_last == {self.drop_last!r}, must be True or False.")
