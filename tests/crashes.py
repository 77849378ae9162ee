"""Syncs that are recorded, and what must hold of a store however a power cut, a kill or a refused
call leaves it.

Of any folder so left: it opens, or there is nothing in it; the generation to open is whole, and is
the one from before or the one that came, as published; where it fails its starts, one that opened
before answers; what was trusted is never gone back behind; and the next sync ends at the newest
state, without a byte too many.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import math
import os
import pickle
import random
import re
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest
from channels import NOW, Site
from powercut import Disk, Model, Op, Tree, build, killing, refusing, tree

from cfedge.bundle.manifest import serialize
from cfedge.catalogue.view import manifest_of, view
from cfedge.errors import CfedgeError, IncompatibleError, OfflineError
from cfedge.publish.rotation import rotate
from cfedge.store import Store
from cfedge.store.boot_attempts import MAX_STARTS
from cfedge.sync.client import Plan, sync
from cfedge.sync.transport import Folder, Received, Source
from cfedge.sync.trust import Trust

CHANNEL = "stable"


@dataclass(frozen=True)
class Stage:
    """A repository as it is at one time; `refused`: this machine does not take it, and `then` comes
    next.
    """

    repo: Path
    newest: str
    trust: Mapping[str, int]
    refused: bool = False
    then: Stage | None = None


@dataclass(frozen=True)
class Facts:
    """What must hold of a store at one time.

    Attributes
    ----------
    stage
        That the next sync finds.
    answers
        Manifests of which one must answer; empty: there may be none.
    opened, opening
        Manifests that an engine opened, and those that it may have opened.
    trust
        Versions below which what is trusted must not be.
    begun
        Whether the root is trusted for certain.
    erasing
        Whether what answered before is to be erased: then nothing can be gone back to.
    """

    stage: Stage
    answers: frozenset[str] = frozenset()
    opened: frozenset[str] = frozenset()
    opening: frozenset[str] = frozenset()
    trust: Mapping[str, int] = field(default_factory=dict)
    begun: bool = False
    erasing: bool = False


class History:
    """A store that is recorded while a site publishes and it syncs.

    Parameters
    ----------
    folder
        Empty; holds the site, its repositories of each time, and the store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = Site(folder / "site")
        self.root = folder / "disk"
        self.root.mkdir()
        self.store = self.root / "store"
        self.start = Model()
        self.ops: list[Op] = []
        self.steps: list[str] = []
        self.marks: list[tuple[int, Facts]] = []
        self.stages: list[Stage] = []
        self.on_step: Callable[[str, str], None] = lambda kind, path: None

    @property
    def facts(self) -> Facts:
        """What must hold now."""
        return self.marks[-1][1]

    def publish(self, *, refused: bool = False, then: Stage | None = None) -> Stage:
        """Keep the repository as it is, for the next sync."""
        repo = self.folder / f"repo-{len(self.stages)}"
        shutil.copytree(self.site.repo, repo)
        index = self.site.repository.index(CHANNEL)
        assert index is not None
        manifest = manifest_of(view(self.site.entries()), index)
        stage = Stage(
            repo, hashlib.sha256(serialize(manifest)).hexdigest(), versions(repo), refused, then
        )
        self.stages.append(stage)
        return stage

    def base(self) -> None:
        """Begin the recording here: all that was done is safe."""
        facts = self.facts
        self.start, self.ops, self.steps = Model(tree(self.root)), [], []
        self.marks = [(0, facts)]

    def mark(self, **changes: object) -> None:
        """Note what must hold from here on."""
        self.marks.append((len(self.ops), replace(self.facts, **changes)))  # type: ignore[arg-type]

    def record(self, change: Callable[[], None]) -> None:
        """Let something change the store."""
        model = Model()
        model.nodes = self.now().nodes
        with Disk(self.root, model, self.on_step) as disk:
            try:
                change()
            finally:
                self.ops += disk.ops
                self.steps += disk.steps

    def now(self) -> Model:
        """The disk as it is."""
        model = pickle.loads(pickle.dumps(self.start))
        for op in self.ops:
            model.apply(op)
        return model  # type: ignore[no-any-return]

    def begin(self, stage: Stage) -> None:
        """Make the store, and trust the root that came with the device."""
        self.marks.append((len(self.ops), Facts(stage)))
        self.record(lambda: begin(self.store, stage))
        self.mark(begun=True)

    def sync(
        self,
        stage: Stage,
        *,
        opens: bool = True,
        erasing: bool = False,
        source: Callable[[Path], Source] = Folder,
    ) -> None:
        """Sync, and let an engine open what came."""
        self.mark(
            stage=stage,
            erasing=erasing,
            answers=self.facts.answers | {stage.newest} if self.facts.answers else frozenset(),
        )
        self.record(lambda: run(self.store, stage, source(stage.repo)))
        answers = self.facts.answers if stage.refused else frozenset({stage.newest})
        if stage.refused:
            answers = frozenset(self.facts.answers - {stage.newest})
        self.mark(answers=answers, trust=stage.trust)
        if opens and not stage.refused:
            self.open()

    def open(self) -> None:
        """Let an engine open what answers."""
        (answers,) = self.facts.answers
        self.mark(opening=self.facts.opening | {answers})
        attempts, number = Store(self.store).boot_attempts, Store(self.store).to_open()

        def opening() -> None:
            attempts.start(number)
            attempts.passed(number)

        self.record(opening)
        self.mark(opened=self.facts.opened | {answers}, erasing=False)

    def killed(self, at: int, change: Callable[[], None]) -> bool:
        """Do something in a process that is killed at step `at`; False where it ends before."""
        read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # other tests' threads: the child uses none of theirs
            child = os.fork()
        if child == 0:
            os.close(read)
            code = 1
            try:
                left = at

                def on_step(kind: str, path: str) -> None:
                    nonlocal left
                    left -= 1
                    if left == 0:
                        _send(write, disk.ops)
                        os.kill(os.getpid(), signal.SIGKILL)

                disk = Disk(self.root, self.now(), on_step)
                with disk:
                    change()
                _send(write, disk.ops)
                code = 0
            finally:
                os._exit(code)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            data = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL), status
        self.ops += pickle.loads(data)
        return status != 0


