"""Publishing with the golden vectors restated in this process, and syncing with what was fetched
tried in it, where a child's start would be most of a test's time. The children are for
tests/publish/test_restate_child.py, tests/attacks/test_fence.py and tests/sync.
"""

from __future__ import annotations

from functools import partial

import pytest

from cfedge.publish import channel
from cfedge.publish import merge as merging
from cfedge.publish.restate_child import restate_here
from cfedge.sync import client
from cfedge.sync.probe import probe_here

__all__ = ["merge", "publish", "sync", "use", "withdraw"]

publish = partial(channel.publish, restating=restate_here)
withdraw = partial(channel.withdraw, restating=restate_here)
merge = partial(merging.merge, restating=restate_here)
sync = partial(client.sync, probing=probe_here)


def use(patch: pytest.MonkeyPatch) -> None:
    """Let commands and consoles of this process publish and sync so too."""
    patch.setattr(channel, "publish", publish)
    patch.setattr(channel, "withdraw", withdraw)
    patch.setattr(merging, "merge", merge)
    patch.setattr(client, "sync", sync)
