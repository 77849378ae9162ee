"""Replace the keys of a repository, so that what the old ones sign is worthless.

Devices follow on their next sync, however many roots they missed. What the old targets keys signed
counts no longer, its time included: an index that a clock once dated ahead is dated now, and
devices that had followed it take it (docs/sync.md).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime

from tuf.api.metadata import Metadata, Root, TargetFile

from cfedge.catalogue.index import utc
from cfedge.errors import StorageError, SyncError
from cfedge.publish.keys import ROLES, Keys
from cfedge.publish.repository import Repository
from cfedge.publish.signing import Lifetimes, Signing, counting
from cfedge.storage import write_file

__all__ = ["ONLINE", "rotate"]

#: Roles whose keys lie on the machine that publishes: after a theft all of them are stolen.
ONLINE = ("targets", "snapshot", "timestamp")


def rotate(
    repository: Repository,
    keys: Keys,
    roles: Collection[str],
    now: datetime,
    lifetimes: Lifetimes | None = None,
) -> int:
    """Replace the keys of `roles`, and sign anew what they sign; return the new root's version.
    Needs `Repository.writing` and the root keys.

    Keys of other roles that were lost are replaced too. Cut short at any point, it leaves a
    repository that the old keys sign or the new ones, and can be done again.

    Raises
    ------
    SyncError
        Too few root keys are here; nothing was changed.
    StorageError
        The disk refused: no new key is left here, or they count already, which is said.
    """
    signing = repository.signing(keys, now, lifetimes)
    before = signing.root()
    here, needed = len(counting(keys, before, "root")), before.roles["root"].threshold
    if here < needed:
        raise SyncError(
            f"{keys.folder}: expected {needed} of this repository's root keys (root-*.pem),"
            f" which sign what keys count, found {here}; put them back from where they are kept"
        )
    replaced = sorted({*roles, *(role for role in ROLES if not counting(keys, before, role))})
    with _undone(repository, keys, replaced):
        made = {role: [signer.public_key for signer in keys.make(role)] for role in replaced}
        if replaced != ["root"]:
            with signing.edit_root() as root:
                for role in replaced:
                    for key in made[role] if role != "root" else ():
                        root.add_key(key, role)
            signing.write(("root",))
        signing = Signing(repository.folder, keys, now, lifetimes or Lifetimes())
        with signing.edit_root() as root:
            for role in replaced:
                for keyid in list(root.roles[role].keyids):
                    if keyid not in {key.keyid for key in made[role]}:
                        root.revoke_key(keyid, role)
                for key in made[role]:
                    root.add_key(key, role)
        if "targets" in replaced:
            _date(repository, signing, now)
        signing.stage(("targets", "snapshot", "timestamp"))
        signing.write(("targets", "snapshot", "timestamp", "root"))
    for role in replaced:
        keys.forget(role, {key.keyid for key in made[role]})
    return int(signing.root().version)


@contextlib.contextmanager
def _undone(repository: Repository, keys: Keys, roles: Collection[str]) -> Iterator[None]:
    """Where something fails, delete the keys that were made and that no root names yet; where one
    does, say so.
    """
    before = {role: {signer.public_key.keyid for signer in keys.signers(role)} for role in roles}
    try:
        yield
    except BaseException as error:
        root = Metadata[Root].from_bytes(repository.root()).signed
        for role in roles:
            keys.forget(role, before[role].union(root.roles[role].keyids))
        if isinstance(error, StorageError) and any(
            set(root.roles[role].keyids) - before[role] for role in roles
        ):
            raise StorageError(
                f"could not end the old keys of {', '.join(roles)}: {error}; the new ones count beside"
                " them: rotate again then"
            ) from error
        raise


def _date(repository: Repository, signing: Signing, now: datetime) -> None:
    """Date the channels now that are dated later."""
    for name, index in repository.indices().items():
        if index.time <= now:
            continue
        data = replace(index, published=utc(now)).bytes()
        digest = hashlib.sha256(data).hexdigest()
        write_file(repository.folder / "targets" / f"{digest}.{name}.json", data)
        with signing.edit_targets() as targets:
            targets.targets[f"{name}.json"] = TargetFile(
                len(data), {"sha256": digest}, f"{name}.json"
            )
