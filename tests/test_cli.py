"""The command line: what it writes, what it says, and its exit codes."""

import csv
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from skactive import (
    ActiveFTSelector,
    AutoSelector,
    CoreSetSelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
    VTLSelector,
)
from skactive.cli import main
from skactive.files import write_table

COMMAND = [sys.executable, "-m", "skactive.cli"]
DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


@pytest.fixture
def X(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    np.save("x.npy", X)
    return X


def picks(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def select(capsysbinary, *arguments):
    """What `skactive select` writes to standard output."""
    code = main(["select", *map(str, arguments), "--quiet"])
    out, err = capsysbinary.readouterr()
    assert code == DONE, err.decode()
    return picks(out.decode("utf-8"))


def ids(rows):
    return [int(row["id"]) for row in rows]


# What is selected


@pytest.mark.parametrize(
    ("name", "selector"),
    [
        ("itl", ITLSelector()),
        ("vtl", VTLSelector()),
        ("coreset", CoreSetSelector(random_state=3)),
        ("activeft", ActiveFTSelector(random_state=3)),
        ("random", RandomSelector(random_state=3)),
    ],
)
def test_select_gives_what_the_selector_gives(X, capsysbinary, name, selector):
    rows = select(capsysbinary, "x.npy", "--selector", name, "--budget", 7, "--random-state", 3)
    selector.set_params(budget=7).fit(X)
    assert ids(rows) == selector.indices_.tolist()
    assert [float(row["score"]) for row in rows] == selector.scores_.tolist()
    assert [row["rank"] for row in rows] == list("1234567")


def test_the_seed_and_shares_of_the_pool(X, capsysbinary):
    rows = select(capsysbinary, "x.npy", "--selector", "random", "--budget", "0.5")
    assert ids(rows) == RandomSelector(0.5, random_state=0).fit_select(X).tolist()
    other = select(
        capsysbinary, "x.npy", "--selector", "random", "--budget", "0.5", "--random-state", 1
    )
    assert ids(other) != ids(rows)


def test_parameters_are_literals_or_texts(X, capsysbinary):
    options = ["--param", "noise_ratio=1e-3", "--param", "kernel=linear"]
    rows = select(capsysbinary, "x.npy", "--budget", 5, *options)
    expected = ITLSelector(5, noise_ratio=1e-3, kernel="linear").fit(X)
    assert ids(rows) == expected.indices_.tolist()
    assert [float(row["score"]) for row in rows] == expected.scores_.tolist()
    quoted = ["--param", "noise_ratio=0.001", "--param", "kernel='linear'"]
    assert select(capsysbinary, "x.npy", "--budget", 5, *quoted) == rows


def test_targets(X, capsysbinary):
    np.save("targets.npy", X[:3] * 2)
    rows = select(capsysbinary, "x.npy", "--budget", 5, "--targets", "targets.npy")
    assert ids(rows) == ITLSelector(5).fit_select(X, X_target=X[:3] * 2).tolist()


def test_standardize(X, capsysbinary):
    scaled = X * [1, 10, 100, 1000] + 5
    np.save("scaled.npy", scaled)
    np.save("targets.npy", scaled[:2])
    options = ["--standardize", "--targets", "targets.npy"]
    rows = select(capsysbinary, "scaled.npy", "--budget", 5, *options)
    Z = StandardScaler().fit_transform(scaled)
    assert ids(rows) == ITLSelector(5).fit_select(Z, X_target=Z[:2]).tolist()


def test_ids_of_a_table(X, capsysbinary):
    names = [f"{k:03d}" for k in range(60)]
    write_table(
        "pool.csv", [{"id": n, "a": x[0], "b": x[1]} for n, x in zip(names, X, strict=True)]
    )
    expected = CoreSetSelector(6).fit_select(X[:, :2].astype(float))
    rows = select(capsysbinary, "pool.csv", "--selector", "coreset", "--budget", 6)
    assert [row["id"] for row in rows] == [names[i] for i in expected]
    rows = select(capsysbinary, "pool.csv", "--columns", "b", "--ids", "a", "--budget", 1)
    assert float(rows[0]["id"]) in X[:, 0]


# What is labeled already


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet", "npy", "txt", "mask.npy"])
def test_picks_go_on_from_earlier_ones(X, capsysbinary, ending):
    all_at_once = ids(select(capsysbinary, "x.npy", "--budget", 8))
    first, path = all_at_once[:5], f"first.{ending}"
    if ending == "npy":
        np.save(path, np.array(first))
    elif ending == "mask.npy":
        np.save(path, np.isin(np.arange(60), first))
    elif ending == "txt":
        Path(path).write_text("".join(f"{i}\n" for i in first))
    else:
        assert main(["select", "x.npy", "--budget", "5", "--quiet", "-o", path]) == DONE
    assert ids(select(capsysbinary, "x.npy", "--budget", 3, "--labeled", path)) == all_at_once[5:]


def test_labels_in_a_file_and_in_a_column(X, capsysbinary):
    known = {4: "no", 17: "yes", 30: "no"}
    write_table("known.csv", [{"id": i, "label": y} for i, y in known.items()])
    rows = [
        {"id": i, "a": x[0], "b": x[1], "c": x[2], "d": x[3], "y": known.get(i, "")}
        for i, x in enumerate(X)
    ]
    write_table("pool.csv", rows)
    y = np.array([known.get(i, "garbage") for i in range(60)])
    expected = MLMOCSelector(4, random_state=0).fit_select(X.astype(float), y, labeled=list(known))
    options = ["--selector", "mlmoc", "--budget", 4]
    in_file = select(capsysbinary, "x.npy", *options, "--labeled", "known.csv")
    in_column = select(capsysbinary, "pool.csv", *options, "--labels", "y")
    assert ids(in_file) == ids(in_column) == expected.tolist()


def test_labels_are_used_where_they_help(X, capsysbinary):
    known = {i: "ab"[int(X[i, 0] > 0)] for i in range(12)}
    write_table("known.csv", [{"id": i, "label": y} for i, y in known.items()])
    write_table("ids.csv", [{"id": i} for i in known])
    y = np.array([known.get(i, "?") for i in range(60)])
    options = ["--selector", "auto", "--budget", 4, "--param", "labels_per_class=5"]
    selector = AutoSelector(4, labels_per_class=5, random_state=0)
    expected = selector.fit(X.astype(float), y, labeled=list(known)).indices_
    assert "Many labels" in selector.reason_
    assert ids(select(capsysbinary, "x.npy", *options, "--labeled", "known.csv")) == list(expected)
    expected = selector.fit(X.astype(float), labeled=list(known)).indices_
    assert ids(select(capsysbinary, "x.npy", *options, "--labeled", "ids.csv")) == list(expected)


def test_numeric_labels_are_no_features(X, capsysbinary):
    rows = [{"a": x[0], "b": x[1], "stars": i % 5 if i < 10 else None} for i, x in enumerate(X)]
    write_table("pool.csv", rows)
    got = select(
        capsysbinary, "pool.csv", "--selector", "mlmoc", "--budget", 4, "--labels", "stars"
    )
    y = np.arange(60) % 5
    expected = MLMOCSelector(4, random_state=0).fit(X[:, :2].astype(float), y, labeled=range(10))
    assert ids(got) == expected.indices_.tolist()


# What is written


def test_outputs(X, capsysbinary):
    for ending in ("csv", "json", "jsonl", "parquet"):
        assert main(["select", "x.npy", "--budget", "3", "-o", f"picks.{ending}"]) == DONE
        out, err = capsysbinary.readouterr()
        assert out == b"" and err.decode().endswith(f"wrote picks.{ending}\n")
    rows = json.loads(Path("picks.json").read_text())
    assert [list(row) for row in rows] == [["rank", "id", "score"]] * 3
    assert [json.loads(line) for line in Path("picks.jsonl").read_text().splitlines()] == rows
    assert pd.read_parquet("picks.parquet").to_dict("records") == rows
    in_csv = picks(Path("picks.csv").read_text())
    assert [[row["rank"], row["id"], row["score"]] for row in in_csv] == [
        [str(row["rank"]), str(row["id"]), repr(row["score"])] for row in rows
    ]
    assert main(["select", "x.npy", "--budget", "3", "--format", "json", "--quiet"]) == DONE
    out, err = capsysbinary.readouterr()
    assert json.loads(out) == rows and err == b""


def test_progress_and_warnings_are_on_standard_error(X, capsysbinary):
    assert main(["select", "x.npy", "--budget", "100"]) == DONE
    out, err = capsysbinary.readouterr()
    assert len(picks(out.decode())) == 60
    lines = err.decode().splitlines()
    assert all(line.startswith("skactive: ") for line in lines)
    assert lines[0] == "skactive: x.npy: 60 rows, 4 features"
    assert [line for line in lines if "warning" in line] == [
        "skactive: warning: budget asks for 100 rows but only 60 are left to pick: all of them are "
        "selected. Lower budget or pass more rows."
    ]
    assert re.fullmatch(r"skactive: picked 60 rows in \d+\.\d s", lines[-1])


# What goes wrong


def failure(capsys, *arguments):
    code = main(list(arguments))
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    return code, err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["pick"], "invalid choice: 'pick'"),
        (["select"], "FILE"),
        (["select", "x.npy", "--selector", "best"], "invalid choice: 'best'"),
        (["select", "x.npy", "--budget", "0"], "'0' must be an int >= 1"),
        (["select", "x.npy", "--budget", "1.5"], "'1.5' must be an int >= 1"),
        (["select", "x.npy", "--budget", "nan"], "'nan' must be"),
        (["select", "x.npy", "--budget", "many"], "'many' must be"),
        (["select", "x.npy", "--param", "kernel"], "'kernel' must be NAME=VALUE"),
        (["select", "x.npy", "--param", "colour=red"], "itl has the parameters device, kernel,"),
        (["select", "x.npy", "--param", "budget=5"], "use --budget"),
        (["select", "x.npy", "--param", "network=net"], "itl has the parameters"),
        (["select", "x.npy", "--format", "xml"], "invalid choice: 'xml'"),
        (["select", "x.npy", "--format", "parquet"], "needs a file"),
        (["select", "x.npy", "-o", "picks.xlsx"], "must end in .csv"),
        (["select", "x.npy", "-o", "none/picks.csv"], "no folder none"),
        (["select", "x.npy", "-o", "x.npy", "--format", "csv"], "would overwrite x.npy"),
        (["select", "x.npy", "--labeled", "a.csv", "--labels", "y"], "not allowed with"),
        (["select", "x.npy", "--selector", "random", "--targets", "x.npy"], "itl or vtl"),
        (["select", "x.npy", "--selector", "mlmoc", "--labeled", "ids.txt"], "learns from labels"),
    ],
)
def test_wrong_usage(X, capsys, arguments, message):
    Path("ids.txt").write_text("3\n")
    code, err = failure(capsys, *arguments)
    assert code == WRONG_USAGE and message in err
    assert np.array_equal(np.load("x.npy"), X)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.npy"], "none.npy is not there"),
        (["x.npy", "--ids", "id"], "no column 'id'"),
        (["x.npy", "--labels", "y"], "no column 'y'"),
        (["nan.npy"], "X must be finite; got NaN or infinity in 1 of 2 rows, first in row 1"),
        (["x.npy", "--targets", "nan.npy"], "2 features, but the pool has 4"),
        (["x.npy", "--param", "noise_ratio=-1"], "noise_ratio == -1, must be a finite number"),
        (["x.npy", "--param", "noise_ratio=0,1"], "noise_ratio == (0, 1), must be"),
        (["x.npy", "--param", "strategy=best"], "strategy == 'best', must be one of"),
        (["x.npy", "--labeled", "none.csv"], "none.csv is not there"),
        (["x.npy", "--labeled", "99.txt"], "99.txt names the id '99', which x.npy does not have"),
        (["x.npy", "--labeled", "all.npy"], "nothing"),
        (["x.npy", "--labeled", "x.npy"], "ids, or a mask"),
        (["x.npy", "--labeled", "mask.npy"], "mask of shape (3,), must be (60,)"),
        (["x.npy", "--labeled", "no.json"], "is no JSON"),
        (["x.npy", "--labeled", "odd.json"], "array of ids, or of objects"),
        (["x.npy", "--labeled", "columns.csv"], "no column 'id'"),
        (["x.npy", "--labeled", "twice.csv"], "two labels for the id '1'"),
        (["x.npy", "--labeled", "gap.csv", "--selector", "mlmoc"], "no label for the row"),
    ],
)
def test_work_that_fails(X, capsys, arguments, message):
    np.save("nan.npy", np.array([[0, 1], [np.nan, 1]]))
    np.save("all.npy", np.arange(60))
    np.save("mask.npy", np.ones(3, dtype=bool))
    for name, text in {
        "99.txt": "1\n99\n",
        "no.json": "{",
        "odd.json": '{"id": 1}',
        "columns.csv": "a,b\n1,2\n",
        "twice.csv": "id,label\n1,x\n1,y\n",
        "gap.csv": "id,label\n1,x\n2,\n",
    }.items():
        Path(name).write_text(text)
    before = sorted(os.listdir())
    code, err = failure(capsys, "select", *arguments, "-o", "picks.csv")
    assert code == FAILED and "skactive: error: " in err
    assert message in err or message == "nothing" and "left" in err
    assert sorted(os.listdir()) == before


