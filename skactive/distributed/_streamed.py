"""The parts of a pool in this process, read one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, final

import dask
import torch
from tqdm.auto import tqdm

from skactive._memory import available_memory
from skactive.distributed._blocks import Blocks
from skactive.distributed._part import Part, Summary, answer, as_matrix, count_rows, open_part
from skactive.distributed._partitions import Partitions

# Of the memory there is; a pool that takes more is read again for every call.
_HELD_SHARE = 0.4


@final
class StreamedPartitions(Partitions):
    """Without a cluster: a part is worked on while the next one is read.

    Parameters
    ----------
    blocks : Blocks
    verbose : bool
        Whether a bar shows how far a sweep over the parts has come.
    """

    def __init__(self, blocks: Blocks, *, verbose: bool = False) -> None:
        self._blocks = blocks.delayed
        self._verbose = verbose
        self.n_features = blocks.n_features
        lengths = blocks.lengths
        if lengths is None:
            lengths = [count_rows(block) for block in self._read("count rows")]
        self._blocks = [block for block, n in zip(self._blocks, lengths, strict=True) if n]
        self._set_lengths([n for n in lengths if n])
        available = available_memory(torch.device("cpu"))
        needed = self.n_samples * self.n_features * blocks.itemsize
        self._held: list[Any] | None = None
        if available is None or needed <= _HELD_SHARE * available:
            self._held = [as_matrix(block) for block in self._read("read")]
        self.rows_stay = self._held is not None

    def open(self, device: Any) -> list[Summary]:
        self._parts: list[Part] = [
            open_part(block, int(offset), device)
            for offset, block in zip(self.offsets, self._read("check"), strict=True)
        ]
        return [part.reply for part in self._parts]

    def map(
        self,
        function: Callable[[Part, Any, Any], Any],
        message: Any = None,
        own: Sequence[Any] | None = None,
        *,
        reads: bool = True,
    ) -> list[Any]:
        blocks = self._read("sweep") if reads else iter([None] * len(self))
        for p, (part, block) in enumerate(zip(self._parts, blocks, strict=True)):
            answer(function, part, block, message, None if own is None else own[p])
        return [part.reply for part in self._parts]

    def close(self) -> None:
        self._parts, self._held = [], None

    def _read(self, what: str) -> Iterator[Any]:
        """The blocks in turn; the next one is read while one is worked on."""
        if getattr(self, "_held", None) is not None:
            yield from self._held or ()
            return
        bar = tqdm(self._blocks, desc=what, unit="part", leave=False, disable=not self._verbose)
        with ThreadPoolExecutor(1) as reader:
            coming = None
            for block in bar:
                present, coming = coming, reader.submit(_compute, block)
                if present is not None:
                    yield present.result()
            if coming is not None:
                yield coming.result()


def _compute(block: Any) -> Any:
    return dask.compute(block, scheduler="threads")[0]
