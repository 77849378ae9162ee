"""Engines that follow a store: the real one, filled by real syncs of real, tiny bundles."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from channels import NOW
from here import publish
from made import make_texts
from tiny import cloned, new_site, new_store, only, rebuilt, relearned, turned, written

from cfedge import Engine, Prediction
from cfedge.bundle.arrays import dump_arrays
from cfedge.bundle.files import Bundle, read, reference
from cfedge.bundle.manifest import serialize
from cfedge.errors import DamagedError, IncompatibleError
from cfedge.lookup.background import Background
from cfedge.publish.keys import Keys
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.probe import probe_here
from cfedge.sync.report import Synced
from cfedge.sync.transport import Folder

TEXTS = [text for task in ("colors", "animals") for text, _ in make_texts(task, 6, seed=3)]


class Fleet:
    """A workshop and one device."""

    def __init__(self, site: Path, bundle: Path, store: Path) -> None:
        self.site, self.path, self.bundle = site, bundle, read(bundle)
        self.store = new_store(site, store)

    def bring(self, bundle: Bundle | None = None) -> Synced:
        if bundle is not None:
            publish(
                written(bundle, self.path), self.site / "repo", Keys(self.site / "keys"), now=NOW
            )
        return sync(self.store, Folder(self.site / "repo"), now=lambda: NOW, probing=probe_here)


@pytest.fixture
def fleet(tiny_site: Path, tiny_bundle: Path, tmp_path: Path) -> Fleet:
    made = Fleet(tiny_site, tiny_bundle, tmp_path / "store")
    made.bring()
    return made


def answers(engine: Engine, texts: list[str] = TEXTS, task: str | None = None) -> list[Prediction]:
    return [replace(one, ms=0) for one in engine.predict(texts, task=task)]


def test_an_engine_opens_what_the_pointer_names(fleet: Fleet) -> None:
    engine = Engine.open(fleet.store.folder)
    assert (engine.generation, engine.tasks) == (1, ("animals", "colors"))
    assert answers(engine) == answers(Engine.open(fleet.path))


def test_what_inputs_of_no_task_look_like_is_taken_over_too(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """The file is of the backbone, which both have: the newer engine gets no bytes of it."""
    bundle = read(tiny_bundle)
    backbone = bundle.manifest.backbone
    rng = np.random.default_rng(0)
    widths = backbone.views[0], backbone.width
    centres = Background(*(rng.normal(size=(3, n)).astype(np.float32) for n in widths))
    data = dump_arrays(centres.arrays())
    known = replace(backbone, background=reference(data))
    manifest = replace(bundle.manifest, backbone=known)
    objects = {**bundle.objects, reference(data).sha256: data}
    bundle = rebuilt(Bundle(manifest, objects), manifest.tasks)
    new_site(tmp_path / "site", "workshop", bundle)
    fleet = Fleet(tmp_path / "site", tmp_path / "site" / "bundle", tmp_path / "store")
    fleet.bring()
    engine = Engine.open(fleet.store.folder)
    fleet.bring(cloned(fleet.bundle, "colors", "paint"))
    newer = engine.latest()
    assert newer.tasks == ("animals", "colors", "paint")
    assert answers(newer) == answers(Engine.open(fleet.store.folder))


def test_the_latest_engine_is_the_same_one_until_the_pointer_moves(fleet: Fleet) -> None:
    engine = Engine.open(fleet.store.folder)
    assert engine.latest() is engine
    fleet.bring()
    assert engine.latest() is engine
    fleet.bring(cloned(fleet.bundle, "colors", "paint"))
    newer = engine.latest()
    assert (newer.generation, newer.tasks) == (2, ("animals", "colors", "paint"))
    assert newer.latest() is newer
    assert engine.tasks == ("animals", "colors")


def test_an_engine_of_a_bundle_stays_what_it_is(fleet: Fleet) -> None:
    engine = Engine.open(fleet.path)
    assert engine.generation is None
    assert engine.latest() is engine


def test_sessions_and_unchanged_tasks_are_shared_and_a_changed_one_is_read(fleet: Fleet) -> None:
    engine = Engine.open(fleet.store.folder)
    answers(engine, task="animals")
    fleet.bring(relearned(fleet.bundle, "colors"))
    newer = engine.latest()
    assert newer.opened.encoder is engine.opened.encoder
    assert newer.opened.tasks["animals"].signature is engine.opened.tasks["animals"].signature
    kept = {
        name: [one.adapters(one.opened.tasks[name].task) for one in (engine, newer)]
        for name in engine.tasks
    }
    assert kept["animals"][0] is kept["animals"][1]
    assert kept["colors"][0] is not kept["colors"][1]


def test_files_that_are_shared_are_not_read_again(fleet: Fleet) -> None:
    engine = Engine.open(fleet.store.folder)
    fleet.bring(cloned(fleet.bundle, "colors", "paint"))
    backbone = engine.manifest.backbone
    for ref in (
        backbone.trunk,
        backbone.tail,
        backbone.input.tokenizer,
        engine.opened.tasks["animals"].task.adapter,
    ):
        (fleet.store.objects / ref.sha256).write_bytes(b"broken since")
    assert engine.latest().tasks == ("animals", "colors", "paint")
    with pytest.raises(DamagedError):
        Engine.open(fleet.store.folder)


def test_a_file_that_a_new_task_shares_with_an_old_one_is_read_for_it(fleet: Fleet) -> None:
    engine = Engine.open(fleet.store.folder)
    fleet.bring(
        cloned(fleet.bundle, "colors", "paint")
    )  # with the signature of colors, byte by byte
    newer = engine.latest()
    assert newer.opened.tasks["paint"].task.signature == newer.opened.tasks["colors"].task.signature


def test_answers_of_untouched_tasks_are_bit_identical_before_and_after(fleet: Fleet) -> None:
    engine = Engine.open(fleet.store.folder)
    fleet.bring(relearned(fleet.bundle, "colors"))
    newer = engine.latest()
    before, after = engine.predict(TEXTS, task="animals"), newer.predict(TEXTS, task="animals")
    assert [(one.label, one.probability) for one in before] == [
        (one.label, one.probability) for one in after
    ]
    assert (
        engine.opened.embeddings(TEXTS, "animals") == newer.opened.embeddings(TEXTS, "animals")
    ).all()
    assert answers(newer) == answers(
        Engine.open(fleet.store.folder)
    )  # and none depends on how it was opened


def test_nothing_is_dropped_or_answered_wrong_while_engines_are_swapped(fleet: Fleet) -> None:
    states = [
        cloned(fleet.bundle, "colors", "paint"),
        relearned(fleet.bundle, "colors"),
        only(fleet.bundle, "animals", "colors"),
    ]
    engine = Engine.open(fleet.store.folder)
    holder, right = [engine], {1: answers(engine)}
    seen: list[tuple[int | None, list[Prediction]]] = []
    failed: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        try:
            while not stop.wait(0.02):
                one = holder[0]
                seen.append((one.generation, answers(one)))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for state in states:
            fleet.bring(state)
            holder[0] = holder[0].latest()
            right[holder[0].generation or 0] = answers(holder[0])
            deadline = time.monotonic() + 20
            while not any(found == holder[0].generation for found, _ in seen):
                assert not failed
                assert time.monotonic() < deadline
                time.sleep(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert {generation for generation, _ in seen} == set(right)
    assert len(right) == 4
    assert all(found == right[generation or 0] for generation, found in seen)


def test_many_threads_may_take_the_latest_at_once(fleet: Fleet) -> None:
    engine = Engine.open(fleet.store.folder)
    fleet.bring(cloned(fleet.bundle, "colors", "paint"))
    found: list[Engine] = []
    threads = [threading.Thread(target=lambda: found.append(engine.latest())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.tasks for one in found] == [("animals", "colors", "paint")] * 6
    assert len({str(answers(one)) for one in found}) == 1


def _broken(store: Store, task: str) -> bytes:
    """Break a task's adapter on the disk; return what it was."""
    pointer = store.pointer()
    assert pointer is not None
    manifest = store.manifest(pointer.generation)
    path = store.objects / next(one.adapter.sha256 for one in manifest.tasks if one.name == task)
    data = path.read_bytes()
    path.write_bytes(b"\0" * len(data))
    return data


