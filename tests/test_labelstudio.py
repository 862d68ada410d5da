"""Tasks for Label Studio, and annotations from there."""

from __future__ import annotations

import codecs
import json
import math
import random
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skactive.annotations import Annotation
from skactive.annotations._names import name_of_json, name_to_json
from skactive.cli import _labelstudio
from skactive.files import FileError
from skactive.labelstudio import export_tasks, labeling_config, read_annotations
from skactive.oracles import DONT_KNOW
from tests.asked import answers_in, labels_in, make_loop, pool, run_command
from tests.label_studio import annotated, as_json_min, check_tasks, read_config

XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff").filter(
        lambda c: c >= " " or c in "\t\n\r"
    ),
    min_size=1,
    max_size=12,
)
LABELS = st.lists(
    XML_TEXT.filter(lambda text: text.strip() and text.strip() != "?"),
    min_size=2,
    max_size=5,
    unique_by=lambda text: text.strip().casefold(),
)
NAMES = st.one_of(st.text(max_size=12), st.integers(-(2**70), 2**70))
IDS = st.lists(NAMES, min_size=1, max_size=6, unique_by=str)
PEOPLE = st.lists(
    st.one_of(
        st.integers(1, 99), st.builds(lambda name: {"id": 1, "email": name}, st.text(min_size=1))
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda person: str(person["email"] if isinstance(person, dict) else person),
)
ODD_LABELS = ["true", "$price", "a\tb", "  ", "<b>&\"'", "007", "שלום", "👩‍🔬"]
ODD_LABELS.remove("  ")


def name_of(person):
    return str(person["email"] if isinstance(person, dict) else person)


def write(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def simple_export(n_rows=4, labels=("cat", "dog")):
    """Tasks with one annotation each, the labels in turn."""
    config = labeling_config("text", labels)
    tasks = export_tasks(range(n_rows), [f"text {i}" for i in range(n_rows)], labels=labels)
    votes = [{7: [i % len(labels)]} for i in range(n_rows)]
    return annotated(tasks, votes, config)


# Tasks and configurations


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        ("text", ["<b>", "x"], ["<b>", "x"]),
        ("image", ["a b/é.png", "s3://bucket/x.png"], [
            "/data/local-files/?d=a%20b/%C3%A9.png", "s3://bucket/x.png"]),
        ("table", [{"a": 1, "b": math.nan}, {"a": "x", "b": None}], [
            {"a": 1, "b": "nan"}, {"a": "x", "b": None}]),
    ],
)  # fmt: skip
def test_tasks_are_in_the_documented_format(tmp_path, kind, data, shown):
    config = labeling_config(kind, ["cat", "dog"])
    tasks = export_tasks(
        ["p", "q"],
        data,
        tmp_path / "tasks.json",
        kind=kind,
        labels=["cat", "dog"],
        scores=[0.5, np.nan],
        selected_by="ITLSelector",
        predictions=["dog", None],
        prediction_scores=np.array([0.75, np.nan]),
    )
    assert json.loads((tmp_path / "tasks.json").read_text()) == tasks
    check_tasks(tasks, config)
    key = {"text": "text", "image": "image", "table": "row"}[kind]
    assert [task["data"][key] for task in tasks] == shown
    assert tasks[0]["meta"] == {
        "row_id": "p", "rank": 1, "score": 0.5, "selected_by": "ITLSelector"
    }  # fmt: skip
    assert tasks[1]["meta"] == {"row_id": "q", "rank": 2, "selected_by": "ITLSelector"}
    assert tasks[0]["predictions"][0]["score"] == 0.75
    assert "predictions" not in tasks[1]


def test_numbers_are_asked_for_without_labels():
    config = labeling_config("table", None)
    tasks = export_tasks([1], [{"a": 1}], kind="table", predictions=np.array([2.5]))
    check_tasks(tasks, config)
    assert tasks[0]["predictions"][0]["result"][0]["value"] == {"number": 2.5}


