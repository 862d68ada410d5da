"""When loops end, and what looks on: rules, callbacks and oracles in whole runs."""

import re

import joblib
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

from skactive import ActiveLearningLoop, CoreSetSelector, ITLSelector, RandomSelector
from skactive.callbacks import Callback, Checkpoint, EarlyStopping, LearningCurvePlot, PrintTable
from skactive.exceptions import OracleError
from skactive.oracles import ArrayOracle, ConsensusOracle
from skactive.stopping import (
    CoverageRadius,
    MaxCost,
    MaxLabels,
    MaxRounds,
    ScorePlateau,
    StablePredictions,
    TargetUncertainty,
    TimeLimit,
)
from tests.loops import logistic, make_pool

X, Y = make_pool()
N = len(X)


def make_loop(selector=None, estimator=None, **params):
    params = {"budget": 60, "batch_size": 5, "random_state": 0, **params}
    return ActiveLearningLoop(estimator or logistic(), selector or CoreSetSelector(), **params)


RULES = {
    "labels": (MaxLabels(12), {}, r"15 labels"),
    "cost": (MaxCost(9.0), {}, r"10 was spent"),
    "rounds": (MaxRounds(2), {}, r"2 rounds"),
    "plateau": (ScorePlateau(patience=2, tol=0.5), {}, r"score"),
    "stable": (StablePredictions(threshold=0.5, window=2), {}, r"Successive models agree by 0\."),
    "uncertainty": (TargetUncertainty(0.5), {"selector": ITLSelector()}, r"of the prior one"),
    "radius": (CoverageRadius(6.0), {}, r"The covering radius is 4"),
    "one of two": (MaxRounds(3) | MaxLabels(5), {}, r"5 labels"),
    "both": (MaxRounds(3) & MaxLabels(5), {}, r"3 rounds.* 15 labels"),
    "a list": ([MaxRounds(3), MaxLabels(5)], {}, r"5 labels"),
}


@pytest.mark.parametrize(("rule", "params", "reason"), RULES.values(), ids=RULES.keys())
def test_rules_end_loops_and_say_why(rule, params, reason, tmp_path):
    loop = make_loop(stopping=rule, **params).fit(X, Y, X_val=X, y_val=Y)
    assert loop.termination_condition_ == "stopping rule"
    assert re.search(reason, loop.stop_reason_), loop.stop_reason_
    n_labeled = len(loop.labeled_indices_)
    assert 5 <= n_labeled < 60
    whole = make_loop(**params).fit(X, Y)
    np.testing.assert_array_equal(loop.labeled_indices_, whole.labeled_indices_[:n_labeled])
    journaled = make_loop(stopping=rule, journal=tmp_path / "labels.db", **params)
    while len(rows := journaled.ask(X, X_val=X, y_val=Y)):
        journaled.tell(rows, Y[rows])
        journaled = make_loop(stopping=rule, journal=tmp_path / "labels.db", **params)
    np.testing.assert_array_equal(journaled.labeled_indices_, loop.labeled_indices_)
    assert journaled.stop_reason_ == loop.stop_reason_


def test_time_is_that_of_the_loop():
    loop = make_loop(stopping=TimeLimit(1e-6)).fit(X, Y)
    assert loop.termination_condition_ == "stopping rule" and loop.n_rounds_ == 1
    assert make_loop(stopping=TimeLimit(1e6)).fit(X, Y).termination_condition_ == "budget"


def test_rules_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="CoreSetSelector"):
        make_loop(RandomSelector(), stopping=CoverageRadius(1.0)).fit(X, Y)
    with pytest.raises(ValueError, match="X_val"):
        make_loop(stopping=ScorePlateau()).fit(X, Y)
    with pytest.raises(TypeError, match="stopping == 3, must be"):
        make_loop(stopping=3).fit(X, Y)
    loop = make_loop(
        ITLSelector(), init_selector=CoreSetSelector(), stopping=TargetUncertainty(0.1)
    ).fit(X, Y)
    assert "target_uncertainty" not in loop.history_[0]["measures"]
    assert "target_uncertainty" in loop.history_[1]["measures"]


def test_rules_are_searched_over():
    loop = make_loop(stopping=StablePredictions(window=1))
    search = GridSearchCV(loop, {"stopping__threshold": [0.3, 0.999]}, cv=3).fit(X, Y)
    assert search.cv_results_["mean_test_score"][1] >= search.cv_results_["mean_test_score"][0]


def test_regressors_are_stable_too():
    loop = make_loop(estimator=Ridge(), stopping=StablePredictions(threshold=0.9, window=1))
    loop.fit(X, X @ np.arange(6.0))
    assert loop.termination_condition_ == "stopping rule"


