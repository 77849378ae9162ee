"""What whoever reads certificates should know beside their figures, in plain sentences."""

from __future__ import annotations

import math

from cfedge.train.certificate import FALSE_REJECT_RATE
from cfedge.train.certificates import Certificates, TaskCertificate
from cfedge.train.composition import KEPT_ENERGY
from cfedge.train.overlaps import Overlap

__all__ = ["advice"]


def advice(certified: Certificates) -> list[str]:
    """Return one sentence for each thing that a figure alone does not tell: what folding lost, what
    few held-out inputs cannot show, which of them were learned from, labels that tasks share, tasks
    that coincide.
    """
    rows = list(certified.tasks.values())
    return [
        *(line for row in rows if (line := _folded(row))),
        *(line for row in rows if (line := _few(row))),
        *(line for row in rows if (line := _repeated(row))),
        *(line for row in rows if (line := _shared(row))),
        *(_coincides(pair) for pair in certified.overlaps),
    ]


def _folded(row: TaskCertificate) -> str | None:
    if row.kept_energy >= KEPT_ENERGY - 1e-9:
        return None
    return (
        f"{row.task}: its adapter keeps {row.kept_energy:.2%} of what was learned, less than"
        f" {KEPT_ENERGY:.1%}: raise --max-rank, or lower --pool-limit"
    )


def _few(row: TaskCertificate) -> str | None:
    if row.false_reject_rate <= FALSE_REJECT_RATE:
        return None
    return (
        f"{row.task}: {row.false_reject_rate:.0%} of its own inputs may be called unknown, as"
        f" {row.certificate.held_out} held-out examples can show no less; hold out"
        f" {math.ceil(1 / FALSE_REJECT_RATE) - 1} or more"
    )


def _repeated(row: TaskCertificate) -> str | None:
    if not row.repeated:
        return None
    return (
        f"{row.task}: {row.repeated} of {row.certificate.held_out} held-out texts are, but for case"
        " and spaces, also learned from: the limit is too good by what they count for; hold out"
        " others"
    )


def _shared(row: TaskCertificate) -> str | None:
    if not row.shared_labels:
        return None
    shown = [
        f"{label!r} (in {', '.join(others[:3])})" for label, others in row.shared_labels.items()
    ]
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return (
        f"{row.task}: other tasks have labels of the same name, {', '.join(shown[:5])}{more}: an"
        " answer is a task and a label, so they are kept apart; --same-label LABEL says that one"
        " means the same"
    )


def _coincides(pair: Overlap) -> str:
    return (
        f"{pair.task} coincides with {pair.rival}: {pair.taken} of {pair.held_out} held-out inputs"
        f" go there, by the lookup's model {pair.share:.0%} may; upper bounds are now"
        f" {pair.upper_bound:.1%} ({pair.task}) and {pair.rival_upper_bound:.1%} ({pair.rival})"
    )
