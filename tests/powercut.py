"""A power cut, made of a recording: what changed a folder is noted as it happens, and replayed as a
disk may have kept it.

The model is the weakest that POSIX allows. Bytes of a file are safe once that file was synced,
names once the folder that holds them was. Until then each file and each name is on its own: the
bytes may be those of before, all, half of them, or zeros of the right length; a name may be what it
was at any time since, whatever became of other names, also of the other one of a rename.
"""

from __future__ import annotations

import builtins
import errno
import io
import itertools
import os
import random
import signal
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

#: What a folder holds: bytes of files, None for folders, by path.
Tree = dict[str, bytes | None]


@dataclass(frozen=True)
class Op:
    """One change, on paths below the root; `name` is where a rename ends, `node` which file or
    folder it is about.
    """

    kind: str
    path: str
    name: str = ""
    node: int = 0
    at: int = 0
    data: bytes = b""


@dataclass
class _Node:
    """A file's contents, or a folder's names with what they were, since it was last synced; the
    last is what a program reads.
    """

    folder: bool
    data: list[bytes] = field(default_factory=lambda: [b""])
    names: dict[str, list[int | None]] = field(default_factory=dict)


class Model:
    """A disk below one folder."""

    def __init__(self, tree: Tree | None = None) -> None:
        self.nodes = [_Node(True)]
        for path, data in sorted((tree or {}).items()):
            self.apply(Op("create" if data is not None else "mkdir", path))
            if data:
                self.apply(Op("write", path, node=len(self.nodes) - 1, data=data))
        for number in range(len(self.nodes)):
            self.apply(Op("sync", "", node=number))

    def find(self, path: str) -> int | None:
        """The node of a path; None where there is none."""
        at: int | None = 0
        for part in Path(path).parts:
            at = self.nodes[at].names.get(part, [None])[-1] if at is not None else None
        return at

    def apply(self, op: Op) -> None:
        """Let `op` happen, in memory."""
        if op.kind in ("create", "mkdir"):
            self.nodes.append(_Node(op.kind == "mkdir"))
            self._name(op.path, len(self.nodes) - 1)
        elif op.kind == "write":
            data = self.nodes[op.node].data
            before = data[-1].ljust(op.at, b"\0")
            data.append(before[: op.at] + op.data + before[op.at + len(op.data) :])
        elif op.kind == "truncate":
            self.nodes[op.node].data.append(self.nodes[op.node].data[-1][: op.at])
        elif op.kind == "rename":
            moved = self.find(op.path)
            self._name(op.path, None)
            self._name(op.name, moved)
        elif op.kind == "unlink":
            self._name(op.path, None)
        else:
            node = self.nodes[op.node]
            node.data = node.data[-1:]
            node.names = {name: was[-1:] for name, was in node.names.items() if was[-1] is not None}

    def tree(self, choices: dict[tuple[int, str | None], int | bytes | None] | None = None) -> Tree:
        """What is there: as a program reads it, or with names and contents chosen otherwise."""
        chosen = choices or {}
        touched = {number for number, _ in chosen}
        found: Tree = {}
        open_ends: list[tuple[int, str]] = [(0, "")]
        while open_ends:
            number, path = open_ends.pop()
            for name, was in self.nodes[number].names.items():
                child = chosen.get((number, name), was[-1]) if number in touched else was[-1]
                if not isinstance(child, int):
                    continue
                where, node = f"{path}/{name}" if path else name, self.nodes[child]
                if node.folder:
                    found[where] = None
                    open_ends.append((child, where))
                else:
                    found[where] = chosen.get((child, None), node.data[-1])  # type: ignore[assignment]
        return found

    def cuts(self, rng: random.Random, most: int = 48) -> Iterator[Tree]:
        """What a power cut may leave: every combination up to `most`, otherwise the extremes, each
        alone, and draws.
        """
        items: list[tuple[tuple[int, str | None], list[Any]]] = []
        for number, node in enumerate(self.nodes):
            found: list[tuple[tuple[int, str | None], list[Any]]] = [
                ((number, name), _options(was)) for name, was in node.names.items()
            ]
            if len(node.data) > 1:
                found.append(((number, None), _contents(node.data)))
            items += [(key, options) for key, options in found if len(options) > 1]
        count = 1
        for _, options in items:
            count *= len(options)
        if count <= most:
            for combination in itertools.product(*(options for _, options in items)):
                yield self.tree(dict(zip((key for key, _ in items), combination, strict=True)))
            return
        old = {key: options[0] for key, options in items}
        new = {key: options[-1] for key, options in items}
        yield self.tree(old)
        yield self.tree(new)
        for key, options in items:
            for option in options:
                yield self.tree({**old, key: option})
                yield self.tree({**new, key: option})
        for _ in range(most):
            yield self.tree({key: rng.choice(options) for key, options in items})

    def _name(self, path: str, node: int | None) -> None:
        where, _, name = path.rpartition("/")
        folder = self.find(where)
        assert folder is not None, path
        self.nodes[folder].names.setdefault(name, [None]).append(node)


