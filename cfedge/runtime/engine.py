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
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import Backbone, Task
from cfedge.bundle.objects import Objects
from cfedge.errors import IncompatibleError, TaskError, UsageError
from cfedge.inputs.modality import Input, Modality
from cfedge.lookup import Router, decide
from cfedge.runtime import fork, opening
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.adapters import Adapters
from cfedge.runtime.answering import Answering
from cfedge.runtime.backbone import Encoded
from cfedge.runtime.encoder import Encoder
from cfedge.runtime.prediction import Prediction
from cfedge.runtime.table import Int8Table
from cfedge.runtime.task_files import OpenedTask, Signatures, has_same_files, shared_files
from cfedge.store import Store

__all__ = ["Engine"]

Floats = NDArray[np.float32]


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
    share_with
        An engine to share sessions and tasks with, as far as they are the same.
    verified
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
        share_with: Engine | None = None,
        verified: bool = False,
    ) -> None:
        self.manifest = bundle.manifest
        self.generation: int | None = None
        self._store: Store | None = None
        self._path: Path | None = None
        backbone = self.manifest.backbone
        if not self.manifest.tasks:
            raise IncompatibleError(
                "bundle: expected at least one task, found none; add one with cfedge add and export"
                " again"
            )
        self._settings: tuple[int, int | None, Backbone] = (threads, adapter_bytes, backbone)
        before = share_with if share_with and share_with._settings == self._settings else None
        self._encoder: Encoder
        self._depth: int
        self._disk: Objects | None
        if before is not None:
            self._encoder, self._disk, self._depth = before._encoder, before._disk, before._depth
        else:
            self._open_backbone(bundle.objects, verified=verified)
            self._depth = fork.depth
            self._disk = bundle.objects.on_disk() if isinstance(bundle.objects, Objects) else None
        self.adapters: Adapters = Adapters(
            backbone, adapter_bytes, before.adapters if before else None
        )
        self._tasks: dict[str, OpenedTask] = {}
        for task in self.manifest.tasks:
            self._tasks[task.name] = self._opened(bundle, task, before, verified=verified)
        self._make_router()
        self.tasks: tuple[str, ...] = self.router.tasks

    def _open_backbone(self, objects: Mapping[str, bytes], *, verified: bool) -> None:
        threads, _, backbone = self._settings
        files = {role: objects[ref.sha256] for role, ref in backbone.files().items()}
        self._encoder = Encoder.of(files, backbone, threads=threads, verified=verified)

    def _make_router(self) -> None:
        signatures = Signatures(self._tasks, self.manifest.backbone)
        self.router = Router(signatures, self.manifest.margins, table=Int8Table)
        in_order = [self._tasks[name].task for name in self.router.tasks]
        self._answering = Answering(self._encoder, self.router, self.adapters, in_order)

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
            self.adapters = self.adapters.copy()
            self._open_backbone(self._disk, verified=True)  # in the parent
            self._make_router()  # its table is a session too
            self._depth = fork.depth

    def _opened(
        self, bundle: Bundle, task: Task, before: Engine | None, *, verified: bool
    ) -> OpenedTask:
        """Read a task's files, or take them over from an engine where they are the same."""
        opened = None if before is None else before._tasks.get(task.name)
        if before is not None and opened is not None and has_same_files(opened.task, task):
            self.adapters.take_over(task, before.adapters)
            return opened._replace(task=task)
        self.adapters.add(task, bundle.source(task.adapter))
        if not verified:
            self.adapters(task)
        return OpenedTask(task, bundle[task.signature])

    @classmethod
    def open(
        cls, path: str | Path, *, threads: int = 1, adapter_bytes: int | None = None
    ) -> Engine:
        """Read the bundle in the folder `path`, or what a store's pointer names, with every check,
        and open it.

        The first time on a machine it is opened, and its golden vectors are answered, in a child
        process under limits before it is opened here (`cfedge.runtime.opening`).

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
        bundle = opening.of_folder(path, threads=threads, keep_adapters=adapter_bytes is None)
        engine = cls(bundle, threads=threads, adapter_bytes=adapter_bytes, verified=True)
        engine._path = path
        return engine

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

    @classmethod
    def _of_store(
        cls, store: Store, threads: int, adapter_bytes: int | None, before: Engine | None = None
    ) -> Engine:
        with opening.of_store(
            store,
            threads=threads,
            keep_adapters=adapter_bytes is None,
            shared=lambda manifest: shared_files(manifest, before.manifest) if before else (),
        ) as (generation, bundle):
            engine = cls(
                bundle,
                threads=threads,
                adapter_bytes=adapter_bytes,
                share_with=before,
                verified=True,
            )
        engine.generation, engine._store, engine._path = generation, store, store.folder
        return engine

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by path and digest: another process opens the same bundle anew.

        Raises
        ------
        UsageError
            It was made from a bundle in memory.
        """
        if self._path is None:
            raise UsageError(
                "engine: expected one of Engine.open to pickle, found one of a bundle in memory;"
                " write the bundle to a folder and open that"
            )
        threads, adapter_bytes, _ = self._settings
        path = str(self._path.absolute())
        return _open_same, (path, self.manifest.digest, threads, adapter_bytes)

    def warm_up(self) -> None:
        """Do now what the first inputs would wait for: the further stages' directions, some 100 ms
        with ten tasks, the tail, two answers.

        They are to inputs of the backbone's own kind that read all that inputs need.
        """
        if len(self.tasks) > 1:
            _ = self.router.near, self.router.deep, self.router.tail
        self.predict(self.modality.warm_up())
        self._encoder.tail.open()

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
        given = None if task is None else self.tasks.index(self._named(task).name)
        if not listed:
            return []
        encoded = self._encode(listed)
        if given is None:
            matches = [decide(evidence) for evidence in self._answering.identify(encoded)]
        else:
            matches = self._answering.given(encoded, given)
        return self._answering.answers(encoded, matches, start)

    def predict_by(self, value: Input, choose: Callable[[Floats, bool], int]) -> Prediction:
        """Answer one input for the task that `choose` takes.

        It gets each task's score (`Router.task_scores`), float32 [T] in the order of `tasks`, and
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
        (evidence,) = self._answering.identify(encoded)
        match = decide(evidence)
        (alone,) = self._answering.answers(encoded, [match], start)
        task = choose(self.router.task_scores(evidence), alone.unknown)
        if task == match.task:
            return alone
        given = self.router.given(evidence, task)
        return self._answering.answers(encoded, [given], start)[0]

    def _encode(self, inputs: Sequence[Input]) -> Encoded:
        if self._depth != fork.depth:
            self._reopen()
        return self._encoder(inputs)

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


def _open_same(path: str, digest: str, threads: int, adapter_bytes: int | None) -> Engine:
    """Open what a pickled engine was opened from."""
    engine = Engine.open(path, threads=threads, adapter_bytes=adapter_bytes)
    if engine.manifest.digest != digest:
        raise IncompatibleError(
            f"{path}: expected bundle {digest[:12]}, as when the engine was pickled, found"
            f" {engine.manifest.digest[:12]}; pickle the engine again"
        )
    return engine