def test_traceback_on_request(X, capsys):
    for arguments in (["--traceback", "select", "none.npy"], ["select", "none.npy", "--traceback"]):
        with pytest.raises(ValueError, match="is not there"):
            main(arguments)


def test_a_mistake_of_ours_is_not_hidden(X, monkeypatch):
    def mistake(*args, **params):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("skactive.cli._select.write_table", mistake)
    with pytest.raises(ZeroDivisionError, match="ours"):
        main(["select", "x.npy", "--quiet"])


def test_ctrl_c_at_any_point(X, capsys, monkeypatch):
    def interrupt(*args, **params):
        raise KeyboardInterrupt

    Path("picks.csv").write_text("former")
    for place in ("_console.read_pool", "_select.make_selector", "_select._select"):
        with monkeypatch.context() as patch:
            patch.setattr(f"skactive.cli.{place}", interrupt)
            assert main(["select", "x.npy", "-o", "picks.csv", "--quiet"]) == INTERRUPTED
        assert capsys.readouterr().err == "skactive: interrupted\n"
    assert Path("picks.csv").read_text() == "former"


@pytest.mark.parametrize("arguments", [["--help"], ["select", "--help"], ["--version"]])
def test_help(capsys, arguments):
    assert main(arguments) == DONE
    assert "skactive" in capsys.readouterr().out


