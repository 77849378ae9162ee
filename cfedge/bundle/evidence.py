"""What a manifest may say of held-out inputs: certificates, calibrations and odds whose numbers do not
contradict each other. Pure.
"""

from __future__ import annotations

import dataclasses
import itertools

from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import Certificate
from cfedge.bundle.names import check_name
from cfedge.calibration import COVERAGES, RATES, STAGES, TERMS, Calibration, Odds
from cfedge.confidence import upper_bound
from cfedge.errors import SchemaError

__all__ = ["check_calibration", "check_certificate", "check_odds"]

#: Of a calibration: with finer scales or farther numbers a score would not be finite.
_FINEST, _FARTHEST = 1e-12, 1e15
#: Of odds: beyond it nothing changes any more.
_STEEPEST = 1e3
#: Of a bound that another program computed.
_ROUNDING = 1e-9
#: Of a certificate, how many of how many inputs are called unknown: the part after its whole.
_REJECTIONS = ("own", "own_rejected", "foreign", "foreign_caught", "others", "others_caught")


def check_certificate(task: str, certificate: Certificate) -> None:
    """Refuse a certificate whose counts contradict each other, or whose bound is below what they
    allow.

    Raises
    ------
    SchemaError
    """
    if not (
        0
        <= certificate.rival_errors
        <= certificate.errors
        <= certificate.held_out
        <= LIMITS.held_out
        and 0 <= certificate.wrong <= certificate.held_out
        and 0 <= certificate.wrong_task_at_most <= 1
        and 0 <= certificate.wrong_answer_at_most <= 1
        and 0 < certificate.alpha < 1
        and certificate.tasks >= 1
    ):
        stated = ", ".join(
            f"{key} {value}"
            for key, value in dataclasses.asdict(certificate).items()
            if key not in ("rival", *_REJECTIONS)
        )
        raise SchemaError(
            f"certificate of task {task!r}: expected rival_errors <= errors <= held_out, wrong <="
            f" held_out, shares in [0, 1], tasks >= 1, found {stated}; export the bundle again"
        )
    _check_rival(task, certificate)
    for name, part in zip(_REJECTIONS[::2], _REJECTIONS[1::2], strict=True):
        whole, rejected = getattr(certificate, name), getattr(certificate, part)
        if not 0 <= rejected <= whole <= LIMITS.held_out:
            raise SchemaError(
                f"certificate of task {task!r}: expected 0 <= {part} <= {name} <="
                f" {LIMITS.held_out}, found {rejected} and {whole}; export the bundle again"
            )
    for count, bound, what in (
        (certificate.errors, certificate.wrong_task_at_most, "errors"),
        (certificate.wrong, certificate.wrong_answer_at_most, "wrong answers"),
    ):
        least = upper_bound(count, certificate.held_out, certificate.alpha / certificate.tasks)
        if bound < least * (1 - _ROUNDING):
            raise SchemaError(
                f"certificate of task {task!r}: expected a limit of at least {least:.6g}, as"
                f" {count} {what} of {certificate.held_out} allow, found {bound:.6g}; export the"
                " bundle"
                " again"
            )


def _check_rival(task: str, certificate: Certificate) -> None:
    """Refuse a rival that took nothing, is the task itself, or could not be shown."""
    rival = certificate.rival
    if (rival is None) != (certificate.rival_errors == 0) or rival == task:
        raise SchemaError(
            f"certificate of task {task!r}: expected another task as rival where it took some, and"
            f" none where it took none, found {rival!a:.80} and {certificate.rival_errors}; export"
            " the bundle again"
        )
    if rival is not None:
        check_name(f"rival of task {task!r}", rival)


def check_calibration(task: str, rule: Calibration) -> None:
    """Refuse a calibration that is not whole, or whose rates and thresholds are not in
    order.

    Raises
    ------
    SchemaError
    """
    thresholds = rule.thresholds
    whole = (
        len(rule.centers) == len(rule.scales) == TERMS
        and all(_FINEST <= scale <= _FARTHEST for scale in rule.scales)
        and all(abs(one) <= _FARTHEST for one in (*rule.centers, rule.accepted, *thresholds))
        and len(thresholds) == len(RATES)
        and all(one >= other for one, other in itertools.pairwise(thresholds))
    )
    if not whole:
        raise SchemaError(
            f"calibration of task {task!r}: expected {TERMS} centers, as many scales >= {_FINEST} and"
            f" {len(RATES)} thresholds that do not rise, none above {_FARTHEST:g}, found {len(rule.centers)}, scales"
            f" {list(rule.scales)!s:.60}, thresholds {list(thresholds)!s:.60}; export the bundle"
            " again"
        )
    check_odds(task, rule.odds)


def check_odds(task: str, odds: Odds) -> None:
    """Refuse odds by which a wider margin would make a task less probable, and limits that are no
    probabilities or rise.

    Raises
    ------
    SchemaError
    """
    whole = (
        len(odds.slopes) == len(odds.offsets) == STAGES
        and all(0 <= slope <= _STEEPEST for slope in odds.slopes)
        and all(abs(offset) <= _STEEPEST for offset in odds.offsets)
        and len(odds.limits) <= len(COVERAGES)
        and all(0 <= limit <= 1 for limit in odds.limits)
        and all(one >= other for one, other in itertools.pairwise(odds.limits))
    )
    if not whole:
        raise SchemaError(
            f"odds of task {task!r}: expected {STAGES} slopes of 0 to {_STEEPEST:g}, as many offsets"
            f" of at most {_STEEPEST:g}, and at most {len(COVERAGES)} limits of 0 to 1 that do not"
            f" rise, found slopes {list(odds.slopes)!s:.60}, offsets {list(odds.offsets)!s:.60},"
            f" limits {list(odds.limits)!s:.60}; export the bundle again"
        )
