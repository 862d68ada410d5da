"""Displays: the numbers they draw, where, and what they say of input that cannot be drawn."""

import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skactive import ActiveLearningLoop, CoreSetSelector, ITLSelector, RandomSelector, VTLSelector
from skactive._extras import require
from skactive.displays import GainDisplay, LabelingCurveDisplay, SelectionDisplay
from skactive.displays._gain import VALUES, find_knee
from skactive.displays._style import style
from skactive.metrics import LearningCurve

rng = np.random.default_rng(0)
X, y = load_digits(return_X_y=True)
X, y = X[:300] / 16, y[:300]


@pytest.fixture(autouse=True)
def figures():
    """No window, and no figure left open."""
    matplotlib.use("Agg")
    yield
    plt.close("all")


def history(counts, scores):
    return [
        {"n_labeled": n, "n_bought": n - 1, "cost": 2.5 * n, "score": s, "fitted": True}
        for n, s in zip(counts, scores, strict=True)
    ]


def rendered(display):
    """The picture, which drawing must not fail to make."""
    display.figure_.canvas.draw()
    return np.asarray(display.figure_.canvas.buffer_rgba())[..., :3]


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


RUNS = {
    "random": [history([10, 20, 30], s) for s in ([0.1, 0.5, 0.6], [0.3, 0.5, 0.8])],
    "ours": [history([10, 20, 30], [0.4, 0.6, 0.9])],
}


def test_a_curve_is_the_mean_of_its_runs_and_the_band_their_spread():
    display = LabelingCurveDisplay.from_history(RUNS)
    random, ours = display.lines_
    assert random.get_xydata() == pytest.approx(np.array([[10, 0.2], [20, 0.5], [30, 0.7]]))
    assert ours.get_ydata().tolist() == [0.4, 0.6, 0.9]
    assert display.bands_[1] is None
    edges = display.bands_[0].get_paths()[0].vertices
    assert edges[:, 1].max() == pytest.approx(0.7 + np.std([0.6, 0.8], ddof=1))
    assert legend_texts(display.ax_) == ["random", "ours"]
    assert display.ax_.get_xlabel() == "labels, owned and bought"
    assert display.ax_.get_ylabel() == "score on held-out data"
    assert display.figure_ is display.ax_.figure
    assert rendered(display).std() > 5


@pytest.mark.parametrize(
    ("band", "low", "high"),
    [
        ("std", 0.7 - np.sqrt(0.02), 0.7 + np.sqrt(0.02)),
        ("sem", 0.6, 0.8),
        ("quantiles", 0.62, 0.78),
    ],
)
def test_bands(band, low, high):
    display = LabelingCurveDisplay.from_history(RUNS, band=band)
    vertices = display.bands_[0].get_paths()[0].vertices
    last = vertices[vertices[:, 0] == 30, 1]
    assert (last.min(), last.max()) == pytest.approx((low, high))
    assert display.plot(band=None).bands_ == [None, None]


def test_what_is_counted_and_how():
    display = LabelingCurveDisplay.from_history(
        RUNS, x="cost", log_x=True, score_name="accuracy (%)", line_kw={"linewidth": 3}
    )
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == "cost of the labels"
    assert display.ax_.get_ylabel() == "accuracy (%)"
    assert display.lines_[0].get_xdata().tolist() == [25, 50, 75]
    assert display.lines_[0].get_linewidth() == 3
    rendered(display)
    ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert {"20", "50"} <= set(ticks) and not any("$" in tick for tick in ticks)
    bought = LabelingCurveDisplay.from_history(RUNS, x="n_bought")
    assert bought.lines_[0].get_xdata().tolist() == [9, 19, 29]


def test_runs_that_count_differently_are_interpolated_where_all_have_been():
    runs = [history([10, 20, 30], [0.0, 1.0, 1.0]), history([15, 25], [0.5, 0.5])]
    (line,) = LabelingCurveDisplay.from_history({"both": runs}).lines_
    assert line.get_xdata().tolist() == [15, 20, 25]
    assert line.get_ydata() == pytest.approx([0.5, 0.75, 0.75])