@given(labels=LABELS)
@example(labels=ODD_LABELS)
@settings(deadline=None)
def test_choices_give_the_labels(labels):
    shown, control, choices = read_config(labeling_config("text", labels))
    assert choices == [*labels, "?"]
    hotkeys = [choice.get("hotkey") for choice in control]
    assert len(set(hotkeys)) == len(hotkeys)
    # An attribute other than value that is "true" is read as a boolean, and "$x" looked up.
    assert not any(choice.get("alias") in ("true", "false") for choice in control)
    assert not any(choice.get("value").startswith("$") for choice in control)


def test_more_labels_than_hotkeys():
    _, control, choices = read_config(labeling_config("text", range(60), dont_know=None))
    assert choices == [str(i) for i in range(60)]
    assert control[59].get("hotkey") is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("video", ["a", "b"]), "kind == 'video', must be one of 'text', 'image', 'table'"),
        (("text", ["a", "a"]), "differ as texts"),
        (("text", [1, "1"]), "differ as texts"),
        (("text", ["a", " "]), "must not be empty or blank"),
        (("text", ["a", "?"]), "dont_know == '\\?' is also one of the labels"),
        (("text", ["a\x00b", "c"]), "which XML cannot hold"),
    ],
)
def test_bad_configurations(arguments, message):
    with pytest.raises(ValueError, match=message):
        labeling_config(*arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": [1, 1]}, "got '1' more than once"),
        ({"ids": [1, "1"]}, "got '1' more than once"),
        ({"data": ["x"]}, "data must have one entry for each of the 2 ids; got 1"),
        ({"predictions": ["cat", "cow"]}, "predictions holds 'cow', must be one of labels"),
        ({"prediction_scores": [0.5, 1.5]}, "1.5, must be between 0 and 1"),
        ({"labels": None, "predictions": ["cat", "dog"]}, "must be finite numbers"),
        ({"kind": "sound"}, "kind == 'sound'"),
    ],
)
def test_bad_tasks(tmp_path, changes, message):
    good = {"ids": [1, 2], "data": ["x", "y"], "labels": ["cat", "dog"]}
    with pytest.raises(ValueError, match=message):
        export_tasks(**{**good, **changes}, path=tmp_path / "tasks.json")
    assert list(tmp_path.iterdir()) == []


@given(name=st.recursive(st.one_of(NAMES, st.floats(allow_nan=False), st.uuids(), st.booleans()),
                         lambda inner: st.tuples(inner, inner), max_leaves=3))  # fmt: skip
@example(name=2**53)
@example(name="a\x00b")
def test_names_of_rows_survive_json(name):
    value = name_to_json(name)
    read = name_of_json(json.loads(json.dumps(value)))
    assert read == name
    assert type(read) is type(name)
    assert not (isinstance(value, str) and "\0" in value)  # PostgreSQL refuses it
    if isinstance(value, int) and not isinstance(value, bool):
        assert abs(value) < 2**53  # else JavaScript would change it


# Round trips


@given(data=st.data(), labels=LABELS, ids=IDS, people=PEOPLE)
@settings(deadline=None, max_examples=60)
def test_round_trip_keeps_every_label_annotator_and_row(
    tmp_path_factory, data, labels, ids, people
):
    folder = tmp_path_factory.mktemp("labelstudio")
    config = labeling_config("text", labels)
    tasks = export_tasks(ids, [str(i) for i in ids], folder / "tasks.json", labels=labels)
    check_tasks(json.loads((folder / "tasks.json").read_text()), config)
    place = st.integers(0, len(labels)).map(lambda i: [i])  # the last is the don't-know
    votes = [
        {i: data.draw(place) for i in range(len(people)) if data.draw(st.booleans())} for _ in ids
    ]
    exported = annotated(tasks, votes, config)
    for task in exported:
        for annotation in task["annotations"]:
            annotation["completed_by"] = people[annotation["completed_by"]]
    data.draw(st.randoms()).shuffle(exported)
    said = {
        (type(name), name, name_of(people[i])): [*labels, DONT_KNOW][choice]
        for name, vote in zip(ids, votes, strict=True)
        for i, (choice,) in vote.items()
    }
    for content in (exported, as_json_min(exported)):
        read = read_annotations(write(folder / "export.json", content), ids=ids, labels=labels)
        assert read.report == []
        assert {(type(a.id), a.id, a.annotator): a.label for a in read.annotations} == said
        assert all(a.lead_time == 4.25 and a.created_at for a in read.annotations)


