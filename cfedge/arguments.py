"""What is called from Python is checked at the door: each argument by the type that the call states.

`checked` looks at arguments of plain types: paths, strings, numbers, classes of cfedge. What examples
are is the readers' to say (`cfedge.train.examples.arrays`), and what a number may be the callee's.
`from_python` is for calls that no command makes: its errors speak of arguments, where the rooms
below speak of the command line's options.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import os
import re
import reprlib
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

from cfedge.errors import CfedgeError, UsageError

__all__ = ["checked", "from_python"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_SEVERAL = (Iterable, Collection, Sequence)
_NOUNS: Mapping[type, str] = {
    str: "a string",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    type(None): "None",
    os.PathLike: "a path",
    Mapping: "a mapping",
    **dict.fromkeys(_SEVERAL, "a list of strings"),
}
#: Of these the callee says more: which tasks there are, or how a bundle is opened.
_SAID_BETTER = {"bundle", "name", "same_labels", "task"}
#: The longest name, and the longest path, that a file system of today takes.
_NAME_BYTES, _PATH_BYTES = 255, 4096
_A_PATH = "a path that a file system can have"
_A_NAME = f"a path of fewer than {_PATH_BYTES} bytes, each name in it of at most {_NAME_BYTES}"
_OPTION = r"--([a-z][a-z-]+)(?: [A-Z]+\b)?"


class _Kind(NamedTuple):
    """One of the types that an argument may have, and those of what is in it."""

    kind: type
    inside: tuple[_Kind, ...] = ()


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Check arguments of each call of a public function or method.

    Raises
    ------
    UsageError
        Naming the argument, what was expected and what was found.
    """
    order = tuple(inspect.signature(function).parameters)
    kinds_of = functools.cache(lambda: _kinds_of(function))

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        kinds = kinds_of()
        for name, value in (*zip(order, args, strict=False), *kwargs.items()):
            if name in kinds and (wrong := _wrong(value, kinds[name])):
                found = os.fspath(value) if isinstance(value, os.PathLike) else value
                step = "shorten it" if wrong == _A_NAME else f"see help({_called(function)})"
                raise UsageError(f"{name}: expected {wrong}, found {reprlib.repr(found)}; {step}")
        return function(*args, **kwargs)

    return call


def from_python(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Check arguments as `checked` does, and name arguments in the place of options in errors."""
    parameters = inspect.signature(function).parameters
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    within = checked(function)

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return within(*args, **kwargs)
        except CfedgeError as error:
            error.args = (_in_python(str(error), None if takes_any else parameters),)
            raise

    return call


def _called(function: Callable[..., object]) -> str:
    """What people import a function by: a method's class from cfedge."""
    name = function.__qualname__
    return f"cfedge.{name}" if "." in name else f"{function.__module__}.{name}"


def _kinds_of(function: Callable[..., object]) -> dict[str, tuple[_Kind, ...]]:
    """The types of each argument that is judged here."""
    found = {}
    for name, stated in inspect.get_annotations(function).items():
        with_name = types.SimpleNamespace(__annotations__={name: stated})
        try:
            hint = typing.get_type_hints(with_name, vars(sys.modules[function.__module__]))[name]
        except NameError:  # of what is imported for the type checker alone
            continue
        if name not in {"return", *_SAID_BETTER} and (kinds := _kinds(hint)):
            found[name] = kinds
    return found


def _kinds(hint: Any) -> tuple[_Kind, ...]:
    """The types that a hint allows; none where it is not judged here."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        parts = [_kinds(part) for part in typing.get_args(hint)]
        return tuple(kind for part in parts for kind in part) if all(parts) else ()
    origin, inside = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is os.PathLike or not inside:
        judged = isinstance(origin, type) and origin not in (object, Any)
        return (_Kind(origin),) if judged and not getattr(origin, "_is_protocol", False) else ()
    if origin is not Mapping and origin not in _SEVERAL:
        return ()
    of = [_kinds(part) for part in inside]
    plain = all(len(part) == 1 and part[0].kind in (str, float) for part in of)
    return (_Kind(origin, tuple(part[0] for part in of)),) if plain else ()


def _wrong(value: object, kinds: tuple[_Kind, ...]) -> str:
    """What was expected where a value is of none of these types; empty where it is of one."""
    paths = any(issubclass(one.kind, os.PathLike) for one in kinds)
    if paths and isinstance(value, str | os.PathLike):
        if not _can_be(value):
            return _A_PATH
        return "" if _is_short(value) else _A_NAME
    if any(_is_of(value, one) for one in kinds):
        return ""
    nouns = [_noun(one) for one in kinds if not (paths and one.kind is str)]
    return " or ".join(dict.fromkeys(nouns))


def _noun(one: _Kind) -> str:
    if issubclass(one.kind, os.PathLike):
        return "a path"
    if one.kind is Mapping and one.inside:
        return f"a mapping of {' to '.join(f'{_noun(part)[2:]}s' for part in one.inside)}"
    return _NOUNS.get(one.kind, f"a {one.kind.__name__}")


def _can_be(path: str | os.PathLike[Any]) -> bool:
    """Whether any file system takes a path; else what opens it raises one of many errors."""
    try:
        return b"\0" not in os.fsencode(path)
    except (UnicodeEncodeError, TypeError):
        return False


def _is_short(path: str | os.PathLike[Any]) -> bool:
    """Whether file systems of today take a path's length, and that of each name in it."""
    encoded = os.fsencode(path)
    longest = max(map(len, re.split(rb"[/\\]", encoded)))
    return longest <= _NAME_BYTES and len(encoded) < _PATH_BYTES


def _is_of(value: object, one: _Kind) -> bool:
    if one.kind is bool:
        return type(value).__name__ in ("bool", "bool_")
    if one.kind in (int, float):
        number = numbers.Integral if one.kind is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    if one.kind in _SEVERAL:
        if isinstance(value, str | bytes) or not isinstance(value, one.kind):
            return False
        listed = value if isinstance(value, Collection) else ()  # an iterator is read once
        return all(_is_of(part, one.inside[0]) for part in listed if one.inside)
    if one.kind is Mapping and isinstance(value, Mapping) and one.inside:
        return all(
            _is_of(key, one.inside[0]) and _is_of(part, one.inside[1])
            for key, part in value.items()
        )
    return isinstance(value, one.kind)


def _in_python(message: str, names: Collection[str] | None) -> str:
    """Say arguments in the place of the options of a command that are called alike (None: of all);
    a whole command stays one.
    """

    def said(found: re.Match[str]) -> str:
        name = found[1].replace("-", "_")
        clause = re.split(r"[;:(]", message[: found.start()])[-1]
        known = names is None or name in names
        return name if known and "cfedge " not in clause else found[0]

    return re.sub(_OPTION, said, message)
