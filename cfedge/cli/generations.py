"""generations, rollback: what a store can answer with, and which of them answers."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from cfedge.cli.show import print_json, print_table, say
from cfedge.cli.sync import JSON, STORE
from cfedge.counted import size

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("generations", epilog="Example: cfedge generations store")(generations)
    app.command("rollback", epilog="Example: cfedge rollback store")(rollback)


def generations(store: STORE, json: JSON = False) -> None:
    """List what a store can answer with.

    The list says which generation answers.
    """
    from cfedge.store import Store
    from cfedge.sync.client import utc_now
    from cfedge.sync.feed import Feed
    from cfedge.sync.trust import freshness

    opened = Store(store)
    pointer = opened.pointer()
    answers = opened.to_open() if pointer else None
    last = Feed(store, opened.channel).last()
    rows: list[dict[str, Any]] = []
    for number in opened.generations():
        manifest = opened.manifest(number)
        rows.append(
            {
                "generation": number,
                "answers": number == answers,
                "current": bool(pointer and number == pointer.generation),
                "pinned": bool(pointer and pointer.pinned and number == pointer.generation),
                "opened": not opened.boot_attempts.pending(number),
                "failed": opened.boot_attempts.failed(number),
                "vouched": opened.vouchers.count(number),
                "tasks": [task.name for task in manifest.tasks],
                "bytes": sum({ref.sha256: ref.size for ref in manifest.files().values()}.values()),
            }
        )
    fresh = freshness(store / "trust", utc_now(), last.time if last else None)
    if json:
        print_json(
            {
                "channel": opened.channel,
                "device": opened.device,
                "freshness": fresh,
                "generations": rows,
            }
        )
        return
    print_table(
        f"{store}: channel {opened.channel}, {fresh}",
        ("generation", "state", "tasks", "bytes", "names"),
        [
            (
                row["generation"],
                _state(row),
                len(row["tasks"]),
                size(row["bytes"]),
                ", ".join(row["tasks"]),
            )
            for row in rows
        ],
    )


def rollback(
    store: STORE,
    to: Annotated[
        int | None,
        typer.Option(
            help="Number of the generation (cfedge generations); the newest one before that has"
            " opened here unless given."
        ),
    ] = None,
    unpin: Annotated[
        bool, typer.Option("--unpin", help="Let the next sync change the generation again.")
    ] = False,
    json: JSON = False,
) -> None:
    """Go back to an earlier generation.

    The store stays there until --unpin.
    """
    from cfedge.store import Store

    opened = Store(store)
    if unpin:
        opened.unpin()
        pointer = opened.pointer()
    else:
        pointer = opened.rollback(to)
    if json:
        print_json(dataclasses.asdict(pointer) if pointer else None)
    elif pointer:
        until = "until cfedge rollback --unpin" if pointer.pinned else "until the next sync"
        say(f"{store}: generation {pointer.generation} answers {until}")


def _state(row: dict[str, Any]) -> str:
    if row["failed"]:
        return "failed to open"
    words = ["answers" if row["answers"] else "kept"]
    words += ["pinned"] if row["pinned"] else []
    words += [] if row["opened"] else ["not opened yet"]
    words += [] if row["vouched"] else ["signed by keys that no longer count"]
    return ", ".join(words)
