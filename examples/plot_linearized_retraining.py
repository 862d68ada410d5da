"""What would one more label change? Predicted by the tangent kernel, and by training on.

Networks of several widths have learned 100 handwritten digits. Then training goes on with one
more image among the labeled ones, and the outputs at other images change. The picture shows this
change for a few such images: by gradient descent, and as ``linearized_retrain`` predicts it from
the network as it is. The wider the network, the better it is predicted, and the more training is
saved. This prediction is what ``MLMOCSelector`` scores its candidates by.
"""

import copy
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from skactive import linearized_retrain
from skactive.embedding import empirical_ntk

WIDTHS = (64, 256, 1024)
N_LABELED, N_NEW, N_OTHERS = 100, 5, 200
N_STEPS, MOMENTUM = 500, 0.95

digits, classes = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(digits))
X = torch.tensor((digits[order] - digits.mean(0)) / digits.std(), dtype=torch.float32)
Y = torch.eye(10)[classes[order]]
labeled = list(range(N_LABELED))
new = range(N_LABELED, N_LABELED + N_NEW)
others = X[N_LABELED + N_NEW :][:N_OTHERS]


def train(network, rows, rate):
    """Gradient descent on the squared loss, until there is hardly any left."""
    optimizer = torch.optim.SGD(network.parameters(), rate, MOMENTUM, nesterov=True)
    for _ in range(N_STEPS):
        optimizer.zero_grad()
        loss = 0.5 * (network(X[rows]) - Y[rows]).square().sum()
        loss.backward()
        optimizer.step()
    return network


def outputs(network):
    with torch.no_grad():
        return network(others).numpy()


def seconds_since(start):
    return (time.perf_counter() - start) / N_NEW


figure, axes = plt.subplots(1, len(WIDTHS), figsize=(10, 3.9), layout="constrained", sharey=True)
for ax, width in zip(axes, WIDTHS, strict=True):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))
    # The largest eigenvalue of the kernel limits the steps that gradient descent can take.
    rate = 0.5 / np.linalg.eigvalsh(empirical_ntk(network, X[labeled], kind="full"))[-1]
    before = outputs(train(network, labeled, rate))
    start = time.perf_counter()
    true = [outputs(train(copy.deepcopy(network), [*labeled, row], rate)) - before for row in new]
    print(f"{width:4} hidden units: {seconds_since(start):.3f} s a new label by gradient descent")
    for ntk, marker in (("full", "o"), ("pntk", "x")):
        start = time.perf_counter()
        predicted = [
            linearized_retrain(
                network,
                *(X[labeled], Y[labeled], X[[row]], Y[[row]], others),
                ntk=ntk,
                noise_ratio=1e-4,
            )
            - before
            for row in new
        ]
        seconds = seconds_since(start)
        r = np.corrcoef(np.ravel(predicted), np.ravel(true))[0, 1]
        print(f"{'':18} {seconds:.3f} s with ntk={ntk!r}, correlation {r:.3f}")
        ax.plot(
            *(np.ravel(true), np.ravel(predicted), marker),
            **{"markersize": 3, "alpha": 0.4, "label": f"ntk={ntk!r}: r = {r:.3f}"},
        )
    ends = [np.min(true), np.max(true)]
    ax.plot(ends, ends, color="0.3", linewidth=1)
    ax.set_title(f"{width} hidden units", fontsize="medium")
    ax.legend(fontsize="small", loc="upper left")
figure.supxlabel("change of the outputs by gradient descent")
axes[0].set_ylabel("change predicted without training")
figure.savefig("linearized_retraining.png", dpi=120)
