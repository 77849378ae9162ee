"""Publishing with the golden vectors restated in this process, syncing with what was fetched tried
in it, and opening with what was not opened before verified in it, where a child's start would be
most of a test's time. The children are for tests/publish/test_restate_child.py,
tests/attacks/test_fence.py and tests/sync, and of opening for all that ask for the fixture
``verified_by_a_child``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from cfedge.bundle.manifest import Manifest
from cfedge.publish import channel
from cfedge.publish import merge as merging
from cfedge.publish.restate_child import restate_here
from cfedge.runtime import verification, verify_here
from cfedge.sync import client
from cfedge.sync.probe import probe_here

__all__ = ["IN_A_CHILD", "merge", "publish", "sync", "use", "verify", "withdraw"]

IN_A_CHILD = verification.verify

publish = partial(channel.publish, restating=restate_here)
withdraw = partial(channel.withdraw, restating=restate_here)
merge = partial(merging.merge, restating=restate_here)
sync = partial(client.sync, probing=probe_here)


def verify(
    folder: Path, manifest: Manifest, *, threads: int, generation: int | None = None
) -> dict[str, object]:
    """Do what the child of `cfedge.runtime.verification.verify` does, without its limits."""
    return verify_here._verify(
        {
            "folder": folder,
            "digest": manifest.digest,
            "threads": threads,
            "generation": generation,
            "vectors": None,
        }
    )


def use(patch: pytest.MonkeyPatch) -> None:
    """Let commands and consoles of this process publish and sync so too."""
    patch.setattr(channel, "publish", publish)
    patch.setattr(channel, "withdraw", withdraw)
    patch.setattr(merging, "merge", merge)
    patch.setattr(client, "sync", sync)
