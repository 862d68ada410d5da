"""Stopping rules: what they measure, when they stop, and that the history alone decides."""

import json
import math
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skactive import CoreSetSelector, ITLSelector, RandomSelector, VTLSelector
from skactive.stopping import (
    AllOf,
    AnyOf,
    CoverageRadius,
    MaxCost,
    MaxLabels,
    MaxRounds,
    ScorePlateau,
    StablePredictions,
    StoppingRule,
    TargetUncertainty,
    TimeLimit,
    check_stopping,
)
from skactive.stopping._plateau import no_gain
from tests.reference import stopping as reference

ALL_RULES = [
    AllOf([MaxLabels(3), MaxCost(2.0)]),
    AnyOf([StablePredictions(), MaxRounds(3)]),
    CoverageRadius(0.5),
    MaxCost(2.5),
    MaxLabels(3),
    MaxRounds(4),
    ScorePlateau(),
    StablePredictions(X_stop=np.eye(3)),
    TargetUncertainty(0.1),
    TimeLimit(60),
]


class Foretold(BaseEstimator):
    """Predicts what it was told to, whatever the rows; keeps the rows."""

    def __init__(self, predictions=None):
        self.predictions = predictions

    def predict(self, X):
        self.X_seen_ = X
        return np.asarray(self.predictions)


class ForetoldClasses(ClassifierMixin, Foretold):
    pass


class ForetoldValues(RegressorMixin, Foretold):
    pass


class FirstColumn(ClassifierMixin, BaseEstimator):
    """Predicts the first column, so that predictions tell which rows were asked for."""

    def predict(self, X):
        self.X_seen_ = X
        return np.asarray(X)[:, 0]


def scored(scores, **measures):
    """A history of rounds of ten labels; None means that no model could be trained."""
    return [
        {
            "round": n,
            "n_labeled": 10 * n,
            "fitted": score is not None,
            "score": math.nan if score is None else score,
            "measures": {name: values[n - 1] for name, values in measures.items()},
        }
        for n, score in enumerate(scores, start=1)
    ]


def agreements(rule, *values):
    """A history in which successive models agreed so much."""
    return [{"measures": {}}] + [{"measures": {rule._name(): value}} for value in values]


def agreement(before, after, model=ForetoldClasses, **params):
    X = np.zeros((len(before), 1))
    measures = StablePredictions(**params).of_round(model(after), model(before), X)
    (value,) = measures.values()
    return value


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: type(rule).__name__)
def test_rules_are_estimators_without_a_state(rule):
    state = pickle.dumps(rule)
    rule.check()
    assert repr(clone(rule)) == repr(rule) == repr(pickle.loads(state))
    assert rule.of_selection(None) == {}
    assert rule.of_round(None, None, np.eye(3)) == {}
    assert pickle.dumps(rule) == state


