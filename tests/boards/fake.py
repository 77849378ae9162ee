"""Fake boards: folders that stand for a machine's file system, and what a process on it would say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from cfedge.device import Board, Profile, profiles, read_board
from cfedge.doctor.child import Trial
from cfedge.doctor.host import Host

FOLDER = Path(__file__).parent
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/process.json"))


@dataclass(frozen=True)
class Fake:
    board: Board
    host: Host
    trial: Trial
    profile: Profile | None


def unpack(name: str, target: Path) -> Path:
    """Lay out the board's files under their real names."""
    source = FOLDER / name / "root"
    for path in source.rglob("*"):
        if path.is_file():
            place = target.joinpath(*(unquote(part) for part in path.relative_to(source).parts))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return target


def load(name: str, target: Path) -> Fake:
    process = json.loads((FOLDER / name / "process.json").read_text("utf-8"))
    host, trial = process["host"], process["trial"]
    return Fake(
        board=read_board(process["machine"], process["system"], root=unpack(name, target)),
        host=Host(**{**host, "onnxruntime": tuple(tuple(pair) for pair in host["onnxruntime"])}),
        trial=Trial(**{**trial, "done": tuple(trial["done"])}),
        profile=profiles()[process["profile"]] if process["profile"] else None,
    )
