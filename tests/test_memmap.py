"""Memory maps are read as streams."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from skactive import CoreSetSelector, ITLSelector
from skactive._memmap import page_release
from skactive._rows import Rows

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def path(tmp_path):
    X = np.random.default_rng(0).normal(size=(60_000, 128)).astype(np.float32)  # 30 MB
    np.save(tmp_path / "pool.npy", X)
    return tmp_path / "pool.npy"


def resident_file_kilobytes(path):
    """Of the maps of one file."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            inside = words[-1] == str(path)
        elif inside and words[0] == "Rss:":
            total += int(words[1])
    return total


@linux
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_pages_are_given_back(path, mode):
    X = np.load(path, mmap_mode=mode)
    rows = Rows(np.asarray(X)[100:], torch.device("cpu"))  # a view, as scikit-learn makes it
    float(X[::64].sum())
    assert resident_file_kilobytes(path) > 10_000
    rows.squared_norms()
    list(rows.products(rows.take([0, 1])))
    rows.take(np.arange(0, 59_000, 37))
    assert resident_file_kilobytes(path) < 3_000


def test_what_was_written_to_a_private_map_stays(path):
    X = np.load(path, mmap_mode="c")
    X[:, 0] = 7.0
    assert page_release(X) is None
    CoreSetSelector(3).fit(X)
    assert (X[:, 0] == 7.0).all()


@pytest.mark.parametrize("Selector", [CoreSetSelector, ITLSelector])
def test_picks_are_those_of_an_array(path, Selector):
    expected = Selector(20).fit(np.load(path))
    mapped = Selector(20).fit(np.load(path, mmap_mode="r"))
    np.testing.assert_array_equal(mapped.indices_, expected.indices_)
    np.testing.assert_array_equal(mapped.components_, expected.components_)


@pytest.mark.parametrize("make", [lambda X: X, lambda X: torch.from_numpy(X), np.asfortranarray])
def test_other_pools_have_no_pages_to_give_back(make):
    assert page_release(make(np.ones((4, 3)))) is None
