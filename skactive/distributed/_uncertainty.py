"""Uncertainty sampling from a pool in parts: the model goes to the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Selection
from skactive._rows import Rows
from skactive.distributed._part import Part
from skactive.distributed._pool import PartitionedPool
from skactive.distributed._scored_once import select_at_random, select_by_scores
from skactive.selection._pool_model import (
    ROW_BYTES,
    Asked,
    Batches,
    PoolModel,
    choose_classifier,
    feature_batches,
    input_slices,
)
from skactive.selection._uncertainty import Answers, rows_of_probabilities, uncertainty


def select_uncertain(selector: Any, pool: PartitionedPool) -> Selection:
    """The picks of `UncertaintySelector`.

    The model is fitted here, to the labeled rows, unless it is given. It is sent to each worker
    once; two numbers come back for each pick and part, and the rows whose scores are near those of
    the picks.
    """
    asked = None
    if not selector._is_precomputed():
        owner = type(selector).__name__
        features = partial(_labeled_features, pool)
        asked = choose_classifier(selector.estimator, pool, features, owner)
        if asked is None:
            return select_at_random(pool)
    names = getattr(selector, "feature_names_in_", None)
    return select_by_scores(pool, Uncertainty(asked, selector.criterion, names))


def _labeled_features(pool: PartitionedPool, dtype: torch.dtype) -> NDArray[Any]:
    rows = Rows(pool.parts.take(pool.labeled), torch.device("cpu"))
    features: NDArray[Any] = rows.take(slice(None), dtype).numpy()
    return features


@dataclass(frozen=True)
class Uncertainty:
    """How unsure a model is of the rows of a part."""

    asked: Asked | None
    """None where the rows are class probabilities."""
    criterion: str
    names: NDArray[Any] | None
    """Of the columns of a data frame."""

    def __call__(self, part: Part) -> tuple[Tensor, float]:
        return uncertainty(self._answers(part), self.criterion, part.n_samples)

    def _answers(self, part: Part) -> Answers:
        if self.asked is None:
            return rows_of_probabilities(part.rows, None)
        if self.asked.reads is None:
            batches = _stored_batches(part, self.names)
        else:
            batches = feature_batches(part.rows, self.asked.reads)
        return PoolModel(self.asked.model, batches).probabilities()


def _stored_batches(part: Part, names: NDArray[Any] | None) -> Batches:
    """The rows as they are stored, as frames where they come from one."""

    def batches(row_bytes: int = ROW_BYTES) -> Iterator[tuple[slice, Any]]:
        for rows in input_slices(part.n_samples, row_bytes):
            yield rows, _framed(part.raw(np.arange(rows.start, rows.stop)), names)

    return batches


def _framed(batch: NDArray[Any], names: NDArray[Any] | None) -> Any:
    if names is None:
        return batch
    import pandas as pd  # there: dask needs it for frames

    return pd.DataFrame(batch, columns=names)
