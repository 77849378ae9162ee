"""add: what is said of a task that was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfedge.train.settings import Settings

if TYPE_CHECKING:
    from cfedge.bundle.manifest import Backbone
    from cfedge.train.certify.certificates import TaskCertificate
    from cfedge.train.measures.trial import Trial

__all__ = ["learned"]


def learned(row: TaskCertificate, settings: Settings, backbone: Backbone) -> str:
    """Return how a task was learned, from how much, and what is certified of its answers."""
    from cfedge.train.certify.advice import ENOUGH

    why = _why(row, settings, backbone)
    how = f"a closed-form head ({why}), " if why else ""
    if row.trial is not None and row.method == "adapter":
        how = f"an adapter ({_gain(row.trial)}), "
    answers, count = row.answers, len(row.labels)
    elsewhere = (
        f" and at most {row.certificate.upper_bound:.1%} go to another task"
        if row.certificate.tasks > 1
        else ""
    )
    few = f"; {answers.held_out} examples cannot promise more"
    return (
        f"{row.task}: learned {how}{count} {'class' if count == 1 else 'classes'} from"
        f" {row.examples} examples; of {answers.held_out} held out {answers.right}"
        f" {'was' if answers.right == 1 else 'were'} answered right, so at most {answers.wrong_upper_bound:.1%} of future answers are wrong{elsewhere}"
        f" (95% confidence){few if 1 < answers.held_out < ENOUGH else ''}"
    )


def _why(row: TaskCertificate, settings: Settings, backbone: Backbone) -> str:
    """Why a task has a head in closed form, where nobody asked for one; else nothing."""
    from cfedge.train.learn.head import FEW

    if settings.method != "auto" or row.method != "closed-form" or len(row.labels) == 1:
        return ""
    if not backbone.slots:
        return "this encoder takes no adapters"
    if row.trial is not None:
        return f"{_gain(row.trial)}, not more than the standard error; --train for an adapter"
    return f"fewer than {FEW} examples a class to learn from; --train for an adapter"


def _gain(trial: Trial) -> str:
    return (
        f"of {trial.examples} examples set aside an adapter gets {trial.adapter} right, the closed"
        f" form {trial.closed_form}, standard error {trial.standard_error:.1f}"
    )
