"""How sure answers are: whether their probabilities come true."""

from __future__ import annotations

from cfedge.charts import Markup, Series, figure, line_chart, percent, table
from cfedge.report.contents import Contents
from cfedge.report.evidence import Sureness
from cfedge.report.sections.section import Section, paragraph, section

__all__ = ["sureness"]


def sureness(contents: Contents) -> Section | None:
    """Return the curve of what came true; None where nothing was answered."""
    found = contents.sureness
    if found is None:
        return None
    said = (
        "An answer's probability is that its task and label are both right, if the input is of one of"
        f" the tasks. Of {found.answers:,} held-out answers it was wrong by {found.error:.3f} on"
        " average (expected calibration error)."
    )
    return section("sureness", "How sure answers are", paragraph(said), _figure(found))


def _figure(found: Sureness) -> Markup:
    probabilities = [one.probability for one in found.bins]
    chart = line_chart(
        [
            Series("what came true", probabilities, [one.right for one in found.bins]),
            Series("what was said", (0.0, 1.0), (0.0, 1.0)),
        ],
        title="Share of right answers by the probability that was stated; the table holds the values",
        x_label="probability of the answer",
        y_label="share that is right",
        x_format=percent,
        y_format=percent,
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
    )
    behind = table(
        ["probability, the mean", "answers", "right"],
        [[percent(one.probability), f"{one.answers:,}", percent(one.right)] for one in found.bins],
        caption="Held-out answers in fifteen bins of their probability; empty ones are left out",
        numbers=[0, 1, 2],
    )
    caption = (
        "Where the first line lies above the second, answers are right more often than they say. A bin"
        " of few answers is off by chance."
    )
    return figure(chart, caption=caption, behind=behind)