def test_labels_get_their_type_back(tmp_path):
    exported = simple_export(labels=(0, 1))
    path = write(tmp_path / "export.json", exported)
    assert read_annotations(path, labels=[0, 1]).answers().labels == [0, 1, 0, 1]
    assert read_annotations(path, numeric=True).answers().labels == [0, 1, 0, 1]
    assert read_annotations(path).answers().labels == ["0", "1", "0", "1"]


@pytest.mark.parametrize("format", [list, as_json_min])
def test_numbers(tmp_path, format):
    config = labeling_config("table", None)
    tasks = export_tasks("ab", [{"x": 1}, {"x": 2}], kind="table")
    exported = annotated(tasks, [{1: 3}, {1: -2.5}], config)
    read = read_annotations(write(tmp_path / "export.json", format(exported)), ids="ab")
    assert read.answers().labels == [3, -2.5]
    assert read.report == []


@pytest.mark.parametrize("format", [list, as_json_min])
def test_several_choices(tmp_path, format):
    labels = ["red", "green", "blue"]
    config = labeling_config("image", labels, multiple=True)
    tasks = export_tasks("abcd", ["x.png"] * 4, kind="image", labels=labels)
    exported = annotated(tasks, [{1: [2, 0]}, {1: [1]}, {1: [3]}, {1: [0, 3]}], config)
    path = write(tmp_path / "export.json", format(exported))
    read = read_annotations(path, labels=labels, multiple=True)
    answers = read.answers()
    assert answers.indices == ["a", "b", "c"]
    assert answers.labels == [[1, 0, 1], [0, 1, 0], DONT_KNOW]
    assert [(unused.id, unused.reason) for unused in read.report] == [("d", "several labels")]
    single = read_annotations(path, labels=labels)
    assert [unused.id for unused in single.report] == ["a", "d"]
    with pytest.raises(ValueError, match="labels is None, must list all labels"):
        read_annotations(path, multiple=True).answers()


# What cannot be used


def annotation_of(exported, row, n=0):
    return exported[row]["annotations"][n]


def spoil_skipped(exported):
    annotation_of(exported, 1)["was_cancelled"] = True
    return "skipped"


def spoil_empty(exported):
    annotation_of(exported, 1)["result"] = []
    return "empty"


def spoil_no_choice(exported):
    annotation_of(exported, 1)["result"][0]["value"]["choices"] = []
    return "empty"


def spoil_two_results(exported):
    annotation_of(exported, 1)["result"] *= 2
    return "several labels"


def spoil_two_choices(exported):
    annotation_of(exported, 1)["result"][0]["value"]["choices"] = ["cat", "dog"]
    return "several labels"


def spoil_label(exported):
    annotation_of(exported, 1)["result"][0]["value"]["choices"] = ["cow"]
    return "unknown label"


def spoil_control(exported):
    annotation_of(exported, 1)["result"][0]["from_name"] = "other"
    return "malformed"


def spoil_result(exported):
    annotation_of(exported, 1)["result"] = "cat"
    return "malformed"


def spoil_value(exported):
    annotation_of(exported, 1)["result"][0]["value"] = {"rectanglelabels": ["cat"]}
    return "malformed"


def spoil_annotation(exported):
    exported[1]["annotations"] = ["cat"]
    return "malformed"


def spoil_list(exported):
    exported[1]["annotations"] = {"0": "cat"}
    return "malformed"


def spoil_task(exported):
    exported[1] = "cat"
    return "malformed"


def spoil_name(exported):
    del exported[1]["data"]["row_id"], exported[1]["meta"]["row_id"]
    return "no row id"


def spoil_two_names(exported):
    exported[1]["meta"]["row_id"] = 3
    return "no row id"


