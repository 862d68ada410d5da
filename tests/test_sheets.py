"""Sheets to be labeled in spreadsheet programs."""

from __future__ import annotations

import csv
import io
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skactive.cli import _sheet
from skactive.files import FileError
from skactive.oracles import DONT_KNOW
from skactive.sheets import export_sheet, read_sheet
from skactive.sheets._cells import guarded, unguarded
from tests.asked import answers_in, labels_in, make_loop, pool, run_command

ENDINGS = ["csv", "parquet"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
LABELS = st.lists(
    TEXT.filter(lambda text: text.strip() and text.strip() != "?"),
    min_size=1,
    max_size=5,
    unique_by=lambda text: text.strip().casefold(),
)
NAMES = st.one_of(TEXT, st.integers(-(2**70), 2**70))
IDS = st.lists(NAMES, min_size=1, max_size=6, unique_by=str)
ODD_IDS = ["007", "=1+1", "'=1", "-5", 'a"b', "a,b;c\td", "line\r\nbreak", "שלום", "👩‍🔬", "@x"]


def read_cells(path):
    """The cells as a spreadsheet program has them."""
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        return list(frame), [list(row) for row in frame.itertuples(index=False)]
    with open(path, encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    return header, rows


def save_cells(path, header, rows, delimiter=",", encoding="utf-8-sig"):
    """As a spreadsheet program saves them."""
    if path.suffix == ".parquet":
        pd.DataFrame(rows, columns=header).to_parquet(path, index=False)
        return path
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([header, *rows])
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def fill_in(path, labels, people=None):
    """Label the rows of a sheet in their order; None leaves a row open."""
    header, rows = read_cells(path)
    for i, (row, label) in enumerate(zip(rows, labels, strict=True)):
        row[header.index("label")] = label if label is not None else row[header.index("label")]
        if people is not None:
            row[header.index("annotator")] = people[i]
    save_cells(path, header, rows)


def sheet_of(folder, text, name="labels.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def reasons(read):
    return [unused.reason for unused in read.report]


# Round trips


@pytest.mark.parametrize("ending", ENDINGS)
@given(data=st.data(), labels=LABELS, ids=IDS)
@example(data=None, labels=["007", "7", "=SUM(A1)", "-1", "TRUE"], ids=ODD_IDS)
@settings(deadline=None, max_examples=40)
def test_round_trip_keeps_every_label_annotator_and_row(
    tmp_path_factory, ending, data, labels, ids
):
    path = tmp_path_factory.mktemp("sheets") / f"labels.{ending}"
    export_sheet(ids, [{"text": f"row {name}"} for name in ids], path)
    answers = [*labels, "?", None]
    said = [answers[i % len(answers)] for i in range(len(ids))]
    people = [f"person {i % 2}" for i in range(len(ids))]
    if data is not None:
        said = [data.draw(st.sampled_from(answers)) for _ in ids]
        person = TEXT.filter(lambda text: text.strip() and not text.startswith("'"))
        people = [data.draw(person).strip() for _ in ids]
    fill_in(path, said, people)
    read = read_sheet(path, ids=ids, labels=labels)
    expected = {
        (type(name), name): (DONT_KNOW if label == "?" else label, annotator)
        for name, label, annotator in zip(ids, said, people, strict=True)
        if label is not None
    }
    assert read.report == []
    assert {(type(a.id), a.id): (a.label, a.annotator) for a in read.annotations} == expected


@given(text=st.text(st.sampled_from("'=+-@\t\r\na1.")))
@settings(deadline=None)
def test_formulas_are_guarded_and_come_back(text):
    cell = guarded(text)
    assert unguarded(cell) == text
    is_number = text.lstrip("+-").replace(".", "", 1).isdigit()
    assert is_number or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_sheet_is_what_spreadsheet_programs_read(tmp_path):
    path = tmp_path / "labels.csv"
    export_sheet(
        [1, 2],
        [{"label": "=1+1", "height": 1.5}, {"label": "é", "height": None}],
        path,
        scores=[0.5, np.nan],
        selected_by=["A", "B"],
        predictions=["cat", None],
        prediction_scores=[0.75, 0.5],
    )
    assert path.read_bytes().startswith(b"\xef\xbb\xbfid,label,annotator,label (data),")
    header, rows = read_cells(path)
    assert header == [
        "id", "label", "annotator", "label (data)", "height", "suggested", "suggested_score",
        "rank", "score", "selected_by",
    ]  # fmt: skip
    assert rows == [
        ["1", "", "", "'=1+1", "1.5", "cat", "0.75", "1", "0.5", "A"],
        ["2", "", "", "é", "", "", "0.5", "2", "", "B"],
    ]


def test_parquet_keeps_types(tmp_path):
    path = tmp_path / "labels.parquet"
    frame = pd.DataFrame({"height": [1.5, 2.5], "name": ["x", None], "mixed": [1, "a"]})
    export_sheet([1, 2], frame, path)
    read = pd.read_parquet(path)
    assert read["id"].tolist() == [1, 2]
    assert read["height"].tolist() == [1.5, 2.5]
    assert read["mixed"].tolist() == ["1", "a"]
    assert read["label"].isna().all()
    fill_in(path, ["a", "b"])
    assert read_sheet(path).ids == [1, 2]


@pytest.mark.parametrize("ending", ENDINGS)
def test_sheets_without_rows(tmp_path, ending):
    path = tmp_path / f"labels.{ending}"
    assert export_sheet([], [], path) == []
    assert len(read_sheet(path)) == 0


def test_bad_exports(tmp_path):
    with pytest.raises(ValueError, match="ids must be names that differ as texts"):
        export_sheet([1, "1"], ["x", "y"], tmp_path / "labels.csv")
    with pytest.raises(ValueError, match="data must have one entry for each of the 1 ids; got 2"):
        export_sheet([1], ["x", "y"], tmp_path / "labels.csv")
    with pytest.raises(FileError, match="must end in '.csv' or '.parquet'"):
        export_sheet([1], ["x"], tmp_path / "labels.json")
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match='pip install "skactive\\[files\\]"'):
        export_sheet([1], ["x"], tmp_path / "labels.parquet")
    (tmp_path / "given.parquet").write_bytes(b"PAR1")
    with pytest.raises(ImportError, match='pip install "skactive\\[files\\]"'):
        read_sheet(tmp_path / "given.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["given.parquet"]


# As programs and people leave them


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_delimiters_and_encodings(tmp_path, delimiter, encoding):
    rows = [["x", "犬", "Kätzchen", "7"], ["y;,\t|", "", "?", "8"]]
    header = ["text", "annotator", "label", "id"]
    path = save_cells(tmp_path / "labels.csv", header, rows, delimiter, encoding)
    read = read_sheet(path, ids=[8, 7])
    assert [(a.id, a.label, a.annotator) for a in read.annotations] == [
        (7, "Kätzchen", "犬"), (8, DONT_KNOW, None)
    ]  # fmt: skip


def test_the_separator_line_of_excel(tmp_path):
    path = sheet_of(tmp_path, "sep=#\r\nid#label\r\n1#cat\r\n2#cow\r\n")
    read = read_sheet(path, ids=[1, 2], labels=["cat"])
    assert read.answers().labels == ["cat"]
    assert read.report[0].place == "line 4"


def test_other_encodings_are_reported(tmp_path):
    path = save_cells(
        tmp_path / "labels.csv", ["id", "label"], [["1", "Kätzchen"], ["2", "Hund"]], ";", "cp1252"
    )
    read = read_sheet(path, ids=[1, 2])
    assert (read.ids, reasons(read)) == ([2], ["damaged"])
    assert "encoding='cp1252'" in read.report[0].message
    assert read_sheet(path, ids=[1, 2], encoding="cp1252").answers().labels == ["Kätzchen", "Hund"]


def test_what_cannot_be_used_is_reported(tmp_path):
    text = (
        "id,label,text\n"
        "1,cat,x\n"
        "2,,not yet\n"
        "3,cow,unknown label\n"
        "9,cat,unknown row\n"
        ",cat,no row id\n"
        "4,dog,\n"
        "4,dog,\n"
        "5,cat,\n"
        "5,dog,\n"
        "6,cat,x,more\n"
        "\n"
        "7, CAT ,fine\n"
    )
    read = read_sheet(sheet_of(tmp_path, text), ids=range(1, 9), labels=["cat", "dog"])
    assert {a.id: a.label for a in read.annotations} == {1: "cat", 4: "dog", 7: "cat"}
    assert sorted((unused.place, unused.reason) for unused in read.report) == [
        ("line 10", "contradiction"),
        ("line 11", "damaged"),
        ("line 4", "unknown label"),
        ("line 5", "unknown row"),
        ("line 6", "no row id"),
        ("line 8", "duplicate"),
        ("line 9", "contradiction"),
    ]


def test_several_annotators_of_one_row(tmp_path):
    text = "id,label,annotator\n1,cat,ann\n1,dog,bob\n1,cat,\n2,cat,\n2,cat,bob\n"
    read = read_sheet(sheet_of(tmp_path, text), ids=[1, 2], annotator="eve")
    assert [a.annotator for a in read.annotations] == ["ann", "bob", "eve", "eve", "bob"]
    assert read.answers().indices == [2]
    answers = read.answers(consensus="majority_vote")
    assert (answers.indices, list(answers.labels)) == ([1, 2], ["cat", "cat"])


@pytest.mark.parametrize(
    ("changed", "known"), [("7", "007"), (" a ", "a"), ("Anna", "anna"), ("1", "01")]
)
def test_names_that_a_program_has_changed(tmp_path, changed, known):
    read = read_sheet(sheet_of(tmp_path, f"id,label\n{changed},cat\n"), ids=[known, "other"])
    assert reasons(read) == ["unknown row"]
    assert f"{known!r} is, which another program may have changed to it" in read.report[0].message


def test_names_without_ids_are_texts(tmp_path):
    read = read_sheet(sheet_of(tmp_path, "id,label\n007,cat\n8,cat\n"))
    assert read.ids == ["007", "8"]


@pytest.mark.parametrize(
    ("cell", "number"),
    [("3", 3), (" -2.5 ", -2.5), ("1e3", 1000.0), ("+4", 4), (".5", 0.5),
     ("1_000", None), ("nan", None), ("inf", None), ("1e999", None), ("three", None),
     ("\u0663", None), ("0x10", None)],
)  # fmt: skip
def test_numbers(tmp_path, cell, number):
    read = read_sheet(sheet_of(tmp_path, f"id;label\n1;{cell}\n"), numeric=True)
    if number is None:
        assert reasons(read) == ["unknown label"]
        assert "is no number, such as" in read.report[0].message
    else:
        assert read.answers().labels == [number]
        assert type(read.answers().labels[0]) is type(number)


def test_numbers_that_programs_made_floats(tmp_path):
    path = tmp_path / "labels.parquet"
    save_cells(path, ["id", "label"], [["a", 3.0], ["b", np.nan], ["c", 0.0]])
    assert read_sheet(path, labels=[0, 3]).answers().labels == [3, 0]
    assert read_sheet(path, numeric=True).answers().labels == [3, 0]
    assert read_sheet(path).answers().labels == ["3", "0"]


def test_other_words_for_not_knowing(tmp_path):
    path = sheet_of(tmp_path, "id,label\n1,unclear\n2,?\n")
    assert read_sheet(path, dont_know="unclear").answers().labels == [DONT_KNOW, "?"]
    assert read_sheet(path, dont_know=None).answers().labels == ["unclear", "?"]


# Damaged files


def test_a_quote_without_an_end(tmp_path):
    text = 'id,label,text\n1,cat,x\n2,dog,"never closed\n3,cat,y\n4,cat,z\n'
    read = read_sheet(sheet_of(tmp_path, text), ids=range(1, 5))
    assert read.ids == [1]
    assert reasons(read) == ["damaged"]
    assert read.report[0].content == text[text.index("2,dog") :]


@given(n_kept=st.integers(30, 400))
@settings(deadline=None, max_examples=60)
def test_truncated_files(tmp_path_factory, n_kept):
    labels = ["first label", "second label"]
    rows = [[str(i), labels[i % 2], "", f"text, {i}"] for i in range(10)]
    path = tmp_path_factory.mktemp("sheets") / "labels.csv"
    save_cells(path, ["id", "label", "annotator", "text"], rows, encoding="utf-8")
    content = path.read_bytes()
    path.write_bytes(content[:n_kept])
    read = read_sheet(path, ids=range(10), labels=labels)
    lines = content[:n_kept].count(b"\r\n")
    assert all(a.label == labels[a.id % 2] for a in read.annotations)
    assert lines - 1 <= len(read) <= lines
    rest = content[:n_kept].rpartition(b"\r\n")[2]
    assert len(read) == lines or read.report or b"label" not in rest


def test_a_label_that_is_cut_off(tmp_path):
    text = "id,label,text\n1,cat,x\n2,categor"
    read = read_sheet(sheet_of(tmp_path, text))
    assert (read.ids, reasons(read)) == (["1"], ["damaged"])
    short = read_sheet(sheet_of(tmp_path, text + "y\n"))  # programs leave out empty last cells
    assert short.answers().labels == ["cat", "category"]


def test_long_texts(tmp_path):
    path = tmp_path / "labels.csv"
    limit = csv.field_size_limit()
    export_sheet([1, 2], ["x" * 300_000, "y"], path)
    fill_in_long = path.read_text(encoding="utf-8-sig").replace("1,,", "1,cat,", 1)
    path.write_text(fill_in_long, encoding="utf-8")
    assert read_sheet(path, ids=[1, 2]).answers().labels == ["cat"]
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize("text", ["", "label,text\n1,2\n", "id\n1\n", '"id,label\n'])
def test_files_that_are_no_sheets(tmp_path, text):
    with pytest.raises(FileError, match="must have the columns 'id' and 'label'"):
        read_sheet(sheet_of(tmp_path, text))


def test_columns_that_are_there_twice(tmp_path):
    with pytest.raises(FileError, match="has the column 'label' more than once"):
        read_sheet(sheet_of(tmp_path, "id,label,label\n1,a,b\n"))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        read_sheet(tmp_path / "none.csv")
    (tmp_path / "labels.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(FileError, match="cannot be read as Parquet"):
        read_sheet(tmp_path / "labels.parquet")
    save_cells(tmp_path / "labels.parquet", ["id", "x"], [[1, 2]])
    with pytest.raises(FileError, match="must have the columns 'id' and 'label'"):
        read_sheet(tmp_path / "labels.parquet")


# The command


@pytest.fixture
def asked(tmp_path):
    """A journal with six open questions about rows of numbers."""
    make_loop(tmp_path / "labels.db").ask(pool())
    pd.DataFrame(pool(), columns=["a", "b"]).to_csv(tmp_path / "pool.csv", index=False)
    return tmp_path


def export(folder, *more):
    arguments = ("--journal", folder / "labels.db", "--pool", folder / "pool.csv")
    return run_command(_sheet, "sheet", "export", *arguments, *more)


def import_(folder, *arguments):
    journal = ("--journal", folder / "labels.db")
    return run_command(_sheet, "sheet", "import", *arguments, *journal)


@pytest.mark.parametrize("ending", ENDINGS)
def test_command_round_trip(asked, capsys, ending):
    path = asked / f"sheet.{ending}"
    assert export(asked, "--output", path) == 0
    header, rows = read_cells(path)
    assert header[:5] == ["id", "label", "annotator", "a", "b"]
    names = [int(row[0]) for row in rows]
    assert [float(row[3]) for row in rows] == [2.0 * name for name in names]
    fill_in(path, ["cat", "dog", "?", None, "cat", "dog"])
    assert import_(asked, path, "--labels", "cat,dog") == 0
    assert "5 new recorded" in capsys.readouterr().out
    said = ["cat", "dog", None, "cat", "dog"]
    assert labels_in(asked / "labels.db") == dict(zip([*names[:3], *names[4:]], said, strict=True))
    before = answers_in(asked / "labels.db")
    assert import_(asked, path) == 0
    assert "0 new recorded" in capsys.readouterr().out
    assert answers_in(asked / "labels.db") == before
    assert export(asked) == 0
    rest = capsys.readouterr().out.splitlines()
    assert len(rest) == 2
    assert rest[1].startswith(f"{names[3]},")
    loop = make_loop(asked / "labels.db", budget=7)
    assert loop.ask(pool()).tolist() == [names[3]]
    assert loop.y_labeled_.tolist() == [label for label in said if label]


def test_command_reads_numbers_as_the_journal_has_them(asked, capsys):
    rows = make_loop(asked / "labels.db").ask(pool())
    make_loop(asked / "labels.db").tell(rows[:1], [1])
    path = sheet_of(asked, f"id,label\n{rows[1]},0\n{rows[2]},one\n{rows[0]},1\n")
    import_(asked, path)
    assert labels_in(asked / "labels.db") == {rows[0]: 1, rows[1]: 0}
    printed = capsys.readouterr().out
    assert "unknown label: 1" in printed and "1 recorded before" in printed


def test_command_combines_the_sheets_of_several_people(asked, capsys):
    rows = make_loop(asked / "labels.db").ask(pool()).tolist()
    for person, labels in {"ann": "aab", "bob": "aba", "eve": "abb"}.items():
        text = "".join(f"{r},{label}\n" for r, label in zip(rows[:3], labels, strict=True))
        sheet_of(asked, f"id,label\n{text}", f"{person}.csv")
    files = [asked / f"{person}.csv" for person in ("ann", "bob", "eve")]
    import_(asked, *files)
    assert labels_in(asked / "labels.db") == {rows[0]: "a"}
    assert "disagreement: 6" in capsys.readouterr().out
    import_(asked, *files, "--consensus")
    assert labels_in(asked / "labels.db") == {rows[0]: "a", rows[1]: "b", rows[2]: "b"}


def test_command_writes_a_report(asked, capsys):
    path = sheet_of(asked, "id,label\n" + "".join(f"x{i},cat\n" for i in range(9)))
    import_(asked, path, "--report", asked / "report.jsonl")
    printed = capsys.readouterr().out
    assert "unknown row: 9" in printed and "and 4 more" in printed
    assert len((asked / "report.jsonl").read_text().splitlines()) == 9
    with pytest.raises(FileError, match="must end in"):
        import_(asked, path, "--report", asked / "report.doc")
