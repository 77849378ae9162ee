"""Frozen dataclasses whose methods are shared, and not compiled for each class.

`dataclasses.dataclass` writes the source of every method and compiles it, which takes up to 2 ms a
class, each time a process starts (docs/decisions/0056-start-times.md). What a device loads before
its first answer uses `record` instead.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, FrozenInstanceError, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["record"]

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(*, frozen: bool, eq: bool = True, repr: bool = True):
        """Make a frozen dataclass: `dataclasses.fields`, `replace` and `asdict` take it.

        It knows no ``__post_init__``, no slots and no fields by keyword only.

        Parameters
        ----------
        frozen
            True, as type checkers read it.
        eq
            Compare and hash by fields.
        repr
            Show the fields.
        """
        assert frozen, "a record is frozen"
        methods = [_init, _setattr, _delattr, *[_eq, _hash] * eq, *[_repr] * repr]

        def decorated(cls):
            made = dataclass(init=False, eq=False, repr=False)(cls)
            for method in methods:
                setattr(made, f"_{method.__name__}__", method)
            return made

        return decorated


def _init(self: Any, *values: object, **named: object) -> None:
    names: tuple[str, ...] = type(self).__match_args__
    if named or len(values) != len(names):
        values = _completed(type(self), names, values, named)
    self.__dict__.update(zip(names, values, strict=True))


def _completed(
    cls: Any, names: tuple[str, ...], values: tuple[object, ...], named: dict[str, object]
) -> tuple[object, ...]:
    """Return all values in the order of `names`, those that were not given by their default.

    Raises
    ------
    TypeError
        As a function of such parameters would.
    """
    if len(values) > len(names):
        raise TypeError(f"{cls.__name__}: expected {len(names)} values, found {len(values)}")
    given = dict(zip(names, values, strict=False))
    for name in named:
        if name in given or name not in names:
            twice = "twice" if name in given else "no such field"
            raise TypeError(f"{cls.__name__}: {name}: {twice}")
    given |= named
    fields: dict[str, Field[object]] = cls.__dataclass_fields__
    for name in names[len(values) :]:
        if name in given:
            continue
        default, factory = fields[name].default, fields[name].default_factory
        if default is not MISSING:
            given[name] = default
        elif factory is not MISSING:
            given[name] = factory()
        else:
            raise TypeError(f"{cls.__name__}: {name} is missing")
    return tuple(given[name] for name in names)


def _values(self: Any) -> tuple[object, ...]:
    return tuple(getattr(self, name) for name in type(self).__match_args__)


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    shown = zip(type(self).__match_args__, _values(self), strict=True)
    return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in shown)})"


def _setattr(self: Any, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
