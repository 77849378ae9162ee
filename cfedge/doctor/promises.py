"""Does the machine keep what a bundle and a board's profile promise?"""

from __future__ import annotations

from cfedge.counted import counted
from cfedge.device.board import Board
from cfedge.device.profile import Profile, contradictions
from cfedge.doctor.check import Check, how_it_ended, mb
from cfedge.doctor.child import Trial

__all__ = ["budget", "bundle", "profile"]


def bundle(trial: Trial) -> Check:
    """Judge whether the bundle's golden vectors were answered."""
    expected = "every golden vector to be answered as in the workshop"
    other = trial.exported_with is not None and trial.exported_with != trial.onnxruntime
    origin = (
        f" (exported with onnxruntime {trial.exported_with}, here {trial.onnxruntime})"
        if other
        else ""
    )
    if "bundle" in trial.done:
        return Check(
            "bundle",
            "ok",
            f"{counted(trial.tasks or 0, 'task')}, smallest cosine {trial.cosine:.4f}{origin}",
            expected,
        )
    if trial.stopped == "bundle" and other:
        remedy = f"pip install onnxruntime=={trial.exported_with}, or export for this machine"
        return Check("bundle", "fail", f"that it {how_it_ended(trial)}{origin}", expected, remedy)
    if trial.stopped == "bundle":
        found, _, step = how_it_ended(trial).rpartition("; ")
        if not found.startswith("was refused"):
            found, step = (
                how_it_ended(trial),
                "export for this machine and this onnxruntime, or fetch it again",
            )
        return Check("bundle", "fail", f"that it {found}", expected, step)
    return Check("bundle", "fail", "not tried", expected, "see the checks before")


def profile(board: Board, profile: Profile) -> Check:
    """Judge whether the machine is what the profile says."""
    found = contradictions(profile, board)
    expected = f"the machine to be what {profile.name} says ({profile.title})"
    if found:
        return Check(
            "profile", "fail", "; ".join(found), expected, "choose another: cfedge devices"
        )
    return Check("profile", "ok", "nothing that contradicts it", expected)


def budget(trial: Trial, profile: Profile) -> Check:
    """Judge the memory at the peak against the board's budget."""
    budget = profile.memory_budget_bytes.value
    expected = f"<= {mb(budget)} ({profile.memory_budget_bytes.source})"
    if trial.peak_bytes is None:
        return Check("budget", "ok", "not measured", expected)
    found = f"{mb(trial.peak_bytes)} at the peak"
    if trial.peak_bytes > budget:
        return Check(
            "budget",
            "fail",
            found,
            expected,
            "export a smaller backbone or fewer tasks for this board",
        )
    return Check("budget", "ok", found, expected)
