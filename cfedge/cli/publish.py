"""publish, withdraw, rollout, renew: the commands of who signs a channel."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from cfedge.cli.keys import REPO, opened_keys
from cfedge.cli.show import TerminalProgress, print_json, say
from cfedge.cli.sync import JSON
from cfedge.counted import counted, size

__all__ = ["CHANNEL", "KEYS", "register"]

KEYS = Annotated[Path, typer.Option("--keys", help="The folder that cfedge keys init made.")]
CHANNEL = Annotated[str, typer.Option(help="Name of the channel.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("publish", epilog="Example: cfedge publish bundle repo --keys keys")(publish)
    app.command("withdraw", epilog="Example: cfedge withdraw repo lighting --keys keys")(withdraw)
    app.command("rollout", epilog="Example: cfedge rollout repo 0.5 --keys keys")(rollout)
    app.command("renew", epilog="Example: cfedge renew repo --keys keys")(renew)


def publish(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="Folder that cfedge export wrote.")
    ],
    repo: REPO,
    keys: KEYS,
    channel: CHANNEL = "stable",
    rollout: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help=("Share of the devices that follow at once; the others wait for cfedge rollout."),
        ),
    ] = 1.0,
    json: JSON = False,
) -> None:
    """Sign a bundle's tasks into a channel.

    Only what changed is added, and tasks of other sites stay.
    """
    from cfedge.publish.channel import publish as run
    from cfedge.sync.client import utc_now

    done = run(
        bundle,
        repo,
        opened_keys(keys),
        channel=channel,
        rollout=rollout,
        now=utc_now(),
        progress=TerminalProgress(),
    )
    if json:
        print_json(dataclasses.asdict(done))
        return
    what = ", ".join(done.added) or "nothing new, signed anew"
    say(
        f"{repo}: channel {done.channel}, {counted(done.entries, 'entry', 'entries')}: {what}; {size(done.object_bytes)}"
        " of files"
    )
    if rollout < 1 and not done.added:
        say("note: nothing is new, so there is nothing to roll out")
    if done.share < 1:
        say(
            f"note: {done.share:.0%} of the devices follow all of it; cfedge rollout lets the"
            " others"
        )
    if done.only_here:
        say(
            f"note: not in the bundle, and kept: {', '.join(done.only_here)} (cfedge withdraw"
            " removes)"
        )
    for one in done.conflicts:
        say(f"note: {one}")


def withdraw(
    repo: REPO,
    task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")],
    keys: KEYS,
    channel: CHANNEL = "stable",
    erase: Annotated[
        bool, typer.Option("--erase", help="Delete the task's files, here and on devices.")
    ] = False,
    json: JSON = False,
) -> None:
    """Remove a task from a channel."""
    from cfedge.publish.channel import withdraw as run
    from cfedge.sync.client import utc_now

    done = run(repo, opened_keys(keys), task, channel=channel, erase=erase, now=utc_now())
    if json:
        print_json(dataclasses.asdict(done))
    else:
        say(
            f"{repo}: channel {done.channel}: {task}"
            f" withdrawn{', its files deleted' if erase else ''}"
        )


def rollout(
    repo: REPO,
    share: Annotated[
        float,
        typer.Argument(metavar="SHARE", help="Share of the devices: 1 for all, 0 to take it back."),
    ],
    keys: KEYS,
    channel: CHANNEL = "stable",
    json: JSON = False,
) -> None:
    """Let more devices follow, or take it back.

    It continues what publish --rollout began.
    """
    from cfedge.publish.channel import roll_out
    from cfedge.sync.client import utc_now

    index = roll_out(repo, opened_keys(keys), share, channel=channel, now=utc_now())
    if json:
        print_json(
            {
                "channel": channel,
                "share": share,
                "entries": index.entries,
                "done": index.rollout is None,
            }
        )
    else:
        say(
            f"{repo}: channel {channel}: {share:.0%} of the devices follow all {index.entries}"
            " entries"
        )


def renew(repo: REPO, keys: KEYS, json: JSON = False) -> None:
    """Sign the timestamp anew; run it daily.

    Devices refuse a repository whose timestamp has expired.
    """
    from cfedge.publish.repository import Repository
    from cfedge.publish.signing import Lifetimes
    from cfedge.sync.client import utc_now

    repository = Repository(repo)
    with repository.writing():
        repository.renew(opened_keys(keys), utc_now())
    root_days = (repository.root_expires() - utc_now()).days
    if json:
        print_json({"repository": str(repo), "days": Lifetimes().timestamp, "root_days": root_days})
    else:
        say(
            f"{repo}: signed anew; the timestamp is good for {Lifetimes().timestamp} days, the root"
            f" for {root_days}"
        )
        if root_days < Lifetimes().root / 4:
            say(
                f"note: bring the root keys here before day {root_days} is over, and renew or"
                " rotate: after it devices take nothing"
            )
