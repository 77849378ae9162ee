"""sync, generations, rollback: the commands of a device that follows a repository."""

from __future__ import annotations

import dataclasses
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.blas import one_blas_thread
from cfedge.cli.show import TerminalProgress, print_json, print_table, say, size

if TYPE_CHECKING:
    from cfedge.sync.report import Synced

STORE = Annotated[Path, typer.Argument(metavar="STORE", help="Folder of the store.")]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


ORIGIN = Annotated[
    list[str],
    typer.Option(
        "--from",
        metavar="URL|FOLDER",
        help="The repository; repeat for mirrors of it, which are asked in turn.",
    ),
]
ROOT = Annotated[
    Path | None, typer.Option(help="File with the root of trust; needed once, for a new store.")
]
CHANNEL = Annotated[str, typer.Option(help="The channel to follow; fixed when the store is made.")]
TASKS = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Pattern of the names of tasks to take, such as 'shop-*'; repeat for more.",
    ),
]
BUDGET = Annotated[
    int | None,
    typer.Option(min=1, metavar="BYTES", help="Largest total size of the store's files."),
]
DEADLINE = Annotated[
    float, typer.Option(min=1, metavar="SECONDS", help="Longest time for one sync.")
]
JITTER = Annotated[
    float,
    typer.Option(
        min=0, metavar="SECONDS", help="Longest random wait at first, which spreads a fleet."
    ),
]
DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")]
RETRY = Annotated[
    bool, typer.Option("--retry", help="Check everything again, and try what was refused.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(
        "sync",
        epilog="Example: cfedge sync store --from https://models.example.org/edge --root root.json",
    )(sync)
    app.command("generations", epilog="Example: cfedge generations store")(generations)
    app.command("rollback", epilog="Example: cfedge rollback store")(rollback)


def sync(
    store: STORE,
    origin: ORIGIN,
    root: ROOT = None,
    channel: CHANNEL = "stable",
    tasks: TASKS = None,
    budget: BUDGET = None,
    deadline: DEADLINE = 3600.0,
    jitter: JITTER = 0.0,
    dry_run: DRY_RUN = False,
    retry: RETRY = False,
    json: JSON = False,
) -> None:
    """Fetch what is new, try it, switch to it.

    Only what is signed is taken. Whatever fails, what answered goes on.
    """
    one_blas_thread()
    from cfedge.errors import UsageError
    from cfedge.store import Store
    from cfedge.sync.client import Plan
    from cfedge.sync.client import sync as run
    from cfedge.sync.transport import source_of
    from cfedge.sync.trust import Trust

    source = source_of(origin)
    if not Store.exists(store) and root is None:
        raise UsageError(
            "--root: expected the root to trust for a new store, found none; get it from who"
            " publishes (metadata/1.root.json of the repository)"
        )
    given = read_root(root) if root else None
    opened = Store.create(store, channel)
    if given is not None:
        Trust.begin(store / "trust", given)
    time.sleep(random.uniform(0, jitter))
    plan = Plan(
        wanted=tuple(tasks or ["*"]),
        budget_bytes=budget,
        deadline_s=deadline,
        dry_run=dry_run,
        retry=retry,
    )
    done = run(opened, source, plan, progress=TerminalProgress())
    if json:
        print_json(dataclasses.asdict(done))
        return
    _show(done, store, dry_run=dry_run)


def _show(done: Synced, store: Path, *, dry_run: bool) -> None:
    parts = [
        f"{word} {', '.join(names)}"
        for word, names in (
            ("added", done.added),
            ("updated", done.updated),
            ("removed", done.removed),
        )
        if names
    ]
    what = "; ".join(parts) or "nothing new"
    if dry_run or (done.pinned and parts):
        why = "pinned by a rollback (cfedge rollback --unpin)" if done.pinned else "dry run"
        say(
            f"{store}: {why}: generation {done.generation or 'none'} stays; would be {what},"
            f" {size(done.missing_bytes)} to fetch"
        )
    else:
        say(
            f"{store}: generation {done.generation}: {what}; fetched {size(done.fetched_bytes)},"
            f" freed {size(done.freed_bytes)}, {done.freshness}"
        )
    for conflict in done.conflicts:
        say(f"note: {conflict}")


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
            help="Number of the generation (cfedge generations); the one before unless given."
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


def read_root(path: Path) -> bytes:
    """Return the bytes of a root that is to be trusted."""
    from cfedge.errors import UsageError
    from cfedge.storage import read_plain

    try:
        return read_plain(path, 512 << 10)
    except OSError as error:
        raise UsageError(
            f"--root: expected a file, found {error.strerror} ({path}); get it from who publishes"
        ) from error
