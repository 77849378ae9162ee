"""Answer on a CPU: preprocess -> trunk -> lookup -> tail with the task's adapter -> head ->
`Prediction`.

One forward pass whatever the number of tasks, and most inputs end it early: where the trunk's part
of the head is sure and the input plainly known, the tail is not run. Where the lookup's margin
stays thin, one more run of the tail, frozen. An answer does not depend on the batch it came in:
inputs of one shape share a run of the trunk, inputs of one shape and task a run of the tail, and
nothing is padded.

Letters: B batch, D width, C classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.files import Bundle, Objects, load_arrays, read, read_manifest
from cfedge.bundle.manifest import Backbone, Manifest, Task
from cfedge.errors import DamagedError, IncompatibleError, TaskError, UsageError
from cfedge.inputs.modality import Input, Modality
from cfedge.lookup import Router, TaskMatch, TaskSignature, is_plainly_known
from cfedge.runtime import fork
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.adapters import Adapters
from cfedge.runtime.backbone import Encoded
from cfedge.runtime.encoder import Encoder
from cfedge.runtime.prediction import Head, Prediction, predicted
from cfedge.runtime.table import Int8Table
from cfedge.runtime.verification import verify_once
from cfedge.store import Store

__all__ = ["Engine"]

Floats = NDArray[np.float32]


class _Loaded(NamedTuple):
    """A task and the bytes of its signature: unpacked they are five times as many, so each look
    unpacks them for itself.
    """

    task: Task
    signature: bytes


class _Signatures(Mapping[str, TaskSignature]):
    """The tasks' signatures, each unpacked and checked when it is asked for."""

    def __init__(self, loaded: Mapping[str, _Loaded], width: int) -> None:
        self._loaded, self._width = loaded, width

    def __getitem__(self, name: str) -> TaskSignature:
        task, data = self._loaded[name]
        what = f"signature of task {name!r}"
        stages = TaskSignature.from_arrays(load_arrays(data, what), what, self._width)
        if len(stages.tail.counts) != len(task.classes):
            raise IncompatibleError(
                f"{what}: expected one of {len(task.classes)} classes, found"
                f" {len(stages.tail.counts)}; export the bundle again"
            )
        return stages

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)


def _is_same(one: Task, other: Task) -> bool:
    """Whether two tasks' files, and what they must fit, are the same."""
    return (one.adapter, one.signature, one.classes, one.rank) == (
        other.adapter,
        other.signature,
        other.classes,
        other.rank,
    )


