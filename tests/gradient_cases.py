"""Networks of many kinds, with inputs, for what is computed from their gradients."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F


class Case(NamedTuple):
    """How to make a network and some rows for it."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]  # of one row
    n_tokens: int | None = None  # inputs are numbers below that


class Tokens(nn.Module):
    """Embedding with padding, layer norm, mean over positions."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 6, padding_idx=0)
        self.norm = nn.LayerNorm(6)
        self.out = nn.Linear(6, 3)

    def forward(self, X):
        return self.out(self.norm(self.table(X)).tanh().mean(1))


class LongTokens(Tokens):
    """More positions than entries of the table: gradients are kept as they are."""

    def forward(self, X):
        return super().forward(X.repeat(1, 4))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, X):
        return self.out(self.attention(X, X, X, need_weights=False)[0].mean(1))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, X):
        return self.out(self.layer(X).mean(1))


class Recurrent(nn.Module):
    def __init__(self, kind=nn.LSTM):
        super().__init__()
        self.cell = kind(3, 4, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, X):
        return self.out(self.cell(X)[0][:, -1])


class Repeated(nn.Module):
    """Layers that are called several times."""

    def __init__(self):
        super().__init__()
        self.inside = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.out = nn.Linear(4, 2)

    def forward(self, X):
        for _ in range(3):
            X = self.norm(self.inside(X).tanh())
        return self.out(X)


class RepeatedConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = nn.Conv1d(2, 2, 3, padding=1)
        self.out = nn.Linear(10, 2)

    def forward(self, X):
        return self.out(self.inside(self.inside(X).tanh()).flatten(1))


class RepeatedTable(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, X):
        return self.out((self.table(X[:, :2]).sum(1) * self.table(X[:, 1:]).sum(1)).tanh())


class Tied(nn.Module):
    """One matrix is a table at first and weights at last."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.out = nn.Linear(4, 7)
        self.out.weight = self.table.weight

    def forward(self, X):
        return self.out(self.table(X).mean(1).tanh())


class AroundModules(nn.Module):
    """A layer's weight is used past the layer, and a parameter belongs to no layer."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(5))
        self.hidden = nn.Linear(5, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, X):
        hidden = F.linear((X * self.scale).tanh(), self.hidden.weight)
        return self.out(self.hidden(X) + hidden)


class Folded(nn.Module):
    """The layer gets positions as if they were rows, as many as the batch has times three."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(2, 4)
        self.out = nn.Linear(12, 2)

    def forward(self, X):
        return self.out(self.hidden(X.reshape(-1, 2)).tanh().reshape(len(X), -1))


class Sideways(nn.Module):
    """Positions come before rows, and are as many as the rows of `build`."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(2, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, X):
        return self.out(self.hidden(X.transpose(0, 1)).tanh().mean(0))


class Branching(nn.Module):
    """Python decides by the values, which torch.func cannot follow."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.out = nn.Linear(4, 2)

    def forward(self, X):
        if X.shape[0] == 1 and X.sum().item() > 0:
            return self.out(X * self.scale)
        return self.out(X * self.scale)


class NamedInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(4, 3), nn.Linear(2, 3)

    def forward(self, image, facts):
        return self.left(image).tanh() * self.right(input=facts)


def mlp():
    return nn.Sequential(
        nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(6, 5), nn.Tanh(),
        nn.Linear(5, 3),
    )  # fmt: skip


def pooled():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.GroupNorm(2, 6), nn.SiLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3),
    )  # fmt: skip


def many_channels():
    """Few positions and many channels: outer products are cheaper than entries."""
    return nn.Sequential(
        nn.Conv2d(12, 20, 3, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(80, 2)
    )


def grouped():
    return nn.Sequential(
        nn.Conv2d(4, 6, 3, groups=2, dilation=(2, 1), padding="same"), nn.Tanh(),
        nn.Conv2d(6, 6, 3, groups=6, padding=1, padding_mode="circular", bias=False), nn.Flatten(),
        nn.Linear(96, 2),
    )  # fmt: skip


def signals():
    return nn.Sequential(
        nn.Conv1d(2, 4, 4, stride=2, padding=2, padding_mode="reflect"), nn.BatchNorm1d(4),
        nn.Tanh(), nn.Linear(5, 4), nn.LayerNorm([4, 4]), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip


def volumes():
    return nn.Sequential(
        nn.Conv3d(1, 2, 2, padding=(0, 1, 0)), nn.BatchNorm3d(2), nn.Tanh(), nn.Flatten(),
        nn.Linear(32, 2, bias=False),
    )  # fmt: skip


def normalised():
    """Old and new ways to derive a weight from other parameters."""
    return nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 5)), nn.Tanh(), nn.PReLU(),
        nn.Linear(5, 2),
    )  # fmt: skip


CASES = {
    "mlp": Case(mlp, (4,)),
    "pooled": Case(pooled, (2, 8, 8)),
    "many channels": Case(many_channels, (12, 4, 4)),
    "grouped": Case(grouped, (4, 4, 4)),
    "signals": Case(signals, (2, 8)),
    "volumes": Case(volumes, (1, 3, 3, 3)),
    "tokens": Case(Tokens, (5,), 9),
    "long tokens": Case(LongTokens, (3,), 9),
    "attention": Case(Attention, (3, 4)),
    "encoder": Case(Encoder, (5, 4)),
    "lstm": Case(Recurrent, (4, 3)),
    "gru": Case(lambda: Recurrent(nn.GRU), (4, 3)),
    "repeated": Case(Repeated, (4,)),
    "repeated convolution": Case(RepeatedConvolution, (2, 5)),
    "repeated table": Case(RepeatedTable, (3,), 50),
    "tied": Case(Tied, (4,), 7),
    "around modules": Case(AroundModules, (5,)),
    "folded": Case(Folded, (6,)),
    "sideways": Case(Sideways, (7, 2)),
    "branching": Case(Branching, (4,)),
    "normalised": Case(normalised, (4,)),
}


def build(name, n_rows=7, dtype=torch.float64):
    """A network with random weights and statistics, in training mode, and rows for it."""
    case = CASES[name]
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = case.make().to(dtype)
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.ndim == 1:
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    if case.n_tokens is not None:
        return module, torch.randint(case.n_tokens, (n_rows, *case.shape), generator=generator)
    return module, torch.randn((n_rows, *case.shape), generator=generator).to(dtype)
