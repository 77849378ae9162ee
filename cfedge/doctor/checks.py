"""The judgements: facts in, a list of checks out. Pure, so that a folder of files can be judged
like a board.

A check fails where cfedge will not work, warns where it will work worse or was not tried, and is ok
otherwise. What cannot be found out is ok and says so. Where a build for this system is not known
but one is installed and runs, it only warns: what runs, runs.
"""

from __future__ import annotations

from cfedge.device.board import Board
from cfedge.device.profile import Profile
from cfedge.doctor import packages, promises, resources, system
from cfedge.doctor.check import Check
from cfedge.doctor.child import Trial
from cfedge.doctor.host import Host
from cfedge.doctor.limits import Limits

__all__ = ["judge"]


def judge(
    board: Board,
    host: Host,
    trial: Trial,
    *,
    limits: Limits,
    profile: Profile | None = None,
    with_bundle: bool = False,
) -> list[Check]:
    """Return every check, in the order in which one looks for a fault."""
    checks = [
        system.word_size(board, host),
        system.machine(board, trial, limits),
        system.python(host, trial, limits),
        system.libc(host, trial, limits),
        system.cpu(board),
        packages.numpy(board, trial),
        packages.onnxruntime(host, trial, limits),
        packages.imports(board, host, trial, limits),
        packages.int8(trial),
        resources.memory(board, trial, limits),
        resources.disk(host, limits),
        resources.cores(board, host, profile),
        resources.load(board, host, limits),
        resources.heat(board, limits),
        resources.clock(board),
    ]
    if with_bundle:
        checks.append(promises.bundle(trial))
    if profile:
        checks.append(promises.profile(board, profile))
        if with_bundle:
            checks.append(promises.budget(trial, profile))
    return checks
