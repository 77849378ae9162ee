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

    def record(*, frozen: bool, eq: bool = True, repr: bool = True, slots: bool = False):
        """Make a frozen dataclass: `dataclasses.fields`, `replace` and `asdict` take it.

        It knows no ``__post_init__`` and no fields by keyword only.

        Parameters
        ----------
        frozen
            True, as type checkers read it.
        eq
            Compare and hash by fields.
        repr
            Show the fields.
        slots
            Of the fields, and nothing else; for what is made often, as its making is compiled.
        """
        assert frozen, "a record is frozen"
        shared = [*[_eq, _hash] * eq, *[_repr] * repr]
        if not slots:
            shared += [_init, _setattr, _delattr]

        def decorated(cls):
            made = dataclass(init=slots, eq=False, repr=False, frozen=slots, slots=slots)(cls)
            if not slots:
                made.__signature__ = _Signature()
            for method in shared:
                setattr(made, f"_{method.__name__}__", method)
            return made

        return decorated


class _Signature:
    """What `inspect.signature` and `help` show of a class, made when they ask."""

    def __get__(self, _: object, cls: Any) -> Any:
        from inspect import Parameter, Signature

        fields: dict[str, Field[object]] = cls.__dataclass_fields__
        return Signature(
            [
                Parameter(
                    name,
                    Parameter.POSITIONAL_OR_KEYWORD,
                    default=_default(fields[name], Parameter.empty),
                    annotation=fields[name].type,
                )
                for name in cls.__match_args__
            ]
        )


def _default(field: Field[object], missing: object) -> object:
    if field.default is not MISSING:
        return field.default
    factory = field.default_factory
    return missing if factory is MISSING else factory()


def _init(self: Any, *values: object, **named: object) -> None:
    names: tuple[str, ...] = type(self).__match_args__
    given = values
    if named or len(values) != len(names):
        given = _completed(type(self), names, values, named)
    self.__dict__.update(zip(names, given, strict=True))


def _completed(
    cls: Any, names: tuple[str, ...], values: tuple[object, ...], named: dict[str, object]
) -> tuple[object, ...]:
    """Return all values in the order of `names`, those that were not given by their default.

    Raises
    ------
    TypeError
        As a function of such parameters would.
    """
    given = dict(zip(names, values, strict=False))
    given.update(named)
    absent = [name for name in names if name not in given]
    once = len(given) == len(values) + len(named)
    if not once or len(given) + len(absent) != len(names):
        besides = f" and {', '.join(sorted(named))}" if named else ""
        raise TypeError(
            f"{cls.__name__}: expected {', '.join(names)}, found {len(values)} values{besides}"
        )
    for name in absent:
        given[name] = _default(cls.__dataclass_fields__[name], MISSING)
        if given[name] is MISSING:
            raise TypeError(f"{cls.__name__}: expected {name} too, found no value for it")
    return tuple([given[name] for name in names])


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
