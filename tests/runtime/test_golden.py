from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cfedge import Engine
from cfedge.bundle.arrays import dump_arrays
from cfedge.bundle.files import Bundle, read, reference
from cfedge.errors import IncompatibleError
from cfedge.runtime.golden import check_golden


def test_the_machine_that_exported_passes_its_own_golden_vectors(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    assert check_golden(Engine(bundle), bundle) > 0.9999


def test_every_task_carries_its_vectors(tiny_bundle: Path) -> None:
    from cfedge.footprint import golden

    bundle = read(tiny_bundle)
    assert len(golden(bundle)[1]) == sum(
        min(16, task.certificate.held_out) for task in bundle.manifest.tasks
    )


def test_another_arithmetic_is_refused_by_vector(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    engine = Engine(bundle)
    slots = engine.adapters(engine.opened.tasks["animals"].task).slots
    for name in slots:
        slots[name] = np.flip(slots[name]) * 5
    with pytest.raises(
        IncompatibleError,
        match=r"golden vectors of task 'animals': expected .* this machine computes differently",
    ):
        check_golden(engine, bundle)


@pytest.mark.parametrize(
    ("arrays", "note"),
    [
        (
            {"other": np.zeros((1, 32), np.float16)},
            {"inputs": ["x"], "labels": ["cat"], "tasks": ["animals"]},
        ),
        ({"embeddings": np.zeros((1, 32), np.float16)}, {"inputs": ["x"], "labels": ["cat"]}),
        (
            {"embeddings": np.zeros((1, 32), np.float16)},
            {"inputs": "x", "labels": ["cat"], "tasks": ["animals"]},
        ),
        (
            {"embeddings": np.zeros((1, 32), np.float16)},
            {"inputs": [3], "labels": ["cat"], "tasks": ["animals"]},
        ),
        (
            {"embeddings": np.zeros((1, 32), np.float16)},
            {"inputs": ["x", "y"], "labels": ["cat"], "tasks": ["animals"]},
        ),
        (
            {"embeddings": np.ones((2, 32), np.float16)},
            {"inputs": ["x"], "labels": ["cat"], "tasks": ["animals"]},
        ),
        (
            {"embeddings": np.ones((1, 31), np.float16)},
            {"inputs": ["x"], "labels": ["cat"], "tasks": ["animals"]},
        ),
        ({"embeddings": np.zeros((0, 32), np.float16)}, {"inputs": [], "labels": [], "tasks": []}),
        (
            {"embeddings": np.zeros((1, 32), np.float16)},
            {"inputs": ["puppy"], "labels": ["dog"], "tasks": ["animals"]},
        ),
    ],
)
def test_golden_vectors_of_another_form_are_refused(
    tiny_bundle: Path, arrays: dict[str, np.ndarray], note: dict[str, object]
) -> None:
    bundle = read(tiny_bundle)
    ref = reference(dump_arrays(arrays, note))
    first = dataclasses.replace(bundle.manifest.tasks[0], golden=ref)
    manifest = dataclasses.replace(bundle.manifest, tasks=(first, *bundle.manifest.tasks[1:]))
    changed = Bundle(manifest, {**bundle.objects, ref.sha256: dump_arrays(arrays, note)})
    with pytest.raises(IncompatibleError, match="golden vectors of task 'animals': expected"):
        check_golden(Engine(changed), changed)
