"""The parts of a pool on the workers of a cluster."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, final

import dask
from dask.core import flatten
from dask.utils import parse_timedelta

from skactive.distributed._blocks import Blocks
from skactive.distributed._part import Part, Summary, call, count_rows, open_part, reply_of
from skactive.distributed._partitions import Partitions

# Of the memory of all workers; a pool that takes more is read again for every call.
_HELD_SHARE = 0.4
_POLL = 2.0  # seconds between looks at the workers while they work


@final
class ClusterPartitions(Partitions):
    """Parts that live on the workers as results of tasks.

    What a call leaves of a part is the input of the next call. The scheduler remembers these
    tasks until the end: when a worker is lost, it makes the calls again elsewhere, from the first
    one, and gets the same parts.

    Parameters
    ----------
    blocks : Blocks
    client : distributed.Client
    """

    def __init__(self, blocks: Blocks, client: Any) -> None:
        self._client = client
        self._name = f"skactive-{uuid.uuid4().hex[:8]}"
        self._n_calls = 0
        self._parts: list[Any] = []
        self.n_features = blocks.n_features
        # Kept: it may hold results that the tasks below only name.
        self._collection = blocks.collection
        lengths = blocks.lengths
        if lengths is None:
            tasks = [dask.delayed(count_rows)(block) for block in blocks.delayed]
            lengths = self._gather(client.compute(tasks, optimize_graph=False), "count rows of X")
        held = _results_of(self._collection)
        needed = sum(lengths) * self.n_features * blocks.itemsize
        if held is None and needed <= self._room():
            self._collection = client.persist(self._collection)
            held = _results_of(self._collection)
            # Tasks that name results which the scheduler has not heard of would count as lost.
            self._wait(held or [], "read X")
        every = held or blocks.delayed
        self._blocks = [block for block, n in zip(every, lengths, strict=True) if n]
        self._set_lengths([n for n in lengths if n])

    def open(self, device: Any) -> list[Summary]:
        task = dask.delayed(open_part)
        parts = [
            task(block, int(offset), device, dask_key_name=f"{self._name}-0-{p}")
            for p, (block, offset) in enumerate(zip(self._blocks, self.offsets, strict=True))
        ]
        return self._advance(parts, "read X")

    def map(
        self,
        function: Callable[[Part, Any, Any], Any],
        message: Any = None,
        own: Sequence[Any] | None = None,
        *,
        reads: bool = True,
    ) -> list[Any]:
        self._n_calls += 1
        name = f"{self._name}-{self._n_calls}"
        # A task of its own: it goes to the scheduler once, and from worker to worker.
        message = dask.delayed(message, name=f"{name}-message", traverse=False)
        task = dask.delayed(call)
        parts = [
            task(
                function,
                part,
                self._blocks[p] if reads else None,
                message,
                None if own is None else own[p],
                dask_key_name=f"{name}-{p}",
            )
            for p, part in enumerate(self._parts)
        ]
        return self._advance(parts, getattr(function, "__name__", "work"))

    def close(self) -> None:
        self._parts, self._blocks, self._collection = [], [], None

    def _advance(self, parts: list[Any], what: str) -> list[Any]:
        """Compute the parts, which stay where they are, and fetch their replies."""
        replies = [dask.delayed(reply_of)(part) for part in parts]
        futures = self._client.compute(parts + replies, optimize_graph=False)
        self._parts = futures[: len(parts)]
        return self._gather(futures[len(parts) :], what)

    def _gather(self, futures: list[Any], what: str) -> list[Any]:
        from distributed import KilledWorker

        self._wait(futures, what)
        try:
            results: list[Any] = self._client.gather(futures)
        except KilledWorker as error:
            raise RuntimeError(
                f"Workers died again and again while they should {what}, most often for lack of "
                "memory. Give each worker more memory, or X smaller chunks (X.rechunk)."
            ) from error
        return results

    def _wait(self, futures: list[Any], what: str) -> None:
        """Wait for the results, for no longer than the configuration says."""
        from distributed import wait

        limit = _seconds("skactive.call-timeout", "1 hour")
        alone_limit = _seconds("skactive.no-workers-timeout", "60 s")
        start = last_seen = time.monotonic()
        while True:
            try:
                wait(futures, timeout=min(_POLL, alone_limit))
                return
            except TimeoutError:
                now = time.monotonic()
            if self._client.nthreads():
                last_seen = now
            if now - last_seen > alone_limit:
                raise TimeoutError(
                    f"The cluster has had no workers for {alone_limit:g} seconds while they should "
                    f"{what}. Start some; dask.config.set({{'skactive.no-workers-timeout': "
                    "'10 minutes'}}) waits longer."
                )
            if now - start > limit:
                raise TimeoutError(
                    f"The workers did not {what} within {limit:g} seconds. "
                    "dask.config.set({'skactive.call-timeout': '5 hours'}) waits longer."
                )

    def _room(self) -> float:
        """Bytes of rows that the workers may hold."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        limits = [worker["memory_limit"] for worker in workers]
        return _HELD_SHARE * sum(limits) if all(limits) else float("inf")


def _results_of(collection: Any) -> list[Any] | None:
    """The blocks that the workers hold already, in order; None unless they hold all."""
    from distributed import futures_of

    held = {future.key: future for future in futures_of(collection)}
    keys = list(flatten(collection.__dask_keys__()))
    return [held[key] for key in keys] if all(key in held for key in keys) else None


def _seconds(key: str, default: str) -> float:
    return float(parse_timedelta(dask.config.get(key, default)))
