"""drift: whether inputs have changed since the certificates. On the machine that answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from cfedge.cli.answering import BUNDLE, JSON
from cfedge.cli.show import print_json, print_table
from cfedge.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("drift", epilog="Example: cfedge drift bundle counts.json")(drift)


def drift(
    bundle: BUNDLE,
    counts: Annotated[
        Path, typer.Argument(metavar="FILE", help="File that cfedge predict --monitor wrote.")
    ],
    json: JSON = False,
) -> None:
    """Show whether inputs have changed.

    It shows what a monitor counted beside what the certificates promise.
    """
    from cfedge.runtime.drift import ALPHA, Monitor
    from cfedge.store import bundle_at

    if not counts.is_file():
        raise UsageError(
            f"{counts}: expected counts, found none; make them with: cfedge predict {bundle}"
            f" --monitor {counts}"
        )
    monitor = Monitor.load(counts, bundle_at(bundle).manifest)
    if monitor.anew:
        raise UsageError(
            f"{counts}: expected counts of {bundle}, found those of another bundle, or of this one"
            f" before it changed; begin anew with: cfedge predict {bundle} --monitor {counts}"
        )
    found = monitor.counters()
    if json:
        print_json(
            {
                "alpha": ALPHA,
                "counters": {name: dataclasses.asdict(one) for name, one in found.items()},
            }
        )
        return
    print_table(
        f"{counts}: unknown inputs by task, and thin margins; the probability that a false alarm ever comes is at most {ALPHA:.0%}",
        ("counter", "inputs", "hits", "share", "at most", "alarm"),
        [
            (name, one.inputs, one.hits, f"{one.hits / one.inputs:.1%}" if one.inputs else None, f"{one.bound:.1%}",
             f"at input {one.alarmed}" if one.alarmed else None)
            for name, one in found.items()
        ],
    )  # fmt: skip
