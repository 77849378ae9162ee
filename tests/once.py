"""What takes long to make and never changes, made once in a run: by the first process that needs
it, while the others wait.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import pytest
from command_line import run

if TYPE_CHECKING:
    from onnx import ModelProto

_REMEMBERED_BYTES = 4 << 20


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder that `make` fills; whoever changes what is in it copies it first."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # its own folder is in that of all workers
        base = base.parent
    target = base / "once" / name
    target.parent.mkdir(exist_ok=True)
    with filelock.FileLock(f"{target}.lock"):
        if not target.exists():
            unfinished = target.with_name(f"{name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(target)
    return target


def remembering(export: Callable[..., ModelProto]) -> Callable[..., ModelProto]:
    """Return `export` of a folder, which looks up what it gave of the same files and arguments."""
    import onnx

    given: dict[object, bytes] = {}

    @functools.wraps(export)
    def once(folder: Path, *rest: int) -> ModelProto:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        if sum(path.stat().st_size for path in files) > _REMEMBERED_BYTES:
            return export(folder, *rest)
        key = (rest, *((path.name, hashlib.sha256(path.read_bytes()).digest()) for path in files))
        if key not in given:
            given[key] = export(folder, *rest).SerializeToString()
        return onnx.load_from_string(given[key])

    return once


def initialised(factory: pytest.TempPathFactory, *options: str) -> tuple[Path, str]:
    """Run ``cfedge init ws`` with the real encoder; return the workspace and what was printed."""

    def make(folder: Path) -> None:
        done = _ran(["init", "ws", *options], folder)
        assert done.returncode == 0, done.stderr
        (folder / "printed.txt").write_text(done.stdout, encoding="utf-8")

    folder = made_once(factory, "-".join(["init", *(word.strip("-") for word in options)]), make)
    return folder / "ws", (folder / "printed.txt").read_text("utf-8")


def run_command(
    words: list[str], folder: Path, factory: pytest.TempPathFactory
) -> subprocess.CompletedProcess[str]:
    """Run ``cfedge`` with `words` in `folder`; of ``init ws`` take what a run of it made before."""
    if words[:2] == ["init", "ws"] and not (folder / "ws").exists():
        made, printed = initialised(factory, *words[2:])
        shutil.copytree(made, folder / "ws")
        return subprocess.CompletedProcess(words, 0, printed, "")
    return _ran(words, folder)


def _ran(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = run(*words, folder=folder)
    printed, told = done.stdout.decode(), done.stderr.decode()
    return subprocess.CompletedProcess(words, done.returncode, printed, told)
