"""The machine: what its kernel says (`board`), what a measurement records (`probe`), what is known of boards (`profile`),
the memory of this process (`memory`).

A profile only sets budgets; flags are probed. Reading a bundle or running a graph is for others; `cfedge.doctor` judges. Profiles
are imported when they are first asked for: an engine needs none to open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfedge.device.board import Board, read_board
from cfedge.device.memory import peak_rss_bytes
from cfedge.device.probe import Machine, here, probe, usable_cores

if TYPE_CHECKING:
    from cfedge.device.profile import Figure, Profile, contradictions, known_profile, load_profile, profiles

__all__ = [
    "Board",
    "Figure",
    "Machine",
    "Profile",
    "contradictions",
    "here",
    "known_profile",
    "load_profile",
    "peak_rss_bytes",
    "probe",
    "profiles",
    "read_board",
    "usable_cores",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from cfedge.device import profile

        return getattr(profile, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
