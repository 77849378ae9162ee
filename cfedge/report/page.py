"""A report's contents -> one HTML file that asks for nothing else. Pure.

One style and one script stand in it, and the Content-Security-Policy names them by their digests: all
else is forbidden, scripts that came in with an input too. The same contents stand in it as JSON, in an
element that browsers do not run.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Sequence
from importlib import resources

from cfedge import charts
from cfedge.charts import Markup, element, escape, join
from cfedge.report.changes import Change
from cfedge.report.contents import Contents, dumped
from cfedge.report.sections.certificates import certificates
from cfedge.report.sections.changed import changed, golden
from cfedge.report.sections.clusters import clusters
from cfedge.report.sections.machine import drift, latency, parity
from cfedge.report.sections.mistakes import mistakes
from cfedge.report.sections.overview import headline, overview, title
from cfedge.report.sections.section import Section
from cfedge.report.sections.sureness import sureness
from cfedge.report.sections.unknown import unknown

__all__ = ["page"]


def page(contents: Contents, found: Sequence[Change] | None = None) -> bytes:
    """Return the page.

    Parameters
    ----------
    found
        What changed since another report; None: there is none.
    """
    sections = [
        changed(found),
        overview(contents),
        certificates(contents),
        mistakes(contents),
        unknown(contents),
        sureness(contents),
        clusters(contents),
        latency(contents),
        parity(contents),
        drift(contents),
        golden(contents),
    ]
    there = [one for one in sections if one is not None]
    style, script = charts.style() + _file("report.css"), _file("report.js")
    head = join(
        [
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="referrer", content="no-referrer"),
            element("title", escape(f"{title(contents)} - cfedge report")),
            Markup(f"<style>{style}</style>"),
        ]
    )
    body = join(
        [
            element("a", escape("Skip to the tasks"), class_="skip", href="#tasks"),
            element("header", headline(contents), _contents_list(there)),
            element("main", *(one.markup for one in there)),
            element(
                "footer",
                element(
                    "p", escape("Made by cfedge report. This file asks nothing of the network.")
                ),
            ),
            Markup(
                f'<script type="application/json" id="report-data">{_embedded(contents)}</script>'
            ),
            Markup(f"<script>{script}</script>"),
        ]
    )
    html = f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'
    return html.encode("utf-8")


def _contents_list(sections: Sequence[Section]) -> Markup:
    links = (
        element("li", element("a", escape(one.name), href=f"#{one.anchor}")) for one in sections
    )
    return element("nav", element("ul", *links), aria_label="Contents")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; script-src"
        f" 'sha256-{_digest(script)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(part: str) -> str:
    return base64.b64encode(hashlib.sha256(part.encode("utf-8")).digest()).decode("ascii")


def _embedded(contents: Contents) -> str:
    """Return the JSON so that nothing in it ends the element, or cannot be printed: such letters are
    written as JSON's escapes, and stand in strings alone.
    """
    written = dumped(contents).decode("utf-8").replace("<", "\\u003c")
    return written if written.isprintable() else "".join(map(_printed, written))


def _printed(letter: str) -> str:
    return letter if letter.isprintable() else json.dumps(letter)[1:-1]


@functools.cache
def _file(name: str) -> str:
    return resources.files("cfedge.report").joinpath(name).read_text("utf-8")
