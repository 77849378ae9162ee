"""keys: the commands that make and rotate what signs a repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfedge.cli.show import print_json, say
from cfedge.cli.sync import JSON

if TYPE_CHECKING:
    from cfedge.publish.keys import Keys

REPO = Annotated[
    Path,
    typer.Argument(metavar="REPO", help="Folder of the repository; any static host can serve it."),
]

keys = typer.Typer(
    no_args_is_help=True,
    help="Make and rotate the signing keys.\n\nA passphrase is read from CFEDGE_PASSPHRASE.",
)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(keys, name="keys", epilog="Example: cfedge keys init keys --site workshop")
    keys.command("init", epilog="Example: cfedge keys init keys --site workshop")(keys_init)
    keys.command("rotate", epilog="Example: cfedge keys rotate keys repo timestamp")(keys_rotate)


def keys_init(
    folder: Annotated[
        Path, typer.Argument(metavar="KEYS", help="New folder for the keys, never to be published.")
    ],
    site: Annotated[
        str | None,
        typer.Option(
            help="Name of this site in all that it publishes; drawn at random unless given."
        ),
    ] = None,
    root_keys: Annotated[int, typer.Option(help="Number of root keys to make.")] = 2,
    root_threshold: Annotated[int, typer.Option(help="Number of root keys that must sign.")] = 2,
    json: JSON = False,
) -> None:
    """Make a site's keys."""
    from cfedge.publish.keys import Keys

    passphrase = os.environ.get("CFEDGE_PASSPHRASE")
    made = Keys.create(
        folder, site=site, root_keys=root_keys, root_threshold=root_threshold, passphrase=passphrase
    )
    if json:
        print_json({"keys": str(folder), "site": made.site, "encrypted": bool(passphrase)})
    else:
        kept = "encrypted" if passphrase else "not encrypted: set CFEDGE_PASSPHRASE for that"
        say(f"{folder}: keys of site {made.site}, {kept}; keep a copy of root-*.pem elsewhere")


def keys_rotate(
    folder: Annotated[
        Path, typer.Argument(metavar="KEYS", help="Folder that cfedge keys init made.")
    ],
    repo: REPO,
    role: Annotated[
        str,
        typer.Argument(
            metavar="ROLE",
            help=(
                "Role whose keys are replaced: root, targets, snapshot or timestamp; or"
                " online, the three that publishing needs."
            ),
        ),
    ],
    json: JSON = False,
) -> None:
    """Replace the keys of a role.

    Devices follow on their next sync, and what the old keys sign is worthless.
    """
    from cfedge.errors import UsageError
    from cfedge.publish.keys import ROLES
    from cfedge.publish.repository import Repository
    from cfedge.publish.rotation import ONLINE, rotate
    from cfedge.sync.client import utc_now

    if role not in (*ROLES, "online"):
        raise UsageError(
            f"ROLE: expected one of {', '.join(ROLES)} or online, found {role!r}; name one of them"
        )
    repository = Repository(repo)
    with repository.writing():
        roles = ONLINE if role == "online" else [role]
        version = rotate(repository, opened_keys(folder), roles, utc_now())
    if json:
        print_json({"role": role, "root_version": version})
    else:
        say(f"{repo}: the keys of {role} are new; root file {version} names them")


def opened_keys(folder: Path) -> Keys:
    """Return the keys of a site; those that others can read are told of."""
    from cfedge.publish.keys import Keys

    opened = Keys(folder, os.environ.get("CFEDGE_PASSPHRASE"))
    for path in opened.exposed:
        say(
            f"note: {path} can be read by others than its owner (mode"
            f" {path.stat().st_mode & 0o777:03o}); run: chmod 600 {path}, and rotate the key if"
            " somebody may have read it",
            error=True,
        )
    return opened
