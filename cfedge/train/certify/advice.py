"""What whoever reads certificates should know beside their figures, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cfedge.counted import counted
from cfedge.train.certify.certificates import Certificates
from cfedge.train.certify.data_advice import what_was_given, what_was_held_out
from cfedge.train.certify.overlaps import OVERLAP_SHARE, Overlap
from cfedge.train.certify.task_certificate import TaskCertificate
from cfedge.train.examples.examples import LabelledData
from cfedge.train.learn.composition import KEPT_ENERGY
from cfedge.train.measures.certificate import FALSE_REJECT_RATE
from cfedge.train.settings import Settings

__all__ = ["ENOUGH", "advice", "nothing_learned"]

#: Held-out examples of a class below which nothing is said of it alone.
WEAK_LEAST = 3
#: Held-out examples of a task that the promise of the default false-reject rate needs; with fewer,
#: no rate is spoken of.
ENOUGH = math.ceil(1 / FALSE_REJECT_RATE) - 1


def advice(
    certified: Certificates,
    data: Mapping[str, LabelledData] | None = None,
    *,
    workspace: str = "WS",
) -> list[str]:
    """Return one sentence for each thing that a figure alone does not tell: what the encoder cannot
    read, whether anything was learned at all, classes that are swallowed or rejected, what folding
    lost, what few held-out inputs cannot show, which of them were learned from or nearly, labels
    that tasks share, tasks that coincide. `data`, where it is at hand, lets them name the first
    input; `workspace` is what a command that they propose calls the workspace.
    """
    rows = list(certified.tasks.values())
    return [
        *(line for row in rows for line in what_was_given(row, (data or {}).get(row.task))),
        *(line for row in rows if (line := _nothing(row))),
        *(line for row in rows if (line := _weak(row))),
        *(line for row in rows if (line := _folded(row))),
        *(line for row in rows if (line := _few(row))),
        *(line for row in rows for line in what_was_held_out(row)),
        *(line for row in rows if (line := _shared(row))),
        *_coincide(certified.overlaps, workspace),
    ]


def nothing_learned(certified: Certificates) -> list[str]:
    """Return one sentence for each task whose held-out results chance alone could explain."""
    return [line for row in certified.tasks.values() if (line := _nothing(row))]


def _nothing(row: TaskCertificate) -> str | None:
    answers = row.answers
    if not answers.learned_nothing:
        return None
    if answers.too_few and answers.held_out >= ENOUGH:
        rest = answers.held_out - answers.majority
        return (
            f"{row.task}: {answers.majority} of {answers.held_out} held-out inputs are of"
            f" {answers.majority_label!r}, so always answering that would hardly ever be wrong;"
            f" {rest} of other labels cannot show whether it learned anything: add examples of"
            " these"
        )
    if answers.too_few or answers.held_out < ENOUGH:
        return (
            f"{row.task}: {_held_out(answers.held_out)} too few to show whether it learned anything;"
            " add examples"
        )
    return (
        f"{row.task}: {answers.known} of {counted(answers.held_out, 'held-out input')} got the right label,"
        f" and always answering {answers.majority_label!r} would get {answers.majority}: it may"
        " have learned nothing; check its labels, and whether the encoder was made for such inputs"
    )


def _weak(row: TaskCertificate) -> str | None:
    """Name the classes of which fewer than half of the held-out examples are answered and right,
    where the task as a whole does better.
    """
    if row.answers.learned_nothing:
        return None
    weak = [
        f"{label!r} ({one.answered} of {one.held_out}, {one.unknown} called unknown)"
        for label, one in row.answers.classes.items()
        if one.held_out >= WEAK_LEAST and one.answered * 2 < one.held_out
    ]
    if not weak:
        return None
    return (
        f"{row.task}: fewer than half of the held-out inputs of {', '.join(weak[:5])} get an answer"
        " that is right; give these classes more examples, or more alike ones"
    )


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
    taught = math.ceil(ENOUGH / Settings().held_out)
    promise, rate = f"{FALSE_REJECT_RATE:.0%}", f"{row.false_reject_rate:.0%}"
    if rate == promise:
        rate = f"{row.false_reject_rate:.1%}"
    return (
        f"{row.task}: up to {rate} of its own inputs may be called unknown by mistake; to promise"
        f" {promise}, give at least {taught} examples of the task, or {ENOUGH} held-out ones with"
        " --held-out FILE"
    )


def _held_out(count: int) -> str:
    return counted(count, "held-out example is", "held-out examples are")


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


def _coincide(pairs: Sequence[Overlap], workspace: str) -> list[str]:
    """Return one sentence for two tasks, whichever of them takes the other's inputs."""
    together: dict[frozenset[str], list[Overlap]] = {}
    for pair in pairs:
        together.setdefault(frozenset((pair.task, pair.rival)), []).append(pair)
    return [_confused(ways, workspace) for ways in together.values()]


def _confused(ways: Sequence[Overlap], workspace: str) -> str:
    """Tell of two tasks: what was counted, what that allows to say, and what to do."""
    one, other = ways[0].task, ways[0].rival
    taking = [way for way in ways if way.taken]
    seen = ", and ".join(
        f"{way.taken} of {way.task}'s {counted(way.held_out, 'held-out input')}"
        f" {'was' if way.taken == 1 else 'were'} answered by {way.rival}"
        for way in taking
    )
    how = "may be" if not taking else "are sometimes"
    if any(2 * way.taken >= way.held_out for way in taking):
        how = "are often"
    line = f"{one} and {other} {how} confused: {seen or 'their examples lie close together'}"
    if shared := ways[0].shared:
        return (
            f"{line}. They share {counted(shared, 'example')}, which cannot tell them apart: name"
            " the task when you ask (cfedge predict --task), or leave what they share out of one; if"
            f" both are one topic, make them one task: cfedge join {workspace} {one} {other}"
        )
    if min(way.held_out for way in ways) < ENOUGH:
        line += (
            ". So few held-out examples cannot say how often this will happen; give more with"
            " --held-out FILE"
        )
    else:
        line += (
            f". At most {ways[0].wrong_task_at_most:.1%} of {one}'s inputs and"
            f" {ways[0].rival_wrong_task_at_most:.1%} of {other}'s go to another task (95% confidence)"
        )
        if all(way.taken < OVERLAP_SHARE * way.held_out for way in ways):
            worst = max(ways, key=lambda way: way.share)
            line += (
                f"; the lookup itself expects up to {worst.share:.0%} of {worst.task}'s to go to"
                f" {worst.rival}"
            )
    return (
        f"{line}. If both are one topic, make them one task: cfedge join {workspace} {one} {other}"
    )
