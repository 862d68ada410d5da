"""One label out of the votes of several annotators."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skactive._answers import DONT_KNOW, Silence
from skactive._extras import require
from skactive._labels import LabelBook
from skactive._validation import check_choice

METHODS = ("majority_vote", "crowdlab")
# Differences between probabilities that count as ties, so that random_state decides.
RESOLUTION = 1e-9


class Consensus(NamedTuple):
    """What several annotators agree on.

    Attributes
    ----------
    labels : ndarray of shape (n_rows,)
        Of the type of the votes; where a row has no vote, an array of objects with
        ``DONT_KNOW`` in its place.
    n_votes : ndarray of shape (n_rows,)
        Votes for any label.
    agreement : ndarray of shape (n_rows,)
        Share of the votes that are for the label; NaN without votes.
    quality : ndarray of shape (n_rows,) or None
        CROWDLAB's score in [0, 1] of how likely the label is right; None by majority vote.
    annotator_quality : ndarray of shape (n_annotators,)
        CROWDLAB's score of each annotator; by majority vote, the share of their votes that are
        for the consensus. NaN for annotators without votes.
    """

    labels: NDArray[Any]
    n_votes: NDArray[np.int64]
    agreement: NDArray[np.float64]
    quality: NDArray[np.float64] | None
    annotator_quality: NDArray[np.float64]


def consensus(
    votes: Any,
    *,
    method: str = "majority_vote",
    pred_probs: Any = None,
    classes: Any = None,
    random_state: int | np.random.RandomState | None = None,
) -> Consensus:
    """Combine the votes of several annotators, by cleanlab.

    ``"majority_vote"`` takes the label with most votes. ``"crowdlab"`` weighs each annotator, and
    a classifier beside them, by how well they agree with the others, and takes the label of the
    largest weighted probability [1]_, which may be one that nobody has voted for.

    Parameters
    ----------
    votes : array-like of shape (n_rows, n_annotators)
        Labels of any type: numbers, texts. None, NaN, ``DONT_KNOW`` and ``NOT_YET`` are no votes.
    method : {"majority_vote", "crowdlab"}, default="majority_vote"
        How to combine them. While no row has two votes, or all are for the only class, annotators
        cannot be compared, and ``"crowdlab"`` takes the majority as well.
    pred_probs : array-like of shape (n_rows, n_classes), default=None
        Probabilities of the classes, by a classifier that has not been trained on these rows.
        Required by ``"crowdlab"``; they break ties of ``"majority_vote"``.
    classes : array-like of shape (n_classes,), default=None
        What the columns of `pred_probs` stand for; required with them. Votes for other classes
        count, with probability 0.
    random_state : int, RandomState instance or None, default=None
        Breaks the ties that are left.

    Returns
    -------
    consensus : Consensus
        Labels, and how sure they are.

    Raises
    ------
    ImportError
        Without cleanlab.
    ValueError
        If votes or probabilities cannot be read.

    References
    ----------
    .. [1] Goh, Tkachenko & Mueller, "CROWDLAB: Supervised learning to infer consensus labels and
       quality scores for data with multiple annotators", NeurIPS 2022 Workshop on Human in the
       Loop Learning.

    Examples
    --------
    >>> from skactive.oracles import consensus
    >>> found = consensus([["cat", "cat", "dog"], ["dog", None, "dog"]])
    >>> found.labels.tolist(), found.n_votes.tolist(), found.agreement.round(2).tolist()
    (['cat', 'dog'], [3, 2], [0.67, 1.0])
    """
    check_choice(method, "method", METHODS)
    import_cleanlab()
    table = _as_table(votes)
    is_vote = _is_vote(table)
    names, probabilities = _check_probabilities(pred_probs, classes, len(table), method)
    names, codes = _encode(table, is_vote, names)
    random = check_random_state(random_state).random_sample((len(table), len(names)))
    ranks = random * RESOLUTION
    if probabilities is not None:
        ranks[:, : probabilities.shape[1]] += probabilities
    return _combine(codes, ranks / ranks.sum(axis=1, keepdims=True), names, method)


def import_cleanlab() -> Any:
    """The module that combines votes."""
    return require("cleanlab.multiannotator", "annotators", "Consensus among annotators")


def _as_table(votes: Any) -> NDArray[Any]:
    table = np.asarray(votes, dtype=object)
    if table.ndim != 2 or table.shape[1] == 0:
        raise ValueError(
            "votes must be of shape (n_rows, n_annotators), with None where an annotator has no "
            f"vote; got shape {table.shape}."
        )
    return table


def _is_vote(table: NDArray[Any]) -> NDArray[np.bool_]:
    import pandas as pd  # which cleanlab requires

    silent = np.frompyfunc(lambda vote: isinstance(vote, Silence), 1, 1)(table).astype(bool)
    return np.asarray(~(pd.isna(table) | silent))


def _check_probabilities(
    pred_probs: Any, classes: Any, n_rows: int, method: str
) -> tuple[NDArray[Any] | None, NDArray[np.float64] | None]:
    if pred_probs is None:
        if method == "crowdlab":
            raise ValueError(
                "pred_probs is None, but method='crowdlab' weighs a classifier beside the "
                "annotators. Pass its out-of-sample probabilities, or use "
                "method='majority_vote'."
            )
        return (None if classes is None else np.asarray(classes)), None
    if classes is None:
        raise ValueError(
            "classes is None, must tell what the columns of pred_probs stand for, for instance "
            "classes=model.classes_."
        )
    names, probabilities = np.asarray(classes), np.asarray(pred_probs, dtype=np.float64)
    shape = (n_rows, len(names))
    if (
        probabilities.shape != shape
        or not (probabilities >= 0).all()
        or (not np.isfinite(probabilities).all())
    ):
        raise ValueError(
            f"pred_probs must be finite probabilities of shape (n_rows, n_classes) == {shape}; "
            f"got shape {probabilities.shape}, from {probabilities.min(initial=np.inf)} to "
            f"{probabilities.max(initial=-np.inf)}."
        )
    return names, probabilities


def _encode(
    table: NDArray[Any], is_vote: NDArray[np.bool_], classes: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """All classes, those given first, and the votes as places among them; NaN for none."""
    given = [] if classes is None else classes.tolist()
    values = np.empty(len(given) + int(is_vote.sum()), dtype=object)
    values[:] = given + table[is_vote].tolist()
    checked = LabelBook(source="votes and classes").check(np.arange(len(values)), values)
    if checked.error is not None or checked.labels is None:
        raise ValueError(str(checked.error))
    labels = np.array(checked.labels.tolist())
    if labels.dtype.kind == "f" and (labels != np.floor(labels)).any():
        raise ValueError(
            f"votes must be for classes; got {labels[labels != np.floor(labels)][0]}. For "
            "regression targets combine the votes yourself, for instance by np.nanmedian."
        )
    if len(set(given)) < len(given):
        raise ValueError(f"classes must differ from each other; got {given}.")
    found, codes = np.unique(labels, return_inverse=True)
    first = codes.reshape(-1)[: len(given)]  # places of the classes given among all
    order = np.concatenate([first, np.setdiff1d(np.arange(len(found)), first)]).astype(np.intp)
    coded = np.full(table.shape, np.nan)
    coded[is_vote] = np.argsort(order)[codes.reshape(-1)[len(given) :]]
    return found[order], coded


def _combine(
    codes: NDArray[np.float64], ranks: NDArray[np.float64], names: NDArray[Any], method: str
) -> Consensus:
    """The consensus where there are votes; cleanlab refuses rows and annotators without."""
    n_votes = (~np.isnan(codes)).sum(axis=1)
    rows, annotators = n_votes > 0, (~np.isnan(codes)).any(axis=0)
    winners = np.full(len(codes), -1)
    quality = np.full(len(codes), np.nan)
    annotator_quality = np.full(codes.shape[1], np.nan)
    votes = codes[rows][:, annotators]
    by_crowdlab = method == "crowdlab" and len(names) > 1 and bool((n_votes > 1).any())
    if by_crowdlab:
        winners[rows], quality[rows], annotator_quality[annotators] = _crowdlab(votes, ranks[rows])
    elif rows.any():
        winners[rows] = import_cleanlab().get_majority_vote_label(votes, ranks[rows], verbose=False)
    agrees = np.where(np.isnan(codes), np.nan, codes == winners[:, None])
    if not by_crowdlab:
        annotator_quality[annotators] = np.nanmean(agrees[:, annotators], axis=0)
    agreement = np.full(len(codes), np.nan)
    agreement[rows] = np.nanmean(agrees[rows], axis=1)
    return Consensus(
        labels=_named(winners, names),
        n_votes=n_votes.astype(np.int64),
        agreement=agreement,
        quality=quality if by_crowdlab else None,
        annotator_quality=annotator_quality,
    )


def _crowdlab(
    votes: NDArray[np.float64], probabilities: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Labels, their quality and that of the annotators."""
    with warnings.catch_warnings():
        # The agreement returned says so, for each row.
        warnings.filterwarnings("ignore", message="Annotators do not agree on any example")
        found = import_cleanlab().get_label_quality_multiannotator(
            votes, probabilities, return_detailed_quality=False, verbose=False
        )
    rows, annotators = found["label_quality"], found["annotator_stats"].sort_index()
    return (
        rows["consensus_label"].to_numpy(),
        rows["consensus_quality_score"].to_numpy(),
        annotators["annotator_quality"].to_numpy(),
    )


def _named(winners: NDArray[Any], names: NDArray[Any]) -> NDArray[Any]:
    if (winners >= 0).all():
        return np.asarray(names[winners])
    labels = np.full(len(winners), DONT_KNOW, dtype=object)
    labels[winners >= 0] = names[winners[winners >= 0]]
    return labels