def spoil_tagged_name(exported):
    for part in ("data", "meta"):
        exported[1][part]["row_id"] = {"$": "uuid", "value": "no"}
    return "no row id"


def spoil_row(exported):
    for part in ("data", "meta"):
        exported[1][part]["row_id"] = True  # equal to 1, but no name of it
    return "unknown row"


def spoil_draft(exported):
    exported[1]["drafts"], exported[1]["annotations"] = exported[1]["annotations"], []
    return "draft"


SPOILERS = [value for name, value in list(globals().items()) if name.startswith("spoil_")]


@pytest.mark.parametrize("spoil", SPOILERS)
def test_what_cannot_be_used_is_reported(tmp_path, spoil):
    exported = simple_export()
    reason = spoil(exported)
    path = write(tmp_path / "export.json", exported)
    read = read_annotations(path, ids=range(4), labels=["cat", "dog"])
    assert [unused.reason for unused in read.report] == [reason]
    assert read.ids == [0, 2, 3]
    assert read.report[0].place.startswith("task 2")
    assert read.report[0].content is not None
    assert reason in repr(read)


def test_results_of_other_controls_are_mentioned(tmp_path):
    exported = simple_export(1)
    annotation_of(exported, 0)["result"].append(
        {"from_name": "comment", "type": "textarea", "value": {"text": ["odd"]}}
    )
    read = read_annotations(write(tmp_path / "export.json", exported))
    assert read.answers().labels == ["cat"]
    assert [unused.reason for unused in read.report] == ["other control"]
    assert read.report[0].content["value"] == {"text": ["odd"]}


def test_tasks_without_annotations_are_no_fault(tmp_path):
    exported = simple_export()
    exported[0]["annotations"] = exported[1]["annotations"] = []
    read = read_annotations(write(tmp_path / "export.json", exported))
    assert (read.ids, read.report) == ([2, 3], [])
    record = {"row_id": 1, "text": "x", "annotator": None, "annotation_id": None}
    read = read_annotations(write(tmp_path / "export.json", [record]))
    assert (read.ids, read.report) == ([], [])


def vote(label, annotator=1, second=0, **changes):
    return {
        "id": second,
        "completed_by": annotator,
        "created_at": f"2026-01-01T00:00:{second:02}Z",
        "result": [{"from_name": "label", "value": {"choices": [label]}}],
        **changes,
    }


def read_votes(tmp_path, *votes, **params):
    task = {"data": {"row_id": "r"}, "annotations": list(votes)}
    return read_annotations(write(tmp_path / "export.json", task), **params)


def test_one_annotator_twice(tmp_path):
    read = read_votes(tmp_path, vote("cat", second=1), vote("cat", second=3), vote("dog", second=2))
    assert [(a.label, a.annotation_id) for a in read.annotations] == [("cat", 3)]
    assert [unused.reason for unused in read.report] == ["duplicate", "replaced"]
    assert [unused.content.annotation_id for unused in read.report] == [1, 2]
    updated = vote("dog", second=1, updated_at="2026-01-01T00:00:09+00:00")
    assert read_votes(tmp_path, updated, vote("cat", second=3)).answers().labels == ["dog"]
    at_once = read_votes(tmp_path, vote("dog"), vote("cat"))
    assert at_once.ids == []
    assert [unused.reason for unused in at_once.report] == ["contradiction"] * 2


def test_annotators_without_a_name_are_different_people(tmp_path):
    votes = vote("dog", None, 1), vote("cat", None, 2), vote("cat", None, 2)
    read = read_votes(tmp_path, *votes)
    assert [a.label for a in read.annotations] == ["dog", "cat"]
    assert [unused.reason for unused in read.report] == ["duplicate"]
    assert len(read.disagreements()) == 2


def test_a_task_imported_twice(tmp_path):
    exported = simple_export(1) * 2
    read = read_annotations(write(tmp_path / "export.json", exported))
    assert read.answers().labels == ["cat"]
    assert [unused.reason for unused in read.report] == ["duplicate"]


