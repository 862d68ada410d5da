"""The parts of a pool on the workers of a cluster."""

from __future__ import annotations

import pickle
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any, NamedTuple, final

import dask
from dask.core import flatten
from dask.utils import parse_timedelta

from skactive.distributed._allocator import keep_freed_memory
from skactive.distributed._blocks import Blocks
from skactive.distributed._part import Part, Summary, call, count_rows, open_part
from skactive.distributed._partitions import Partitions

# Of the memory of all workers; a pool that takes more is read again for every call.
_HELD_SHARE = 0.4
# For each thread of the workers: tasks cost the scheduler some milliseconds a call, and more of
# them than threads leave something to a worker that joins.
_BUNDLES = 2
_SMALL_MESSAGE = 2**15  # bytes that go with every task, which saves to fetch them
_POLL = 2.0  # seconds between looks at the workers while they work


class Bundle(NamedTuple):
    """Parts of which one task takes care, as all of their rows are with one worker."""

    numbers: list[int]
    blocks: list[Any]
    offsets: list[int]


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
        self._parts: list[Any] = []  # futures of lists of parts, one for each bundle
        self._bundles: list[Bundle] = []
        self._held: list[Any] = []  # futures of blocks that this object has asked for
        # Kept: it may hold results that the tasks below only name.
        self._collection = blocks.collection
        self.n_features = blocks.n_features
        try:
            self._read(blocks)
        except BaseException:
            self.close()
            raise

    def _read(self, blocks: Blocks) -> None:
        """Count the rows, and let the workers hold them where they have the room."""
        from distributed import futures_of

        if not self._client.nthreads():  # an adaptive cluster starts some when there is work
            self._gather([self._client.submit(_nothing, pure=False)], "start")
        # Tasks that name results which the scheduler has not heard of would count as lost.
        self._wait(futures_of(self._collection), "read X")
        held, lengths = _results_of(self._collection), blocks.lengths
        if lengths is None:
            tasks = [dask.delayed(count_rows)(block) for block in held or blocks.delayed]
            counts = self._client.compute(tasks, optimize_graph=False)
            lengths = self._gather(counts, "count the rows of X")
        needed = sum(lengths) * self.n_features * blocks.itemsize
        if held is None and needed <= self._room():
            # Block by block: dask 2026 may lose count of a frame's partitions where it persists it.
            held = self._held = self._client.compute(blocks.delayed, optimize_graph=False)
            # Tasks that name results which the scheduler has not heard of would count as lost.
            self._wait(held, "read X")
        self.rows_stay = held is not None
        self._set_lengths([n for n in lengths if n])
        every = held or blocks.delayed
        kept = [block for block, n in zip(every, lengths, strict=True) if n]
        # Where the rows are not held, a task reads those of one part, and no more.
        groups = [[p] for p in range(len(kept))] if held is None else self._neighbours(kept)
        self._bundles = [
            Bundle(group, [kept[p] for p in group], [int(self.offsets[p]) for p in group])
            for group in groups
        ]

    def _neighbours(self, held: list[Any]) -> list[list[int]]:
        """Numbers of the parts that are with the same worker, for some tasks each."""
        places = self._client.who_has(held)
        threads = self._client.nthreads()
        found: dict[str, list[int]] = {}
        for p, future in enumerate(held):
            found.setdefault(min(places.get(future.key) or [""]), []).append(p)
        groups = []
        for worker, numbers in sorted(found.items()):
            n_groups = min(_BUNDLES * threads.get(worker, 1), len(numbers))
            groups += [numbers[first::n_groups] for first in range(n_groups)]
        return groups

    def open(self, device: Any) -> list[Summary]:
        task = dask.delayed(open_bundle)
        parts = [
            task(bundle.offsets, device, *bundle.blocks, dask_key_name=f"{self._name}-0-{b}")
            for b, bundle in enumerate(self._bundles)
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
        sent: Any = Sent(message)
        if len(pickle.dumps(sent, protocol=5)) > _SMALL_MESSAGE:
            # A task of its own: it goes to the scheduler once, and from worker to worker.
            sent = dask.delayed(sent, name=f"{name}-message", traverse=False)
        task = dask.delayed(call_bundle)
        parts = [
            task(
                function,
                part,
                sent,
                Sent([None if own is None else own[p] for p in bundle.numbers]),
                *(bundle.blocks if reads else ()),
                dask_key_name=f"{name}-{b}",
            )
            for b, (bundle, part) in enumerate(zip(self._bundles, self._parts, strict=True))
        ]
        return self._advance(parts, getattr(function, "__name__", "work"))

    def close(self) -> None:
        # Not left to the garbage collector: after an error, tracebacks keep what they mention.
        _release(self._parts + self._held)
        self._parts, self._bundles, self._held, self._collection = [], [], [], None

    def _advance(self, parts: list[Any], what: str) -> list[Any]:
        """Compute the parts, which stay where they are, and fetch their replies in order."""
        tasks = parts + [dask.delayed(replies_of)(part) for part in parts]
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            futures = self._client.compute(tasks, optimize_graph=False)
        before, self._parts = self._parts, futures[: len(parts)]
        try:
            # Not at once: the scheduler might forget them before it has read what needs them. Once
            # a reply is there it has, and workers need not hold all parts twice.
            found = self._gather(futures[len(parts) :], what, then=lambda: _release(before))
        finally:
            _release(before)
        replies: list[Any] = [None] * len(self)
        for bundle, some in zip(self._bundles, found, strict=True):
            for p, reply in zip(bundle.numbers, some, strict=True):
                replies[p] = reply
        return replies

    def _gather(
        self, futures: list[Any], what: str, then: Callable[[], None] | None = None
    ) -> list[Any]:
        """The results; `then` is called as soon as one is there."""
        from distributed import KilledWorker

        try:
            if then is not None:
                self._wait(futures, what, until="FIRST_COMPLETED")
                then()
            self._wait(futures, what)
            results: list[Any] = self._client.gather(futures)
        except KilledWorker as error:
            raise RuntimeError(
                f"Workers died again and again while they should {what}, most often for lack of "
                "memory. Give each worker more memory, or X smaller chunks (X.rechunk)."
            ) from error
        except CancelledError as error:
            raise RuntimeError(
                f"The cluster was closed or restarted while it should {what}: {error}. Make a "
                "Client of a running one, and X anew, then fit again."
            ) from error
        finally:
            _release(futures)
        return results

    def _wait(self, futures: list[Any], what: str, *, until: str = "ALL_COMPLETED") -> None:
        """Wait for the results, for no longer than the configuration says."""
        from distributed import wait

        limit = _seconds("skactive.call-timeout", "1 hour")
        alone_limit = _seconds("skactive.no-workers-timeout", "60 s")
        start = last_seen = time.monotonic()
        while futures:
            try:
                wait(futures, timeout=min(_POLL, alone_limit, limit), return_when=until)
                return
            except TimeoutError:
                now = time.monotonic()
            if self._client.nthreads():
                last_seen = now
            if now - last_seen >= alone_limit:
                raise TimeoutError(
                    f"The cluster has had no workers for {alone_limit:g} seconds while they should "
                    f"{what}. Start some; dask.config.set({{'skactive.no-workers-timeout': "
                    "'10 minutes'}) waits longer."
                )
            if now - start >= limit:
                raise TimeoutError(
                    f"The workers did not {what} within {limit:g} seconds. "
                    "dask.config.set({'skactive.call-timeout': '5 hours'}) waits longer."
                )

    def _room(self) -> float:
        """Bytes of rows that the workers may hold."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        limits = [worker["memory_limit"] for worker in workers]
        return _HELD_SHARE * sum(limits) if all(limits) else float("inf")


class Sent:
    """Something that dask is not to look into for tasks."""

    def __init__(self, value: Any) -> None:
        self.value = value


def open_bundle(offsets: list[int], device: Any, *blocks: Any) -> list[Part]:
    """Read blocks for the first time."""
    keep_freed_memory()
    return [open_part(block, offset, device) for offset, block in zip(offsets, blocks, strict=True)]


def call_bundle(
    function: Callable[[Part, Any, Any], Any],
    parts: list[Part],
    message: Sent,
    own: Sent,
    *blocks: Any,
) -> list[Part]:
    """Make a call to each of some parts; without blocks they are not read."""
    keep_freed_memory()
    every = blocks or [None] * len(parts)
    return [
        call(function, part, block, message.value, mine)
        for part, block, mine in zip(parts, every, own.value, strict=True)
    ]


def replies_of(parts: list[Part]) -> list[Any]:
    return [part.reply for part in parts]


def _nothing() -> None:
    """Work for the first worker."""


def _release(futures: list[Any]) -> None:
    for future in futures:
        future.release()


def _results_of(collection: Any) -> list[Any] | None:
    """The blocks that the workers hold already, in order; None unless they hold all."""
    from distributed import futures_of

    held = {future.key: future for future in futures_of(collection)}
    keys = list(flatten(collection.__dask_keys__()))
    return [held[key] for key in keys] if all(key in held for key in keys) else None


def _seconds(key: str, default: str) -> float:
    return float(parse_timedelta(dask.config.get(key, default)))
