"""Files: pools as they are found in the wild, and tables that are whole or not there."""

import io
import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from skactive.files import FileError, PoolFile, read_pool, write_table

STRANGE = [
    'quotes "here", and, commas',
    "two\nlines",
    "carriage\rreturn",
    "dos\r\nlines",
    "emoji 🙂🏽",
    "שלום עולם",
    "مرحبا",
    "<script>alert('x')</script>",
    "=SUM(A1:A9)",
    " spaces ",
    "\u2028 is no line end",
    "null\0byte",
    "x" * 100_000,
]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def png(path, shade=128, size=(20, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, shade, shade)).save(path)
    return path


# Arrays


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_pool_of_floats_is_mapped_not_read(tmp_path, rng, dtype):
    X = rng.normal(size=(50, 3)).astype(dtype)
    np.save(tmp_path / "x.npy", X)
    pool = read_pool(tmp_path / "x.npy")
    assert isinstance(pool, PoolFile) and isinstance(pool.X, np.memmap)
    assert pool.X.dtype == X.dtype and len(pool) == 50 and pool.kind == "table"
    assert_array_equal(pool.X, X)
    assert_array_equal(pool.ids, np.arange(50))
    assert pool.shown(7) == {"id": "7"} and pool.image(7) is None


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("f2", "f4"), ("?", "f4"), ("u1", "f4"), ("i2", "f4"), ("i4", "f8"), (">f4", "f4")],
)
def test_other_numbers_become_floats_that_hold_them(tmp_path, dtype, expected):
    X = np.array([[0, 1], [1, 0]]).astype(dtype)
    np.save(tmp_path / "x.npy", X)
    pool = read_pool(tmp_path / "x.npy")
    assert pool.X.dtype == np.dtype(expected) and pool.X.dtype.isnative
    assert_array_equal(pool.X, X.astype(float))


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros(4), "shape (4,)"),
        (np.zeros((2, 3, 4)), "shape (2, 3, 4)"),
        (np.zeros((0, 3)), "shape (0, 3)"),
        (np.zeros((3, 0)), "shape (3, 0)"),
        (np.array([["a"]]), "type <U1"),
        (np.array([[1j]]), "type complex128"),
    ],
)
def test_arrays_that_are_no_features(tmp_path, array, found):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(FileError, match="x.npy") as caught:
        read_pool(tmp_path / "x.npy")
    assert found in str(caught.value)


def test_damaged_arrays(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "whole.npy", np.zeros((100, 3)))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-8])
    for name in ("empty.npy", "empty.npz"):
        (tmp_path / name).write_bytes(b"")
    for name in ("text.npy", "text.npz"):
        (tmp_path / name).write_text("1,2,3\n")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and then nothing")
    np.savez(tmp_path / "archive.npz", X=np.zeros((2, 2)))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    for path in sorted(set(tmp_path.iterdir()) - {tmp_path / "whole.npy"}):
        with pytest.raises(FileError, match=path.name):
            read_pool(path)


def test_npz(tmp_path, rng):
    X = rng.normal(size=(3, 2))
    np.savez(tmp_path / "ids.npz", X=X, other=np.zeros(1), ids=np.array(["007", "b", "c"]))
    pool = read_pool(tmp_path / "ids.npz")
    assert_array_equal(pool.X, X)
    assert pool.ids.tolist() == ["007", "b", "c"] and pool.shown(0) == {"id": "007"}
    np.savez(tmp_path / "one.npz", anything=X)
    assert_array_equal(read_pool(tmp_path / "one.npz").X, X)
    np.savez(tmp_path / "two.npz", a=X, b=X)
    np.savez(tmp_path / "none.npz", ids=np.arange(3))
    np.savez(tmp_path / "twice.npz", X=X, ids=np.array([1, 1, 2]))
    np.savez(tmp_path / "short.npz", X=X, ids=np.arange(2))
    for name, message in [
        ("two", "several arrays"),
        ("none", "no features"),
        ("twice", "1.* twice"),
        ("short", "3 ints or texts"),
    ]:
        with pytest.raises(FileError, match=message):
            read_pool(tmp_path / f"{name}.npz")


