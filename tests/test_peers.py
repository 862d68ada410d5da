"""Other packages that implement the same method pick the same rows; skipped where absent."""

import numpy as np
import pytest

from benchmarks import ours, peers
from benchmarks.cases import make_directed, make_pool


def test_core_set_of_scikit_activeml():
    pytest.importorskip("skactiveml", reason="scikit-activeml is in the extra bench")
    problem = make_pool(n=400, budget=30)
    expected = peers.scikit_activeml_core_set(**problem)
    np.testing.assert_array_equal(ours.core_set(**problem), expected)


def test_vtl_of_activeft():
    pytest.importorskip("activeft", reason="activeft is in the extra bench")
    problem = make_directed(n=400, n_targets=20, budget=15)
    np.testing.assert_array_equal(ours.vtl(**problem), peers.activeft_vtl(**problem))


def test_itl_of_activeft():
    """Its score leaves out the noise of the row's own label: near ties fall the other way."""
    pytest.importorskip("activeft", reason="activeft is in the extra bench")
    problem = make_directed(n=400, n_targets=20, budget=15)
    picks, expected = ours.itl(**problem), np.asarray(peers.activeft_itl(**problem))
    np.testing.assert_array_equal(picks[:10], expected[:10])
    np.testing.assert_array_equal(np.sort(picks), np.sort(expected))