@pytest.mark.parametrize(
    "histories",
    [
        RUNS["ours"][0],
        RUNS["ours"],
        {"": RUNS["ours"]},
        LearningCurve(np.array([10, 20, 30]), np.array([0.4, 0.6, 0.9])),
    ],
    ids=["history", "runs", "dict", "curve"],
)
def test_one_curve_needs_no_legend(histories):
    display = LabelingCurveDisplay.from_history(histories)
    assert display.lines_[0].get_ydata().tolist() == [0.4, 0.6, 0.9]
    assert display.ax_.get_legend() is None


def test_loops_are_drawn_as_their_histories():
    loops = [
        ActiveLearningLoop(
            LogisticRegression(max_iter=500),
            RandomSelector(),
            budget=30,
            batch_size=10,
            random_state=seed,
        ).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
        for seed in range(2)
    ]
    scores = [[entry["score"] for entry in loop.history_] for loop in loops]
    display = LabelingCurveDisplay.from_estimator({"random": loops, "one": loops[0]})
    assert display.lines_[0].get_ydata() == pytest.approx(np.mean(scores, axis=0))
    assert display.lines_[1].get_ydata() == pytest.approx(scores[0])
    single = LabelingCurveDisplay.from_estimator(loops[1], x="n_bought")
    assert single.lines_[0].get_ydata() == pytest.approx(scores[1])
    with pytest.raises(NotFittedError):
        LabelingCurveDisplay.from_estimator(ActiveLearningLoop(LogisticRegression()))


def test_many_curves_differ_in_colour_line_and_marker():
    display = LabelingCurveDisplay.from_history({f"{k}": RUNS["ours"] for k in range(20)})
    looks = {(line.get_color(), line.get_marker()) for line in display.lines_}
    assert len(looks) == 20
    first = [style(k) for k in range(7)]
    for name in ("color", "marker", "linestyle"):
        assert len({str(look[name]) for look in first}) == 7
    grey = sorted(np.dot(to_rgb(look["color"]), (0.299, 0.587, 0.114)) for look in first)
    assert max(grey) < 0.75  # visible on white


def test_long_curves_have_few_markers_and_the_legend_hides_nothing():
    runs = {f"name {k}": history(range(1, 301), np.linspace(0, 1, 300)) for k in range(6)}
    display = LabelingCurveDisplay.from_history(runs)
    assert all(300 / line.get_markevery()[1] <= 12 for line in display.lines_)
    rendered(display)
    legend = display.ax_.get_legend().get_window_extent()
    assert legend.x0 > display.ax_.get_window_extent().x1
    assert legend.x1 <= display.figure_.bbox.x1


def test_a_legend_stays_inside_axes_that_make_no_room_for_it():
    figure, (ax, _) = plt.subplots(1, 2)
    display = LabelingCurveDisplay.from_history(RUNS, ax=ax)
    assert display.ax_ is ax and display.figure_ is figure
    rendered(display)
    assert ax.get_legend().get_window_extent().x1 < ax.get_window_extent().x1


@pytest.mark.parametrize(
    ("histories", "kwargs", "message"),
    [
        ({}, {}, "at least one history; got an empty dict"),
        ({"a": []}, {}, "got none for 'a'"),
        (LearningCurve([2, 1], [0, 1]), {}, "n_labels must increase"),
        (history([1], [np.nan]), {}, "Pass X_val and y_val"),
        (RUNS, {"x": "rounds"}, "x == 'rounds', must be one of 'n_labeled'"),
        (RUNS, {"band": "minmax"}, "band == 'minmax', must be one of 'std'"),
        (
            history([1, 2], [0, 1]),
            {"x": "n_bought", "log_x": True},
            "log_x == True needs counts above 0; got 0 labels bought",
        ),
        (
            {"a": [history([1, 2], [0, 1]), history([3, 4], [0, 1])]},
            {},
            "runs of 'a' have no count of labels in common: one begins at 3, another one ends at 2",
        ),
    ],
)
def test_histories_that_cannot_be_drawn(histories, kwargs, message):
    with pytest.raises(ValueError, match=message):
        LabelingCurveDisplay.from_history(histories, **kwargs)
    assert not plt.get_fignums()  # refused before there was a figure


@pytest.mark.parametrize("histories", ["abc", None, [0.5, 0.6], {"a": "abc"}])
def test_what_is_no_history(histories):
    with pytest.raises(TypeError, match="history must be a fitted ActiveLearningLoop"):
        LabelingCurveDisplay.from_history(histories)


