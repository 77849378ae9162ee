"""The machine: what its kernel says (`board`), what a measurement records (`probe`), what is known of boards (`profile`).

A profile only sets budgets; flags are probed. Reading a bundle or running a graph is for others; `cfedge.doctor` judges.
"""

from __future__ import annotations

from cfedge.device.board import Board, read_board
from cfedge.device.probe import Machine, here, probe
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
    "probe",
    "profiles",
    "read_board",
]
