"""How it runs: times of answers, int8 against float, and what a device counted."""

from __future__ import annotations

import numpy as np

from cfedge.charts import (
    IntervalRow,
    Mark,
    Markup,
    Span,
    bar_chart,
    element,
    escape,
    figure,
    interval_chart,
    milliseconds,
    percent,
    table,
)
from cfedge.counted import counted, size
from cfedge.report.alarm_curve import alarm_curve
from cfedge.report.contents import Bench, Contents, Drift, Parity
from cfedge.report.sections.section import Section, note, paragraph, section
from cfedge.runtime.drift_counter import BLOCK

__all__ = ["drift", "latency", "parity"]

#: Steps of a counter that a table holds.
_LATEST = 20


def latency(contents: Contents) -> Section | None:
    """Return the times of answers, where ``bench`` measured them."""
    found = contents.bench
    if found is None:
        return None
    cores, threads = counted(found.cores, "core"), counted(found.threads, "thread")
    where = f"{found.cpu}, {cores}, {threads}"
    parts = [
        paragraph(
            f"On {where}: half of the answers took at most {milliseconds(found.p50)}, 99 of 100 at most"
            f" {milliseconds(found.p99)}. A process answers {milliseconds(found.cold_p50)} after its"
            f" start, and takes {size(found.peak_rss_bytes)} of memory at most."
        )
    ]
    if len(found.times) >= 2:
        parts.append(_histogram(found))
    else:
        parts.append(
            note("This file holds no single times: measure anew with cfedge bench --json.")
        )
    return section("latency", "How long an answer takes", *parts)


def _histogram(found: Bench) -> Markup:
    times = np.array(found.times, np.float64)
    most = float(np.quantile(times, 0.995)) * 1.02
    low = float(times.min()) * 0.98
    counts, edges = np.histogram(times, bins=40, range=(low, max(most, low * 1.01)))
    over = int((times > edges[-1]).sum())
    chart = bar_chart(
        edges.tolist(),
        counts.tolist(),
        title="Times of answers; the table holds the counts",
        x_label="time of an answer",
        y_label="answers",
        x_format=milliseconds,
        marks=[
            Mark(found.p50, f"median {milliseconds(found.p50)}"),
            Mark(found.p90, f"90% {milliseconds(found.p90)}"),
            Mark(found.p99, f"99% {milliseconds(found.p99)}"),
        ],
    )
    behind = table(
        ["from", "to", "answers"],
        [
            [milliseconds(edges[place]), milliseconds(edges[place + 1]), int(count)]
            for place, count in enumerate(counts)
            if count
        ],
        caption="Answers by time",
        numbers=[0, 1, 2],
    )
    beyond = f"; {over} took longer than is drawn" if over else ""
    return figure(
        chart, caption=f"{counted(len(times), 'answer')} to one input each{beyond}.", behind=behind
    )


def parity(contents: Contents) -> Section | None:
    """Return int8 against float, where ``export`` compared them."""
    if not contents.parity:
        return None
    worst = max(contents.parity, key=lambda one: one.drop)
    chart = interval_chart(
        [_parity_row(one) for one in contents.parity[:60]],
        title="Wrong labels in float32 and as shipped; the table holds the values",
        x_label="share of held-out inputs whose label is wrong, with the task given",
        series=("float32", "as shipped"),
    )
    behind = table(
        ["task", "inputs", "float32 right", "as shipped right", "drop in points", "limits", "same answers"],
        [
            [
                one.task, one.examples, percent(one.accuracy_float), percent(one.accuracy_shipped), f"{one.drop:.2f}",
                f"{one.low:.2f} to {one.high:.2f}", percent(one.agreement),
            ]
            for one in contents.parity
        ],
        caption="Accuracy in float32 and as shipped",
        numbers=[1, 2, 3, 4, 5, 6],
    )  # fmt: skip
    return section(
        "parity",
        "What quantising costs",
        paragraph(
            f"The largest drop is {worst.drop:.2f} points ({worst.task}). The same held-out inputs were"
            " answered in float32 and as the bundle ships."
        ),
        figure(
            chart,
            caption="Markers that lie one over the other: quantising cost nothing.",
            behind=behind,
        ),
    )


def _parity_row(one: Parity) -> IntervalRow:
    wrong = 1 - one.accuracy_float, 1 - one.accuracy_shipped
    spans = tuple(Span(share, share) for share in wrong)
    return IntervalRow(one.task, spans, f"{percent(one.agreement)} same answers")


def drift(contents: Contents) -> Section | None:
    """Return what a device counted against what was promised."""
    found = contents.drift
    if found is None:
        return None
    alarms = [one.counter for one in found.counters if one.alarmed is not None]
    said = (
        f"Inputs changed: an alarm was raised for {', '.join(alarms)}."
        if alarms
        else "No alarm was raised: the counts fit what was promised."
    )
    parts = [
        element("p", escape(said), class_="bad" if alarms else "good"),
        paragraph(
            f"The probability of ever raising a false alarm is at most {percent(found.alpha)}, however"
            " often one looks."
        ),
    ]
    if found.same_bundle is False:
        parts.append(
            element("p", escape("These counters are of another bundle than this."), class_="bad")
        )
    parts.append(_counters(found))
    parts += _over_inputs(found)
    return section("drift", "What a device met since", *parts)


def _over_inputs(found: Drift) -> list[Markup]:
    """Draw how near an alarm the counters came, where their file remembers it."""
    curves = {
        one.counter: ([float(after) for after in one.after], list(one.near))
        for one in found.counters
        if one.after
    }
    if not curves:
        return []
    rows: list[list[str | float]] = [
        [name, int(x), percent(y)]
        for name, (after, near) in curves.items()
        for x, y in list(zip(after, near, strict=True))[-_LATEST:]
    ]
    behind = table(
        ["counter", "after inputs", "of what raises an alarm"],
        rows,
        caption=f"How near an alarm each counter was, the latest {_LATEST} steps",
        numbers=[1, 2],
    )
    chart = alarm_curve(curves, alpha=found.alpha, x_label="inputs that the counter saw")
    return [
        figure(
            chart,
            caption="What the counts say against what was promised, as a share of what raises an"
            f" alarm; it begins anew every {BLOCK} inputs, so that a long good past hides nothing.",
            behind=behind,
        )
    ]


def _counters(found: Drift) -> Markup:
    seen = [one for one in found.counters if one.inputs]
    rows: list[list[str | float]] = [
        [
            one.counter, one.inputs, one.hits, percent(one.hits / one.inputs) if one.inputs else "none yet",
            percent(one.bound), f"after {one.alarmed:,} inputs" if one.alarmed is not None else "none",
        ]
        for one in found.counters
    ]  # fmt: skip
    behind = table(
        ["counter", "inputs", "counted", "share", "promised at most", "alarm"],
        rows,
        caption="Inputs called unknown, by task, and thin margins",
        numbers=[1, 2, 3, 4],
    )
    if not seen:
        return behind
    chart = interval_chart(
        [
            IntervalRow(
                one.counter,
                (Span(one.hits / one.inputs, one.bound),),
                f"{one.hits} of {one.inputs:,}" + (", alarm" if one.alarmed is not None else ""),
            )
            for one in sorted(seen, key=lambda one: one.bound - one.hits / one.inputs)[:60]
        ],
        title="Shares that were counted, and what was promised; the table holds the values",
        x_label="share of inputs called unknown (thin margins: share with a thin margin)",
    )
    return figure(
        chart,
        caption="The marker is what was counted; the bar ends at what was promised. An alarm is raised"
        " by what the counts say together, not by a marker that lies beyond its bar once.",
        behind=behind,
    )