class Diary(Callback):
    """Writes down everything it sees."""

    def __init__(self, pages=None, last=100):
        self.pages = pages
        self.last = last

    def on_loop_begin(self, loop, X):
        self.pages.append(f"begin {len(X)}")

    def on_round_begin(self, loop):
        self.pages.append(f"round {len(loop.history_) + 1}")

    def on_query(self, loop, indices):
        self.pages.append(f"ask {len(indices)}")

    def on_labels(self, loop, indices, labels):
        np.testing.assert_array_equal(labels, Y[indices])
        self.pages.append(f"labels {len(indices)}")

    def on_round_end(self, loop, entry):
        assert loop.history_[-1] is entry
        self.pages.append(f"end {entry['round']}")
        return "It is late." if entry["round"] == self.last else None

    def on_loop_end(self, loop):
        self.pages.append("done")


def test_callbacks_see_everything_in_order():
    pages = []
    make_loop(budget=10, callbacks=[Diary(pages)]).fit(X, Y)
    first = ["begin 120", "round 1", "ask 5", "labels 5", "end 1"]
    assert pages == [*first, "round 2", "ask 5", "labels 5", "end 2", "done"]


def test_a_callback_ends_a_loop():
    loop = make_loop(callbacks=[Diary([], last=2)]).fit(X, Y)
    assert (loop.termination_condition_, loop.stop_reason_) == ("callback", "It is late.")
    assert len(loop.labeled_indices_) == 10
    loop = make_loop(callbacks=[EarlyStopping(patience=2, threshold=0.5)])
    loop.fit(X, Y, X_val=X, y_val=Y)
    assert loop.termination_condition_ == "callback" and "score" in loop.stop_reason_


def test_callbacks_are_told_when_a_loop_fails():
    pages = []
    loop = make_loop(callbacks=[Diary(pages)])
    with pytest.raises(OracleError):
        loop.fit(X, oracle=lambda rows, indices: [None] * len(rows))
    assert pages[-1] == "done"


def test_what_callbacks_leave_behind(tmp_path):
    lines = []
    callbacks = [
        PrintTable(sink=lines.append),
        Checkpoint(tmp_path / "model.joblib"),
        LearningCurvePlot(tmp_path / "curve.png"),
    ]
    loop = make_loop(budget=15, callbacks=callbacks).fit(X, Y, X_val=X, y_val=Y)
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "model.joblib").predict(X), loop.predict(X)
    )
    assert (tmp_path / "curve.png").stat().st_size > 5000
    assert len([line for line in "\n".join(lines).splitlines() if line.strip()[:1].isdigit()]) == 3


def test_progress_is_shown(capsys):
    make_loop(budget=15, verbose=True).fit(X, Y, X_val=X, y_val=Y)
    assert re.search(r"100%.*15/15.*score=", capsys.readouterr().err)


# Oracles


def test_simulated_people(tmp_path):
    def make(path=None):
        return make_loop(budget=30, journal=path)

    def people():
        return ArrayOracle(Y, noise=0.1, cost=0.5, abstain=0.2, delay=1, random_state=0)

    loop = make().fit(X, oracle=people())
    assert len(loop.labeled_indices_) == 30
    entry = loop.history_[-1]
    assert entry["n_unknown"] > 0 and entry["cost"] == 0.5 * (30 + entry["n_unknown"])
    assert 0 < (loop.y_labeled_ != Y[loop.labeled_indices_]).sum() < 10
    path = tmp_path / "labels.db"
    np.testing.assert_array_equal(
        make(path).fit(X, oracle=people()).labeled_indices_, loop.labeled_indices_
    )


def test_costs_end_a_loop():
    loop = make_loop(stopping=MaxCost(20.0)).fit(X, oracle=ArrayOracle(Y, cost=1.5))
    assert loop.history_[-1]["cost"] == 22.5  # three rounds of five


def test_several_annotators_agree(tmp_path):
    pytest.importorskip("cleanlab")
    people = {
        name: ArrayOracle(Y, noise=0.2, random_state=seed)
        for seed, name in enumerate(["ann", "bob", "cem", "dee", "eve"])
    }
    loop = make_loop(budget=40, journal=tmp_path / "labels.db")
    loop.fit(X, oracle=ConsensusOracle(people, random_state=0))
    wrong = (loop.y_labeled_ != Y[loop.labeled_indices_]).mean()
    assert wrong <= 0.1  # each of them is wrong twice as often
    assert loop.history_[-1]["cost"] == 5 * 40

    from skactive.journal import read_journal

    details = [answer["details"] for answer in read_journal(tmp_path / "labels.db")["answers"]]
    assert all(set(entry["votes"]) == set(people) for entry in details)
    assert {entry["agreement"] for entry in details} <= {0.4, 0.6, 0.8, 1.0}
