"""Callbacks: what they show, write and stop, with small loops that only look like one."""

import os
import pickle
import sys
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.base import clone

from skactive.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    LearningCurvePlot,
    PrintTable,
    ProgressBar,
    check_callbacks,
)
from skactive.stopping import ScorePlateau

ALL_CALLBACKS = [
    Callback(),
    Checkpoint("model.joblib", monitor="score"),
    EarlyStopping(patience=2),
    LearningCurvePlot("curve.png"),
    PrintTable(),
    ProgressBar(),
]
POOL = np.zeros((100, 2))


def entry(number, score=0.5, *, n_owned=0, size=10, fitted=True, measures=None, **numbers):
    return {
        "round": number,
        "indices": np.arange(size),
        "n_labeled": n_owned + size * number,
        "n_bought": size * number,
        "n_unknown": 0,
        "cost": float(size * number),
        "fitted": fitted,
        "score": score if fitted else np.nan,
        "measures": measures or {},
        "seconds_select": 0.25,
        "seconds_oracle": 100.0,
        "seconds_fit": 1.5,
    } | numbers


def entries(*scores, **numbers):
    return [entry(n, score, **numbers) for n, score in enumerate(scores, start=1)]


def fake_loop(history=(), **attributes):
    return SimpleNamespace(**{"history_": list(history), "budget": 40} | attributes)


def run(callback, rounds, loop=None):
    """Call what a loop calls, in its order; what `on_round_end` gives for each round."""
    loop = fake_loop() if loop is None else loop
    callback.on_loop_begin(loop, POOL)
    replies = []
    for record in rounds:
        callback.on_round_begin(loop)
        callback.on_query(loop, record["indices"])
        callback.on_labels(loop, record["indices"], np.zeros(len(record["indices"])))
        loop.estimator_ = f"model {record['round']}"
        loop.history_.append(record)
        replies.append(callback.on_round_end(loop, record))
    callback.on_loop_end(loop)
    return replies


@pytest.mark.parametrize("callback", ALL_CALLBACKS, ids=lambda callback: type(callback).__name__)
def test_callbacks_are_cloned_and_pickled_at_any_time(callback, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    loop = fake_loop(estimator_="model")
    callback.on_loop_begin(loop, POOL)
    copy = pickle.loads(pickle.dumps(callback))
    assert repr(copy) == repr(clone(callback)) == repr(callback)
    loop.history_ = [entry(1)]
    replies = [each.on_round_end(loop, loop.history_[-1]) for each in (callback, copy)]
    assert replies == [None, None]
    copy.on_labels(loop, [1], [0])
    callback.on_loop_end(loop)
    assert run(clone(callback), entries(0.1, 0.2)) == [None, None]
    capsys.readouterr()


def test_a_loop_leaves_its_callbacks_as_they_were(capsys):
    """As scikit-learn expects of parameters; its checks compare hashes."""
    callbacks = [PrintTable(), ProgressBar()]
    before = joblib.hash(callbacks)
    for callback in callbacks:
        run(callback, entries(0.1, 0.2))
    assert joblib.hash(callbacks) == before
    assert "score" in capsys.readouterr().out


def test_check_callbacks_keeps_the_instances():
    callbacks = [ProgressBar(), PrintTable(), PrintTable()]
    checked = check_callbacks(tuple(callbacks))
    assert all(a is b for a, b in zip(checked, callbacks, strict=True))
    assert check_callbacks(None) == check_callbacks([]) == []


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (ProgressBar(), r"callbacks == ProgressBar\(\), must be None or a list"),
        ([PrintTable(), ProgressBar], r"callbacks\[1\] == .*ProgressBar.*must be None or a list"),
        ([print], r"callbacks\[0\] == <built-in function print>"),
        ([ScorePlateau()], r"callbacks\[0\] == ScorePlateau\(\)"),
    ],
)
def test_what_is_not_a_callback_is_refused(callbacks, message):
    with pytest.raises(TypeError, match=message):
        check_callbacks(callbacks)


def test_one_instance_is_called_once():
    bar = ProgressBar()
    with pytest.raises(ValueError, match=r"callbacks has ProgressBar\(\) twice"):
        check_callbacks([bar, PrintTable(), bar])


def shown(monkeypatch, bar, rounds, loop):
    """Calls of tqdm: arguments, and what is shown after each round."""
    states = []

    class Tqdm:
        def __init__(self, *, total, initial, unit):
            self.total, self.n, self.unit, self.postfix = total, initial, unit, {}
            states.append(("start", initial, total))

        def update(self, n):
            self.n += n
            states.append(("labels", self.n))

        def set_postfix(self, *, refresh, **postfix):
            self.postfix = postfix

        def refresh(self):
            states.append(("round", self.n, self.total, self.postfix.get("score")))

        def close(self):
            states.append(("end",))

    monkeypatch.setattr("skactive.callbacks._progress.tqdm", Tqdm)
    run(bar, rounds, loop)
    return states


