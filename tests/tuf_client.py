#!/usr/bin/env python
"""A device's trust as the client under test of the public TUF conformance suite
(theupdateframework/tuf-conformance, CLIENT-CLI.md).

::

    tuf_client.py --metadata-dir DIR init TRUSTED_ROOT tuf_client.py --metadata-dir DIR
    --metadata-url URL refresh tuf_client.py --metadata-dir DIR --metadata-url URL --target-name
    PATH --target-base-url URL --target-dir DIR download

Exit code 0 where all of it succeeded, otherwise 1. Run the suite with: pytest tuf_conformance
--entrypoint "python tests/tuf_client.py". Only the addresses are put together here: `cfedge.sync`
asks for ``metadata/...`` and ``targets/...`` of one repository.
"""

from __future__ import annotations

import argparse
import math
import sys
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

from tuf.api.exceptions import LengthOrHashMismatchError

from cfedge.errors import CfedgeError, TaskError
from cfedge.storage import write_file
from cfedge.sync.transport import Host, Received
from cfedge.sync.trust import Trust

#: Longest artifact that is kept in memory.
MAX_BYTES = 64 << 20


class Repository:
    """A source whose metadata and targets have addresses of their own."""

    def __init__(self, metadata_url: str, target_url: str) -> None:
        self.name = metadata_url
        self._hosts = {"metadata": metadata_url, "targets": target_url}

    def read(self, path: str, start: int = 0, within_s: float = math.inf) -> Received:
        folder, _, rest = path.partition("/")
        return Host(self._hosts[folder]).read(rest, start, within_s)


def download(trust: Trust, name: str, folder: Path) -> None:
    """Fetch a target, where `folder` does not have it yet."""
    target = trust.target(name)
    if target is None:
        raise TaskError(f"{name}: expected a target, found none of that name")
    path = folder / quote(name, safe="")
    try:
        target.verify_length_and_hashes(path.read_bytes())
    except (OSError, LengthOrHashMismatchError):
        write_file(path, trust.fetch(target, MAX_BYTES))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="TUF client under test")
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url", default="")
    parser.add_argument("--target-name", action="append", default=[])
    parser.add_argument("--target-base-url", default="")
    parser.add_argument("--target-dir", type=Path)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("trusted_root", type=Path)
    commands.add_parser("refresh")
    commands.add_parser("download")
    given = parser.parse_args(arguments)
    try:
        if given.command == "init":
            Trust.begin(given.metadata_dir, given.trusted_root.read_bytes())
            return 0
        trust = Trust(given.metadata_dir, Repository(given.metadata_url, given.target_base_url))
        trust.refresh(datetime.now(timezone.utc))
        if given.command == "download":
            for name in given.target_name:
                download(trust, name, given.target_dir)
    except CfedgeError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
