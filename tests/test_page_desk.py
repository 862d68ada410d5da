"""Desk and background of the labelling page, one step at a time."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skactive import ActiveLearningLoop
from skactive.journal import read_journal
from skactive.labelling._background import Background
from skactive.labelling._curve import LearningCurve
from skactive.labelling._desk import Desk
from skactive.labelling._images import ImageError, load_image
from tests.pages import open_pool, write_pool


@pytest.fixture
def desk(tmp_path):
    write_pool(tmp_path / "pool.csv")
    sizes = {"budget": 6, "batch_size": 4}

    def make_loop():
        journal = tmp_path / "labels.db"
        return ActiveLearningLoop(LogisticRegression(), journal=journal, random_state=0, **sizes)

    desk = Desk(open_pool(tmp_path / "pool.csv"), ["a", "b"], make_loop, **sizes)
    desk.open()
    return desk


def answer_next(desk, n=1):
    for _ in range(n):
        row = desk.state()["question"]["row"]
        desk.answer(row, "ab"[row % 2])


def test_rows_are_picked_when_half_of_the_batch_is_done_and_not_before(desk):
    answer_next(desk)
    assert not desk.needs_batch()
    answer_next(desk)
    assert desk.needs_batch()
    desk.prepare()
    assert not desk.needs_batch()
    assert desk.state()["progress"]["open"] == 4  # 2 of each batch


def test_nothing_is_picked_while_the_rest_of_the_budget_is_open(desk):
    answer_next(desk, 2)
    desk.prepare()
    for _ in range(3):
        answer_next(desk)
        assert not desk.needs_batch()  # or the model would be trained for each answer
    answer_next(desk)
    assert desk.state()["status"] == "preparing"
    assert desk.needs_batch()
    desk.prepare()
    assert desk.state()["status"] == "finished"
    assert not desk.needs_batch()


def test_an_answer_taken_back_opens_the_end(desk):
    answer_next(desk, 2)
    desk.prepare()
    answer_next(desk, 4)
    desk.prepare()
    last = desk.before(None)
    desk.answer(last["row"], None, seen=desk.labels[last["answer"]["label"]])
    assert desk.needs_batch()
    desk.prepare()
    assert desk.state()["progress"]["open"] == 1


def test_the_last_answers_are_exported_at_the_end(desk):
    written = []
    curve = LearningCurve(LogisticRegression(), desk.pool.X, None, 10)
    background = Background(desk, curve, written.append)
    background._ending = True  # it is ended before it has looked
    background.start()
    answer_next(desk, 2)
    background.end()
    assert [[row["label"] for row in rows] for rows in written] == [
        [answer["label"] for answer in read_journal(desk._journal.target)["answers"]]
    ]


def test_a_pool_that_names_an_image_elsewhere(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for path in (folder / "in.png", tmp_path / "out.png"):
        image.fromarray(np.zeros((2, 2), np.uint8)).save(path)

    class Pool:
        path = folder

        def __init__(self, name):
            self.name = name

        def image(self, i):
            return self.name and Path(folder, self.name)

    assert load_image(Pool("in.png"), 0)[1] == "image/png"
    for name in ("../out.png", tmp_path / "out.png", "none.png", ".", None):
        with pytest.raises(ImageError):
            load_image(Pool(name), 0)
