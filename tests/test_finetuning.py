"""LP-FT: what stays still during the probe, what is put back, and how it composes."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from skactive import ActiveLearningLoop, RandomSelector
from skactive.finetuning import LinearProbeFineTune

X, Y = load_digits(return_X_y=True)
X, Y = (X[:200] / 16).astype(np.float32), Y[:200]


class Body(nn.Module):
    """Convolution, BatchNorm and Dropout before a hidden and a last linear layer."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(144, 16),
        )
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(16, 10)
        self.modes = []

    def forward(self, X):
        self.modes.append((self.training, self.features[1].training, self.head.training))
        return self.head(self.dropout(self.features(X.reshape(-1, 1, 8, 8)).relu()))


def make_net(*probe, module=None, **params):
    torch.manual_seed(0)
    params = {
        "criterion": nn.CrossEntropyLoss,
        "max_epochs": 4,
        "lr": 0.1,
        "batch_size": 50,
        "train_split": None,
        "verbose": 0,
        "callbacks": [(f"probe{i or ''}", callback) for i, callback in enumerate(probe)],
        **params,
    }
    return NeuralNetClassifier(Body() if module is None else module, **params)


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


HEAD = {"head.weight", "head.bias"}
EVERYTHING = set(Body().state_dict())


class Watch(Callback):
    """Keeps the state of the module at the end of every epoch, and grads and flags of batches."""

    def initialize(self):
        self.states_, self.with_grad_, self.lrs_ = [], [], []
        return self

    def on_grad_computed(self, net, named_parameters, **kwargs):
        parameters = dict(net.module_.named_parameters())
        assert all(p.requires_grad for p in parameters.values())
        self.with_grad_.append({name for name, p in parameters.items() if p.grad is not None})
        self.lrs_.append(net.optimizer_.param_groups[0]["lr"])

    def on_epoch_end(self, net, **kwargs):
        self.states_.append(state(net.module_))


def test_only_the_head_learns_and_then_everything():
    watch = Watch()
    net = make_net(LinearProbeFineTune(probe_epochs=2), watch)
    before = state(net.module)
    net.fit(X, Y)
    first, second, third, fourth = watch.states_
    assert changed(before, first) == HEAD
    assert changed(first, second) == HEAD
    assert changed(second, third) == EVERYTHING
    assert changed(third, fourth) == EVERYTHING
    assert watch.with_grad_[:8] == [HEAD] * 8  # four batches an epoch
    names = {name for name, _ in net.module_.named_parameters()}
    assert watch.with_grad_[8:] == [names] * 8


def test_the_probe_equals_a_head_trained_on_frozen_features():
    net = make_net(LinearProbeFineTune(probe_epochs=4))
    head = nn.Linear(16, 10)
    head.load_state_dict(net.module.head.state_dict())
    with torch.no_grad():
        Z = net.module.eval().features(torch.tensor(X).reshape(-1, 1, 8, 8)).relu()
    net.module.train()
    net.fit(X, Y)
    plain = make_net(module=head).fit(Z, torch.tensor(Y))
    for name in ("weight", "bias"):
        torch.testing.assert_close(
            getattr(net.module_.head, name), getattr(plain.module_, name), rtol=1e-5, atol=1e-6
        )


def test_modules_that_are_held_still_are_in_evaluation_mode():
    net = make_net(LinearProbeFineTune(probe_epochs=1), max_epochs=2, batch_size=100)
    net.fit(X, Y)
    assert net.module_.modes == [(False, False, True)] * 2 + [(True, True, True)] * 2


def test_zero_probe_epochs_is_plain_fine_tuning():
    torch.manual_seed(1)
    plain = make_net().fit(X, Y)
    torch.manual_seed(1)
    tuned = make_net(LinearProbeFineTune(probe_epochs=0)).fit(X, Y)
    assert changed(state(plain.module_), state(tuned.module_)) == set()


