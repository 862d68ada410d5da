"""Label Studio's file formats, written down from its documentation, and a stand-in for it.

Formats: labelstud.io/guide/tasks, guide/predictions, guide/task_format and guide/export.
"""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET

# What the object tags accept as data.
DATA_TYPES = {"Text": (str, int, float), "Image": (str, list), "Table": (dict,)}
RESULT_TYPES = {"Choices": "choices", "Number": "number"}


def read_config(config):
    """Object tag, control tag, and the results that its choices give."""
    root = ET.fromstring(config)
    assert root.tag == "View"
    (shown,) = [tag for tag in root if tag.tag in DATA_TYPES]
    (control,) = [tag for tag in root if tag.tag in RESULT_TYPES]
    assert control.get("toName") == shown.get("name")
    assert shown.get("value") == f"${shown.get('value')[1:]}"
    choices = [choice.get("alias", choice.get("value")) for choice in control]
    return shown, control, choices


def check_tasks(tasks, config):
    """Assert that a file of tasks can be imported into a project of this configuration."""
    shown, control, choices = read_config(config)
    assert isinstance(tasks, list)
    for task in tasks:
        assert set(task) <= {"data", "meta", "annotations", "predictions"}
        assert isinstance(task["data"], dict)
        assert isinstance(task["data"][shown.get("value")[1:]], DATA_TYPES[shown.tag])
        assert isinstance(task.get("meta", {}), dict)
        for prediction in task.get("predictions", []):
            assert isinstance(prediction["model_version"], str)
            assert 0 <= prediction.get("score", 0) <= 1
            assert prediction["result"]
            for result in prediction["result"]:
                check_result(result, shown, control, choices)


def check_annotated(task, config):
    """Assert that a task is as Label Studio exports it."""
    shown, control, choices = read_config(config)
    assert isinstance(task["id"], int)
    for annotation in task["annotations"]:
        assert isinstance(annotation["was_cancelled"], bool)
        assert isinstance(annotation["ground_truth"], bool)
        assert isinstance(annotation["lead_time"], float)
        assert isinstance(annotation["completed_by"], int | dict)
        for result in annotation["result"]:
            check_result(result, shown, control, choices)


def check_result(result, shown, control, choices):
    assert set(result) == {"id", "from_name", "to_name", "type", "value"}
    assert result["from_name"] == control.get("name")
    assert result["to_name"] == shown.get("name")
    kind = RESULT_TYPES[control.tag]
    assert result["type"] == kind
    assert set(result["value"]) == {kind}
    if kind == "number":
        assert isinstance(result["value"][kind], int | float)
        return
    assert isinstance(result["value"][kind], list)
    assert set(result["value"][kind]) <= set(choices)
    if control.get("choice") != "multiple":
        assert len(result["value"][kind]) == 1


def annotated(tasks, votes, config):
    """The tasks as exported when people have voted: for each task a dict of annotator to choices.

    Choices are named by their place in the configuration, or are a number; None skips the task.
    """
    shown, control, choices = read_config(config)
    exported = []
    for n, (task, said) in enumerate(zip(tasks, votes, strict=True), start=1):
        annotations = []
        for annotator, places in said.items():
            kind = RESULT_TYPES[control.tag]
            value = None if places is None else places
            if kind == "choices" and places is not None:
                value = [choices[place] for place in places]
            result = {
                "id": f"r{len(annotations)}",
                "from_name": control.get("name"),
                "to_name": shown.get("name"),
                "type": kind,
                "value": {kind: value},
            }
            annotations.append(
                {
                    "id": 1000 * n + len(annotations),
                    "completed_by": annotator,
                    "result": [] if places is None else [result],
                    "was_cancelled": places is None,
                    "ground_truth": False,
                    "created_at": f"2026-03-09T22:16:{len(annotations):02}.728353Z",
                    "updated_at": f"2026-03-09T22:17:{len(annotations):02}.728353Z",
                    "lead_time": 4.25,
                    "result_count": 1,
                    "task": n,
                }
            )
        exported.append(
            {
                **copy.deepcopy(task),
                "id": n,
                "annotations": annotations,
                "drafts": [],
                "predictions": task.get("predictions", []),
                "project": 83,
                "file_upload": "tasks.json",
            }
        )
        check_annotated(exported[-1], config)
    return exported


def as_json_min(exported):
    """The records of JSON-MIN: one for each annotation that was not skipped."""
    records = []
    for task in exported:
        for annotation in task["annotations"]:
            if annotation["was_cancelled"]:
                continue
            person = annotation["completed_by"]
            record = copy.deepcopy(task["data"])
            record["id"] = task["id"]
            for result in annotation["result"]:
                value = result["value"]
                choices = value.get("choices")
                if choices is None:
                    record[result["from_name"]] = [value]
                else:
                    record[result["from_name"]] = choices[0] if len(choices) == 1 else value
            record |= {
                "annotator": person["email"] if isinstance(person, dict) else person,
                "annotation_id": annotation["id"],
                "created_at": annotation["created_at"],
                "updated_at": annotation["updated_at"],
                "lead_time": annotation["lead_time"],
            }
            records.append(record)
    return records