@pytest.mark.parametrize(
    ("rule", "key", "below", "at"),
    [
        (MaxLabels(20), "n_bought", 19, 20),
        (MaxCost(2.5), "cost", 2.4, 2.5),
        (MaxRounds(3), "round", 2, 3),
        (TimeLimit(10), "seconds_fit", 9.5, 10.0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_limits_hold_when_they_are_reached(rule, key, below, at):
    entry = {"seconds_select": 0.0, "seconds_oracle": 0.0, "seconds_fit": 0.0}
    assert rule.reason([entry | {key: below}]) is None
    reason = rule.reason([entry | {key: below}, entry | {key: at}])
    assert "the limit is" in reason and reason.endswith(".")


def test_the_time_limit_counts_all_seconds_of_all_rounds():
    entry = {"seconds_select": 1.0, "seconds_oracle": 20.0, "seconds_fit": 4.0}
    assert TimeLimit(100).reason([entry] * 3) is None
    assert TimeLimit(100).reason([entry] * 4) == "100 seconds have passed, the limit is 100."


@pytest.mark.parametrize("patience", [1, 2, 5])
@pytest.mark.parametrize("lower_is_better", [False, True])
def test_a_plateau_is_the_time_since_the_best_value(patience, lower_is_better):
    rng = np.random.default_rng(patience)
    n_stops = 0
    for _ in range(50):
        values = rng.integers(0, 20, size=rng.integers(1, 12)).astype(float)
        best = values.argmin() if lower_is_better else values.argmax()
        stops = len(values) - 1 - best >= patience
        reason = no_gain(
            scored(values), "score", patience, threshold=0.0, lower_is_better=lower_is_better
        )
        assert (reason is not None) == stops
        n_stops += stops
    assert 0 < n_stops < 50


def test_slow_progress_is_progress_once_it_adds_up():
    rule = ScorePlateau(patience=3, tol=0.1)
    scores = [0.5, 0.55, 0.58, 0.625, 0.65, 0.7, 0.75, 0.76, 0.77]
    assert [rule.reason(scored(scores[:n])) for n in range(1, 10)] == [None] * 9
    assert rule.reason(scored([*scores, 0.78])) == (
        "score has not improved on 0.75 by more than 0.1 for 3 rounds."
    )


def test_rounds_without_a_new_model_do_not_count():
    rule = ScorePlateau(patience=2)
    history = scored([None, None, 0.8, 0.8])
    assert rule.reason(history) is None
    assert rule.reason(history[:2]) is None
    nothing_new = [history[-1] | {"round": 5}, history[-1] | {"round": 6}]
    assert rule.reason(history + nothing_new) is None
    assert rule.reason(scored([None, None, 0.8, 0.8, 0.8])) is not None


def test_a_plateau_without_scores_says_what_to_pass():
    history = scored([0.5]) + [scored([0.5, math.nan])[1]]
    with pytest.raises(ValueError, match="Pass X_val and y_val"):
        ScorePlateau().reason(history)
    with pytest.raises(ValueError, match="Pass X_val and y_val"):
        ScorePlateau().reason(scored([math.nan]))


def test_scores_that_came_late_are_used():
    assert ScorePlateau(patience=2).reason(scored([math.nan, math.nan, 0.5, 0.5])) is None
    assert ScorePlateau(patience=2).reason(scored([math.nan, 0.5, 0.5, 0.5])) is not None


@pytest.mark.parametrize("kind", [str, int, float, bool])
def test_kappa_equals_that_of_all_pairs(kind):
    rng = np.random.default_rng(0)
    for n_classes in (2, 2, 3, 5):
        before = rng.integers(0, 2 if kind is bool else n_classes, 30)
        after = np.where(rng.random(30) < 0.7, before, rng.permutation(before))
        expected = reference.kappa(before.tolist(), after.tolist())
        assert agreement(before.astype(kind), after.astype(kind)) == pytest.approx(expected)


def test_concordance_equals_that_of_all_pairs():
    rng = np.random.default_rng(0)
    for scale, shift in ((1.0, 0.0), (0.5, 0.2), (-1.0, 0.0), (1e-6, 3.0)):
        before = rng.normal(size=30)
        after = scale * before + shift + 0.1 * rng.normal(size=30)
        value = agreement(before, after, ForetoldValues)
        assert value == pytest.approx(reference.concordance(before, after))
        rescaled = agreement(1e4 * before, 1e4 * after, ForetoldValues)
        assert rescaled == pytest.approx(value)


def test_several_outputs_are_averaged():
    rng = np.random.default_rng(0)
    before, after = rng.integers(0, 3, (2, 40, 3))
    after[:, 0] = before[:, 0]
    expected = np.mean([reference.kappa(*pair) for pair in zip(before.T, after.T, strict=True)])
    assert agreement(before, after) == pytest.approx(expected)
    before, after = rng.normal(size=(2, 40, 2))
    pairs = zip(before.T, after.T, strict=True)
    expected = np.mean([reference.concordance(*pair) for pair in pairs])
    assert agreement(before, after, ForetoldValues) == pytest.approx(expected)


def test_models_that_always_predict_the_same_have_not_settled():
    assert agreement(["spam"] * 5, ["spam"] * 5) == 0
    assert agreement(["spam"] * 5, ["ham"] * 5) == 0
    assert agreement([0.1] * 5, [0.1] * 5, ForetoldValues) == 0
    assert agreement([0.1] * 5, [0.3] * 5, ForetoldValues) == 0
    assert agreement(["ham", "spam"] * 5, ["ham", "spam"] * 5) == 1
    assert agreement([0.1, 0.7] * 5, [0.1, 0.7] * 5, ForetoldValues) == pytest.approx(1)


def test_predictions_are_stable_on_average_over_the_window():
    rule = StablePredictions(threshold=0.9, window=3)
    assert rule.needs_former
    assert rule.reason(agreements(rule, 1.0, 1.0)) is None
    assert rule.reason(agreements(rule, 0.5, 1.0, 1.0)) is None
    assert rule.reason(agreements(rule, 1.0, 0.8, 1.0)) is not None
    assert rule.reason(agreements(rule, 0.5, 1.0, 0.8, 0.95)) == (
        "Successive models agree by 0.9167 on the stop set, the limit is 0.9."
    )
    assert rule.reason(agreements(rule, 1.0, 1.0, math.nan)) is None
    perfect = StablePredictions(threshold=1.0, window=2)
    assert perfect.reason(agreements(perfect, 1.0, 1.0)) is not None


def test_rounds_that_lack_the_measure_are_left_out():
    rule = StablePredictions(threshold=0.9, window=2)
    bare = [{"score": 0.5}, {"measures": {}}, {"measures": {"covering_radius": 1.0}}]
    assert rule.reason(bare) is None
    assert rule.reason(bare + agreements(rule, 0.95)) is None
    assert rule.reason(bare + agreements(rule, 0.95) + bare + agreements(rule, 0.95)) is not None


def test_nothing_is_measured_without_two_models():
    rule, model, X = StablePredictions(), ForetoldClasses([0, 1]), np.eye(2)
    assert rule.of_round(model, None, X) == {}
    assert rule.of_round(None, model, X) == {}
    assert rule.of_round(model, model, X) == {}  # no label came in
    assert len(rule.of_round(model, clone(model), X)) == 1


@pytest.mark.parametrize("as_pool", [np.asarray, np.ndarray.tolist, pd.DataFrame])
def test_the_stop_set_is_a_fixed_sample(as_pool):
    X = as_pool(np.arange(60).reshape(30, 2) % 7)
    rule, models = StablePredictions(max_samples=8), [FirstColumn(), FirstColumn()]
    for _ in range(2):
        assert rule.of_round(*models, X) == {"agreement_8": 1.0}
        seen = [np.asarray(model.X_seen_).tolist() for model in models]
        assert seen[0] == seen[1] and len(seen[0]) == 8
        models = [models[1], FirstColumn()]
    everything = StablePredictions(max_samples=None)
    assert everything.of_round(*models, X) == {"agreement_all": 1.0}
    assert models[1].X_seen_ is X


def test_a_stop_set_of_its_own_has_a_name_of_its_own():
    X = np.arange(40).reshape(20, 2) % 5
    models = [FirstColumn(), FirstColumn()]
    rules = [StablePredictions(X_stop=X_stop) for X_stop in (X, X + 1)]
    rules += [StablePredictions(X_stop=X, max_samples=6), StablePredictions()]
    measures = AnyOf(rules).of_round(*models, np.zeros((3, 2)) + np.arange(3)[:, None])
    assert len(measures) == 4
    rules[2].of_round(*models, None)
    assert len(models[0].X_seen_) == 6
    rules += [StablePredictions(X_stop=torch.arange(12.0).reshape(4, 3))]
    names = [clone(rule)._name() for rule in rules]
    assert names == [rule._name() for rule in rules]


def test_real_models_settle_with_more_labels():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5))
    y = X @ rng.normal(size=5) + 0.5 * rng.normal(size=400)
    rule = StablePredictions(threshold=0.999, window=2)
    models = [LinearRegression().fit(X[:n], y[:n]) for n in (6, 12, 100, 200, 300, 400)]
    history = [{"measures": {}}]
    stops = []
    for former, model in zip(models, models[1:], strict=False):
        history.append({"measures": rule.of_round(model, former, X)})
        stops.append(rule.reason(history) is not None)
    assert stops == sorted(stops) and not stops[0] and stops[-1]


@pytest.mark.parametrize("selector_class", [ITLSelector, VTLSelector])
@pytest.mark.parametrize("noise_ratio", [0.05, 1.0])
def test_target_uncertainty_is_a_share_of_the_prior_variance(selector_class, noise_ratio):
    rng = np.random.default_rng(0)
    X, X_target = 10 * rng.normal(size=(40, 3)), rng.normal(size=(5, 3))
    selector = selector_class(budget=6, kernel="linear", noise_ratio=noise_ratio)
    selector.fit(X, labeled=[0, 1], X_target=X_target)
    prior = np.mean(np.sum(X**2, axis=1))
    D = X[[0, 1, *selector.indices_]]
    noisy = D @ D.T + noise_ratio * prior * np.eye(len(D))
    cross = X_target @ D.T
    left = np.sum(X_target**2, axis=1) - np.sum(cross @ np.linalg.inv(noisy) * cross, axis=1)
    rule = TargetUncertainty(0.5)
    measures = rule.of_selection(selector)
    assert measures == {"target_uncertainty": pytest.approx(left.mean() / prior, rel=1e-6)}
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), selector)
    assert rule.of_selection(pipeline) == measures


