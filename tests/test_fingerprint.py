"""Fingerprints: the same for equal contents in any process, and for no others."""

import itertools
import os
import subprocess
import sys
import threading
import tracemalloc
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from torch import nn

from skactive.exceptions import JournalError
from skactive.journal import _digest
from skactive.journal._fingerprint import describe_parameters, differences, fingerprint


def matrix(seed=0):
    return np.random.default_rng(seed).normal(size=(40, 7))


def same_forms():
    """The same values in other clothes: pairs whose fingerprints are equal."""
    X = matrix()
    dense = np.where(X > 1, X, 0)
    csr, coo = sparse.csr_array(dense), torch.tensor(dense).to_sparse()
    texts = ["a", "bc", "", "ä", None]
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    return {
        "Fortran order": (X, np.asfortranarray(X)),
        "slice": (X[::2, 1:5], X[::2, 1:5].copy()),
        "reversed": (X[::-1], np.ascontiguousarray(X[::-1])),
        "broadcast": (np.broadcast_to(X[0], (5, 7)), np.tile(X[0], (5, 1))),
        "csc": (csr, csr.tocsc()),
        "coo": (csr, csr.tocoo()),
        "matrix": (csr, sparse.csr_matrix(dense)),
        "objects": (np.array(texts, dtype=object), np.array(texts, dtype=object)),
        "tensor": (torch.tensor(X).T, torch.tensor(np.ascontiguousarray(X.T))),
        "bfloat16": (torch.tensor(X).bfloat16().T, torch.tensor(X.T.copy()).bfloat16()),
        "conjugate": (torch.tensor([1 + 1j]).conj(), torch.tensor([1 - 1j])),
        "sparse tensor": (coo, coo / 2 + coo / 2),
        "index": (frame, frame.set_axis([5, 6])),
        "dict": ({"a": X, "b": [1]}, {"b": [1], "a": X.copy()}),
    }


@pytest.mark.parametrize(("one", "other"), same_forms().values(), ids=list(same_forms()))
def test_form_does_not_matter(one, other):
    assert fingerprint(one) == fingerprint(other)


def pools():
    """Values of many kinds, no two of which are equal."""
    X = matrix()
    nudged = X.copy()
    nudged[-1, -1] = np.nextafter(nudged[-1, -1], np.inf)
    names, days = ["x", "y", None], pd.to_datetime(["2024-01-01", None, "2024-01-03"])
    frames = [
        {"a": [1, 2, 3]},
        {"b": [1, 2, 3]},
        {"a": [1.0, 2.0, 3.0]},
        {"a": [1, 2, 4]},
        {"a": [1, 2, 3], "b": [1, 2, 3]},
        {"a": names},
        {"a": ["x", None, "y"]},
        {"a": pd.Categorical(names)},
        {"a": pd.Categorical(names, categories=["y", "x"])},
        {"a": pd.Categorical(names, ordered=True)},
        {"a": pd.array([1, None, 3], dtype="Int64")},
        {"a": pd.array(names, dtype="string")},
        {"a": days},
        {"a": days.tz_localize("UTC")},
        {"a": pd.Series([1, "1", b"1"], dtype=object)},
        {"a": pd.Series([1, 1, b"1"], dtype=object)},
        {"a": pd.arrays.SparseArray([0, 0, 1])},
    ]
    kinds = [
        *(X, nudged, X.T, X.reshape(7, 40), X.ravel(), X.astype(np.float32), X.astype(">f8")),
        *(X[:39], X.tolist(), list(X), torch.tensor(X), torch.tensor(X, dtype=torch.float32)),
        *(sparse.csr_array(X), sparse.csr_array(X[:, ::-1]), sparse.csr_array((40, 7))),
        *(["ab", "c"], ["a", "bc"], ["abc"], np.array(["ab", "c"]), ("ab", "c"), [b"ab", b"c"]),
        *([1, 2], [1.0, 2.0], [True, 2], [[1], [2]], [[1, 2]], [[1, 2], []], [], {}, None, ""),
        *({"a": 1}, {"a": "1"}, {"a": 1, "b": None}, np.array([1, None], dtype=object)),
        *(np.array([(1, 2.0)], dtype="i4,f8"), np.array([(1, 3.0)], dtype="i4,f8")),
        *(np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0]), np.array([1, 2])),
        *(np.array(["2024"], "M8[D]"), np.array(["2024"], "M8[s]"), np.float32(1), np.float64(1)),
        *(torch.tensor(X > 0).to_sparse(), torch.tensor(X > 0), slice(3), slice(4)),
        *(pd.DataFrame(frame) for frame in frames),
        *(pd.Series([1, 2]), pd.Series([1, 2], name="a"), pd.Index([1, 2]), pd.array([1, 2])),
        *(pl.DataFrame(frame) for frame in frames[:7]),
        pl.DataFrame({"a": names}, schema={"a": pl.Categorical}),
        *(pl.Series([1, None]), pl.Series([None, 1]), pl.Series([[1], [2]]), pl.Series("a", [1])),
    ]
    return kinds


