"""The workshop's half: learn one task at a time. Training needs the extra ``train``; a closed-form
head does not.

Threads that wait for each other sleep (``OMP_WAIT_POLICY=PASSIVE``, unless the environment says
otherwise): torch's would spin, and on cores that other work keeps busy that is most of what they
do (docs/decisions/0031-threads-that-sleep.md). It holds where torch is imported after this.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
