"""What is taken for what: tables of tasks and of classes whose cells open the inputs behind them."""

from __future__ import annotations

from cfedge.charts import Markup, element, escape, matrix, shortened, table
from cfedge.counted import counted
from cfedge.report.contents import Contents
from cfedge.report.evidence import ClassConfusion, Confusion
from cfedge.report.sections.section import Section, note, paragraph, section

__all__ = ["mistakes"]

#: Tasks that a table of a bundle holds.
_TOLD = 300


def mistakes(contents: Contents) -> Section:
    """Return the confusion of tasks, and of each task's classes."""
    found = contents.confusion
    if found is None:
        return section("mistakes", "Which tasks and classes are confused", *_of_bundle(contents))
    keys = {one.cell for one in found.cells}
    parts = [
        paragraph(
            "Rows are what an input is, columns what it was taken for, with all tasks together. A"
            " count that is underlined shows its inputs when it is clicked. They are held-out inputs:"
            " no head was learned from them, and each is looked up as if it had never been seen."
        ),
    ]
    if len(contents.tasks) > 1:
        parts += [_tasks(found, keys), _panel("t", "tasks")]
    if found.left_out:
        parts.append(
            note(
                f"This table leaves out {counted(found.left_out, 'task')} with fewer wrong answers."
            )
        )
    parts.append(element("h3", escape("Within the tasks")))
    parts += [
        _classes(number, table, keys, first=number == _worst(found))
        for number, table in enumerate(found.classes)
    ]
    missing = len(contents.tasks) - len(found.classes)
    if missing:
        parts.append(
            note(f"There was no room for {counted(missing, 'task')} with fewer wrong answers.")
        )
    return section("mistakes", "Which tasks and classes are confused", *parts)


def _tasks(found: Confusion, keys: set[str]) -> Markup:
    return matrix(
        found.tasks,
        found.tasks,
        found.counts,
        caption="Tasks: held-out inputs by true task and task found",
        corner="task, found as",
        key=lambda row, column: _key(f"t:{row}:{column}", keys),
    )


def _of_bundle(contents: Contents) -> list[Markup]:
    taken = [task for task in contents.tasks if task.certificate.rival is not None]
    rows: list[list[str | float]] = [
        [
            task.name, task.certificate.held_out, task.certificate.errors,
            f"{task.certificate.rival} ({task.certificate.rival_errors})",
        ]
        for task in taken[:_TOLD]
    ]  # fmt: skip
    return [
        table(
            ["task", "held out", "to another task", "most of them to"],
            rows,
            caption="Held-out inputs that went to another task",
            numbers=[1, 2],
        )
        if rows
        else paragraph("No held-out input went to another task."),
        note(
            "A bundle holds counts and no held-out inputs. The report of its workspace shows which"
            " inputs they are: cfedge report WS."
        ),
    ]


def _worst(found: Confusion) -> int:
    """The table that stands open at first."""
    wrong = [_wrong(table) for table in found.classes]
    return wrong.index(max(wrong)) if wrong else -1


def _wrong(table: ClassConfusion) -> int:
    right = sum(
        count
        for row, line in zip(table.rows, table.counts, strict=True)
        for column, count in zip(table.columns, line, strict=True)
        if row == column
    )
    return sum(sum(line) for line in table.counts) - right


def _classes(number: int, table: ClassConfusion, keys: set[str], *, first: bool) -> Markup:
    wrong = _wrong(table)
    answers = counted(wrong, "wrong answer")
    inside = [
        matrix(
            table.rows,
            table.columns,
            table.counts,
            caption=_caption(table),
            corner="class, answered as",
            key=lambda row, column: _key(f"c:{number}:{row}:{column}", keys),
        ),
        _panel(f"c{number}", table.task),
    ]
    if table.left_out:
        left = counted(table.left_out, "class")
        inside.append(note(f"This table leaves out {left} with fewer wrong answers."))
    summary = element("summary", escape(f"{table.task}: {answers}"))
    return element("details", summary, *inside, open=first, class_="task")


def _caption(table: ClassConfusion) -> str:
    said = f"Classes of {shortened(table.task, 30)}: true class and answer"
    return (
        f"{said}; the last columns are other tasks"
        if len(table.columns) > len(table.rows)
        else said
    )


def _key(key: str, keys: set[str]) -> str | None:
    return key if key in keys else None


def _panel(name: str, what: str) -> Markup:
    return element(
        "div",
        id=f"inputs-{name}",
        class_="inputs",
        role="region",
        aria_live="polite",
        aria_label=f"Inputs of the chosen count, {what}",
        hidden=True,
    )
