"""Adapters that come and go: what is kept, what is read again, and what becomes of a file that
changed meanwhile.
"""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
from made import make_texts
from tiny import cloned, relearned, written

from cfedge import Engine, Prediction
from cfedge.bundle.files import Bundle, read
from cfedge.bundle.manifest import Task
from cfedge.errors import DamagedError, IncompatibleError, StorageError, UsageError
from cfedge.store import Store

TEXTS = [text for task in ("colors", "animals") for text, _ in make_texts(task, 4, seed=11)]


@pytest.fixture
def three(tiny_bundle: Path) -> Path:
    """animals, colors, paint."""
    return written(cloned(read(tiny_bundle), "colors", "paint"), tiny_bundle)


def named(engine: Engine, name: str) -> Task:
    return next(task for task in engine.manifest.tasks if task.name == name)


def room_for(path: Path, count: int) -> int:
    """The bytes of that many of the tiny adapters, which are all of one size."""
    engine = Engine(read(path))
    return count * engine.adapters.stats.kept_bytes // len(engine.tasks)


def opened(path: Path, adapter_bytes: int | None = None) -> Engine:
    """Opened on a machine that has passed its golden vectors before."""
    Engine.open(path)
    return Engine.open(path, adapter_bytes=adapter_bytes)


def answers(engine: Engine, task: str | None = None) -> list[Prediction]:
    return [replace(one, ms=0) for one in engine.predict(TEXTS, task=task)]


def adapter_file(path: Path, name: str) -> Path:
    return (
        path
        / "objects"
        / next(task.adapter.sha256 for task in read(path).manifest.tasks if task.name == name)
    )


def test_an_adapter_is_read_when_it_is_first_needed_and_kept(three: Path) -> None:
    engine = opened(three)
    assert engine.adapters.stats.kept == 0
    engine.predict(TEXTS, task="colors")
    engine.predict(TEXTS, task="colors")
    found = engine.adapters.stats
    assert (found.misses, found.hits, found.evictions, found.kept, found.limit_bytes) == (
        1,
        1,
        0,
        1,
        None,
    )
    assert found.kept_bytes == room_for(three, 1)


def test_every_adapter_is_read_at_once_where_no_child_has_proved_the_bundle(three: Path) -> None:
    assert Engine(read(three)).adapters.stats.kept == 3
    assert Engine.open(three).adapters.stats.kept == 0


def test_the_least_recently_used_adapter_makes_room(three: Path) -> None:
    engine = opened(three, room_for(three, 2))
    for name in ("animals", "colors", "animals", "paint"):  # paint takes the place of colors
        engine.predict(TEXTS, task=name)
    before = engine.adapters.stats
    assert (before.hits, before.misses, before.evictions, before.kept) == (1, 3, 1, 2)
    for name in ("animals", "paint", "colors"):
        engine.predict(TEXTS, task=name)
    after = engine.adapters.stats
    assert (after.hits, after.misses, after.evictions, after.kept) == (3, 4, 2, 2)
    assert after.kept_bytes == after.limit_bytes


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_answers_do_not_depend_on_how_many_adapters_are_kept(three: Path, count: int) -> None:
    whole, small = Engine(read(three)), opened(three, room_for(three, count))
    for name in (None, *whole.tasks, None):
        assert answers(small, name) == answers(whole, name)
        assert small.adapters.stats.kept <= count
    assert [replace(one, ms=0) for text in TEXTS for one in small.predict([text])] == answers(whole)


def test_an_adapter_that_had_to_go_is_not_held_elsewhere(three: Path) -> None:
    engine = opened(three, room_for(three, 1))
    held = weakref.ref(engine.adapters(named(engine, "colors")))
    assert held() is not None
    engine.predict(TEXTS, task="animals")
    gc.collect()
    assert held() is None


def test_no_file_of_a_task_is_held_where_their_memory_is_limited(three: Path) -> None:
    bundle = read(three, keep_adapters=False)
    apart = {
        ref.sha256
        for task in bundle.manifest.tasks
        for ref in (task.adapter, task.signature, task.golden)
    }
    assert {
        name for name in bundle.objects if bundle.objects[name] is not bundle.objects[name]
    } == apart
    engine = Engine(bundle)  # takes over what is held
    for task in engine.opened.tasks.values():
        assert task.signature() is not task.signature()
    assert dict(bundle.objects) == dict(read(three).objects)


def test_a_signature_that_changed_under_an_open_engine_is_refused_when_a_stage_needs_it(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFEDGE_CACHE", str(tmp_path / "cache"))  # nothing is kept of it yet
    engine = opened(three, room_for(three, 1))
    (task,) = (one for one in engine.manifest.tasks if one.name == "colors")
    path = three / "objects" / task.signature.sha256
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DamagedError, match=r"signature of task .*: expected SHA-256"):
        engine.router.warm_up()


