"""A bundle, opened in this process: encoder, adapters, signatures, and the lookup among its tasks.

It shares with an earlier one what is the same in both. In a forked child, where a session of ONNX
Runtime would wait for threads that are not there, it is opened anew from the disk.

Longer than other files by a few lines: opening and opening anew must stay the same.

Letters: B batch, D width, C classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cfedge.bundle.arrays import load_arrays
from cfedge.bundle.files import Bundle
from cfedge.bundle.manifest import Backbone, Task
from cfedge.bundle.objects import HandedOn, Objects
from cfedge.errors import IncompatibleError, InputError, TaskError, UsageError
from cfedge.inputs.modality import Input
from cfedge.inputs.of_file import of_file
from cfedge.lookup import Background, decide
from cfedge.lookup.rules import RULES
from cfedge.meanings import Meanings
from cfedge.runtime import fork
from cfedge.runtime.adapter import Adapter
from cfedge.runtime.adapters import Adapters
from cfedge.runtime.answering import Answering
from cfedge.runtime.backbone import Encoded
from cfedge.runtime.coarse_table import CoarseTable
from cfedge.runtime.encoder import Encoder
from cfedge.runtime.false_reject import FalseReject, Limits
from cfedge.runtime.heads import Heads
from cfedge.runtime.kept_tables import KeptTables
from cfedge.runtime.prediction import Prediction
from cfedge.runtime.task_files import OpenedTask, Signatures, has_same_files

if TYPE_CHECKING:
    from cfedge.lookup.finder import Finder

__all__ = ["OpenedBundle"]

Floats = NDArray[np.float32]

#: Tasks that an error lists.
_NAMED = 50


class OpenedBundle:
    """The parts of a bundle that answer.

    Parameters
    ----------
    bundle, threads, adapter_bytes, share_with, verified
        See `cfedge.runtime.engine.Engine`.

    Attributes
    ----------
    manifest
        Of the bundle.
    settings
        Threads, bytes of adapters and backbone: what two must have in common to share anything.
    encoder, adapters, router, answering
        Those of this process, once `encode` or `reopen` was called in it.
    tasks
        By name.

    Raises
    ------
    IncompatibleError
        A part does not fit the rest.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int,
        adapter_bytes: int | None,
        share_with: OpenedBundle | None,
        verified: bool,
    ) -> None:
        self.manifest = bundle.manifest
        backbone = self.manifest.backbone
        if not self.manifest.tasks:
            raise IncompatibleError(
                "bundle: expected at least one task, found none; add one with cfedge add and export"
                " again"
            )
        self.settings: tuple[int, int | None, Backbone] = (threads, adapter_bytes, backbone)
        before = share_with if share_with and share_with.settings == self.settings else None
        self.encoder: Encoder
        self._depth: int
        self._disk: Objects | None
        if before is not None:
            self.encoder, self._disk, self._depth = before.encoder, before._disk, before._depth
        else:
            self._open_backbone(bundle.objects, verified=verified)
            self._depth = fork.depth
            self._disk = bundle.objects.on_disk() if isinstance(bundle.objects, Objects) else None
        self.adapters: Adapters = Adapters(
            backbone, adapter_bytes, before.adapters if before else None
        )
        self._background: Background | None = (
            before._background if before else _background(bundle, backbone)
        )
        self.tasks: dict[str, OpenedTask] = {}
        for task in self.manifest.tasks:
            self.tasks[task.name] = self._open_task(bundle, task, before, verified=verified)
        if not verified:
            signatures = Signatures(self.tasks, self.manifest)
            for name in self.tasks:
                signatures.check(name)
        self._keep = KeptTables(self.manifest) if verified else None
        self._make_router()

    def encode(self, inputs: Sequence[Input]) -> Encoded:
        """Encode B inputs with the trunk, opened in this process.

        Raises
        ------
        InputError
            One cannot be encoded.
        """
        if self._depth != fork.depth:
            self.reopen()
        try:
            return self.encoder(inputs)
        except InputError as error:
            raise of_file(self.encoder.modality, inputs, error) from error

    def named(self, name: str) -> Task:
        """Return a task by name.

        Raises
        ------
        TaskError
            There is none.
        """
        if not isinstance(name, str) or name not in self.tasks:
            known = self.router.tasks
            more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
            raise TaskError(
                f"task: expected one of {', '.join(known[:_NAMED])}{more}, found {name!r:.80};"
                " name one of them"
            )
        return self.tasks[name].task

    def predict_by(
        self,
        value: Input,
        choose: Callable[[Floats, bool], int],
        false_reject: FalseReject = None,
    ) -> Prediction:
        """Answer one input for the task that `choose` takes; `false_reject` as of
        `Engine.predict`.

        It gets each task's score (`Router.task_scores`), float32 [T] in the order of
        `router.tasks`, and whether the input alone is unknown; it returns a position there. Where
        that is the lookup's own choice the answer is that of `Engine.predict`, else that with the
        task given, for one more run of the tail.

        Raises
        ------
        InputError
            See `Engine.predict`.
        """
        start = time.perf_counter()
        encoded = self.encode([value])
        answering = self.answering
        judge, limit = answering.judge(encoded), Limits(answering.tasks, false_reject)
        (evidence,) = answering.identify(encoded, judge)
        match = decide(evidence)
        (alone,), _ = answering.answers(encoded, [match], judge, limit, start)
        task = choose(self.router.task_scores(evidence), alone.unknown)
        if task == match.task:
            return alone
        match = self.router.given(evidence, task)
        return answering.answers(encoded, [match], judge, limit, start, given=True)[0][0]

    def embeddings(self, inputs: Sequence[Input], task: str) -> Floats:
        """Return the adapted tail's features, unit-length float32 [B, D], with the task known."""
        return np.stack(self._adapted(inputs, task)[2])

    def class_scores(self, inputs: Sequence[Input], task: str) -> Floats:
        """Return the scores that `Engine.predict` takes the label from, float32 [B, C], with the
        task known.
        """
        return self.embeddings_and_scores(inputs, task)[1]

    def embeddings_and_scores(self, inputs: Sequence[Input], task: str) -> tuple[Floats, Floats]:
        """Return `embeddings` and `class_scores` of one run of the encoder."""
        adapter, encoded, behind = self._adapted(inputs, task)
        scores = [
            adapter.scores(adapter.adapted(row), adapter.trunk(trunk))
            for row, trunk in zip(behind, encoded.features, strict=True)
        ]
        return np.stack(behind), np.stack(scores)

    def _adapted(self, inputs: Sequence[Input], name: str) -> tuple[Adapter, Encoded, list[Floats]]:
        task = self.named(name)
        encoded = self.encode(inputs)
        adapter = self.adapters(task)
        return adapter, encoded, self.encoder.adapted(encoded, adapter)

    def reopen(self) -> None:
        """Open anew in a forked child, whose parent opened it; do nothing elsewhere.

        Raises
        ------
        UsageError
            It was made from a bundle in memory.
        """
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

    def _open_backbone(self, objects: Mapping[str, bytes], *, verified: bool) -> None:
        threads, _, backbone = self.settings
        files = HandedOn(objects, {role: ref.sha256 for role, ref in backbone.files().items()})
        self.encoder = Encoder.of(files, backbone, threads=threads, verified=verified)

    def _open_task(
        self, bundle: Bundle, task: Task, before: OpenedBundle | None, *, verified: bool
    ) -> OpenedTask:
        """Read a task's files, or take them over from an earlier bundle where they are the same."""
        opened = None if before is None else before.tasks.get(task.name)
        if before is not None and opened is not None and has_same_files(opened.task, task):
            self.adapters.take_over(task, before.adapters)
            return opened._replace(task=task)
        self.adapters.add(task, bundle.source(task.adapter))
        if not verified:
            self.adapters(task)
        return OpenedTask(task, bundle.source(task.signature))

    def _make_router(self) -> None:
        self.router: Finder = RULES[self.manifest.lookup].router(
            Signatures(self.tasks, self.manifest),
            self.manifest.margins,
            coarse=CoarseTable,
            background=self._background,
            keep=self._keep,
        )
        in_order = [self.tasks[name].task for name in self.router.tasks]
        meanings = Meanings({task.name: task.same_labels for task in in_order})
        heads = Heads(self.encoder, self.adapters)
        self.answering = Answering(self.encoder, self.router, heads, in_order, meanings)


def _background(bundle: Bundle, backbone: Backbone) -> Background | None:
    """What inputs of no task look like, where the backbone knows it."""
    if backbone.background is None:
        return None
    arrays = load_arrays(bundle[backbone.background], "background")
    return Background.from_arrays(arrays, "background", backbone.views[0], backbone.width)