def test_the_bar_counts_labels_and_shows_scores(monkeypatch):
    rounds = [entry(1, fitted=False), entry(2, 0.75), entry(3, 0.81234, n_bought=31, n_labeled=31)]
    assert shown(monkeypatch, ProgressBar(), rounds, fake_loop()) == [
        ("start", 0, 40),
        ("labels", 10),
        ("round", 10, 40, None),
        ("labels", 20),
        ("round", 20, 40, "0.75"),
        ("labels", 30),
        ("round", 31, 40, "0.8123"),  # one came in through another process
        ("end",),
    ]


@pytest.mark.parametrize(
    ("budget", "n_owned", "total"), [(0.25, 0, 25), (1.0, 0, 100), (500, 30, 70), (0.001, 5, 1)]
)
def test_the_bar_ends_with_budget_or_pool(monkeypatch, budget, n_owned, total):
    rounds = [entry(1, n_owned=n_owned, size=1)]
    states = shown(monkeypatch, ProgressBar(), rounds, fake_loop(budget=budget))
    assert states[-2] == ("round", 1, total, "0.5")


def test_a_loop_that_goes_on_has_bought_before(monkeypatch):
    loop = fake_loop(entries(0.5, 0.6))
    assert shown(monkeypatch, ProgressBar(), [entry(3)], loop)[:2] == [
        ("start", 20, 40),
        ("labels", 30),
    ]


def test_a_bar_left_open_by_an_error_is_closed_by_the_next_loop(monkeypatch):
    bar = ProgressBar()
    states = shown(monkeypatch, bar, [], fake_loop())
    bar.on_loop_begin(fake_loop(), POOL)
    bar.on_loop_begin(fake_loop(), POOL)
    assert states == [("start", 0, 40), ("end",), ("start", 0, 40), ("end",), ("start", 0, 40)]


def test_the_real_bar_writes_to_the_terminal(capsys):
    run(ProgressBar(), entries(0.5, 0.875, 0.9, 0.95))
    written = capsys.readouterr().err
    assert "40/40" in written and "score=0.95" in written and "label" in written


def table(rounds, **attributes):
    lines = []
    run(PrintTable(sink=lines.append), rounds, fake_loop(**attributes))
    return lines


def test_the_table_has_one_header_and_aligned_columns():
    rounds = [
        entry(0, n_owned=12, cost=0.0),
        entry(1, fitted=False, n_owned=12),
        entry(2, 0.987654, n_owned=12, n_unknown=3, cost=1234.5),
        entry(3, -123456.0, n_owned=12, seconds_oracle=86400.0),
    ]
    lines = table(rounds)
    assert len(lines) == 2 + len(rounds) and len({len(line) for line in lines}) == 1
    assert lines[0].split() == [
        *("round", "labeled", "bought", "unknown", "cost", "score"),
        *("select", "oracle", "fit"),
    ]
    assert set(lines[1]) == {"-", " "}
    assert lines[2].split() == ["0", "12", "0", "0", "0", "0.5000", "0.25", "100.00", "1.50"]
    assert lines[3].split()[5] == "-"
    assert lines[4].split()[3:6] == ["3", "1234.5", "0.9877"]
    assert lines[5].split()[5] == "-1.2e+05"
    edges = [{i for i, letter in enumerate(line + " ") if letter == " "} for line in lines]
    assert all(edges[1] <= edge for edge in edges[2:4])


def test_the_table_shows_measures_as_they_come():
    rounds = [
        entry(1, measures={"covering_radius": 2.0}),
        entry(2, measures={"covering_radius": 123.4567, "agreement_2000": 0.5}),
        entry(3, measures={"agreement_2000": 0.00012}),
    ]
    lines = [line.split() for line in table(rounds)]
    assert lines[0][5:8] == ["score", "covering_radius", "select"]
    assert lines[2][5:8] == ["0.5000", "2.0000", "0.25"]
    assert lines[3][5:9] == ["score", "covering_radius", "agreement_2000", "select"]
    assert lines[5][5:9] == ["0.5000", "123.46", "0.5000", "0.25"]
    assert lines[6][5:9] == ["0.5000", "-", "1.2e-04", "0.25"]


def test_the_table_starts_anew_with_each_loop(capsys):
    printer = PrintTable()
    run(printer, entries(0.5))
    run(printer, entries(0.5))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6 and lines[:3] == lines[3:]
    with pytest.raises(TypeError, match="sink == 'stdout', must be callable"):
        PrintTable(sink="stdout").on_loop_begin(fake_loop(), POOL)


