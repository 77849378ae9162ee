"""What a sync does next, from what it found. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Facts", "Step", "next_step"]


class Step(Enum):
    """What a sync does once it knows what its channel holds."""

    #: Fetch what is missing, try it, and let it answer.
    INSTALL = "install"
    #: Delete what is no longer needed: what is published is here and answers.
    TIDY = "tidy"
    #: Say what would change.
    REPORT = "report"
    #: Fetch again what is damaged of what a rollback pinned.
    REPAIR = "repair"
    #: Say that nothing is wanted; what answers goes on.
    FAIL = "fail"
    #: Say that nothing is wanted, and leave an empty store: what answers may not go on.
    CLEAR = "clear"


@dataclass(frozen=True)
class Facts:
    """What a sync found.

    Attributes
    ----------
    wanted
        Whether the channel has a task that this store wants.
    is_here
        Whether what is published is installed, whole, and answers.
    pinned
        Whether a rollback holds what answers.
    vouched
        Whether today's keys vouch for what answers: else no pin holds it.
    must_go
        Whether what answers may not go on: files of it were erased.
    dry_run, retry
        See `cfedge.sync.client.Plan`.
    """

    wanted: bool = True
    is_here: bool = False
    pinned: bool = False
    vouched: bool = True
    must_go: bool = False
    dry_run: bool = False
    retry: bool = False


def next_step(facts: Facts) -> Step:
    """Return what to do."""
    if not facts.wanted:
        return Step.CLEAR if facts.must_go and not facts.dry_run else Step.FAIL
    if facts.dry_run:
        return Step.REPORT
    if facts.is_here:
        return Step.TIDY
    if facts.pinned and facts.vouched and not facts.must_go:
        return Step.REPAIR if facts.retry else Step.REPORT
    return Step.INSTALL
