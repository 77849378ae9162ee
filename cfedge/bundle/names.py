"""Which names a manifest and a catalogue may hold: such as can be shown, and told apart. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cfedge.bundle.limits import LIMITS
from cfedge.errors import SchemaError
from cfedge.printable import is_printable, is_seen, look

__all__ = ["check_name", "check_names"]

_AGAIN = "export the bundle again"


def check_name(what: str, name: str, remedy: str = _AGAIN) -> None:
    """Refuse a name that is too long, or that cannot be shown.

    Raises
    ------
    SchemaError
    """
    if not 0 < len(name) <= LIMITS.name_characters:
        raise SchemaError(
            f"{what}: expected 1..{LIMITS.name_characters} characters, found {name!r:.80}; {remedy}"
        )
    if not is_printable(name) or not is_seen(name):
        raise SchemaError(f"{what}: expected printable characters, found {name!a:.80}; {remedy}")


def check_names(what: str, names: Sequence[str], remedy: str = _AGAIN) -> None:
    """Refuse such names, and those that look the same: nobody could tell which one answers.

    Raises
    ------
    SchemaError
    """
    for name in names:
        check_name(what, name, remedy)
    if len(names) == len({look(name) for name in names}):
        return
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(look(name))
        if other is not None:
            found = (
                f"{name!r} twice" if other == name else f"{other!a} and {name!a}, which look alike"
            )
            raise SchemaError(f"{what}: expected each once, found {found}; {remedy}")
        seen[look(name)] = name
