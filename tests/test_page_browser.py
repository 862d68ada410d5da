"""The labelling page in a real browser, by the keyboard, and killed on the way."""

import csv
import io
import re
import signal

import pytest

from skactive.journal import read_journal
from tests.browser import Server, Window, browser, skip_without_browser
from tests.pages import write_pool

skip_without_browser()

HOSTILE = [
    "<script>window.attacked = 1</script>",
    "<img src=x onerror='window.attacked = 1'>",
    "\"'`&amp;${7*7}{{7*7}}</textarea></title>",
    "😀👩‍👩‍👧 e\u0301 \u200b",
    "\u202eright to left\u202c שלום עולם مرحبا",
    "javascript:window.attacked=1",
    "  two\nlines\tand a tab",
]
LONG = "0123456789 <b>" * 7200  # 100,800 characters
PICKS = ["--columns", "x,y", "--text", "text"]


@pytest.fixture(scope="module")
def driver():
    with browser() as driver:
        yield driver


@pytest.fixture
def window(driver):
    return Window(driver)


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def label_one(window, key):
    """The id of the row on the screen, which the key answers."""
    window.wait_for(lambda: window.row() is not None)
    row, name = window.row(), window.fields().get("id")
    window.type(key)
    window.wait_for(lambda: window.row() != row)
    return name


def test_thirty_rows_by_keyboard_with_the_server_killed(tmp_path, window):
    write_pool(tmp_path / "pool.csv")
    options = ["pool.csv", "--labels", "left,right", *PICKS, "--journal", "labels.db"]
    options += ["--export", "out.csv", "--budget", "30", "--batch-size", "6"]
    typed = {}
    keys = {"1": "left", "r": "right", "2": "right", "l": "later", "s": None}

    def label(window, key):
        name = label_one(window, key)
        assert name not in typed
        typed[name] = keys[key]
        return name

    with Server(tmp_path, *options) as server:
        window.open(server.url)
        assert "token" not in window.driver.current_url
        for key in "1r2s1":
            label(window, key)
        put_off = label_one(window, "l")
        for key in "21r":
            last = label(window, key)
        # Undo twice, change one answer, and keep the one before it.
        row = window.row()
        window.type("u")
        assert window.fields()["id"] == last
        assert "You answered “right”" in window.text("previous")
        window.type("u")
        window.type("\ue00c")  # Escape
        assert window.row() == row
        window.type("u")
        window.type("1")
        typed[last] = "left"
        assert window.wait_for(window.row) == row
        # A tab that is closed, and a server that is killed.
        window.driver.switch_to.new_window("tab")
        window.driver.switch_to.window(window.driver.window_handles[0])
        window.driver.close()
        window.driver.switch_to.window(window.driver.window_handles[0])
        window.open(server.url.split("?")[0])  # the cookie is still there
        for key in "12r1":
            label(window, key)
        left_over = window.row()
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
        window.type("1")
        window.wait_for(lambda: "The server does not answer" in window.text("notice"))
        assert window.row() == left_over
    with Server(tmp_path, *options) as server:
        window.open(server.url)
        assert window.text("count").startswith("11 of 30 labels · 1 × don’t know")
        while (
            window.wait_for(lambda: window.status() in ("open", "finished") and window.status())
            == "open"
        ):
            label(window, "1" if len(typed) % 3 else "2")
        assert window.text("waiting") == ("Finished: 30 labels were bought, the budget is 30.")
        assert put_off in typed
        assert server.end() == 130
    severe = [entry for entry in window.errors() if "ERR_CONNECTION" not in entry["message"]]
    assert severe == []
    answers = read_journal(tmp_path / "labels.db")["answers"]
    assert len(answers) == 31
    assert {answer["id"]: answer["label"] for answer in answers} == typed
    exported = rows_of(tmp_path / "out.csv")
    assert {row["id"]: row["label"] or None for row in exported} == typed
    assert len(exported) == 31


