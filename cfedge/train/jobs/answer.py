"""What a worker says of a job, in plain types that any engine can carry: nothing of ours is
pickled, and what comes back is checked before it is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cfedge.errors
from cfedge.errors import CfedgeError
from cfedge.printable import in_a_line

__all__ = ["Answer", "as_record", "from_record"]


@dataclass(frozen=True)
class Answer:
    """What a worker says.

    Attributes
    ----------
    worker, machine
        Its name, and its `cfedge.train.jobs.versions.machine_class`.
    files
        The result, by name; None where there is none yet.
    missing
        Digests of contents that it must be sent first.
    refused
        Why this worker cannot do the job, though another may.
    error
        Why the job fails wherever it is done.
    note
        What people should know, though the job is done.
    seconds
        That the work took.
    """

    worker: str
    machine: str
    files: dict[str, bytes] | None = None
    missing: tuple[str, ...] = ()
    refused: str = ""
    error: CfedgeError | None = None
    note: str = ""
    seconds: float = field(default=0.0, compare=False)


def as_record(answer: Answer) -> dict[str, Any]:
    """Return an answer in plain types."""
    error = answer.error
    return {
        "worker": answer.worker,
        "machine": answer.machine,
        "files": answer.files,
        "missing": list(answer.missing),
        "refused": answer.refused,
        "error": None if error is None else [type(error).__name__, str(error)],
        "note": answer.note,
        "seconds": answer.seconds,
    }


def from_record(value: object) -> Answer:
    """Read what `as_record` wrote.

    Raises
    ------
    CfedgeError
        It is no answer.
    """
    try:
        assert isinstance(value, dict)
        error, files = value["error"], value["files"]
        if files is not None and not all(
            isinstance(name, str) and isinstance(data, bytes) for name, data in files.items()
        ):
            raise TypeError("files that are no bytes")
        return Answer(
            in_a_line(str(value["worker"])),
            in_a_line(str(value["machine"])),
            None if files is None else dict(files),
            tuple(map(str, value["missing"])),
            in_a_line(str(value["refused"])),
            None if error is None else _error(*map(str, error)),
            in_a_line(str(value["note"])),
            float(value["seconds"]),
        )
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise CfedgeError(
            f"worker: expected an answer of cfedge, found {type(value).__name__}"
            f" ({type(error).__name__}: {error}); is it of this version?"
        ) from error


def _error(name: str, message: str) -> CfedgeError:
    """The error of that class, where it is one of ours."""
    kinds: Mapping[str, Any] = {one: getattr(cfedge.errors, one) for one in cfedge.errors.__all__}
    kind = kinds.get(name, CfedgeError)
    error: CfedgeError = kind(message)
    return error