def test_a_generation_that_fails_to_open_three_times_falls_back_to_the_one_before(
    fleet: Fleet,
) -> None:
    engine = Engine.open(fleet.store.folder)
    fleet.bring(cloned(fleet.bundle, "colors", "paint"))
    _broken(fleet.store, "paint")
    for _ in range(2):
        with pytest.raises(DamagedError, match="adapter of task 'paint'"):
            engine.latest()
        assert answers(engine)
    third = engine.latest()
    assert (third.generation, answers(third)) == (1, answers(engine))
    assert third.latest() is third
    again = Engine.open(fleet.store.folder)
    assert (again.generation, again.tasks) == (1, ("animals", "colors"))


@pytest.mark.skipif(os.name == "nt", reason="turns are taken by locks of POSIX")
def test_workers_that_start_together_are_not_taken_for_crashes(fleet: Fleet) -> None:
    code = f"from cfedge import Engine; print(Engine.open({str(fleet.store.folder)!r}).generation)"
    workers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert fleet.store.boot_attempts.pending(1)
    assert [worker.communicate()[0].strip() for worker in workers] == ["1"] * 4
    assert not fleet.store.boot_attempts.pending(1)


@pytest.mark.skipif(os.name == "nt", reason="turns are taken by locks of POSIX")
def test_nobody_waits_for_ever_for_a_worker_that_hangs(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfedge.store.boot_attempts.EXCLUSIVE_S", 0.05)
    with fleet.store.boot_attempts.exclusive(1):
        assert Engine.open(fleet.store.folder).generation == 1


def test_a_process_that_dies_while_it_opens_counts_as_a_failed_start(fleet: Fleet) -> None:
    Engine.open(fleet.store.folder)
    fleet.bring(cloned(fleet.bundle, "colors", "paint"))
    for _ in range(3):
        assert fleet.store.to_open() == 2
        fleet.store.boot_attempts.start(2)  # all that is left of a start that a signal ended
    assert Engine.open(fleet.store.folder).generation == 1


def test_two_power_cuts_while_opening_cost_nothing(fleet: Fleet) -> None:
    Engine.open(fleet.store.folder)
    fleet.bring(cloned(fleet.bundle, "colors", "paint"))
    for _ in range(2):
        fleet.store.boot_attempts.start(2)
    assert Engine.open(fleet.store.folder).generation == 2
    for _ in range(5):
        fleet.store.boot_attempts.start(2)  # it has opened: starts are not counted any more
    assert Engine.open(fleet.store.folder).generation == 2


def test_where_nothing_opens_the_error_says_so(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.store.boot_attempts.start(1)
    with pytest.raises(
        DamagedError,
        match=(
            "expected generation 1 to open, found that it failed 3 starts and that none is"
            " before it"
        ),
    ):
        Engine.open(fleet.store.folder)


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="needs a disk that refuses, which root's does not"
)
def test_a_read_only_store_opens(fleet: Fleet) -> None:
    for path in sorted(fleet.store.folder.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    fleet.store.folder.chmod(0o555)
    try:
        assert Engine.open(fleet.store.folder).generation == 1
        assert Engine.open(fleet.store.folder).latest().generation == 1
    finally:
        fleet.store.folder.chmod(0o755)
        for path in fleet.store.folder.rglob("*"):
            path.chmod(0o755)


#: To the superuser only a mount is read-only.
MOUNT = [
    "unshare",
    "-m",
    "sh",
    "-c",
    'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"',
]


@pytest.mark.parametrize("noted", [True, False])
def test_a_store_and_a_cache_on_a_disk_mounted_read_only_answer(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: bool
) -> None:
    if (
        not shutil.which("unshare")
        or subprocess.run(
            [*MOUNT, str(tmp_path), "true"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("nothing can be mounted read-only here")
    if not noted:
        monkeypatch.setenv("CFEDGE_CACHE", str(tmp_path / "cache"))
    code = (
        "import sys; from cfedge import Engine; engine = Engine.open(sys.argv[1]);"
        " print(engine.generation, engine.latest() is engine, len(engine.predict(['crimson"
        " please'])))\ntry: open(sys.argv[1] + '/x', 'w')\nexcept OSError as error:"
        " print(error.errno)"
    )
    command = [*MOUNT, str(tmp_path), sys.executable, "-c", code, str(fleet.store.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"1 True 1\n{errno.EROFS}\n"), done.stderr
    assert not (tmp_path / "cache").exists()


def test_a_store_on_a_disk_that_refuses_every_change_opens(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(*arguments: object, **more: object) -> None:
        raise OSError(30, "Read-only file system")

    def open_(path: object, flags: int, *rest: object, **more: object) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and str(path).startswith(str(fleet.store.folder)):
            refuse()
        return real(path, flags, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", open_)
    for name in ("unlink", "replace", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    engine = Engine.open(fleet.store.folder)
    assert engine.generation == 1
    assert engine.latest() is engine
    assert fleet.store.boot_attempts.pending(1)


def test_a_sync_that_sweeps_the_generation_away_while_it_is_opened_is_survived(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine.open(fleet.store.folder)
    states = [relearned(fleet.bundle, "colors", scale) for scale in (0.5, 0.25, 0.125)]
    fleet.bring(states[0])
    real, swept = Store.bundle, []

    def bundle(self: Store, generation: int, *rest: object, **more: object) -> Bundle:
        if not swept:  # between looking at the pointer and reading: two syncs, each of which sweeps
            swept.append(generation)
            fleet.bring(states[1])
            fleet.bring(states[2])
            assert generation not in self.generations()
        return real(self, generation, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "bundle", bundle)
    newer = engine.latest()
    assert (swept, newer.generation) == ([2], 4)
    assert answers(newer) == answers(Engine.open(fleet.store.folder))


def test_a_new_generation_that_answers_otherwise_here_is_refused_and_the_engine_goes_on(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine.open(fleet.store.folder)
    before = answers(engine)
    bundle = relearned(fleet.bundle, "colors")
    publish(written(bundle, fleet.path), fleet.site / "repo", Keys(fleet.site / "keys"), now=NOW)
    sync(
        fleet.store,
        Folder(fleet.site / "repo"),
        now=lambda: NOW,
        probing=lambda store, generation, new: None,
    )
    other = turned(fleet.store.bundle(2), "colors")
    for name, data in other.objects.items():
        (fleet.store.objects / name).write_bytes(data)
    (fleet.store.folder / "generations" / "2.json").write_bytes(serialize(other.manifest))
    monkeypatch.setenv(
        "CFEDGE_CACHE", str(tmp_path / "cache")
    )  # a machine on which nothing has passed
    with pytest.raises(IncompatibleError, match="this machine computes differently"):
        engine.latest()
    assert answers(engine) == before
