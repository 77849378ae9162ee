"""The workshop's half: learn one task at a time. Training needs the extra ``train``; a closed-form
head does not. Its rooms, from the floor up; each may import those above it in this table:

============================ =====================================================================
`cfedge.train.settings`      how to train: every choice with its default
`cfedge.train.examples`      labelled inputs: read, checked, part of them held out
`cfedge.train.measures`      held-out inputs to figures, thresholds and limits
`cfedge.train.features`      what is made of a frozen encoder's features
`cfedge.train.workspace`     the folder that holds a backbone and its tasks
`cfedge.train.learn`         learn one task
`cfedge.train.certify`       what may be promised of all tasks together
`cfedge.train.change`        change a task whose data are gone
`cfedge.train.jobs`          hand work out to processes and machines
`cfedge.train.teach`         learn one task or several, and keep them
============================ =====================================================================

Threads that wait for each other sleep (``OMP_WAIT_POLICY=PASSIVE``, unless the environment says
otherwise): torch's would spin, and on cores that other work keeps busy that is most of what they
do (docs/decisions/0031-threads-that-sleep.md). It holds where torch is imported after this.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
