"""Which budget and which temperature? A grid search over the whole labelling loop.

``ActiveLearningLoop`` is an estimator like any other, so ``GridSearchCV`` can try budgets and
selector parameters. In each fold the loop sees labels only of the rows it asks about.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from skactive import ActiveFTSelector, ActiveLearningLoop

BUDGETS = [20, 40, 80]
TEMPERATURES = [0.04, 0.07, 0.2, 0.5]

X, y = load_digits(return_X_y=True)
X, y = X[:900] / 16, y[:900]

loop = ActiveLearningLoop(
    LogisticRegression(C=10, max_iter=1000),
    ActiveFTSelector(max_iter=50, learning_rate=0.01),
    batch_size=1.0,  # ask for the whole budget at once
    random_state=0,
)
search = GridSearchCV(
    loop, {"budget": BUDGETS, "selector__temperature": TEMPERATURES}, cv=3, n_jobs=2
).fit(X, y)

scores = search.cv_results_["mean_test_score"].reshape(len(BUDGETS), len(TEMPERATURES))
print("Accuracy in %, mean of three folds")
print("budget \\ temperature" + "".join(f"{value:>8}" for value in TEMPERATURES))
for budget, row in zip(BUDGETS, scores, strict=True):
    print(f"{budget:>20}" + "".join(f"{100 * score:>8.1f}" for score in row))
print("best:", search.best_params_)

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for budget, row in zip(BUDGETS, scores, strict=True):
    ax.plot(TEMPERATURES, 100 * row, marker="o", label=f"{budget} labels")
ax.set(xscale="log", xlabel="temperature", ylabel="accuracy (%)", ylim=(0, 100))
ax.set_xticks(TEMPERATURES, [str(value) for value in TEMPERATURES])
ax.minorticks_off()
ax.set_title("ActiveFT on digits, mean of three folds")
ax.legend()
figure.savefig("grid_search.png", dpi=120)