def saved(callback, rounds, loop=None):
    """The model in the file after each round."""
    loop = fake_loop() if loop is None else loop
    callback.on_loop_begin(loop, POOL)
    found = []
    for record in rounds:
        loop.estimator_ = f"model {record['round']}"
        loop.history_.append(record)
        callback.on_round_end(loop, record)
        found.append(joblib.load(callback.path) if os.path.exists(callback.path) else None)
    return found


def test_each_model_is_saved(tmp_path):
    rounds = [entry(1, fitted=False), entry(2, 0.5), entry(3, 0.4), entry(4, np.nan)]
    found = saved(Checkpoint(tmp_path / "model.joblib"), rounds)
    assert found == [None, "model 2", "model 3", "model 4"]
    assert os.listdir(tmp_path) == ["model.joblib"]


def test_the_best_model_is_saved(tmp_path):
    rounds = [entry(1, fitted=False), *entries(0, 0.5, 0.4, 0.5, 0.6)[1:]]
    rounds += [rounds[-1] | {"round": 6}]  # no label came in
    path = str(tmp_path / "model.joblib")
    found = saved(Checkpoint(path, monitor="score"), rounds)
    assert found == [None, "model 2", "model 2", "model 2", "model 5", "model 5"]
    rounds = [entry(n, measures={"loss": v} if v else None) for n, v in enumerate([0, 2, 3, 1, 0])]
    found = saved(Checkpoint(path, monitor="loss", lower_is_better=True), rounds[1:])
    assert found == ["model 1", "model 1", "model 3", "model 3"]


def test_a_loop_that_goes_on_keeps_its_best_model(tmp_path):
    path = tmp_path / "model.joblib"
    joblib.dump("the best", path)
    loop = fake_loop(entries(0.5, 0.9))
    found = saved(Checkpoint(path, monitor="score"), [entry(3, 0.8), entry(4, 0.95)], loop)
    assert found == ["the best", "model 4"]


def test_scores_from_now_on_are_compared_with_each_other(tmp_path):
    loop = fake_loop(entries(np.nan, np.nan))
    callback = Checkpoint(tmp_path / "model.joblib", monitor="score")
    found = saved(callback, [entry(3, 0.8), entry(4, 0.7)], loop)
    assert found == ["model 3", "model 3"]


def test_a_model_that_cannot_be_saved_leaves_the_former_one(tmp_path):
    callback, loop = Checkpoint(tmp_path / "model.joblib"), fake_loop([entry(1)])
    loop.estimator_ = "a model"
    callback.on_round_end(loop, loop.history_[-1])
    loop.estimator_ = lambda: None
    with pytest.raises((pickle.PicklingError, AttributeError)):
        callback.on_round_end(loop, loop.history_[-1])
    assert os.listdir(tmp_path) == ["model.joblib"]
    assert joblib.load(tmp_path / "model.joblib") == "a model"


@pytest.mark.parametrize("make", [Checkpoint, LearningCurvePlot])
def test_paths_are_checked_before_any_label_is_bought(tmp_path, make):
    with pytest.raises(FileNotFoundError, match="there is no folder .*missing"):
        make(tmp_path / "missing" / "file.png").on_loop_begin(fake_loop(), POOL)
    with pytest.raises(ValueError, match="is a folder, must be a file"):
        make(tmp_path).on_loop_begin(fake_loop(), POOL)
    with pytest.raises(TypeError, match="path == 3, must be a str or a Path"):
        make(3).on_loop_begin(fake_loop(), POOL)


PNG = b"\x89PNG\r\n\x1a\n"


def test_the_curve_is_drawn_after_each_round_with_a_model(tmp_path):
    path = tmp_path / "curve.png"
    callback, loop, sizes = LearningCurvePlot(path), fake_loop(scoring="accuracy"), []
    figures = plt.get_fignums()
    callback.on_loop_begin(loop, POOL)
    assert os.listdir(tmp_path) == []
    for record in [entry(1, fitted=False), entry(2, 0.5), entry(3, 0.75), entry(4, 0.8)]:
        loop.history_.append(record)
        assert callback.on_round_end(loop, record) is None
        sizes.append(path.stat().st_size if path.exists() else 0)
    assert sizes[0] == 0 < sizes[1] and len(set(sizes)) == 4
    assert path.read_bytes().startswith(PNG) and os.listdir(tmp_path) == ["curve.png"]
    assert plt.get_fignums() == figures


