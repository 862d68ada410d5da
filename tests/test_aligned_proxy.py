"""Selection via a proxy: which features it sees, when they change, and that no label is lost."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import EpochScoring
from torch import nn

from skactive import (
    ActiveLearningLoop,
    AlignedProxy,
    CoreSetSelector,
    ITLSelector,
    MLMOCSelector,
)
from skactive.embedding import NetworkEmbedding
from skactive.exceptions import BudgetWarning, OracleError
from skactive.metrics import logme
from tests.loops import FirstRows, Oracle, never_asked
from tests.networks import any_width_net

X, Y = load_digits(return_X_y=True)
X, Y = (X / 16).astype(np.float32), Y
X, Y, X_VAL, Y_VAL = X[:300], Y[:300], X[300:400], Y[300:400]


def make_module(n_outputs=10, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, n_outputs))


def make_net(module=None, **params):
    return NeuralNetClassifier(
        make_module() if module is None else module,
        **{
            "criterion": nn.CrossEntropyLoss,
            "optimizer": torch.optim.Adam,
            "lr": 0.01,
            "max_epochs": 3,
            "train_split": None,
            "verbose": 0,
            **params,
        },
    )


def make_proxy(network=None, **params):
    params = {
        "proxy": KNeighborsClassifier(3),
        "selector": CoreSetSelector(),
        "budget": 60,
        "batch_size": 10,
        "probe_epochs": 2,
        "random_state": 0,
        **params,
    }
    return AlignedProxy(make_net() if network is None else network, **params)


def make_blind_module():
    """A network whose features tell next to nothing, but can learn to."""
    module = make_module()
    with torch.no_grad():
        module[0].weight *= 1e-3
        module[0].bias.fill_(1.0)
    return module


def make_fixed_module():
    """A network whose features no fine-tuning changes."""
    module = make_module()
    module[0].requires_grad_(False)
    return module


def pretrained_features(module, rows=X):
    return NetworkEmbedding(module).fit_transform(rows)


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same_state(before, after):
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=0)


# Rounds


@pytest.mark.parametrize("selector", [ITLSelector(), CoreSetSelector(), MLMOCSelector()], ids=str)
def test_never_aligned_is_a_loop_on_the_features(selector):
    net = make_net()
    model = make_proxy(net, selector=selector, align="never", budget=25).fit(
        X, Y, labeled=[3, 8, 20], X_val=X_VAL, y_val=Y_VAL
    )
    Z, Z_val = pretrained_features(net.module), pretrained_features(net.module, X_VAL)
    loop = ActiveLearningLoop(KNeighborsClassifier(3), selector, budget=25, batch_size=10)
    loop.fit(Z, Y, labeled=[3, 8, 20], X_val=Z_val, y_val=Y_VAL)
    np.testing.assert_array_equal(model.labeled_indices_, loop.labeled_indices_)
    np.testing.assert_array_equal(model.y_labeled_, loop.y_labeled_)
    np.testing.assert_array_equal(model.proxy_.predict(Z), loop.predict(Z))
    assert not model.aligned_
    assert model.n_finetunings_ == 1
    assert model.n_rounds_ == loop.n_rounds_ == 3
    for entry, expected in zip(model.history_, loop.history_, strict=True):
        np.testing.assert_array_equal(entry["indices"], expected["indices"])
        for key in ("round", "selected_by", "n_labeled", "n_bought", "cost", "fitted", "score"):
            assert entry[key] == expected[key]
        assert np.isnan(entry["logme_pretrained"]) and np.isnan(entry["logme_finetuned"])
        assert entry["reason"] == "" and entry["n_finetunings"] == 0 and not entry["aligned"]


def test_after_alignment_rounds_see_the_features_of_the_snapshot():
    net = make_net()
    model = make_proxy(net, align="always", align_every=2, holdout=0.0).fit(
        X, Y, X_val=X_VAL, y_val=Y_VAL
    )
    Z, Z_new = pretrained_features(net.module), model.embedding_.transform(X)
    assert np.abs(Z - Z_new).max() > 0.01
    labeled = []
    for features, n_rounds in ((Z, 2), (Z_new, 4)):
        for _ in range(n_rounds):
            labeled.extend(CoreSetSelector(budget=10).fit(features, labeled=labeled).indices_)
    assert model.labeled_indices_.tolist() == labeled
    expected = KNeighborsClassifier(3).fit(Z_new[labeled], Y[labeled])
    np.testing.assert_array_equal(model.proxy_.predict(Z_new), expected.predict(Z_new))
    score = expected.score(model.embedding_.transform(X_VAL), Y_VAL)
    assert model.history_[-1]["score"] == score
    # What the comparison reported can be computed again.
    seen = labeled[:20]
    entry = model.history_[1]
    assert entry["logme_pretrained"] == pytest.approx(logme(Z[seen], Y[seen]))
    assert entry["logme_finetuned"] == pytest.approx(logme(Z_new[seen], Y[seen]))


def test_records_of_an_aligned_run():
    model = make_proxy(make_net(make_blind_module(), max_epochs=40), align_every=3)
    model.fit(X, Y)
    assert [entry["round"] for entry in model.history_] == [1, 2, 3, 4, 5, 6]
    assert [entry["n_labeled"] for entry in model.history_] == [10, 20, 30, 40, 50, 60]
    assert [entry["aligned"] for entry in model.history_] == [False] * 2 + [True] * 4
    assert [entry["n_finetunings"] for entry in model.history_] == [0, 0, 2, 2, 2, 2]
    assert [entry["reason"] != "" for entry in model.history_] == [False, False, True] + 3 * [False]
    third = model.history_[2]
    assert third["logme_finetuned"] > third["logme_pretrained"]
    assert third["reason"].startswith("aligned")
    assert third["seconds_align"] > 0 == model.history_[3]["seconds_align"]
    assert model.aligned_
    assert model.n_finetunings_ == 3  # half the labels, all of them, and the last one
    for entry in model.history_:
        assert all(entry[f"seconds_{part}"] >= 0 for part in ("select", "oracle", "fit"))


def test_features_that_fine_tuning_does_not_change_are_kept():
    for holdout in (0.0, 0.5):
        model = make_proxy(make_net(make_fixed_module()), holdout=holdout).fit(X, Y)
        compared = [entry for entry in model.history_ if entry["reason"]]
        assert [entry["round"] for entry in compared] == [2, 4]  # none after the last round
        assert all(entry["reason"].startswith("kept") for entry in compared)
        for entry in compared:
            assert entry["logme_finetuned"] == pytest.approx(entry["logme_pretrained"], abs=1e-6)
        assert not model.aligned_
        assert model.n_finetunings_ == 3
    always = make_proxy(make_net(make_fixed_module()), align="always").fit(X, Y)
    assert always.aligned_
    assert always.history_[1]["reason"] == "aligned: align == 'always'"


def test_rounding_aligns_nothing(monkeypatch):
    values = iter([-0.5, -0.5 + 1e-9] * 2)
    monkeypatch.setattr("skactive._alignment.logme", lambda *_: next(values))
    model = make_proxy().fit(X, Y)
    assert not model.aligned_
    assert [entry["reason"][:4] for entry in model.history_[1::2]] == ["kept", "kept", ""]


def test_rows_that_were_held_out_are_not_trained_on():
    class Spy(NeuralNetClassifier):
        seen = []

        def fit(self, X, y):
            self.seen.append(len(y))
            return super().fit(X, y)

    net = make_net()
    spy = Spy(**net.get_params(deep=False))
    model = make_proxy(spy, align="always", align_every=3, holdout=0.5).fit(X, Y)
    known = Y[model.labeled_indices_[:30]]
    n_held = sum(np.sum(known == c) // 2 for c in range(10))
    assert Spy.seen == [30 - n_held, 30, 60]


def test_final_training_starts_from_the_pretrained_weights():
    net = make_net(max_epochs=0)
    before = state(net.module)
    model = make_proxy(net, align="never").fit(X, Y)
    after = state(model.network_.module_)
    assert_same_state({k: v for k, v in before.items() if k[0] == "0"}, after)
    assert not torch.equal(before["2.weight"], after["2.weight"])  # the probe
    aligned = make_proxy(net, align="always").fit(X, Y)
    assert_same_state(before, state(aligned.network_.module_))  # plain fine-tuning, 0 epochs
    assert_same_state(before, state(net.module))
    assert not net.initialized_


@pytest.mark.parametrize(("align", "n_epochs"), [("never", 5), ("always", 3)])
def test_epochs_of_the_final_training(align, n_epochs):
    model = make_proxy(align=align).fit(X, Y)
    assert len(model.network_.history) == n_epochs


def test_it_learns():
    model = make_proxy(make_net(max_epochs=40), selector=ITLSelector(), budget=100).fit(X, Y)
    assert model.score(X_VAL, Y_VAL) > 0.7
    proba = model.predict_proba(X_VAL)
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(X_VAL), model.classes_[proba.argmax(1)])


def test_same_seed_same_network_and_no_trace_in_torch():
    net = make_net(make_module(), iterator_train__shuffle=True)
    before, random_state = state(net.module), torch.get_rng_state()
    first = make_proxy(net).fit(X, Y)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert_same_state(before, state(net.module))
    torch.manual_seed(77)
    second = make_proxy(net).fit(X, Y)
    np.testing.assert_array_equal(first.labeled_indices_, second.labeled_indices_)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    other = make_proxy(net, random_state=1).fit(X, Y)
    assert np.abs(first.predict_proba(X) - other.predict_proba(X)).max() > 0


# Labels


def test_the_oracle_sees_rows_of_the_pool():
    oracle = Oracle(X, Y)
    model = make_proxy(align="always").fit(X, oracle=oracle)
    assert oracle.n_calls == 6
    assert oracle.asked == model.labeled_indices_.tolist()
    simulated = make_proxy(align="always").fit(X, Y)
    np.testing.assert_array_equal(simulated.labeled_indices_, model.labeled_indices_)
    np.testing.assert_array_equal(simulated.predict_proba(X), model.predict_proba(X))


def test_the_oracle_sees_rows_of_a_frame():
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])

    def oracle(rows, indices):
        pd.testing.assert_frame_equal(rows, frame.iloc[indices])
        return Y[indices]

    model = make_proxy(budget=20).fit(frame, oracle=oracle)
    assert model.feature_names_in_[0] == "pixel 0"
    assert (model.predict(frame) == model.predict(frame)).all()


def test_labels_that_were_not_bought_are_not_read():
    expected = make_proxy(align="always").fit(X, Y)
    y = np.where(np.isin(np.arange(300), expected.labeled_indices_), Y, 1000)
    again = make_proxy(align="always").fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), expected.predict_proba(X))
    owned = np.full(300, None, dtype=object)
    owned[[4, 9]] = Y[[4, 9]]
    model = make_proxy().fit(X, owned, labeled=[4, 9], oracle=Oracle(X, Y))
    assert model.labeled_indices_[:2].tolist() == [4, 9]
    assert model.history_[0]["round"] == 0
    assert model.history_[-1]["n_labeled"] == 62


@pytest.mark.parametrize("n_answered", [0, 1, 3, 4])
def test_a_failing_oracle_loses_no_label(n_answered):
    clean = make_proxy(align="always").fit(X, Y)

    class Fails(Oracle):
        def __call__(self, rows, indices):
            if self.n_calls == n_answered:
                raise ConnectionError("gone")
            return super().__call__(rows, indices)

    model = make_proxy(align="always")
    with pytest.raises(ConnectionError) as caught:
        model.fit(X, oracle=Fails(X, Y))
    known = caught.value.labeled_indices
    np.testing.assert_array_equal(known, clean.labeled_indices_[: 10 * n_answered])
    np.testing.assert_array_equal(caught.value.y_labeled, Y[known])
    assert not hasattr(model, "network_")


def test_a_failing_training_loses_no_label():
    class Fails(NeuralNetClassifier):
        def fit(self, X, y):
            raise MemoryError("too much")

    for align, n_labeled in (("never", 60), ("auto", 20)):
        net = Fails(**make_net().get_params(deep=False))
        with pytest.raises(MemoryError) as caught:
            make_proxy(net, align=align, holdout=0).fit(X, Y)
        assert len(caught.value.labeled_indices) == n_labeled
        np.testing.assert_array_equal(caught.value.y_labeled, Y[caught.value.labeled_indices])


def test_bad_answers_are_told_apart():
    with pytest.raises(OracleError, match="one label for each of the 10 rows"):
        make_proxy().fit(X, oracle=lambda rows, indices: Y[:3])
    with pytest.raises(OracleError, match="classes == \\[0, 1\\]"):
        make_proxy(classes=[0, 1]).fit(X, Y)


ORDER = np.argsort(Y == 0, kind="stable")[::-1]  # zeros first
N_ZEROS = int(np.sum(Y == 0))


def test_a_single_class_at_first():
    X_sorted, y_sorted = X[ORDER], Y[ORDER]
    n = -(-N_ZEROS // 10)  # rounds that begin with a zero
    model = make_proxy(proxy=LogisticRegression(), selector=FirstRows(), align_every=2)
    model.fit(X_sorted, y_sorted)
    n_unfitted = N_ZEROS // 10
    assert 2 <= n_unfitted <= n <= 5
    assert model.labeled_indices_.tolist() == list(range(60))
    assert [e["fitted"] for e in model.history_] == [False] * n_unfitted + [True] * (6 - n_unfitted)
    assert [e["n_labeled"] for e in model.history_] == [10, 20, 30, 40, 50, 60]
    assert [e["round"] for e in model.history_] == [1, 2, 3, 4, 5, 6]
    assert model.history_[1]["reason"] == "not compared: labels of a single class"
    assert [e["selected_by"] for e in model.history_[n_unfitted:]] == ["FirstRows"] * (
        6 - n_unfitted
    )
    assert np.isnan(model.history_[0]["seconds_fit"])


def test_a_single_class_to_the_end():
    model = make_proxy(proxy=LogisticRegression(), selector=FirstRows(), budget=20)
    with pytest.raises(ValueError, match="class") as caught:
        model.fit(X[ORDER], Y[ORDER])
    assert caught.value.labeled_indices.tolist() == list(range(20))
    assert caught.value.y_labeled.tolist() == [0] * 20
    assert not hasattr(model, "history_")


def test_too_few_labels_to_hold_any_out():
    model = make_proxy(batch_size=2, budget=4, align_every=1).fit(X, Y)
    assert model.history_[0]["reason"].startswith("not compared: too few labels")
    assert model.n_finetunings_ == 1


# Inputs


@pytest.mark.parametrize(
    "convert",
    [
        lambda X: X.astype(np.float64),
        lambda X: X.tolist(),
        lambda X: np.asfortranarray(X),
        lambda X: X[:, ::-1][:, ::-1],
        torch.tensor,
    ],
)
def test_kinds_of_pools(convert):
    expected = make_proxy(align="always").fit(X, Y)
    pool = convert(X)
    if isinstance(pool, np.ndarray):
        pool.setflags(write=False)
    model = make_proxy(align="always").fit(pool, Y)
    np.testing.assert_array_equal(model.labeled_indices_, expected.labeled_indices_)
    np.testing.assert_array_equal(model.predict_proba(pool), expected.predict_proba(X))


def test_images_of_small_integers():
    images = (16 * X).astype(np.uint8).reshape(-1, 1, 8, 8)
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    model = make_proxy(make_net(module), budget=20).fit(images, oracle=Oracle(images, Y))
    assert model.predict(images).shape == (300,)
    assert model.embedding_.transform(images).shape == (300, 144)


def test_tokens_stay_whole_numbers():
    tokens = (16 * X).astype(np.int64)
    module = nn.Sequential(nn.EmbeddingBag(17, 8), nn.ReLU(), nn.Linear(8, 10))
    model = make_proxy(make_net(module), budget=20).fit(tokens, Y)
    assert model.predict(tokens).shape == (300,)


def test_kinds_of_labels():
    numbers = make_proxy().fit(X, Y)
    names = np.array([f"digit {i}" for i in range(10)])
    for y in (names[Y], names[Y].astype(object), names[Y].tolist(), pd.Series(names[Y])):
        model = make_proxy().fit(X, y)
        np.testing.assert_array_equal(model.predict(X), names[numbers.predict(X)])
        assert model.classes_.tolist() == names.tolist()


def test_classes_known_beforehand():
    y = Y % 3
    model = make_proxy(classes=[0, 1, 2, 7], budget=20).fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2, 7]
    assert model.predict_proba(X).shape == (300, 4)
    fewer = make_proxy(budget=20).fit(X, y)
    assert fewer.predict_proba(X).shape == (300, 3)
    np.testing.assert_allclose(fewer.predict_proba(X).sum(1), 1, rtol=1e-5)


def test_a_network_with_a_single_output():
    class Single(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(64, 8), nn.Linear(8, 1)

        def forward(self, X):
            return self.head(self.body(X).relu()).squeeze(1)

    net = NeuralNetBinaryClassifier(
        Single(), optimizer=torch.optim.Adam, max_epochs=30, lr=0.01, train_split=None, verbose=0
    )
    y = np.where(Y < 5, "low", "high")
    model = make_proxy(net).fit(X, y)
    assert model.predict_proba(X).shape == (300, 2)
    assert model.score(X, y) > 0.6


def test_heads_by_name():
    module = nn.Sequential(
        nn.Linear(64, 16), nn.ReLU(), nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 10))
    )
    net = make_net(module, max_epochs=0)
    model = make_proxy(net, head="2", align="never").fit(X, Y)
    assert model.embedding_.transform(X).shape == (300, 16)
    before, after = state(module), state(model.network_.module_)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"2.0.weight", "2.0.bias", "2.2.weight", "2.2.bias"}


@pytest.mark.parametrize(
    "callbacks", [None, "disable", [EpochScoring("accuracy", name="mine", on_train=True)]]
)
def test_callbacks_of_the_network_are_kept(callbacks):
    net = make_net(max_epochs=0, callbacks=callbacks)
    model = make_proxy(net, align="never", budget=20).fit(X, Y)
    names = [name for name, _ in model.network_.callbacks_]
    assert "linear_probe" in names
    assert ("print_log" in names) == (callbacks != "disable")
    assert ("EpochScoring" in names) == isinstance(callbacks, list)
    assert len(model.network_.history) == 2


# Composition


def test_clone_pickle_and_grid_search():
    model = make_proxy(budget=20, proxy=make_pipeline(StandardScaler(), KNeighborsClassifier(3)))
    search = GridSearchCV(
        model,
        {"network__lr": [0.001, 0.01], "selector__metric": ["euclidean"], "align": ["always"]},
        cv=2,
        error_score="raise",
    ).fit(X, Y)
    best = search.best_estimator_
    assert best.network.lr == search.best_params_["network__lr"]
    loaded = pickle.loads(pickle.dumps(best))
    np.testing.assert_array_equal(loaded.predict_proba(X_VAL), best.predict_proba(X_VAL))
    assert not hasattr(clone(best), "network_")


def test_a_second_fit_starts_afresh():
    model = make_proxy(align="always").fit(X, Y)
    first = model.predict_proba(X)
    np.testing.assert_array_equal(model.fit(X, Y).predict_proba(X), first)


# Errors


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"align": "sometimes"}, ValueError, "align == 'sometimes', must be one of 'auto'"),
        ({"align_every": 0}, ValueError, "align_every == 0, must be an int >= 1"),
        ({"holdout": 1.0}, ValueError, "holdout == 1.0, must be a share in"),
        ({"holdout": -0.1}, ValueError, "holdout == -0.1"),
        ({"probe_epochs": 1.5}, TypeError, "probe_epochs == 1.5"),
        ({"head": "haed"}, ValueError, "'haed', must be the name of a module"),
        ({"budget": 0}, ValueError, "budget == 0"),
        ({"batch_size": 0}, ValueError, "batch_size == 0"),
        ({"selector": KNeighborsClassifier()}, TypeError, "selector == KNeighborsClassifier"),
        ({"network": make_module()}, TypeError, "must be a skorch classifier"),
        ({"network": NeuralNetRegressor(make_module())}, TypeError, "must be a skorch classifier"),
        ({"network": make_net(nn.Linear)}, ValueError, "must be a module instance"),
        ({"network": make_net(module__bias=True)}, ValueError, "\\['bias'\\].*make a new"),
        ({"network": make_net(make_module(4))}, ValueError, "has 4 outputs, but there are 9"),
    ],
)
def test_bad_parameters(params, error, message):
    with pytest.raises(error, match=message):
        make_proxy().set_params(**params).fit(X, Y)


def test_bad_data():
    with pytest.raises(ValueError, match="requires y to be passed"):
        make_proxy().fit(X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make_proxy().fit(X, Y[:-1])
    with pytest.raises(ValueError, match="labeled covers all 300 rows"):
        make_proxy().fit(X, Y, labeled=np.ones(300, dtype=bool), oracle=never_asked)
    with pytest.raises(ValueError, match="X_val and y_val must be given together"):
        make_proxy().fit(X, Y, X_val=X_VAL)
    with pytest.raises(ValueError, match="contains NaN"):
        make_proxy().fit(np.where(X > 0.9, np.nan, X), Y)
    with pytest.raises(ValueError, match="1d array"):
        make_proxy().fit(X, np.column_stack([Y, Y]))
    with pytest.raises(ValueError, match="Unknown label type"):
        make_proxy(align="never", proxy=AcceptsAnything()).fit(X, Y + 0.5)
    with pytest.warns(BudgetWarning, match="only 300 are left"):
        make_proxy(budget=1000, batch_size=300, align="never").fit(X, Y)


class AcceptsAnything(KNeighborsClassifier):
    def fit(self, X, y):
        return super().fit(X, np.asarray(y).astype(int))


def test_data_of_any_width():
    rng = np.random.default_rng(0)
    for width in (2, 7):
        pool = rng.normal(size=(40, width))
        model = make_proxy(any_width_net(), budget=20).fit(pool, pool.sum(1) > 0)
        assert model.predict(pool).dtype == bool
        assert model.n_features_in_ == width
