"""Small networks, and the pools they read, that several tests share."""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn


class AnyWidth(nn.Module):
    """Reads rows of any width; its weights follow from a seed.

    It is pickled by its seed, so that copies have the same joblib hash: scikit-learn's checks
    compare parameters by it, and tensors and their copies differ.
    """

    def __init__(self, n_outputs=3, seed=0):
        super().__init__()
        self.arguments = n_outputs, seed
        self.hidden = nn.utils.skip_init(nn.Linear, 3, 8)  # draws no random numbers
        self.out = nn.utils.skip_init(nn.Linear, 8, n_outputs)
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def __reduce__(self):
        return AnyWidth, self.arguments

    def forward(self, X):
        summary = torch.stack([X.mean(1), X.amax(1), X[:, 0]], 1)
        return self.out(self.hidden(summary).tanh())


class ConvNet(nn.Module):
    """Convolution, batch norm and dropout on 8 x 8 images of one channel."""

    def __init__(self, n_outputs=3):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        )
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(36, n_outputs)

    def forward(self, X):
        return self.head(self.dropout(self.features(X)))


def images(n_samples=40, seed=0):
    return np.random.RandomState(seed).standard_normal((n_samples, 1, 8, 8)).astype(np.float32)


def three_classes(X):
    """Labels that a network can learn from images."""
    return np.digitize(X.reshape(len(X), -1)[:, :8].sum(1), [-1.0, 1.0])


def conv_classifier(**params):
    return NeuralNetClassifier(
        ConvNet,
        **{
            "criterion": nn.CrossEntropyLoss,
            "max_epochs": 2,
            "lr": 0.05,
            "train_split": None,
            "verbose": 0,
            **params,
        },
    )


def fitted_classifier(**params):
    torch.manual_seed(0)
    X = images()
    return conv_classifier(**params).fit(X, three_classes(X))


def state_of(module):
    """All that must not change when a module is looked at."""
    return {
        "weights": {name: value.clone() for name, value in module.state_dict().items()},
        "gradients": [p.grad is None or p.grad.clone() for p in module.parameters()],
        "needs": [p.requires_grad for p in module.parameters()],
        "modes": [m.training for m in module.modules()],
        "hooks": [len(m._forward_hooks) + len(m._backward_hooks) for m in module.modules()],
        "random": torch.get_rng_state(),
    }


def assert_untouched(module, before):
    after = state_of(module)
    for name, value in before["weights"].items():
        assert torch.equal(value, after["weights"][name]), name
    for key in ("needs", "modes", "hooks"):
        assert before[key] == after[key], key
    for old, new in zip(before["gradients"], after["gradients"], strict=True):
        assert old is new or torch.equal(old, new)
    assert torch.equal(before["random"], after["random"])
