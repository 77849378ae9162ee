"""Signed metadata changed by hand: by whoever holds keys, his own or stolen ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from channels import Site
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, TargetFile
from tuf.api.serialization.json import JSONSerializer

ROLES = ("targets", "snapshot", "timestamp")


def path_of(site: Site, role: str) -> Path:
    """The newest file of a role."""
    folder = site.repo / "metadata"
    if role == "timestamp":
        return folder / "timestamp.json"
    return max(folder.glob(f"*.{role}.json"), key=lambda path: int(path.name.partition(".")[0]))


def forge(
    site: Site,
    role: str,
    change: Callable[[Any], None],
    *,
    signers: Sequence[CryptoSigner] | None = None,
    bump: bool = True,
) -> Path:
    """Publish the next version of one role's metadata, changed; by default signed with the site's
    keys.
    """
    md: Metadata[Any] = Metadata.from_bytes(path_of(site, role).read_bytes())
    md.signed.version += bump
    change(md.signed)
    md.signatures.clear()
    for signer in site.keys.signers(role) if signers is None else signers:
        md.sign(signer, append=True)
    name = "timestamp.json" if role == "timestamp" else f"{md.signed.version}.{role}.json"
    path = site.repo / "metadata" / name
    path.write_bytes(md.to_bytes(JSONSerializer(compact=True)))
    return path


def lead(site: Site, *, snapshot: int | None = None, targets: int | None = None) -> None:
    """Sign a snapshot and a timestamp that lead to the newest files, or to these versions."""

    def version(role: str) -> int:
        return int(path_of(site, role).name.partition(".")[0])

    if snapshot is None:
        wanted = version("targets") if targets is None else targets
        forge(
            site, "snapshot", lambda signed: signed.meta.update({"targets.json": MetaFile(wanted)})
        )
    number = version("snapshot") if snapshot is None else snapshot
    forge(site, "timestamp", lambda signed: setattr(signed, "snapshot_meta", MetaFile(number)))


def sign_target(site: Site, name: str, data: bytes, **more: Any) -> None:
    """Sign any bytes as the target `name`, by someone who holds all keys but the root's."""
    digest = hashlib.sha256(data).hexdigest()
    target = TargetFile(len(data), {"sha256": digest}, name, more)
    forge(site, "targets", lambda signed: signed.targets.update({name: target}))
    folder, _, base = name.rpartition("/")
    path = site.repo / "targets" / folder / f"{digest}.{base}"
    if ".." not in name and "\x00" not in name:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    lead(site)


def stranger() -> CryptoSigner:
    """A key that nobody trusts."""
    return CryptoSigner.generate_ed25519()
