"""LogME: equal to the dense evidence, invariant where it should be, and particular about labels."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.preprocessing import OneHotEncoder

from skactive.metrics import logme
from tests.reference import logme as reference

rng = np.random.default_rng(0)


def one_hot(y):
    return OneHotEncoder(sparse_output=False).fit_transform(np.asarray(y).reshape(-1, 1))


def make_features(n, d, rank=None):
    if rank is None:
        return rng.normal(size=(n, d)) * rng.uniform(0.1, 3, size=d)
    return rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d))


def classes_from(F, noise=1.0, n_classes=3):
    """Classes that the features tell, up to noise."""
    return (F @ rng.normal(size=(F.shape[1], n_classes)) / F.std() + noise).argmax(1)


@pytest.mark.parametrize(
    ("n", "d", "rank"),
    [(40, 5, None), (40, 1, None), (12, 30, None), (20, 20, None), (30, 12, 4), (10, 25, 3)],
)
def test_equals_the_dense_evidence(n, d, rank):
    F = make_features(n, d, rank)
    T = F @ rng.normal(size=(d, 2)) + F.std() * rng.normal(size=(n, 2))
    assert logme(F, T) == pytest.approx(reference.logme(F, T), abs=1e-6)
    y = classes_from(F)
    y[:3] = [0, 1, 2]
    assert logme(F, y) == pytest.approx(reference.logme(F, one_hot(y)), abs=1e-6)


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_equals_the_dense_evidence_with_a_constant_column(offset):
    F = np.column_stack([make_features(30, 4), np.ones(30)])
    t = F[:, 0] + rng.normal(size=30) + offset
    assert logme(F, t) == pytest.approx(reference.max_evidence(F, t), abs=1e-6)


def test_the_fixed_point_of_the_paper_is_the_maximum():
    F = make_features(60, 6)
    t = F @ rng.normal(size=6) + rng.normal(size=60)
    alpha, beta = reference.fixed_point(F, t)
    expected = reference.log_density(F, t, alpha, beta) / len(F)
    assert logme(F, t) == pytest.approx(expected, abs=1e-9)


def test_useless_features_leave_white_noise():
    t = np.array([1.0, -1.0] * 20) * rng.uniform(0.5, 1.5, 40)
    F = np.repeat(rng.normal(size=(20, 3)), 2, axis=0)
    F -= np.outer(t, t @ F) / (t @ t)  # orthogonal to the labels
    white = -0.5 * (np.log(2 * np.pi * np.mean(t**2)) + 1)
    assert logme(F, t) == pytest.approx(white, abs=1e-6)
    assert logme(np.zeros((40, 3)), t) == pytest.approx(white, abs=1e-12)
    assert logme(1e-300 * F, t) == pytest.approx(white, abs=1e-6)


def test_labels_that_features_spell_out_are_worth_much_but_not_infinitely_much():
    y = np.repeat([0, 1, 2], 10)
    exact = logme(one_hot(y), y)
    noisy = logme(one_hot(y) + 0.1 * rng.normal(size=(30, 3)), y)
    assert noisy + 3 < exact < 12
    square = make_features(15, 15)
    assert np.isfinite(logme(square, rng.normal(size=15)))


def test_rotation_scale_and_order_change_nothing():
    F = make_features(50, 8)
    y = classes_from(F)
    expected = logme(F, y)
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    shuffled = rng.permutation(50)
    assert logme(F @ rotation, y) == pytest.approx(expected, abs=1e-9)
    assert logme(F[shuffled], y[shuffled]) == pytest.approx(expected, abs=1e-9)
    assert logme(np.hstack([F, np.zeros((50, 100))]), y) == pytest.approx(expected, abs=1e-9)
    for factor in (1e-3, 1e200, 1e-200):
        assert logme(factor * F, y) == pytest.approx(expected, abs=1e-9)


def test_better_features_score_higher():
    X, y = load_digits(return_X_y=True)
    X, y = X[:400] / 16, y[:400]
    scores = [logme(X + noise * rng.normal(size=X.shape), y) for noise in (0, 0.3, 1, 10)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 0.2
    shuffled = logme(X, rng.permutation(y))
    assert shuffled < scores[2]


def test_more_noise_features_do_not_look_better():
    F = rng.normal(size=(40, 3))
    t = F[:, 0] + 0.1 * rng.normal(size=40)
    wide = np.hstack([F, rng.normal(size=(40, 500))])  # explains any labels exactly
    assert logme(wide, t) < logme(F, t) - 0.5


def test_kinds_of_labels():
    F = make_features(30, 4)
    y = classes_from(F)
    expected = logme(F, y)
    names = np.array(["cat", "dog", "eel"])[y]
    for labels in (y.tolist(), y.astype(float), names, names.astype(object), pd.Series(names)):
        assert logme(F, labels) == expected
    assert logme(F, y == 0) == logme(F, np.where(y == 0, "yes", "no"))
    columns = np.column_stack([y == 0, F[:, 0] > 0]).astype(int)
    assert logme(F, columns) == pytest.approx(reference.logme(F, columns.astype(float)), abs=1e-6)
    t = F[:, 0] + 0.5
    assert logme(F, t) == logme(F, t.reshape(-1, 1))


def test_kinds_of_features():
    F = make_features(30, 4).astype(np.float32)
    y = classes_from(F)
    expected = logme(F.astype(np.float64), y)
    assert logme(F, y) == expected
    assert logme(pd.DataFrame(F), y) == expected
    assert logme(torch.tensor(F), torch.tensor(y)) == expected
    assert isinstance(expected, float)


@pytest.mark.parametrize(
    ("features", "y", "message"),
    [
        (np.ones((4, 2)), [1, 1, 1, 1], "y must hold at least two classes; got .*1.* only"),
        (np.ones((4, 2)), ["a"] * 4, "at least two classes"),
        (np.ones((3, 2)), [0.5, 0.5, 0.5], "output 0 is 0.5 for all 3 samples"),
        (np.ones((3, 2)), [[0.5, 1.5], [0.7, 1.5], [0.1, 1.5]], "output 1 is 1.5"),
        (np.ones((4, 2)), [0, 1, 0], "inconsistent numbers of samples"),
        ([[1.0, np.nan], [0.0, 1.0]], [0, 1], "features contains NaN"),
        (np.ones((2, 1)), [0.5, np.nan], "y contains NaN"),
        (np.ones(4), [0, 1, 0, 1], "Expected 2D array"),
        (np.empty((0, 2)), [], "0 sample"),
        (np.empty((2, 0)), [0, 1], "0 feature"),
        (np.ones((2, 2)), np.zeros((2, 2, 2)), "y"),
    ],
)
def test_bad_input(features, y, message):
    with pytest.raises(ValueError, match=message):
        logme(features, y)


@pytest.mark.parametrize("scale", [1e-200, 1e-100, 1e100, 1e200])
def test_targets_of_any_unit(scale):
    F, t = rng.normal(size=(30, 3)), rng.normal(size=30)
    expected = logme(F, t) - np.log(scale)  # a density
    assert logme(F, scale * t) == pytest.approx(expected, rel=1e-12)
