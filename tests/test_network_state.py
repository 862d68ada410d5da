"""Whatever reads a network leaves no trace in it, alone or in several threads."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from skactive import MLMOCSelector, linearized_retrain
from skactive.embedding import NetworkEmbedding, empirical_ntk
from tests.networks import assert_untouched, state_of

y = np.arange(20) % 2

READERS = {
    kind: lambda module, X, kind=kind: NetworkEmbedding(module, kind=kind).fit_transform(X)
    for kind in ("last_layer", "logits", "loss_gradient", "ntk")
} | {
    "kernel": empirical_ntk,
    "retraining": lambda module, X: linearized_retrain(module, X, y, X, y, X),
    "look-ahead": lambda module, X: (
        MLMOCSelector(budget=3, network=module).fit(X, y, labeled=[0, 1]).scores_
    ),
}


@pytest.fixture(params=READERS)
def read(request):
    return READERS[request.param]


def mlp(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), *layers, nn.ReLU(), nn.Linear(6, 3))


def vectors():
    return np.random.RandomState(0).standard_normal((20, 4)).astype(np.float32)


class Renormalising(nn.Module):
    """Reading the table changes it."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 4, max_norm=0.5)
        self.out = nn.Linear(8, 2)

    def forward(self, X):
        return self.out(self.table(X).flatten(1))


class Counting(nn.Module):
    """Puts other tensors in the place of its buffers, and keeps what passes by."""

    def __init__(self):
        super().__init__()
        self.inside, self.out = nn.Linear(4, 5), nn.Linear(5, 2)
        self.register_buffer("n_calls", torch.zeros(()))
        self.register_buffer("mean", None)
        self.kept = torch.zeros(1)

    def forward(self, X):
        self.n_calls = self.n_calls + 1
        self.mean = X.mean()
        self.kept = self.inside(X)
        self.kept_too = self.kept.tanh()
        if not hasattr(self, "late"):
            self.register_buffer("late", torch.ones(1))
        return self.out(self.kept_too)


class Merging(nn.Linear):
    """Merges a second weight into the first in evaluation mode, as low-rank adapters do."""

    def __init__(self):
        super().__init__(4, 6)
        self.second = nn.Parameter(torch.ones(6, 4))
        self.is_merged = False

    def train(self, mode=True):
        if mode == self.is_merged:
            self.weight.data += -self.second if mode else self.second
            self.is_merged = not mode
        return super().train(mode)

    def forward(self, X):
        return F.linear(X, self.weight if self.is_merged else self.weight + self.second, self.bias)


def test_tables_that_are_renormalised(read):
    module = Renormalising()
    before = state_of(module)
    read(module, np.random.RandomState(0).randint(9, size=(20, 2)))
    assert_untouched(module, before)


def test_tensors_that_forward_replaces_or_leaves_behind(read):
    module = Counting()
    before, kept = state_of(module), module.kept
    read(module, vectors())
    assert_untouched(module, before)
    assert module.kept is kept
    assert module.mean is None
    assert not hasattr(module, "kept_too")
    assert not hasattr(module, "late")
    copy.deepcopy(module)  # no tensor with a graph is left


def test_modules_with_an_evaluation_mode_of_their_own(read):
    module = nn.Sequential(Merging(), nn.ReLU(), nn.Linear(6, 3))
    before = state_of(module)
    read(module, vectors())
    assert_untouched(module, before)
    assert not module[0].is_merged


class Noisy(Dataset):
    """Draws random numbers for every item."""

    def __len__(self):
        return 20

    def __getitem__(self, i):
        return torch.full((4,), float(i)) + 0 * torch.rand(4)


def test_random_state_with_inputs_that_draw(read):
    module, before = mlp(), torch.get_rng_state()
    read(module, Noisy())
    assert torch.equal(torch.get_rng_state(), before)


def test_several_threads_share_a_network(read):
    module, X = mlp(nn.BatchNorm1d(6), nn.Dropout(0.5)), vectors()
    expected, before = read(module, X), state_of(module)
    fused = torch.backends.mha.get_fastpath_enabled()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: read(module, X), range(12)))
    for values in found:
        np.testing.assert_array_equal(values, expected)
    assert_untouched(module, before)
    assert torch.backends.mha.get_fastpath_enabled() == fused


def test_autocast_around_changes_nothing(read):
    module, X = mlp(), vectors()
    with torch.autocast("cpu", torch.bfloat16):
        found = read(module, X)
    np.testing.assert_array_equal(found, read(module, X))
