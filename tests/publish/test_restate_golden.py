from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny import cloned, only

from cfedge import Engine
from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.fileref import FileRef
from cfedge.bundle.files import Bundle, read, reference
from cfedge.errors import IncompatibleError
from cfedge.publish.restate_golden import restate


def _with(bundle: Bundle, task: str, golden: FileRef, data: bytes) -> Bundle:
    tasks = tuple(
        replace(one, golden=golden) if one.name == task else one for one in bundle.manifest.tasks
    )
    return Bundle(replace(bundle.manifest, tasks=tasks), {**bundle.objects, golden.sha256: data})


def _golden(bundle: Bundle, task: str) -> FileRef:
    return next(one.golden for one in bundle.manifest.tasks if one.name == task)


def _restated(bundle: Bundle, task: str, **note: object) -> tuple[FileRef, bytes]:
    old = bundle[_golden(bundle, task)]
    data = dump_arrays(load_arrays(old, task), {**load_note(old), **note})
    return reference(data), data


def test_vectors_that_hold_are_kept(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    found = restate(Engine(bundle), bundle)
    assert found.golden == {task.name: task.golden for task in bundle.manifest.tasks}
    assert (found.made, found.moved, found.names) == ({}, {}, frozenset())
    assert found.confusions == {}  # of thousands of tasks all pairs are too many
    assert found.inputs["colors"] == len(load_note(bundle[_golden(bundle, "colors")])["inputs"])  # type: ignore[arg-type]


def test_spare_vectors_are_taken_where_those_that_devices_have_do_not_hold(
    tiny_bundle: Path,
) -> None:
    bundle = read(tiny_bundle)
    texts = load_note(bundle[_golden(bundle, "colors")])["inputs"]
    assert isinstance(texts, list)
    moved = _with(bundle, "colors", *_restated(bundle, "colors", tasks=["animals"] * len(texts)))
    found = restate(Engine(bundle), moved, {"colors": _golden(bundle, "colors")})
    assert found.golden["colors"] == _golden(bundle, "colors")
    assert found.made == {}


def test_vectors_that_another_task_takes_are_restated_and_counted(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    more = cloned(
        bundle, "colors", "azure"
    )  # before colors in the order of names, so that it takes all of its texts
    alone = _with(more, "colors", _golden(bundle, "colors"), bundle[_golden(bundle, "colors")])
    engine = Engine(more)
    found = restate(engine, alone)
    assert found.names == {"colors"}
    assert ("colors", "azure") in found.confusions
    among = restate(engine, alone, here={"animals"}).confusions
    assert {pair for pair in among if "animals" in pair} == {
        pair for name in ("azure", "colors") for pair in ((name, "animals"), ("animals", name))
    }
    assert ("azure", "colors") not in among
    assert all(
        share == pytest.approx(engine.router.confusions(name)[rival])
        for (name, rival), share in among.items()
    )
    note = load_note(found.made[found.golden["colors"].sha256])
    before = load_note(bundle[_golden(bundle, "colors")])
    assert (note["inputs"], note["labels"]) == (before["inputs"], before["labels"])
    assert note["tasks"] == [one.task for one in engine.predict(note["inputs"])]  # type: ignore[arg-type]
    pairs = list(zip(before["tasks"], note["tasks"], strict=True))  # type: ignore[call-overload]
    assert found.moved[("colors", "azure")] == pairs.count(("colors", "azure")) > 0


@pytest.mark.parametrize("part", ["labels", "embeddings"])
def test_what_the_task_itself_answers_must_hold(tiny_bundle: Path, part: str) -> None:
    bundle = read(tiny_bundle)
    old = bundle[_golden(bundle, "colors")]
    arrays, note = load_arrays(old, "x"), load_note(old)
    if part == "labels":
        note["labels"] = ["nothing"] * len(note["labels"])  # type: ignore[arg-type]
    else:
        arrays["embeddings"] = -arrays["embeddings"]
    data = dump_arrays(arrays, note)
    with pytest.raises(IncompatibleError, match="golden vectors of task 'colors': expected"):
        restate(Engine(bundle), _with(bundle, "colors", reference(data), data))


def test_texts_that_went_to_a_task_that_is_no_more_may_go_to_any(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    note = load_note(bundle[_golden(bundle, "colors")])
    texts = note["inputs"]
    assert isinstance(texts, list)
    gone = _with(
        only(bundle, "colors"),
        "colors",
        *_restated(bundle, "colors", tasks=["withdrawn"] * len(texts)),
    )
    assert restate(Engine(gone), gone).made == {}
