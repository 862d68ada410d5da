"""ActiveBatchSampler: batches picked with the network as it is when they are needed."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from skactive import (
    ActiveFTSelector,
    CoreSetSelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
)
from skactive._batch_sampler import ActiveBatchSampler
from skactive.embedding import NetworkEmbedding

N, WIDTH, N_CLASSES = 60, 6, 3
RNG = np.random.default_rng(0)
Y = torch.from_numpy(RNG.integers(N_CLASSES, size=N))
X = torch.from_numpy(RNG.normal(size=(N, WIDTH)) + 2 * RNG.normal(size=(N_CLASSES, WIDTH))[Y])
X = X.float()
DATASET = TensorDataset(X, Y)


class Items(Dataset):
    """A dataset that counts what is read."""

    def __init__(self, *columns, wrap=tuple):
        self.columns, self.wrap, self.read = columns, wrap, []

    def __len__(self):
        return len(self.columns[0])

    def __getitem__(self, i):
        self.read.append(i)
        return self.wrap(column[i] for column in self.columns)


def inputs_alone(values):
    return next(iter(values))


def make_network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(WIDTH, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, N_CLASSES)
    )


def make_sampler(selector=None, dataset=DATASET, **params):
    return ActiveBatchSampler(dataset, selector or CoreSetSelector(), **{"batch_size": 8, **params})


def features_of(network, rows, kind="last_layer"):
    return NetworkEmbedding(network, kind=kind).fit_transform(X[rows])


def slow_pass(selector, features, y=None, *, batch_size, n_context=N, used=()):
    """What a pass without subsampling picks, in a few lines; `features(rows)` as they are then."""
    used = list(used)
    while len(used) < N:
        context = used[max(0, len(used) - n_context) :]
        rows = np.sort(np.setdiff1d(np.arange(N), used[: len(used) - len(context)]))
        selector.set_params(budget=min(batch_size, N - len(used)))
        selector.fit(features(rows), None if y is None else y[rows], labeled=np.isin(rows, context))
        picks = rows[selector.indices_].tolist()
        used.extend(picks)
        yield picks


# What is picked


@pytest.mark.parametrize("n_context", [0, 5, 256, None])
@pytest.mark.parametrize("selector", [CoreSetSelector(), ITLSelector()], ids=repr)
def test_picks_are_those_of_the_selector_on_raw_features(selector, n_context):
    expected = slow_pass(
        selector,
        lambda rows: X[rows],
        batch_size=8,
        n_context=N if n_context is None else n_context,
    )
    assert list(make_sampler(selector, n_context=n_context)) == list(expected)


@pytest.mark.parametrize("kind", ["last_layer", "logits", "loss_gradient", "ntk"])
def test_picks_follow_the_network_in_training(kind):
    network = make_network()
    sampler = make_sampler(network=network, embedding=kind)
    twin = copy.deepcopy(network)
    slow = slow_pass(CoreSetSelector(), lambda rows: features_of(twin, rows, kind), batch_size=8)
    train = (step_through(each) for each in (network, twin))
    trained, trained_twin = train
    loader = DataLoader(DATASET, batch_sampler=sampler)
    batches = []
    for (X_batch, y_batch), picks in zip(loader, slow, strict=True):
        torch.testing.assert_close(X_batch, X[picks])
        torch.manual_seed(len(batches))
        trained(X_batch, y_batch)
        torch.manual_seed(len(batches))
        trained_twin(X_batch, y_batch)
        batches.append(picks)
    frozen = list(make_sampler(network=make_network(), embedding=kind))
    assert batches[0] == frozen[0] and batches != frozen


def step_through(network):
    """A function that trains a network on a batch."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    def step(X_batch, y_batch):
        loss = nn.functional.cross_entropy(network(X_batch), y_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def test_training_learns():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(WIDTH, 16), nn.ReLU(), nn.Linear(16, N_CLASSES))
    step = step_through(network)
    sampler = make_sampler(network=network, n_candidates=24, n_context=24, random_state=0)
    loader = DataLoader(DATASET, batch_sampler=sampler)
    losses = [step(*batch) for _ in range(10) for batch in loader]
    assert len(losses) == 80
    assert (network(X).argmax(1) == Y).float().mean() > 0.9


