"""The benchmarks with networks: curves, tables, the page that sections are written to."""

import re

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.datasets import load_digits

from benchmarks import curves, images, learning, networks
from benchmarks.curves import Curve
from benchmarks.networks import main, parse

X, Y = load_digits(return_X_y=True)


def make_curve(labels, accuracy, seconds=1.0):
    rounds = np.full(len(labels), seconds)
    return Curve(np.array(labels), np.array(accuracy), rounds, 2 * rounds)


def tables(text):
    found = re.findall(r"(?:^\|.*\|$\n?)+", text, flags=re.MULTILINE)
    return [[re.split(r" \| ", line[2:-2]) for line in one.splitlines()] for one in found]


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Where a run writes to, with small data in place of what would have to be fetched."""
    pixels = np.zeros((len(X), 1, 28, 28), dtype=np.uint8)
    pixels[:, 0, 10:18, 10:18] = 15 * X.reshape(-1, 8, 8)
    shrunk = images.Images(pixels[:400], Y[:400], pixels[400:600], Y[400:600])
    monkeypatch.setattr(images, "load", lambda name: {"fashion-mnist": shrunk}[name])
    path = tmp_path / "features.npz"
    np.savez(path, X_train=X[:400] + 1, y_train=Y[:400], X_test=X[400:600] + 1, y_test=Y[400:600])
    monkeypatch.setenv("SKACTIVE_FEATURES", str(path))
    monkeypatch.setattr(learning, "EPOCHS", 2)
    return tmp_path / "page.md"


def test_sections_run_and_are_written(page, capsys):
    with parallel_config(backend="sequential"):  # threads would share torch's generator
        options = ["--sections", "fashion-mnist,cifar10", "--scale", "0.02", "--seeds", "1"]
        main([*options, "--output", str(page)])
    text = page.read_text()
    assert text.startswith("# Benchmarks with networks\n\n## Fashion-MNIST")
    assert text.count("\n## ") == 2
    assert text.count("Machine: ") == 2 and text.count("skorch ") == 2
    accuracies = tables(text)[::2]
    for (header, _, *lines), budget in zip(accuracies, (10, 10), strict=True):
        assert header == ["labels", "random", "ITL", "VTL", "ActiveFT", "core-set", "MLMOC"]
        assert lines[-1][0] == str(budget)
        assert all(0 <= float(cell.split(" ± ")[0]) <= 100 for line in lines for cell in line[1:])
    assert len({cell for cell in accuracies[0][2][1:]}) == 1  # the first batch is the same for all
    for header, _, *lines in tables(text)[1::2]:
        assert header[1].startswith("labels for ") and len(lines) == 6
        assert all(float(seconds) >= 0 for line in lines for seconds in line[2:])
    assert text.strip().endswith(capsys.readouterr().out.strip().splitlines()[-1])


def test_same_seed_same_curve(page):
    split = curves.Split(*images.load("fashion-mnist"))
    split = split._replace(X=split.X.astype(np.float32), X_test=split.X_test.astype(np.float32))
    sizes = {"budget": 20, "batch": 10}

    def accuracies(seed):
        def make(name, seed):
            return learning.make_network_loop(name, seed, sizes)

        return curves.run(make, split, 100, "core-set", seed).accuracy

    np.testing.assert_array_equal(accuracies(0), accuracies(0))
    assert (accuracies(0) != accuracies(1)).any()


def test_accuracy_table():
    found = {
        "random": [make_curve([10, 20], [0.5, 0.6]), make_curve([10, 20], [0.7, 0.8])],
        "ITL": [make_curve([10, 20], [0.9, 1.0])] * 2,
    }
    header, _, *lines = tables(curves.accuracy_table(found))[0]
    assert header == ["labels", "random", "ITL"]
    assert lines == [["10", "60.0 ± 10.0", "90.0 ± 0.0"], ["20", "70.0 ± 10.0", "100.0 ± 0.0"]]


def test_cost_table():
    found = {
        "random": [make_curve([10, 20, 30], [0.5, 0.6, 0.7])],
        "better": [make_curve([10, 20, 30], [0.6, 0.8, 0.9], seconds=3.0)],
        "best": [make_curve([10, 20, 30], [0.7, 0.8, 0.9])],
        "worse": [make_curve([10, 20, 30], [0.4, 0.5, 0.6])],
    }
    header, _, *lines = tables(curves.cost_table(found))[0]
    assert header[1] == "labels for 70.0 %, what random selection ends with"
    assert [line[1] for line in lines] == ["30", "15", "<= 10", "> 30"]
    assert lines[1][2:] == ["3.00", "6.00"]


def test_sections_are_replaced_and_others_kept():
    page = networks.replaced("", "## A\n\nold\n")
    assert page == "# Benchmarks with networks\n\n## A\n\nold\n"
    page = networks.replaced(page, "## B\n\n### inner\n\nother\n")
    page = networks.replaced(page, "## A\n\nnew")
    assert page == "# Benchmarks with networks\n\n## A\n\nnew\n\n## B\n\n### inner\n\nother\n"


def test_sections_say_where_they_were_measured():
    lines = networks.headed("\n## A\n\ntext\n", "python -m x").splitlines()
    assert lines[0] == "## A" and lines[-1] == "text"
    assert lines[2].startswith("`python -m x`, 20")
    assert lines[4].startswith("Machine: ") and lines[6].startswith("Versions: skactive")


def test_options(capsys):
    default, quick = parse([]), parse(["--quick"])
    assert default.sections == list(networks.SECTIONS)
    assert (default.scale, default.seeds) == (1.0, 5)
    assert quick.scale < 1 and quick.seeds == 1
    assert parse(["--quick", "--seeds", "3", "--sections", "cifar10"]).sections == ["cifar10"]
    for wrong, message in (
        (["--sections", "cifar"], "no section cifar; there are fashion-mnist"),
        (["--scale", "0"], "--scale must be above 0"),
        (["--seeds", "0"], "--seeds at least 1"),
    ):
        with pytest.raises(SystemExit):
            parse(wrong)
        assert message in capsys.readouterr().err