def test_a_file_that_changed_under_an_open_engine_is_refused_when_it_is_read_again(
    three: Path,
) -> None:
    engine = opened(three, room_for(three, 1))
    before = answers(engine, "animals")
    path = adapter_file(three, "colors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DamagedError, match=r"adapter of task 'colors'.: expected SHA-256"):
        engine.predict(TEXTS, task="colors")
    path.write_bytes(whole[:-1])
    with pytest.raises(
        DamagedError,
        match=rf"adapter of task 'colors'.: expected {len(whole)} bytes, found {len(whole) - 1}",
    ):
        engine.predict(TEXTS, task="colors")
    path.unlink()
    with pytest.raises(
        DamagedError, match=r"adapter of task 'colors'.: expected a file, found none"
    ):
        engine.predict(TEXTS, task="colors")
    assert answers(engine, "animals") == before
    path.write_bytes(whole)
    assert answers(engine, "colors") == answers(Engine(read(three)), "colors")


def test_without_a_limit_nothing_is_read_from_the_disk_any_more(three: Path) -> None:
    engine, right = opened(three), Engine(read(three))
    assert len(engine.adapters._sources) == 3
    for path in (three / "objects").iterdir():
        path.write_bytes(b"broken since")
    for name in (None, *engine.tasks):
        assert answers(engine, name) == answers(right, name)
    assert engine.adapters._sources == {}  # nor are the files' bytes kept beside the arrays


@pytest.mark.parametrize("limit", [None, 0])
def test_a_file_that_is_damaged_before_is_refused_when_the_bundle_is_opened(
    three: Path, limit: int | None
) -> None:
    opened(three)
    path = adapter_file(three, "colors")
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(DamagedError, match="adapter of task 'colors'"):
        Engine.open(three, adapter_bytes=limit)


def test_a_limit_below_zero_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="adapter memory: expected >= 0 bytes, found -1"):
        Engine(read(tiny_bundle), adapter_bytes=-1)


@pytest.fixture
def store(tiny_bundle: Path, tmp_path: Path) -> Store:
    made = Store.create(tmp_path / "store", "stable")
    install(made, read(tiny_bundle))
    return made


def install(store: Store, bundle: Bundle) -> None:
    for name, data in bundle.objects.items():
        (store.objects / name).write_bytes(data)
    store.switch(store.add(bundle.manifest))


@pytest.mark.parametrize("limited", [False, True])
def test_the_next_engine_takes_over_adapters_counts_and_limit(
    store: Store, tiny_bundle: Path, limited: bool
) -> None:
    limit = room_for(tiny_bundle, 1) if limited else None
    Engine.open(store.folder)
    engine = Engine.open(store.folder, adapter_bytes=limit)
    animals = engine.adapters(named(engine, "animals"))
    install(store, relearned(read(tiny_bundle), "colors"))
    newer = engine.latest()
    assert newer.generation == 2
    assert newer.adapters.stats.limit_bytes == limit
    assert newer.adapters.stats.misses >= engine.adapters.stats.misses > 0
    assert limited or newer.adapters(named(newer, "animals")) is animals
    right = Engine(store.bundle(2))
    for name in newer.tasks:
        assert answers(newer, name) == answers(right, name)


def test_a_task_that_no_generation_has_any_more_leaves_the_memory(
    store: Store, tiny_bundle: Path
) -> None:
    engine = Engine.open(store.folder)
    held = weakref.ref(engine.adapters(named(engine, "colors")))
    install(store, relearned(read(tiny_bundle), "colors"))
    engine = engine.latest()
    gc.collect()
    assert held() is None


def test_a_file_that_syncs_swept_away_is_named(store: Store, tiny_bundle: Path) -> None:
    Engine.open(store.folder)
    engine = Engine.open(store.folder, adapter_bytes=0)
    (store.objects / named(engine, "colors").adapter.sha256).unlink()
    with pytest.raises(
        DamagedError,
        match=r"adapter of task 'colors'.: expected a file, found none; get the bundle again",
    ):
        engine.predict(TEXTS, task="colors")


def test_a_task_of_another_rank_under_the_same_name_is_not_taken_over(tiny_bundle: Path) -> None:
    bundle = read(tiny_bundle)
    engine = Engine(bundle)
    tasks = tuple(replace(task, rank=task.rank + 1) for task in bundle.manifest.tasks)
    with pytest.raises(IncompatibleError, match=r"expected cfedge\.rank = 3, found 2"):
        Engine(Bundle(replace(bundle.manifest, tasks=tasks), bundle.objects), share_with=engine)


def test_a_disk_that_refuses_is_named(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, fresh = opened(three, 0), opened(three, 0)
    engine.predict(TEXTS, task="paint")  # reads the lookup, once; an adapter is read for each

    def refuse(*arguments: object, **more: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("cfedge.storage.os.open", refuse)
    with pytest.raises(
        StorageError,
        match=r"could not read .*adapter of task 'paint'.: Input/output error",
    ):
        engine.predict(TEXTS, task="paint")
    with pytest.raises(
        StorageError,
        match=r"could not read .*signature of task '\w+'.: Input/output error",
    ):
        fresh.predict(TEXTS, task="paint")
