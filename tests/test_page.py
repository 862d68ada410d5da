"""The labelling page as a browser's tab and the journal see it."""

import csv
import threading

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from skactive import ActiveLearningLoop, CoreSetSelector, MLMOCSelector, RandomSelector
from skactive.exceptions import JournalError, JournalInUseError, JournalMismatchError
from skactive.journal import Journal, read_journal
from skactive.oracles import DONT_KNOW
from tests.pages import Tab, make_page, open_pool, write_pool

pytest.importorskip("starlette", reason='the page is not installed: pip install "skactive[page]"')
pytest.importorskip("uvicorn", reason='the page is not installed: pip install "skactive[page]"')


@pytest.fixture
def truth(tmp_path):
    labels = write_pool(tmp_path / "pool.csv")
    return {f"r{i:03d}": label for i, label in enumerate(labels)}


def recorded(folder):
    """What the journal says of each row, don't know as None."""
    answers = read_journal(folder / "labels.db")["answers"]
    ids = [answer["id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    return {answer["id"]: answer["label"] for answer in answers}


def exported(path):
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all((row["status"] == "labelled") == (row["label"] != "") for row in rows)
    return {row["id"]: row["label"] or None for row in rows}


# Labelling


@pytest.mark.parametrize(
    "selector", [None, CoreSetSelector(), MLMOCSelector(), RandomSelector()], ids=str
)
def test_labelling_until_the_end(tmp_path, truth, selector):
    with make_page(tmp_path, selector=selector, export=tmp_path / "out.csv") as page:
        tab = Tab(page)
        given = tab.label_all(truth.get)
        state = tab.state()
        assert page.is_finished
    assert len(given) == 20
    assert recorded(tmp_path) == exported(tmp_path / "out.csv") == given
    assert state["status"] == "finished"
    assert state["message"] == "20 labels were bought, the budget is 20."
    assert state["progress"] == {
        "labels": 20, "budget": 20, "unknown": 0, "open": 0, "batch": state["progress"]["batch"]
    }  # fmt: skip


def test_rows_that_nobody_knows_do_not_count(tmp_path, truth):
    with make_page(tmp_path, budget=8, batch_size=4) as page:
        given = Tab(page).label_all(lambda name: truth[name] if int(name[1:]) % 2 else None)
    assert sum(label is not None for label in given.values()) == 8
    assert None in given.values()
    assert recorded(tmp_path) == given


def test_the_whole_pool_can_be_labelled(tmp_path, truth):
    with make_page(tmp_path, budget=1000, batch_size=25) as page:
        tab = Tab(page)
        assert tab.label_all(truth.get) == truth
        assert tab.state()["message"] == "All 60 rows have been answered."


def test_the_next_batch_is_there_before_the_last_one_is_done(tmp_path):
    with make_page(tmp_path) as page:
        tab = Tab(page)
        for _ in range(3):
            tab.answer(tab.next()["question"]["row"], 0)
        state = tab.wait(lambda state: state["progress"]["open"] > 3)
        assert state["progress"]["open"] == 9
        assert state["progress"]["batch"] == 1  # of the row that comes next


def test_people_go_on_while_rows_are_picked(tmp_path):
    may_pick = threading.Event()
    may_pick.set()
    with make_page(tmp_path, selector=Patient(may_pick)) as page:
        tab = Tab(page)
        may_pick.clear()
        try:
            for _ in range(6):
                tab.answer(tab.next()["question"]["row"], 1)
            assert tab.state()["status"] == "preparing"
            assert len(recorded(tmp_path)) == 6
        finally:
            may_pick.set()
        assert tab.next()["question"] is not None


class Patient(CoreSetSelector):
    """Picks when it may."""

    def __init__(self, may_pick, budget=1):
        super().__init__(budget)
        self.may_pick = may_pick

    def fit(self, X, y=None, *, labeled=None):
        self.may_pick.wait(60)
        return super().fit(X, y, labeled=labeled)

    def __sklearn_clone__(self):
        return Patient(self.may_pick, self.budget)


class Fragile(BaseEstimator):
    """Fails in the second batch, as often as it is told to."""

    n_failures = 1

    def __init__(self, budget=1):
        self.budget = budget

    def fit(self, X, y=None, *, labeled=None):
        if len(labeled) and Fragile.n_failures:
            Fragile.n_failures -= 1
            raise RuntimeError("no <b>memory</b>")
        self.indices_ = np.setdiff1d(np.arange(len(X)), labeled)[: self.budget]
        return self


def test_a_selection_that_fails_stops_nobody(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Fragile, "n_failures", 6)
    with make_page(tmp_path, selector=Fragile()) as page:
        tab = Tab(page)
        for _ in range(6):
            tab.answer(tab.next()["question"]["row"], 1)
        state = tab.wait(lambda state: state["status"] == "failed")
        assert state["message"] == "RuntimeError: no <b>memory</b>"
    assert "RuntimeError: no <b>memory</b>" in capsys.readouterr().err
    monkeypatch.setattr(Fragile, "n_failures", 0)
    with make_page(tmp_path, selector=Fragile()) as page:
        assert len(Tab(page).label_all(lambda name: "left")) == 14


def test_another_program_that_picks_rows_is_waited_for(tmp_path):
    with make_page(tmp_path) as page:
        tab = Tab(page)
        with Journal(tmp_path / "labels.db").asking():
            for _ in range(6):
                tab.answer(tab.next()["question"]["row"], 1)
            state = tab.wait(lambda state: "asks questions with it" in state["message"])
            assert state["status"] == "preparing"
        assert tab.next()["question"] is not None


# Correcting, skipping, putting off


def test_undo_goes_back_answer_by_answer(tmp_path):
    with make_page(tmp_path) as page:
        tab = Tab(page)
        assert tab.get("/api/answered").json() == {"question": None}
        rows = []
        for label in (0, 1, None):
            rows.append(tab.next()["question"]["row"])
            tab.answer(rows[-1], label)
        question = tab.get("/api/answered").json()["question"]
        assert (question["row"], question["answer"]) == (rows[2], {"label": None})
        for row, label in [(rows[1], 1), (rows[0], 0)]:
            question = tab.get("/api/answered", f"before={question['row']}").json()["question"]
            assert (question["row"], question["answer"]) == (row, {"label": label})
        assert tab.get("/api/answered", f"before={rows[0]}").json() == {"question": None}


@pytest.mark.parametrize(("first", "second"), [(0, 1), (0, None), (None, 1)])
def test_an_answer_is_replaced(tmp_path, first, second):
    with make_page(tmp_path, export=tmp_path / "out.csv") as page:
        tab = Tab(page)
        question = tab.next()["question"]
        tab.answer(question["row"], first)
        reply = tab.answer(question["row"], second, seen={"label": first})
        assert reply.status == 200
        assert reply.json()["question"]["row"] != question["row"]
    expected = None if second is None else tab.labels[second]
    assert recorded(tmp_path) == exported(tmp_path / "out.csv") == {question["id"]: expected}


def test_the_end_can_be_taken_back(tmp_path, truth):
    with make_page(tmp_path, budget=6) as page:
        tab = Tab(page)
        tab.label_all(truth.get)
        last = tab.get("/api/answered").json()["question"]
        tab.answer(last["row"], None, seen=last["answer"])
        state = tab.wait(lambda state: state["status"] != "finished")
        given = tab.label_all(truth.get)
        assert len(given) == 1
        assert state["progress"]["labels"] == 5
        assert tab.state()["status"] == "finished"
    assert recorded(tmp_path)[last["id"]] is None


def test_rows_put_off_come_last(tmp_path):
    with make_page(tmp_path, budget=4, batch_size=4) as page:
        tab = Tab(page)
        first = tab.next()["question"]["row"]
        second = tab.post("/api/later", {"row": first}).json()["question"]["row"]
        rows = [second]
        assert tab.post("/api/later", {"row": second}).json()["question"]["row"] != second
        rows = []
        while (question := tab.next()["question"]) is not None:
            rows.append(question["row"])
            tab.answer(rows[-1], 0)
        assert rows[-2:] == [first, second]
        assert len(set(rows)) == 4


# Several tabs, programs and servers


def test_two_tabs_do_not_answer_a_row_differently_unnoticed(tmp_path):
    with make_page(tmp_path) as page:
        one, two = Tab(page), Tab(page)
        row = one.next()["question"]["row"]
        assert two.next()["question"]["row"] == row
        assert one.answer(row, 0).status == 200
        assert two.answer(row, 0).status == 200  # the same once more does no harm
        refused = two.answer(row, 1)
        assert refused.status == 409
        assert "has been answered with “left”" in refused.json()["error"]
        assert refused.json()["question"]["row"] != row
        assert one.answer(row, None, seen={"label": 0}).status == 200
        refused = two.answer(row, 1, seen={"label": 0})  # corrects what is no longer there
        assert refused.status == 409
        assert "has been answered with “don't know”" in refused.json()["error"]
    assert list(recorded(tmp_path).values()) == [None]


def test_many_tabs_at_once(tmp_path):
    n_refused = []

    def work(page, label):
        tab = Tab(page)
        while (question := tab.next()["question"]) is not None:
            n_refused.append(tab.answer(question["row"], label).status == 409)

    with make_page(tmp_path) as page:
        threads = [threading.Thread(target=work, args=(page, i % 2)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert page.is_finished
    assert len(recorded(tmp_path)) == 20
    assert len(n_refused) >= 20


def test_answers_of_other_programs_are_seen(tmp_path):
    with make_page(tmp_path) as page:
        tab = Tab(page)
        first = tab.next()["question"]
        other = ActiveLearningLoop(LogisticRegression(), journal=tmp_path / "labels.db")
        other.tell([first["id"]], ["right"])
        state = tab.state()
        assert state["question"]["row"] != first["row"]
        assert state["progress"]["labels"] == 1
        assert tab.answer(first["row"], 0).status == 409
        second = state["question"]
        other.tell([second["id"]], ["neither"])  # a label that the page does not have
        question = tab.get("/api/answered").json()["question"]
        assert question["answer"] == {"label": 2}
        assert tab.answer(question["row"], 0, seen={"label": 2}).status == 200
        other.tell([tab.next()["question"]["id"]], [DONT_KNOW])
        assert tab.state()["progress"]["unknown"] == 1


def test_a_second_page_is_refused_with_the_holder(tmp_path):
    with make_page(tmp_path) as page:
        with pytest.raises(JournalInUseError, match=r"process \d+@.* serves a labelling page"):
            make_page(tmp_path).__enter__()
        assert Tab(page).next()["question"] is not None
    with make_page(tmp_path) as page:
        assert Tab(page).next()["question"] is not None


def test_a_page_goes_on_where_it_was(tmp_path, truth):
    with make_page(tmp_path) as page:
        tab = Tab(page)
        given = tab.label_all(truth.get, 7)
        open_rows = tab.wait(lambda state: state["progress"]["open"] > 3)["progress"]["open"]
    with make_page(tmp_path, budget=25, labels=["right", "left", "neither"]) as page:
        tab = Tab(page)
        assert tab.state()["progress"]["labels"] == 7
        assert tab.state()["progress"]["open"] >= open_rows
        rest = tab.label_all(truth.get)
    assert len(rest) == 18
    assert recorded(tmp_path) == {**given, **rest}


def test_a_journal_of_another_pool_is_refused(tmp_path):
    with make_page(tmp_path):
        pass
    write_pool(tmp_path / "pool.csv", seed=1)
    with pytest.raises(JournalMismatchError, match="other values"):
        make_page(tmp_path).__enter__()
    write_pool(tmp_path / "pool.csv")
    with make_page(tmp_path) as page:  # what was refused holds nothing
        assert Tab(page).next()["question"] is not None


def test_a_port_that_is_taken(tmp_path):
    (tmp_path / "other").mkdir()
    with make_page(tmp_path) as page:
        port = int(page.url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match=f"port == {port} of 127.0.0.1 cannot be used"):
            make_page(tmp_path / "other", port=port).__enter__()
    with pytest.raises(ValueError, match="port == 70000, must be an int from 0 to 65535"):
        make_page(tmp_path, port=70000).__enter__()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"labels": ["a"]}, ValueError, "labels must be at least two; got 1"),
        ({"labels": ["a", "b", "a"]}, ValueError, "labels must all differ; got 'a'"),
        ({"labels": ["a", " "]}, ValueError, "got an empty one"),
        ({"budget": 0}, ValueError, "budget == 0, must be an int > 0"),
        ({"batch_size": 1.5}, TypeError, "batch_size == 1.5, must be an int"),
        ({"export": "labels.xyz"}, ValueError, "labels.xyz"),
        ({"held_out": (np.arange(60), ["left"] * 60)}, ValueError, "covers all rows"),
    ],
)
def test_options_that_cannot_be(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        make_page(tmp_path, **options).__enter__()
    assert not (tmp_path / "labels.db").exists()


def test_an_export_over_the_pool_is_refused(tmp_path):
    write_pool(tmp_path / "pool.csv")
    before = (tmp_path / "pool.csv").read_bytes()
    with pytest.raises(ValueError, match="would overwrite the pool"):
        make_page(tmp_path, export=tmp_path / "pool.csv").__enter__()
    assert (tmp_path / "pool.csv").read_bytes() == before


def test_nothing_is_exported_before_the_first_label(tmp_path):
    (tmp_path / "out.csv").write_text("of yesterday")
    with make_page(tmp_path, export=tmp_path / "out.csv"):
        pass
    assert (tmp_path / "out.csv").read_text() == "of yesterday"


def test_a_journal_on_a_server_is_refused(tmp_path):
    write_pool(tmp_path / "pool.csv")
    page = make_page(tmp_path)
    page.journal = "postgresql://nobody@localhost/none"
    with pytest.raises(JournalError, match="a file of its own computer"):
        page.__enter__()


# What is said


def test_why_a_row_was_picked(tmp_path):
    with make_page(tmp_path, batch_size=6) as page:
        why = Tab(page).next()["question"]["why"]
    gain = read_journal(tmp_path / "labels.db")["questions"][0]["gain"]
    assert why == (
        "Pick 1 of 6 in batch 1: of all rows its label was expected to tell most about the "
        f"others (ITLSelector, information gain {gain:.3g} nats)."
    )


def test_rows_drawn_at_random_say_so(tmp_path):
    with make_page(tmp_path, selector=RandomSelector()) as page:
        why = Tab(page).next()["question"]["why"]
    assert why == "Pick 1 of 6 in batch 1: it was drawn at random."


def test_the_annotator_is_recorded(tmp_path):
    with make_page(tmp_path, annotator="Ann \U0001f469") as page:
        tab = Tab(page)
        tab.answer(tab.next()["question"]["row"], 0)
    answers = read_journal(tmp_path / "labels.db")["answers"]
    assert [answer["details"] for answer in answers] == [{"annotator": "Ann \U0001f469"}]


def test_held_out_rows_are_not_asked_and_measure_the_model(tmp_path, truth):
    pool = open_pool(tmp_path / "pool.csv")
    rows = np.arange(0, 60, 3)
    names = [f"r{row:03d}" for row in rows]
    held_out = (rows, [truth[name] for name in names])
    with make_page(tmp_path, pool=pool, held_out=held_out, batch_size=10) as page:
        tab = Tab(page)
        given = tab.label_all(truth.get)
        state = tab.wait(lambda state: len(state["curve"]["points"]) == 2)
        shown = [tab.get("/api/answered").json()["question"]]
    assert not set(names) & set(given)
    assert state["curve"]["meaning"] == "Accuracy on 20 held-out rows, after so many labels."
    assert [labels for labels, _ in state["curve"]["points"]] == [10, 20]
    assert state["curve"]["points"][-1][1] > 0.8
    assert shown[0]["fields"][1] == ["text", f"Row {int(shown[0]['id'][1:])}"]


def test_the_curve_follows_corrections_and_restarts(tmp_path, truth):
    with make_page(tmp_path, batch_size=10) as page:
        tab = Tab(page)
        tab.label_all(truth.get)
        before = tab.wait(lambda state: len(state["curve"]["points"]) == 2)["curve"]
        last = tab.get("/api/answered").json()["question"]
        tab.answer(last["row"], 1 - last["answer"]["label"], seen=last["answer"])
        after = tab.wait(lambda state: state["curve"] != before)["curve"]
    assert "5-fold cross-validation" in after["meaning"]
    assert after["points"][0] == before["points"][0]
    with make_page(tmp_path, batch_size=10) as page:
        assert Tab(page).wait(lambda state: len(state["curve"]["points"]) == 2)["curve"] == after