def test_curves_added_to_axes_look_different():
    display = LabelingCurveDisplay.from_history({"first": RUNS["ours"]})
    other = LabelingCurveDisplay.from_history({"second": RUNS["random"]}, ax=display.ax_)
    assert display.lines_[0].get_color() != other.lines_[0].get_color()
    assert legend_texts(display.ax_) == ["first", "second"]


def test_picks_lie_where_their_rows_are():
    points = rng.normal(size=(60, 2))
    selector = CoreSetSelector(budget=5).fit(points, labeled=[7, 3])
    targets = points[:4] + 1
    display = SelectionDisplay.from_estimator(selector, points, labeled=[7, 3], X_target=targets)
    assert np.asarray(display.picks) == pytest.approx(points[selector.indices_])
    assert np.asarray(display.labeled) == pytest.approx(points[[7, 3]])
    assert np.asarray(display.targets) == pytest.approx(targets)
    rest = np.delete(points, [*selector.indices_, 3, 7], axis=0)
    assert np.asarray(display.pool_.get_offsets()) == pytest.approx(rest)
    drawn = [np.asarray(pick.get_offsets())[0] for pick in display.picks_]
    assert drawn == pytest.approx(points[selector.indices_[::-1]])
    assert [text.get_text() for text in display.texts_] == ["1", "2", "3", "4", "5"]
    assert [text.xy for text in display.texts_] == pytest.approx(points[selector.indices_])
    assert legend_texts(display.ax_) == ["pool", "targets", "labeled", "picks"]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("feature 0", "feature 1")
    assert display.colorbar_ is None  # the numbers tell the order
    assert rendered(display).std() > 5


def test_the_first_picks_lie_on_top():
    points = np.vstack([rng.normal(size=(20, 2)), np.zeros((6, 2))])
    display = SelectionDisplay.from_estimator(
        RandomSelector(26, random_state=0).fit(points), points
    )
    levels = [pick.get_zorder() for pick in display.picks_]
    assert levels == sorted(levels)
    texts = [text.get_zorder() for text in display.texts_]
    for marker, text in zip(display.picks_[::-1], texts, strict=True):
        assert marker.get_zorder() < text
    assert (np.array(texts[1:]) < levels[:0:-1]).all()


def test_many_picks_have_a_colour_bar_and_few_artists():
    selector = CoreSetSelector(budget=200).fit(X)
    display = SelectionDisplay.from_estimator(selector, X, n_numbers=10)
    assert len(display.texts_) == 10 and len(display.picks_) == 11
    assert display.colorbar_.ax.get_xlabel() == "pick"
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (1, 200)
    n_drawn = sum(len(pick.get_offsets()) for pick in display.picks_)
    assert n_drawn == 200
    rendered(display)
    colors = display.picks_[0].get_facecolors()[:, :3] @ (0.299, 0.587, 0.114)
    assert (np.diff(colors) < 0).all()  # later picks are lighter, and drawn first
    bare = display.plot(n_numbers=0)
    assert bare.texts_ == [] and len(bare.picks_) == 1


def test_classes_have_colours_and_markers():
    selector = CoreSetSelector(budget=40).fit(X)
    garbage = np.where(np.isin(np.arange(300), selector.indices_), y, 99)
    display = SelectionDisplay.from_estimator(selector, X, y=garbage, n_numbers=3)
    classes = np.unique(y[selector.indices_])
    assert legend_texts(display.ax_) == ["pool", *(f"picks: {label}" for label in classes)]
    assert display.colorbar_ is None
    first = display.picks_[-1].get_facecolors()[0, :3]
    code = np.searchsorted(classes, y[selector.indices_[0]])
    assert first == pytest.approx(to_rgb(style(code)["color"]))
    names = pd.Series(np.array(["cat", "dog"])[y % 2])
    display = SelectionDisplay.from_estimator(selector, X, y=names)
    assert legend_texts(display.ax_) == ["pool", "picks: cat", "picks: dog"]


def test_numbers_as_labels_have_a_scale():
    selector = CoreSetSelector(budget=5).fit(X)
    values = X.sum(1) + 0.123
    display = SelectionDisplay.from_estimator(selector, X, y=values)
    assert display.colorbar_.ax.get_xlabel() == "label of the pick"
    assert display.colorbar_.vmax == pytest.approx(values[selector.indices_].max())


