"""What is unknown: at each threshold, what is caught and what is rejected; and risk over coverage."""

from __future__ import annotations

from cfedge.charts import Mark, Markup, Series, element, escape, figure, line_chart, percent, table
from cfedge.counted import counted
from cfedge.report.contents import Contents
from cfedge.report.evidence import Thresholds
from cfedge.report.sections.section import Section, note, paragraph, section

__all__ = ["unknown"]

_DEFAULT = 0.05


def unknown(contents: Contents) -> Section:
    """Return the curves with their slider; of a bundle, the thresholds that it ships."""
    found = contents.thresholds
    if found is None:
        return section("unknown", "What counts as unknown", *_of_bundle(contents))
    few = min(task.certificate.own for task in contents.tasks)
    parts = [paragraph(_said(found)), _control(found, few), _thresholds_figure(found, few)]
    parts.append(_by_task(found))
    parts.append(element("h3", escape("Risk over coverage")))
    parts.append(_risk_figure(found))
    return section("unknown", "What counts as unknown", *parts)


def _of_bundle(contents: Contents) -> list[Markup]:
    rows = [
        [
            task.name, f"{task.threshold:.1f}", percent(task.false_reject_rate),
            _of(task.certificate.own_rejected, task.certificate.own),
            _of(task.certificate.foreign_caught, task.certificate.foreign),
            _of(task.certificate.others_caught, task.certificate.others),
        ]
        for task in contents.tasks
    ]  # fmt: skip
    return [
        paragraph(
            "An input whose out-of-distribution score lies above its task's threshold is called"
            " unknown. Of a task's own inputs at most the stated share is, in the mean."
        ),
        table(
            [
                "task",
                "called unknown above this score",
                "of own inputs, at most",
                "of held-out ones",
                "of public inputs of no task",
                "of other tasks' inputs",
            ],
            rows,
            caption="Thresholds of this bundle, and what they called unknown when it was made",
            numbers=[1, 2, 3, 4, 5],
        ),
        note(
            "The report of its workspace shows what other thresholds would give: cfedge report WS."
        ),
    ]


def _of(hits: int, inputs: int) -> str:
    return f"{hits} of {inputs}" if inputs else "not measured"


def _said(found: Thresholds) -> str:
    if not found.unknown:
        return (
            "A task's threshold is set so that a chosen share of its own inputs lies above it. With one"
            " task, and no inputs of no task given (--unknown FILE), nothing says how many unknown"
            " inputs that catches."
        )
    source = (
        f"{counted(found.unknown, 'input of no task was', 'inputs of no task were')} given."
        if found.source == "given"
        else "No unknown inputs were given. To imitate them,"
        f" {counted(found.unknown, 'held-out input was', 'held-out inputs were')} asked with their"
        " own task left out."
    )
    auroc = (
        f" The score tells them from known ones with AUROC {found.auroc:.3f}."
        if found.auroc
        else ""
    )
    return (
        f"{source}{auroc} A stricter threshold catches more of them, and rejects more of the tasks' own"
        " inputs. Move the slider to see what each choice gives."
    )


def _control(found: Thresholds, few: int) -> Markup:
    at = found.rates.index(_DEFAULT)
    slider = element(
        "input",
        type="range",
        id="rate",
        min=0,
        max=len(found.rates) - 1,
        step=1,
        value=at,
        aria_describedby="rate-said",
    )
    label = element(
        "label",
        escape("Share of a task's own inputs that may be called unknown: "),
        element("code", escape(f"export --false-reject {_DEFAULT:g}"), id="rate-shown"),
        for_="rate",
    )
    caught = (
        element("span", _figure(percent(found.caught[at]), "caught")),
        escape(" of unknown inputs are called so; "),
    )
    words = element(
        "p",
        *(caught if found.unknown else ()),
        element("span", _figure(percent(found.rejected[at]), "rejected")),
        escape(" of the tasks' own held-out inputs are, too, and of future ones up to "),
        element("span", _figure(percent(_kept(found.rates[at], few)), "kept")),
        escape(" may be; of the answers that stay "),
        element("span", _figure(percent(found.wrong[at]), "wrong")),
        escape(" are wrong."),
        id="rate-said",
        aria_live="polite",
    )
    return element("div", label, slider, words, class_="control")


