"""A board's profile: what is publicly known of it, with sources, and the budgets that follow. How
one is written is for `profile_file`.

A profile only sets budgets; flags are probed. Where it says something else than this machine's
kernel, using it is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from cfedge.device.board import Board

__all__ = ["Figure", "Flags", "MEMORY_SEEN", "Profile", "contradictions"]

#: How much of the memory sold a kernel reports: firmware, graphics and the kernel itself keep up to
#: 30 % (a Raspberry Pi with 512 MiB shows some 420), and rounding adds up to 2 %.
MEMORY_SEEN = (0.70, 1.02)

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
        Median of one input; None: unmeasured.
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


def contradictions(profile: Profile, board: Board) -> tuple[str, ...]:
    """Return in what the profile and the machine contradict each other, each as "expected ...,
    found ...".

    What the machine does not tell contradicts nothing.
    """
    differences: list[str] = []

    def note(expected: str, seen: object) -> None:
        differences.append(f"profile {profile.name}: expected {expected}, found {seen}")

    if board.machine != profile.machine:
        note(f"a machine of type {profile.machine}", board.machine)
        return tuple(differences)  # all else differs as well, and says no more
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
    return tuple(differences)
