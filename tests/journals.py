"""What a journal must do wherever it is: hold what was written, whole and for good."""

import json
import os
import pickle
import signal
import time
import traceback
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skactive._record import Asked, Header, Told
from skactive.exceptions import JournalError, JournalInUseError
from skactive.journal import Journal, read_journal

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
# Python warns of every fork of a process with threads, as torch's are.
may_fork = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
NOBODY = np.empty(0, dtype=np.int64)
HEADER = Header("of the pool", 1000, "of the ids", {"selector": "ITL", "budget": "10"}, 2**31 - 1)


ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=-3.5)), ZoneInfo("Europe/Berlin")])
TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)
NAMES = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.booleans(),
    TEXTS,
    st.binary(max_size=8),
    st.dates(),
    st.datetimes(timezones=ZONES, allow_imaginary=False),
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=ZONES).map(pd.Timestamp),
    st.uuids(),
    st.tuples(st.integers(), TEXTS),
)
DTYPES = st.sampled_from(
    ["?", "i1", "i4", "i8", ">i4", "u8", "f2", "f4", "f8", "<U3", "S2", "M8[ns]"]
)
SHAPES = hnp.array_shapes(min_dims=1, max_dims=2, max_side=4)
LABELS = DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, SHAPES)) | hnp.arrays(
    object, SHAPES, elements=TEXTS | st.integers(-(2**70), 2**70) | st.booleans()
)


def asked(batch, rows, ids=None, gains=None, n_told=0):
    rows = np.asarray(rows, dtype=np.int64)
    gains = np.full(len(rows), np.nan) if gains is None else np.asarray(gains, dtype=float)
    return Asked(batch, rows, ids, gains, "ITLSelector", n_told, {"gain": 0.1, "x": np.nan}, 0.25)


def told(rows, labels, unknown=(), costs=None, details=None):
    rows, unknown = np.asarray(rows, dtype=np.int64), np.asarray(unknown, dtype=np.int64)
    n = len(rows) + len(unknown)
    costs = np.ones(n) if costs is None else np.asarray(costs, dtype=float)
    return Told(
        0, rows, labels, unknown, costs, [None] * n if details is None else details, seconds=1.5
    )


def record(number, **more):
    return {
        "round": number,
        "indices": np.array([3, 1]),
        "gains": np.array([0.5, np.nan]),
        "ids": np.array(["a", None], dtype=object),
        "score": np.nan,
        "measures": {"stability": 0.1 + 0.2, "nothing": np.inf},
        **more,
    }


def assert_same(found, expected):
    """Equality that looks into arrays and takes NaN for itself."""
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        assert_same(found.ravel().tolist(), expected.ravel().tolist())
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    elif isinstance(expected, float) and np.isnan(expected):
        assert np.isnan(found)
    else:
        assert found == expected
        if not isinstance(expected, np.generic):
            assert type(found) is type(expected)


