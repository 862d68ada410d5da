"""The benchmarks run, at a fraction of their sizes, and the twins do the same work as skactive."""

import json
import os
import re
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import features, goals, gpu, machine, measure, plots, pools, report, text
from benchmarks.__main__ import main, parse
from benchmarks.case import DENSE, DENSE_COVARIANCE, DENSE_TWIN, MAPPED, OURS, ROOFLINE, TORCH, TWIN
from benchmarks.cases import CASES
from benchmarks.measure import Line, Result
from benchmarks.memory import Watch
from benchmarks.worker import Worker

MIB = 2**20
# Contenders that need nothing but NumPy, torch and scikit-learn, and pick what skactive picks.
TWINS = {TORCH, TWIN, DENSE, DENSE_TWIN, DENSE_COVARIANCE, MAPPED}
PLAIN = {*TWINS, "skactive, sequential=True", ROOFLINE}
PACKAGES = re.compile("scikit-activeml|scikit-matter|bmdal_reg|activeft|apricot")
TINY = {"n": 300, "d": 40, "budget": 6, "n_targets": 10, "n_labeled": 50, "iterations": 3}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run in which one peer is broken: the page, and the folder with the pictures."""
    folder = tmp_path_factory.mktemp("benchmarks")
    (folder / "activeft").mkdir()
    (folder / "activeft" / "__init__.py").write_text(
        "print('noise')\nraise RuntimeError('out of | order\\nfor a reason')"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # shadows what is installed
        options = ["--scale", "0.1", "--runs", "1", "--cases", "vtl,import"]
        main([*options, "--output", str(folder / "RESULTS.md")])
    return SimpleNamespace(page=(folder / "RESULTS.md").read_text(), folder=folder)


def tables(page):
    """The cells of each table, line by line."""
    blocks = re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE)
    return [[split_cells(line) for line in block.splitlines()] for block in blocks]


def split_cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_page_names_versions_machine_and_command(run):
    for package in machine.PACKAGES:
        assert re.search(rf"{package} (\d|not installed)", run.page)
    assert "python -m benchmarks --scale 0.1 --runs 1 --cases vtl,import" in run.page
    assert re.search(r"\d+ cores", run.page)


def test_page_holds_the_measurements(run):
    assert "n = 500, d = 384, n_targets = 100, budget = 5" in run.page
    _, (header, _, ours, _, twin, best), (_, _, *imports) = tables(run.page)
    assert {len(line) for line in (header, ours, twin, best)} == {8}
    twin = dict(zip(header, twin, strict=True))
    assert float(twin["seconds"]) > 0
    assert twin["runs"] == "1"
    assert re.fullmatch(r"\d+|not known", twin["MiB"])
    assert float(twin["ratio to skactive"]) > 0
    assert float(twin["over roofline"]) > 1
    assert twin["same picks"] == "all 5, in order"
    assert ours[header.index("ratio to skactive")] == "1.00"
    assert best[header.index("over roofline")] == "1.00"
    assert [float(seconds.split()[0]) > 0 for _, seconds, _ in imports] == [True, True]


def test_page_says_what_broke_a_peer(run):
    broken = tables(run.page)[1][3]
    assert broken[:2] == ["activeft VTL, one mini-batch", r"RuntimeError: out of \| order"]


def test_page_begins_with_the_goals(run):
    header, _, *lines = tables(run.page)[0]
    assert header[:4] == ["case", "bar", "aim", "measured"]
    assert len(lines) == len(goals.GOALS)
    assert "scaled by 0.1" in run.page


def test_contenders_are_known():
    """What the tests below do not run is a package that another test or nobody can check."""
    labels = {one.label for case in CASES.values() for one in case.contenders}
    others = {label for label in labels if not PACKAGES.search(label)}
    assert others >= PLAIN and len(labels - others) >= 7


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("digits", "large")])
def test_cases_run_and_twins_pick_the_same_rows(name, tmp_path, monkeypatch):
    np.save(tmp_path / "features.npy", pools.clustered(400, 30))
    monkeypatch.setenv("SKACTIVE_FEATURES", str(tmp_path / "features.npy"))
    case = CASES[name]
    sizes = {size: TINY[size] for size in case.sizes}
    agreed = 0
    for contender in case.contenders:
        if PACKAGES.search(contender.label):
            continue
        own = {size: TINY[size] for size in contender.sizes if size != "n"}
        picks = contender.run(**case.arguments(contender, {**TINY_OF(case), **own, **sizes}))
        if contender.label == OURS:
            expected = picks
            assert len(set(expected)) == TINY["budget"]
        elif contender.label in TWINS:
            np.testing.assert_array_equal(picks, expected, err_msg=contender.label)
            agreed += 1
    assert agreed or name == "table3"


def TINY_OF(case):
    """Sizes that only contenders name."""
    return {size: TINY[size] for one in case.contenders for size in one.sizes}


def test_large_case_runs():
    case = CASES["large"]
    for contender in case.contenders:
        sizes = {size: TINY[size] for size in case.sizes}
        assert len(contender.run(**case.arguments(contender, sizes))) == TINY["budget"]


def test_digits_have_a_quality():
    case = CASES["digits"]
    sizes = {"n_splits": 2, "n_first": 20, "budget": 10}
    lines = []
    for contender in case.contenders[:2]:
        arguments = case.make(**sizes)
        accuracies = case.judge(contender.run(**arguments), **arguments)
        assert all(0.3 < accuracy < 1 for accuracy in accuracies)
        lines.append(Line(contender, Result(sizes, [4.0, 1.0, 2.0], quality=accuracies)))
    lines += [Line(one, Result(sizes, error="KeyError: 'x'")) for one in case.contenders[2:]]
    section = report.case_section("digits", case, lines)
    assert re.search(
        r"\| 2.00 \(1.00-4.00\) \| 3 \| .* \| 0\.\d{3} \(0\.\d{3}-0\.\d{3}\) \|", section
    )


# Data and memory


def test_pools_are_the_same_in_memory_and_in_a_file(monkeypatch):
    monkeypatch.setattr(pools, "CHUNK_SIZE", 170)
    X = pools.clustered(100, 17)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, rtol=1e-6)
    mapped = pools.mapped(100, 17)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, X)
    labeled = pools.make_labeled(100, 17, 5, 2)
    assert len(labeled["y"]) == 100 and len(set(labeled["y"])) > 5
    assert not (pools.clustered(100, 17, seed=1) == X).any()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_watch_sees_a_peak_that_is_gone():
    with Watch() as memory:
        peak = np.ones(64 * MIB // 8)
        del peak
    assert 60 * MIB < memory.resident < 100 * MIB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_watch_tells_mapped_pages_from_memory(tmp_path):
    (tmp_path / "file").write_bytes(bytes(64 * MIB))
    with Watch() as memory:
        mapped = np.memmap(tmp_path / "file", dtype=np.uint8, mode="r")
        mapped.sum()
        held = np.ones(16 * MIB // 8)
        memory._done.wait(0.1)  # some samples
    assert held.nbytes == 16 * MIB
    assert 12 * MIB < memory.anonymous < 40 * MIB
    assert memory.resident > 70 * MIB


def test_features_are_unit_rows(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    raw = rng.random((50, 8))
    projected = features.project(raw, 8)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(projected @ projected.T, unit @ unit.T, atol=1e-6)
    np.savez(tmp_path / "x.npz", X_train=raw.astype(np.float16))
    monkeypatch.setenv("SKACTIVE_FEATURES", str(tmp_path / "x.npz"))
    np.testing.assert_allclose(features.load(), unit, atol=1e-3)
    monkeypatch.setenv("SKACTIVE_FEATURES", str(tmp_path / "none.npy"))
    with pytest.raises(FileNotFoundError, match="benchmarks.features makes them"):
        features.load()


# Processes


def test_worker_measures_the_first_run():
    worker = Worker(
        "vtl", 2, {**TINY_OF(CASES["vtl"]), "n": 90, "d": 8, "n_targets": 5, "budget": 4}
    )
    first, second = worker.run(first=True), worker.run(first=False)
    assert len(set(first["picks"])) == 4
    assert first["seconds"] > 0 and second["seconds"] > 0 and set(second) == {"seconds"}
    if sys.platform.startswith("linux"):
        assert first["memory"] >= 0 and first["anonymous"] >= 0


def crashes(connection, output, *task):
    Path(output).write_text("a warning\nout of memory\n")
    os._exit(3)


def hangs(connection, output, *task):
    time.sleep(60)


def logs(path, connection, output, name, position, sizes):
    connection.send({})
    while True:
        connection.recv()
        with path.open("a") as log:
            log.write(str(position))
        connection.send({"seconds": 1.0})


@pytest.mark.parametrize(
    "serve, error",
    [(crashes, "exit status 3: out of memory"), (hangs, "not done after 0.5 seconds")],
)
def test_lost_process_is_an_error(monkeypatch, serve, error):
    monkeypatch.setattr(measure, "serve", serve)
    monkeypatch.setattr(measure, "TIMEOUT_SECONDS", 0.5 if serve is hangs else 60)
    ((_, result),) = measure.measure("vtl", CASES["vtl"], [0], 1.0, 1)
    assert result.error == error
    assert result.sizes == CASES["vtl"].sizes


def test_contenders_take_turns(monkeypatch, tmp_path):
    monkeypatch.setattr(measure, "serve", partial(logs, tmp_path / "log"))
    lines = measure.measure("vtl", CASES["vtl"], [0, 2], 1.0, 2)
    assert (tmp_path / "log").read_text() == "0202"
    assert [result.seconds for _, result in lines] == [[1.0, 1.0]] * 2
    measure.measure("growth-itl", CASES["growth-itl"], [0, 2], 1.0, 2)
    assert (tmp_path / "log").read_text() == "02020022"


# Goals


def line(case, label, seconds, sizes=None, **rest):
    (contender,) = [
        one
        for one in CASES[case].contenders
        if one.label == label and (sizes is None or one.sizes == sizes)
    ]
    return Line(contender, Result(CASES[case].scaled_sizes(contender, 1), [seconds], **rest))


def goal_cells(measured, scale=1.0):
    _, _, *lines = tables(goals.section(measured, scale) + "\n")[0]
    return {cells[0]: cells[1:] for cells in lines}


@pytest.mark.parametrize(
    "seconds, verdict", [(16.0, "yes, the aim"), (10.0, "yes"), (9.9, "**no**")]
)
def test_goal_of_a_ratio(seconds, verdict):
    measured = {
        "kcenter-50k": [
            line("kcenter-50k", OURS, 1.0, picks=[1, 2]),
            line("kcenter-50k", TORCH, seconds),
            line("kcenter-50k", TWIN, 60.0, picks=[1, 2]),
        ]
    }
    cells = list(goal_cells(measured).values())[0]
    assert cells[:4] == ["10 times", "16 times", f"{text.number(seconds)} times", verdict]
    assert cells[4] == f"all 2, in order ({TWIN})"
    assert list(goal_cells(measured, 0.5).values())[0][3] == ""


@pytest.mark.parametrize(
    "megabytes, verdict", [(200, "yes, the aim"), (500, "yes"), (501, "**no**")]
)
def test_goals_of_memory_and_growth(megabytes, verdict):
    size, name = megabytes * 10**6, "growth-coreset"
    million, quarter = {"n": 1_000_000}, {"n": 250_000}
    measured = {
        name: [
            line(name, OURS, 2.0, quarter, memory=1, picks=[5]),
            line(name, OURS, 9.0, million, memory=size, anonymous=1, picks=[3, 4]),
            line(name, MAPPED, 3.0, million, memory=1, anonymous=size + 10**8, picks=[3, 4]),
            line(name, TORCH, 3.0, million, picks=[4, 3]),
        ]
    }
    resident, anonymous, growth, *_ = (
        c for t, c in goal_cells(measured).items() if "k-center" in t and "1,000,000" in t
    )
    assert resident[2:4] == [f"{megabytes} MB", verdict]
    assert resident[4] == f"2 of 2, the first 0 in order ({TORCH})"
    assert anonymous[2] == f"{megabytes + 100} MB" and anonymous[4] == f"all 2, in order ({OURS})"
    assert growth[2:4] == ["4.50 times", "yes"]


def test_goals_without_measurements():
    failed = Line(CASES["mlmoc"].contenders[0], Result({}, error="KeyError: 'x'"))
    cells = goal_cells({"mlmoc": [failed]})
    assert len(cells) == len(goals.GOALS)
    assert {line[2] for line in cells.values()} == {"not measured"}


def test_every_goal_can_be_measured():
    """With a line for each contender there is a value and a comparison for each goal."""
    measured = {
        name: [
            Line(one, Result(case.scaled_sizes(one, 1), [2.0], 10**6, 10**6, picks=[7]))
            for one in case.contenders
        ]
        for name, case in CASES.items()
    }
    for cells in goal_cells(measured).values():
        assert "not" not in cells[2] and cells[4].startswith("all 1, in order")


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
    assert text.same_picks([4, 2, 7], picks) == words


# Pictures, options, GPU


def test_pictures_show_what_was_measured(tmp_path):
    pytest.importorskip("matplotlib")
    case = CASES["growth-coreset"]
    lines = [
        Line(one, Result(case.scaled_sizes(one, 1), [3.0, 1.0, 2.0], 5 * MIB, 5 * MIB))
        for one in case.contenders
    ]
    lines[-1] = Line(case.contenders[-1], Result(lines[-1].result.sizes, error="KeyError: 'x'"))
    seconds, memory = plots.curves(lines)[OURS]
    assert seconds[0] == (1_000, median([3.0, 1.0, 2.0]))
    assert memory[-1] == (1_000_000, 5.0) and len(memory) == len(seconds) == 6
    assert plots.draw(case, lines, tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "growth.png").stat().st_size > 10_000
    assert not plots.draw(case, lines[-1:], tmp_path / "nothing.png")
    section = report.case_section("growth-coreset", case, lines, "growth.png")
    assert section.endswith("(growth.png)")


def test_profiles_add_cases_and_contenders(tmp_path):
    default, full, large = (parse(options) for options in ([], ["--full"], ["--large"]))
    assert set(large.cases) - set(default.cases) == {"large"}
    assert default.runs == 3 and full.runs == 5
    fewer, more = (
        sum(len(case.positions(options.profiles)) for case in CASES.values())
        for options in (default, full)
    )
    assert fewer < more
    assert parse(["--quick"]).scale < 1


def test_unknown_case_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--cases", "kcentre"])
    assert "no case kcentre; there are kcenter-10k" in capsys.readouterr().err


@pytest.mark.parametrize("option", [[], ["--bfloat16"]])
def test_gpu_script_on_the_cpu(option, capsys, monkeypatch):
    for name, size in {"ITERATIONS": 2, "CHECK_ROWS": 4000, "CHECK_ITERATIONS": 3}.items():
        monkeypatch.setattr(gpu, name, size)
    size = ["--scale", "0.0005", "--features", "20", "--runs", "1", "--device", "cpu"]
    assert gpu.main([*size, *option]) == 0
    checks, timed = tables(capsys.readouterr().out)
    assert [cells[1] for cells in checks[2:]] == ["yes"] * 7
    if option:
        assert [0 <= float(cells[-1].rstrip("%")) <= 100 for cells in timed[2:]] == [True, True]
    else:
        assert len(timed[2:]) == len(gpu.WORK)
        assert all(float(cells[3]) > 0 for cells in timed[2:])


def test_gpu_script_fails_where_picks_differ(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "check", lambda *_: [["ITL", "**no**", ""]])
    assert gpu.main(["--device", "cpu"]) == 1
    assert "**no**" in capsys.readouterr().out


def test_gpu_comparisons_tell_ties_from_errors():
    def selector(rows, scores):
        return SimpleNamespace(indices_=np.array(rows), scores_=np.array(scores))

    assert gpu.compare_picks(selector([1, 2], [2.0, 1]), selector([1, 2], [2.0, 1]))[0] == "yes"
    assert gpu.compare_picks(selector([1, 2], [2.0, 1]), selector([1, 3], [2.0, 1]))[0] == "yes"
    assert gpu.compare_picks(selector([1, 2], [2.0, 1]), selector([1, 3], [2.0, 0.9]))[0] != "yes"


def test_gpu_comparison_of_centers():
    X = torch.eye(3)

    def selector(loss, order):
        return SimpleNamespace(
            loss_curve_=np.array([loss]), centers_=np.eye(3)[order], indices_=np.array(order)
        )

    assert gpu.compare_centers(X, selector(1.0, [0, 1, 2]), selector(1.0, [2, 0, 1]))[0] == "yes"
    assert gpu.compare_centers(X, selector(1.0, [0, 1, 2]), selector(1.1, [0, 1, 2]))[0] != "yes"
    crossed = selector(1.0, [0, 1, 2])
    crossed.indices_ = np.array([1, 0, 2])
    assert gpu.compare_centers(X, selector(1.0, [0, 1, 2]), crossed)[0] != "yes"


def test_bfloat16_bound_leaves_close_rows_open():
    X = torch.eye(4)[:2]
    apart = torch.eye(4)
    assert gpu._doubtful(X, apart) == 0
    close = torch.nn.functional.normalize(apart + 1e-3 * torch.ones(4, 4))
    assert gpu._doubtful(torch.nn.functional.normalize(torch.ones(2, 4)), close) == 1


def test_pages_can_be_read_back():
    """The records of the worker are JSON: no NumPy numbers among the picks."""
    worker = Worker("mlmoc", 1, {"n": 80, "d": 6, "n_labeled": 30, "budget": 3})
    assert len(json.loads(json.dumps(worker.run(first=True)))["picks"]) == 3


def test_the_page_of_the_journal(tmp_path, capsys):
    from benchmarks import journal

    page = tmp_path / "page.md"
    journal.main(["--scale", "0.004", "--output", str(page)])
    text = page.read_text()
    assert text.startswith("# Benchmark of the journal\n") and "40 rounds of one label" in text
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| 1 to 10",
        "| 11 to 20",
        "| 21 to 30",
        "| 31 to 40",
    ]
    assert text.strip() == capsys.readouterr().out.strip()


def test_the_page_of_the_command_line(tmp_path, capsys):
    from benchmarks import command

    page = tmp_path / "page.md"
    command.main(["--rows", "500", "--runs", "1", "--output", str(page)])
    text = page.read_text()
    assert text.startswith("# Benchmark of the command line\n") and "from 500 x 384" in text
    assert re.search(r"\| beyond both \((met|missed)\) \| -?[\d.]+ \|", text)
    assert text.strip() == capsys.readouterr().out.strip()


def test_the_page_of_the_strategies(tmp_path, capsys):
    from benchmarks import strategies

    page = tmp_path / "page.md"
    strategies.main(["--quick", "--output", str(page)])
    text = page.read_text()
    assert text.startswith("# Rules that scikit-activeml has, too\n") and "200 rows" in text
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    for rule in strategies.RULES:
        cells = lines[rule.name].split(" | ")
        assert float(cells[2]) >= 0  # seconds of our own, with or without the peer
    assert "expected model change" in capsys.readouterr().out