def test_people_who_disagree(tmp_path):
    read = read_votes(tmp_path, vote("cat", 1), vote("dog", 2), vote("cat", 3), vote("?", 4))
    assert read.report == []
    assert read.answers().indices == []
    assert {unused.reason for unused in read.disagreements()} == {"disagreement"}
    assert len(read.disagreements()) == 4
    answers = read.answers(consensus="majority_vote")
    assert (answers.indices, answers.labels, answers.costs.tolist()) == (["r"], ["cat"], [4.0])
    assert answers.details[0]["agreement"] == pytest.approx(2 / 3)
    assert [vote["label"] for vote in answers.details[0]["annotations"]] == [
        "cat", "dog", "cat", None
    ]  # fmt: skip
    json.dumps(answers.details)
    with pytest.raises(ValueError, match="consensus == 'mean', must be one of"):
        read.answers(consensus="mean")


def test_crowdlab_weighs_a_classifier(tmp_path):
    pytest.importorskip("cleanlab")
    tasks = [
        {"data": {"row_id": i}, "annotations": [vote(label, 1), vote(other, 2)]}
        for i, (label, other) in enumerate([("cat", "cat"), ("dog", "dog"), ("cat", "dog")])
    ]
    read = read_annotations(write(tmp_path / "export.json", tasks))
    answers = read.answers(
        consensus="crowdlab",
        pred_probs=[[0.9, 0.1], [0.1, 0.9], [0.01, 0.99]],
        classes=["cat", "dog"],
    )
    assert (answers.indices, list(answers.labels)) == ([0, 1, 2], ["cat", "dog", "dog"])


def test_the_truth_and_those_who_do_not_know(tmp_path):
    truth = vote("dog", 2, ground_truth=True)
    assert read_votes(tmp_path, vote("cat", 1), truth).answers().labels == ["dog"]
    assert read_votes(tmp_path, vote("?", 1), vote("cat", 2)).answers().labels == ["cat"]
    assert read_votes(tmp_path, vote("?", 1), vote("?", 2)).answers().labels == [DONT_KNOW]
    everything = read_votes(tmp_path, vote("?", 1), dont_know=None)
    assert everything.answers().labels == ["?"]


# Damaged files


@pytest.mark.parametrize("format", [list, as_json_min])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.77, 0.95, 0.999])
def test_truncated_files(tmp_path, format, share):
    entries = format(simple_export(8))
    text = json.dumps(entries)
    n_kept = int(share * len(text))
    n_whole = sum(len(json.dumps(entries[:n])) <= n_kept + 1 for n in range(1, 9))
    path = tmp_path / "export.json"
    path.write_text(text[:n_kept])
    read = read_annotations(path, ids=range(8), labels=["cat", "dog"])
    assert read.ids == list(range(n_whole))
    assert all(a.label == ["cat", "dog"][a.id % 2] for a in read.annotations)
    assert {unused.reason for unused in read.report} == {"damaged"}
    rest = text[len(json.dumps(entries[:n_whole])) - 1 : n_kept]
    assert "".join(unused.content for unused in read.report) == rest.lstrip(", ")


@pytest.mark.parametrize("format", [list, as_json_min])
@given(cut=st.floats(0, 1), n_lost=st.integers(1, 40), junk=st.sampled_from(["", '"', "}", "]["]))
@example(cut=0.5, n_lost=1, junk="][")
@example(cut=0.5, n_lost=12, junk="")
@settings(deadline=None, max_examples=40)
def test_damage_in_the_middle(tmp_path_factory, format, cut, n_lost, junk):
    text = json.dumps(format(simple_export(6)))
    begin = int(cut * (len(text) - n_lost))
    path = tmp_path_factory.mktemp("damaged") / "export.json"
    path.write_text(text[:begin] + junk + text[begin + n_lost :])
    read = read_annotations(path, ids=range(6), labels=["cat", "dog"])
    right = [a for a in read.annotations if a.label == ["cat", "dog"][a.id % 2]]
    assert len(right) >= 4  # two tasks at most are touched
    assert len(read) == 6 or read.report


