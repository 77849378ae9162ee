"""Canonical JSON, and a reader that builds typed values from it or says where it does not fit.
Pure.

Rules: sorted keys, no spaces, UTF-8, no NaN, so one value has exactly one byte form. What is read
has the fields of its dataclass and no others. Of a union of dataclasses the member is told by the
field ``kind``, which each of them types as a ``Literal``.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from functools import lru_cache
from typing import Any, NamedTuple

from cfedge.errors import SchemaError
from cfedge.values import json_fault

__all__ = ["LIMITS", "canonical_json", "quoted", "read_json", "typed"]


class Limits(NamedTuple):
    """Bounds on what a reader accepts."""

    integer: int = 2**53  # what every JSON reader holds exactly
    quoted_characters: int = 80


LIMITS = Limits()
_AGAIN = "export the bundle again"


def canonical_json(value: object) -> bytes:
    """Serialize to the one accepted form."""
    document = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return document.encode("utf-8")


def read_json(data: bytes, what: str) -> Any:
    """Parse JSON, refusing a key given twice, NaN and infinity.

    Raises
    ------
    SchemaError
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise SchemaError(
                f"{what}: expected each key once, found a key twice; get the bundle again"
            )
        return members

    def no_constant(name: str) -> float:
        raise SchemaError(f"{what}: expected finite numbers, found {name}; get the bundle again")

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        # bad UTF-8, bad JSON, an integer of thousands of digits; too deep
        raise SchemaError(
            f"{what}: expected canonical JSON, found {json_fault(error)}; get the bundle again"
        ) from error


def typed(kind: Any, value: Any, where: str) -> Any:
    """Build `kind` from parsed JSON, or say where it does not fit.

    Parameters
    ----------
    kind
        A dataclass, tuple, dict, ``Literal``, union or scalar type.

    Raises
    ------
    SchemaError
        Naming the field, the expected and the found value.
    """
    if type(value) is kind and kind in (str, float, bool):
        return value
    is_record, origin, arguments = _form(kind)
    if is_record:
        return _record(kind, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise _odd(where, "a list", type(value).__name__)
        return tuple(
            typed(arguments[0], item, f"{where}[{position}]") for position, item in enumerate(value)
        )
    if origin is dict:
        if not isinstance(value, dict):
            raise _odd(where, "an object", quoted(value))
        return {
            key: typed(arguments[1], item, f"{where}.{key[: LIMITS.quoted_characters]}")
            for key, item in value.items()
        }
    if origin in (types.UnionType, typing.Union):
        return _member(arguments, value, where)
    if origin is typing.Literal:
        if value not in arguments:
            raise _odd(where, " or ".join(map(repr, arguments)), quoted(value))
        return value
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _odd(where, kind.__name__, quoted(value))
    if isinstance(value, int) and abs(value) > LIMITS.integer:
        raise _odd(where, f"at most {LIMITS.integer}", quoted(value))
    return value


def _record(kind: Any, value: Any, where: str) -> Any:
    hints = _hints(kind)
    names = hints.keys()
    if not isinstance(value, dict) or value.keys() != names:
        stated = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise _odd(where, f"fields {sorted(names)}", f"{stated!s:.300}")
    return kind(**{name: typed(hints[name], value[name], f"{where}.{name}") for name in names})


def _member(members: tuple[Any, ...], value: Any, where: str) -> Any:
    """A value of a union: of None and one other type, or of dataclasses told apart by ``kind``."""
    if value is None and types.NoneType in members:
        return None
    others = [member for member in members if member is not types.NoneType]
    if len(others) == 1:
        return typed(others[0], value, where)
    tags = {tag: member for member in others for tag in typing.get_args(_hints(member)["kind"])}
    if not isinstance(value, dict) or "kind" not in value:
        stated = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise _odd(where, "fields with a kind", f"{stated!s:.300}")
    tag = value["kind"]
    if not isinstance(tag, str) or tag not in tags:
        raise SchemaError(
            f"{where}.kind: expected one of {', '.join(sorted(tags))}, found {quoted(tag)}; install"
            " a newer cfedge"
        )
    return typed(tags[tag], value, where)


@lru_cache
def _form(kind: Any) -> tuple[bool, Any, tuple[Any, ...]]:
    """Whether it is a dataclass; else what it is an alias of, and of what. Of ten thousand tasks
    this is asked four hundred thousand times.
    """
    return dataclasses.is_dataclass(kind), typing.get_origin(kind), typing.get_args(kind)


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    """Types of a dataclass's fields, by name."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def quoted(value: Any) -> str:
    """Return a found value, short; of a list or object only the type, whose content may be too deep
    to print.
    """
    return (
        type(value).__name__
        if isinstance(value, list | dict)
        else str(repr(value))[: LIMITS.quoted_characters]
    )


def _odd(where: str, expected: str, found: str) -> SchemaError:
    return SchemaError(f"{where}: expected {expected}, found {found}; {_AGAIN}")
