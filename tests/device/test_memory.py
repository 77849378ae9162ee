"""The peak memory of a process, told by itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from cfedge.device import peak_rss_bytes

_CHILD = """
from cfedge.device import peak_rss_bytes
before = peak_rss_bytes()
held = b"x" * 100_000_000
print(before, peak_rss_bytes())
"""


def test_a_childs_peak_is_its_own_however_much_its_parent_holds() -> None:
    held = np.ones(60_000_000)
    assert (peak_rss_bytes() or 0) > held.nbytes
    done = subprocess.run(
        [sys.executable, "-c", _CHILD], capture_output=True, text=True, check=True
    )
    before, after = (int(one) for one in done.stdout.split())
    assert before < 200_000_000 < held.nbytes
    assert after > before + 90_000_000
