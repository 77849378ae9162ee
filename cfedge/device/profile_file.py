"""``devices/*.toml``: one board a file, parsed with every field's kind checked.

::

    title = "Raspberry Pi 5"          # support: documented, class (of CPUs), generic, or community
    support = "documented"
    machine = "aarch64"               # platform.machine()
    system = "Linux"                  # platform.system(); may be left out
    model = "Raspberry Pi 5"          # part of the kernel's name of the board; may be left out
    note = "..."                      # may be left out
    [cores]    count = 4                                 source = "..."
    [memory]   sizes_mib = [2048, 4096]                  source = "..."     as sold
    [flags]    present = [...]  absent = [...]           source = "..."
    [threads]  count = 1                                 source = "..."     for one engine
    [budget]   memory_mib = 512                          source = "..."     for one engine's process
    [latency]  p50_ms = "unmeasured"                     or a number, with its source

``[cores]``, ``[memory]`` and ``[flags]`` may be left out: then nothing is claimed.
"""

from __future__ import annotations

import sys
from typing import Any

from cfedge.device.cpu import FLAGS
from cfedge.device.profile import Figure, Flags, Profile
from cfedge.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["parse_profile"]

_SUPPORT = ("documented", "class", "generic", "community")


def parse_profile(name: str, toml: str) -> Profile:
    """Parse one TOML file.

    Raises
    ------
    UsageError
        A field is missing, unknown or of another kind; a figure has no source.
    """
    try:
        content: dict[str, Any] = tomllib.loads(toml)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError; numbers without end
        raise UsageError(f"devices/{name}.toml: expected TOML, found {error}") from error
    top = _Section(name, "", content)
    flags = top.section("flags", optional=True)
    cores, memory = top.section("cores", optional=True), top.section("memory", optional=True)
    threads, budget, latency = top.section("threads"), top.section("budget"), top.section("latency")
    assert threads is not None  # `section` refuses where one is not optional
    assert budget is not None
    assert latency is not None
    profile = Profile(
        name=name,
        title=top.string("title"),
        support=top.string("support", one_of=_SUPPORT),
        machine=top.string("machine"),
        system=top.string("system") if "system" in content else None,
        model=top.string("model") if "model" in content else None,
        note=top.string("note") if "note" in content else None,
        cores=Figure(cores.whole("count"), cores.string("source")) if cores else None,
        memory_mib=Figure(memory.wholes("sizes_mib"), memory.string("source")) if memory else None,
        flags=(
            Figure(Flags(flags.flags("present"), flags.flags("absent")), flags.string("source"))
            if flags
            else None
        ),
        threads=Figure(threads.whole("count"), threads.string("source")),
        memory_budget_bytes=Figure(budget.whole("memory_mib") * 2**20, budget.string("source")),
        latency_ms=latency.latency(),
    )
    for section in (top, flags, cores, memory, threads, budget, latency):
        if section:
            section.finish()
    return profile


class _Section:
    """A table of a profile: takes fields out with their kind checked, and refuses what is left
    over.
    """

    def __init__(self, profile: str, name: str, fields: dict[str, Any]) -> None:
        self._where = f"devices/{profile}.toml{f': [{name}]' if name else ''}"
        self._profile = profile
        self._left = dict(fields)

    def string(self, field: str, *, one_of: tuple[str, ...] | None = None) -> str:
        value = self._left.pop(field, None)
        if not isinstance(value, str) or not value.strip() or (one_of and value not in one_of):
            raise self._wrong(field, f"one of {', '.join(one_of)}" if one_of else "a string", value)
        return value

    def whole(self, field: str) -> int:
        value = self._left.pop(field, None)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self._wrong(field, "a whole number >= 1", value)
        return value

    def wholes(self, field: str) -> tuple[int, ...]:
        value = self._left.pop(field, None)
        if (
            not isinstance(value, list)
            or not value
            or not all(type(size) is int and size >= 1 for size in value)
        ):
            raise self._wrong(field, "a list of whole numbers >= 1", value)
        return tuple(value)

    def flags(self, field: str) -> tuple[str, ...]:
        value = self._left.pop(field, [])
        if not isinstance(value, list) or not all(flag in FLAGS for flag in value):
            raise self._wrong(field, f"a list of {', '.join(FLAGS)}", value)
        return tuple(value)

    def latency(self) -> Figure[float] | None:
        value = self._left.pop("p50_ms", None)
        if value == "unmeasured":
            return None
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not value > 0:
            raise self._wrong("p50_ms", '"unmeasured" or a number > 0', value)
        return Figure(float(value), self.string("source"))

    def section(self, field: str, *, optional: bool = False) -> _Section | None:
        value = self._left.pop(field, None)
        if value is None and optional:
            return None
        if not isinstance(value, dict):
            raise self._wrong(f"[{field}]", "a table", value)
        return _Section(self._profile, field, value)

    def finish(self) -> None:
        if self._left:
            raise UsageError(
                f"{self._where}: expected no further field, found {', '.join(sorted(self._left))};"
                " remove it"
            )

    def _wrong(self, field: str, expected: str, found: object) -> UsageError:
        return UsageError(
            f"{self._where}: expected {expected} as {field}, found"
            f" {'nothing' if found is None else repr(found)}"
        )
