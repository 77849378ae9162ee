"""Board profiles, ``devices/*.toml``: what is publicly known of a board, with sources, and the
budgets that follow.

A profile only sets budgets; flags are probed. Where it says something else than this machine's
kernel, using it is an error.

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
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Generic, TypeVar

from cfedge.device.board import Board
from cfedge.device.cpu import FLAGS
from cfedge.device.machine import here
from cfedge.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "Figure",
    "Flags",
    "MEMORY_SEEN",
    "Profile",
    "contradictions",
    "known_profile",
    "load_profile",
    "parse_profile",
    "profiles",
]

#: How much of the memory sold a kernel reports: firmware, graphics and the kernel itself keep up to
#: 30 % (a Raspberry Pi with 512 MiB shows some 420), and rounding adds up to 2 %.
MEMORY_SEEN = (0.70, 1.02)

_SUPPORT = ("documented", "class", "generic", "community")

T = TypeVar("T")


@dataclass(frozen=True)
class Figure(Generic[T]):
    """A value and where it comes from."""

    value: T
    source: str


@dataclass(frozen=True)
class Flags:
    """CPU flags that a board has, and that it has not."""

    present: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """A board.

    Attributes
    ----------
    name, title
        Of the file, and for people.
    support
        ``documented``: one board, from its maker's pages; ``class``: CPUs of one kind; ``generic``:
        an architecture; ``community``: known to work by others' effort, not tried here.
    machine, system
        As ``platform`` spells them; `system` is None where it does not matter.
    model
        Part of what the kernel calls the board; None where boards differ.
    note
        What whoever uses the board should know; None where there is nothing.
    cores, memory_mib, flags
        What is known of the board: cores, memory as sold, CPU flags. None: nothing is claimed.
    threads
        Of ONNX Runtime for one engine.
    memory_budget_bytes
        What one engine's process may take.
    latency_ms
        Median of one text; None: unmeasured.
    """

    name: str
    title: str
    support: str
    machine: str
    system: str | None
    model: str | None
    note: str | None
    cores: Figure[int] | None
    memory_mib: Figure[tuple[int, ...]] | None
    flags: Figure[Flags] | None
    threads: Figure[int]
    memory_budget_bytes: Figure[int]
    latency_ms: Figure[float] | None


def profiles() -> dict[str, Profile]:
    """Return every known board by name."""
    return {
        path.stem: parse_profile(path.stem, path.read_text("utf-8"))
        for path in sorted(_folder().glob("*.toml"))
    }


def load_profile(name: str, board: Board | None = None) -> Profile:
    """Return a board's profile, for use on this machine.

    Parameters
    ----------
    board
        The machine; None: this one.

    Raises
    ------
    UsageError
        It is unknown, or says something else than the machine does.
    """
    profile = known_profile(name)
    found = contradictions(profile, board or here())
    if found:
        raise UsageError(f"{found[0]}; choose another: cfedge devices")
    return profile


def known_profile(name: str) -> Profile:
    """Return a board's profile, to make something on this machine for that one.

    Raises
    ------
    UsageError
        It is unknown.
    """
    known = profiles()
    if name not in known:
        raise UsageError(
            f"profile: expected one of {', '.join(known)}, found {name!r}; they are explained by:"
            " cfedge devices"
        )
    return known[name]


def contradictions(profile: Profile, board: Board) -> tuple[str, ...]:
    """Return in what the profile and the machine contradict each other, each as "expected ...,
    found ...".

    What the machine does not tell contradicts nothing.
    """
    found: list[str] = []

    def note(expected: str, seen: object) -> None:
        found.append(f"profile {profile.name}: expected {expected}, found {seen}")

    if board.machine != profile.machine:
        note(f"a machine of type {profile.machine}", board.machine)
        return tuple(found)  # all else differs as well, and says no more
    if profile.system is not None and board.system != profile.system:
        note(f"the system {profile.system}", board.system)
    if profile.model is not None and board.model is not None and profile.model not in board.model:
        note(f"a board called {profile.model}", board.model)
    if profile.cores is not None and board.cores is not None and board.cores != profile.cores.value:
        note(f"{profile.cores.value} cores", board.cores)
    if profile.memory_mib is not None and board.memory_bytes is not None:
        seen = board.memory_bytes / 2**20
        if not any(
            MEMORY_SEEN[0] * size <= seen <= MEMORY_SEEN[1] * size
            for size in profile.memory_mib.value
        ):
            sizes = " or ".join(map(str, profile.memory_mib.value))
            note(
                f"{sizes} MiB of memory, of which the kernel shows {MEMORY_SEEN[0]:.0%} or more",
                f"{seen:.0f} MiB",
            )
    if profile.flags is not None and board.flags is not None:
        missing = [flag for flag in profile.flags.value.present if flag not in board.flags]
        surplus = [flag for flag in profile.flags.value.absent if flag in board.flags]
        if missing:
            note(f"a CPU with {', '.join(missing)}", f"{board.cpu or 'one'} without")
        if surplus:
            note(f"a CPU without {', '.join(surplus)}", f"{board.cpu or 'one'} with")
    return tuple(found)


def parse_profile(name: str, text: str) -> Profile:
    """Parse one TOML file.

    Raises
    ------
    UsageError
        A field is missing, unknown or of another kind; a figure has no source.
    """
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
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
        title=top.text("title"),
        support=top.text("support", one_of=_SUPPORT),
        machine=top.text("machine"),
        system=top.text("system") if "system" in content else None,
        model=top.text("model") if "model" in content else None,
        note=top.text("note") if "note" in content else None,
        cores=Figure(cores.whole("count"), cores.text("source")) if cores else None,
        memory_mib=Figure(memory.wholes("sizes_mib"), memory.text("source")) if memory else None,
        flags=(
            Figure(Flags(flags.flags("present"), flags.flags("absent")), flags.text("source"))
            if flags
            else None
        ),
        threads=Figure(threads.whole("count"), threads.text("source")),
        memory_budget_bytes=Figure(budget.whole("memory_mib") * 2**20, budget.text("source")),
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

    def text(self, field: str, *, one_of: tuple[str, ...] | None = None) -> str:
        value = self._left.pop(field, None)
        if not isinstance(value, str) or not value.strip() or (one_of and value not in one_of):
            raise self._wrong(field, f"one of {', '.join(one_of)}" if one_of else "a text", value)
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
            or not all(type(one) is int and one >= 1 for one in value)
        ):
            raise self._wrong(field, "a list of whole numbers >= 1", value)
        return tuple(value)

    def flags(self, field: str) -> tuple[str, ...]:
        value = self._left.pop(field, [])
        if not isinstance(value, list) or not all(one in FLAGS for one in value):
            raise self._wrong(field, f"a list of {', '.join(FLAGS)}", value)
        return tuple(value)

    def latency(self) -> Figure[float] | None:
        value = self._left.pop("p50_ms", None)
        if value == "unmeasured":
            return None
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not value > 0:
            raise self._wrong("p50_ms", '"unmeasured" or a number > 0', value)
        return Figure(float(value), self.text("source"))

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


def _folder() -> Path:
    installed = Path(str(resources.files("cfedge"))) / "devices"
    return (
        installed if installed.is_dir() else Path(str(resources.files("cfedge"))).parent / "devices"
    )