def test_contents_matter():
    found = [fingerprint(pool) for pool in pools()]
    for (i, one), (j, other) in itertools.combinations(enumerate(found), 2):
        assert one != other, (i, j)
    assert all(len(text) == 32 for text in found)


def test_is_the_same_in_other_processes():
    expected = [fingerprint(pool) for pool in pools()]
    code = (
        "from tests.test_fingerprint import pools, fingerprint\n"
        "print('\\n'.join(fingerprint(pool) for pool in pools()))"
    )
    for seed in ("1", "2"):
        process = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert process.stdout.split() == expected


def test_memory_maps_are_arrays(tmp_path):
    X = matrix()
    np.save(tmp_path / "X.npy", X)
    for mode in ("r", "r+", "c"):
        assert fingerprint(np.load(tmp_path / "X.npy", mmap_mode=mode)) == fingerprint(X)


@pytest.mark.parametrize("shape", [(1000, 7), (7, 1000), (1, 7000), (2, 2, 1750), (7000,), (0, 7)])
@pytest.mark.parametrize("kind", [np.asarray, np.asfortranarray, torch.tensor, sparse.csr_array])
def test_block_size_does_not_matter(monkeypatch, shape, kind):
    if kind is sparse.csr_array and len(shape) != 2:
        shape = (20, 350)
    X = kind(np.random.default_rng(0).integers(3, size=shape).astype(float))
    expected = fingerprint(X)
    for size in (64, 100, 8 * 7000):
        monkeypatch.setattr(_digest, "_BLOCK_BYTES", size)
        assert fingerprint(X) == expected


def test_reads_large_arrays_in_blocks(tmp_path):
    X = np.memmap(tmp_path / "X", dtype=np.float32, mode="w+", shape=(200_000, 100))  # 80 MB
    for pool in (X, X.T, X[:, ::2], torch.from_numpy(np.asarray(X)).T):
        tracemalloc.start()
        fingerprint(pool)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20e6


