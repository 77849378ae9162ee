"""The machine: what its kernel says (`board`, read by `linux` and `darwin`; of its processor alone
`cpu`, what of that decides bits `fingerprint`), what a measurement records and what this process
may use (`machine`, `cgroup`, `memory`), what is known of boards (`profile`).

A profile only sets budgets; flags are probed. Reading a bundle or running a graph is for others;
`cfedge.doctor` judges. All is imported when it is first asked for: an engine needs little of it to
open.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfedge.device.board import Board
    from cfedge.device.known_boards import known_profile, load_profile, profiles
    from cfedge.device.machine import Machine, probe, read_board, this_board, usable_cores
    from cfedge.device.memory import peak_rss_bytes
    from cfedge.device.profile import Figure, Profile, contradictions

__all__ = [
    "Board",
    "Figure",
    "Machine",
    "Profile",
    "contradictions",
    "known_profile",
    "load_profile",
    "peak_rss_bytes",
    "probe",
    "profiles",
    "read_board",
    "this_board",
    "usable_cores",
]

_ELSEWHERE = {
    "board": ("Board",),
    "machine": ("Machine", "probe", "read_board", "this_board", "usable_cores"),
    "memory": ("peak_rss_bytes",),
    "profile": ("Figure", "Profile", "contradictions"),
    "known_boards": ("known_profile", "load_profile", "profiles"),
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        home = next(module for module, names in _ELSEWHERE.items() if name in names)
        return getattr(import_module(f"cfedge.device.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
