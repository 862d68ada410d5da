"""An oracle that asks several others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing, check_random_state

from skactive._answers import DONT_KNOW, Answers
from skactive._replies import plain_value
from skactive._validation import check_choice, check_number
from skactive.exceptions import OracleError
from skactive.oracles._consensus import METHODS, Consensus, consensus, import_cleanlab
from skactive.oracles._votes import VoteBook


class ConsensusOracle(BaseEstimator):
    """Ask several annotators, and answer with what they agree on.

    Nobody is asked again about a row that they have answered. A row is answered once `min_votes`
    annotators have, be it with a don't-know; the label is the :func:`consensus` of their votes,
    the cost the sum of theirs. It is ``DONT_KNOW`` where none of them knows. Each answer has the
    details ``"votes"`` (label of each annotator, None for a don't-know), ``"agreement"`` (share
    of the votes for the label, None without votes), ``"quality"`` (with ``"crowdlab"``) and
    ``"annotators"`` (details that annotators gave, where there are any).

    All parameters are read at the first question.

    Parameters
    ----------
    annotators : dict of str to callable
        Oracles by name: anything that :class:`ActiveLearningLoop` takes as one. Each may answer
        some of the rows and leave others open. Labels are classes.
    method : {"majority_vote", "crowdlab"}, default="majority_vote"
        How to combine votes, see :func:`consensus`. ``"crowdlab"`` learns the quality of the
        annotators from all votes so far.
    min_votes : int or None, default=None
        How many annotators must have answered a row; None waits for all of them. What the
        others say later is not used.
    estimator : estimator object, default=None
        A fitted classifier with ``predict_proba`` and ``classes_``. Required by ``"crowdlab"``;
        breaks ties of ``"majority_vote"``.
    random_state : int, RandomState instance or None, default=None
        Breaks the ties that are left.

    Attributes
    ----------
    votes_ : dict of str to dict
        For each annotator the labels by row, ``DONT_KNOW`` among them. Any error on the way
        carries them as ``votes``; the next question does not ask for them again.
    consensus_ : Consensus
        The last one: of the rows answered by it, or with ``"crowdlab"`` of all rows with a vote.

    Raises
    ------
    ImportError
        At the first question, without cleanlab.
    OracleError
        If an annotator's reply cannot be used. All of it that can has been recorded in `votes_`.

    See Also
    --------
    consensus : For votes that have been collected already.

    Examples
    --------
    >>> import numpy as np
    >>> from skactive.oracles import ArrayOracle, ConsensusOracle
    >>> oracle = ConsensusOracle(
    ...     {
    ...         "ann": ArrayOracle(["cat", "dog", "cat"]),
    ...         "bob": ArrayOracle(["dog", "dog", "cat"]),
    ...         "cem": ArrayOracle(["cat", "cat", "cat"]),
    ...     }
    ... )
    >>> answers = oracle(np.zeros((2, 1)), np.array([0, 2]))
    >>> [str(label) for label in answers.labels], answers.costs.tolist()
    (['cat', 'cat'], [3.0, 3.0])
    >>> answers.details[0]["votes"]
    {'ann': 'cat', 'bob': 'dog', 'cem': 'cat'}
    """

    def __init__(
        self,
        annotators: Mapping[str, Callable[[Any, NDArray[Any]], Any]],
        *,
        method: str = "majority_vote",
        min_votes: int | None = None,
        estimator: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.annotators = annotators
        self.method = method
        self.min_votes = min_votes
        self.estimator = estimator
        self.random_state = random_state

    def __call__(self, X_rows: Any, indices: Any) -> Answers:
        """Ask all annotators who have not answered yet.

        Parameters
        ----------
        X_rows : array-like of length n_rows
            What the annotators and the estimator see.
        indices : array-like of shape (n_rows,)
            Names of the rows.

        Returns
        -------
        answers : Answers
            Of the rows that enough annotators have answered, in the order asked.
        """
        if not hasattr(self, "votes_"):
            self._begin()
        names = np.asarray(indices)
        with self._votes_on_error():
            self._predict(X_rows, names)
            self._ask(X_rows, names)
            n_voters = [self._book.n_voters(plain_value(name)) for name in names]
            return self._answers(names[np.array(n_voters, dtype=int) >= self._n_needed])

    def _begin(self) -> None:
        import_cleanlab()
        check_choice(self.method, "method", METHODS)
        is_asked = isinstance(self.annotators, Mapping) and len(self.annotators) > 0
        if not is_asked or not all(callable(oracle) for oracle in self.annotators.values()):
            raise TypeError(
                f"annotators == {self.annotators!r}, must be a dict from names to oracles, "
                "functions (X_rows, indices) -> labels."
            )
        n_annotators = len(self.annotators)
        self._n_needed = n_annotators if self.min_votes is None else self.min_votes
        check_number(self._n_needed, "min_votes", minimum=1, strict=False, integer=True)
        if self._n_needed > n_annotators:
            raise ValueError(
                f"min_votes == {self._n_needed}, must be <= {n_annotators}, the number of "
                "annotators. Use None to wait for all of them."
            )
        if self.method == "crowdlab" and self.estimator is None:
            raise ValueError(
                "estimator is None, but method='crowdlab' weighs a classifier beside the "
                "annotators. Pass a fitted one, or use method='majority_vote'."
            )
        self._random_state = check_random_state(self.random_state)
        self._probabilities: dict[Any, NDArray[np.float64]] = {}
        self._book = VoteBook(self.annotators)
        self.votes_ = self._book.votes

    @contextmanager
    def _votes_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            error.votes = self.votes_  # type: ignore[attr-defined]
            error.add_note(
                "The votes heard so far are kept in votes_ of the oracle, and as `votes` on this "
                "exception. The same oracle does not ask for them again."
            )
            raise

    def _predict(self, X_rows: Any, names: NDArray[Any]) -> None:
        """Keep the probabilities of new rows, before anybody is paid for them."""
        keys = [plain_value(name) for name in names]
        new = [i for i, key in enumerate(keys) if key not in self._probabilities]
        if self.estimator is None or not new:
            return
        found = np.asarray(self.estimator.predict_proba(_safe_indexing(X_rows, new)))
        self._probabilities.update(zip([keys[i] for i in new], found, strict=True))

    def _ask(self, X_rows: Any, names: NDArray[Any]) -> None:
        """Hear all annotators, then complain of any of them."""
        errors: list[OracleError] = []
        for annotator, oracle in self.annotators.items():
            places = self._book.is_open(annotator, names)
            if len(places):
                reply = oracle(_safe_indexing(X_rows, places), names[places])
                errors += self._book.hear(annotator, reply, names[places])
        if errors:
            raise errors[0]

    def _answers(self, names: NDArray[Any]) -> Answers:
        """The consensus about rows that enough annotators have answered."""
        keys = [plain_value(name) for name in names]
        if not keys:
            return Answers(names, [], np.empty(0), [])
        compared = self._book.names() if self.method == "crowdlab" else keys
        self.consensus_ = self._consensus(compared)
        places = {key: place for place, key in enumerate(compared)}
        rows = [places[key] for key in keys]
        return Answers(
            names,
            [self.consensus_.labels[row] for row in rows],
            np.array([self._book.costs[key] for key in keys]),
            [self._detail(key, row) for key, row in zip(keys, rows, strict=True)],
        )

    def _consensus(self, keys: list[Any]) -> Consensus:
        known = self.estimator is not None
        return consensus(
            [[votes.get(key) for votes in self.votes_.values()] for key in keys],
            method=self.method,
            pred_probs=np.stack([self._probabilities[key] for key in keys]) if known else None,
            classes=self.estimator.classes_ if known else None,
            random_state=self._random_state,
        )

    def _detail(self, key: Any, row: int) -> dict[str, Any]:
        heard = {name: votes[key] for name, votes in self.votes_.items() if key in votes}
        agreement = float(self.consensus_.agreement[row])
        detail: dict[str, Any] = {
            "votes": {name: None if vote is DONT_KNOW else vote for name, vote in heard.items()},
            "agreement": None if np.isnan(agreement) else agreement,
        }
        quality = self.consensus_.quality
        if quality is not None and not np.isnan(quality[row]):
            detail["quality"] = float(quality[row])
        if key in self._book.details:
            detail["annotators"] = self._book.details[key]
        return detail