# Processes of their own


def run(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, **options
    )


def test_nothing_heavy_is_imported_before_it_is_needed(X):
    code = (
        "import sys; from skactive.cli import main; "
        "codes = [main(['--help']), main(['select', 'x.npy', '--budget', 'x']), "
        "main(['select', 'none.npy'])]; "
        "heavy = {'torch', 'sklearn', 'scipy', 'pandas', 'pyarrow', 'PIL'} & set(sys.modules); "
        "print(codes, sorted(heavy), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr.splitlines()[-1] == "[0, 2, 1] []"


def test_missing_packages_are_named_and_needed_only_where_they_are(X):
    X = pd.DataFrame(X, columns=list("abcd"))
    X.to_parquet("x.parquet")
    X.to_csv("x.csv", index=False)
    os.mkdir("images")
    Path("images/a.png").write_bytes(b"")
    code = (
        "import sys\n"
        "missing = {'pyarrow', 'PIL', 'starlette', 'uvicorn', 'sqlalchemy', 'pandas', 'polars'}\n"
        "class Missing:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name.partition('.')[0] in missing: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Missing)\n"
        "from skactive.cli import main\n"
        "for path in ('x.npy', 'x.csv', 'x.parquet', 'images'):\n"
        "    print(main(['select', path, '--budget', '2', '--quiet', '-o', 'picks.json']))\n"
        "print(main(['select', 'x.npy', '--quiet', '-o', 'picks.parquet']))\n"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["0", "0", "1", "1", "1"]
    files, images, again = result.stderr.splitlines()
    assert "pyarrow" in files and files.endswith('pip install "skactive[files]"')
    assert "Pillow" in images and images.endswith('pip install "skactive[images]"')
    assert again == files and not os.path.exists("picks.parquet")


def interrupted(process, patience=15):
    """Its errors after Ctrl-C; pressed again where an import has swallowed the first one."""
    for _ in range(4):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=patience)[1]
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    return "went on"


def test_ctrl_c_in_the_middle_of_a_selection(X):
    Path("picks.csv").write_text("former")
    options = ["--selector", "activeft", "--param", "max_iter=100000000", "-o", "picks.csv"]
    process = subprocess.Popen(
        [*COMMAND, "select", "x.npy", *options], stderr=subprocess.PIPE, text=True
    )
    with process:
        while "picking" not in (line := process.stderr.readline()):
            assert line, "ended by itself"
        time.sleep(0.5)
        err = interrupted(process)
    assert process.returncode == INTERRUPTED and err == "skactive: interrupted\n"
    assert Path("picks.csv").read_text() == "former"
    assert sorted(os.listdir()) == ["picks.csv", "x.npy"]


def test_a_full_disk(X):
    Path("picks.csv").write_text("former")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    result = run("select", "x.npy", "-o", "picks.csv", "--quiet", preexec_fn=limit)
    assert result.returncode == FAILED and "File too large" in result.stderr
    assert "Traceback" not in result.stderr
    assert Path("picks.csv").read_text() == "former"
    assert sorted(os.listdir()) == ["picks.csv", "x.npy"]


def test_a_reader_that_has_enough(X):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as closed:
        command = [*COMMAND, "select", "x.npy", "--selector", "random", "--quiet"]
        result = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False)
    assert result.returncode == FAILED and result.stderr == b""
