"""When do more picks stop paying? Covering radius and information gain per pick.

No label is needed for either: core-set selection reports how far the farthest row is from its
nearest pick, ITL how many nats the labels of the picks will tell.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skactive import CoreSetSelector, ITLSelector

X = load_digits().data / 16
coreset = CoreSetSelector(budget=200).fit(X)
itl = ITLSelector(budget=200).fit(X)

for count in (10, 50, 200):
    print(
        f"{count:4d} picks: every digit within {coreset.radius_curve_[count - 1]:.2f} of one "
        f"(the optimum is at least {coreset.radius_curve_[count - 1] / 2:.2f}); "
        f"{itl.information_gain_[count - 1]:.1f} nats, the last pick "
        f"{itl.scores_[count - 1]:.2f}"
    )

picks = np.arange(1, 201)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.plot(picks, coreset.radius_curve_, label="greedy")
left.plot(picks, coreset.radius_curve_ / 2, linestyle="--", label="lower bound of the optimum")
left.set(xlabel="picks", ylabel="covering radius", title="Core-set", ylim=(0, None))
left.legend()
right.plot(picks, itl.scores_)
right.set(xlabel="pick", ylabel="information of its label (nats)", title="ITL", ylim=(0, None))
figure.savefig("coverage.png", dpi=120)