def test_changes_nothing():
    X = np.asfortranarray(matrix())
    X.flags.writeable = False
    fingerprint(X)
    messy = sparse.csr_array(([1.0, 2.0, 0.0, 3.0], [2, 0, 1, 2], [0, 3, 4]), shape=(2, 3))
    doubled = sparse.coo_array(([1.0, 2.0, 2.0, 1.0], ([0, 0, 1, 1], [2, 0, 2, 2])), shape=(2, 3))
    before = messy.data.copy(), messy.indices.copy(), messy.indptr.copy()
    assert fingerprint(messy) == fingerprint(doubled)
    for array, copy in zip((messy.data, messy.indices, messy.indptr), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_what_cannot_be_recognised_is_refused():
    with pytest.raises(JournalError, match="cannot be pickled"):
        fingerprint([threading.Lock()])


def describe(**parameters):
    return describe_parameters(FunctionTransformer(**parameters))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"func": np.exp}, {"func": np.log}),
        ({"func": partial(np.sum, axis=0)}, {"func": partial(np.sum, axis=1)}),
        ({"kw_args": {"a": 1}}, {"kw_args": {"a": 1.0}}),
        ({"kw_args": {"a": matrix()}}, {"kw_args": {"a": matrix(1)}}),
        ({"kw_args": {"a": [1, None]}}, {"kw_args": {"a": (1, None)}}),
        ({"kw_args": {"a": {1}}}, {"kw_args": {"a": {2}}}),
        ({"kw_args": {"a": SVC()}}, {"kw_args": {"a": SVC(C=2)}}),
        ({"kw_args": {"a": SVC()}}, {"kw_args": {"a": SVC}}),
        ({"kw_args": {"a": "1"}}, {"kw_args": {"a": 1}}),
        ({"kw_args": {"a": torch.float32}}, {"kw_args": {"a": torch.float64}}),
        ({"kw_args": {"a": slice(3)}}, {"kw_args": {"a": slice(4)}}),
        ({"kw_args": {"a": pd.Series([1])}}, {"kw_args": {"a": pd.Series([2])}}),
    ],
)
def test_parameters_that_differ_are_described_differently(one, other):
    assert describe(**one) == describe(**one)
    assert describe(**one) != describe(**other)


def test_equal_parameters_are_described_equally():
    class Plain:
        pass

    for make in (
        Plain,
        np.random.RandomState,
        np.random.default_rng,
        lambda: {"b": matrix(), "a": np.float64(0.1)},
        lambda: {"b", "a", "c"},
        lambda: [SVC(kernel=RBF(0.5))],
        lambda: partial(np.sum, axis=0),
    ):
        assert describe(kw_args=make()) == describe(kw_args=make())
    assert describe(kw_args=np.float64(0.1)) == describe(kw_args=0.1)


def test_nested_parameters_have_keys_of_their_own():
    def make(C):
        voter = VotingClassifier([("one", SVC(C=C)), ("two", LogisticRegression())])
        return make_pipeline(StandardScaler(), voter)

    before, now = describe_parameters(make(1.0)), describe_parameters(make(2.0))
    assert before["votingclassifier__one"] == "sklearn.svm._classes.SVC"
    assert differences(before, before) == []
    assert differences(before, now) == ["votingclassifier__one__C: 1.0 before, 2.0 now"]
    assert differences(before, now, {"votingclassifier__one__C"}) == []
    assert differences(before, now, {"votingclassifier"}) == []
    assert differences(before, now, {"voting"}) != []
    assert differences({"a": "1"}, {"b": "2"}) == [
        "a: 1 before, nothing now",
        "b: nothing before, 2 now",
    ]


def fitted(seed):
    X = matrix(seed)
    return LogisticRegression().fit(X, X[:, 0] > 0)


def net(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))


def test_models_are_described_by_what_they_learned():
    assert describe(func=FrozenEstimator(fitted(0))) == describe(func=FrozenEstimator(fitted(0)))
    assert describe(func=FrozenEstimator(fitted(0))) != describe(func=FrozenEstimator(fitted(1)))
    assert describe(kw_args=net(0)) == describe(kw_args=net(0))
    assert describe(kw_args=net(0)) != describe(kw_args=net(1))
    narrower = net(0)
    narrower[1].p = 0.1
    assert describe(kw_args=net(0)) != describe(kw_args=narrower)


def test_skorch_nets_are_described_by_their_weights():
    from skorch import NeuralNetClassifier

    def make(seed):
        frozen = NeuralNetClassifier(net(seed), max_epochs=1, verbose=0, train_split=None)
        X = matrix()[:, :3].astype(np.float32)
        torch.manual_seed(0)
        return FrozenEstimator(frozen.fit(X, (X[:, 0] > 0).astype(np.int64)))

    assert describe(func=make(0)) == describe(func=make(0))
    assert describe(func=make(0)) != describe(func=make(1))
