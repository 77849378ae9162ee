"""A backbone small enough to export, train and attack in seconds, and what is made from it, once a
session.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from made import make_encoder, make_workspace
from once import made_once, remembering

if TYPE_CHECKING:
    import desks

ROOT = Path(__file__).parent

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# Hundreds of processes are started: each would compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# readline, which pytest imports, says so what it takes for the terminal's width: tables keep to it.
os.environ.pop("COLUMNS", None)
os.environ.pop("LINES", None)
if "PYTEST_XDIST_WORKER" in os.environ:  # a core for each worker, and for what it starts
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """As many workers as this process may use cores."""
    from cfedge.device import probe

    return probe().cores


class Backwards(pytest.Dir):
    """A folder whose last file is looked at first."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        return reversed(list(super().collect()))


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Every second process begins at the other end: a test file, whose assertions pytest writes
    anew, is compiled by the one that comes to it first, and read by the others.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    if int(worker.removeprefix("gw")) % 2 and ROOT in (path, *path.parents):
        return Backwards.from_parent(parent, path=path)
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded and collected stays to the end: the garbage collector never looks at it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked ``soak`` but where it is asked for: ``make soak`` runs it. Files with
    tests that are marked ``slow`` come first: no process waits long for the last one. Of these the
    last by name begin, which take longest, and of which no two wait for one encoder to be made.
    """
    if "soak" not in config.option.markexpr:
        soaks = {item for item in items if item.get_closest_marker("soak")}
        if soaks:
            items[:] = [item for item in items if item not in soaks]
            config.hook.pytest_deselected(items=list(soaks))
    slow = sorted({item.path for item in items if item.get_closest_marker("slow")}, reverse=True)
    place = {path: number for number, path in enumerate(slow)}
    items.sort(key=lambda item: (place.get(item.path, len(slow)), item.path))


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cache and a key of the session's own, for child processes too."""
    os.environ["CFEDGE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["CFEDGE_KEEP_KEY"] = str(tmp_path_factory.mktemp("key") / "keep.key")


@pytest.fixture(scope="session", autouse=True)
def _unsynced() -> Iterator[None]:
    """No power is cut here but of what is recorded (`powercut`): no disk is waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _built_once() -> Iterator[None]:
    """Typer builds all commands for every call of `CliRunner.invoke`, which takes a tenth of a
    second; they are the same each time.
    """
    import typer.testing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture(scope="session", autouse=True)
def _verified_here() -> Iterator[None]:
    """What is opened for the first time is verified in this process: the start of the child that
    does it is half a second. Where the child is what is tested, `verified_by_a_child` asks for it.
    """
    from here import verify

    from cfedge.runtime import verification

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "verify", verify)
        yield


@pytest.fixture
def verified_by_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening starts the child that it starts elsewhere."""
    from here import IN_A_CHILD

    from cfedge.runtime import verification

    monkeypatch.setattr(verification, "verify", IN_A_CHILD)


@pytest.fixture(scope="session", autouse=True)
def _exported_once() -> Iterator[None]:
    """PyTorch's exporter and ONNX Runtime's fusion give the same graph of the same files each time
    (`test_make_backbone.py`), after most of a second: of small files they are asked once.
    """
    from cfedge_export.architectures.text import fusion

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion, "fused", remembering(fusion.fused))
        yield


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "tiny-encoder", make_encoder)


@pytest.fixture(scope="session")
def _tiny_workspace(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        make_workspace(tiny_folder, folder)

    return made_once(tmp_path_factory, "tiny-workspace", make) / "ws"


@pytest.fixture(scope="session")
def _tiny_bundle(_tiny_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cfedge.train.workspace.folder import WorkspaceFolder
    from cfedge_export.pack import export

    def make(folder: Path) -> None:
        export(WorkspaceFolder(_tiny_workspace), folder / "bundle")

    return made_once(tmp_path_factory, "tiny-bundle", make) / "bundle"


@pytest.fixture
def tiny_workspace(_tiny_workspace: Path, tmp_path: Path) -> Path:
    """A copy of the tiny workspace, free to change."""
    return Path(shutil.copytree(_tiny_workspace, tmp_path / "ws"))


@pytest.fixture
def tiny_bundle(_tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle, free to change."""
    return Path(shutil.copytree(_tiny_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def _tiny_site(_tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from channels import NOW
    from here import publish

    from cfedge.publish.keys import Keys

    site = tmp_path_factory.mktemp("site") / "site"
    keys = Keys.create(site / "keys", site="hq", root_keys=2, root_threshold=1)
    publish(_tiny_bundle, site / "repo", keys, now=NOW)
    return site


@pytest.fixture
def tiny_site(_tiny_site: Path, tmp_path: Path) -> Path:
    """A copy of a site that published the tiny bundle: ``keys`` and ``repo``."""
    return Path(shutil.copytree(_tiny_site, tmp_path / "site"))


@pytest.fixture(scope="session")
def clinc150() -> dict[str, object]:
    """CLINC150 as its source file holds it; skips where the data are not there."""
    root = (
        Path(os.environ.get("CFEDGE_DATA", Path(__file__).parents[2] / "shared" / "data"))
        / "clinc150"
    )
    if not (root / "data_full.json").is_file():
        pytest.skip(f"{root} is not there; set CFEDGE_DATA to the folder that holds clinc150/")
    return {
        "data": json.loads((root / "data_full.json").read_text("utf-8")),
        "domains": json.loads((root / "domains.json").read_text("utf-8")),
    }


@pytest.fixture
def opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., desks.Opened]]:
    """Opens consoles; they are stopped at the end."""
    import desks

    monkeypatch.setenv("CFEDGE_KEEP_KEY", str(tmp_path / "keep.key"))
    started: list[desks.Opened] = []

    def one(*places: Path | None, **options: Any) -> desks.Opened:
        started.append(desks.start(*places, **options))
        return started[-1]

    yield one
    for console in started:
        console.stop()


@pytest.fixture
def console(
    opened: Callable[..., desks.Opened], tiny_bundle: Path, tiny_workspace: Path, tmp_path: Path
) -> desks.Opened:
    """A console with a bundle, its workspace, and an empty folder to keep in."""
    return opened(tiny_bundle, tiny_workspace, tmp_path / "kept")
