"""The workshop's folder: one backbone, its tasks, and the evidence kept with each.

::

    WS/workspace.json             the backbone's record and the tasks' folders; written last, in one step
    WS/backbone/                  trunk.onnx, tail.onnx, tokenizer.json (shipped); train_tail.onnx (what training
                                  sees: de-quantised weights); float_trunk.onnx, float_tail.onnx
                                  (for comparison)
    WS/tasks/<name>-<digest>/     task.json, adapter.safetensors, signature.safetensors, held_out.safetensors
    WS/cache/                     trunk features of the task being learned

A task's folder never changes. Its training data are not kept; its held-out texts are, as evidence
for the certificate, the parity check and the golden vectors, and no training reads them. What the
files mean is for the learner and the exporter.

Letters: D width, C classes, K factor rank, N held-out examples.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.files import dump_arrays, load_arrays, load_note
from cfedge.bundle.manifest import Backbone, canonical_json, typed
from cfedge.errors import (
    CfedgeError,
    DamagedError,
    MissingExtraError,
    SchemaError,
    StorageError,
    TaskError,
    WorkspaceError,
)
from cfedge.lookup import Features, TaskSignature
from cfedge.runtime.encoder import Encoder
from cfedge.storage import new_folder, remove_leftovers, write_file
from cfedge.train.composition import NEW_UNITS
from cfedge.train.data import folded

try:
    import filelock
except ImportError as error:
    raise MissingExtraError("a workspace needs filelock: pip install 'cfedge[add]'") from error

__all__ = ["HeldOut", "LearnedTask", "TaskRecord", "Workspace", "file_name"]

SCHEMA = 1
Floats = NDArray[np.float32]
_Parsed = TypeVar("_Parsed")
_FILES = (
    "trunk.onnx",
    "tail.onnx",
    "tokenizer.json",
    "train_tail.onnx",
    "float_trunk.onnx",
    "float_tail.onnx",
)
_PARTS = ("task.json", "adapter.safetensors", "signature.safetensors", "held_out.safetensors")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FOLDER = re.compile(rf"{_NAME.pattern}-[0-9a-f]{{16}}")


@dataclass(frozen=True)
class HeldOut:
    """Evidence: N texts, their classes int64 [N], the frozen features, and the adapted head's best
    scores float32 [N].
    """

    texts: tuple[str, ...]
    classes: NDArray[np.int64]
    features: Features
    best: Floats


@dataclass(frozen=True)
class TaskRecord:
    """What ``task.json`` says: the task, how it was learned, and on which backbone.

    `transfer` is the share of each earlier task, and of what is new (``new``), in the adapter's
    update; `kept_energy` what folding them into one pair kept of a site's update, at least;
    `repeated` how many held-out texts are, but for case and spaces, among those learned from.
    """

    name: str
    classes: tuple[str, ...]
    examples: int
    base: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    transfer: Mapping[str, float] = dataclasses.field(default_factory=dict)
    kept_energy: float = 1.0
    repeated: int = 0


@dataclass(frozen=True)
class LearnedTask:
    """A task whole: record, adapter and head (float32, by name), signature, held-out evidence."""

    record: TaskRecord
    adapter: Mapping[str, Floats]
    signature: TaskSignature
    held_out: HeldOut


class Workspace:
    """An opened workspace.

    Parameters
    ----------
    folder
        Made by `Workspace.create` (``cfedge init``).

    Raises
    ------
    WorkspaceError
        It is missing, of another schema, or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        index = folder / "workspace.json"
        if not os.path.isfile(index):  # noqa: PTH113 - Path.is_file raises for a name that is too long
            raise WorkspaceError(
                f"{folder}: expected a workspace, found none; make one with: cfedge init {folder}"
            )
        try:
            content = json.loads(index.read_bytes())
            if content["schema"] != SCHEMA:
                raise WorkspaceError(
                    f"{index}: expected schema {SCHEMA}, found {content['schema']!r}; use the"
                    " cfedge that wrote it"
                )
            stated = content.pop("sha256")
            if stated != _seal(content):
                raise ValueError(f"SHA-256 {stated!r:.80} where its content has {_seal(content)}")
            self.backbone = _backbone(content["backbone"])
            self._digests: dict[str, str] = dict(content["files"])
            self._folders: dict[str, str] = dict(content["tasks"])
            if set(self._digests) != set(_FILES) or not all(
                isinstance(digest, str) for digest in self._digests.values()
            ):
                raise ValueError(f"files {sorted(self._digests)}")
            for name, task in self._folders.items():
                if not isinstance(task, str) or not _FOLDER.fullmatch(task):
                    raise ValueError(f"folder {task!r} of task {name!r}")
        except (SchemaError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise WorkspaceError(
                f"{index}: expected a workspace's index, found {type(error).__name__}: {error};"
                " restore it"
            ) from error
        except OSError as error:
            raise StorageError(
                f"{index}: expected to read it, found {error.strerror}; check the disk"
            ) from error

    @classmethod
    def create(cls, folder: Path, backbone: Backbone, files: Mapping[str, bytes]) -> Workspace:
        """Write a new workspace around a prepared backbone; `files` holds the files of
        ``backbone/``.
        """
        assert set(files) == set(_FILES)
        with new_folder(folder) as temporary:
            (temporary / "backbone").mkdir()
            (temporary / "tasks").mkdir()
            for name, data in files.items():
                write_file(temporary / "backbone" / name, data)
            digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
            write_file(temporary / "workspace.json", _index(backbone, digests, {}))
        return cls(folder)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, sorted."""
        return tuple(sorted(self._folders))

    def backbone_file(self, name: str) -> bytes:
        """Read one of the backbone's files and check its digest.

        Raises
        ------
        WorkspaceError
            It is missing or was changed.
        """
        path = self.folder / "backbone" / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise WorkspaceError(
                f"{path}: expected the backbone's file, found {error.strerror}; make the workspace"
                " again"
            ) from error
        found = hashlib.sha256(data).hexdigest()
        if found != self._digests[name]:
            raise WorkspaceError(
                f"{path}: expected SHA-256 {self._digests[name]}, found {found}; make the workspace"
                " again"
            )
        return data

    def encoder(self, *, threads: int = 1, float32: bool = False) -> Encoder:
        """Open the backbone: as it ships, or its float graphs."""
        files = {
            role: self.backbone_file(file_name(role, float32=float32))
            for role in self.backbone.files()
        }
        return Encoder.of(files, self.backbone, threads=threads)

    @cached_property
    def cache(self) -> Path:
        """Folder for trunk features."""
        path = self.folder / "cache"
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{path}: expected to make it, found {error.strerror}; make room or check the"
                " rights"
            ) from error
        return path

    def record(self, name: str) -> TaskRecord:
        """Read a task's record."""
        return self._loaded(name, "task.json", _record)

    def adapter(self, name: str) -> dict[str, Floats]:
        """Read a task's adapter and head."""
        return self._loaded(name, "adapter.safetensors", _adapter)

    def signature(self, name: str) -> TaskSignature:
        """Read a task's signatures, of all stages."""
        width = self.backbone.width
        return self._loaded(
            name,
            "signature.safetensors",
            lambda data, what: TaskSignature.from_arrays(load_arrays(data, what), what, width),
        )

    def held_out(self, name: str) -> HeldOut:
        """Read a task's held-out evidence."""
        return self._loaded(name, "held_out.safetensors", _held_out)

    def task(self, name: str) -> LearnedTask:
        """Read a task whole and check its digest."""
        folder = self._folder(name)
        task = LearnedTask(
            self.record(name), self.adapter(name), self.signature(name), self.held_out(name)
        )
        found = _digest({part: (folder / part).read_bytes() for part in _PARTS})
        if not folder.name.endswith(found):
            raise DamagedError(
                f"{folder}: expected the digest in its name, found {found}: a file was changed;"
                " learn the task again with --replace"
            )
        return task

    def check_new(self, name: str, classes: tuple[str, ...], *, replace: bool) -> None:
        """Refuse a task that cannot be added, before anything is learned.

        Raises
        ------
        TaskError
            The name is malformed or taken, or a label belongs to another task.
        """
        if not _NAME.fullmatch(name):
            raise TaskError(
                "task name: expected lower-case letters, digits, - and _ (at most 64), found"
                f" {name!r}; choose another"
            )
        if name == NEW_UNITS:
            raise TaskError(
                f"task name: expected another than {name!r}, which says what a task reuses of none;"
                " choose another"
            )
        if name in self._folders and not replace:
            raise TaskError(
                f"task {name!r}: expected a new name, found a task of that name; use --replace to"
                " learn it anew"
            )
        if len(classes) < 2:
            raise TaskError(
                f"task {name!r}: expected at least 2 classes, found {len(classes)}"
                f" ({', '.join(classes)}); add another label"
            )
        for label in classes:
            if any("\ud800" <= letter <= "\udfff" for letter in label):
                raise TaskError(
                    f"task {name!r}: expected labels in Unicode, found {label[:40]!r}; rename it"
                )
            if len(label) > 200:
                raise TaskError(
                    f"task {name!r}: expected labels of at most 200 characters, found {len(label)}"
                    f" ({label[:40]!r}...)"
                )
        seen: dict[str, str] = {}
        for label in classes:
            if (alike := seen.setdefault(folded(label), label)) != label:
                raise TaskError(
                    f"task {name!r}: expected labels that differ by more than case and spaces,"
                    f" found {alike!r} and {label!r}; make them one"
                )
        _check_apart(
            name,
            classes,
            {other: self.record(other).classes for other in self.tasks if other != name},
        )

    def check_several(self, tasks: Mapping[str, tuple[str, ...]], *, replace: bool) -> None:
        """Refuse tasks, classes by name, that cannot be added together; errors as of `check_new`."""
        earlier: dict[str, tuple[str, ...]] = {}
        for name, classes in tasks.items():
            self.check_new(name, classes, replace=replace)
            _check_apart(name, classes, earlier)
            earlier[name] = classes

    def put(self, task: LearnedTask, *, replace: bool = False) -> None:
        """Add a learned task, or put it in the place of one of the same name, in one step."""
        record = task.record
        parts = {
            "task.json": canonical_json(dataclasses.asdict(record)),
            "adapter.safetensors": dump_arrays(task.adapter),
            "signature.safetensors": dump_arrays(task.signature.arrays()),
            "held_out.safetensors": dump_arrays(
                {
                    "classes": task.held_out.classes,
                    "best": task.held_out.best,
                    **task.held_out.features._asdict(),
                },
                {"texts": task.held_out.texts},
            ),
        }
        folder = f"{record.name}-{_digest(parts)}"
        with self.locked():
            self.check_new(record.name, record.classes, replace=replace)
            target = self.folder / "tasks" / folder
            if not _holds(target, parts):
                with new_folder(target, replace=True) as temporary:
                    for name, data in parts.items():
                        write_file(temporary / name, data)
            try:
                self._point({**self._folders, record.name: folder})
            except CfedgeError:
                if self._folders.get(record.name) != folder:
                    shutil.rmtree(target, ignore_errors=True)
                raise

    def remove(self, name: str) -> None:
        """Remove a task; nothing of the others changes.

        Raises
        ------
        TaskError
            There is no such task.
        """
        self._folder(name)
        with self.locked():
            self._point({key: folder for key, folder in self._folders.items() if key != name})

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace for writing; the index is read anew.

        Raises
        ------
        WorkspaceError
            Another process holds it.
        """
        lock = filelock.FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise WorkspaceError(
                f"{self.folder}: expected it free for writing, found another cfedge at work; try"
                " again when it ends"
            ) from error
        except OSError as error:
            raise WorkspaceError(
                f"{self.folder}: expected to write there, found {error.strerror}; check the disk"
                " and rights"
            ) from error
        try:
            self._folders = Workspace(self.folder)._folders
            yield
        finally:
            lock.release()

    def _point(self, folders: dict[str, str]) -> None:
        """Make `folders` the tasks; then delete task folders that nothing points to."""
        write_file(self.folder / "workspace.json", _index(self.backbone, self._digests, folders))
        self._folders = folders
        remove_leftovers(self.folder)
        for path in (self.folder / "tasks").iterdir():
            if path.name not in folders.values():
                shutil.rmtree(path, ignore_errors=True)

    def _folder(self, name: str) -> Path:
        if name not in self._folders:
            raise TaskError(
                f"task: expected one of {', '.join(self.tasks) or 'none yet'}, found {name!r}; see:"
                f" cfedge list {self.folder}"
            )
        return self.folder / "tasks" / self._folders[name]

    def _loaded(self, name: str, file: str, parse: Callable[[bytes, str], _Parsed]) -> _Parsed:
        path = self._folder(name) / file
        try:
            return parse(path.read_bytes(), str(path))
        except OSError as error:
            raise DamagedError(
                f"{path}: expected the task's file, found {error.strerror}; learn the task again"
                " with --replace"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(
                f"{path}: expected the task's file, found {error}; learn the task again with"
                " --replace"
            ) from error


def file_name(role: str, *, float32: bool = False) -> str:
    """Return the name in ``backbone/`` of what `Backbone.files` calls `role`."""
    if role not in ("trunk", "tail"):
        return f"{role}.json"
    return f"{'float_' if float32 else ''}{role}.onnx"


def _check_apart(name: str, classes: Iterable[str], others: Mapping[str, Iterable[str]]) -> None:
    """Refuse a task with a label of another one, but for case and spaces: an answer names a label,
    and two tasks would share it.

    Raises
    ------
    TaskError
        Naming the first label and the other task.
    """
    mine = {folded(label): label for label in sorted(classes, reverse=True)}
    for other, theirs in others.items():
        shared = sorted((mine[folded(label)], label) for label in theirs if folded(label) in mine)
        if shared:
            label, alike = shared[0]
            found = (
                f"{label!r} in task {other!r} too"
                if label == alike
                else f"{label!r} where task {other!r} has {alike!r}"
            )
            raise TaskError(
                f"task {name!r}: expected labels that no other task has, found {found}; rename it"
            )


def _digest(parts: Mapping[str, bytes]) -> str:
    """What a task's folder ends with: 16 digits of the digest of its files."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    return hashlib.sha256(canonical_json(digests)).hexdigest()[:16]


def _holds(folder: Path, parts: Mapping[str, bytes]) -> bool:
    with contextlib.suppress(OSError):
        return all((folder / name).read_bytes() == data for name, data in parts.items())
    return False


def _index(backbone: Backbone, digests: Mapping[str, str], tasks: Mapping[str, str]) -> bytes:
    content = {
        "schema": SCHEMA,
        "backbone": dataclasses.asdict(backbone),
        "files": dict(digests),
        "tasks": dict(tasks),
    }
    return canonical_json({**content, "sha256": _seal(content)})


def _seal(content: dict[str, Any]) -> str:
    """The digest of the index without its own."""
    return hashlib.sha256(canonical_json(json.loads(canonical_json(content)))).hexdigest()


def _backbone(content: dict[str, Any]) -> Backbone:
    backbone: Backbone = typed(Backbone, content, "backbone")
    return backbone


def _record(data: bytes, what: str) -> TaskRecord:
    content = json.loads(data)
    return TaskRecord(**{**content, "classes": tuple(content["classes"])})


def _adapter(data: bytes, what: str) -> dict[str, Floats]:
    return {
        name: array.astype(np.float32, copy=False)
        for name, array in load_arrays(data, what).items()
    }


def _held_out(data: bytes, what: str) -> HeldOut:
    arrays = load_arrays(data, what)
    texts = load_note(data, what)["texts"]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TypeError("texts that are no list of texts")
    return HeldOut(
        tuple(texts),
        arrays["classes"].astype(np.int64, copy=False),
        Features(
            arrays["trunk"].astype(np.float32, copy=False),
            arrays["tail"].astype(np.float32, copy=False),
        ),
        arrays["best"].astype(np.float32, copy=False),
    )