def test_what_makes_no_sense_with_an_array(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    with pytest.raises(FileError, match="no columns with names, so no column 'a'"):
        read_pool(tmp_path / "x.npy", columns=["a"])
    with pytest.raises(FileError, match="holds features already"):
        read_pool(tmp_path / "x.npy", features=tmp_path / "x.npy")
    with pytest.raises(FileError, match="no column 'a'"):
        read_pool(tmp_path / "x.npy").column("a")


# Tables as text


def test_what_is_read_from_a_table(tmp_path):
    path = written(
        tmp_path / "pool.csv", 'id,"a, b",note,b\r\n007,1.50,"say ""hi""",2\r\n8,-3e2,,4\r\n'
    )
    pool = read_pool(path)
    assert pool.ids.tolist() == ["007", "8"]  # one of them is no plain number
    assert_array_equal(pool.X, [[1.5, 2], [-300, 4]])
    assert pool.shown(0) == {"id": "007", "a, b": "1.50", "note": 'say "hi"', "b": "2"}
    assert pool.column("note") == ['say "hi"', ""] and pool.kind == "table"
    assert pool.notes == [
        "features: the numbers of 'a, b', 'b'",
        "no features: the texts of 'note' (--text uses the words of one)",
    ]
    assert_array_equal(read_pool(path, columns=["b"]).X, [[2], [4]])
    assert_array_equal(read_pool(path, ignore=["b"]).X, [[1.5], [-300]])
    assert read_pool(path, id_column="b").ids.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "-2", "30"], [1, -2, 30]),
        (["1", "02"], ["1", "02"]),
        (["1", "+2"], ["1", "+2"]),
        (["1", "2.0"], ["1", "2.0"]),
        (["1", " 2"], ["1", " 2"]),
        (["1", "-0"], ["1", "-0"]),
        (["9223372036854775807", "1"], [2**63 - 1, 1]),
        (["9223372036854775808", "1"], ["9223372036854775808", "1"]),
        (["1", "٢"], ["1", "٢"]),
        (["NA", "null"], ["NA", "null"]),
    ],
)
def test_ids_are_ints_only_if_nothing_is_lost(tmp_path, texts, expected):
    lines = "".join(f"{text},0.5\n" for text in texts)
    pool = read_pool(written(tmp_path / "pool.csv", "id,x\n" + lines))
    assert pool.ids.tolist() == expected


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(
    st.lists(st.tuples(cells, cells, st.floats(allow_nan=False, allow_infinity=False)), min_size=1)
)
@example([(text, text, 0.1) for text in STRANGE])
def test_what_is_written_is_what_is_read(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("round")
    ids = [f"{k} {text}".rstrip("\0")[:900] for k, (text, _, _) in enumerate(rows)]
    ids = [text.replace("\0", "") for text in ids]
    table = [{"id": i, "t": t, "x": x} for i, (_, t, x) in zip(ids, rows, strict=True)]
    write_table(folder / "pool.csv", table)
    pool = read_pool(folder / "pool.csv", columns=["x"])
    assert pool.ids.tolist() == ids
    assert pool.column("t") == [t for _, t, _ in rows]
    assert_array_equal(pool.X[:, 0], [x for _, _, x in rows])
    assert [pool.shown(i)["t"] for i in range(len(rows))] == pool.column("t")


@given(st.lists(st.lists(st.text(',;"\r\n\t aé', max_size=4), min_size=3, max_size=3), min_size=1))
def test_cells_are_those_of_another_reader(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("twin") / "pool.csv"
    write_table(path, [dict(zip("abc", row, strict=True)) for row in rows])
    twin = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False)
    np.save(path.with_name("x.npy"), np.zeros((len(rows), 1)))
    pool = read_pool(path, features=path.with_name("x.npy"))
    for name in "abc":
        # pandas reads every line end inside a cell as it is, too.
        assert pool.column(name) == twin[name].tolist()


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_dialects(tmp_path, mark, bom, end):
    lines = ["id,x,t", '1,0.5,"a,b;c\td"', "", "2,1.5,", ""]
    text = bom + end.join(lines).replace("a,b", "#").replace(",", mark).replace("#", "a,b")
    pool = read_pool(written(tmp_path / "pool.csv", text))
    assert pool.ids.tolist() == [1, 2] and pool.X.tolist() == [[0.5], [1.5]]
    assert pool.column("t") == ["a,b;c\td", ""]


def test_tsv_and_one_column(tmp_path):
    assert read_pool(written(tmp_path / "a.tsv", "x\n1\n2\n")).X.tolist() == [[1], [2]]
    assert read_pool(written(tmp_path / "a.csv", 'x\n1\n\n"2"\n')).X.tolist() == [[1], [2]]
    assert read_pool(written(tmp_path / "b.tsv", "x\ty\n1\t2\n")).X.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n", "no rows"),
        ("a,b\n1,2\n3\n", "line 3: 1 cells, but there are 2 columns.*comma"),
        ("a;b\n1;2;3\n", "line 2: 3 cells.*semicolon"),
        ('a,b\n"1\n",2\n3,4,5\n', "line 4: 3 cells"),
        ('a,b\n1,"2"x\n', "line 2: .*quotes"),
        ('a,b\n1,2\n3,"4\n', "line 3: .*quotes"),
        ("a,a\n1,2\n", "two columns 'a'"),
        ("1.5,2.5\n1,2\n", "begins with numbers"),
        ("a,b\n1,2\n3,\n", "'b' has no finite number in 1 of 2 rows, first in line 3"),
        ("a,b\n1,2\n3,NaN\n", "'b' has no finite number"),
        ("a,b\n1,2\n3,inf\n", "'b' has no finite number"),
        ("id,b\n1,2\n1,3\n", "line 3: column 'id' holds '1', as does line 2"),
        ("id,b\n1,2\n,3\n", "line 3: column 'id' is empty"),
        (f"id,b\n{'x' * 1001},3\n", "longer than 1000"),
        ("a;b\n1,5;2,5\n", "decimal commas"),
        ("t,u\nx,y\n", "2 columns of texts, 't', 'u'.*--text"),
        ("t\n.\n", "hold no words"),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path, text, message):
    path = written(tmp_path / "pool.csv", text)
    with pytest.raises(FileError, match=message) as caught:
        read_pool(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["z"]}, "no column 'z'; it has 'id', 'x', 't'"),
        ({"columns": []}, "columns is empty"),
        ({"columns": ["t"]}, "'t' cannot be a feature: line 3 holds 'b'"),
        ({"id_column": "z"}, "no column 'z'"),
        ({"text_column": "z"}, "no column 'z'"),
        ({"image_column": "z"}, "no column 'z'"),
        ({"image_column": "t"}, "no image '5'"),
        ({"ignore": ["z"]}, "no column 'z'"),
        ({"features": "short.npy"}, "short.npy has 1 rows, but .*pool.csv has 2"),
        ({"features": "absent.npy"}, "absent.npy is not there"),
    ],
)
def test_what_is_wrong_with_the_options(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    np.save("short.npy", np.zeros((1, 2)))
    written(tmp_path / "pool.csv", "id,x,t\n1,2,5\n3,4,b\n")
    with pytest.raises(FileError, match=message):
        read_pool("pool.csv", **options)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a,b\nä,1\n".encode("latin-1"), "not UTF-8 text: byte 0xe4 in line 2"),
        ("a,b\nä,1\n".encode("utf-16"), "UTF-16"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8 text: byte 0x89 in line 1"),
    ],
)
def test_files_that_are_no_text(tmp_path, data, message):
    for name in ("pool.csv", "pool.txt"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FileError, match=message):
            read_pool(tmp_path / name)


