"""Which CIFAR-10 images to label, when a pretrained network has turned them into features?

The features are those of an EfficientNet-Lite0 trained on other images; a logistic regression on
top of them is all that is trained. Each selector buys labels in rounds. Prints a table of the
accuracy on the test images against the number of labels and draws it to cifar_features.png.
`python -m benchmarks.features` makes the features, once; $SKACTIVE_FEATURES may name other ones.
"""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from tqdm.auto import tqdm

from skactive import (
    ActiveFTSelector,
    ActiveLearningLoop,
    CoreSetSelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
    VTLSelector,
)

SELECTORS = {
    "random": RandomSelector(),
    "ITL": ITLSelector(),
    "VTL": VTLSelector(),
    "ActiveFT": ActiveFTSelector(),
    "core-set": CoreSetSelector(),
    "MLMOC": MLMOCSelector(sequential=True, n_candidates=1000, n_reference=1000),
}


def load_features():
    """Unit rows and classes of the training and the test images."""
    sys.path.append(str(Path(__file__).resolve().parent.parent))  # not part of the package
    from benchmarks import features

    try:
        return features.load_labeled()
    except FileNotFoundError as error:
        raise SystemExit(str(error)) from error


def learning_curve(selector, images, options, seed):
    """Labels bought and accuracy on the test images after each round."""
    X, y, X_test, y_test = images
    pool = np.random.default_rng(seed).permutation(len(X))[: options.pool]
    loop = ActiveLearningLoop(
        LogisticRegression(C=30, max_iter=1000),
        selector,
        budget=options.budget,
        batch_size=options.batch,
        random_state=seed,
    )
    loop.fit(X[pool], y[pool], X_val=X_test, y_val=y_test)
    return [(entry["n_bought"], 100 * entry["score"]) for entry in loop.history_]


def print_table(curves):
    labels, _ = next(iter(curves.values()))
    print("\nAccuracy in % on the test images (mean ± standard deviation of the runs)\n")
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
    ax.set(xlabel="labels bought", ylabel="accuracy on the test images (%)")
    ax.set_title("CIFAR-10, logistic regression on fixed features: mean and spread of all runs")
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=int, default=10_000, help="rows to choose from")
    parser.add_argument("--budget", type=int, default=300, help="labels to buy (default: 300)")
    parser.add_argument("--batch", type=int, default=50, help="labels a round (default: 50)")
    parser.add_argument("--seeds", type=int, default=3, help="runs per selector (default: 3)")
    parser.add_argument(
        "--output", type=Path, default=Path("cifar_features.png"), help="picture to write"
    )
    options = parser.parse_args()
    images = tuple(load_features())
    runs = [(name, seed) for name in SELECTORS for seed in range(options.seeds)]
    results = Parallel(n_jobs=-1, return_as="generator")(
        delayed(learning_curve)(SELECTORS[name], images, options, seed) for name, seed in runs
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
