"""Every example runs, without warnings, and leaves the picture it promises."""

import runpy
import sys
from pathlib import Path

import matplotlib.image
import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


def test_there_are_examples():
    assert {"custom_selector.py", "plot_digits_demo.py"} <= {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # One run of the demo instead of five; the other examples take no options.
    options = ["--seeds", "1"] if path.stem == "plot_digits_demo" else []
    monkeypatch.setattr(sys, "argv", [str(path), *options])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip(), "an example tells what it found"
    pictures = list(tmp_path.glob("*.png"))
    if path.stem.startswith("plot_"):
        assert len(pictures) == 1
        assert matplotlib.image.imread(pictures[0]).std() > 0.01  # not blank
    else:
        assert pictures == []
