"""What if only some classes matter? Labels for threes and eights out of a pool of all digits.

ITL takes the points one wants to predict well as ``X_target``. Here these are 50 unlabeled
images of threes and eights; the pool holds all ten digits. Directed ITL spends its labels
where they tell something about the targets; without targets, or at random, most are wasted.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skactive import ActiveLearningLoop, ITLSelector, RandomSelector

WANTED = (3, 8)
N_SEEDS, BUDGET, BATCH = 5, 40, 5

X, y = load_digits(return_X_y=True)


def accuracy_on_wanted(selector, directed, seed):
    X_pool, X_rest, y_pool, y_rest = train_test_split(
        X / 16, y, test_size=0.4, stratify=y, random_state=seed
    )
    wanted = np.isin(y_rest, WANTED)
    X_target, X_val, _, y_val = train_test_split(
        X_rest[wanted], y_rest[wanted], train_size=50, random_state=seed
    )
    loop = ActiveLearningLoop(
        LogisticRegression(C=10, max_iter=1000),
        selector,
        budget=BUDGET,
        batch_size=BATCH,
        random_state=seed,
    )
    loop.fit(X_pool, y_pool, X_target=X_target if directed else None, X_val=X_val, y_val=y_val)
    share = np.isin(loop.y_labeled_, WANTED).mean()
    return [entry["score"] for entry in loop.history_], share


runs = {
    "ITL with targets": (ITLSelector(), True),
    "ITL without targets": (ITLSelector(), False),
    "random": (RandomSelector(), False),
}
n_labels = np.arange(BATCH, BUDGET + 1, BATCH)
figure, ax = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
for name, (selector, directed) in runs.items():
    curves, shares = zip(
        *(accuracy_on_wanted(selector, directed, seed) for seed in range(N_SEEDS)), strict=True
    )
    mean, spread = 100 * np.mean(curves, axis=0), 100 * np.std(curves, axis=0)
    print(
        f"{name:20s} {mean[-1]:5.1f} % right on threes and eights with {BUDGET} labels, "
        f"{100 * np.mean(shares):3.0f} % of them spent on these classes"
    )
    ax.plot(n_labels, mean, marker="o", label=name)
    ax.fill_between(n_labels, mean - spread, mean + spread, alpha=0.15)
ax.set(xlabel="labels bought", ylabel="accuracy on threes and eights (%)", ylim=(0, 102))
ax.set_title("A pool of all digits, of which two matter")
ax.grid(alpha=0.3)
ax.legend(loc="lower right")
figure.savefig("targets.png", dpi=120)
