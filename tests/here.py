"""Publishing with the golden vectors restated in this process, where a child's start would be most of
a test's time. The child is for tests/publish/test_restate_child.py and tests/attacks/test_fence.py.
"""

from __future__ import annotations

from functools import partial

from cfedge.publish import channel
from cfedge.publish.merge import merge as _merge
from cfedge.publish.restate_child import restate_here

__all__ = ["merge", "publish", "withdraw"]

publish = partial(channel.publish, restating=restate_here)
withdraw = partial(channel.withdraw, restating=restate_here)
merge = partial(_merge, restating=restate_here)
