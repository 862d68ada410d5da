"""Threads that take whole chunks."""

import threading

import numpy as np
import pytest
import torch

from skactive import CoreSetSelector, ITLSelector
from skactive._threads import all_threads, for_each, one_thread


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_every_item_is_worked_on_once_by_threads_with_one_thread_each(three_threads):
    seen, threads, counts = [], set(), set()
    together = threading.Barrier(3, timeout=30)

    def work(item):
        if item < 3:
            together.wait()  # only three threads at once get past this
        seen.append(item)
        threads.add(threading.get_ident())
        counts.add(torch.get_num_threads())

    for_each(range(10), work)
    assert sorted(seen) == list(range(10))
    assert len(threads) == 3
    assert threading.get_ident() in threads
    assert counts == {1}
    assert torch.get_num_threads() == 3


def test_one_thread_leaves_the_others_to_for_each(three_threads):
    threads = set()
    together = threading.Barrier(3, timeout=30)

    def work(item):
        together.wait()
        threads.add(threading.get_ident())

    with one_thread():
        assert torch.get_num_threads() == 1
        for_each(range(3), work)
        assert torch.get_num_threads() == 1
        assert len(threads) == 3
        with all_threads():
            assert torch.get_num_threads() == 3
        with one_thread():
            for_each(range(3), work)
    assert len(threads) >= 3
    assert torch.get_num_threads() == 3


def test_threads_start_no_others(three_threads):
    threads = set()

    def work(item):
        with all_threads():
            assert torch.get_num_threads() == 1
        for_each(range(4), lambda inner: threads.add((item, threading.get_ident())))

    with one_thread():
        for_each(range(3), work)
    assert len(threads) == 3


def test_errors_come_through_and_leave_the_thread_count(three_threads):
    def work(item):
        raise ZeroDivisionError(item)

    with pytest.raises(ZeroDivisionError), one_thread():
        for_each(range(5), work)
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("Selector", [CoreSetSelector, ITLSelector])
def test_thread_count_decides_nothing_and_stays(Selector):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(7_000, 40)), 3, axis=0).astype(np.float32)  # several chunks
    given = {"X_target": X[:5]} if Selector is ITLSelector else {}
    before, fits = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2, 5):
            torch.set_num_threads(n_threads)
            fits.append(Selector(60).fit(X, labeled=[1], **given))
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    for other in fits[1:]:
        np.testing.assert_array_equal(other.indices_, fits[0].indices_)
        np.testing.assert_allclose(other.scores_, fits[0].scores_, rtol=1e-12)