def test_target_uncertainty_of_a_pool_falls_from_one():
    X = np.random.default_rng(0).normal(size=(50, 2))
    rule = TargetUncertainty(0.05)
    values = [
        rule.of_selection(ITLSelector(budget=n, kernel=RBF(2.0)).fit(X))["target_uncertainty"]
        for n in (1, 5, 25, 50)
    ]
    assert values == sorted(values, reverse=True) and values[-1] < 0.05 < values[0] < 1
    history = [{"measures": {"target_uncertainty": value}} for value in values]
    assert rule.reason(history[:1]) is None
    assert rule.reason(history).startswith("The mean variance on the targets is 0.0")


@pytest.mark.parametrize("method", ["greedy", "robust"])
def test_the_radius_covers_what_was_asked(method):
    X = np.random.default_rng(0).normal(size=(40, 2))
    selector = CoreSetSelector(budget=5, method=method).fit(X, labeled=[3])
    centers = X[[3, *selector.indices_]]
    radius = np.linalg.norm(X[:, None] - centers, axis=2).min(axis=1).max()
    measures = CoverageRadius(1.0).of_selection(make_pipeline("passthrough", selector))
    assert measures == {"covering_radius": pytest.approx(radius)}


def test_the_latest_batch_counts_when_answers_come_late():
    rule = CoverageRadius(1.0)
    history = [{"measures": {"covering_radius": value}} for value in (3.0, 1.5)]
    assert rule.reason(history) is None
    assert rule.reason([*history, {"measures": {"covering_radius": 1.0}}, {"measures": {}}])
    assert rule.reason([{"score": 0.5}, {"measures": {}}]) is None
    assert rule.reason([{"measures": {"covering_radius": math.nan}}]) is None


