"""The device's process: answer questions from standard input with torch and its kin barred from
being imported.

``python -m cfedge.demo.device BUNDLE``: each line in is a JSON object {"input": a sentence or the
path of a file, "task": a name or null}, each line out a prediction.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import sys
from collections.abc import Sequence
from types import ModuleType

__all__ = ["BARRED", "Barrier", "main"]

BARRED = ("torch", "transformers", "sklearn", "scipy", "onnx", "optimum", "datasets", "peft")


class Barrier(importlib.abc.MetaPathFinder):
    """Refuses to find what a device does not have."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Raise ImportError for the barred packages, and leave the others to the next finder."""
        if fullname.partition(".")[0] in BARRED:
            raise ImportError(f"{fullname} is barred in the device's process")
        return None


def main() -> None:
    """Answer until standard input ends."""
    already = sorted(set(BARRED) & set(sys.modules))
    if already:
        raise ImportError(f"{', '.join(already)} came with the import of cfedge")
    sys.meta_path.insert(0, Barrier())
    from cfedge import Engine

    engine = Engine.open(sys.argv[1])
    for line in sys.stdin:
        question = json.loads(line)
        answer = engine.predict([question["input"]], task=question["task"])[0]
        print(json.dumps(answer.as_dict()), flush=True)


if __name__ == "__main__":
    main()
