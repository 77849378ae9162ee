"""What it is: the figures that matter most, the encoder, and the tasks in a table."""

from __future__ import annotations

from cfedge.charts import Markup, element, escape, join, milliseconds, percent, table
from cfedge.counted import counted, size
from cfedge.report.contents import Contents
from cfedge.report.sections.section import Section, section

__all__ = ["headline", "overview", "title"]

#: Tasks that stand in the table; the data hold them all.
_MOST = 300


def title(contents: Contents) -> str:
    """Return what the page is called: so many tasks on this encoder."""
    count = len(contents.tasks)
    return f"{counted(count, 'task')} on {contents.backbone.name}"


def headline(contents: Contents) -> Markup:
    """Return the page's head: what is reported on, and the figures that matter most."""
    what = {
        "workspace": "A workspace",
        "bundle": "A bundle",
        "store": "What answers of a store",
    }[contents.of]
    named = f", {contents.digest[:12]}" if contents.digest else ""
    return join(
        [
            element("p", escape(f"{what}{named}"), class_="kind"),
            element("h1", escape(title(contents))),
            element(
                "dl",
                *(_card(name, value, said) for name, value, said in _cards(contents)),
                class_="cards",
            ),
        ]
    )


def _cards(contents: Contents) -> list[tuple[str, str, str]]:
    tasks = contents.tasks
    held_out = sum(task.certificate.held_out for task in tasks)
    wrong = sum(task.certificate.wrong for task in tasks)
    worst = max(tasks, key=lambda task: task.certificate.wrong_answer_at_most)
    which = f"in the worst task, {worst.name}" if len(tasks) > 1 else "of future answers"
    cards = [
        ("Right", percent(1 - wrong / max(1, held_out)), f"of {counted(held_out, 'held-out input')}"),
        ("Wrong at most", percent(worst.certificate.wrong_answer_at_most), which),
    ]  # fmt: skip
    if contents.thresholds is not None and contents.thresholds.unknown:
        curve = contents.thresholds
        at = curve.rates.index(0.05)
        whose = "given inputs" if curve.source == "given" else "inputs of the other tasks"
        kept = max(task.false_reject_rate for task in tasks)
        cards.append(
            (
                "Called unknown",
                percent(curve.caught[at]),
                f"of {curve.unknown:,} {whose}; of own inputs up to {percent(kept)} may be, too",
            )
        )
    if contents.bench is not None:
        cards.append(
            ("An answer", milliseconds(contents.bench.p50), f"median, {contents.bench.cpu}")
        )
    if contents.of == "workspace":
        learned = sum(task.examples or 0 for task in tasks)
        cards.append(("Learned from", f"{learned:,}", "examples, which are not kept"))
    else:
        travels = sum(task.size_bytes for task in tasks) // max(1, len(tasks))
        cards.append(("A task", size(travels), "travels, on average"))
    cards.append(("Encoder", size(contents.backbone.size_bytes), contents.backbone.scheme))
    return cards


def _card(name: str, value: str, said: str) -> Markup:
    return element(
        "div",
        element("dt", escape(name)),
        element("dd", element("strong", escape(value)), element("span", escape(said))),
    )


def overview(contents: Contents) -> Section:
    """Return the tasks, and what they stand on."""
    backbone = contents.backbone
    facts = [
        ("encoder", backbone.name),
        ("reads", backbone.reads),
        ("scheme", backbone.scheme),
        ("blocks", f"{backbone.blocks}, cut before block {backbone.split}"),
        ("width", str(backbone.width)),
        ("lookup", contents.lookup),
        ("files", size(backbone.size_bytes)),
        ("digest", backbone.digest),
    ]
    if contents.digest:
        facts.append(("bundle's digest", contents.digest))
    if contents.machine:
        facts.append(("machine of this report", contents.machine))
    facts += sorted(contents.versions.items())
    return section(
        "tasks",
        "What it is",
        _tasks(contents),
        element(
            "details",
            element("summary", escape("The encoder, the machine and the versions")),
            table(
                ["what", "value"], facts, caption="What the tasks were learned on, and with what"
            ),
        ),
    )


def _tasks(contents: Contents) -> Markup:
    learned = contents.of == "workspace"
    heads = [
        "task",
        "classes",
        *(("learned from", "learned by") if learned else ()),
        "in this workspace" if learned else "size",
        "held out",
        "right",
    ]
    heads += ["wrong at most", "called unknown above"]
    rows = []
    for task in contents.tasks[:_MOST]:
        seen = task.certificate
        method = (task.method or "").replace("-", "\N{NON-BREAKING HYPHEN}")
        told = (f"{task.examples:,}", method) if learned else ()
        rows.append(
            [
                task.name, len(task.classes), *told, size(task.size_bytes), seen.held_out, seen.held_out - seen.wrong,
                percent(seen.wrong_answer_at_most), f"{task.threshold:.1f}",
            ]
        )  # fmt: skip
    words = {0, 3} if learned else {0}
    return table(
        heads,
        rows,
        caption="The tasks. Right: task and label of the whole answer, with all tasks together."
        + (f" The first {_MOST} of {len(contents.tasks)}." if len(contents.tasks) > _MOST else ""),
        numbers=[place for place in range(len(heads)) if place not in words],
    )
