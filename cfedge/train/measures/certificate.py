"""How often will the lookup pick another task, and above which out-of-distribution score is an
input unknown? From held-out examples.

Certificates are computed for all tasks of the workspace together, from each task's held-out
features (never used to learn) and the lookup that ships. They therefore hold for exactly this set
of tasks: adding or removing one means computing them anew, which takes no earlier task's data
beyond that evidence.

Letters: N held-out examples of a task, T tasks.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.manifest import Certificate
from cfedge.calibration import RATES, Calibration
from cfedge.confidence import upper_bound
from cfedge.errors import UsageError
from cfedge.lookup import TaskMatches
from cfedge.lookup.ood import ood_score
from cfedge.train.measures.calibrating import Terms, calibrations, thresholds_of

__all__ = ["ALPHA", "Certified", "FALSE_REJECT_RATE", "certify", "check_rate"]

ALPHA = 0.05
FALSE_REJECT_RATE = 0.05


@dataclass(frozen=True)
class Certified:
    """One task's certificate, and by which rule and from which threshold on an input is unknown;
    and the rate at which that calls the task's own inputs unknown, in the mean at most: the chosen
    one, or what so few held-out examples allow.
    """

    certificate: Certificate
    threshold: float
    false_reject_rate: float
    calibration: Calibration


def check_rate(false_reject_rate: float) -> None:
    """Refuse what is no share of a task's own inputs that thresholds are chosen for: above the
    largest of `cfedge.calibration.RATES` they would reject inputs that the trunk accepts.

    Raises
    ------
    UsageError
    """
    if not 0 < false_reject_rate <= RATES[-1]:
        raise UsageError(
            f"false-reject rate: expected a share above 0 and at most {RATES[-1]:g}, found"
            f" {false_reject_rate}; such as {FALSE_REJECT_RATE:g}"
        )


def certify(
    found: Mapping[str, TaskMatches],
    terms: Terms,
    *,
    alpha: float = ALPHA,
    false_reject_rate: float = FALSE_REJECT_RATE,
    right: Mapping[str, NDArray[np.bool_]] | None = None,
    pseudo_unknown: Terms | None = None,
) -> dict[str, Certified]:
    """Certify every task against all of them.

    Parameters
    ----------
    found
        By task, all of them: what the lookup that ships makes of its held-out examples, N >= 1.
    terms
        By task, how far those of them that the lookup gives to it are from it
        (`cfedge.train.measures.calibrating.held_out_terms`).
    alpha
        All tasks' bounds hold together with probability >= 1 - alpha (each at alpha / T).
    false_reject_rate
        Share of a task's own inputs that may be called unknown. The threshold is at least the
        ceil((N + 1)(1 - rate))-th smallest score (split conformal), at most the largest, of the
        held-out examples that the lookup gives to this task: those are the ones to which the engine
        applies it. Of N so few that this is the largest, 1 / (N + 1) is the rate that holds.
    right
        By task, whether the whole answer to each of them is right
        (`cfedge.train.measures.answers`), bool [N]; None: where the task is.
    pseudo_unknown
        See `cfedge.train.measures.calibrating.calibrations`.

    Raises
    ------
    UsageError
        See `check_rate`.
    """
    check_rate(false_reject_rate)
    tasks = sorted(found)
    rules = calibrations(terms, pseudo_unknown)
    limits = thresholds_of(terms, [false_reject_rate])
    certified: dict[str, Certified] = {}
    for position, name in enumerate(tasks):
        own = found[name]
        failed = own.task != position if right is None else ~right[name]
        certificate = _counted(tasks, position, own, int(failed.sum()), alpha)
        threshold = float(limits[name][0])
        count = len(terms[name])
        rejected = int((ood_score(rules[name], terms[name]) > threshold).sum())
        certified[name] = Certified(
            dataclasses.replace(certificate, own=count, own_rejected=rejected),
            threshold,
            max(false_reject_rate, 1 / (count + 1)),
            rules[name],
        )
    return certified


def _counted(
    tasks: Sequence[str], position: int, own: TaskMatches, wrong: int, alpha: float
) -> Certificate:
    """Count where one task's held-out examples went, of which `wrong` got a wrong answer."""
    elsewhere = own.task[own.task != position]
    rivals = Counter(tasks[index] for index in elsewhere)
    rival, rival_errors = (
        min(rivals.items(), key=lambda item: (-item[1], item[0])) if rivals else (None, 0)
    )
    examples, errors = len(own.task), len(elsewhere)
    return Certificate(
        held_out=examples,
        errors=errors,
        wrong_task_at_most=upper_bound(errors, examples, alpha / len(tasks)),
        alpha=alpha,
        tasks=len(tasks),
        rival=rival,
        rival_errors=rival_errors,
        wrong=wrong,
        wrong_answer_at_most=upper_bound(wrong, examples, alpha / len(tasks)),
    )