def test_a_probe_as_long_as_the_training_is_linear_probing():
    net = make_net(LinearProbeFineTune(probe_epochs=4))
    before = state(net.module)
    assert changed(before, state(net.fit(X, Y).module_)) == HEAD


def test_head_by_name():
    probe = LinearProbeFineTune(head="features.4")
    net = make_net(probe)
    before = state(net.module)
    assert changed(before, state(net.fit(X, Y).module_)) == {
        "features.4.weight",
        "features.4.bias",
    }
    assert probe.head_ == "features.4"


def test_learning_rate_of_the_probe():
    watch = Watch()
    net = make_net(LinearProbeFineTune(probe_epochs=1, probe_lr=0.7), watch, max_epochs=2)
    net.fit(X, Y)
    assert watch.lrs_ == [0.7] * 4 + [0.1] * 4
    assert net.optimizer_.param_groups[0]["lr"] == 0.1


def test_partial_fit_goes_on_and_fit_probes_again():
    net = make_net(LinearProbeFineTune(probe_epochs=2), max_epochs=2).fit(X, Y)
    before = state(net.module_)
    net.partial_fit(X, Y)
    assert changed(before, state(net.module_)) == EVERYTHING
    before = state(net.module_)
    net.fit(X, Y)
    assert changed(before, state(net.module_)) == HEAD


def test_optimizers_that_go_through_the_network_often():
    watch = Watch()
    net = make_net(
        LinearProbeFineTune(probe_epochs=2), watch, optimizer=torch.optim.LBFGS, max_epochs=2
    )
    before = state(net.module)
    net.fit(X, Y)
    assert len(watch.with_grad_) > 2 * 4  # more than once a batch
    assert changed(before, state(net.module_)) == HEAD


def test_tied_parameters_of_the_head_learn():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(64, 64)
            self.last = nn.Linear(64, 64)
            self.last.weight = self.first.weight

        def forward(self, X):
            return self.last(self.first(X).relu())

    net = make_net(LinearProbeFineTune(), module=Tied())
    before = state(net.module)
    net.fit(X, Y)
    assert changed(before, state(net.module_)) == {"first.weight", "last.weight", "last.bias"}


# What is put back


def assert_untouched(module, frozen=()):
    assert {name for name, p in module.named_parameters() if not p.requires_grad} == set(frozen)
    was = state(module)
    module.train()
    module(torch.tensor(X[:50])).sum().backward()
    assert {n for n, p in module.named_parameters() if p.grad is not None} == {
        n for n, p in module.named_parameters() if n not in frozen
    }
    assert "features.1.running_mean" in changed(was, state(module))


def test_parameters_frozen_by_the_user_stay_frozen():
    net = make_net(LinearProbeFineTune(probe_epochs=1))
    for parameter in net.module.features[0].parameters():
        parameter.requires_grad_(False)
    before = state(net.module)
    net.fit(X, Y)
    frozen = {"features.0.weight"}
    assert changed(before, state(net.module_)) == EVERYTHING - frozen
    assert_untouched(net.module_, frozen)


class Stops(Callback):
    """Ends the training in the middle of the probe."""

    def __init__(self, error):
        self.error = error

    def on_batch_end(self, net, **kwargs):
        raise self.error


class FailingLoss(nn.CrossEntropyLoss):
    def forward(self, *args):
        raise RuntimeError("no loss")


def fails(*args):
    raise RuntimeError("no features")


