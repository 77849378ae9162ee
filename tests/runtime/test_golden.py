from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cfedge import Engine
from cfedge.bundle.files import Bundle, dump_arrays, load_arrays, load_note, read, reference, write
from cfedge.device import probe
from cfedge.errors import IncompatibleError
from cfedge.runtime.golden import check_golden, has_passed


def test_the_machine_that_exported_passes_its_own_golden_vectors(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    assert check_golden(Engine(bundle), bundle) > 0.9999


def test_every_task_carries_its_vectors(tiny_bundle: Path) -> None:
    from cfedge.footprint import golden_texts

    bundle = read(tiny_bundle)
    assert len(golden_texts(bundle)) == sum(min(16, task.certificate.held_out) for task in bundle.manifest.tasks)


def test_another_arithmetic_is_refused_by_vector(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    engine = Engine(bundle)
    slots = engine.adapters(engine._tasks["animals"].task).slots
    for name in slots:
        slots[name] = np.flip(slots[name]) * 5
    with pytest.raises(
        IncompatibleError, match=r"golden vectors of task 'animals': expected .* this machine computes differently"
    ):
        check_golden(engine, bundle)


@pytest.mark.parametrize(
    ("arrays", "note"),
    [
        ({"other": np.zeros((1, 32), np.float16)}, {"texts": ["x"], "labels": ["cat"], "tasks": ["animals"]}),
        ({"embeddings": np.zeros((1, 32), np.float16)}, {"texts": ["x"], "labels": ["cat"]}),
        ({"embeddings": np.zeros((1, 32), np.float16)}, {"texts": "x", "labels": ["cat"], "tasks": ["animals"]}),
        ({"embeddings": np.zeros((1, 32), np.float16)}, {"texts": [3], "labels": ["cat"], "tasks": ["animals"]}),
        ({"embeddings": np.zeros((1, 32), np.float16)}, {"texts": ["x", "y"], "labels": ["cat"], "tasks": ["animals"]}),
        ({"embeddings": np.ones((2, 32), np.float16)}, {"texts": ["x"], "labels": ["cat"], "tasks": ["animals"]}),
        ({"embeddings": np.ones((1, 31), np.float16)}, {"texts": ["x"], "labels": ["cat"], "tasks": ["animals"]}),
        ({"embeddings": np.zeros((0, 32), np.float16)}, {"texts": [], "labels": [], "tasks": []}),
        ({"embeddings": np.zeros((1, 32), np.float16)}, {"texts": ["puppy"], "labels": ["dog"], "tasks": ["animals"]}),
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


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CFEDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _with_turned_labels(folder: Path) -> Bundle:
    """A bundle in good order whose golden vectors expect other labels."""
    bundle = read(folder)
    task = bundle.manifest.tasks[0]
    arrays, note = load_arrays(bundle[task.golden], "golden"), load_note(bundle[task.golden])
    note["labels"] = [next(one for one in task.classes if one != label) for label in note["labels"]]  # type: ignore[attr-defined]
    data = dump_arrays(arrays, note)
    ref = reference(data)
    tasks = (dataclasses.replace(task, golden=ref), *bundle.manifest.tasks[1:])
    objects = {key: value for key, value in bundle.objects.items() if key != task.golden.sha256}
    return Bundle(dataclasses.replace(bundle.manifest, tasks=tasks), {**objects, ref.sha256: data})


def test_a_bundle_is_checked_when_first_opened_and_again_where_the_machine_is_another(
    tiny_bundle: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[int] = []
    monkeypatch.setattr("cfedge.runtime.engine.check_golden", lambda *arguments: checked.append(1))
    assert [(Engine.open(tiny_bundle, threads=threads), len(checked))[1] for threads in (1, 1, 2, 2)] == [1, 1, 2, 2]
    other = dataclasses.replace(probe(), flags=("made_up",))
    monkeypatch.setattr("cfedge.runtime.golden.probe", lambda: other)
    assert [(Engine.open(tiny_bundle), len(checked))[1] for _ in range(2)] == [3, 3]
    assert len(list((cache / "passed").iterdir())) == 3


def test_opening_refuses_a_machine_that_answers_otherwise_every_time(tiny_bundle: Path, tmp_path: Path, cache: Path) -> None:
    write(_with_turned_labels(tiny_bundle), tmp_path / "turned")
    for _ in range(2):
        with pytest.raises(IncompatibleError, match=r"golden vectors of task 'animals': expected .* for vector 0"):
            Engine.open(tmp_path / "turned")
    assert not cache.exists()


def test_where_nothing_can_be_noted_a_bundle_opens_all_the_same(tiny_bundle: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be", encoding="utf-8")
    for _ in range(2):
        engine = Engine.open(tiny_bundle)
        assert engine.adapters.stats.kept == len(engine.tasks)  # all were read, as no mark says that they were before
        assert not has_passed(engine.manifest, 1)