def _send(handle: int, ops: list[Op]) -> None:
    data = memoryview(pickle.dumps(ops))
    while data:
        data = data[_WRITE(handle, data) :]


_WRITE = os.write


class Breaking(Folder):
    """A stick that is pulled out after so many bytes of objects."""

    def __init__(self, folder: Path, size: int) -> None:
        super().__init__(folder)
        self._left = size

    def read(self, path: str, start: int = 0, within_s: float = math.inf) -> Received:
        received = super().read(path, start, within_s)
        if not path.startswith("objects/"):
            return received

        def pieces():  # type: ignore[no-untyped-def]
            with contextlib.closing(received.pieces):
                for piece in received.pieces:
                    if len(piece) > self._left:
                        yield piece[: self._left]
                        self._left = 0
                        raise OfflineError("the stick is gone")
                    self._left -= len(piece)
                    yield piece

        return Received(received.start, pieces())


def begin(store: Path, stage: Stage) -> None:
    """As ``cfedge sync --root`` does it."""
    Store.create(store, CHANNEL)
    Trust.begin(store / "trust", (stage.repo / "metadata" / "1.root.json").read_bytes())


def run(store: Path, stage: Stage, source: Source | None = None) -> None:
    """Sync once; where this machine refuses the stage, that is what must happen."""

    def probing(store: Store, generation: int, new: Collection[str]) -> None:
        if stage.refused:
            raise IncompatibleError("it does not answer as it should")

    plan = Plan()
    try:
        sync(
            Store(store),
            source or Folder(stage.repo),
            plan,
            now=lambda: NOW,
            probing=probing,
            wait=lambda seconds: None,
        )
    except IncompatibleError:
        assert stage.refused
    else:
        assert not stage.refused


def versions(folder: Path) -> dict[str, int]:
    """Of a repository's newest metadata."""
    found: dict[str, int] = {}
    for path in (folder / "metadata").glob("*.json"):
        signed = json.loads(path.read_bytes())["signed"]
        found[signed["_type"]] = max(signed["version"], found.get(signed["_type"], 0))
    return found


def trusted(store: Path) -> dict[str, int]:
    """Versions that a store trusts."""
    return {
        path.stem: json.loads(path.read_bytes())["signed"]["version"]
        for path in (store / "trust").glob("*.json")
    }