@pytest.mark.parametrize("stage", ["forward", "loss", "callback", "interrupt", "early stopping"])
def test_an_early_end_leaves_the_network_as_it_was(stage):
    extra = []
    if stage in ("callback", "interrupt"):
        extra = [Stops(RuntimeError("no") if stage == "callback" else KeyboardInterrupt())]
    if stage == "early stopping":
        extra = [EarlyStopping("train_loss", patience=1, threshold=1e9, sink=print)]
    probe = LinearProbeFineTune(probe_epochs=3, probe_lr=0.7)
    net = make_net(probe, *extra, criterion=FailingLoss if stage == "loss" else nn.CrossEntropyLoss)
    handle = net.module.features[2].register_forward_hook(fails) if stage == "forward" else None
    if stage in ("interrupt", "early stopping"):
        net.fit(X, Y)
    else:
        with pytest.raises(RuntimeError, match="no"):
            net.fit(X, Y)
    if handle:
        handle.remove()
    assert_untouched(net.module_)
    assert len(net.history) < 3
    # The same net trains as if nothing had happened.
    again = make_net(probe, module=net.module_, max_epochs=4)
    before = state(net.module_)
    again.fit(X, Y)
    assert changed(before, state(again.module_)) == EVERYTHING
    assert again.optimizer_.param_groups[0]["lr"] == 0.1


class Predicts(Callback):
    def on_batch_begin(self, net, **kwargs):
        net.predict_proba(X[:5])


def test_a_callback_that_predicts_does_not_end_the_probe():
    net = make_net(LinearProbeFineTune(probe_epochs=4), Predicts())
    before = state(net.module)
    net.fit(X, Y)
    assert changed(before, state(net.module_)) == HEAD


# Composition


def test_clones_start_from_the_pretrained_weights():
    net = make_net(LinearProbeFineTune(probe_epochs=1), max_epochs=2)
    before = state(net.module)
    clone(net).fit(X, Y)
    assert changed(before, state(net.module)) == set()
    net.fit(X, Y)
    assert changed(before, state(net.module)) == EVERYTHING


def test_pickle():
    net = make_net(LinearProbeFineTune(probe_epochs=1, head="head", probe_lr=0.2)).fit(X, Y)
    loaded = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(loaded.predict_proba(X), net.predict_proba(X))
    assert dict(loaded.callbacks_)["probe"].get_params() == {
        "probe_epochs": 1,
        "head": "head",
        "probe_lr": 0.2,
    }
    before = state(loaded.module_)
    loaded.set_params(max_epochs=1).fit(X, Y)
    assert changed(before, state(loaded.module_)) == HEAD


def test_in_the_loop_and_in_a_grid_search():
    net = make_net(LinearProbeFineTune(probe_epochs=1), max_epochs=2)
    loop = ActiveLearningLoop(net, RandomSelector(), budget=60, batch_size=30, random_state=0)
    before = state(net.module)
    search = GridSearchCV(
        loop, {"estimator__callbacks__probe__probe_epochs": [0, 2]}, cv=2, error_score="raise"
    ).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert changed(before, state(net.module)) == set()
    probed = clone(loop).set_params(estimator__callbacks__probe__probe_epochs=2).fit(X, Y)
    assert changed(before, state(probed.estimator_.module_)) == HEAD
    tuned = clone(loop).set_params(estimator__callbacks__probe__probe_epochs=0).fit(X, Y)
    assert changed(before, state(tuned.estimator_.module_)) == EVERYTHING


# Errors


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"head": "haed"}, ValueError, "head == 'haed', must be .*'features.0'.*'head'"),
        ({"head": "dropout"}, ValueError, "head == 'dropout' has no parameters"),
        ({"probe_epochs": -1}, ValueError, "probe_epochs == -1, must be an int >= 0"),
        ({"probe_epochs": 1.5}, TypeError, "probe_epochs == 1.5"),
        ({"probe_lr": 0}, ValueError, "probe_lr == 0, must be a finite number > 0"),
        ({"probe_lr": "big"}, TypeError, "probe_lr == 'big'"),
    ],
)
def test_bad_parameters(params, error, message):
    with pytest.raises(error, match=message):
        make_net(LinearProbeFineTune(**params)).fit(X, Y)


def test_a_network_without_a_linear_layer():
    module = nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 10, 8), nn.Flatten())
    with pytest.raises(ValueError, match="no torch.nn.Linear inside.*'0', '1', '2'"):
        make_net(LinearProbeFineTune(), module=module).fit(X, Y)
    net = make_net(LinearProbeFineTune(head="1"), module=module).fit(X, Y)
    assert len(net.history) == 4
