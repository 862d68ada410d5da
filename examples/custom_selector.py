"""A selector of your own: three methods, and the rest comes from GreedySelector.

Two more, at the end, make it fast: they say that the score of a row never rises when another one is
picked, and how to look at a few rows alone. Then all rows are scored once for many picks, which
stay the same.

The idea (facility location): good picks are those to which every row of the pool has a
similar pick. Each new pick is the row that raises the total similarity of the pool to its
nearest picks most.
"""

import numpy as np
import torch
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skactive import GreedySelector
from skactive.testing import check_selector


class FacilityLocationSelector(GreedySelector):
    """Pick the rows that stand for the whole pool."""

    def __init__(self, budget=5):
        self.budget = budget

    def _start(self, pool):
        similarity = torch.exp(-pool.rows.distances(pool.rows.dense()))  # all pairs of rows
        return similarity, torch.zeros_like(similarity[0])

    def _score(self, state):
        similarity, covered = state  # covered: similarity of each row to its nearest pick
        return (similarity - covered).clamp(min=0).sum(1)

    def _step(self, state, row):
        similarity, covered = state
        return similarity, torch.maximum(covered, similarity[row])

    def _scores_only_fall(self):
        return True

    def _restrict(self, state, rows):  # `row` of `_step` then counts among these
        similarity, covered = state
        return similarity[torch.as_tensor(rows)], covered


if __name__ == "__main__":
    check_selector(FacilityLocationSelector())
    print("The selector passes scikit-learn's checks and those of skactive.\n")

    iris = load_iris()
    pipe = make_pipeline(StandardScaler(), FacilityLocationSelector(budget=5)).fit(iris.data)
    selector = pipe[-1]
    X = pipe[0].transform(iris.data)
    stands_for = np.bincount(selector.represent(X))
    print("pick  flower      stands for  score")
    for row, count, score in zip(selector.indices_, stands_for, selector.scores_, strict=True):
        name = iris.target_names[iris.target[row]]
        print(f"{row:4d}  {name:<10}  {count:4d} rows  {score:6.2f}")

    labeled = selector.indices_  # their labels are known now: what should come next?
    print("\nNext five:", FacilityLocationSelector(budget=5).fit(X, labeled=labeled).indices_)
