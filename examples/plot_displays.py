"""What labels bring, where the picks lie, and when more of them stop paying, in three pictures.

Two selectors and random picks buy labels of handwritten digits, with several seeds. The learning
curves tell how many labels each saves. Beside them are the picks of core-set selection among all
digits, in the plane of their principal components, and the radius within which they cover them.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skactive import ActiveLearningLoop, CoreSetSelector, ITLSelector, RandomSelector
from skactive.displays import GainDisplay, LabelingCurveDisplay, SelectionDisplay
from skactive.metrics import (
    LearningCurve,
    area_under_learning_curve,
    class_balance,
    coverage_radius,
    labels_saved,
    learning_curve,
    sliced_wasserstein_distance,
)

SELECTORS = {"random": RandomSelector(), "ITL": ITLSelector(), "core-set": CoreSetSelector()}


def fitted_loop(selector, seed):
    X, y = load_digits(return_X_y=True)
    X_pool, X_val, y_pool, y_val = train_test_split(
        X / 16, y, test_size=0.3, stratify=y, random_state=seed
    )
    loop = ActiveLearningLoop(
        LogisticRegression(C=10, max_iter=1000),
        selector,
        budget=100,
        batch_size=10,
        random_state=seed,
    )
    return loop.fit(X_pool, y_pool, X_val=X_val, y_val=y_val)


def mean_curve(loops):
    curves = [learning_curve(loop) for loop in loops]
    return LearningCurve(curves[0].n_labels, np.mean([curve.scores for curve in curves], axis=0))


def print_savings(loops):
    curves = {name: mean_curve(runs) for name, runs in loops.items()}
    print("Mean accuracy along the curve, and labels saved where random picks end\n")
    for name, curve in curves.items():
        saved = labels_saved(*curve, *curves["random"])
        print(f"{name:10s} {area_under_learning_curve(*curve):.3f}  {saved:6.0f}")


def print_picks(X, y, picks):
    print("\n20 picks: radius around all and 90 % of the digits, distance to the pool, balance of")
    print("the classes\n")
    for name, rows in picks.items():
        radii = [coverage_radius(X, rows, quantile=quantile) for quantile in (1, 0.9)]
        distance = sliced_wasserstein_distance(X, X[rows], random_state=0)
        balance = class_balance(y[rows], classes=range(10))
        print(f"{name:10s} {radii[0]:.2f}  {radii[1]:.2f}  {distance:.3f}  {balance:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="runs per selector (default: 5)")
    parser.add_argument(
        "--output", type=Path, default=Path("displays.png"), help="picture to write"
    )
    options = parser.parse_args()
    loops = {
        name: [fitted_loop(selector, seed) for seed in range(options.seeds)]
        for name, selector in SELECTORS.items()
    }
    print_savings(loops)

    X, y = load_digits(return_X_y=True)
    X = X / 16
    coreset = CoreSetSelector(budget=150).fit(X)
    random = RandomSelector(budget=20, random_state=0).fit(X)
    print_picks(X, y, {"random": random.indices_, "core-set": coreset.indices_[:20]})

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(18, 5), layout="constrained")
    LabelingCurveDisplay.from_estimator(
        loops, x="n_bought", score_name="accuracy on held-out digits", ax=left
    )
    SelectionDisplay.from_estimator(coreset, X, ax=middle, n_numbers=20)
    GainDisplay.from_estimator(coreset, ax=right)
    left.set_title("What labels bring: mean and spread of the runs")
    middle.set_title("Where the picks of core-set selection lie")
    right.set_title("What each of them brings")
    figure.savefig(options.output, dpi=100)
    plt.close(figure)
    print(f"\nPictures: {options.output}")


if __name__ == "__main__":
    main()
