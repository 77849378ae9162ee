"""How many threads NumPy takes on a machine that answers: one."""

from __future__ import annotations

import os

__all__ = ["one_blas_thread"]


def one_blas_thread() -> None:
    """Keep NumPy's BLAS to one thread, unless the environment says how many; NumPy must be imported
    after this.

    It takes a thread for every core and waits for those that are busy: on two cores with one at
    work an engine's first stage took 0.2 - 1.2 s in place of 14 ms (docs/decisions/0028-cold-start.md).
    """
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
