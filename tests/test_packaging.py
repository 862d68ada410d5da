"""The wheel holds what it should, and its metadata agrees with the package."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

import skactive

ROOT = Path(__file__).parents[1]
REQUIRED = {"numpy", "scipy", "scikit-learn", "torch", "skorch", "tqdm"}


@pytest.fixture(scope="module")
def wheel_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Built from a copy: setuptools would leave build/ and an egg-info in the checkout,
    # and put whatever an older build/ still holds into the wheel.
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "skactive", source / "skactive", ignore=shutil.ignore_patterns("__pycache__")
    )
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = (source / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheel(wheel_path: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(wheel_path) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = set(wheel.namelist())
    info = f"skactive-{skactive.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"skactive", info}
    assert f"{info}/licenses/LICENSE" in names
    assert "skactive/py.typed" in names
    files = {path for path in (ROOT / "skactive").rglob("*") if path.is_file()}
    own = {path for path in files if "__pycache__" not in path.parts}
    assert {name for name in names if not name.startswith(info)} == {
        str(path.relative_to(ROOT)) for path in own
    }
    # Beside modules only what the page is made of.
    others = {name for name in names if name.startswith("skactive/") and not name.endswith(".py")}
    assert {name.rpartition("/")[0] for name in others - {"skactive/py.typed"}} == {
        "skactive/labelling/static"
    }
    assert {Path(name).suffix for name in others} <= {"", ".typed", ".html", ".css", ".js", ".svg"}


def test_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == skactive.__version__


def test_licence_and_python(metadata):
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata["Requires-Python"] == ">=3.11"


def test_every_requirement_has_a_lower_bound_and_no_cap(metadata):
    requirements = [Requirement(text) for text in metadata.get_all("Requires-Dist")]
    assert {r.name for r in requirements if r.marker is None} == REQUIRED
    for requirement in requirements:
        if requirement.name != "skactive":
            assert [s.operator for s in requirement.specifier] == [">="], str(requirement)


def test_the_oldest_versions_tested_are_the_lower_bounds(metadata):
    pins = re.findall(r"^([\w-]+)==(.+)$", (ROOT / "constraints-oldest.txt").read_text(), re.M)
    oldest = dict(pins)
    for requirement in map(Requirement, metadata.get_all("Requires-Dist")):
        if requirement.name in oldest and requirement.name != "torch":
            (bound,) = (s.version for s in requirement.specifier)
            # The first release of a series need not be ".0": 1.2 admits 1.2.1.
            assert (oldest[requirement.name] + ".").startswith(bound + "."), str(requirement)


@pytest.mark.parametrize("name", skactive.__all__)
def test_every_public_name_has_a_docstring(name):
    assert getattr(skactive, name).__doc__


def test_names_that_are_there_and_one_that_is_not():
    assert set(skactive.__all__) <= set(dir(skactive))
    assert skactive.kernels.__name__ == "skactive.kernels"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = skactive.nothing


def test_the_command_of_an_installed_wheel(wheel_path, tmp_path):
    """In an environment of its own, which borrows the dependencies from this one."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index"]
    run([sys.executable, *install, "--disable-pip-version-check", str(wheel_path)], tmp_path)
    (packages,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "borrowed.pth").write_text("\n".join(sorted(paths)) + "\n")

    where = run([str(python), "-c", "import skactive; print(skactive.__file__)"], tmp_path)
    assert Path(where.strip()).is_relative_to(packages)
    np.save(tmp_path / "x.npy", np.eye(5, dtype=np.float32))
    skactive_command = str(tmp_path / "env" / "bin" / "skactive")
    assert run([skactive_command, "--version"], tmp_path) == f"skactive {skactive.__version__}\n"
    picks = run(
        [skactive_command, "select", "x.npy", "--budget", "2", "--format", "json"], tmp_path
    )
    assert [row["id"] for row in json.loads(picks)] == [0, 1]


def run(command: list[str], folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
