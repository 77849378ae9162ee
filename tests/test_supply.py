"""What is installed and what is shipped: floors above known faults, and one wheel from one source."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from every import cases
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
#: The first version without faults that are known, in pyproject.toml with their numbers.
FLOORS = {
    "cryptography": "50.0",
    "distributed": "2026.1",
    "filelock": "3.20.3",
    "h11": "0.16",
    "onnx": "1.21",
    "pillow": "12.3",
    "pyarrow": "23.0.1",
    "scikit-learn": "1.5",
    "starlette": "1.3.1",
    "torch": "2.10",
    "tuf": "7.0.1",
    "urllib3": "2.7",
}
#: What a wheel is made of.
SOURCES = ("cfedge", "devices", "export", "LICENSE", "README.md", "pyproject.toml")


def required() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(one) for lines in (project["dependencies"], *extras) for one in lines]


@cases("name", FLOORS)
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


#: Every pin of the lists with hashes, and their options.
LISTS = {
    path.name: re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", path.read_text("utf-8"), flags=re.M).strip())
    for path in sorted((ROOT / "requirements").glob("*.txt"))
}  # fmt: skip


def _pin(text: str) -> Requirement:
    return Requirement(text.partition("\\")[0])


@cases("name", LISTS)
def test_every_line_that_is_installed_is_one_version_with_hashes(name: str) -> None:
    for text in LISTS[name]:
        (one,) = _pin(text).specifier
        assert one.operator == "==", text
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\s*$", text), text


def test_the_lists_say_what_the_constraints_say() -> None:
    stated: dict[str, set[str]] = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            one = Requirement(line)
            stated.setdefault(canonicalize_name(one.name), set()).add(str(one.specifier))
    for pin in (_pin(text) for texts in LISTS.values() for text in texts):
        versions = stated.get(canonicalize_name(pin.name), {str(pin.specifier)})
        assert str(pin.specifier).removesuffix("+cpu") in versions, f"{pin}: run make lock"


def test_make_install_takes_what_readme_and_the_tutorials_ask_for() -> None:
    """Their commands run where nothing else was installed."""
    needed = {
        "console": "console",
        "export": "export",
        "keys": "publish",
        "publish": "publish",
        "sync": "sync",
    }
    pages = (ROOT / "README.md", *sorted((ROOT / "docs").glob("tutorial*.md")))
    asked = {
        needed[word]
        for page in pages
        for word in re.findall(r"cfedge (\w+)", page.read_text("utf-8"))
        if word in needed
    }
    assert asked == {"console", "export", "publish", "sync"}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    listed = {canonicalize_name(_pin(text).name) for texts in LISTS.values() for text in texts}
    for extra in asked:
        for one in map(Requirement, extras[extra]):
            assert one.name == "cfedge" or canonicalize_name(one.name) in listed, f"{extra}: {one}"


def test_what_transformers_would_load_code_with_is_not_installed() -> None:
    """CVE-2026-4372: of a configuration that names an attention on the hub."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    lines += [line for texts in LISTS.values() for line in texts]
    names = {re.split(r"[=\s]", line)[0] for line in lines} | {one.name for one in required()}
    assert "kernels" not in names
    assert "transformers" in names


def test_the_lists_hold_what_the_demo_requires() -> None:
    listed = {canonicalize_name(_pin(text).name): _pin(text) for text in LISTS["demo.txt"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    lines = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    wanted = ["demo"]
    for extra in wanted:
        for line in extras[extra]:
            one = Requirement(line)
            wanted += one.extras if one.name == "cfedge" else []
            lines += [] if one.name in ("cfedge", "torch") else [line]
    for line in lines:
        one = Requirement(line)
        (pin,) = listed[canonicalize_name(one.name)].specifier
        assert Version(pin.version) in one.specifier, f"{line}: run make lock"
    for name in ("torch.txt", "torch-cpu.txt"):
        assert any(text.startswith("torch==") for text in LISTS[name])


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
