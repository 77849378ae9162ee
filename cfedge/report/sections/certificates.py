"""What is certified: per task, how often the answer was wrong on held-out inputs, and its bound."""

from __future__ import annotations

from cfedge.charts import IntervalRow, Span, figure, interval_chart, percent, table
from cfedge.counted import counted
from cfedge.report.contents import Contents, Task
from cfedge.report.sections.section import Section, note, paragraph, section

__all__ = ["certificates"]

#: Tasks that are drawn, and that stand in the table; the data hold them all.
_DRAWN, _TOLD = 60, 300


def certificates(contents: Contents) -> Section:
    """Return the certificates as a chart with their limits, the highest first."""
    ordered = sorted(
        contents.tasks, key=lambda task: (-task.certificate.wrong_answer_at_most, task.name)
    )
    # Where there is one task alone, no other can take its inputs.
    alone = len(ordered) == ordered[0].certificate.tasks == 1
    rows = [_row(task, alone=alone) for task in ordered[:_DRAWN]]
    alpha = ordered[0].certificate.alpha
    together = all(task.certificate.tasks == len(ordered) for task in ordered)
    chart = interval_chart(
        rows,
        title="Wrong answers and wrong tasks by task, measured and bounded; the table holds the values",
        x_label="share of a task's inputs",
        series=() if alone else ("another task answered", "task or label wrong"),
    )
    heads = ["task", "held out", "wrong answers", "at most"]
    behind = table(
        heads if alone else [*heads, "to another task", "at most", "most often to"],
        [_values(task)[: 4 if alone else None] for task in ordered[:_TOLD]],
        caption="Certificates: counts on held-out inputs, and limits",
        numbers=[1, 2, 3, 4, 5],
    )
    parts = [
        paragraph(
            "A marker shows what share of the held-out inputs got a wrong answer. The bar ends at the"
            f" limit: with {1 - alpha:.0%} confidence the true"
            f" {'rate lies below it' if alone else 'rates of all tasks lie below theirs'}, for"
            " inputs like the held-out ones."
        ),
        figure(
            chart,
            caption=("" if alone else "The task with the highest limit stands on top. ")
            + "More held-out inputs make a bar shorter; better answers move the marker to the left.",
            behind=behind,
        ),
    ]
    if not together:
        parts.append(
            note(
                "Some tasks were not measured together with all the others here, as after a merge:"
                " their limits hold for the tasks that they were measured with."
            )
        )
    if len(ordered) > _DRAWN:
        parts.append(
            note(
                f"The chart leaves out {counted(len(ordered) - _DRAWN, 'task')} with lower limits; the"
                f" table holds the first {_TOLD}."
            )
        )
    return section("certificates", "What is certified", *parts)


def _row(task: Task, *, alone: bool) -> IntervalRow:
    seen = task.certificate
    count = max(1, seen.held_out)
    said = f"{seen.wrong} of {seen.held_out} wrong"
    if seen.rival is not None:
        said += f", {seen.rival_errors} to {seen.rival}"
    taken = Span(seen.errors / count, seen.wrong_task_at_most)
    wrong = Span(seen.wrong / count, seen.wrong_answer_at_most)
    return IntervalRow(task.name, (wrong,) if alone else (taken, wrong), said)


def _values(task: Task) -> list[str | float]:
    seen = task.certificate
    return [
        task.name, seen.held_out, seen.wrong, percent(seen.wrong_answer_at_most), seen.errors, percent(seen.wrong_task_at_most),
        f"{seen.rival} ({seen.rival_errors})" if seen.rival else "none",
    ]  # fmt: skip