@pytest.mark.parametrize(
    ("rule", "suited"),
    [
        (TargetUncertainty(0.1), "ITLSelector or VTLSelector"),
        (CoverageRadius(1), "CoreSetSelector"),
    ],
)
def test_a_selector_that_does_not_know_is_refused(rule, suited):
    selector = RandomSelector(budget=2).fit(np.eye(4))
    with pytest.raises(ValueError, match=f"which RandomSelector does not have. Use {suited}"):
        rule.of_selection(selector)
    with pytest.raises(ValueError, match=f"which RandomSelector does not have. Use {suited}"):
        rule.of_selection(make_pipeline(StandardScaler(), selector))


def test_measures_survive_json():
    X = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    rules = CoverageRadius(1.0) | StablePredictions()
    measures = rules.of_selection(CoreSetSelector(budget=3).fit(X))
    measures |= rules.of_round(ForetoldClasses([0, 1] * 15), ForetoldClasses([1, 1, 0] * 10), X)
    assert json.loads(json.dumps(measures)) == measures
    assert {type(value) for value in measures.values()} == {float}


def test_any_and_all_combine_reasons_and_measures():
    two, three = MaxRounds(2), MaxLabels(30)
    histories = [
        [{"round": number, "n_bought": n_bought}]
        for number, n_bought in ((1, 10), (2, 20), (1, 40), (2, 30))
    ]
    rounds, labels = "2 rounds are over, the limit is 2.", "labels were bought, the limit is 30."
    assert [(two | three).reason(history) for history in histories] == [
        None,
        rounds,
        f"40 {labels}",
        rounds,
    ]
    assert [(two & three).reason(history) for history in histories] == [
        None,
        None,
        None,
        f"{rounds} 30 {labels}",
    ]
    assert not (two & three).needs_former
    assert (two & (three | StablePredictions())).needs_former


