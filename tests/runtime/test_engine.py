from __future__ import annotations

from pathlib import Path

import pytest
from conftest import make_texts

from cfedge import Engine
from cfedge.errors import InputError, TaskError


def test_answers_carry_task_label_and_evidence(tiny_bundle: Path) -> None:
    engine = Engine.open(tiny_bundle)
    one = engine.predict(["crimson please"])[0]
    assert one.task in engine.tasks
    assert 0 < one.probability <= 1
    assert one.margin is not None
    assert one.margin >= 0
    assert one.runner_up in engine.tasks
    assert one.runner_up != one.task
    assert one.ms > 0
    assert one.unknown == (one.reason is not None)