def test_two_entries_that_damage_has_joined(tmp_path):
    records = as_json_min(simple_export(3))
    begin, end = json.dumps(records[0])[:-1], json.dumps(records[1])[1:]
    path = tmp_path / "export.json"
    path.write_text(f"[{begin}, {end}, {json.dumps(records[2])}]")
    read = read_annotations(path)
    assert read.ids == [2]
    assert [unused.reason for unused in read.report] == ["damaged"]
    assert "A key is repeated" in read.report[0].message


def test_every_entry_is_an_answer_or_in_the_report(tmp_path):
    exported = simple_export(20)
    spoilers = random.Random(0).sample(SPOILERS, 8)
    for place, spoil in enumerate(spoilers):
        part = [exported[2 * place], exported[2 * place + 1]]
        spoil(part)
        exported[2 * place : 2 * place + 2] = part
    read = read_annotations(write(tmp_path / "export.json", exported), labels=["cat", "dog"])
    n_mentioned = sum(unused.reason != "unknown row" for unused in read.report)
    assert len(read) + n_mentioned == 20


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-32"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    ],
)
def test_encodings_that_files_tell(tmp_path, encode):
    path = tmp_path / "export.json"
    path.write_bytes(encode(json.dumps(simple_export(2, ["Kätzchen", "犬"]), ensure_ascii=False)))
    assert read_annotations(path).answers().labels == ["Kätzchen", "犬"]


def test_encodings_that_they_do_not_tell(tmp_path):
    path = tmp_path / "export.json"
    text = json.dumps(simple_export(4, ["Kätzchen", "Hund"]), ensure_ascii=False)
    path.write_bytes(text.encode("cp1252"))
    read = read_annotations(path)
    assert read.answers().labels == ["Hund", "Hund"]
    assert [unused.reason for unused in read.report] == ["damaged"] * 2
    assert "encoding='cp1252'" in read.report[0].message
    assert len(read_annotations(path, encoding="cp1252").answers().labels) == 4
    with pytest.raises(ValueError, match="encoding == 'klingon', must be the name"):
        read_annotations(path, encoding="klingon")


def test_json_lines_and_single_tasks(tmp_path):
    exported = simple_export(3)
    path = tmp_path / "export.json"
    path.write_text("\n".join(map(json.dumps, exported)))
    assert read_annotations(path).ids == [0, 1, 2]
    path.write_text(json.dumps(exported[1]))
    assert read_annotations(path).ids == [1]
    path.write_text(json.dumps(exported[:2]) + json.dumps(exported[2:]))
    read = read_annotations(path)
    assert (read.ids, read.report) == ([0, 1, 2], [])


def test_deep_nesting_is_damage(tmp_path):
    path = tmp_path / "export.json"
    path.write_text("[" + json.dumps(simple_export(1)[0]) + "," + '{"a":' * 100_000)
    read = read_annotations(path)
    assert read.ids == [0]
    assert {unused.reason for unused in read.report} == {"damaged"}


def test_files_that_are_not_there_or_empty(tmp_path):
    with pytest.raises(FileError, match="cannot be read: No such file"):
        read_annotations(tmp_path / "none.json")
    (tmp_path / "empty.json").write_text("\ufeff \n", encoding="utf-8")
    with pytest.raises(FileError, match="is empty"):
        read_annotations(tmp_path / "empty.json")


def test_the_file_of_tasks_is_no_export(tmp_path):
    tasks = export_tasks([1, 2], ["x", "y"], tmp_path / "tasks.json", labels=["cat", "dog"],
                         predictions=["cat", "cat"])  # fmt: skip
    read = read_annotations(tmp_path / "tasks.json")
    assert len(read) == 0
    assert [unused.content for unused in read.report] == tasks
    assert "has no annotations" in read.report[0].message


# Names that other programs have changed