def test_labels_of_rows_used_before_reach_the_selector():
    first = CoreSetSelector(budget=8).fit(X).indices_.tolist()  # no label is known then
    later = slow_pass(
        MLMOCSelector(), lambda rows: X[rows], Y.numpy(), batch_size=8, n_context=20, used=first
    )
    expected = [first, *later]
    assert list(make_sampler(MLMOCSelector(), n_context=20)) == expected
    others = TensorDataset(X, Y.flip(0))
    assert list(make_sampler(MLMOCSelector(), others, n_context=20)) != expected


def test_candidates_are_drawn_among_the_rows_that_remain():
    reader = Items(X, Y)
    sampler = make_sampler(dataset=reader, network=make_network(), n_candidates=12, n_context=4)
    used = set()
    for picks in sampler:
        read = set(reader.read)
        reader.read.clear()
        assert len(read - used) <= 12 and len(read & used) <= 4
        assert set(picks) <= read - used
        used |= set(picks)
    assert used == set(range(N))


def test_pipelines():
    plain = make_sampler(make_pipeline(StandardScaler(), CoreSetSelector()))
    expected = slow_pass(
        CoreSetSelector(),
        lambda rows: StandardScaler().fit_transform(X[rows].numpy()),
        batch_size=8,
    )
    assert list(plain) == list(expected)


def test_supervised_steps_see_rows_used_before_only():
    class Spy(SelectKBest):
        seen = []

        def fit(self, X, y):
            self.seen.append((X.shape, y.tolist()))
            return super().fit(X, y)

    batches = list(make_sampler(make_pipeline(Spy(k=3), CoreSetSelector()), n_context=10))
    assert sorted(sum(batches, [])) == list(range(N))
    assert len(Spy.seen) == len(batches) - 1  # the first batch is drawn at random
    used = []
    for batch, (shape, labels) in zip(batches, Spy.seen, strict=False):
        used += batch
        assert labels == Y[used[-10:]].tolist() and shape == (len(labels), WIDTH)


@pytest.mark.parametrize(
    "selector",
    [
        CoreSetSelector(embedding="logits"),
        make_pipeline(NetworkEmbedding(kind="logits"), CoreSetSelector()),
    ],
    ids=["embedding", "pipeline"],
)
def test_selectors_may_embed_the_inputs_themselves(selector):
    network = make_network()
    by_selector = list(make_sampler(selector, network=network))
    assert by_selector == list(make_sampler(network=network, embedding="logits"))


def test_first_batch_of_a_selector_with_labels_and_an_embedding():
    network = make_network()
    selector = MLMOCSelector(embedding="last_layer")
    batches = list(make_sampler(selector, network=network))
    assert batches == list(make_sampler(MLMOCSelector(), network=network))
    assert batches[0] == list(make_sampler(network=network))[0]


# Passes


@pytest.mark.parametrize("n_candidates", [None, 8, 20])
@pytest.mark.parametrize(
    "selector",
    [
        CoreSetSelector(),
        ITLSelector(),
        ActiveFTSelector(max_iter=5),
        MLMOCSelector(),
        RandomSelector(),
    ],
    ids=lambda selector: type(selector).__name__,
)
def test_each_row_once_a_pass(selector, n_candidates):
    sampler = make_sampler(selector, n_candidates=n_candidates, random_state=0)
    batches = list(sampler)
    assert sorted(sum(batches, [])) == list(range(N))
    assert [len(batch) for batch in batches] == [8] * 7 + [4]
    assert len(sampler) == len(batches)
    assert all(type(row) is int for batch in batches for row in batch)


