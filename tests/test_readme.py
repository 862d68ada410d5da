"""The README's Python blocks run as they are written, one after the other."""

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent


def test_blocks_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some of them read and write files
    texts = {f"r{i}": f"A {'delight' if i % 2 else 'bore'} of number {i}." for i in range(20)}
    reviews = pd.DataFrame({"id": texts.keys(), "review": texts.values()})
    reviews.to_csv("reviews.csv", index=False)
    labels = ["good" if i % 2 else "bad" for i in range(8)]
    pd.DataFrame({"id": reviews["id"][:8], "label": labels}).to_csv("labels.csv", index=False)
    pytest.importorskip("imblearn")
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) >= 5
    namespace: dict = {}
    for block in blocks:
        # Padding keeps the README's line numbers in tracebacks.
        line = text[: text.index(block)].count("\n")
        exec(compile("\n" * line + block, "README.md", "exec"), namespace)
    selector, directed, y = (namespace[name] for name in ("selector", "directed", "y"))
    assert len(selector.indices_) == 20
    assert not set(namespace["more"].indices_) & set(selector.indices_)
    assert (y[directed.indices_] == 3).mean() > 0.5  # as its comment says
    assert len(namespace["search"].best_estimator_.history_) in (1, 3)
    assert capsys.readouterr().out.count("\n") >= 8


@pytest.mark.parametrize("target", ["demo", "test"])
def test_commands_exist(target):
    assert f"make {target}" in (ROOT / "README.md").read_text()
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_links_lead_somewhere():
    text = (ROOT / "README.md").read_text()
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_table_lists_every_selector():
    import skactive

    text = (ROOT / "README.md").read_text()
    names = [name for name in skactive.__all__ if name.endswith("Selector")]
    assert [
        name
        for name in names
        if name not in ("BaseSelector", "GreedySelector") and f"| `{name}` |" not in text
    ] == []
