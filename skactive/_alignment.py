"""Features of a pool that are updated when fine-tuned ones explain the labels better."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from skactive._proxy_rounds import Features
from skactive.embedding import NetworkEmbedding
from skactive.finetuning import LinearProbeFineTune
from skactive.finetuning._tuner import Tuner
from skactive.metrics import logme

# Nats per sample by which the evidence of float32 features may differ without a reason.
_ROUNDING = 1e-6


class Verdict(NamedTuple):
    """What one comparison found."""

    reason: str = ""
    logme_pretrained: float = np.nan
    logme_finetuned: float = np.nan


class Aligner:
    """The features in use, and their comparison with those of a fine-tuned snapshot.

    Parameters
    ----------
    tuner : Tuner
    X : ndarray of shape (n_samples, ...)
        The pool.
    X_val : ndarray or None
    head : str or None
        Name of the layer whose inputs are the features; None finds the last linear one.
    probe_epochs : int
        Epochs in which that layer is trained before the others.
    holdout : float in [0, 1)
        Share of the labeled rows of each class that the snapshot does not see, and by which the
        features are compared; a winner is then trained on all of them. 0 compares by the rows
        that it has seen.
    always : bool
        Whether the fine-tuned features win whatever the evidence.
    random_state : RandomState
        Draws the rows held out.
    """

    def __init__(
        self,
        tuner: Tuner,
        X: NDArray[Any],
        X_val: NDArray[Any] | None,
        *,
        head: str | None,
        probe_epochs: int,
        holdout: float,
        always: bool,
        random_state: np.random.RandomState,
    ) -> None:
        self._tuner = tuner
        self._X, self._X_val = X, X_val
        self._holdout = holdout
        self._always = always
        self._random_state = random_state
        self.aligned = False
        self._use(_embedding(tuner.pretrained, head).fit(X))
        # The layer found for the features is the head that probing trains.
        self.probe = LinearProbeFineTune(probe_epochs, head=self.embedding.layer_)

    def record(self, verdict: Verdict) -> dict[str, Any]:
        """What the history of a round says of the features."""
        state = {"aligned": self.aligned, "n_finetunings": self._tuner.n_finetunings}
        return verdict._asdict() | state

    def compare(self, labeled: NDArray[np.int64], codes: NDArray[np.int64]) -> Verdict:
        """Fine-tune a snapshot on the labeled rows, and use its features if they are better."""
        seen, judged = self._split(codes)
        if len(np.unique(codes)) < 2:
            return Verdict("not compared: labels of a single class")
        if len(np.unique(codes[judged])) < 2:
            return Verdict("not compared: too few labels to hold out some of two classes")
        snapshot = self._tuner.tune(self._X[labeled[seen]], codes[seen], self.probe)
        embedding = _embedding(snapshot.module_, self.embedding.layer_).fit(self._X)
        rows = self._X[labeled[judged]]
        # Both anew, in batches of the same size: rounding must not decide.
        before, after = (
            logme(e.transform(rows), codes[judged]) for e in (self.embedding, embedding)
        )
        is_better = after - before > _ROUNDING
        if not is_better and not self._always:
            return Verdict("kept: fine-tuned features explain the labels no better", before, after)
        if self._holdout > 0:  # the features in use come from all labels
            snapshot = self._tuner.tune(self._X[labeled], codes, self.probe)
            embedding = _embedding(snapshot.module_, self.embedding.layer_).fit(self._X)
        self._use(embedding)
        self.aligned = True
        if is_better:
            return Verdict("aligned: fine-tuned features explain the labels better", before, after)
        return Verdict("aligned: align == 'always'", before, after)

    def _use(self, embedding: NetworkEmbedding) -> None:
        self.embedding = embedding
        self.features = Features(
            pool=embedding.transform(self._X),
            validation=None if self._X_val is None else embedding.transform(self._X_val),
        )

    def _split(self, codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions to train on, and positions to compare by."""
        everything = np.arange(len(codes))
        if self._holdout == 0:
            return everything, everything
        held: list[int] = []
        for code in np.unique(codes):
            members = self._random_state.permutation(np.flatnonzero(codes == code))
            held.extend(members[: int(self._holdout * len(members))])
        judged = np.sort(np.asarray(held, dtype=np.int64))
        return np.setdiff1d(everything, judged), judged


def _embedding(module: nn.Module, layer: str | None) -> NetworkEmbedding:
    return NetworkEmbedding(module, kind="last_layer", layer=layer)
