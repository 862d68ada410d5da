"""When to stop buying labels.

Five people label handwritten digits; each is wrong now and then, and at times does not know. A loop
buys 300 labels, and writes every answer into a journal. Afterwards stopping rules are asked when
they would have stopped: what they need is in the history. The picture shows the accuracy of the
model and how far successive models agree, which needs no labels at all.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skactive import ActiveLearningLoop, ITLSelector
from skactive.callbacks import PrintTable
from skactive.journal import read_journal
from skactive.oracles import ArrayOracle, ConsensusOracle
from skactive.stopping import ScorePlateau, StablePredictions, TargetUncertainty

X, y = load_digits(return_X_y=True)
X_pool, X_val, y_pool, y_val = train_test_split(X / 16, y, test_size=0.3, random_state=0)
people = {
    name: ArrayOracle(y_pool, noise=0.1, abstain=0.05, cost=0.1, random_state=seed)
    for seed, name in enumerate(["Ann", "Bob", "Cem", "Dee", "Eve"])
}
rules = {
    "stable predictions": StablePredictions(threshold=0.93, window=3),
    "plateau of the score": ScorePlateau(patience=3, tol=0.005),
    "little uncertainty": TargetUncertainty(threshold=0.02),
}
with tempfile.TemporaryDirectory() as folder:
    journal = Path(folder) / "labels.db"
    loop = ActiveLearningLoop(
        LogisticRegression(max_iter=1000),
        ITLSelector(),
        budget=300,
        batch_size=20,
        stopping=rules["stable predictions"] & rules["little uncertainty"] & ScorePlateau(100),
        callbacks=[PrintTable()],
        journal=journal,
        random_state=0,
    )
    loop.fit(X_pool, oracle=ConsensusOracle(people, random_state=0), X_val=X_val, y_val=y_val)
    answers = read_journal(journal)["answers"]

disputed = sum(answer["details"]["agreement"] < 1 for answer in answers if not answer["unknown"])
print(f"{disputed} of {len(answers)} answers were disputed. The loop ended: {loop.stop_reason_}")

history = loop.history_
labels = [entry["n_bought"] for entry in history]
figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
ax.plot(labels, [entry["score"] for entry in history], "o-", label="accuracy on other digits")
agreed = [entry for entry in history if "agreement_2000" in entry["measures"]]
ax.plot(
    [entry["n_bought"] for entry in agreed],
    [entry["measures"]["agreement_2000"] for entry in agreed],
    *["s--"],
    **{"color": "0.5", "markersize": 4, "label": "agreement of successive models"},
)
for (name, rule), color in zip(rules.items(), ("C1", "C2", "C3"), strict=True):
    stops = [k for k in range(1, len(history) + 1) if rule.reason(history[:k])]
    if not stops:
        print(f"{name}: would not have stopped")
        continue
    entry = history[stops[0] - 1]
    print(f"{name}: stops at {entry['n_bought']} labels. {rule.reason(history[: stops[0]])}")
    ax.axvline(entry["n_bought"], color=color, linewidth=1.5, label=f"stop: {name}")
ax.set_xlabel("labels bought")
ax.legend(loc="lower right", fontsize="small")
ax.set_title("Accuracy, and when the rules would have stopped", fontsize="medium")
figure.savefig("stopping.png", dpi=120)