def test_paths_that_lead_nowhere(tmp_path):
    with pytest.raises(FileError, match="is not there"):
        read_pool(tmp_path / "pool.csv")
    with pytest.raises(FileError, match="is not there"):
        read_pool(tmp_path / "pool.xlsx")
    written(tmp_path / "pool.xlsx", "")
    with pytest.raises(FileError, match="ends in '.xlsx', must be .npy"):
        read_pool(tmp_path / "pool.xlsx")
    with pytest.raises(FileError, match="holds no images"):
        read_pool(tmp_path)


def test_columns_without_a_name_are_no_features(tmp_path):
    pd.DataFrame({"x": [5.0, 6.0]}).to_csv(tmp_path / "index.csv")
    pool = read_pool(tmp_path / "index.csv")
    assert pool.X.tolist() == [[5], [6]] and pool.columns == ["column 1", "x"]
    pd.DataFrame([[1, 2], [3, 4]]).to_csv(tmp_path / "counted.csv", index=False)
    assert read_pool(tmp_path / "counted.csv").X.tolist() == [[1, 2], [3, 4]]


def test_a_number_in_python_notation_is_text(tmp_path):
    path = written(tmp_path / "pool.csv", "x,code\n1,1_0\n2,2_0\n")
    assert read_pool(path).X.tolist() == [[1], [2]]