class Engine:
    """The device runtime of one bundle.

    Parameters
    ----------
    bundle
        From `cfedge.bundle.files.read` or `cfedge_export.pack.build`.
    threads
        Intra-op threads of ONNX Runtime.
    adapter_bytes
        Of adapters that are kept in memory between calls; None: no limit
        (docs/decisions/0019-adapter-memory.md).
    like
        An engine to share sessions and tasks with, as far as they are the same.
    passed
        This machine has answered the bundle's golden vectors, and with them tokenizer and adapters
        have been read once: each is now read when it is first needed. Otherwise all are read now.

    Attributes
    ----------
    manifest
        Of the bundle.
    adapters
        In memory, with counts: ``engine.adapters.stats``.
    generation
        Of the store that it was opened from, otherwise None.
    tasks
        Names of the tasks, sorted.
    router
        Chooses among them.

    Raises
    ------
    IncompatibleError
        A part does not fit the rest.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 1,
        adapter_bytes: int | None = None,
        like: Engine | None = None,
        passed: bool = False,
    ) -> None:
        self.manifest = bundle.manifest
        self.generation: int | None = None
        self._store: Store | None = None
        backbone = self.manifest.backbone
        if not self.manifest.tasks:
            raise IncompatibleError(
                "bundle: expected at least one task, found none; add one with cfedge add and export"
                " again"
            )
        self._settings: tuple[int, int | None, Backbone] = (threads, adapter_bytes, backbone)
        if like is not None and like._settings != self._settings:
            like = None
        self._encoder: Encoder
        self._depth: int
        self._disk: Objects | None
        if like is not None:
            self._encoder, self._disk, self._depth = like._encoder, like._disk, like._depth
        else:
            self._open_backbone(bundle.objects, passed=passed)
            self._disk = bundle.objects.on_disk() if isinstance(bundle.objects, Objects) else None
        self.adapters: Adapters = Adapters(
            backbone, adapter_bytes, None if like is None else like.adapters
        )
        self._tasks: dict[str, _Loaded] = {}
        for task in self.manifest.tasks:
            self._tasks[task.name] = self._loaded(bundle, task, like, passed=passed)
        self.router = self._make_router()
        self.tasks: tuple[str, ...] = self.router.tasks
        self._in_order = [self._tasks[name].task for name in self.tasks]

    def _open_backbone(self, objects: Mapping[str, bytes], *, passed: bool) -> None:
        threads, _, backbone = self._settings
        files = {role: objects[ref.sha256] for role, ref in backbone.files().items()}
        self._encoder = Encoder.of(files, backbone, threads=threads, passed=passed)
        self._depth = fork.depth

    def _make_router(self) -> Router:
        signatures = _Signatures(self._tasks, self.manifest.backbone.width)
        return Router(signatures, self.manifest.margins, table=Int8Table)

    def _reopen(self) -> None:
        """Open anew in a forked child, whose parent opened it."""
        with fork.reopening:
            if self._depth == fork.depth:
                return
            if self._disk is None:
                raise UsageError(
                    "engine: expected the process that made it from a bundle in memory, found a"
                    " child forked from that; open it here from a folder"
                )
            self.adapters, self.router = (
                self.adapters.copy(),
                self._make_router(),
            )  # its table is a session too
            self._open_backbone(self._disk, passed=True)  # in the parent

    def _loaded(self, bundle: Bundle, task: Task, like: Engine | None, *, passed: bool) -> _Loaded:
        """Read a task's files, or take them over from `like` where they are the same."""
        before = None if like is None else like._tasks.get(task.name)
        if like is not None and before is not None and _is_same(before.task, task):
            self.adapters.take_over(task, like.adapters)
            return before._replace(task=task)
        self.adapters.add(task, bundle.source(task.adapter))
        if not passed:
            self.adapters(task)
        return _Loaded(task, bundle[task.signature])

    @classmethod
    def open(
        cls, path: str | Path, *, threads: int = 1, adapter_bytes: int | None = None
    ) -> Engine:
        """Read the bundle in the folder `path`, or what a store's pointer names, with every check,
        and open it.

        The first time on a machine it is opened, and its golden vectors are answered, in a child
        process under limits before it is opened here (`cfedge.runtime.verification`).

        Parameters
        ----------
        path
            Of a bundle or a store.
        threads
            Intra-op threads of ONNX Runtime.
        adapter_bytes
            Of adapters that are kept in memory between calls. Others are then read from the disk,
            and checked again, when they are needed. None: no limit, and nothing is read from the
            disk any more once this returns.

        Raises
        ------
        DamagedError, SchemaError, StorageError
            See `cfedge.bundle.files.read`.
        IncompatibleError
            A part does not fit the rest, or this machine answers a golden vector differently.
        MachineError
            No child could be started.
        """
        path = Path(path)
        if Store.exists(path):
            return cls._of_store(Store(path), threads, adapter_bytes)
        manifest = read_manifest(path)
        verify_once(path, manifest, threads=threads)
        bundle = read(path, lean=adapter_bytes is not None)
        if bundle.manifest != manifest:
            return cls.open(path, threads=threads, adapter_bytes=adapter_bytes)
        return cls(bundle, threads=threads, adapter_bytes=adapter_bytes, passed=True)

    def latest(self) -> Engine:
        """Return the engine of what its store's pointer names now: this one where that has not
        changed.

        Sessions and tasks that stay are shared. This engine goes on answering, so nothing is
        dropped: take the new one between two calls, ``engine = engine.latest()``, from one thread
        or several.

        Raises
        ------
        DamagedError, SchemaError, StorageError, IncompatibleError
            See `open`; this engine is as it was.
        """
        if self._store is None or self._store.to_open() == self.generation:
            return self
        if self._depth != fork.depth:
            self._reopen()
        return self._of_store(self._store, *self._settings[:2], self)

    def warm_up(self) -> None:
        """Do now what the first inputs would wait for: the further stages' directions, some 100 ms
        with ten tasks, the tail, two answers.

        They are to inputs of the backbone's own kind that read all that inputs need.
        """
        if len(self.tasks) > 1:
            _ = self.router.fine, self.router.tail
        self.predict(self.modality.warm_up())
        self._encoder.tail.open()

    @classmethod
    def _of_store(
        cls, store: Store, threads: int, adapter_bytes: int | None, like: Engine | None = None
    ) -> Engine:
        generation = store.to_open()
        with store.boot_attempts.exclusive(generation):
            if (
                store.to_open() == generation
            ):  # else another process found, meanwhile, that it does not open
                store.boot_attempts.start(generation)
                try:
                    manifest = store.manifest(generation)
                    verify_once(store.folder, manifest, threads=threads, generation=generation)
                    bundle = store.bundle(
                        generation,
                        like._shares(manifest) if like else (),
                        lean=adapter_bytes is not None,
                    )
                except DamagedError:
                    if store.to_open() == generation:
                        raise
                else:
                    engine = cls(
                        bundle, threads=threads, adapter_bytes=adapter_bytes, like=like, passed=True
                    )
                    store.boot_attempts.passed(generation)
                    engine.generation, engine._store = generation, store
                    return engine
        # Syncs went on to a later one, and swept this one away, meanwhile.
        return cls._of_store(store, threads, adapter_bytes, like)

    def _shares(self, manifest: Manifest) -> set[str]:
        """SHA-256 of the files that an engine of `manifest` like this one takes over."""
        if manifest.backbone != self.manifest.backbone:
            return set()
        same = {ref.sha256 for ref in manifest.backbone.files().values()}
        needed: set[str] = set()  # also where a task under another name has the very same file
        for task in manifest.tasks:
            before = self._tasks.get(task.name)
            files = {task.adapter.sha256, task.signature.sha256}
            if before is not None and _is_same(before.task, task):
                same |= files
            else:
                needed |= files
        return same - needed

    @property
    def modality(self) -> Modality:
        """What prepares the inputs, by the backbone's kind of them."""
        return self._encoder.modality

    def predict(
        self, inputs: Input | Iterable[Input], *, task: str | None = None
    ) -> list[Prediction]:
        """Answer each input.

        Parameters
        ----------
        inputs
            Any number, of the backbone's kind: a list, tuple, generator, NumPy array, pandas Series
            or column of a table; the answers come in their order. One input alone, such as a
            string, is answered as a list of one.
        task
            The task, where it is known: the lookup then only says, at first stage, how well the
            input fits it.

        Returns
        -------
        list of Prediction

        Raises
        ------
        InputError
            One is none of its kind (it is named with its position), or what is computed from it is
            not finite; no answer is given to any of them.
        TaskError
            There is no task `task`.
        """
        start = time.perf_counter()
        listed = self.modality.several(inputs)
        if not listed:
            return []
        given = None if task is None else self.tasks.index(self._named(task).name)
        encoded = self._encode(listed)
        if given is None:
            found, _ = self._route(encoded)
        else:
            found = [
                self.router.given(row, given, position)
                for position, row in enumerate(encoded.features)
            ]
        return self._answers(encoded, found, start)

    def predict_by(self, value: Input, choose: Callable[[Floats, bool], int]) -> Prediction:
        """Answer one input for the task that `choose` takes.

        It gets each task's score (`Router.scores`), float32 [T] in the order of `tasks`, and
        whether the input alone is unknown; it returns a position in `tasks`. Where that is the
        lookup's own choice the answer is that of `predict`, else that of `predict` with the task
        given, for one more run of the tail.

        Raises
        ------
        InputError
            See `predict`.
        """
        start = time.perf_counter()
        encoded = self._encode([value])
        (found,), tails = self._route(encoded)
        (alone,) = self._answers(encoded, [found], start)
        row = encoded.features[0]
        task = choose(self.router.scores(row, tails.get(0), found.stages), alone.unknown)
        return (
            alone
            if task == found.task
            else self._answers(encoded, [self.router.given(row, task)], start)[0]
        )

    def _encode(self, inputs: Sequence[Input]) -> Encoded:
        if self._depth != fork.depth:
            self._reopen()
        return self._encoder(inputs)

    def _answers(self, encoded: Encoded, found: list[TaskMatch], start: float) -> list[Prediction]:
        chosen = [self._in_order[one.task] for one in found]
        heads = self._heads(encoded, found, chosen)
        ms = (time.perf_counter() - start) * 1e3 / len(found)
        return [
            predicted(
                row,
                chosen[row],
                found[row],
                heads[row],
                self.router,
                truncated=encoded.truncated[row],
                ms=ms,
            )
            for row in range(len(found))
        ]

    def _heads(
        self, encoded: Encoded, found: Sequence[TaskMatch], chosen: Sequence[Task]
    ) -> list[Head]:
        """Each row's head: of the trunk's part alone where that is sure and the row plainly known,
        else with the tail's.
        """
        adapters = self._adapters(chosen)
        directions = self.router.first.directions
        heads, late = [], {}
        for row, adapter in enumerate(adapters):
            trunk = adapter.trunk(encoded.features[row])
            scores: list[float] = trunk.tolist()
            heads.append(Head(scores, adapter.exit_best, early=True))
            sure = adapter.is_sure_of(scores)
            if not (
                sure
                and is_plainly_known(
                    found[row].distance, adapter.exit_best, directions, chosen[row].threshold
                )
            ):
                late[row] = trunk, sure
        if late:
            behind = self._encoder.tail(
                [encoded.hidden[row] for row in late], [adapters[row].slots for row in late]
            )
            for row, features in zip(late, behind, strict=True):
                adapted = adapters[row].adapted(features)
                trunk, sure = late[row]
                heads[row] = Head(
                    adapters[row].scores(adapted, trunk, sure).tolist(),
                    float(adapted.max()),
                    early=False,
                )
        return heads

    def _adapters(self, chosen: Sequence[Task]) -> list[Adapter]:
        """Return the adapter of each row's task; rows of one task get one and the same, whatever
        must make room meanwhile.
        """
        if len(chosen) == 1:
            return [self.adapters(chosen[0])]
        own = {task.name: task for task in chosen}
        found = {name: self.adapters(task) for name, task in own.items()}
        return [found[task.name] for task in chosen]

    def _route(self, encoded: Encoded) -> tuple[list[TaskMatch], dict[int, Floats]]:
        """What the lookup finds, and the frozen tail's features, float32 [D], of the rows that
        needed a third stage.
        """
        found = [self.router.look(row, position) for position, row in enumerate(encoded.features)]
        undecided = [row for row, one in enumerate(found) if self.router.is_open(one)]
        tails: dict[int, Floats] = {}
        if undecided:
            features = self._encoder.frozen([encoded.hidden[row] for row in undecided])
            tails = dict(zip(undecided, features, strict=True))
            for row, tail in tails.items():
                found[row] = self.router.look_again(encoded.features[row], tail, row)
        return found, tails

    def evidence(self, prediction: Prediction) -> dict[str, object]:
        """Return a prediction as JSON types, with its task's certified
        `upper_bound` and the digest of the `bundle` that answered.
        """
        bound = self._named(prediction.task).certificate.upper_bound
        return {**prediction.as_dict(), "upper_bound": bound, "bundle": self.manifest.digest}

    def embeddings(self, inputs: Sequence[Input], task: str) -> Floats:
        """Return the adapted tail's features, unit-length float32 [B, D], with the task known."""
        return np.stack(self._adapted(inputs, task)[2])

    def class_scores(self, inputs: Sequence[Input], task: str) -> Floats:
        """Return the scores that `predict` takes the label from, float32 [B, C], with the task
        known.
        """
        adapter, encoded, behind = self._adapted(inputs, task)
        return np.stack(
            [
                adapter.scores(adapter.adapted(row), adapter.trunk(trunk))
                for row, trunk in zip(behind, encoded.features, strict=True)
            ]
        )

    def _adapted(self, inputs: Sequence[Input], task: str) -> tuple[Adapter, Encoded, list[Floats]]:
        one = self._named(task)
        encoded = self._encode(inputs)
        adapter = self.adapters(one)
        return adapter, encoded, self._encoder.adapted(encoded.hidden, adapter.slots)

    def _named(self, name: str) -> Task:
        if name not in self._tasks:
            raise TaskError(f"task: expected one of {', '.join(self.tasks)}, found {name!r}")
        return self._tasks[name].task