def test_the_scale_is_as_wide_as_the_labels():
    selector = CoreSetSelector(budget=5).fit(X)
    values = X[:, 20] / 1000 + 1e-6
    picked = values[selector.indices_]
    display = SelectionDisplay.from_estimator(selector, X, y=values)
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (picked.min(), picked.max())
    constant = SelectionDisplay.from_estimator(selector, X, y=np.full(300, 0.5))
    assert constant.colorbar_.vmin == 0.5 < constant.colorbar_.vmax


def test_the_legend_has_room_for_many_classes():
    selector = CoreSetSelector(budget=60).fit(X)
    display = SelectionDisplay.from_estimator(selector, X, y=np.arange(300))
    rendered(display)
    assert len(legend_texts(display.ax_)) == 20
    assert legend_texts(display.ax_)[-1] == "and 42 other classes"
    legend = display.ax_.get_legend().get_window_extent()
    assert legend.y0 >= 0 and legend.x1 <= display.figure_.bbox.x1


def test_more_features_are_projected_to_principal_components():
    selector = CoreSetSelector(budget=5).fit(X)
    expected = PCA(2, svd_solver="full").fit(X)
    display = SelectionDisplay.from_estimator(selector, X, X_target=X[:3])
    picks = expected.transform(X[selector.indices_])
    assert np.abs(display.picks) == pytest.approx(np.abs(picks), abs=1e-6)
    share = f"{100 * expected.explained_variance_ratio_[0]:.0f} %"
    assert display.ax_.get_xlabel() == f"principal component 1 ({share} of the variance)"
    again = SelectionDisplay.from_estimator(selector, X, X_target=X[:3])
    assert np.array_equal(again.picks, display.picks)
    for form in (sparse.csr_matrix, torch.tensor, pd.DataFrame, np.ndarray.tolist):
        other = SelectionDisplay.from_estimator(selector, form(X), X_target=form(X[:3]))
        assert np.abs(other.picks) == pytest.approx(np.abs(display.picks), abs=1e-6)
        assert np.abs(other.targets) == pytest.approx(np.abs(display.targets), abs=1e-6)


def test_projections_of_ones_own():
    selector = CoreSetSelector(budget=5).fit(X)
    fitted = TruncatedSVD(2, random_state=0).fit(X[:50])
    display = SelectionDisplay.from_estimator(selector, X, projection=fitted)
    assert np.asarray(display.picks) == pytest.approx(fitted.transform(X[selector.indices_]))
    assert display.ax_.get_ylabel() == "TruncatedSVD 2"
    unfitted = PCA(2, svd_solver="full")
    display = SelectionDisplay.from_estimator(selector, X, projection=unfitted)
    expected = PCA(2, svd_solver="full").fit_transform(X)[selector.indices_]
    assert np.asarray(display.picks) == pytest.approx(expected)
    assert not hasattr(unfitted, "components_")
    placed = SelectionDisplay.from_estimator(
        selector,
        X[:, :8],
        X_target=X[:4, :8],
        projection=TSNE(2, max_iter=250, init="random", perplexity=5, random_state=0),
        max_points=40,
    )
    assert np.shape(placed.targets) == (4, 2) and placed.ax_.get_xlabel() == "TSNE 1"


def test_large_pools_are_sampled():
    points = rng.normal(size=(500, 2))
    selector = CoreSetSelector(budget=20).fit(points, labeled=[1, 2, 3])
    display = SelectionDisplay.from_estimator(selector, points, labeled=[1, 2, 3], max_points=100)
    assert 75 <= len(display.points) <= 100
    assert np.asarray(display.picks) == pytest.approx(points[selector.indices_])
    assert np.asarray(display.labeled) == pytest.approx(points[[1, 2, 3]])
    again = SelectionDisplay.from_estimator(selector, points, labeled=[1, 2, 3], max_points=100)
    assert np.array_equal(again.points, display.points)
    other = SelectionDisplay.from_estimator(
        selector, points, labeled=[1, 2, 3], max_points=100, random_state=1
    )
    assert not np.array_equal(np.sort(other.points[:, 0])[:9], np.sort(display.points[:, 0])[:9])


def test_pipelines_and_embeddings_are_drawn_as_the_selector_sees_them():
    pipeline = make_pipeline(StandardScaler(), CoreSetSelector(budget=5)).fit(X)
    display = SelectionDisplay.from_estimator(pipeline, X)
    direct = SelectionDisplay.from_estimator(pipeline[-1], pipeline[:-1].transform(X))
    assert np.asarray(display.picks) == pytest.approx(np.asarray(direct.picks))
    selector = CoreSetSelector(budget=5, embedding=PCA(2)).fit(X)
    display = SelectionDisplay.from_estimator(selector, X, X_target=X[:2])
    features = selector.embedding_.transform(X)
    assert np.asarray(display.picks) == pytest.approx(features[selector.indices_])
    assert np.asarray(display.targets) == pytest.approx(features[:2])