def test_operators_make_flat_lists_of_one_kind():
    a, b, c = MaxRounds(1), MaxLabels(2), MaxCost(3)
    assert (a | b | c).rules == (a | (b | c)).rules == [a, b, c]
    assert (a & b & c).rules == [a, b, c]
    mixed = (a | b) & c
    assert isinstance(mixed, AllOf) and isinstance(mixed.rules[0], AnyOf)
    with pytest.raises(TypeError, match="unsupported operand"):
        a | 3
    with pytest.raises(TypeError, match="unsupported operand"):
        a & None


def test_parameters_are_grid_keys():
    rule = ScorePlateau().set_params(patience=7)
    assert rule.get_params() == {"patience": 7, "tol": 1e-3}
    copy = clone(AnyOf([rule]))
    assert copy.rules[0] is not rule and copy.rules[0].patience == 7


def test_check_stopping_takes_none_a_rule_or_a_list():
    rule = MaxRounds(1)
    assert check_stopping(None) is None
    assert check_stopping(rule) is rule
    several = check_stopping([rule, MaxCost(1)])
    assert isinstance(several, AnyOf) and several.rules[0] is rule


@pytest.mark.parametrize(
    ("stopping", "message"),
    [
        ("plateau", "stopping == 'plateau', must be an instance of a StoppingRule"),
        (StablePredictions, "must be an instance of a StoppingRule"),
        ([], r"stopping == \[\], must be a list of at least one"),
        ([MaxRounds(1), 3], r"stopping\[1\] == 3, must be an instance"),
        (AnyOf([]), r"rules == \[\], must be a list of at least one"),
        (AllOf(MaxRounds(1)), r"rules == MaxRounds\(n_rounds=1\), must be a list"),
        (AllOf([None]), r"rules\[0\] == None, must be an instance"),
        (AllOf([AnyOf([MaxCost("much")])]), "cost == 'much', must be a finite number > 0"),
        (MaxLabels(2.5), "n_labels == 2.5, must be an int >= 1"),
        (MaxRounds(True), "n_rounds == True, must be an int >= 1"),
        (StablePredictions(window=1.5), "window == 1.5, must be an int >= 1"),
    ],
)
def test_what_is_not_a_rule_is_refused(stopping, message):
    with pytest.raises(TypeError, match=message):
        check_stopping(stopping)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (MaxLabels(0), "n_labels == 0, must be an int >= 1"),
        (MaxCost(-1), "cost == -1, must be a finite number > 0"),
        (TimeLimit(math.inf), "seconds == inf, must be a finite number > 0"),
        (ScorePlateau(patience=0), "patience == 0, must be an int >= 1"),
        (ScorePlateau(tol=-0.1), "tol == -0.1, must be a finite number >= 0"),
        (StablePredictions(threshold=0), "threshold == 0, must be a finite number > 0"),
        (StablePredictions(threshold=99), "threshold == 99, must be <= 1"),
        (StablePredictions(max_samples=0), "max_samples == 0, must be an int >= 1"),
        (StablePredictions(X_stop=[]), "X_stop has no rows"),
        (TargetUncertainty(0), "threshold == 0, must be a finite number > 0"),
        (CoverageRadius(math.nan), "radius == nan, must be a finite number > 0"),
    ],
)
def test_bad_parameters_are_refused_before_the_first_question(rule, message):
    with pytest.raises(ValueError, match=message):
        check_stopping(rule)
    with pytest.raises(ValueError, match=message):
        check_stopping([MaxRounds(1), rule])


def test_a_rule_has_to_say_when():
    class Endless(StoppingRule):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Endless()
