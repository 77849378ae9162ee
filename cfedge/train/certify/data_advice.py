"""What a task's examples keep a certificate from showing, in plain sentences: examples that were
left out, that the encoder cannot read, that have several labels, or that were learned from.
"""

from __future__ import annotations

from cfedge.counted import counted
from cfedge.train.certify.task_certificate import TaskCertificate
from cfedge.train.examples.examples import LabelledData
from cfedge.train.examples.near import are_many
from cfedge.train.examples.reading import conflicting

__all__ = ["what_was_given", "what_was_held_out"]


def what_was_given(row: TaskCertificate, data: LabelledData | None) -> list[str]:
    """Return one sentence for each fault of the examples; `data`, where it is at hand, lets them
    name the first input.
    """
    lines = [_left_out(row, data), *_unread(row), _conflicting(row, data)]
    return [line for line in lines if line is not None]


def what_was_held_out(row: TaskCertificate) -> list[str]:
    """Return one sentence for each way in which held-out examples were learned from."""
    return [line for line in (_repeated(row), _near(row)) if line is not None]


def _left_out(row: TaskCertificate, data: LabelledData | None) -> str | None:
    given = 0 if data is None else len(data.train) + len(data.held_out or ())
    if given <= row.reading.inputs:
        return None
    return (
        f"{row.task}: of {given:,} examples {row.examples:,} were learned from and"
        f" {row.certificate.held_out:,} held out; the others were not read: --most-examples takes"
        " more, and cfedge inspect --curve says whether more of them help"
    )


def _unread(row: TaskCertificate) -> list[str]:
    read, of = row.reading, f"of {row.reading.inputs} inputs"
    lines = []
    if read.unread:
        lines.append(
            f"{read.unread} {of} are mostly unknown to the encoder ([UNK]): it was made"
            " for another language or script; take a backbone that reads it"
        )
    if read.spelled * 2 > read.inputs:
        lines.append(
            f"{read.spelled} {of} are read letter by letter: the encoder hardly knows their"
            " language; take a backbone that reads it"
        )
    if read.truncated:
        lines.append(
            f"{read.truncated} {of} are longer than the encoder reads and are cut at their end; put"
            " what matters first, or cut them up"
        )
    if read.alike:
        lines.append(
            f"{read.alike} {of} are the same as another one to the encoder, since they differ in"
            " what it does not read"
        )
    return [f"{row.task}: {line}" for line in lines]


def _conflicting(row: TaskCertificate, data: LabelledData | None) -> str | None:
    if not row.reading.conflicting:
        return None
    first = ""
    if data is not None and (rows := conflicting(data.train.keys, data.train.labels)):
        value = data.train.inputs[rows[0]]
        labels = {
            data.train.labels[at] for at in rows if data.train.keys[at] == data.train.keys[rows[0]]
        }
        count = len({data.train.keys[at] for at in rows})
        carry = counted(count, f"{data.train.kind} carries", f"{data.train.kind}s carry")
        first = (
            f"{carry} several labels, the first {str(value)!r:.80} ({' and '.join(sorted(labels))})"
        )
    found = f"{row.reading.conflicting} of {row.reading.inputs} inputs"
    return (
        f"{row.task}: {f'{first}: {found}' if first else f'{found} have several labels'}. They are"
        " learned from and never held out, so what is certified is of the others alone; keep one"
        " label of each"
    )


def _repeated(row: TaskCertificate) -> str | None:
    if not row.repeated:
        return None
    return (
        f"{row.task}: {row.repeated} of {row.certificate.held_out} held-out inputs are learned from too,"
        " so its limits look better than they are; hold out others"
    )


def _near(row: TaskCertificate) -> str | None:
    held_out = row.certificate.held_out
    near = min(row.reading.near, held_out)
    if not are_many(near, held_out):
        return None
    return (
        f"{row.task}: {near} of {held_out} held-out inputs are nearly the same as one that it learned"
        " from, like frames of one video or sentences that differ in a number. Its limits may look"
        " better than they are. Put what belongs together into one group: name a column of the"
        " table with --group-column, or give groups= in Python"
    )
