"""Bounds and exact distances to the nearest center, followed only where they have to."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from skactive import _lagging
from skactive._rows import Rows
from skactive.selection import _cover
from skactive.selection._centers import PoolCenters
from skactive.selection._cover import Cover

CPU = torch.device("cpu")


def make_rows(rng, kind):
    X = rng.normal(size=(60, 5))
    if kind == "repeated":
        X = X[rng.integers(0, 12, size=60)]
    if kind == "nearly tied":
        X = np.sign(X) + 1e-7 * rng.normal(size=X.shape)
    if kind == "far":
        X += 1e4
    return X.astype(np.float64 if kind == "nearly tied" else np.float32)


def nearest_to(X, centers):
    X = X.astype(np.float64)
    return np.linalg.norm(X[:, None] - X[centers][None], axis=-1).min(1)


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["flat", "repeated", "nearly tied", "far"]),
    as_sparse=st.booleans(),
    call=st.sampled_from([0, 20, 10**5]),
    gather=st.sampled_from([0, 40, 10**6]),
    most=st.sampled_from([3, 4096]),
    data=st.data(),
)
def test_distances_follow_the_centers(seed, kind, as_sparse, call, gather, most, data):
    rng = np.random.default_rng(seed)
    X = make_rows(rng, kind)
    rows = Rows(sparse.csr_matrix(X) if as_sparse else X, CPU)
    cover = Cover(rows, PoolCenters(rows))
    centers = np.empty(0, dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_lagging, "_CALL", call)
        patch.setattr(_lagging, "_GATHER", gather)
        patch.setattr(_lagging, "_SAMPLE", 16)
        patch.setattr(_lagging, "_FIRST_CHANGES", 4)
        patch.setattr(_lagging, "_MOST_CHANGES", most)
        patch.setattr(_cover, "_COMPARED", most)
        for _ in range(data.draw(st.integers(1, 5), label="blocks")):
            few = rng.permutation(60)[: data.draw(st.integers(1, 9), label="added")]
            if data.draw(st.booleans(), label="among a few"):
                few.sort()
                local = cover.restrict(few)
                for i in range(len(few)):
                    local.add(i)
            centers = np.append(centers, few)
            cover.add(few)
            expected = nearest_to(X, centers)
            assert (cover.upper.numpy() >= expected * (1 - 1e-14)).all()
            choice = rng.random(60) < 0.8
            size = data.draw(st.integers(1, 30), label="size")
            cover.sharpen(torch.from_numpy(choice), size)
            upper = np.where(choice, cover.upper.numpy(), -np.inf)
            best = np.argsort(-upper)[: size + 1]
            assert (cover.followed.numpy()[best[choice[best]]] == len(centers)).all()
            assert (cover.upper.numpy() >= expected * (1 - 1e-14)).all()
            some = np.sort(rng.permutation(60)[:20])
            np.testing.assert_allclose(cover.exact(some)[1], expected[some], rtol=1e-13, atol=0)


def test_only_the_farthest_rows_follow():
    """Most rows near a center of their own are never compared with those of other clusters."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(3000, 8)) + 100 * np.eye(8)[rng.integers(0, 8, 3000)]).astype(np.float32)
    rows = Rows(X, CPU)
    cover = Cover(rows, PoolCenters(rows))
    choice = torch.ones(3000, dtype=torch.bool)
    compared = 0
    for start in range(0, 400, 20):
        before = cover.followed.clone()
        cover.add(np.arange(start, start + 20))
        cover.sharpen(choice, 20)
        compared += int((cover.followed - before).sum())
    assert compared < 0.5 * 400 * 3000
    expected = nearest_to(X, np.arange(400))
    farthest = np.sort(np.argsort(-expected)[:20])
    np.testing.assert_allclose(cover.exact(farthest)[1], expected[farthest], rtol=1e-13)
