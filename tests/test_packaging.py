"""The wheel holds what it should, and its metadata agrees with the package."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import skactive

ROOT = Path(__file__).parents[1]
REQUIRED = {"numpy", "scipy", "scikit-learn", "torch", "skorch", "tqdm"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
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
    with zipfile.ZipFile(path) as archive:
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
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "skactive").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules


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
