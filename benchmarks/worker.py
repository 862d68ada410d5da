"""One contender in a process of its own: runs when told to."""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.case import Clocked
from benchmarks.cases import CASES
from benchmarks.memory import Watch

WARM_UP_SCALE = 0.01


class Worker:
    """Data and contender, ready to run."""

    def __init__(self, name: str, position: int, sizes: dict[str, int]) -> None:
        self.case = CASES[name]
        self.contender = self.case.contenders[position]
        tiny = self.case.scaled_sizes(self.contender, WARM_UP_SCALE)
        # Imports and thread pools.
        self.contender.run(**self.case.arguments(self.contender, tiny))
        self.arguments = self.case.arguments(self.contender, sizes)

    def run(self, first: bool) -> dict[str, Any]:
        """Seconds; of the first run picks, quality and memory too."""
        if not first:
            return {"seconds": self._timed()[0]}
        with Watch() as memory:
            seconds, picks = self._timed()
        record = {"seconds": seconds, "memory": memory.resident, "anonymous": memory.anonymous}
        if picks is not None and self.case.compares_picks:
            record["picks"] = [int(row) for row in picks]
        if self.case.judge is not None:
            record["quality"] = self.case.judge(picks, **self.arguments)
        return record

    def _timed(self) -> tuple[float, Any]:
        start = time.perf_counter()
        picks = self.contender.run(**self.arguments)
        seconds = time.perf_counter() - start
        return (picks.seconds, None) if isinstance(picks, Clocked) else (seconds, picks)


def serve(connection: Connection, output: str, name: str, position: int, sizes: Any) -> None:
    """Answer each message with a run; what packages print goes to the file `output`."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # all on the CPU
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    try:
        worker = Worker(name, position, sizes)
        connection.send({})
        for first in iter(connection.recv, None):
            connection.send(worker.run(first))
    except EOFError:
        return  # nobody asks any more
    except Exception as error:
        message = str(error).strip().splitlines() or [""]
        connection.send({"error": f"{type(error).__name__}: {message[0]}"})