def test_names_as_texts_are_found(tmp_path):
    exported = simple_export(2)
    for task in exported:
        task["data"]["row_id"] = task["meta"]["row_id"] = str(task["data"]["row_id"])
    path = write(tmp_path / "export.json", exported)
    assert read_annotations(path, ids=range(2)).ids == [0, 1]
    assert read_annotations(path, ids=[0, 1, "0", "1"]).ids == ["0", "1"]
    assert read_annotations(path).ids == ["0", "1"]


def test_unknown_names_come_with_a_hint(tmp_path):
    read = read_votes(tmp_path, vote("cat"), ids=["R", "s"])
    assert re.search("'R' is, which another program may have changed", read.report[0].message)
    assert isinstance(read.report[0].content, Annotation)


# The command


@pytest.fixture
def asked(tmp_path):
    """A journal with six open questions about a file of texts."""
    ids = np.array([f"00{i}" for i in range(12)])
    make_loop(tmp_path / "labels.db", classes=["cat", "dog"]).ask(pool(), ids=ids)
    lines = [f"{name},text {i}" for i, name in enumerate(ids)]
    (tmp_path / "pool.csv").write_text("\n".join(["id,text", *lines]))
    return tmp_path


def export(folder, *more):
    arguments = ("--journal", folder / "labels.db", "--pool", folder / "pool.csv")
    return run_command(_labelstudio, "labelstudio", "export", *arguments, *more)


def import_(folder, *more):
    arguments = (folder / "export.json", "--journal", folder / "labels.db")
    return run_command(_labelstudio, "labelstudio", "import", *arguments, *more)


def test_command_round_trip(asked, capsys):
    labels = ("--labels", "cat,dog")
    tasks_file, config_file = asked / "tasks.json", asked / "config.xml"
    assert export(asked, "--output", tasks_file, "--config", config_file, *labels) == 0
    tasks, config = json.loads(tasks_file.read_text()), config_file.read_text()
    check_tasks(tasks, config)
    assert len(tasks) == 6
    assert all(t["data"]["text"] == f"text {int(t['data']['row_id'])}" for t in tasks)
    votes = [{7: [i % 2], 8: [i % 2]} for i in range(4)] + [{7: [0], 8: [1]}, {7: [2]}]
    write(asked / "export.json", annotated(tasks, votes, config))

    assert import_(asked, "--dry-run") == 0
    assert labels_in(asked / "labels.db") == {}
    assert "5 new would be recorded" in capsys.readouterr().out
    assert import_(asked, "--report", asked / "report.csv") == 0
    names = [task["data"]["row_id"] for task in tasks]
    expected = dict(zip(names, ["cat", "dog", "cat", "dog"], strict=False)) | {names[5]: None}
    assert labels_in(asked / "labels.db") == expected
    printed = capsys.readouterr().out
    assert "5 new recorded" in printed and "disagreement: 2" in printed
    assert (asked / "report.csv").read_text().count("disagreement") == 2

    before = answers_in(asked / "labels.db")
    assert import_(asked) == 0
    assert "0 new recorded" in capsys.readouterr().out
    assert answers_in(asked / "labels.db") == before
    assert export(asked) == 0
    assert [task["data"]["row_id"] for task in json.loads(capsys.readouterr().out)] == names[4:5]


def test_command_corrects_only_when_asked(asked, capsys):
    export(asked, "--output", asked / "tasks.json")
    tasks = json.loads((asked / "tasks.json").read_text())
    config = labeling_config("text", ["cat", "dog"])
    write(asked / "export.json", annotated(tasks, [{7: [0]}] * 6, config))
    import_(asked)
    write(asked / "export.json", annotated(tasks, [{7: [1]}, *[{7: [0]}] * 5], config))
    capsys.readouterr()
    import_(asked)
    assert "answered otherwise: 1" in capsys.readouterr().out
    assert set(labels_in(asked / "labels.db").values()) == {"cat"}
    import_(asked, "--replace")
    assert "1 corrected" in capsys.readouterr().out
    assert labels_in(asked / "labels.db")[tasks[0]["data"]["row_id"]] == "dog"