def test_a_column_that_turns_into_text_late(tmp_path):
    lines = "".join(f"{k},{k if k < 9000 else 'x'}\n" for k in range(10_000))
    pool = read_pool(written(tmp_path / "pool.csv", "a,b\n" + lines))
    assert_array_equal(pool.X, np.arange(10_000.0)[:, None])
    with pytest.raises(FileError, match="line 9002 holds 'x'"):
        read_pool(tmp_path / "pool.csv", columns=["b"])


def test_constant_columns_and_columns_without_numbers(tmp_path):
    path = written(tmp_path / "pool.csv", "a,b,c\n1,5,\n2,5,NA\n")
    assert read_pool(path).X.tolist() == [[1, 5], [2, 5]]


starts = st.sampled_from(
    [b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"PAR1", b"id,x\n1,2\n", b"\xff\xfe"]
)


@settings(max_examples=200)
@given(starts, st.binary(max_size=200), st.sampled_from(["npy", "npz", "csv", "parquet", "txt"]))
def test_any_bytes_are_a_pool_or_a_clear_error(tmp_path_factory, start, rest, ending):
    path = tmp_path_factory.mktemp("bytes") / f"pool.{ending}"
    path.write_bytes(start + rest)
    try:
        pool = read_pool(path)
    except FileError as error:
        assert str(path) in str(error)
    else:
        assert len(pool.X) == len(pool) == len(set(pool.ids.tolist())) > 0


# Texts


def test_texts_become_features_by_their_words(tmp_path):
    lines = ["the cat sat", "a dog ran far", "the cat sat", "", "قطة 🙂 <b>", "x " * 50_000]
    pool = read_pool(written(tmp_path / "pool.txt", "\n".join(lines) + "\n"))
    assert pool.kind == "text" and pool.ids.tolist() == [0, 1, 2, 4, 5]
    assert pool.shown(4) == {"text": lines[5]} and pool.columns == ["text"]
    assert "blank" in pool.notes[0] and "words" in pool.notes[1]
    assert pool.X.dtype == np.float32 and np.isfinite(pool.X).all()
    assert_array_equal(pool.X[0], pool.X[2])
    assert pool.X[0] @ pool.X[1] == 0


def test_many_words_become_few_numbers(tmp_path, rng):
    words = np.array([f"w{k}" for k in range(400)])
    rows = [{"n": k, "review": " ".join(rng.choice(words, 30))} for k in range(150)]
    write_table(tmp_path / "pool.csv", rows)
    pool = read_pool(tmp_path / "pool.csv", text_column="review")
    assert pool.X.shape == (150, 100) and pool.kind == "text"
    assert_array_equal(read_pool(tmp_path / "pool.csv", text_column="review").X, pool.X)
    # Other files are read with the words of this one.
    assert_allclose(pool.read_like(tmp_path / "pool.csv"), pool.X, atol=1e-6)
    write_table(tmp_path / "two.csv", rows[:2])
    assert_allclose(pool.read_like(tmp_path / "two.csv"), pool.X[:2], atol=1e-6)


def test_the_only_column_of_texts_and_one_called_text(tmp_path):
    one = read_pool(written(tmp_path / "one.csv", "id,said\n1,yes sir\n2,no\n"))
    two = read_pool(written(tmp_path / "two.csv", "title,text\nA,yes sir\nB,no\n"))
    assert one.kind == two.kind == "text"
    assert_array_equal(one.X, two.X)


# Parquet


def test_parquet(tmp_path, rng):
    vectors = rng.normal(size=(4, 3)).astype(np.float32)
    frame = pd.DataFrame(
        {
            "id": ["007", "8", "é", "🙂"],
            "a": np.array([1.5, 2.5, 3.5, 0.1], dtype=np.float32),
            "v": list(vectors),
            "t": ["x", None, "y\nz", "w"],
            "k": [1, 2, 3, 4],
        },
        index=[5, 6, 7, 8],
    )
    frame.to_parquet(tmp_path / "pool.parquet")
    pool = read_pool(tmp_path / "pool.parquet")
    assert pool.ids.tolist() == ["007", "8", "é", "🙂"]
    assert_array_equal(pool.X, np.column_stack([frame["a"], vectors, frame["k"]]))
    assert pool.shown(3)["a"] == "0.1" and "v" not in pool.shown(3)
    assert pool.column("t") == ["x", "", "y\nz", "w"]
    only = read_pool(tmp_path / "pool.parquet", columns=["v"])
    assert only.X.dtype == np.float32
    assert_array_equal(only.X, vectors)
    with pytest.raises(FileError, match="'t' cannot be a feature: row 0 holds 'x'"):
        read_pool(tmp_path / "pool.parquet", columns=["t"])
    assert_array_equal(only.read_like(tmp_path / "pool.parquet"), vectors)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, None], "no finite number in 1 of 2"),
        ([1.0, float("inf")], "no finite number in 1 of 2"),
        ([[1.0], [1.0, 2.0]], "lists are not all of one length"),
        ([[1.0], None], "lists are not all of one length"),
        ([["a"], ["b"]], "hold no numbers"),
        ([None, None], "no numbers"),
    ],
)
def test_gaps_in_parquet(tmp_path, values, message):
    pd.DataFrame({"v": values}).to_parquet(tmp_path / "pool.parquet")
    with pytest.raises(FileError, match=message):
        read_pool(tmp_path / "pool.parquet", columns=["v"])