def test_targets_of_a_pipeline_pass_through_its_steps():
    pipeline = make_pipeline(StandardScaler(), PCA(2), CoreSetSelector(budget=5)).fit(X)
    display = SelectionDisplay.from_estimator(pipeline, X, X_target=X[:3])
    assert np.asarray(display.targets) == pytest.approx(pipeline[:-1].transform(X[:3]))


def test_columns_give_their_names():
    frame = pd.DataFrame(rng.normal(size=(20, 2)), columns=["height (m)", "weight (kg)"])
    display = SelectionDisplay.from_estimator(CoreSetSelector(budget=3).fit(frame), frame)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("height (m)", "weight (kg)")
    embedded = CoreSetSelector(budget=3, embedding=PCA(2)).fit(frame)
    display = SelectionDisplay.from_estimator(embedded, frame)
    assert display.ax_.get_xlabel() == "feature 0"  # no longer a height


@pytest.mark.parametrize(
    ("rows", "kwargs", "error", "message"),
    [
        (X[:50], {}, ValueError, "of 300 rows; got 50"),
        (X[:, :1], {}, ValueError, "at least 2 features to be drawn in a plane; got 1"),
        (np.ones((300, 3)), {}, ValueError, "rows that differ, .* all 300 drawn are the same"),
        (sparse.csr_matrix(np.ones((300, 3))), {}, ValueError, "all 300 drawn are the same"),
        (X, {"y": y[:-1]}, ValueError, "y must hold a label for each of the 300 rows .*got 299"),
        (X, {"y": X > 0.5}, ValueError, r"one for each of the 3 picks; got .* \(3, 64\)"),
        (X, {"projection": PCA(3)}, ValueError, "must give two columns; PCA gave .*, 3"),
        (X, {"projection": "pca"}, TypeError, "projection == 'pca', must be None or a transformer"),
        (X, {"max_points": 0}, ValueError, "max_points == 0, must be an int >= 1"),
        (X, {"labeled": [300]}, ValueError, "labeled must be"),
        (X, {"n_numbers": -1}, ValueError, "n_numbers == -1, must be an int >= 0"),
        (np.where(X > 0.9, np.nan, X), {}, ValueError, "X must be finite"),
        (X, {"X_target": X[:2] * np.nan}, ValueError, "X_target must be finite"),
        (X, {"X_target": X[:2, :3]}, ValueError, "X_target must have the 64 features of X; got 3"),
    ],
)
def test_pools_that_cannot_be_drawn(rows, kwargs, error, message):
    with pytest.raises(error, match=message):
        SelectionDisplay.from_estimator(CoreSetSelector(budget=3).fit(X), rows, **kwargs)


@pytest.mark.parametrize("display", [SelectionDisplay, GainDisplay])
def test_selectors_must_be_fitted(display):
    arguments = (X,) if display is SelectionDisplay else ()
    with pytest.raises(NotFittedError):
        display.from_estimator(CoreSetSelector(), *arguments)


def test_gains_are_what_the_selector_has_recorded():
    itl = ITLSelector(budget=20).fit(X)
    display = GainDisplay.from_estimator(itl)
    assert display.line_.get_xdata().tolist() == list(range(1, 21))
    assert np.cumsum(display.line_.get_ydata()) == pytest.approx(itl.information_gain_)
    assert display.ax_.get_ylabel() == "information that the label adds (nats)"
    assert display.ax_.get_ylim()[0] < 0 < display.ax_.get_ylim()[1]
    variance = GainDisplay.from_estimator(itl, attribute="target_variance_", log_y=True)
    assert variance.line_.get_ydata() == pytest.approx(itl.target_variance_)
    assert variance.ax_.get_yscale() == "log"
    coreset = make_pipeline(StandardScaler(), CoreSetSelector(budget=20)).fit(X)
    radius = GainDisplay.from_estimator(coreset)
    assert radius.line_.get_ydata() == pytest.approx(coreset[-1].radius_curve_)
    scores = GainDisplay.from_estimator(coreset, attribute="scores_")
    assert scores.line_.get_xdata().tolist() == list(range(2, 21))  # the first is infinite
    random = RandomSelector(budget=4, random_state=0).fit(X)
    assert GainDisplay.from_estimator(random).ax_.get_ylabel() == VALUES["scores_"]


