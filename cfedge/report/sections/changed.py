"""What changed since another report, and the golden vectors of a bundle."""

from __future__ import annotations

from collections.abc import Sequence

from cfedge.charts import Markup, element, escape, shortened
from cfedge.counted import counted
from cfedge.report.changes import Change
from cfedge.report.contents import Contents
from cfedge.report.sections.section import Section, paragraph, section

__all__ = ["changed", "golden"]

_SIGNS = {"worse": "\u25b2 worse", "better": "\u25bc better", "other": ""}
#: Rows that are told.
_MOST = 400


def changed(found: Sequence[Change] | None) -> Section | None:
    """Return what changed; None where there is no other report."""
    if found is None:
        return None
    if not found:
        return section(
            "changes", "What changed", paragraph("Nothing changed since the other report.")
        )
    worse = sum(change.verdict == "worse" for change in found)
    better = sum(change.verdict == "better" for change in found)
    things = counted(len(found), "thing")
    said = f"{things} changed since the other report: {worse} became worse, {better} better."
    heads = ("what", "before", "after", "verdict")
    body = [
        element(
            "tr",
            element("th", escape(shortened(change.what, 200)), scope="row"),
            element("td", escape(shortened(change.before, 200))),
            element("td", escape(shortened(change.after, 300))),
            element("td", escape(_SIGNS[change.verdict]), class_=change.verdict),
        )
        for change in found[:_MOST]
    ]
    head = element("tr", *(element("th", escape(name), scope="col") for name in heads))
    inside = element(
        "table",
        element("caption", escape("Before and now, what became worse first")),
        element("thead", head),
        element("tbody", *body),
    )
    return section(
        "changes",
        "What changed",
        paragraph(said),
        element(
            "div",
            inside,
            class_="scroll",
            tabindex=0,
            role="region",
            aria_label="Changes, before and now",
        ),
    )


def golden(contents: Contents) -> Section | None:
    """Return a bundle's golden vectors."""
    if not contents.golden:
        return None
    rows = [
        element(
            "tr",
            element("th", *_input(one.shown, one.picture), scope="row"),
            element("td", escape(one.task)),
            element("td", escape(shortened(one.label, 200))),
            element(
                "td", escape("" if one.found_task == one.task else f"goes to {one.found_task}")
            ),
        )
        for one in contents.golden
    ]
    heads = ("input", "task", "label", "with all tasks")
    inside = element(
        "table",
        element("caption", escape("Golden vectors, as the bundle holds them")),
        element(
            "thead", element("tr", *(element("th", escape(name), scope="col") for name in heads))
        ),
        element("tbody", *rows),
    )
    return section(
        "golden",
        "Golden vectors",
        paragraph(
            "These inputs travel in the bundle, in clear. A machine must give the same answers to them"
            " before it may answer anything else."
        ),
        element(
            "details",
            element(
                "summary",
                escape(f"Show {counted(len(contents.golden), 'input')} with their answers"),
            ),
            element(
                "div",
                inside,
                class_="scroll",
                tabindex=0,
                role="region",
                aria_label="Golden vectors with their answers",
            ),
        ),
    )


def _input(words: str, picture: str | None) -> list[Markup]:
    if picture is None:
        return [escape(words)]
    return [element("img", src=picture, alt=words, loading="lazy")]
