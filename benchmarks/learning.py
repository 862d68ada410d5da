"""How many labels the selectors save: a network in the loop, and features of a frozen one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from skorch import NeuralNetClassifier
from torch import nn

from benchmarks import curves, features, images
from benchmarks.curves import RANDOM, Curve, Split
from skactive import (
    ActiveFTSelector,
    ActiveLearningLoop,
    CoreSetSelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
    VTLSelector,
)
from skactive.embedding import NetworkEmbedding

IMAGE_SIZES = {"pool": 20_000, "budget": 500, "batch": 100}
EPOCHS = 40
FEATURE_SIZES = {"pool": 20_000, "budget": 500, "batch": 50}
N_MLMOC = {"n_candidates": 2_000, "n_reference": 1_000}


def fashion_mnist(options: argparse.Namespace) -> str:
    """A convolutional network trained anew each round; selectors read its last layer."""
    sizes = scaled(IMAGE_SIZES, options.scale)
    loaded = images.load("fashion-mnist")
    split = Split(_scaled_pixels(loaded.X_train), loaded.y_train, *_test(loaded, options.scale))
    make = partial(make_network_loop, sizes=sizes)
    names = [RANDOM, *selectors("cosine")]
    found = curves.run_all(make, split, sizes["pool"], names, options.seeds)
    text = (
        f"A convolutional network is trained anew on all labels each round, {EPOCHS} epochs, and "
        "selectors read the features of its last layer, those of the round before. The first "
        "batch is drawn at random, the same for all. The core-set compares directions."
    )
    return _section("Fashion-MNIST, a network in the loop", text, sizes, found, options)


def cifar10_features(options: argparse.Namespace) -> str:
    """Logistic regression on the features of a pretrained network."""
    sizes = scaled(FEATURE_SIZES, options.scale)
    split = Split(*features.load_labeled())
    make = partial(make_probe_loop, sizes=sizes)
    names = [RANDOM, *selectors("euclidean")]
    found = curves.run_all(make, split, sizes["pool"], names, options.seeds)
    text = (
        "A logistic regression is trained on unit rows, the features that `python -m "
        "benchmarks.features` makes with an EfficientNet-Lite0 trained on other images. MLMOC, "
        "which needs labels, begins with a core-set."
    )
    return _section("CIFAR-10, features of a frozen network", text, sizes, found, options)


def selectors(metric: str) -> dict[str, Any]:
    """By the names in the tables; `metric` is that of the core-set."""
    return {
        "ITL": ITLSelector(),
        "VTL": VTLSelector(),
        "ActiveFT": ActiveFTSelector(),
        "core-set": CoreSetSelector(metric=metric),
        "MLMOC": MLMOCSelector(sequential=True, **N_MLMOC),
    }


class ConvNet(nn.Sequential):
    """Two convolutions and two linear layers for images of 28 x 28."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 5, stride=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 5, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        )


def make_network_loop(name: str, seed: int, sizes: Mapping[str, int]) -> ActiveLearningLoop:
    net = NeuralNetClassifier(
        ConvNet,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=EPOCHS,
        batch_size=16,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=512,
        train_split=None,
        verbose=0,
    )
    found = selectors("cosine")
    return ActiveLearningLoop(
        net,
        RandomSelector() if name == RANDOM else make_pipeline(NetworkEmbedding(), found[name]),
        init_selector=RandomSelector(),
        budget=sizes["budget"],
        batch_size=sizes["batch"],
        random_state=seed,
    )


def make_probe_loop(name: str, seed: int, sizes: Mapping[str, int]) -> ActiveLearningLoop:
    return ActiveLearningLoop(
        LogisticRegression(C=30, max_iter=1000),
        RandomSelector() if name == RANDOM else selectors("euclidean")[name],
        budget=sizes["budget"],
        batch_size=sizes["batch"],
        random_state=seed,
    )


def scaled(sizes: Mapping[str, int], scale: float) -> dict[str, int]:
    """At least 2 of everything."""
    return {name: max(2, round(size * scale)) for name, size in sizes.items()}


def _scaled_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return pixels.astype(np.float32) / 255


def _test(loaded: images.Images, scale: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    n = max(2, round(len(loaded.X_test) * min(1, scale)))
    return _scaled_pixels(loaded.X_test[:n]), loaded.y_test[:n]


def _section(
    title: str,
    text: str,
    sizes: Mapping[str, int],
    found: Mapping[str, Sequence[Curve]],
    options: argparse.Namespace,
) -> str:
    named = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    return "\n\n".join(
        [
            f"## {title}",
            text,
            f"Sizes: {named}. Runs: {options.seeds}, each with a pool of its own. Accuracy is "
            "that on the test images in %, mean ± standard deviation. Runs go on in as many "
            "processes as there are cores, so that seconds are those of one core.",
            curves.accuracy_table(found),
            curves.cost_table(found),
        ]
    )
