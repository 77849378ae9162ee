"""The boards of ``devices/``, by name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from cfedge.device.board import Board
from cfedge.device.machine import this_board
from cfedge.device.profile import Profile, contradictions
from cfedge.device.profile_file import parse_profile
from cfedge.errors import UsageError

__all__ = ["known_profile", "load_profile", "profiles"]


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
    differences = contradictions(profile, board or this_board())
    if differences:
        raise UsageError(f"{differences[0]}; choose another: cfedge devices")
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


def _folder() -> Path:
    installed = Path(str(resources.files("cfedge"))) / "devices"
    return (
        installed if installed.is_dir() else Path(str(resources.files("cfedge"))).parent / "devices"
    )