@pytest.mark.parametrize(
    ("params", "sizes"),
    [
        ({"drop_last": True}, [8] * 7),
        ({"n_batches": 3}, [8] * 3),
        ({"n_batches": 30}, [8] * 7 + [4]),
        ({"batch_size": 60}, [60]),
        ({"batch_size": 100}, [60]),
        ({"batch_size": 100, "drop_last": True}, []),
        ({"batch_size": 59}, [59, 1]),
        ({"batch_size": 20, "drop_last": True}, [20] * 3),
    ],
)
def test_lengths(params, sizes):
    sampler = make_sampler(RandomSelector(), **params)
    assert [len(batch) for batch in sampler] == sizes
    assert len(sampler) == len(sizes)
    assert len(DataLoader(DATASET, batch_sampler=sampler)) == len(sizes)


def test_same_seed_same_batches():
    def passes(seed, **params):
        sampler = make_sampler(RandomSelector(), n_candidates=20, random_state=seed, **params)
        return [list(sampler), list(sampler)]

    first, second = passes(0)
    assert [first, second] == passes(0)
    assert first != second and first != passes(1)[0]
    assert passes(np.random.RandomState(0)) == [first, second]


def test_a_pass_left_early_does_not_change_the_next():
    whole, left = (make_sampler(RandomSelector(), random_state=0) for _ in range(2))
    list(whole)
    next(iter(left))
    assert list(whole) == list(left)


def test_parameters_are_kept_and_the_selector_is_not_fitted():
    selector = CoreSetSelector(budget=3)
    sampler = make_sampler(selector, n_batches=2)
    list(sampler)
    assert sampler.selector is selector and selector.budget == 3
    assert not hasattr(selector, "indices_")


def test_pickling():
    sampler = make_sampler(RandomSelector(), random_state=0)
    assert list(pickle.loads(pickle.dumps(sampler))) == list(sampler)


# Datasets


@pytest.mark.parametrize(
    "dataset",
    [
        X,
        X.numpy(),
        X.tolist(),
        TensorDataset(X),
        Items(X, Y),
        Items(X.numpy(), Y.tolist(), wrap=list),
        Items(X, wrap=inputs_alone),
        Items(X, Y, torch.ones(N)),
        Subset(DATASET, range(N)),
    ],
    ids="tensor array list inputs pairs lists alone weights subset".split(),
)
@pytest.mark.parametrize("with_network", [False, True])
def test_kinds_of_datasets(dataset, with_network):
    network = make_network() if with_network else None
    batches = list(make_sampler(dataset=dataset, network=network))
    assert batches == list(make_sampler(network=network))


def test_images_are_flattened():
    images = X.reshape(N, 1, 2, 3)
    expected = list(make_sampler())
    assert list(make_sampler(dataset=TensorDataset(images, Y))) == expected
    assert list(make_sampler(dataset=Items(images, Y))) == expected
    assert list(make_sampler(dataset=images.numpy())) == expected


def test_subclasses_of_tensor_dataset_are_read_by_item():
    class Doubled(TensorDataset):
        def __getitem__(self, i):
            x, y = super().__getitem__(i)
            return torch.where(x > 0, x, 10 * x), y

    twisted = torch.where(X > 0, X, 10 * X)
    assert list(make_sampler(dataset=Doubled(X, Y))) == list(make_sampler(dataset=twisted))


def test_text_labels():
    names = np.array(["cat", "dog", "eel"])[Y]
    by_name = list(make_sampler(MLMOCSelector(), Items(X, names.tolist())))
    assert by_name == list(make_sampler(MLMOCSelector()))


@pytest.mark.parametrize("wrap", [TensorDataset, Items])
def test_labels_that_require_gradients(wrap):
    targets = Y + 0.5
    expected = list(make_sampler(MLMOCSelector(), wrap(X, targets)))
    soft = targets.clone().requires_grad_()
    assert list(make_sampler(MLMOCSelector(), wrap(X, soft))) == expected


# The network