def fork(action):
    """Number of a child process that ends with status 0 unless the action fails."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        action()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def status_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wait_until_free(journal):
    deadline = time.monotonic() + 10  # a server needs a moment to notice
    while True:
        try:
            with journal.asking():
                return
        except JournalInUseError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@may_fork
class JournalCases:
    """What holds for files and for servers; `target` is where."""

    @pytest.fixture
    def journal(self, target):
        journal = Journal(target)
        journal.start(HEADER, told([5, 7], np.array(["cat", "dog"])))
        yield journal
        journal.close()

    def test_begins_with_the_header_and_the_labels_owned(self, target):
        journal = Journal(target)
        assert not journal.exists()
        assert journal.header() is None
        owned = told([5, 7], np.array([1.5, 2.5], dtype=np.float32))
        journal.start(HEADER, owned)
        again = Journal(target)
        assert again.exists()
        assert again.header() == HEADER
        questions, answers = again.events(0, -1)
        assert questions == []
        assert_same(answers, [owned])
        journal.close()
        again.close()

    def test_owning_nothing_is_a_reply_too(self, target):
        journal = Journal(target)
        journal.start(HEADER._replace(seed=None, ids=None), None)
        assert journal.header() == HEADER._replace(seed=None, ids=None)
        [[owned]] = [journal.events(0, -1)[1]]
        assert_same(owned, Told(0, NOBODY, None, NOBODY, np.empty(0), [], 0.0))
        assert journal.told(told([1], np.array([0]))) == 1
        journal.close()

    def test_gives_back_what_is_newer(self, journal):
        batches = [
            asked(1, [10, 3], ["ten", ("t", 3)], [0.5, 1 / 3]),
            asked(2, [11], None, n_told=1),
        ]
        for batch in batches:
            journal.asked(batch)
        replies = [
            told([3], np.array(["cat"]), [10], [0.1, 2], [{"by": "Ann", "at": [1, 2.5]}, None]),
            told([], None, [11]),
        ]
        assert [journal.told(reply) for reply in replies] == [1, 2]
        replies = [reply._replace(number=n) for n, reply in enumerate(replies, start=1)]
        assert_same(journal.events(0, 0), (batches, replies))
        assert_same(journal.events(1, 1), (batches[1:], replies[1:]))
        assert journal.events(2, 2) == ([], [])

    def test_rounds_come_back_equal(self, journal):
        records = [record(0), record(1, ids=np.array(["ä", "b"]), fitted=True), record(5)]
        for entry in records:
            journal.round_done(entry)
        assert_same(journal.rounds(0), records)
        assert_same(journal.rounds(2), records[2:])
        assert journal.rounds(3) == []

    def test_first_answer_stays(self, journal):
        journal.told(told([1, 2], np.array(["cat", "dog"])))
        for reply in [told([3, 2], np.array(["cat", "cat"])), told([], None, [4, 7])]:
            with pytest.raises(JournalError, match="1 of 2 rows have been answered before"):
                journal.told(reply)
        with pytest.raises(JournalError, match="row 9 more than once"):
            journal.told(told([9], np.array(["cat"]), [9]))
        _, replies = journal.events(0, 0)
        assert [reply.rows.tolist() for reply in replies] == [[1, 2]]
        assert replies[0].labels.tolist() == ["cat", "dog"]

    def test_nothing_is_asked_or_begun_twice(self, journal):
        journal.asked(asked(1, [1, 2]))
        for batch in [asked(1, [3]), asked(2, [4, 2])]:
            with pytest.raises(JournalError, match="asked before"):
                journal.asked(batch)
        journal.round_done(record(1))
        with pytest.raises(JournalError, match="round 1 has been written before"):
            journal.round_done(record(1))
        with pytest.raises(JournalError, match="has been started already"):
            Journal(journal.target).start(HEADER, None)
        questions, replies = journal.events(0, 0)
        assert [batch.rows.tolist() for batch in questions] == [[1, 2]]
        assert replies == []
        assert len(journal.rounds(0)) == 1

    def test_must_have_been_started(self, target):
        journal = Journal(target)
        with pytest.raises(JournalError, match="has not been started"):
            journal.told(told([1], np.array([1])))
        with pytest.raises(JournalError, match="has not been started"):
            journal.events(0, -1)
        journal.close()

    @pytest.mark.parametrize(
        "labels",
        [np.array([1 + 2j]), np.array([1], dtype=np.longdouble), np.array([{1}], dtype=object)],
    )
    def test_labels_that_are_no_data_are_refused(self, journal, labels):
        with pytest.raises(JournalError, match="cannot hold"):
            journal.told(told([1], labels))
        assert journal.events(0, 0) == ([], [])

    @pytest.mark.parametrize("name", [object(), pd.NaT, 1j, Path("a"), frozenset()])
    def test_ids_that_are_no_data_are_refused(self, journal, name):
        with pytest.raises(JournalError, match="ids holds"):
            journal.asked(asked(1, [1], [name]))
        assert journal.events(0, 0) == ([], [])

    def test_long_and_strange_texts(self, journal):
        texts = ["x" * 100_000, "nul\0in the middle", "🦊 ä", "\ud83d\ude00", "", "'; --"]
        labels = np.array(texts, dtype=object)
        journal.asked(asked(1, range(len(texts)), [f"{text}!" for text in texts]))
        details = [{text: text} for text in texts]
        journal.told(told(np.arange(100, 100 + len(texts)), labels, details=details))
        [batch], [reply] = journal.events(0, 0)
        assert batch.ids == [f"{text}!" for text in texts]
        assert reply.labels.tolist() == texts
        assert reply.details == details

    @needs_fork
    def test_two_processes_tell_at_once(self, journal):
        def tell_all():
            mine = Journal(journal.target)
            for row in range(100, 140):
                try:
                    mine.told(told([row], np.array([str(os.getpid())])))
                except JournalError as error:
                    assert "answered before" in str(error)

        children = [fork(tell_all) for _ in range(2)]
        assert [status_of(child) for child in children] == [0, 0]
        _, replies = journal.events(0, 0)
        assert [reply.number for reply in replies] == list(range(1, 41))
        assert sorted(reply.rows[0] for reply in replies) == list(range(100, 140))

    @needs_fork
    def test_two_processes_start_at_once(self, target):
        def start():
            try:
                Journal(target).start(HEADER, None)
            except JournalError as error:
                assert "has been started already" in str(error)

        children = [fork(start) for _ in range(4)]
        assert [status_of(child) for child in children] == [0] * 4
        journal = Journal(target)
        assert len(journal.events(0, -1)[1]) == 1
        journal.close()

    def test_one_asks_at_a_time(self, journal):
        other = Journal(journal.target)
        with journal.asking():
            for rival in (other, journal):
                with pytest.raises(JournalInUseError, match=f"process {os.getpid()}@.* since 2"):
                    with rival.asking():
                        pass
            assert other.told(told([1], np.array(["cat"]))) == 1  # answers are welcome meanwhile
        with other.asking():
            assert len(journal.events(0, 0)[1]) == 1
        with pytest.raises(ZeroDivisionError), journal.asking():
            1 / 0  # noqa: B018
        with journal.asking():
            other.close()

    @needs_fork
    @pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
    def test_a_killed_process_asks_no_more(self, journal, tmp_path, signum):
        def hold():
            with Journal(journal.target).asking():
                (tmp_path / "held").touch()
                time.sleep(600)

        child = fork(hold)
        wait_for(tmp_path / "held")
        with pytest.raises(JournalInUseError, match=f"process {child}@"):
            with journal.asking():
                pass
        os.kill(child, signum)
        assert status_of(child) == -signum
        wait_until_free(journal)

    @needs_fork
    def test_workers_do_not_inherit_the_right_to_ask(self, journal, tmp_path):
        def hold():
            with Journal(journal.target).asking():
                orphan = fork(lambda: time.sleep(600))
                (tmp_path / "number").write_text(str(orphan))
                (tmp_path / "number").rename(tmp_path / "orphan")
                time.sleep(600)

        right = journal.asking()
        with right:
            assert status_of(fork(lambda: right.__exit__(None, None, None))) == 0
            with pytest.raises(JournalInUseError, match=f"process {os.getpid()}@"):
                with journal.asking():
                    pass
        child = fork(hold)
        wait_for(tmp_path / "orphan")
        os.kill(child, signal.SIGKILL)
        assert status_of(child) == -signal.SIGKILL
        try:
            wait_until_free(journal)
        finally:
            os.kill(int((tmp_path / "orphan").read_text()), signal.SIGKILL)

    @needs_fork
    def test_a_kill_leaves_whole_transactions(self, journal, tmp_path):
        def tell_on():
            mine = Journal(journal.target)
            first = 1000 + 50 * len(mine.events(0, 0)[1])
            for start in range(first, 10**6, 50):
                mine.told(told(np.arange(start, start + 50), np.arange(50).astype(str)))
                (tmp_path / "written").touch()

        for milliseconds in (0, 1, 2, 5, 10):
            child = fork(tell_on)
            wait_for(tmp_path / "written")
            (tmp_path / "written").unlink()
            time.sleep(milliseconds / 1000)
            os.kill(child, signal.SIGKILL)
            assert status_of(child) == -signal.SIGKILL
            replies = Journal(journal.target).events(0, 0)[1]
            assert len(replies) >= 1
            rows = np.concatenate([reply.rows for reply in replies])
            np.testing.assert_array_equal(rows, np.arange(1000, 1000 + 50 * len(replies)))

    @needs_fork
    def test_survives_a_fork(self, journal):
        journal.told(told([1], np.array(["cat"])))
        child = fork(lambda: journal.told(told([2], np.array(["cat"]))))
        assert status_of(child) == 0
        assert journal.told(told([3], np.array(["cat"]))) == 3
        assert [reply.rows[0] for reply in journal.events(0, 0)[1]] == [1, 2, 3]

    def test_pickles_without_its_connection(self, journal):
        journal.told(told([1], np.array(["cat"])))
        copy = pickle.loads(pickle.dumps(journal))
        assert copy.told(told([2], np.array(["dog"]))) == 2
        copy.close()
        copy.close()
        assert copy.told(told([3], np.array(["dog"]))) == 3  # which opens it again
        copy.close()

    def test_reads_as_plain_values(self, journal):
        journal.asked(asked(1, [1, 2], ["one", "two"], [0.5, np.nan]))
        journal.told(told([2], np.array(["cat"]), [1], [0.5, 2], [{"by": "Ann"}, None]))
        journal.round_done(record(1))
        found = read_journal(journal.target)
        [header] = found["header"]
        assert header["parameters"] == HEADER.parameters
        assert header["created_at"].tzinfo is not None
        questions, answers = pd.DataFrame(found["questions"]), pd.DataFrame(found["answers"])
        assert questions["id"].tolist() == ["one", "two"]
        assert answers["row"].tolist() == [5, 7, 2, 1]
        assert answers["id"].tolist()[2:] == ["two", "one"]
        assert answers["label"].tolist()[:3] == ["cat", "dog", "cat"]
        assert answers["unknown"].tolist() == [False, False, False, True]
        assert answers["cost"].tolist() == [1, 1, 0.5, 2]
        assert answers["number"].tolist() == [0, 0, 1, 1]
        assert answers["details"].tolist()[2] == {"by": "Ann"}
        assert answers["selected_by"].tolist()[2:] == ["ITLSelector"] * 2
        assert answers["asked_at"].tolist()[2] <= answers["answered_at"].tolist()[2]
        json.dumps(found["rounds"])
        assert found["rounds"][0]["indices"] == [3, 1]

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(labels=LABELS, names=st.lists(NAMES, min_size=1, max_size=3), gains=st.data())
    def test_labels_and_ids_come_back_equal(self, journal, labels, names, gains):
        batches, replies = journal.events(0, 0)
        n_asked = sum(len(batch.rows) for batch in batches)
        rows = np.arange(10_000 + n_asked, 10_000 + n_asked + len(names))
        floats = st.floats(allow_infinity=False) | st.just(np.inf)
        drawn = gains.draw(st.lists(floats, min_size=len(names), max_size=len(names)))
        batch = asked(len(batches) + 1, rows, names, drawn)
        journal.asked(batch)
        n_told = sum(len(reply.rows) for reply in replies)
        rows = np.arange(100_000 + n_told, 100_000 + n_told + len(labels))
        journal.told(told(rows, labels))
        [[found], [reply]] = journal.events(len(batches), len(replies))
        assert_same(found, batch)
        assert_same(reply.labels, labels)
