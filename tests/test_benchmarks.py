"""The benchmarks run, at a fraction of their sizes, and the peers do the same work as skactive."""

import os
import re
import subprocess

import numpy as np
import pytest

from benchmarks import measure, report
from benchmarks.__main__ import main
from benchmarks.cases import CASES
from benchmarks.measure import Result

# Peers that need nothing but NumPy and torch.
SAME_WORK = {
    "kcenter-10k": ["torch", "NumPy"],
    "kcenter-50k": ["torch", "NumPy"],
    "itl": ["NumPy"],
    "vtl": ["NumPy"],
    "itl-undirected": ["NumPy"],
    "activeft": ["torch"],
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A small run in which one peer is broken."""
    folder = tmp_path_factory.mktemp("benchmarks")
    (folder / "activeft").mkdir()
    (folder / "activeft" / "__init__.py").write_text(
        "raise RuntimeError('out of | order\\nfor a reason')"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)  # shadows what is installed
        options = ["--scale", "0.1", "--runs", "1", "--cases", "vtl,import"]
        main([*options, "--output", str(folder / "RESULTS.md")])
    return (folder / "RESULTS.md").read_text()


def tables(page):
    """The cells of each table, line by line."""
    blocks = re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE)
    return [[split_cells(line) for line in block.splitlines()] for block in blocks]


def split_cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_page_names_versions_machine_and_command(page):
    for package in report.PACKAGES:
        assert re.search(rf"{package} (\d|not installed)", page)
    assert "python -m benchmarks --scale 0.1 --runs 1 --cases vtl,import" in page
    assert re.search(r"\d+ cores", page)


def test_page_holds_the_measurements(page):
    assert "n = 500, n_targets = 100, budget = 5" in page
    (header, _, ours, broken, peer), (_, _, *imports) = tables(page)
    assert {len(line) for line in (header, ours, broken, peer)} == {7}
    peer = dict(zip(header, peer, strict=True))
    assert float(peer["seconds"]) > 0
    assert peer["runs"] == "1"
    assert re.fullmatch(r"\d+|not known", peer["MiB"])
    assert float(peer["ratio to skactive"]) > 0
    assert peer["same picks"] == "all 5, in order"
    assert ours[header.index("ratio to skactive")] == "1.00"
    assert [float(seconds) > 0 for _, seconds, _ in imports] == [True, True]


def test_page_says_what_broke_a_peer(page):
    broken = tables(page)[0][3]
    assert broken[:2] == ["activeft VTL, one mini-batch", r"RuntimeError: out of \| order"]


@pytest.mark.parametrize("name", SAME_WORK)
def test_peers_do_the_same_work(name):
    case = CASES[name]
    ours, *others = case.contenders
    arguments = case.make(**{**case.scaled_sizes(ours, 0.02), "budget": 12})
    expected = ours.run(**arguments)
    assert len(set(expected)) == 12
    peers = [peer for peer in others if peer.label.startswith(tuple(SAME_WORK[name]))]
    assert len(peers) == len(SAME_WORK[name])
    for peer in peers:
        np.testing.assert_array_equal(peer.run(**arguments), expected)


@pytest.mark.parametrize("name", ["mlmoc", "growth-coreset", "growth-itl", "roofline"])
def test_other_cases_run(name):
    case = CASES[name]
    for contender in case.contenders:
        contender.run(**case.make(**case.scaled_sizes(contender, 0.01)))


def test_digits_have_a_quality():
    case = CASES["digits"]
    sizes = {"n_splits": 2, "n_first": 20, "budget": 10}
    results = []
    for contender in case.contenders[:2]:
        arguments = case.make(**sizes)
        accuracies = case.judge(contender.run(**arguments), **arguments)
        assert all(0.3 < accuracy < 1 for accuracy in accuracies)
        results.append(Result(sizes, [4.0, 1.0, 2.0], quality=accuracies))
    results += [Result(sizes, error="KeyError: 'x'")] * (len(case.contenders) - 2)
    section = report.case_section("digits", case, results)
    assert re.search(
        r"\| 2.00 \(1.00-4.00\) \| 3 \| .* \| 0\.\d{3} \(0\.\d{3}-0\.\d{3}\) \|", section
    )


def test_dead_process_is_an_error(monkeypatch):
    def killed(*arguments):
        return subprocess.CompletedProcess(arguments, -9, "", "warning\nout of memory\n")

    monkeypatch.setattr(measure, "_python", killed)
    result = measure.measure("vtl", 0, 1.0, 1)
    assert result.error == "exit status -9: out of memory"
    assert result.sizes == CASES["vtl"].sizes


def test_endless_process_is_an_error(monkeypatch):
    monkeypatch.setattr(measure, "TIMEOUT_SECONDS", 0.01)
    assert measure.measure("vtl", 0, 1.0, 1).error == "not done after 0.01 seconds"


@pytest.mark.parametrize(
    "picks, words",
    [
        ([4, 2, 7], "all 3, in order"),
        ([4, 7, 2], "3 of 3, the first 1 in order"),
        ([4, 2, 9], "2 of 3, the first 2 in order"),
        (None, ""),
    ],
)
def test_same_picks(picks, words):
    assert report.same_picks([4, 2, 7], picks) == words


def test_unknown_case_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--cases", "kcentre"])
    assert "no case kcentre; there are kcenter-10k" in capsys.readouterr().err
