"""Threads that take whole chunks, in place of threads that share every small operation.

Torch splits each operation of some 10,000 numbers over all its threads, and waits for the last of
them. In a sweep of many small operations a thread that another process holds up then delays them
all. A chunk a thread has nothing to wait for, and stays in the caches of one core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context, ContextVar
from itertools import count
from typing import TypeVar

import torch

Item = TypeVar("Item")


# Threads torch had before `one_thread`.
_outer: ContextVar[int | None] = ContextVar("_outer", default=None)


def for_each(items: Iterable[Item], work: Callable[[Item], None]) -> None:
    """Call `work` on every item, on as many threads as torch has; it must not mind the order.

    Inside of `one_thread` it is as many as torch had outside.
    """
    current = torch.get_num_threads()
    tasks = list(items)
    n_workers = min(_outer.get() or current, len(tasks))
    if n_workers <= 1:
        for task in tasks:
            work(task)
        return

    turns = count()

    def run() -> None:
        with one_thread():
            while (turn := next(turns)) < len(tasks):
                work(tasks[turn])

    # A pool of its own for each call: a lasting one would not survive a fork.
    with ThreadPoolExecutor(n_workers - 1) as pool:
        try:
            others = [pool.submit(run) for _ in range(n_workers - 1)]
            Context().run(run)  # like the others, it knows nothing of an outer `one_thread`
            for other in others:
                other.result()
        finally:
            torch.set_num_threads(current)  # the default of threads to come is set as well


@contextmanager
def one_thread() -> Iterator[None]:
    """Operations are not shared between threads, other than by `for_each`."""
    n_threads = torch.get_num_threads()
    token = _outer.set(_outer.get() or n_threads)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
        _outer.reset(token)


@contextmanager
def all_threads() -> Iterator[None]:
    """Inside of `one_thread`: a product of matrices that is worth all threads torch had."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(_outer.get() or n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
