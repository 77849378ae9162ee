"""Ask a bundle in a process of its own, in which torch and its kin cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cfedge.errors import CfedgeError
from cfedge.runtime.prediction import Prediction
from cfedge.scratch import scratch_folder

__all__ = ["Question", "answers_without_torch"]


class Question(NamedTuple):
    """A sentence, or the path of a file; and its task where that is given."""

    input: str
    task: str | None = None


def answers_without_torch(bundle: Path, asked: Iterable[Question]) -> list[Prediction]:
    """Answer each question, one at a time.

    Raises
    ------
    CfedgeError
        The process failed.
    """
    with (
        scratch_folder() as scratch,
        (scratch / "questions").open("w+", encoding="utf-8") as questions,
    ):
        questions.writelines(json.dumps(one._asdict()) + "\n" for one in asked)
        questions.seek(0)
        done = subprocess.run(
            [sys.executable, "-m", "cfedge.demo.device", str(bundle)],
            stdin=questions,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CfedgeError(
            f"could not answer {bundle} in a process without torch: {last}; run cfedge doctor"
        )
    return [Prediction(**json.loads(line)) for line in done.stdout.splitlines()]
