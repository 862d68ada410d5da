"""A pool on disk, and workers whose memory it does not fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import psutil

from benchmarks.scale_tools import SELECTORS, Meter, Task, check_same, cluster, make_task, rows_of
from benchmarks.text import number, table

N_WORKERS = 2
SAMPLING_SECONDS = 0.02
ROOT = Path(__file__).parents[1]
FORMATS = ("npy", "parquet")


def section(
    folder: Path, n: int, d: int, budget: int, chunks: Sequence[int], limit_mib: int
) -> str:
    task, data = make_task(folder, n, d)
    lines = []
    expected: dict[str, list[int]] = {}
    for chunk in chunks:
        for kind in FORMATS:
            path = folder / f"pool-{kind}"
            write(task, path, kind, chunk)
            for way in ("workers", "streamed"):
                for name in SELECTORS:
                    request = {
                        "path": str(path),
                        "kind": kind,
                        "way": way,
                        "name": name,
                        "budget": budget,
                        "limit": limit_mib * 2**20,
                        "task": task.__dict__,
                    }
                    record = in_a_process(request)
                    lines.append(_line(request, chunk, d, record))
                    if "picks" in record:
                        first = expected.setdefault(name, record["picks"])
                        check_same(first, record["picks"], f"{name}, {way}, {kind}")
            remove(path)
    header = [
        *("selector", "rows a part (MiB)", "format", "", "seconds", "round trips"),
        *("peak RSS, MiB", "of it anonymous", "lost workers", "spilled, MiB"),
    ]
    gibibytes = 4 * n * d / 2**30
    return "\n\n".join(
        [
            "## More rows than memory",
            f"{n:,} rows of d = {d} float32 on disk, {number(gibibytes)} GiB: {data}, drawn again "
            f"and again with noise; {budget} picks. {N_WORKERS} workers of one thread with "
            f"{limit_mib:,} MiB each, which the nanny of dask enforces (a worker spills at 70 %, "
            "pauses at 80 % and is killed at 95 %). Peaks are those of each worker process, "
            "imports and all (`VmHWM`; the anonymous part is sampled). Streamed is without a "
            "cluster, made to read every part anew for each sweep as where the pool does not fit; "
            "its peak is that of the process. npy is a folder of `.npy` files "
            "(`dask.array.from_npy_stack`), which are mapped, so that their pages count as "
            "resident but not as anonymous.",
            table(header, lines),
        ]
    )


def _line(request: dict[str, Any], chunk: int, d: int, record: dict[str, Any]) -> list[str]:
    head = [
        request["name"],
        f"{chunk:,} ({4 * chunk * d / 2**20:,.0f})",
        request["kind"],
        "two workers" if request["way"] == "workers" else "streamed",
    ]
    if "error" in record:
        return [*head, record["error"], "", "", "", "", ""]
    return [
        *head,
        number(record["seconds"]),
        str(record["rounds"]),
        ", ".join(f"{peak / 2**20:,.0f}" for peak in record["peaks"]),
        ", ".join(f"{peak / 2**20:,.0f}" for peak in record["anonymous"]),
        str(record["lost"]),
        number(record["spilled"] / 2**20),
    ]


def write(task: Task, path: Path, kind: str, chunk: int) -> None:
    """The pool chunk by chunk."""
    path.mkdir()
    bounds = task.bounds(chunk)
    for k, (start, stop) in enumerate(bounds):
        X = rows_of(task.path, start, stop)
        if kind == "npy":
            np.save(path / f"{k}.npy", X)
        else:
            frame = pd.DataFrame(X, columns=[f"f{j}" for j in range(task.d)])
            frame.to_parquet(path / f"part-{k:05d}.parquet", compression=None)
    if kind == "npy":
        import pickle

        chunks = (tuple(stop - start for start, stop in bounds), (task.d,))
        info = {"chunks": chunks, "dtype": np.dtype(np.float32), "axis": 0}
        (path / "info").write_bytes(pickle.dumps(info))


def opened(path: str, kind: str) -> Any:
    if kind == "npy":
        return da.from_npy_stack(path)
    return dd.read_parquet(path)


def remove(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()
    path.rmdir()


def in_a_process(request: dict[str, Any]) -> dict[str, Any]:
    """What a fresh process found; the reason where it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale_memory", json.dumps(request)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"error": f"failed: {reason}"}
    record: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return record


# In the process.


def selected(request: dict[str, Any]) -> dict[str, Any]:
    if request["way"] == "streamed":
        # As where the pool does not fit the memory, which it may do here.
        with patch("skactive.distributed._streamed._HELD_SHARE", 0.0):
            with Peaks([os.getpid()]).watched() as peaks:
                record = _run(request)
        return {**record, **peaks.found(), "lost": 0, "spilled": 0}
    with cluster(N_WORKERS, request["limit"]) as client:
        pids = list(client.run(os.getpid).values())
        with Peaks(pids).watched() as peaks:
            record = _run(request)
        after = list(client.run(os.getpid).values())
        spilled = sum(client.run(_spilled).values())
        return {
            **record,
            **peaks.found(),
            "lost": len(set(pids) - set(after)),
            "spilled": spilled,
        }


def _run(request: dict[str, Any]) -> dict[str, Any]:
    task = Task(**request["task"])
    with Meter().running() as meter:
        start = time.perf_counter()
        X = opened(request["path"], request["kind"])
        selector = task.fit(request["name"], X, request["budget"])
        seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "rounds": len(meter.calls),
        "picks": selector.indices_.tolist(),
        "where": meter.by_name(),
    }


def _spilled(dask_worker: Any) -> int:
    """Bytes that are on disk at the end."""
    return int(getattr(dask_worker.data, "spilled_total", (0, 0))[1])


class Peaks:
    """Largest memory of some processes while watched."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._anonymous = dict.fromkeys(pids, 0)
        self._resident = dict.fromkeys(pids, 0)

    @contextmanager
    def watched(self) -> Iterator[Peaks]:
        done = threading.Event()
        thread = threading.Thread(target=self._sample, args=(done,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            done.set()
            thread.join()

    def found(self) -> dict[str, list[int]]:
        return {
            "peaks": [self._resident[pid] for pid in self._pids],
            "anonymous": [self._anonymous[pid] for pid in self._pids],
        }

    def _sample(self, done: threading.Event) -> None:
        while True:
            for pid in self._pids:
                self._look(pid)
            if done.wait(SAMPLING_SECONDS):
                return

    def _look(self, pid: int) -> None:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            resident, anonymous = (
                int(status.split(key)[1].split()[0]) * 1024 for key in ("VmHWM:", "RssAnon:")
            )
        except (OSError, IndexError):  # it is gone, or this is not Linux
            try:
                resident = psutil.Process(pid).memory_info().rss
            except psutil.Error:
                return
            anonymous = 0
        self._resident[pid] = max(self._resident[pid], resident)
        self._anonymous[pid] = max(self._anonymous[pid], anonymous)


if __name__ == "__main__":
    dask.config.set({"distributed.logging.distributed": "error"})
    print(json.dumps(selected(json.loads(sys.argv[1]))))