def test_damaged_parquet(tmp_path):
    pd.DataFrame({"v": np.arange(100.0)}).to_parquet(tmp_path / "whole.parquet")
    data = (tmp_path / "whole.parquet").read_bytes()
    for name, part in [("cut", data[:-20]), ("empty", b""), ("text", b"a,b\n1,2\n")]:
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(part)
        with pytest.raises(FileError, match=f"{name}.parquet cannot be read as Parquet"):
            read_pool(path)
    pd.DataFrame({"v": []}).to_parquet(tmp_path / "none.parquet")
    with pytest.raises(FileError, match="no rows"):
        read_pool(tmp_path / "none.parquet")


# Images


def test_a_folder_of_images(tmp_path):
    folder = tmp_path / "images"
    names = ["b.png", "a/<b>'\"&.png", "a/🙂 שלום.jpg", "c.PNG"]
    for shade, name in enumerate(names):
        png(folder / name, 60 * shade)
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    pool = read_pool(folder)
    assert pool.ids.tolist() == sorted(names) and pool.kind == "images"
    assert pool.X.shape == (4, 256)
    for i, name in enumerate(pool.ids):
        assert_allclose(pool.X[i], 60 * names.index(name) / 255, atol=0.01)
        assert pool.image(i) == (folder / name).resolve() and pool.shown(i) == {"file": name}
    assert "1 file(s)" in pool.notes[0] and "grey pixels" in pool.notes[1]


