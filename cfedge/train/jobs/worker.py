"""What runs where the work is done: `do_job`. It fetches contents by digest, checks versions, keeps to
the cores that it may use, and answers in plain types.

One job runs at a time in a process: torch's threads and its deterministic mode belong to all of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from cfedge.errors import CfedgeError, MissingExtraError
from cfedge.inputs import DEFAULT_KIND
from cfedge.train.jobs.answer import Answer, as_record
from cfedge.train.jobs.contents import Contents
from cfedge.train.jobs.freed_memory import freed_memory_kept
from cfedge.train.jobs.job import Job, digest_of_bytes
from cfedge.train.jobs.versions import differences, machine_class, versions_here, worker_name

__all__ = ["KINDS", "Perform", "do_job"]

#: The module of each kind of job, which has a function ``perform``.
KINDS: Mapping[str, str] = {
    "learn": "cfedge.train.jobs.learning",
    "answer": "cfedge.train.jobs.answering",
}
#: Files by name, and what people should know, from a job and its contents by role.
Perform = Callable[[Job, Mapping[str, bytes]], tuple[dict[str, bytes], str]]
_ONE_AT_A_TIME = threading.Lock()


def do_job(
    job: bytes, sent: Mapping[str, bytes], hints: Mapping[str, str], keep: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Do a job.

    Parameters
    ----------
    job
        As `Job.dumped` wrote it.
    sent
        Contents by digest that came with it.
    hints
        Paths that may hold contents, by digest: on the coordinator's own machine.
    keep
        Of `sent`, what other jobs read too.

    Returns
    -------
    dict
        As of `cfedge.train.jobs.answer.as_record`. Nothing is raised but what ends the process.
    """
    with _ONE_AT_A_TIME, freed_memory_kept():
        start = time.perf_counter()
        try:
            answer = _answer(Job.parsed(job), sent, hints, keep)
        except MissingExtraError as error:
            answer = _said(refused=str(error))
        except CfedgeError as error:
            answer = _said(error=error)
        except Exception as error:  # the job's name is the coordinator's to say
            answer = _said(error=CfedgeError(f"could not be done: {type(error).__name__}: {error}"))
        return {**as_record(answer), "seconds": time.perf_counter() - start}


def _said(**what: Any) -> Answer:
    return Answer(worker_name(), _machine(), **what)


@cache
def _machine() -> str:
    return machine_class()


@cache
def _contents() -> Contents:
    return Contents.of_user()


def _answer(
    job: Job, sent: Mapping[str, bytes], hints: Mapping[str, str], keep: tuple[str, ...]
) -> Answer:
    inputs = str(job.arguments.get("inputs", DEFAULT_KIND))
    here = versions_here(inputs, torch="torch" in job.versions)
    if odd := differences(job.versions, here):
        return _said(refused=f"{odd}; install the coordinator's versions there")
    contents = _contents()
    contents.keep({sha256: sent[sha256] for sha256 in keep if sha256 in sent})
    found: dict[str, bytes] = {}
    missing = []
    for role, sha256 in job.contents.items():
        data = sent.get(sha256)
        if data is None:
            data = contents.get(sha256, hints.get(sha256))
        if data is None:
            missing.append(sha256)
        elif sha256 in sent and sha256 not in keep and digest_of_bytes(data) != sha256:
            raise CfedgeError(f"{role}: expected SHA-256 {sha256[:12]}, found other bytes")
        else:
            found[role] = data
    if missing:
        return _said(missing=tuple(dict.fromkeys(missing)))
    perform: Perform = import_module(KINDS[job.kind]).perform
    files, note = perform(job, found)
    return _said(files=files, note="; ".join(part for part in (contents.trouble, note) if part))
