"""What a callback is."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from sklearn.base import BaseEstimator

__all__ = ["Callback"]


class Callback(BaseEstimator):
    """Base class of callbacks; its methods do nothing.

    They are called in the order of the loop's list. While a loop runs, ``loop.history_`` holds
    the rounds that are over, those of an earlier process with the same journal included, and
    ``loop.estimator_`` the latest model, once there is one. What a callback raises ends the loop;
    labels known so far are kept as for any other error.

    A callback is used as it is, not as a clone: one instance serves one loop at a time. What it
    keeps beside its parameters has to be forgotten in ``on_loop_begin``.

    Examples
    --------
    >>> from skactive.callbacks import Callback
    >>> class Announce(Callback):
    ...     def on_query(self, loop, indices):
    ...         print(f"Please label rows {', '.join(map(str, indices))}.")
    >>> Announce().on_query(None, [3, 14, 15])
    Please label rows 3, 14, 15.
    """

    def on_loop_begin(self, loop: Any, X: Any) -> None:
        """Before anything is asked.

        Parameters
        ----------
        loop : ActiveLearningLoop
        X : indexable of length n_samples
            The pool.
        """

    def on_round_begin(self, loop: Any) -> None:
        """Before rows are picked.

        Parameters
        ----------
        loop : ActiveLearningLoop
        """

    def on_query(self, loop: Any, indices: NDArray[Any]) -> None:
        """Before rows are asked; that they are is recorded already.

        Parameters
        ----------
        loop : ActiveLearningLoop
        indices : ndarray of shape (n_asked,)
            Positions in `X`, or `ids` of the rows where given.
        """

    def on_labels(self, loop: Any, indices: NDArray[Any], labels: NDArray[Any]) -> None:
        """After labels have come in; they are recorded already.

        Parameters
        ----------
        loop : ActiveLearningLoop
        indices : ndarray of shape (n_answered,)
            Positions in `X`, or `ids` of the rows where given.
        labels : ndarray of shape (n_answered,) or (n_answered, n_outputs)
        """

    def on_round_end(self, loop: Any, entry: dict[str, Any]) -> str | None:
        """After the model was trained on what came in.

        Parameters
        ----------
        loop : ActiveLearningLoop
        entry : dict
            Record of the round, the last one of ``loop.history_``.

        Returns
        -------
        reason : str or None
            A sentence stops the loop; None lets it go on.
        """
        return None

    def on_loop_end(self, loop: Any) -> None:
        """When nothing follows.

        Parameters
        ----------
        loop : ActiveLearningLoop
        """


def check_callbacks(callbacks: Any) -> list[Callback]:
    """The callbacks of a loop, as they were given."""
    if callbacks is None:
        return []
    allowed = "None or a list of Callback instances, for instance [ProgressBar()]"
    if not isinstance(callbacks, (list, tuple)):
        raise TypeError(f"callbacks == {callbacks!r}, must be {allowed}.")
    for place, callback in enumerate(callbacks):
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks[{place}] == {callback!r}; callbacks must be {allowed}.")
    repeated = [callback for callback in callbacks if sum(callback is c for c in callbacks) > 1]
    if repeated:
        raise ValueError(f"callbacks has {repeated[0]!r} twice. Pass each instance once.")
    return list(callbacks)
