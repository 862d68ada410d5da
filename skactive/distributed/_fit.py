"""What ``fit`` of a selector does with a pool in parts."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skactive._atomic import all_or_nothing
from skactive._dask import is_dask
from skactive._rows import Rows
from skactive._validation import (
    check_budget,
    check_features,
    check_finite,
    check_pool_labeled,
    check_targets,
    not_finite,
    too_large,
    zero_norm,
)
from skactive.distributed._blocks import row_blocks
from skactive.distributed._cluster import ClusterPartitions
from skactive.distributed._part import Part, Summary
from skactive.distributed._partitions import Partitions
from skactive.distributed._pool import PartitionedPool
from skactive.distributed._streamed import StreamedPartitions
from skactive.exceptions import ZeroNormWarning


def fit_partitions(
    selector: Any, X: Any, y: Any, *, labeled: Any, X_target: Any, estimator: Any
) -> Any:
    """Fit a selector to a dask collection: the picks are those for the same rows in memory."""
    with all_or_nothing(selector):
        selector._check_params()
        select = selector._partitioned()
        _refuse_embedding(selector)
        blocks = row_blocks(X)
        check_features(selector, blocks.probe, reset=True, accept_sparse=False)
        parts = open_partitions(X, verbose=bool(getattr(selector, "verbose", False)))
        try:
            pool = _open_pool(selector, parts, y, labeled, X_target, estimator)
            selection = select(selector, pool)
            selector.components_ = parts.take(selection.indices)
        finally:
            parts.close()
        selector._landmarks = selector._make_landmarks(pool, selection)
        selector.indices_ = selection.indices
        selector.scores_ = selection.scores
        selector.n_samples_fit_ = parts.n_samples
        selector._n_features_out = len(selection.indices)
    return selector


def open_partitions(X: Any, *, verbose: bool = False) -> Partitions:
    """The parts of X, on the workers of the active client; without one in this process."""
    blocks = row_blocks(X)
    client = active_client()
    if client is not None:
        return ClusterPartitions(blocks, client)
    return StreamedPartitions(blocks, verbose=verbose)


def active_client() -> Any:
    """The client of a cluster that is in use here, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:  # nobody can have made one
        return None
    try:
        client = distributed.Client.current()
    except ValueError:
        return None
    return client if client.status == "running" else None  # and not one that failed to start


def _open_pool(
    selector: Any, parts: Partitions, y: Any, labeled: Any, X_target: Any, estimator: Any
) -> PartitionedPool:
    if parts.n_samples == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape=(0, {parts.n_features})) for X while a minimum "
            "of 1 is required. Pass at least one row."
        )
    positions = check_pool_labeled(labeled, parts.n_samples)
    n_picks = check_budget(selector.budget, parts.n_samples, parts.n_samples - len(positions))
    targets = _read_targets(X_target, parts.n_features)
    summaries = parts.open(getattr(selector, "device", "auto"))
    zeros = _check_summaries(summaries, parts.n_samples)
    if selector._uses_unit_norm() and len(zeros):
        warnings.warn(
            zero_norm(zeros, parts.n_samples, type(selector).__name__),
            ZeroNormWarning,
            stacklevel=5,
        )
    # Rows of one part are multiplied with those of others.
    needs_float64 = any(summary.needs_float64 for summary in summaries)
    parts.map(_prepare, needs_float64, parts.split(positions), reads=False)
    return PartitionedPool(
        parts=parts,
        labeled=positions,
        y_labeled=selector._take_labels(y, positions, parts.n_samples),
        targets=targets,
        estimator=estimator,
        zeros=zeros,
        n_picks=n_picks,
        random_state=check_random_state(selector.random_state),
    )


def _check_summaries(summaries: list[Summary], n_samples: int) -> NDArray[np.int64]:
    """Refuse what is not finite; return the positions of the rows of norm 0."""
    first = [s.first_not_finite for s in summaries if s.first_not_finite is not None]
    if first:
        count = sum(s.not_finite for s in summaries)
        raise ValueError(not_finite("X", count, n_samples, first[0]))
    large = [s.first_too_large for s in summaries if s.first_too_large is not None]
    if large:
        raise ValueError(too_large("X", sum(s.too_large for s in summaries), large[0]))
    return np.concatenate([s.zeros for s in summaries])


def _read_targets(X_target: Any, n_features: int) -> Rows | None:
    if X_target is None:
        return None
    if is_dask(X_target):
        X_target = X_target.compute()
    X_target = check_targets(X_target, n_features, accept_sparse=False)
    targets = Rows(X_target, torch.device("cpu"))
    check_finite(targets, "X_target")
    return targets


def _refuse_embedding(selector: Any) -> None:
    if selector.network is None and selector.embedding is None:
        return
    raise ValueError(
        f"{type(selector).__name__} takes a dask pool of features, without network or embedding. "
        "Make the features on the workers first: X.map_blocks(embedding.transform, "
        "dtype='float32', chunks=(X.chunks[0], (n_features,))) of a fitted embedding."
    )


def _prepare(part: Part, message: bool, own: NDArray[np.int64]) -> None:
    """Choose the type of products, and take the labeled rows out."""
    if message:
        part.rows.product_dtype = torch.float64
    part.available[torch.as_tensor(own)] = False
