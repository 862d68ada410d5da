"""Small networks, and the pools they read, that several tests share."""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn


class AnyWidth(nn.Module):
    """Reads rows of any width, by what their columns have in common."""

    def __init__(self, n_outputs=3, n_hidden=8, seed=0):
        super().__init__()
        self.hidden = nn.utils.skip_init(nn.Linear, 6, n_hidden)  # draws no random numbers
        self.out = nn.utils.skip_init(nn.Linear, n_hidden, n_outputs)
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            parameter.data = 0.5 * torch.randn(parameter.shape, generator=generator)

    def __reduce__(self):
        # scikit-learn compares parameters by joblib.hash: a copy of a tensor hashes to something
        # else, a copy of an array does not.
        arrays = {name: tensor.cpu().numpy() for name, tensor in self.state_dict().items()}
        return _rebuilt, (arrays,)

    def forward(self, X):
        spread = X.std(1, unbiased=False)
        columns = [X.mean(1), spread, X.amin(1), X.amax(1), X[:, 0], X[:, -1]]
        return self.out(self.hidden(torch.stack(columns, 1)).relu())


def _rebuilt(arrays):
    tensors = {name: torch.tensor(array) for name, array in arrays.items()}
    module = AnyWidth(*arrays["out.weight"].shape).to(tensors["out.weight"].dtype)
    module.load_state_dict(tensors)
    return module


def any_width_net(**params):
    """A skorch net around such a network, always with the same weights."""
    return NeuralNetClassifier(
        AnyWidth(n_outputs=10, n_hidden=32),
        **{
            "criterion": nn.CrossEntropyLoss,
            "optimizer": torch.optim.Adam,
            "lr": 0.03,
            "max_epochs": 15,
            "train_split": None,
            "verbose": 0,
            **params,
        },
    )


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
