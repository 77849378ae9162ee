"""merge: take in what another site published."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.keys import REPO, opened_keys
from cfedge.cli.publish import CHANNEL, KEYS
from cfedge.cli.show import TerminalProgress, print_json, print_table, say
from cfedge.cli.sync import JSON, read_root
from cfedge.counted import size

if TYPE_CHECKING:
    from cfedge.publish.merge import Merged
    from cfedge.publish.overlaps import Overlap

__all__ = ["register"]

OTHER = Annotated[str, typer.Argument(metavar="URL|FOLDER", help="Repository of the other site.")]
ROOT = Annotated[Path, typer.Option(help="File with the other site's root of trust.")]
OTHER_CHANNEL = Annotated[
    str | None, typer.Option(help="Name of the other site's channel, where it differs.")
]
ACCEPT = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TASK",
        help="Task of this channel, or pattern of tasks, that the other site may change or remove;"
        " may be repeated.",
    ),
]
ERASE = Annotated[
    bool,
    typer.Option(
        "--erase", help="Also delete, here and on devices, the files that the other site erased."
    ),
]


SAME_LABEL = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LABEL",
        help="Label that means the same in every task that has it; may be repeated.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "merge",
        epilog="Example: cfedge merge repo /media/stick/site-b --root site-b.root.json --keys keys",
    )(merge)


def merge(
    repo: REPO,
    other: OTHER,
    root: ROOT,
    keys: KEYS,
    channel: CHANNEL = "stable",
    other_channel: OTHER_CHANNEL = None,
    accept: ACCEPT = None,
    erase: ERASE = False,
    same_label: SAME_LABEL = None,
    json: JSON = False,
) -> None:
    """Take in what another site published.

    A report says where the two sites meet.

    Where the other site would change or remove a task of this channel, merge names the task and
    does nothing until --accept names it too.
    """
    from cfedge.publish.merge import merge as run
    from cfedge.sync.client import utc_now
    from cfedge.sync.transport import source_of

    done = run(
        repo,
        opened_keys(keys),
        source_of([other]),
        read_root(root),
        channel=channel,
        other_channel=other_channel,
        accept=accept or (),
        erase=erase,
        same_labels=same_label or (),
        now=utc_now(),
        progress=TerminalProgress(),
    )
    if json:
        print_json(dataclasses.asdict(done))
        return
    _show_merged(repo, done)


def _show_merged(repo: Path, done: Merged) -> None:
    say(
        f"{repo}: adopted {', '.join(done.adopted) or 'nothing new'}; fetched"
        f" {size(done.fetched_bytes)}"
    )
    for line in (*done.handed_over, *done.conflicts):
        say(f"note: {line}")
    if done.overlaps:
        print_table(
            "tasks that may be taken for each other since",
            ("task", "taken for", "share by the model", "golden inputs that moved", "both have"),
            [
                (
                    one.task,
                    one.rival,
                    f"{one.share:.1%}",
                    f"{one.moved} of {one.inputs}",
                    _labels(one),
                )
                for one in done.overlaps
            ],
        )
    print_table(
        "wrong task, at most (from errors as counted at each site)",
        ("task", "before", "after"),
        [
            (name, None if was is None else f"{was:.1%}", f"{now:.1%}")
            for name, (was, now) in done.wrong_task_at_most.items()
        ],
    )


def _labels(one: Overlap) -> str:
    """The labels that two tasks have in common, and which of them are said to mean the same."""
    shown = [f"{label} (the same)" if label in one.same else label for label in one.labels]
    return ", ".join(shown)[:120] or "no label"