def _figure(value: str, name: str) -> Markup:
    return element("strong", escape(value), id=f"rate-{name}")


def _thresholds_figure(found: Thresholds, few: int) -> Markup:
    lines = [Series("own inputs called unknown", found.rates, found.rejected)]
    if found.unknown:
        lines.insert(0, Series("unknown inputs called so", found.rates, found.caught))
    lines.append(Series("answers that stay and are wrong", found.rates, found.wrong))
    chart = line_chart(
        lines,
        title="Unknown, own and wrong inputs by the chosen share; the table holds the values",
        x_label="share of own inputs that may be called unknown (--false-reject)",
        y_label="share of inputs",
        x_format=percent,
        y_format=percent,
        y_range=(0.0, 1.0),
        x_marks=[Mark(_DEFAULT, "default")],
        cursor=_DEFAULT,
        logarithmic_x=True,
    )
    columns = {"own called unknown": found.rejected, "wrong of those that stay": found.wrong}
    if found.unknown:
        columns = {"unknown called so": found.caught, **columns}
    behind = table(
        ["--false-reject", *columns],
        [
            [f"{rate:g}", *map(percent, shares)]
            for rate, *shares in zip(found.rates, *columns.values(), strict=True)
        ],
        caption="What each choice gives, with all tasks together",
        numbers=[0, 1, 2, 3],
    )
    caption = (
        "The line in red stands where the slider is. At most the chosen share of future own inputs is"
        f" called unknown, in the mean; but {counted(few, 'held-out input')}, as the task with the"
        f" fewest has, cannot promise less than {percent(_kept(0.0, few))}, whatever is chosen."
    )
    return element("div", figure(chart, caption=caption, behind=behind), id="rate-chart")


def _kept(rate: float, few: int) -> float:
    """The share of future own inputs that may be called unknown: the chosen one, or what so few
    held-out inputs can promise.
    """
    return max(rate, 1 / (few + 1))


def _by_task(found: Thresholds) -> Markup:
    at = found.rates.index(_DEFAULT)
    heads = ["task", "called unknown above this score", "inputs given to it, called unknown"]
    if found.unknown:
        heads.append("unknown inputs called so, of those that came")
    rows = [
        [
            one.task, f"{one.threshold[at]:.1f}", f"{one.rejected[at]} of {one.known}",
            f"{one.caught[at]} of {one.unknown}" if one.unknown else "none came",
        ][: len(heads)]
        for one in found.tasks
    ]  # fmt: skip
    inside = table(
        heads,
        rows,
        caption="By task, at the slider's place",
        numbers=[1, 2, 3],
    )
    return element(
        "details", element("summary", escape("By task")), element("div", inside, id="rate-tasks")
    )


def _risk_figure(found: Thresholds) -> Markup:
    lines = [Series("known inputs alone", found.coverage, found.risk)]
    if found.risk_with_unknown:
        lines.append(
            Series("with the unknown inputs among them", found.coverage, found.risk_with_unknown)
        )
    chart = line_chart(
        lines,
        title="Share of wrong answers among the most familiar; the table holds the values",
        x_label="share of the answers that are kept, the most familiar first",
        y_label="of these, wrong",
        x_format=percent,
        y_format=percent,
        x_range=(0.0, 1.0),
    )
    heads = ["answers kept", "wrong, known alone"]
    if found.risk_with_unknown:
        heads.append("wrong, with unknown inputs")
    columns = [found.coverage, found.risk, *([found.risk_with_unknown] if len(heads) > 2 else [])]
    behind = table(
        heads,
        [[percent(value) for value in row] for row in zip(*columns, strict=True)],
        caption="Risk by coverage",
        numbers=[0, 1, 2],
    )
    return figure(
        chart,
        caption="Answers are ordered by their out-of-distribution score. An unknown input that is"
        " answered counts as wrong. A line that rises to the right says that the answers left out first"
        " are the wrong ones.",
        behind=behind,
    )
