"""sync: a device follows a repository. What its store then holds is `cfedge.cli.generations`'s."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.blas import one_blas_thread
from cfedge.cli.quantities import seconds
from cfedge.cli.show import TerminalProgress, print_json, say
from cfedge.counted import size

if TYPE_CHECKING:
    from cfedge.sync.report import Synced

STORE = Annotated[Path, typer.Argument(metavar="STORE", help="Folder of the store.")]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


ORIGIN = Annotated[
    list[str],
    typer.Option(
        "--from",
        metavar="URL|FOLDER",
        help="The repository; repeat it for mirrors, which are asked in turn.",
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
        help="Pattern of the names of tasks to take, such as 'shop-*'; may be repeated.",
    ),
]
BUDGET = Annotated[
    int | None,
    typer.Option(min=1, metavar="BYTES", help="Largest total size of the store's files."),
]
DEADLINE = Annotated[
    float,
    typer.Option(min=1, metavar="SECONDS", callback=seconds, help="Longest time for one sync."),
]
JITTER = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        callback=seconds,
        help="Longest random wait at first, which spreads a fleet.",
    ),
]
DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")]
RETRY = Annotated[
    bool, typer.Option("--retry", help="Check everything again, and try what was refused.")
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "sync",
        epilog="Example: cfedge sync store --from https://models.example.org/edge --root root.json",
    )(sync)


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

    Only signed files are taken. Whatever fails, the generation that answered goes on answering.
    """
    one_blas_thread()
    from cfedge.errors import UsageError
    from cfedge.scratch import scratch_folder
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
    plan = Plan(
        wanted=tuple(tasks or ["*"]),
        budget_bytes=budget,
        deadline_s=deadline,
        dry_run=dry_run,
        retry=retry,
    )
    with contextlib.ExitStack() as scratch:
        place = store
        if dry_run and not Store.exists(store):  # which is to stay so
            place = scratch.enter_context(scratch_folder()) / "store"
        opened = Store.create(place, channel)
        if given is not None:
            Trust.begin(place / "trust", given)
        time.sleep(random.uniform(0, jitter))
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


def read_root(path: Path) -> bytes:
    """Return the bytes of a root that is to be trusted."""
    from cfedge.errors import UsageError
    from cfedge.plain_files import read_plain

    try:
        return read_plain(path, 512 << 10)
    except OSError as error:
        raise UsageError(
            f"--root: expected a file, found {error.strerror} ({path}); get it from who publishes"
        ) from error