def state_of(network):
    return (
        {name: value.clone() for name, value in network.state_dict().items()},
        [None if p.grad is None else p.grad.clone() for p in network.parameters()],
        [p.requires_grad for p in network.parameters()],
        [module.training for module in network.modules()],
        [
            len(module._forward_hooks) + len(module._forward_pre_hooks)
            for module in network.modules()
        ],
        torch.get_rng_state(),
    )


@pytest.mark.parametrize("dataset", [DATASET, Items(X, Y)], ids=["tensors", "items"])
@pytest.mark.parametrize("kind", ["last_layer", "ntk"])
def test_network_is_left_as_it_was(kind, dataset):
    network = make_network()
    nn.functional.cross_entropy(network(X), Y).backward()
    network[0].requires_grad_(False)
    network[3].eval()
    before = state_of(network)
    list(make_sampler(ITLSelector(), dataset, network=network, embedding=kind, random_state=0))
    torch.testing.assert_close(state_of(network), before, rtol=0, atol=0)


def test_network_is_never_copied(monkeypatch):
    def refuse(self, memo):
        raise AssertionError("the network was copied")

    network = make_network()
    monkeypatch.setattr(nn.Sequential, "__deepcopy__", refuse, raising=False)
    assert len(list(make_sampler(network=network))) == 8
    pipeline = make_pipeline(NetworkEmbedding(), CoreSetSelector())
    assert len(list(make_sampler(pipeline, network=network))) == 8


def test_skorch_nets():
    net = NeuralNetClassifier(
        make_network, max_epochs=2, lr=0.1, train_split=None, verbose=0, module__seed=3
    ).fit(X.numpy(), Y.numpy())
    assert list(make_sampler(network=net)) == list(make_sampler(network=net.module_))


# What is refused


class Stream(IterableDataset):
    def __iter__(self):
        return iter(DATASET)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"dataset": Stream()}, TypeError, "dataset == .* streams, frames and dicts do not have"),
        ({"dataset": {"X": X}}, TypeError, "dataset == .* streams, frames and dicts do not have"),
        ({"dataset": pd.DataFrame(X)}, TypeError, "dataset == .* Pass a map-style Dataset"),
        ({"dataset": 3}, TypeError, "dataset == 3, must have __len__"),
        ({"dataset": X[:0]}, ValueError, "dataset is empty"),
        (
            {"selector": StandardScaler()},
            TypeError,
            "selector == StandardScaler.*must be a selector",
        ),
        ({"selector": CoreSetSelector}, TypeError, "must be a selector"),
        ({"batch_size": 0}, ValueError, "batch_size == 0, must be an int >= 1"),
        ({"batch_size": 2.0}, TypeError, "batch_size == 2.0, must be an int >= 1"),
        ({"n_candidates": 7}, ValueError, "n_candidates == 7, must be an int >= 8.*None takes all"),
        ({"n_context": -1}, ValueError, "n_context == -1, must be an int >= 0"),
        ({"n_batches": 0}, ValueError, "n_batches == 0, must be an int >= 1"),
        ({"drop_last": "no"}, TypeError, "drop_last == 'no', must be True or False"),
        ({"embedding": "first_layer"}, ValueError, "embedding == 'first_layer', must be one of"),
        (
            {"network": StandardScaler()},
            TypeError,
            "network == StandardScaler.*must be a skorch net",
        ),
        (
            {"dataset": X, "selector": MLMOCSelector()},
            ValueError,
            "learns from labels, but dataset",
        ),
        (
            {"selector": CoreSetSelector(embedding="logits")},
            ValueError,
            "reads features of a network, but network is None",
        ),
        ({"random_state": "x"}, ValueError, "'x' cannot be used to seed"),
    ],
    ids=lambda value: None if isinstance(value, (type, str)) else "-".join(value),
)
def test_refused(params, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        make_sampler(**params)


def test_inputs_that_are_no_numbers_need_a_network():
    words = Items(["red"] * N, Y)
    with pytest.raises(TypeError, match="yields a str, must yield arrays of numbers"):
        list(make_sampler(dataset=words))
