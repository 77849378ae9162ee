"""add: what is said of a task that was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfedge.counted import counted
from cfedge.train.settings import Settings

if TYPE_CHECKING:
    from cfedge.bundle.manifest import Backbone
    from cfedge.train.certify.task_certificate import TaskCertificate
    from cfedge.train.measures.trial import Trial

__all__ = ["learned"]


def learned(row: TaskCertificate, settings: Settings, backbone: Backbone) -> str:
    """Return how a task was learned, from how much, and what is certified of its answers."""
    from cfedge.train.certify.advice import ENOUGH

    answers = row.answers
    classes, examples = counted(len(row.labels), "class"), counted(row.examples, "example")
    elsewhere = (
        f" and at most {row.certificate.wrong_task_at_most:.1%} go to another task"
        if row.certificate.tasks > 1
        else ""
    )
    few = f"; {answers.held_out} examples cannot promise more"
    return (
        f"{row.task}: learned {classes} from {examples}; of {answers.held_out} held out {answers.right}"
        f" {'was' if answers.right == 1 else 'were'} answered right, so at most {answers.wrong_answer_at_most:.1%} of future answers are wrong{elsewhere}"
        f" (95% confidence){few if 1 < answers.held_out < ENOUGH else ''}{_why(row, settings, backbone)}"
    )


def _why(row: TaskCertificate, settings: Settings, backbone: Backbone) -> str:
    """A second sentence: why there is an adapter or none, where nobody asked for either."""
    from cfedge.train.learn.head import FEW

    if settings.method != "auto" or len(row.labels) == 1:
        return ""
    if row.trial is not None:
        return _tried(row.trial, kept=row.method == "adapter")
    if row.method != "closed-form":
        return ""
    if not backbone.slots:
        return ". It has no adapter, as this encoder takes none"
    return (
        f". It has no adapter, as a class has fewer than {FEW} examples to learn from; --train makes"
        " one"
    )


def _tried(trial: Trial, *, kept: bool) -> str:
    counts = (
        f"{trial.adapter} of {counted(trial.examples, 'set-aside example')} right,"
        f" {trial.closed_form} without it"
    )
    if kept:
        return f". Its adapter was clearly better ({counts}), so it was kept"
    better = "no" if trial.adapter <= trial.closed_form else "not clearly"
    return f". An adapter was {better} better ({counts}), so it was dropped; --train keeps it"