def test_selectors_side_by_side():
    display = GainDisplay.from_estimator(ITLSelector(20).fit(X, X_target=X[:5]), name="ITL")
    other = GainDisplay.from_estimator(VTLSelector(20).fit(X), name="VTL", ax=display.ax_)
    assert legend_texts(display.ax_) == ["ITL", "VTL"]
    assert display.line_.get_color() != other.line_.get_color()
    rendered(other)
    low, high = display.ax_.get_ylim()
    assert low < 0 and high > max(other.line_.get_ydata().max(), display.line_.get_ydata().max())


def test_the_knee_is_farthest_from_the_line_between_the_ends():
    places = np.arange(1, 8)
    assert find_knee(places, np.array([10.0, 6, 2, 1.5, 1, 0.5, 0])) == 3
    assert find_knee(places, -np.array([10.0, 6, 2, 1.5, 1, 0.5, 0])) == 3
    assert find_knee(places, np.linspace(1, 0, 7)) is None
    assert find_knee(places, np.ones(7)) is None
    assert find_knee(places[:4], np.array([10.0, 0, 0, 0])) is None
    bent = GainDisplay(values=[np.inf, 10, 6, 2, 1.5, 1, 0.5, 0]).plot()
    assert bent.knee_ == 4  # counted in picks, the infinite one included
    assert [text.get_text() for text in bent.ax_.texts] == ["knee: 4 picks"]
    assert not bent.plot(knee=False).ax_.texts
    rising = GainDisplay(values=[0.0, 0.6, 0.8, 0.85, 0.9, 0.95], value_name="share").plot()
    assert rising.knee_ == 3 and rising.ax_.get_ylabel() == "share"
    assert GainDisplay(values=range(10)).plot().knee_ is None


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"attribute": "coverage_"}, "coverage_', which CoreSetSelector has not; use one of 'rad"),
        ({"attribute": "indices_"}, "attribute == 'indices_', must be one of 'information_gain_'"),
    ],
)
def test_gains_that_are_not_there(kwargs, message):
    with pytest.raises(ValueError, match=message):
        GainDisplay.from_estimator(CoreSetSelector(budget=3).fit(X), **kwargs)


def test_the_knee_is_that_of_the_values_on_any_axis():
    values = [10.0, 5, 2, 0, 0, 0, 0, 0, 0, 0]
    assert GainDisplay(values=values).plot().knee_ == 4
    logarithmic = GainDisplay(values=values).plot(log_y=True)
    assert logarithmic.knee_ == 4 and not logarithmic.ax_.texts  # it cannot be marked there


def test_values_that_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"values must be flat, .* shape \(1, 3\)"):
        GainDisplay(values=[[1.0, 2.0, 3.0]]).plot()
    with pytest.raises(ValueError, match="must hold a number that can be drawn; got none among 2"):
        GainDisplay(values=[np.inf, np.nan]).plot()
    with pytest.raises(ValueError, match="With log_y=True it has to be positive"):
        GainDisplay(values=[0.0, -1.0]).plot(log_y=True)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: LabelingCurveDisplay.from_history(RUNS),
        lambda: GainDisplay(values=[1.0]).plot(),
        lambda: SelectionDisplay(points=X[:, :2], picks=X[:3, :2]).plot(),
    ],
    ids=["LabelingCurveDisplay", "GainDisplay", "SelectionDisplay"],
)
def test_without_matplotlib_the_extra_is_named(draw, monkeypatch, request):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    name = request.node.callspec.id
    message = rf'{name} needs matplotlib, .* pip install "skactive\[plots\]"'
    with pytest.raises(ImportError, match=message):
        draw()


def test_the_module_can_be_imported_without_matplotlib():
    code = "import sys; sys.modules['matplotlib'] = None; import skactive.displays"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_broken_module_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_extra.py").write_text("raise ImportError('no library')")
    monkeypatch.syspath_prepend(tmp_path)
    message = r"A test needs broken_extra, which cannot be imported \(no library\). Run: pip"
    with pytest.raises(ImportError, match=message):
        require("broken_extra", "plots", "A test")