def test_images_named_in_a_table(tmp_path):
    png(tmp_path / "pictures" / "a.png", 255)
    path = written(tmp_path / "pool.csv", "id,picture,x\n7,pictures/a.png,5\n")
    pool = read_pool(path, image_column="picture")
    assert pool.kind == "images" and pool.image(0) == (tmp_path / "pictures/a.png").resolve()
    assert_allclose(pool.X, np.ones((1, 256)))
    assert read_pool(path, image_column="picture", columns=["x"]).X.tolist() == [[5]]


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "link.png", "..", "a\0b", "no.png"]
)
def test_images_outside_the_folder_are_refused(tmp_path, name):
    png(tmp_path / "secret.png")
    folder = tmp_path / "data"
    png(folder / "a.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    write_table(folder / "pool.csv", [{"picture": name, "x": 1}])
    with pytest.raises(FileError):
        read_pool(folder / "pool.csv", image_column="picture", columns=["x"])


def test_an_image_replaced_by_a_link_later_is_refused(tmp_path):
    secret = png(tmp_path / "secret.png")
    path = png(tmp_path / "data" / "a.png")
    pool = read_pool(tmp_path / "data")
    path.unlink()
    with pytest.raises(FileError, match="no image 'a.png'"):
        pool.image(0)
    path.symlink_to(secret)
    with pytest.raises(FileError, match="outside the folder"):
        pool.image(0)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_damaged_images(tmp_path, data):
    whole = png(tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(data or whole[: len(whole) // 2])
    with pytest.raises(FileError, match="b.png cannot be read as an image"):
        read_pool(tmp_path)


class Lengths:
    """A transformer of texts, of paths, or of numbers."""

    def fit(self, inputs):
        self.n_fitted = len(inputs)
        return self

    def transform(self, inputs):
        if isinstance(inputs, np.ndarray):
            return inputs * self.n_fitted
        return [[len(os.path.basename(entry)), self.n_fitted] for entry in inputs]


class OneRow:
    def transform(self, inputs):
        return [[1.0]]


def test_an_embedding_makes_the_features(tmp_path, monkeypatch):
    path = tmp_path / "pool.csv"
    path.write_text("id,text,a,b\nr1,one,1,2\nr2,three,3,4\n")
    pool = read_pool(path, text_column="text", embedding=Lengths())
    assert pool.X.tolist() == [[3, 2], [5, 2]] and pool.X.dtype == np.float32
    assert pool.kind == "text" and pool.notes == ["features: made by Lengths"]
    (tmp_path / "targets.csv").write_text("id,text\nx,seven!!\n")
    assert pool.read_like(tmp_path / "targets.csv").tolist() == [[7, 2]]  # not fitted again
    assert read_pool(path, columns=["b"], embedding=Lengths()).X.tolist() == [[4], [8]]
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "bcd.png"):
        Image.new("L", (3, 3)).save(tmp_path / "photos" / name)
    assert read_pool(tmp_path / "photos", embedding=Lengths()).X.tolist() == [[5, 2], [7, 2]]
    (tmp_path / "mine_of_this_test.py").write_text("from tests.test_files import Lengths as Mine\n")
    monkeypatch.chdir(tmp_path)
    pool = read_pool(path, text_column="text", embedding="mine_of_this_test:Mine")
    assert pool.X.tolist() == [[3, 2], [5, 2]]


def test_embeddings_that_cannot_be_used(tmp_path):
    path = tmp_path / "pool.csv"
    path.write_text("text\none\ntwo\n")
    np.save(tmp_path / "F.npy", np.ones((2, 3)))
    for name, message in {
        "nowhere_at_all:x": "No module named 'nowhere_at_all'",
        "json": "must be MODULE:NAME",
        "json:nothing": "no 'nothing'",
    }.items():
        with pytest.raises(FileError, match=message):
            read_pool(path, embedding=name)
    with pytest.raises(TypeError, match="must be a transformer"):
        read_pool(path, embedding=3)
    with pytest.raises(FileError, match=r"for each of the 2 rows; got float64 of shape \(1, 1\)"):
        read_pool(path, embedding=OneRow())
    for features in ({"features": tmp_path / "F.npy"}, {"path": tmp_path / "F.npy"}):
        with pytest.raises(FileError, match="F.npy holds features already"):
            read_pool(**{"path": path, "embedding": Lengths(), **features})


def test_features_of_a_network_for_images(tmp_path, rng):
    for name in ("a.png", "b.png"):
        png(tmp_path / "images" / name)
    X = rng.normal(size=(2, 5)).astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    pool = read_pool(tmp_path / "images", features=tmp_path / "x.npy")
    assert_array_equal(pool.X, X)
    assert pool.kind == "images" and pool.notes == []
    assert_array_equal(pool.read_like(tmp_path / "x.npy"), X)
    with pytest.raises(FileError, match="must be .npy or .npz"):
        pool.read_like(tmp_path / "images")


def test_files_read_like_the_pool(tmp_path):
    pool = read_pool(written(tmp_path / "pool.csv", "id,x,y\n1,2,3\n"))
    assert pool.read_like(written(tmp_path / "a.csv", "y,t,x\n5,q,4\n")).tolist() == [[4, 5]]
    with pytest.raises(FileError, match="b.csv has no column 'y'"):
        pool.read_like(written(tmp_path / "b.csv", "x\n5\n"))
    np.save(tmp_path / "c.npy", np.zeros((1, 3)))
    with pytest.raises(FileError, match="3 features, but the pool has 2"):
        pool.read_like(tmp_path / "c.npy")


# Writing

ROWS = [
    {"id": "007", "score": 0.1, "n": 1, "t": 'a "b"\r\nc'},
    {"id": "é🙂", "score": np.float32(0.5), "n": np.int64(2), "t": None},
]


def test_formats(tmp_path):
    for ending in ("csv", "json", "jsonl", "parquet"):
        write_table(tmp_path / f"t.{ending}", ROWS)
    text = (tmp_path / "t.csv").read_bytes().decode()
    assert text == 'id,score,n,t\r\n007,0.1,1,"a ""b""\r\nc"\r\né🙂,0.5,2,\r\n'
    plain = [dict(row, score=float(row["score"]), n=int(row["n"])) for row in ROWS]
    assert json.loads((tmp_path / "t.json").read_text("utf-8")) == plain
    lines = (tmp_path / "t.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == plain
    frame = pd.read_parquet(tmp_path / "t.parquet")
    assert frame["id"].tolist() == ["007", "é🙂"] and frame["n"].tolist() == [1, 2]
    write_table(tmp_path / "t.data", ROWS, format="csv")
    assert (tmp_path / "t.data").read_bytes().decode() == text


def test_json_has_no_infinity(tmp_path):
    write_table(tmp_path / "t.json", [{"a": float("inf"), "b": np.float64("nan")}])
    assert json.loads((tmp_path / "t.json").read_text()) == [{"a": None, "b": None}]


@pytest.mark.parametrize(
    ("format", "expected"), [("csv", "a\r\n"), ("json", "[]\n"), ("jsonl", "")]
)
def test_no_rows(tmp_path, format, expected):
    write_table(tmp_path / "t", [], format=format, columns=["a"])
    assert (tmp_path / "t").read_bytes().decode() == expected


def test_standard_output(capfd, monkeypatch):
    write_table(None, [{"a": "é"}])
    assert capfd.readouterr().out == "a\r\né\r\n"
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # as in a notebook
    write_table(None, [{"a": "é"}], format="jsonl")
    assert sys.stdout.getvalue() == '{"a": "é"}\n'


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("t.xlsx", {}, "ends in '.xlsx', must end in .csv"),
        ("t.csv", {"format": "xml"}, "format == 'xml', must be one of"),
        (".", {}, "is a folder"),
        ("none/t.csv", {}, "there is no folder none"),
        (None, {"format": "parquet"}, "needs a file"),
    ],
)
def test_outputs_that_cannot_be(tmp_path, monkeypatch, path, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=message):
        write_table(path, ROWS, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "ending"),
    [
        ([{"a": 1}, {"b": 1}], "csv"),
        ([{"a": object()}], "json"),
        ([{"a": "\ud800"}], "csv"),
        ([{"a": 1}, {"a": "x"}], "parquet"),
    ],
)
def test_rows_that_do_not_fit_leave_the_former_file(tmp_path, rows, ending):
    path = written(tmp_path / f"t.{ending}", "former")
    with pytest.raises(FileError):
        write_table(path, rows)
    assert path.read_text() == "former" and list(tmp_path.iterdir()) == [path]


def test_a_file_keeps_its_permissions_and_a_link_its_target(tmp_path):
    target = written(tmp_path / "target.csv", "former")
    target.chmod(0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(target)
    write_table(link, [{"a": 1}])
    assert link.is_symlink() and target.read_bytes() == b"a\r\n1\r\n"
    assert target.stat().st_mode & 0o777 == 0o640
    mask = os.umask(0o027)
    try:
        write_table(tmp_path / "new.csv", [{"a": 1}])
    finally:
        os.umask(mask)
    assert (tmp_path / "new.csv").stat().st_mode & 0o777 == 0o640


def test_devices_are_written_and_not_replaced():
    write_table(os.devnull, ROWS, format="csv")
    assert not os.path.isfile(os.devnull)
    with pytest.raises(OSError, match="No space left"):
        write_table("/dev/full", ROWS, format="csv")


def test_interrupted_before_the_last_step(tmp_path, monkeypatch):
    path = written(tmp_path / "t.csv", "former")

    def interrupt(*paths):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_table(path, ROWS)
    assert path.read_text() == "former" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_a_full_disk_leaves_the_former_file(tmp_path, ending):
    path = written(tmp_path / f"t.{ending}", "former")
    code = (
        "import sys; from skactive.files import write_table; "
        "write_table(sys.argv[1], [{'a': 'x' * 9000, 'n': i} for i in range(99)])"
    )

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    if ending == "parquet":
        code = code.replace("'x' * 9000", "__import__('os').urandom(900).hex()")
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1 and "File too large" in result.stderr
    assert path.read_text() == "former" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("module", "name", "command"),
    [
        ("pyarrow", "pool.parquet", 'pip install "skactive[files]"'),
        ("PIL.Image", "folder", 'pip install "skactive[images]"'),
    ],
)
def test_a_missing_package_is_named_with_its_command(tmp_path, monkeypatch, module, name, command):
    pd.DataFrame({"x": [1.0]}).to_parquet(tmp_path / "pool.parquet")
    png(tmp_path / "folder" / "a.png")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError) as caught:
        read_pool(tmp_path / name)
    assert command in str(caught.value) and caught.value.__cause__ is not None
