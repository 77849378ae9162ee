"""A server in a process of its own, as the fixture `child` starts it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass


@dataclass
class Child:
    url: str
    process: subprocess.Popen[str]
