"""Golden vectors of a new bundle: each task's clearest inputs with the answers that every device must
give.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cfedge.errors import UsageError
from cfedge.inputs.modality import Input
from cfedge.progress import Progress
from cfedge.runtime.engine import Engine
from cfedge.runtime.golden import golden_arrays

__all__ = ["golden_vectors", "made_up"]

#: So many inputs are made up, to choose from.
_MADE_UP = 64


def golden_vectors(
    engine: Engine, inputs: Mapping[str, Sequence[Input]], progress: Progress
) -> dict[str, bytes]:
    """Return, by task, the file of its golden vectors, of the clearest among its `inputs`."""
    files = {}
    with progress.track("answering golden vectors", len(inputs)) as advance:
        for name, some in inputs.items():
            files[name] = golden_arrays(engine, name, _clearest(engine, name, some))
            advance(1)
    return files


def made_up(engine: Engine) -> list[Input]:
    """Return inputs that show nobody, of which those with the clearest answers are to travel.

    Raises
    ------
    UsageError
        Inputs of the engine's kind cannot be made up.
    """
    made = engine.modality.made_up(np.random.default_rng(0), _MADE_UP)
    if not made:
        raise UsageError(
            "--synthetic-golden: expected a backbone of inputs that can be made up, found one of"
            f" {engine.modality.noun}s; hold out some that may be shipped"
        )
    return made


def _clearest(engine: Engine, task: str, inputs: Sequence[Input]) -> list[Input]:
    """The inputs with the widest margins, of task and of label: another CPU's rounding must not
    turn a golden answer.
    """
    free, given = engine.predict(inputs), engine.predict(inputs, task=task)
    width = [
        min(
            math.inf if answer.margin is None else answer.margin,
            math.log(known.probability / max(1 - known.probability, 1e-9)),
        )
        for answer, known in zip(free, given, strict=True)
    ]
    names = [engine.modality.name(value) for value in inputs]
    order = sorted(range(len(inputs)), key=lambda row: (-width[row], names[row]))
    return [inputs[row] for row in order[: engine.modality.golden_vectors]]
