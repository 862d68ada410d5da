"""How evenly labels spread over classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from skactive.metrics._inputs import label_kind

__all__ = ["class_balance"]


def class_balance(y: Any, classes: Any = None) -> float:
    r"""Entropy of the classes of some labels, as a share of the largest possible one.

    With :math:`p_c` the share of the labels that are of class c, and K classes,

    .. math:: - \frac{1}{\log K} \sum_c p_c \log p_c,

    which is 1 where all classes are as frequent and 0 where there is only one.

    Parameters
    ----------
    y : array-like of shape (n_labels,)
        Classes, for instance of the picks: ``y[selector.indices_]``, or ``y_labeled_`` of a loop.
    classes : array-like of shape (n_classes,) or None, default=None
        All classes there are, at least two. None means those in `y`: then a class that was
        never picked is not missed, and values for different picks do not compare.

    Returns
    -------
    balance : float
        Between 0 and 1.

    Examples
    --------
    >>> from skactive.metrics import class_balance
    >>> class_balance(["cat", "dog", "dog", "cat"])
    1.0
    >>> round(class_balance(["cat", "dog", "dog", "cat"], classes=["cat", "dog", "eel"]), 2)
    0.63
    """
    found, counts = _count_classes(y, "y")
    known = found if classes is None else _count_classes(classes, "classes")[0]
    if classes is not None and len(known) < 2:
        raise ValueError(
            f"classes must hold at least two classes; got {known[0]!r} only. Name all that the "
            "labels could have been."
        )
    allowed = set(known)
    strange = [label for label in found if label not in allowed]
    if strange:
        raise ValueError(
            f"y must hold classes among {known}; got {strange[0]!r}. Add it to classes."
        )
    if len(found) == 1:
        return 0.0
    shares = counts / counts.sum()
    return min(1.0, float(-(shares @ np.log(shares)) / np.log(len(known))))


def _count_classes(values: Any, name: str) -> tuple[list[Any], NDArray[np.int64]]:
    """The classes in their order, and how many labels are of each."""
    labels = check_array(values, ensure_2d=False, dtype=None, input_name=name)
    try:
        kind = label_kind(labels, name)
        classes, counts = np.unique(labels, return_counts=True)
    except TypeError as error:  # some are not to be ordered, such as None and strings
        raise ValueError(
            f"{name} must hold classes of one kind: {error}. Leave out what has no label, or turn "
            "all into strings."
        ) from error
    if labels.ndim != 1 or kind not in ("binary", "multiclass"):
        raise ValueError(
            f"{name} must be a flat array of classes: whole numbers, strings or booleans; got an "
            f"array of type {labels.dtype} and shape {labels.shape}, which looks {kind}."
        )
    return classes.tolist(), counts