def drawn(monkeypatch, callback, loop):
    """Points and axis labels of the picture."""
    from matplotlib.axes import Axes

    points = []
    plot = Axes.plot

    def record(axes, x, y, **style):
        points.append((list(x), list(y), axes))
        return plot(axes, x, y, **style)

    monkeypatch.setattr(Axes, "plot", record)
    callback.on_round_end(loop, loop.history_[-1])
    ((x, y, axes),) = points
    return x, y, axes.get_xlabel(), axes.get_ylabel()


@pytest.mark.parametrize(
    ("x", "expected", "label"),
    [
        ("n_bought", [10, 30], "labels bought"),
        ("n_labeled", [15, 35], "labels, owned and bought"),
        ("cost", [4.5, 30.0], "cost of the labels"),
    ],
)
def test_the_curve_shows_scores_over_labels(tmp_path, monkeypatch, x, expected, label):
    rounds = entries(0.5, np.nan, 0.75, n_owned=5)
    rounds[0]["cost"] = 4.5
    callback = LearningCurvePlot(tmp_path / "curve.svg", x=x)
    callback.on_loop_begin(fake_loop(), POOL)
    assert drawn(monkeypatch, callback, fake_loop(rounds)) == (
        expected,
        [0.5, 0.75],
        label,
        "score on held-out data",
    )
    assert b"<svg" in (tmp_path / "curve.svg").read_bytes()


def test_a_curve_without_scores_or_matplotlib_says_what_to_do(tmp_path, monkeypatch):
    callback = LearningCurvePlot(tmp_path / "curve.png")
    with pytest.raises(ValueError, match="Pass X_val and y_val"):
        run(callback, entries(np.nan))
    with pytest.raises(ValueError, match="must end in one of .*png.* Try 'curve.png'"):
        LearningCurvePlot(tmp_path / "curve.txt").on_loop_begin(fake_loop(), POOL)
    with pytest.raises(ValueError, match="x == 'seconds', must be one of 'n_labeled'"):
        LearningCurvePlot(tmp_path / "curve.png", x="seconds").on_loop_begin(fake_loop(), POOL)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "skactive\[plots\]"'):
        callback.on_loop_begin(fake_loop(), POOL)


def test_early_stopping_agrees_with_the_rule():
    rng = np.random.default_rng(0)
    n_stops = 0
    for _ in range(20):
        rounds = entries(*rng.integers(0, 9, size=8) / 8)
        replies = run(EarlyStopping(patience=3, threshold=0.1), rounds)
        rule = ScorePlateau(patience=3, tol=0.1)
        assert replies == [rule.reason(rounds[:n]) for n in range(1, 9)]
        n_stops += sum(reply is not None for reply in replies)
    assert n_stops > 0


def test_early_stopping_watches_any_number():
    rounds = [
        entry(n, measures={"loss": v} if v else None) for n, v in enumerate([0, 4, 2, 2, 2], 1)
    ]
    falling = EarlyStopping(monitor="loss", patience=2, lower_is_better=True)
    assert run(falling, rounds) == [None] * 4 + [
        "loss has not improved on 2 by more than 0.0001 for 2 rounds."
    ]
    assert run(EarlyStopping(monitor="loss", patience=3), rounds)[-1].startswith("loss has not")
    assert run(EarlyStopping(monitor="n_labeled", patience=1), rounds) == [None] * 5


def test_a_loop_that_goes_on_has_been_patient_before():
    callback = EarlyStopping(patience=3)
    replies = run(callback, [entry(4, 0.5)], fake_loop(entries(0.5, 0.5, 0.5)))
    assert replies == ["score has not improved on 0.5 by more than 0.0001 for 3 rounds."]
    assert run(callback, entries(0.5, 0.5)) == [None, None]


@pytest.mark.parametrize("make", [EarlyStopping, lambda monitor: Checkpoint("m", monitor)])
def test_what_cannot_be_watched_is_refused(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"monitor == 'accuracy', but no round .* 'score'"):
        run(make("accuracy"), entries(0.5, 0.6))
    with pytest.raises(TypeError, match="monitor == 'indices', must name a number; .* ndarray"):
        run(make("indices"), entries(0.5))
    with pytest.raises(ValueError, match="its score is NaN. Pass X_val and y_val"):
        run(make("score"), entries(np.nan))
    with pytest.raises(ValueError, match="its cost is NaN. Watch another number"):
        run(make("cost"), [entry(1, cost=np.nan)])
    with pytest.raises(TypeError, match="monitor == 3, must be a str"):
        run(make(3), [])


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"patience": 0}, ValueError),
        ({"patience": 1.5}, TypeError),
        ({"threshold": -1}, ValueError),
    ],
)
def test_early_stopping_checks_its_parameters(params, error):
    ((name, value),) = params.items()
    with pytest.raises(error, match=f"{name} == {value}, must be"):
        EarlyStopping(**params).on_loop_begin(fake_loop(), POOL)
