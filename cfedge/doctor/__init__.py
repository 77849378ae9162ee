"""Is this machine fit for cfedge? Gather the facts, let a child process try, judge.

The facts are the kernel's (`cfedge.device.board`) and the process's (`host`); what may crash is
tried in a child (`child`, `trial`, `sample`); `checks` judges, purely, by `limits`. Nothing here
imports numpy or onnxruntime: they may be what is broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cfedge.device.board import Board
from cfedge.device.known_boards import profiles
from cfedge.device.machine import this_board
from cfedge.doctor.check import Check
from cfedge.doctor.checks import judge
from cfedge.doctor.child import Trial, try_out
from cfedge.doctor.host import Host, read_host
from cfedge.doctor.limits import Limits
from cfedge.errors import MachineError, UsageError

__all__ = ["Check", "Limits", "Report", "Trial", "examine", "require_fit"]


@dataclass(frozen=True)
class Report:
    """All that was found: facts, trial and judgements."""

    board: Board
    host: Host
    trial: Trial
    checks: tuple[Check, ...]

    @property
    def fit(self) -> bool:
        """Whether no check failed."""
        return all(check.status != "fail" for check in self.checks)


def examine(
    bundle: Path | None = None, *, profile: str | None = None, limits: Limits | None = None
) -> Report:
    """Examine this machine.

    Parameters
    ----------
    bundle
        Opened in the child, every golden vector answered, whatever was noted about it before.
    profile
        A board of devices/ to compare with.

    Raises
    ------
    UsageError
        There is no such profile. Whatever is wrong with the machine is a check that fails, not an
        error.
    """
    limits = limits or Limits()
    known = profiles()
    if profile is not None and profile not in known:
        raise UsageError(
            f"profile: expected one of {', '.join(known)}, found {profile!r}; they are explained"
            " by: cfedge devices"
        )
    chosen = None if profile is None else known[profile]
    board, host = this_board(), read_host(bundle or Path.cwd())
    trial = try_out(bundle, timeout_s=limits.bundle_timeout_s if bundle else limits.start_timeout_s)
    checks = judge(
        board, host, trial, limits=limits, profile=chosen, with_bundle=bundle is not None
    )
    return Report(board, host, trial, tuple(checks))


def require_fit(report: Report) -> None:
    """Raise where a check failed.

    Raises
    ------
    MachineError
        Naming the first failed check, and how many there are.
    """
    failed = [check for check in report.checks if check.status == "fail"]
    if failed:
        first = failed[0]
        more = (
            f" (and {len(failed) - 1} more: {', '.join(check.name for check in failed[1:])})"
            if failed[1:]
            else ""
        )
        raise MachineError(
            f"{first.name}: expected {first.expected}, found {first.found}; {first.next}{more}"
        )
