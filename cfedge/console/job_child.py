"""Make one change ready, in a process of its own: ``python -m cfedge.console.job_child JOB WS``, the
examples on standard input.

The workspace is copied by names, the copy is changed and exported, and both states are certified.
Nothing that answers is touched. It is nice to what answers: the lowest priority, one thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import numpy as np

from cfedge.bundle.arrays import load_arrays, load_note
from cfedge.console.before_after import Figures, compared, is_worse, rows_as_json
from cfedge.console.change import Change, apply, parse
from cfedge.console.copies import copy_folder
from cfedge.errors import CfedgeError, TaskError
from cfedge.plain_files import read_plain
from cfedge.storage import write_file

if TYPE_CHECKING:
    from cfedge.train.certify.certificates import Certificates
    from cfedge.train.certify.task_certificate import TaskCertificate
    from cfedge.train.examples.examples import Examples
    from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["WITHOUT", "main", "prepare"]

#: Of a workspace, what its copies leave out.
WITHOUT = ("console", "cache", ".lock", "exports")
_NICE = 15
_WRITTEN_S = 0.3


class FileProgress:
    """`cfedge.progress.Progress` in a file that the console reads."""

    def __init__(self, path: Path) -> None:
        self._path, self._last = path, 0.0

    @contextmanager
    def track(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Begin a stage."""
        begun, done = time.monotonic(), 0
        self._write(title, 0, total, None)

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            now = time.monotonic()
            if now - self._last >= _WRITTEN_S or done >= total:
                self._last = now
                left = (now - begun) / done * max(0, total - done) if done else None
                self._write(title, done, total, left)

        yield advance

    def _write(self, title: str, done: int, total: int, left: float | None) -> None:
        if (self._path.parent / "decided.json").exists():
            raise TaskError("teach: expected somebody to wait for it, found that it was dropped")
        note = {"stage": title, "done": done, "total": total, "left_s": left, "at": time.time()}
        with contextlib.suppress(CfedgeError):  # a full disk is the result's to say
            write_file(self._path, json.dumps(note).encode())


def main() -> None:
    """Run, and leave a result whatever happens."""
    folder, workspace = Path(sys.argv[1]), Path(sys.argv[2])
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_NICE)
    with filelock.FileLock(folder / "alive.lock"):
        content = sys.stdin.buffer.read()
        try:
            result = prepare(folder, workspace, content)
        except CfedgeError as error:
            result = {"error": " ".join(str(error).split())[:2_000]}
        except ImportError as error:
            result = {
                "error": f"could not teach: {error.name} is not installed; pip install"
                " 'cfedge[export]'"
            }
        if "error" in result or (folder / "decided.json").exists():
            for part in ("ws", "bundle"):  # they take room that may be wanting
                shutil.rmtree(folder / part, ignore_errors=True)
        write_file(folder / "result.json", json.dumps(result).encode())


def prepare(folder: Path, workspace: Path, content: bytes) -> dict[str, Any]:
    """Make a job's workspace and bundle, and return what the change costs.

    Raises
    ------
    CfedgeError
        It cannot be made; nothing that answers was touched.
    """
    from cfedge.runtime.verification import verify_once
    from cfedge.train.certify.certificates import certificates
    from cfedge.train.workspace.folder import WorkspaceFolder
    from cfedge_export.pack import export

    progress = FileProgress(folder / "progress.json")
    request = json.loads(read_plain(folder / "request.json"))
    change = parse(request["change"])
    begun = time.monotonic()
    with progress.track("copying the workspace", 1):
        copy_folder(workspace, folder / "ws", without=WITHOUT)
    copy = WorkspaceFolder(folder / "ws")
    index = _index(copy)
    with progress.track("certificates before", 1):
        before = certificates(copy, of=())
    examples = _examples(content, copy) if change.is_taught else None
    apply(copy, change, examples, threads=1, progress=progress)
    with progress.track("certificates after", 1):
        after = certificates(copy)
    exported = export(
        copy,
        folder / "bundle",
        synthetic_golden=bool(request.get("synthetic_golden")),
        by_torch=False,  # which no gate looks at
        progress=progress,
    )
    with progress.track("golden vectors", 1):  # it opens at once when it is switched on
        verify_once(folder / "bundle", exported.bundle.manifest, threads=1)
    sizes = {
        one.name: one.adapter.size + one.signature.size + one.golden.size
        for one in exported.bundle.manifest.tasks
    }
    return {
        "base": index,
        "seconds": time.monotonic() - begun,
        "bytes": exported.size_bytes,
        **_told(change, before, after, sizes),
    }


def _index(workspace: WorkspaceFolder) -> str:
    import hashlib

    from cfedge.train.workspace.files import index_bytes

    return hashlib.sha256(index_bytes(workspace.folder)[0]).hexdigest()


def _examples(content: bytes, workspace: WorkspaceFolder) -> Examples:
    from cfedge.train.examples.arrays import from_arrays

    arrays, note = load_arrays(content, "examples"), load_note(content, "examples")
    notes, labels = note["inputs"], note["labels"]
    assert isinstance(notes, list)
    assert isinstance(labels, list)
    inputs = workspace.stored.load(arrays, notes, "examples")
    return from_arrays(inputs, labels, "the selection", workspace.kind)


def _told(
    change: Change, before: Certificates, after: Certificates, sizes: dict[str, int]
) -> dict[str, Any]:
    """What a person should see before deciding."""
    from cfedge.train.certify.advice import advice

    name = change.new if change.kind == "rename" and change.new else change.task
    was = {"new task": None, "rename": change.task}.get(change.kind, name)
    rows = compared(_figures(before), _figures(after), {name: was})
    certified = after.tasks.get(name)
    return {
        "rows": rows_as_json(rows),
        "worse": is_worse(rows),
        "task_bytes": sizes.get(name, 0),
        "method": certified.method if certified else None,
        "advice": advice(after.of([name])) if certified else [],
        "outlook": _outlook(certified) if certified and change.is_taught else None,
    }


def _figures(certified: Certificates) -> dict[str, Figures]:
    return {
        name: Figures(
            held_out=one.answers.held_out,
            right=one.answers.right,
            unknown=sum(row.unknown for row in one.answers.classes.values()),
            wrong_answer_at_most=one.answers.wrong_answer_at_most,
            wrong_task_at_most=one.certificate.wrong_task_at_most,
            classes=len(one.labels),
        )
        for name, one in certified.tasks.items()
    }


def _outlook(certified: TaskCertificate) -> dict[str, Any] | None:
    """How many more examples would bring what, from the learning curve."""
    from dataclasses import asdict

    from cfedge.train.features.curve import outlook

    held_out = certified.answers.held_out
    found = outlook(certified.curve, held_out, np.random.default_rng(0))
    if found is None:
        return None
    points = [
        {"examples": point.examples, "error": 1 - point.right / held_out}
        for point in certified.curve
    ]
    return {"points": points, **asdict(found)}


if __name__ == "__main__":
    main()
