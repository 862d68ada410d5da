"""How often must a network be fine-tuned while its labels are bought?

A small convolutional network tells odd digits from even ones and is to learn all ten. Standard
active learning fine-tunes it in every round. A proxy on its precomputed features (SVPp) leaves
that to the end, at a fraction of the time, but these features were never meant to tell a 3 from a
5. AlignedProxy (ASVP) checks on the way whether fine-tuned features explain the labels better, and
then updates them once. Prints accuracy, time and the number of fine-tunings, and draws how the
models of the rounds learn.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

from skactive import ActiveLearningLoop, AlignedProxy, ITLSelector
from skactive.embedding import NetworkEmbedding
from skactive.finetuning import LinearProbeFineTune

N_SEEDS, BUDGET, BATCH, EPOCHS, PROBE = 3, 150, 15, 20, 10

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32).reshape(-1, 1, 8, 8)


def make_net(module, max_epochs, **params):
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=3e-3,
        batch_size=16,
        max_epochs=max_epochs,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **params,
    )


def pretrain(images, digits):
    """A network that knows odd from even, with a new head for all digits."""
    module = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.ReLU(),
        nn.Linear(64, 2),
    )
    make_net(module, 15).fit(images, digits % 2)
    module[-1] = nn.Linear(64, 10)
    return module


def make_proxy(module, align):
    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return AlignedProxy(
        make_net(module, EPOCHS),
        head,
        ITLSelector(),
        budget=BUDGET,
        batch_size=BATCH,
        align=align,
        align_every=3,
        probe_epochs=PROBE,
        random_state=0,
    )


def make_standard(module):
    probe = ("probe", LinearProbeFineTune(PROBE))
    return ActiveLearningLoop(
        make_net(module, PROBE + EPOCHS, callbacks=[probe]),
        make_pipeline(NetworkEmbedding(), ITLSelector()),  # of the network of the round before
        init_selector=make_pipeline(NetworkEmbedding(module), ITLSelector()),
        budget=BUDGET,
        batch_size=BATCH,
        random_state=0,
    )


METHODS = {
    "fine-tuned every round": make_standard,
    "proxy on features as they are": lambda module: make_proxy(module, "never"),
    "aligned proxy": lambda module: make_proxy(module, "auto"),
}


def run(seed):
    """For each method: accuracy by rounds and at the end, seconds, fine-tunings."""
    X_before, X_rest, y_before, y_rest = train_test_split(
        X, y, train_size=600, stratify=y, random_state=seed
    )
    X_pool, X_test, y_pool, y_test = train_test_split(
        X_rest, y_rest, train_size=700, stratify=y_rest, random_state=seed
    )
    torch.manual_seed(seed)
    module = pretrain(X_before, y_before)  # all methods train copies
    for name, make_model in METHODS.items():
        start = time.perf_counter()
        model = make_model(module).fit(X_pool, y_pool, X_val=X_test, y_val=y_test)
        seconds = time.perf_counter() - start
        curve = [entry["score"] for entry in model.history_]
        n_finetunings = getattr(model, "n_finetunings_", len(curve))
        yield name, (curve, model.score(X_test, y_test), seconds, n_finetunings)
        for entry in model.history_:
            if entry.get("reason"):
                print(f"run {seed}, {entry['n_labeled']} labels: {entry['reason']}")


results = {name: [] for name in METHODS}
for seed in range(N_SEEDS):
    for name, result in run(seed):
        results[name].append(result)
print(f"\nMean of {N_SEEDS} runs{'':22s}accuracy   seconds   fine-tunings")
n_labels = np.arange(BATCH, BUDGET + 1, BATCH)
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, runs in results.items():
    curves, final, seconds, n_finetunings = zip(*runs, strict=True)
    print(
        f"{name:34s}{100 * np.mean(final):7.1f} %{np.mean(seconds):10.1f}"
        f"{np.mean(n_finetunings):15.1f}"
    )
    (line,) = ax.plot(n_labels, 100 * np.mean(curves, axis=0), marker="o", markersize=4, label=name)
    ax.plot(BUDGET, 100 * np.mean(final), "*", markersize=16, color=line.get_color())
ax.plot([], [], "*", markersize=12, color="gray", label="the network in the end")
ax.set(xlabel="labels bought", ylabel="accuracy on held-out digits (%)")
ax.set_title("A network that knows odd from even learns all digits")
ax.grid(alpha=0.3)
ax.legend(loc="lower right")
figure.savefig("plot_aligned_proxy.png", dpi=120)
