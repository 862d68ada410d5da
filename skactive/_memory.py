"""Refuse what cannot fit into memory before it starts, rather than be killed halfway."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

_ROOT = Path("/")


def check_memory(needed: float, device: torch.device, what: str, remedy: str) -> None:
    """Raise MemoryError if a step needs more memory than there is.

    Call it before the allocation, with all that will be held at the same time: arrays that
    exist already are no longer part of what is available.

    Parameters
    ----------
    needed : float
        Bytes.
    device : torch.device
        Where they are allocated.
    what : str
        What needs them, with the sizes that matter, as the subject of a sentence: "The factor
        of 5000 observations at 1000000 rows".
    remedy : str
        What to try, as sentences: "Lower budget, or use kernel='cosine'."
    """
    available = available_memory(device)
    if available is not None and needed > available:
        raise MemoryError(
            f"{what} needs {_readable(needed)} of memory on {device}, where "
            f"{_readable(available)} are available. {remedy}"
        )


def available_memory(device: torch.device) -> int | None:
    """Bytes that can still be allocated, or None where that is not known."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        # What torch's allocator holds without using it.
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + cached)
    if device.type != "cpu":
        return None
    limits = [_system_memory(_ROOT), *_group_limits(_ROOT)]
    return min((limit for limit in limits if limit is not None), default=None)


def _system_memory(root: Path) -> int | None:
    """What the system can give, swap included; all its memory where only that is known."""
    fields = _numbers(root / "proc/meminfo")  # in kB
    if "MemAvailable" in fields:
        return 1024 * (fields["MemAvailable"] + fields.get("SwapFree", 0))
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a POSIX system, or one without the names
        return None


def _group_limits(root: Path) -> Iterator[int]:
    """What is left below the limit of each control group the process is in (Linux)."""
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            mount, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            mount = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        group = mount / path.lstrip("/")
        # A limit holds for all groups inside. In a container the path may be that of the host,
        # of which only the mount itself is to be seen.
        for folder in (group, *group.parents):
            left = _left_in_group(folder, *names)
            if left is not None:
                yield left
            if folder == mount:
                break


def _left_in_group(folder: Path, limit: str, usage: str, prefix: str) -> int | None:
    numbers = []
    for name in (limit, usage):
        text = "".join(_lines(folder / name)).strip()
        if not text.isdigit():  # no such file, or "max"
            return None
        numbers.append(int(text))
    # Pages of files count as used, but make way: a streamed memory map must not look full.
    statistics = _numbers(folder / "memory.stat")
    files = sum(statistics.get(f"{prefix}{kind}_file", 0) for kind in ("active", "inactive"))
    return max(0, numbers[0] - max(0, numbers[1] - files))


def _numbers(path: Path) -> dict[str, int]:
    """The lines "name number" or "name: number kB" of a file."""
    words = (line.replace(":", " ").split() for line in _lines(path))
    return {pair[0]: int(pair[1]) for pair in words if len(pair) > 1 and pair[1].isdigit()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _readable(n_bytes: float) -> str:
    unit = "GiB" if n_bytes >= 2**30 else "MiB"
    return f"{n_bytes / (2**30 if unit == 'GiB' else 2**20):,.1f} {unit}"