def test_texts_and_labels_appear_as_text(tmp_path, window):
    texts = [*HOSTILE, LONG]
    write_pool(tmp_path / "pool.csv", n=len(texts), texts=texts)
    labels = [label.strip() for label in HOSTILE] + [LONG.strip()]
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="").writerow(labels)
    options = ["pool.csv", "--labels", line.getvalue(), *PICKS, "--export", "out.csv"]
    seen = {}
    with Server(tmp_path, *options, "--journal", "labels.db") as server:
        window.open(server.url)
        shown = window.run(
            "return [...document.querySelectorAll('#labels bdi')].map((label) => label.textContent)"
        )
        assert shown == labels
        for place in range(len(texts)):
            seen[window.fields()["id"]] = window.fields()["text"]
            label_one(window, str(place + 1))
            if place in (0, len(texts) - 1):  # the answer is named when it is taken back
                window.type("u")
                name = labels[place] if place == 0 else labels[place][:59] + "…"
                assert f"You answered “{name}”" in window.text("previous")
                window.type("\ue00c")
        window.wait_for(lambda: window.status() == "finished")
        assert window.run("return window.attacked") is None
        assert window.run("return document.querySelectorAll('script').length") == 2
        assert window.run("return document.querySelectorAll('#labels img, #card b').length") == 0
        assert window.run("return document.documentElement.scrollWidth <= innerWidth")
        assert window.errors() == []
        server.end()
    assert seen == {f"r{i:03d}": text for i, text in enumerate(texts)}
    exported = rows_of(tmp_path / "out.csv")
    assert [row["label"] for row in exported] == labels
    answers = read_journal(tmp_path / "labels.db")["answers"]
    assert [answer["label"] for answer in answers] == labels


def test_images_with_strange_names(tmp_path, window):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    names = [
        "<b>bold<b>.png",
        "\"quotes' & more.png",
        "😀 שלום.png",
        "%2e%2e#?.png",
        "x" * 240 + ".png",
    ]
    (tmp_path / "images").mkdir()
    for shade, name in enumerate(names):
        image.new("RGB", (40, 30), (50 * shade, 0, 99)).save(tmp_path / "images" / name)
    options = ["images", "--labels", "a,b", "--journal", "labels.db"]
    seen = set()
    with Server(tmp_path, *options) as server:
        window.open(server.url)
        for _ in names:
            window.wait_for(lambda: window.row() is not None)
            window.wait_for(lambda: window.run("return document.getElementById('image').complete"))
            assert window.run("return document.getElementById('image').naturalWidth") == 40
            seen.update(window.fields().values())
            label_one(window, "a")
        assert window.errors() == []
        server.end()
    assert set(names) <= seen


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A page with a text and labels that are not short."""
    folder = tmp_path_factory.mktemp("server")
    write_pool(folder / "pool.csv", texts=["A text that goes on. " * 40])
    options = ["pool.csv", "--labels", "first label,second,third one", *PICKS]
    with Server(folder, *options, "--journal", "labels.db") as server:
        yield server


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_the_window(driver, server, width, dark):
    window = Window(driver, width, 740, dark)
    window.open(server.url)
    assert window.run("return innerWidth") == width
    assert window.run("return document.documentElement.scrollWidth") <= width
    for name in ("card", "labels", "skip", "later", "undo"):
        box = window.run(
            "return document.getElementById(arguments[0]).getBoundingClientRect().toJSON()", name
        )
        assert box["left"] >= 0 and box["right"] <= width, (name, box)
        assert box["top"] >= 0 and box["bottom"] <= 740, (name, box)
    colors = window.run(
        "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
    )
    back, text = (sum(map(int, re.findall(r"\d+", color))) for color in colors)
    assert (back < text) == dark
    assert abs(back - text) > 500


def test_every_control_is_reached_by_tab_and_has_a_name(tmp_path, window):
    write_pool(tmp_path / "pool.csv")
    options = ["pool.csv", "--labels", "left,right", *PICKS, "--journal", "labels.db"]
    with Server(tmp_path, *options) as server:
        window.open(server.url)
        names = []
        for _ in range(5):
            window.type("\ue004")  # Tab
            names.append(
                window.run("return document.activeElement.innerText.replace(/\\s+/g, ' ')")
            )
            assert window.run("return document.activeElement.matches(':focus-visible')")
            assert (
                window.run("return getComputedStyle(document.activeElement).outlineWidth") == "3px"
            )
        assert names == ["1 e left", "2 r right", "s don’t know", "l later", "u undo"]
        for _ in range(4):
            window.driver.switch_to.active_element.send_keys("\ue008\ue004")  # Shift+Tab
        row = window.row()
        window.driver.switch_to.active_element.send_keys("\ue007")  # Enter
        window.wait_for(lambda: window.row() != row)
        server.end()
    answers = read_journal(tmp_path / "labels.db")["answers"]
    assert [answer["label"] for answer in answers] == ["left"]