# What must hold


def fault(store: Path, facts: Facts) -> str:
    """Say what is wrong with a store that was left so, empty where nothing is; the store is
    changed.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)  # nothing here is cut off again
        try:
            check(store, facts)
        except Exception as error:
            return f"{type(error).__name__}: {error}".splitlines()[0] or type(error).__name__
    return ""


def check(store: Path, facts: Facts) -> None:
    """Raise where something is wrong with a store."""
    if Store.exists(store):
        _check_answer(Store(store), facts)
    else:
        assert not facts.begun, "the store is gone"
    found = trusted(store) if facts.trust else {}
    for role, version in facts.trust.items():
        assert found.get(role, 0) >= version, f"{role} was {version}, is {found.get(role)}"
    if not facts.begun:
        begin(store, facts.stage)
    stage: Stage | None = facts.stage
    pointer = Store(store).pointer()
    if pointer is not None and pointer.pinned:
        run(store, facts.stage)
        assert Store(store).pointer() == pointer, "a sync changed what a rollback holds"
        Store(store).unpin()
    while stage is not None:
        before = facts.answers
        run(store, stage)
        if stage.refused:
            assert before, "a first state is never refused here"
            _check_answer(
                Store(store),
                replace(facts, answers=before - {stage.newest}, opening=facts.opening | before),
            )
        else:
            _check_answer(Store(store), replace(facts, answers=frozenset({stage.newest})))
            assert trusted(store) == stage.trust, "the metadata are not the newest"
            _check_tidy(Store(store))
        stage = stage.then


def _check_answer(store: Store, facts: Facts) -> None:
    pointer = store.pointer()
    if pointer is None:
        assert not facts.answers, "no generation answers"
        return
    number = store.to_open()
    digest = _digest(store, number)
    assert (number, digest) == (
        pointer.generation,
        pointer.manifest,
    ), "the pointer names another manifest"
    assert not facts.answers or digest in facts.answers, "another generation answers"
    if digest in facts.opening:
        return
    assert store.boot_attempts.pending(number), (
        "a generation that never opened need not verify itself"
    )
    assert not store.boot_attempts.failed(number), "it failed without a start"
    if facts.opened and not facts.erasing:
        attempt = store.folder / "boot_attempts" / str(number)
        for _ in range(MAX_STARTS):
            store.boot_attempts.start(number)
        assert _digest(store, store.to_open()) in facts.opening, (
            "a generation that never opened is gone back to"
        )
        attempt.write_bytes(b"")


def _digest(store: Store, number: int) -> str:
    return hashlib.sha256(serialize(store.bundle(number).manifest)).hexdigest()


def _check_tidy(store: Store) -> None:
    left = [path for path in store.folder.rglob("*") if ".cfedge-tmp-" in path.name]
    assert not left, f"left over: {left[0].relative_to(store.folder).parent}/"
    needed = {
        ref.sha256
        for number in store.generations()
        for ref in store.manifest(number).files().values()
    }
    assert {path.name for path in store.objects.iterdir()} == needed, "objects too many"
    assert not (store.folder / "partial").exists() or not list(
        (store.folder / "partial").iterdir()
    ), "downloads too many"
    assert {path.name for path in (store.folder / "boot_attempts").iterdir()} <= {
        str(one) for one in store.generations()
    }, "boot attempts too many"


# Histories


def first(history: History) -> None:
    """A new device, and its first sync."""
    history.site.teach("cards")
    history.site.teach("weather")
    stage = history.publish()
    history.begin(stage)
    history.sync(stage)


def _installed(history: History) -> None:
    first(history)
    history.base()


def updates(history: History) -> None:
    """A task comes, one is learned anew, one is erased; then one more: the first generation goes."""
    _installed(history)
    history.site.teach("cards", "2")
    history.site.remove("weather", erase=True)
    history.site.teach("music")
    history.sync(history.publish(), erasing=True)
    history.site.teach("music", "2")
    history.sync(history.publish())


def rotated(history: History) -> None:
    """The root's and the timestamp's keys change, twice, and a task comes."""
    _installed(history)
    for role in ("root", "timestamp"):
        rotate(history.site.repository, history.site.keys, [role], NOW)
    history.site.teach("music")
    history.sync(history.publish())
    history.sync(history.stages[-1], opens=False)


def refused(history: History) -> None:
    """A state that this machine refuses; then one that it takes."""
    _installed(history)
    history.site.teach("music")
    bad = history.publish(refused=True)
    history.site.teach("music", "2")
    good = history.publish()
    history.sync(replace(bad, then=good))
    history.sync(good, opens=False)


def cut_short(history: History) -> None:
    """A download of several pieces that is cut, and goes on."""
    history.site.teach("cards", size=150_000)
    stage = history.publish()
    history.begin(stage)
    with pytest.raises(OfflineError):
        history.sync(stage, source=lambda repo: Breaking(repo, 200_000))
    history.sync(stage)


def unopened(history: History) -> None:
    """Two syncs without an engine in between, and one that is killed by what came: the first
    generation answers.
    """
    _installed(history)
    history.site.teach("music")
    history.sync(history.publish(), opens=False)
    history.site.teach("news")
    history.sync(history.publish(), opens=False)


def rolled_back(history: History) -> None:
    """An update, back to what was before, a sync that must not change that, and on again."""
    _installed(history)
    before = history.facts.answers
    history.site.teach("music")
    stage = history.publish()
    history.sync(stage)
    history.base()
    history.mark(answers=history.facts.answers | before)
    history.record(lambda: _done(Store(history.store).rollback()))
    history.mark(answers=before)
    history.record(lambda: run(history.store, stage))
    history.mark()
    history.record(lambda: Store(history.store).unpin())
    history.sync(stage)


def _done(result: object) -> None:
    """Nothing more is wanted of it."""


def killed(at: int, opens: bool = False) -> Callable[[History], None]:
    """A sync that is killed at a step, and one that completes; only then the power is cut."""

    def history_of(history: History) -> None:
        _installed(history)
        history.site.teach("music")
        history.site.remove("weather", erase=True)
        stage = history.publish()
        history.mark(stage=stage, erasing=True, answers=history.facts.answers | {stage.newest})
        history.killed(at, lambda: run(history.store, stage))
        history.sync(stage, opens=opens, erasing=True)

    return history_of


HISTORIES: dict[str, Callable[[History], None]] = {
    "first": first,
    "updates": updates,
    "rotated": rotated,
    "refused": refused,
    "cut short": cut_short,
    "unopened": unopened,
    "rolled back": rolled_back,
    "killed early": killed(30),
    "killed late": killed(110),
}


@cache
def memory() -> Path:
    """A folder of this process's own, in memory where there is such a place; it goes at the end.

    What is recorded and what is built from it is never cut off: a disk's syncs would prove nothing.
    """
    shared = Path("/dev/shm")
    place = shared if os.access(shared, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="cfedge-crash-", dir=place))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def recorded(name: str, at: int = 0) -> History:
    """A history, recorded once by each process: of that name, or of a sync killed at step `at`."""
    return _recorded(name, at)


@cache
def _recorded(name: str, at: int) -> History:
    folder = memory() / (f"killed {at}" if at else name)
    folder.mkdir()
    history = History(folder)
    (killed(at) if at else HISTORIES[name])(history)
    assert history.now().tree() == tree(history.root), "the recording misses something"
    return history


# Power cuts


@dataclass(frozen=True)
class State:
    """What a power cut left after so many changes."""

    after: int
    what: Tree
    facts: Facts

    @property
    def key(self) -> tuple[int, int]:
        """The same for the same folder of which the same must hold."""
        return hash(frozenset(self.what.items())), id(self.facts)


def states(
    history: History, rng: random.Random, without: Collection[str] = (), most: int = 48
) -> Iterator[State]:
    """Every state that a power cut may leave, each once; `without` the syncs of these labels."""
    model = pickle.loads(pickle.dumps(history.start))
    labels = sync_labels(history)
    seen = set()
    for position in range(len(history.ops) + 1):
        marks = [facts for at, facts in history.marks if at == position]
        facts_here = marks or [facts for at, facts in history.marks if at < position][-1:]
        for what in model.cuts(rng, most):
            for state in (State(position, what, facts) for facts in facts_here):
                if state.key not in seen:
                    seen.add(state.key)
                    yield state
        if position < len(history.ops) and labels.get(position) not in without:
            model.apply(history.ops[position])


def left_out(history: History, label: str, rng: random.Random, most: int = 8) -> Iterator[State]:
    """States that a power cut may leave only where the syncs of this label are left out."""
    usual = _usual(history, most)
    return (state for state in states(history, rng, {label}, most) if state.key not in usual)


@cache
def _usual(history: History, most: int) -> frozenset[tuple[int, int]]:
    """The keys of the states that a power cut may leave, found once for all labels."""
    return frozenset(state.key for state in states(history, random.Random(1), most=most))


def sync_labels(history: History) -> dict[int, str]:
    """What each fsync is of, by its position: a file under the name that it gets, or a folder."""
    labels: dict[int, str] = {}
    nodes = history.now().nodes
    for position, op in enumerate(history.ops):
        if op.kind == "sync":
            name = next(
                (
                    one.name
                    for one in history.ops[position:]
                    if one.kind == "rename" and one.path == op.path
                ),
                op.path,
            )
            kind = "folder" if nodes[op.node].folder else "file"
            plain = re.sub(r"(?<=/)([0-9a-f]{64}|\d+)(?=$|\.)", "*", name.partition("/")[2])
            labels[position] = f"{kind} {plain or '.'}"
    return labels


def fault_of(state: State) -> str:
    """Build what a power cut left, and say what is wrong with it."""
    scratch = memory() / f"cut-{os.getpid()}"
    build(scratch, state.what)
    try:
        return fault(scratch / "store", state.facts)
    finally:
        shutil.rmtree(scratch)


# Kills and refusals


class Change:
    """A step in a device's life that can be tried again and again: a first sync, or an update.

    Parameters
    ----------
    folder
        Empty.
    name
        ``first``; ``update``: a task comes, one is learned anew, one goes; ``refused``: this
        machine does not take what comes.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._scratch, self._first = folder / "scratch", name == "first"
        history = History(folder)
        history.site.teach("cards")
        history.site.teach("weather")
        self.stage = history.publish()
        before = Facts(self.stage)
        if not self._first:
            history.begin(self.stage)
            history.sync(self.stage)
            history.site.teach("cards", "2")
            history.site.remove("weather")
            history.site.teach("music")
            good = history.publish()
            self.stage = (
                replace(good, refused=True, then=self._later(history))
                if name == "refused"
                else good
            )
            before = replace(history.facts, stage=self.stage)
        self._start = tree(history.root)
        self.failed = replace(
            before,
            answers=before.answers | {self.stage.newest} if before.answers else before.answers,
        )
        answers = before.answers if self.stage.refused else frozenset({self.stage.newest})
        self.done = replace(before, answers=answers, trust=self.stage.trust, begun=True)
        self.steps = self._steps()

    def killed(self, at: int) -> str:
        """Kill it at step `at`, and say what is wrong with what is left."""
        root = self._build()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # other tests' threads: the child uses none of theirs
            child = os.fork()
        if child == 0:
            try:
                with Disk(root, on_step=killing(at)):
                    self._run(root / "store")
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        try:
            return (
                fault(root / "store", self.failed)
                if status == -signal.SIGKILL
                else f"exit status {status}"
            )
        finally:
            shutil.rmtree(root)

    def refused(self, at: int, number: int, *, lasting: bool = False) -> str:
        """Refuse step `at` with the error `number`, and say what is wrong with what is said or
        left.
        """
        root = self._build()
        try:
            try:
                with Disk(root, on_step=refusing(at, number, lasting=lasting)) as disk:
                    self._run(root / "store")
            except CfedgeError as error:
                if "\n" in str(error) or "; " not in str(error):
                    return f"no next step in one line: {error}"
                return fault(root / "store", self.failed)
            except Exception as error:
                return f"{type(error).__name__} at {disk.steps[at - 1]}: {error}"
            return fault(root / "store", self.done)
        finally:
            shutil.rmtree(root)

    def _later(self, history: History) -> Stage:
        history.site.teach("music", "2")
        return history.publish()

    def _build(self) -> Path:
        build(self._scratch, self._start)
        return self._scratch

    def _run(self, store: Path) -> None:
        if self._first:
            begin(store, self.stage)
        run(store, self.stage)

    def _steps(self) -> list[str]:
        root = self._build()
        with Disk(root) as disk:
            self._run(root / "store")
        shutil.rmtree(root)
        return disk.steps