def test_command_knows_the_classes_of_the_loop(asked, capsys):
    export(asked, "--output", asked / "tasks.json")
    tasks = json.loads((asked / "tasks.json").read_text())
    config = labeling_config("text", ["cat", "cow"])
    write(asked / "export.json", annotated(tasks, [{7: [i % 2]} for i in range(6)], config))
    import_(asked)
    assert "unknown label: 3" in capsys.readouterr().out
    assert set(labels_in(asked / "labels.db").values()) == {"cat"}


def test_command_with_predictions(asked):
    (asked / "model.csv").write_text("id,label,score\n" + "".join(
        f"00{i},{'cat' if i % 2 else 'dog'},0.{i + 10}\n" for i in range(12)
    ))  # fmt: skip
    export(asked, "--output", asked / "tasks.json", "--predictions", asked / "model.csv",
           "--labels", "cat,dog", "--limit", "2")  # fmt: skip
    tasks = json.loads((asked / "tasks.json").read_text())
    check_tasks(tasks, labeling_config("text", ["cat", "dog"]))
    assert len(tasks) == 2
    for task in tasks:
        place = int(task["data"]["row_id"])
        assert task["predictions"][0]["score"] == float(f"0.{place + 10}")


def test_command_refuses_another_pool(asked):
    lines = (asked / "pool.csv").read_text().splitlines()
    (asked / "pool.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]))
    with pytest.raises(ValueError, match="but the journal asked for"):
        export(asked)
    (asked / "pool.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(ValueError, match="has 11 rows, but the journal is of a pool of 12"):
        export(asked)


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--labels", "a,b", "--numbers"),
        ("export", "--config", "config.xml"),
        ("export", "--limit", "0"),
        ("import", "--multiple"),
        ("import", "--labels", "a,b", "--numbers"),
    ],
)
def test_command_usage(asked, arguments):
    from skactive.cli._console import UsageError

    write(asked / "export.json", simple_export())
    action, *more = arguments
    with pytest.raises(UsageError, match="--"):
        (export if action == "export" else import_)(asked, *more)


# Label Studio's own code, where it is installed


@pytest.mark.parametrize("kind", ["text", "image", "table"])
@pytest.mark.parametrize("labels", [ODD_LABELS, ["cat", "dog"], None])
def test_label_studio_takes_the_files(kind, labels):
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    config = labeling_config(kind, labels)
    project = interface.LabelInterface(config)
    project.validate()
    content = {"a": 1} if kind == "table" else "x"
    predicted = [2.5] if labels is None else labels
    n_rows = len(predicted)
    tasks = export_tasks(
        range(n_rows),
        [content] * n_rows,
        kind=kind,
        labels=labels,
        predictions=predicted,
        prediction_scores=[0.5] * n_rows,
    )
    for task in tasks:
        assert project.validate_task({"data": task["data"]})
        assert project.validate_prediction(task["predictions"][0], return_errors=True) == []


@pytest.mark.parametrize("numbers", [False, True])
def test_label_studio_converts_as_the_stand_in_does(tmp_path, numbers):
    converter = pytest.importorskip("label_studio_sdk.converter")
    labels = None if numbers else ["cat", "dog"]
    config = labeling_config("text", labels)
    tasks = export_tasks(range(3), ["x", "y", "z"])
    votes = [{7: 1.5}, {7: 2, 8: 3}, {8: None}] if numbers else [{7: [0]}, {7: [1], 8: [0]}, {}]
    exported = annotated(tasks, votes, config)
    source = write(tmp_path / "export.json", exported)
    converter.Converter(config, str(tmp_path)).convert_to_json_min(
        str(source), str(tmp_path / "min"), is_dir=False
    )
    records = json.loads((tmp_path / "min" / "result.json").read_text())
    said = {(a.id, a.annotator): a.label for a in read_annotations(source).annotations}
    own = read_annotations(write(tmp_path / "own.json", as_json_min(exported)))
    theirs = read_annotations(write(tmp_path / "theirs.json", records))
    assert {(a.id, a.annotator): a.label for a in own.annotations} == said
    assert {(a.id, a.annotator): a.label for a in theirs.annotations} == said
