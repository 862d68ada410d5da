"""What the benchmarks ran on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "skactive",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "activeft",
    "scikit-activeml",
    "bmdal_reg",
    "apricot-select",
    "skmatter",
)


def describe_machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS")
    parts = [
        _cpu_model(),
        f"{cores} cores" + (f" (OMP_NUM_THREADS={threads})" if threads else ""),
        _ram(),
        _system(),
        f"Python {platform.python_version()}",
    ]
    return ", ".join(filter(None, parts))


def describe_versions(packages: Sequence[str] = PACKAGES) -> str:
    return ", ".join(f"{package} {_version(package)}" for package in packages)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _ram() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return ""
    return f"{total / 2**30:.0f} GiB"


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = f"{platform.system()} {platform.release()}"
    return f"{name} ({platform.machine()})"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
