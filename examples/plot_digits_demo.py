"""How many labels does each selector save on handwritten digits?

The pool is 70 % of scikit-learn's digits, unlabeled; the rest measures accuracy. Each selector
buys 100 labels, 10 at a time, for the same logistic regression. Prints a table of accuracy
against the number of labels and draws the learning curves to digits_learning_curves.png.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from tqdm.auto import tqdm

from skactive import (
    ActiveFTSelector,
    ActiveLearningLoop,
    CoreSetSelector,
    FacilityLocationSelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
    UncertaintySelector,
)

SELECTORS = {
    "random": RandomSelector(),
    "ITL": ITLSelector(),
    "ActiveFT": ActiveFTSelector(max_iter=100, learning_rate=0.01),
    "core-set": CoreSetSelector(),
    "MLMOC": MLMOCSelector(sequential=True, n_reference=500),
    "facility": FacilityLocationSelector(),
    "margin": UncertaintySelector(),
}
BUDGET, BATCH = 100, 10
GOALS = (0.8, 0.85, 0.9)


def learning_curve(selector, seed):
    """Accuracy on held-out digits after each batch of labels."""
    X, y = load_digits(return_X_y=True)
    X_pool, X_val, y_pool, y_val = train_test_split(
        X / 16, y, test_size=0.3, stratify=y, random_state=seed
    )
    loop = ActiveLearningLoop(
        LogisticRegression(C=10, max_iter=1000),
        selector,
        budget=BUDGET,
        batch_size=BATCH,
        random_state=seed,
    )
    # y_pool answers only for the rows that the selector asks about.
    loop.fit(X_pool, y_pool, X_val=X_val, y_val=y_val)
    return [entry["score"] for entry in loop.history_]


def labels_needed(curve, accuracy):
    """Labels after which a curve first reaches the accuracy; None if it never does."""
    reached = np.flatnonzero(curve >= accuracy)
    return (reached[0] + 1) * BATCH if len(reached) else None


def print_table(curves):
    n_labels = np.arange(BATCH, BUDGET + 1, BATCH)
    n_seeds = len(next(iter(curves.values())))
    print(f"\nAccuracy in % on held-out digits (mean ± standard deviation of {n_seeds} runs)\n")
    print("labels".ljust(8) + "".join(name.center(14) for name in curves))
    for row, count in enumerate(n_labels):
        cells = [
            f"{100 * curve[:, row].mean():.1f} ± {100 * curve[:, row].std():3.1f}".center(14)
            for curve in curves.values()
        ]
        print(str(count).ljust(8) + "".join(cells))
    print("\nLabels needed on average for an accuracy of")
    print("".ljust(8) + "".join(name.center(14) for name in curves))
    for goal in GOALS:
        needed = [labels_needed(curve.mean(axis=0), goal) for curve in curves.values()]
        cells = [(f"> {BUDGET}" if count is None else str(count)).center(14) for count in needed]
        print(f"{100 * goal:.0f} %".ljust(8) + "".join(cells))


def draw(curves, path):
    n_labels = np.arange(BATCH, BUDGET + 1, BATCH)
    figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for name, curve in curves.items():
        mean, spread = 100 * curve.mean(axis=0), 100 * curve.std(axis=0)
        style = {"color": "black", "linestyle": "--"} if name == "random" else {}
        (line,) = ax.plot(n_labels, mean, marker="o", markersize=4, label=name, **style)
        ax.fill_between(n_labels, mean - spread, mean + spread, alpha=0.15, color=line.get_color())
    ax.set(xlabel="labels bought", ylabel="accuracy on held-out digits (%)")
    ax.set_title("Handwritten digits, logistic regression: mean and spread of all runs")
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="runs per selector (default: 10)")
    parser.add_argument(
        "--output", type=Path, default=Path("digits_learning_curves.png"), help="picture to write"
    )
    options = parser.parse_args()
    runs = [(name, seed) for name in SELECTORS for seed in range(options.seeds)]
    # One process a core: these problems are too small to share between threads.
    results = Parallel(n_jobs=-1, return_as="generator")(
        delayed(learning_curve)(SELECTORS[name], seed) for name, seed in runs
    )
    curves = dict.fromkeys(SELECTORS, ())
    for (name, _), curve in zip(runs, tqdm(results, "runs", len(runs), leave=False), strict=True):
        curves[name] += (curve,)
    curves = {name: np.array(curve) for name, curve in curves.items()}
    print_table(curves)
    draw(curves, options.output)
    print(f"\nLearning curves: {options.output}")


if __name__ == "__main__":
    main()
