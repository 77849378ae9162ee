"""A job: what is to be computed, named by the digests of all that decides its result. Pure.

Two jobs with one digest have one result, whoever computes it: on machines of one class to the bit
(`cfedge.train.jobs.versions.machine_class`).
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cfedge.bundle.canonical import canonical_json, read_json, typed

__all__ = ["Job", "digest_of_bytes"]


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes
    ----------
    kind
        What to do: a key of `cfedge.train.jobs.worker.KINDS`.
    name
        For people: the task's.
    arguments
        Of the kind, as JSON types.
    contents
        The SHA-256 of everything that is read, by role.
    versions
        Of the packages that decide the result, which a worker must have.
    """

    kind: str
    name: str
    arguments: dict[str, Any]
    contents: dict[str, str]
    versions: dict[str, str]

    def dumped(self) -> bytes:
        """Return its one form as bytes."""
        return canonical_json(dataclasses.asdict(self))

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all that decides the result."""
        return digest_of_bytes(self.dumped())

    @classmethod
    def parsed(cls, data: bytes) -> Job:
        """Read what `dumped` wrote.

        Raises
        ------
        SchemaError
            It is no job.
        """
        value = read_json(data, "job")
        arguments = value.get("arguments") if isinstance(value, dict) else None
        if not isinstance(arguments, dict):
            arguments = None
        stated = {**value, "arguments": {}} if arguments is not None else value
        job: Job = typed(_Stated, stated, "job").job(arguments or {})
        return job


@dataclass(frozen=True)
class _Stated:
    """A job without its arguments, which are the kind's to check."""

    kind: str
    name: str
    arguments: dict[str, str]
    contents: dict[str, str]
    versions: dict[str, str]

    def job(self, arguments: dict[str, Any]) -> Job:
        return Job(self.kind, self.name, arguments, self.contents, self.versions)


def digest_of_bytes(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
