"""What is installed and what is shipped: floors above known faults, and one wheel from one source."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
#: The first version without faults that are known, in pyproject.toml with their numbers.
FLOORS = {
    "filelock": "3.20.3",
    "h11": "0.16",
    "onnx": "1.17",
    "pillow": "11.3",
    "scikit-learn": "1.5",
    "starlette": "0.49.1",
    "torch": "2.6",
    "urllib3": "2.6.3",
}
#: What a wheel is made of.
SOURCES = ("cfedge", "devices", "export", "LICENSE", "README.md", "pyproject.toml")


def required() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(one) for lines in (project["dependencies"], *extras) for one in lines]


@pytest.mark.parametrize("name", FLOORS)
def test_no_version_with_a_known_fault_is_accepted(name: str) -> None:
    found = [one for one in required() if one.name == name]
    assert found
    floor = Version(FLOORS[name])
    below = (f"{floor.major}.{floor.minor}.{floor.micro - 1}", f"{floor.major}.{floor.minor - 1}")
    for one in found:
        assert floor in one.specifier
        for version in below:
            if "-" not in version:
                assert Version(version) not in one.specifier


def test_the_constraints_fit_the_floors() -> None:
    pinned = re.findall(r"^([\w.-]+)==([\w.+]+)", (ROOT / "constraints.txt").read_text(), re.M)
    for name, version in pinned:
        for one in required():
            if one.name == name:
                assert Version(version) in one.specifier, f"{name} {version}"


def test_the_wheel_is_the_same_bytes_wherever_and_whenever_it_is_built(tmp_path: Path) -> None:
    digests = set()
    for place, mask in (("one", 0o022), ("another", 0o077)):
        folder = tmp_path / place
        before = os.umask(mask)
        try:
            for name in SOURCES:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
                folder.mkdir(exist_ok=True)
                copy(ROOT / name, folder / name)
        finally:
            os.umask(before)
        for path in folder.rglob("__pycache__"):
            shutil.rmtree(path)
        for path in folder.rglob("*"):
            os.utime(path, (mask * 1e6, mask * 1e6))
        program = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
        environment = {key: value for key, value in os.environ.items() if "EPOCH" not in key}
        done = subprocess.run(
            [sys.executable, "-c", program, str(folder / "dist")],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (wheel,) = (folder / "dist").glob("*.whl")
        digests.add(hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert len(digests) == 1