def _options(values: list[Any]) -> list[Any]:
    """Each once, the first one first and the last one last."""
    return [*dict.fromkeys(value for value in values if value != values[-1]), values[-1]]


def _contents(data: list[bytes]) -> list[bytes]:
    """What a file may hold: what was safe, nothing, half of it, zeros, what it held in between, all
    of it.
    """
    last = data[-1]
    return _options([data[0], b"", last[: len(last) // 2], bytes(len(last)), *data])


class Disk:
    """The real disk below `root`, noting what changes it; each change, and each opening, is a step
    that can be refused.

    Parameters
    ----------
    root
        Must exist; only what happens below is noted.
    model
        What is there already, and how much of it is safe; otherwise all of it is.
    on_step
        Called with each step's name and path, before it is done: raise to refuse it.
    """

    def __init__(
        self,
        root: Path,
        model: Model | None = None,
        on_step: Callable[[str, str], None] = lambda kind, path: None,
    ) -> None:
        self.root = root.absolute()
        self.model = model or Model(tree(root))
        self.ops: list[Op] = []
        self.steps: list[str] = []
        self._on_step = on_step
        self._handles: dict[int, int] = {}
        self._patch = pytest.MonkeyPatch()
        self._real = {name: getattr(os, name) for name in ("open", "write", "fsync", "mkdir")}
        self._open = io.open

    def __enter__(self) -> Disk:
        for name in ("replace", "rename"):
            self._patch.setattr(os, name, self._renaming(getattr(os, name)))
        for name in ("unlink", "remove", "rmdir"):
            self._patch.setattr(os, name, self._removing(getattr(os, name)))
        for name in ("symlink", "link", "truncate", "ftruncate"):
            self._patch.setattr(os, name, _never)
        self._patch.setattr(os, "chmod", self._chmod(os.chmod))
        for name, fake in (
            ("open", self._os_open),
            ("write", self._os_write),
            ("fsync", self._fsync),
            ("mkdir", self._mkdir),
        ):
            self._patch.setattr(os, name, fake)
        self._patch.setattr(io, "open", self._io_open)
        self._patch.setattr(builtins, "open", self._io_open)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._patch.undo()

    def note(self, op: Op) -> None:
        """Note what is about to happen."""
        self.ops.append(op)
        self.model.apply(op)

    def step(self, kind: str, path: str) -> None:
        """Count a step, which may be refused."""
        self.steps.append(f"{kind} {path}")
        self._on_step(kind, path)

    def _below(self, path: Any) -> str | None:
        """A path below the root; None for others, and for handles."""
        if not isinstance(path, str | os.PathLike):
            return None
        whole = Path(os.path.normpath(os.path.abspath(path)))  # noqa: PTH100 - Path.absolute keeps ..
        return (
            whole.relative_to(self.root).as_posix().removeprefix(".")
            if whole.is_relative_to(self.root)
            else None
        )

    def _os_open(self, path: Any, flags: int, *rest: Any, **more: Any) -> int:
        below = self._below(path)
        # What is not there is only looked for: that is no step.
        if below is None or (self.model.find(below) is None and not flags & os.O_CREAT):
            handle = int(self._real["open"](path, flags, *rest, **more))
            self._handles.pop(handle, None)
            return handle
        new = self.model.find(below) is None
        self.step("create" if new and flags & os.O_CREAT else "open", below)
        handle = int(self._real["open"](path, flags, *rest, **more))
        if new:
            self.note(Op("create", below, node=len(self.model.nodes)))
        node = self.model.find(below)
        assert node is not None
        if flags & os.O_TRUNC and self.model.nodes[node].data[-1]:
            self.note(Op("truncate", below, node=node))
        self._handles[handle] = node
        return handle

    def _os_write(self, handle: int, data: Any) -> int:
        node = self._handles.get(handle)
        if node is None:
            return int(self._real["write"](handle, data))
        self.step("write", "")
        before = os.fstat(handle).st_size
        written = int(self._real["write"](handle, data))
        self.note(Op("write", "", node=node, at=max(before, 0), data=bytes(data)[:written]))
        assert os.fstat(handle).st_size == before + written, "os.write: expected to append only"
        return written

    def _fsync(self, handle: int) -> None:
        node = self._handles.get(handle)
        if node is None:
            return self._real["fsync"](handle)
        path = next((path for path, number in self._paths() if number == node), "")
        self.step("fsync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "fsync", path)
        self.note(Op("sync", path, node=node))

    def _mkdir(self, path: Any, *rest: Any, **more: Any) -> None:
        below = self._below(path)
        if below is not None and self.model.find(below) is None:
            self.step("mkdir", below)
        self._real["mkdir"](path, *rest, **more)
        if below is not None:
            self.note(Op("mkdir", below, node=len(self.model.nodes)))

    def _renaming(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(source: Any, target: Any, **more: Any) -> None:
            one, other = self._below(source), self._below(target)
            if one is None or other is None:
                assert one == other, "a rename into or out of the root"
                return real(source, target, **more)
            self.step("rename", other)
            real(source, target, **more)
            self.note(Op("rename", one, other))

        return call

    def _removing(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(path: Any, **more: Any) -> None:
            assert more.get("dir_fd") is None, "removing by handle is not modelled"
            below = self._below(path)
            if below is not None and self.model.find(below) is not None:
                self.step("unlink", below)
            real(path, **more)
            if below is not None:
                self.note(Op("unlink", below))

        return call

    def _chmod(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(path: Any, *rest: Any, **more: Any) -> None:
            below = self._below(path)
            if below is not None:
                self.step("chmod", below)
            real(path, *rest, **more)

        return call

    def _io_open(
        self, file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None,
        newline: Any = None, closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        writing = bool(set(mode) & set("wax+"))
        if isinstance(file, int):
            if not writing or file not in self._handles:
                return self._open(file, mode, buffering, encoding, errors, newline, closefd, opener)
            handle = file
        elif self._below(file) is None:
            return self._open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        elif not writing:
            if self.model.find(self._below(file) or "") is not None:
                self.step("open", self._below(file) or "")
            return self._open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        else:
            flags = {
                "w": os.O_CREAT | os.O_TRUNC,
                "a": os.O_CREAT | os.O_APPEND,
                "x": os.O_CREAT | os.O_EXCL,
                "r": 0,
            }
            kind = os.O_RDWR if "+" in mode else os.O_WRONLY
            handle = self._os_open(file, kind | flags[mode[0]], 0o666)
        raw = _Raw(self, handle, self._handles[handle], mode)
        return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

    def _paths(self) -> Iterator[tuple[str, int]]:
        yield "", 0
        for path in self.model.tree():
            yield path, self.model.find(path) or 0


class _Raw(io.FileIO):
    """A file's handle that notes what is written."""

    def __init__(self, disk: Disk, handle: int, node: int, mode: str) -> None:
        self._disk, self._node = disk, node
        super().__init__(handle, mode.replace("b", ""))

    def write(self, data: Any) -> int:
        self._disk.step("write", "")
        at = os.fstat(self.fileno()).st_size if "a" in self.mode else self.tell()
        written = super().write(data) or 0
        self._disk.note(Op("write", "", node=self._node, at=at, data=bytes(data)[:written]))
        return written

    def truncate(self, size: int | None = None) -> int:
        self._disk.step("truncate", "")
        size = self.tell() if size is None else size
        done = super().truncate(size)
        self._disk.note(Op("truncate", "", node=self._node, at=size))
        return done


def _never(*rest: Any, **more: Any) -> None:
    raise AssertionError("this call is not modelled")


def tree(root: Path) -> Tree:
    """All that is below `root`."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


def build(root: Path, what: Tree) -> None:
    """Make a folder of it."""
    root.mkdir()
    for path, data in sorted(what.items()):
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)


def refusing(at: int, number: int, *, lasting: bool = False) -> Callable[[str, str], None]:
    """Refuse step `at`, from 1, with the error of that number; with `lasting` every later one too."""
    seen = 0

    def on_step(kind: str, path: str) -> None:
        nonlocal seen
        seen += 1
        if seen == at or (lasting and seen > at):
            raise OSError(number, os.strerror(number), path)

    return on_step


def killing(at: int) -> Callable[[str, str], None]:
    """Kill this process at step `at`, from 1."""
    seen = 0

    def on_step(kind: str, path: str) -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


#: What a full disk, a broken one and one that became read-only say.
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS)
