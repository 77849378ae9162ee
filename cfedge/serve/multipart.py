"""A body of ``multipart/form-data`` (RFC 7578) -> the inputs in it: what browsers' forms and ``curl
-F`` send. Pure.

Parts of the name of the kind (``image``) are inputs, each its content as it stands; a part ``task``
names the task, ``top`` and ``coverage`` are numbers. Anything else is refused: nothing is decoded that a part's own headers ask for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from cfedge.errors import InputError, UsageError
from cfedge.inputs.modality import Input, Modality
from cfedge.serve.limits import Limits
from cfedge.serve.request import Asked, check_top

__all__ = ["MULTIPART", "read_parts"]

MULTIPART = "multipart/form-data"
_BOUNDARY = re.compile(r'boundary=(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'(?:^|;)\s*name="([^"\r\n]{0,80})"', re.IGNORECASE)
#: Of one part's headers.
_HEADER_BYTES = 4_096
_FIELDS = ("task", "top", "coverage")
#: Of a number.
_DIGITS = 40
_Number = TypeVar("_Number", int, float)


def read_parts(body: bytes, content_type: str, modality: Modality, limits: Limits) -> Asked:
    """Read such a body.

    Parameters
    ----------
    content_type
        The request's header of that name, with its boundary.

    Raises
    ------
    UsageError
        It is no such body, or has parts of other names.
    InputError
        It asks for too much.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise UsageError(f"content-type: expected a boundary, found {content_type[:80]!r}")
    inputs: list[Input] = []
    fields: dict[str, str] = {}
    boundary = (found[1] or found[2]).encode("latin-1", "replace")
    for name, content in _parts(body, boundary, limits.inputs):
        if name == modality.noun:
            if len(inputs) == limits.inputs:
                raise InputError(
                    f"body: expected at most {limits.inputs} parts {modality.noun!r}, found more;"
                    " ask in several"
                )
            inputs.append(content)
        elif name in _FIELDS and name not in fields:
            fields[name] = content.decode("utf-8", "replace")
        else:
            raise UsageError(
                f"body: expected parts named {modality.noun!r}, and once each 'task' where it is"
                f" known, 'top' and 'coverage' where they are wanted, found {name[:40]!r}"
            )
    if not inputs:
        raise UsageError(f"body: expected a part named {modality.noun!r}, found none")
    top, coverage = _number(fields, "top", int), _number(fields, "coverage", float)
    check_top(top, limits)
    return Asked(inputs, fields.get("task"), len(inputs) == 1, top, coverage)


def _number(fields: Mapping[str, str], name: str, kind: Callable[[str], _Number]) -> _Number | None:
    if name not in fields:
        return None
    stated = fields[name]
    try:
        if len(stated) > _DIGITS or not stated.isascii() or "_" in stated:
            raise ValueError(stated)  # of which Python would read another number, or more than JSON
        return kind(stated)
    except ValueError as error:
        raise UsageError(f"{name}: expected a number, found {stated[:_DIGITS]!r}") from error


def _parts(body: bytes, boundary: bytes, inputs: int) -> list[tuple[str, bytes]]:
    """Name and content of each part."""
    most = inputs + len(_FIELDS)
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, most + 2)
    if len(pieces) > most + 2:
        raise InputError(f"body: expected at most {most} parts, found more; ask in several")
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise UsageError("body: expected parts up to the closing boundary, found none or fewer")
    found = []
    for piece in pieces[1:-1]:
        padding, _, rest = piece.partition(b"\r\n")
        headers, blank, content = rest.partition(b"\r\n\r\n")
        if padding.strip(b" \t") or not blank or len(headers) > _HEADER_BYTES:
            raise UsageError("body: expected headers and a blank line in each part, found others")
        names = [
            name
            for line in headers.split(b"\r\n")
            if line.lower().startswith(b"content-disposition:")
            for name in _NAME.findall(line)
        ]
        if len(names) != 1:
            raise UsageError("body: expected a name in each part's content-disposition, found none")
        found.append((names[0].decode("utf-8", "replace"), content))
    return found
