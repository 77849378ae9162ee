"""Changes that are made ready in processes of their own, and what is known of them: on the disk, so
that a closed browser or an ended console loses none.

::

    STATE/deciding.lock           held by the console that begins, switches or drops: one at a time
    STATE/jobs/<id>/request.json  what was asked for
    STATE/jobs/<id>/progress.json stage, steps and time left; written while it works
    STATE/jobs/<id>/result.json   what became of it: before and after, or why not
    STATE/jobs/<id>/decided.json  that a person let it answer, took it back, or dropped it
    STATE/jobs/<id>/ws, bundle    the workspace and the bundle with the change made
    STATE/jobs/<id>/before        those of before, from the moment that it answers

The process holds ``alive.lock`` of its job for its life: what is neither held nor has a result died.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cfedge.console.change import Change, in_words
from cfedge.console.job import Job, Labelled, dumped, is_alive, read_note, why_died
from cfedge.console.turn import alone
from cfedge.errors import StorageError, TaskError, UsageError
from cfedge.inputs.modality import Stored
from cfedge.storage import new_folder, write_file

__all__ = ["Jobs"]

#: Of a job: when it began, and what tells it from another of that moment.
_NAME = re.compile(r"[0-9]{1,20}-[0-9a-f]{1,16}")
#: Jobs whose record stays; older ones that do not answer go when a new one begins.
_KEPT = 20
#: That a process which is stopped is waited for.
_END_S = 10.0


class Jobs:
    """The jobs of one state folder.

    Parameters
    ----------
    state
        Made where there is none.
    workspace
        Whose copies are changed.
    synthetic_golden
        As of `cfedge_export.pack.export`: no held-out input travels with a bundle.
    """

    def __init__(self, state: Path, workspace: Path, *, synthetic_golden: bool = False) -> None:
        self._synthetic = synthetic_golden
        self.state, self._workspace, self._folder = state, workspace, state / "jobs"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"could not make {self._folder}: {error.strerror}; check the disk and rights"
            ) from error
        #: Those that this console began, by the name of their job.
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def begin(self, change: Change, examples: Labelled | None, stored: Stored) -> Job:
        """Begin to make a change ready.

        Raises
        ------
        TaskError
            Another one is being made ready.
        StorageError
            The disk refused; nothing was begun.
        """
        with alone(self.state):
            return self._begun(change, examples, stored)

    def _begun(self, change: Change, examples: Labelled | None, stored: Stored) -> Job:
        self._tidy()
        if any(job.state == "working" for job in self.all()):
            raise TaskError(
                "teach: expected nothing else that is being taught, found a job at work; wait for"
                " it, or stop it in Teach"
            )
        name = f"{int(time.time() * 1000):013d}-{secrets.token_hex(4)}"
        count = len(examples.labels) if examples else 0
        request = {
            "change": asdict(change),
            "heading": in_words(change, count),
            "begun": time.time(),
            "synthetic_golden": self._synthetic,
            "examples": count,
            "numbers": list(examples.numbers) if examples else [],
        }
        with new_folder(self._folder / name) as temporary:
            write_file(temporary / "request.json", json.dumps(request).encode())
        self._start(self._folder / name, dumped(examples, stored))
        return self.one(name)

    def _start(self, folder: Path, content: bytes) -> None:
        """Start the process; the examples go through its standard input, so that no disk has them."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        try:
            log = (folder / "log.txt").open("wb")
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "cfedge.console.job_child",
                    str(folder),
                    str(self._workspace),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **threads, "HF_HUB_OFFLINE": "1"},
                start_new_session=True,  # Ctrl-C ends the console, not what it teaches
            )
            log.close()
        except OSError as error:
            raise StorageError(
                f"could not begin to teach: {error.strerror or error}; free memory or processes"
            ) from error
        self.processes[folder.name] = process
        assert process.stdin is not None
        try:
            process.stdin.write(content)
            process.stdin.close()
        except OSError:
            pass  # it ended already: its job says so

    def all(self) -> list[Job]:
        """Return the jobs, the newest first."""
        try:
            names = sorted((path.name for path in self._folder.iterdir()), reverse=True)
        except OSError as error:
            raise StorageError(
                f"could not list {self._folder}: {error.strerror}; check the disk"
            ) from error
        return [self.one(name) for name in names if self._is_job(name)]

    def _is_job(self, name: str) -> bool:
        """Whether a job was asked for under that name: what a console that was killed left of one that
        it forgot, and what somebody else laid there, is none.
        """
        return _NAME.fullmatch(name) is not None and bool(
            read_note(self._folder / name / "request.json")
        )

    def one(self, name: str) -> Job:
        """Return a job.

        Raises
        ------
        UsageError
            There is none of that name.
        """
        folder = self.folder(name)
        request = read_note(folder / "request.json")
        if not request:
            raise UsageError(f"job: expected one of the console's, found {name[:40]!r}; look again")
        result, progress = read_note(folder / "result.json"), read_note(folder / "progress.json")
        decided = self.decided(name).get("state")
        if (
            decided is None
            and not result
            and not is_alive(folder, request, progress, self.processes.get(name))
        ):
            result = {"error": why_died(folder)}
        state = decided or ("failed" if "error" in result else "ready" if result else "working")
        return Job(name, str(state), request, progress, result)

    def folder(self, name: str) -> Path:
        """Return a job's folder."""
        if not _NAME.fullmatch(name):
            raise UsageError(f"job: expected one of the console's, found {name[:40]!r}; look again")
        return self._folder / name

    def decided(self, name: str) -> dict[str, Any]:
        """Return what a person decided, and what was noted with it; empty where nobody did."""
        return read_note(self.folder(name) / "decided.json")

    def decide(self, name: str, state: str, **more: int | str | None) -> None:
        """Note what a person decided, and more about it."""
        note = {"state": state, "at": time.time(), **more}
        write_file(self.folder(name) / "decided.json", json.dumps(note).encode())

    @contextlib.contextmanager
    def deciding(self, name: str, state: str, **more: int | str | None) -> Iterator[None]:
        """Note a decision, do what it says, and take the note back where that fails: a disk that
        has no room for the note refuses before anything is done.
        """
        noted, earlier = (self.folder(name) / f"{one}.json" for one in ("decided", "earlier"))
        with contextlib.suppress(FileNotFoundError):
            noted.replace(earlier)
        try:
            self.decide(name, state, **more)
            yield
        except BaseException:
            noted.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                earlier.replace(noted)
            raise
        earlier.unlink(missing_ok=True)

    def drop(self, name: str) -> None:
        """Stop a job that works, or forget what it made ready.

        Raises
        ------
        UsageError
            It answers.
        """
        with alone(self.state):
            self._drop(name)

    def _drop(self, name: str) -> None:
        job = self.one(name)
        if job.state == "answers":
            raise UsageError("job: expected one that does not answer, found one that does; go back")
        self.decide(name, "dropped")  # which ends a process that another console began, too
        if (process := self.processes.get(name)) is not None and process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
        for part in ("ws", "bundle", "before"):
            shutil.rmtree(self.folder(name) / part, ignore_errors=True)

    def _tidy(self) -> None:
        """Forget what is old and does not answer, and what is left of what was forgotten."""
        for path in self._folder.iterdir():
            if _NAME.fullmatch(path.name) and not self._is_job(path.name):
                shutil.rmtree(path, ignore_errors=True)
        for job in self.all()[_KEPT:]:
            if job.state in ("failed", "dropped", "taken back", "ready"):
                shutil.rmtree(self.folder(job.name), ignore_errors=True)
