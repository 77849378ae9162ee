"""Answer on a CPU: preprocess -> trunk -> lookup -> tail with the task's adapter -> head ->
`Prediction`.

One forward pass whatever the number of tasks, and most inputs end it early: where the trunk's part
of the head is sure and the input plainly known, the tail is not run. Where the lookup's margin
stays thin, one more run of the tail, frozen. An answer does not depend on the batch it came in:
inputs of one shape share a run of the trunk, inputs of one shape and task a run of the tail, and
nothing is padded.

Longer than other files: one class, and most of it says what its public methods take, give and raise.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfedge.arguments import checked
from cfedge.bundle.files import Bundle
from cfedge.counted import counted
from cfedge.errors import UsageError
from cfedge.inputs.modality import Input, Modality
from cfedge.runtime import opening, pickling
from cfedge.runtime.adapters import Adapters
from cfedge.runtime.false_reject import FalseReject, Limits
from cfedge.runtime.opened_bundle import OpenedBundle
from cfedge.runtime.prediction import Prediction
from cfedge.runtime.task_files import shared_files
from cfedge.runtime.wanted import wanted
from cfedge.store import is_store

if TYPE_CHECKING:
    from cfedge.lookup.finder import Finder
    from cfedge.store import Store

__all__ = ["Engine"]


class Engine:
    """The device runtime of one bundle.

    Parameters
    ----------
    bundle
        The bundle, as read by `cfedge.bundle.files.read` or made by `cfedge_export.build_bundle.build`.
    threads
        Intra-op threads of ONNX Runtime.
    adapter_bytes
        The largest size of the adapters that are kept in memory between calls. None sets no limit
        (docs/decisions/0019-adapter-memory.md).
    share_with
        An engine to share sessions and tasks with, as far as they are the same.
    verified
        Whether this machine has answered the bundle's golden vectors before. If so, each part is
        read when it is first needed; otherwise all parts are read and checked now. `open` finds
        this out by itself.
    false_reject
        The share of a task's own inputs that may be called unknown, for calls of `predict` that
        give none of their own. None keeps what the bundle was exported with.

    Attributes
    ----------
    manifest
        The bundle's manifest.
    opened
        The bundle's parts, and what answers with them where more is known than an input.
    generation
        The number of the store's generation that it was opened from; None for a bundle.
    tasks
        The names of the tasks, sorted.
    false_reject
        The share that was given.

    Raises
    ------
    IncompatibleError
        A part does not fit the rest.
    UsageError
        It is no bundle but, for example, the path of one: see `open`.
    """

    @checked
    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 1,
        adapter_bytes: int | None = None,
        share_with: Engine | None = None,
        verified: bool = False,
        false_reject: FalseReject = None,
    ) -> None:
        if not isinstance(bundle, Bundle):
            raise UsageError(
                f"Engine: expected a bundle that was read, found {bundle!r}; open the folder of one"
                " with Engine.open(path)"
            )
        self.opened: OpenedBundle = OpenedBundle(
            bundle,
            threads=threads,
            adapter_bytes=adapter_bytes,
            share_with=share_with.opened if share_with else None,
            verified=verified,
        )
        Limits(self.opened.answering.tasks, false_reject)
        self.false_reject: FalseReject = false_reject
        self.manifest = bundle.manifest
        self.tasks: tuple[str, ...] = self.opened.router.tasks
        self.generation: int | None = None
        self._store: Store | None = None
        self._path: Path | None = None

    def __repr__(self) -> str:
        where = "" if self._path is None else f" of {self._path}"
        return f"<Engine{where}: {counted(len(self.tasks), 'task')}>"

    @classmethod
    @checked
    def open(
        cls,
        path: str | Path,
        *,
        threads: int = 1,
        adapter_bytes: int | None = None,
        false_reject: FalseReject = None,
    ) -> Engine:
        """Read the bundle in the folder `path`, or what a store's pointer names, with every check,
        and open it.

        The first time on a machine it is opened, and its golden vectors are answered, in a child
        process under limits before it is opened here (`cfedge.runtime.opening`).

        Parameters
        ----------
        path
            The folder of a bundle or a store.
        threads
            Intra-op threads of ONNX Runtime.
        adapter_bytes
            The largest size of the adapters that are kept in memory between calls. Others are read
            from the disk, and checked again, when they are needed. None sets no limit, and nothing
            is read from the disk any more once this returns.
        false_reject
            The share of a task's own inputs that may be called unknown, for calls of `predict` that
            give none of their own. None keeps what the bundle was exported with.

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
        if is_store(path):
            from cfedge.store import Store

            return cls._of_store(Store(path), threads, adapter_bytes, false_reject)
        bundle = opening.of_folder(path, threads=threads, keep_adapters=adapter_bytes is None)
        engine = cls(
            bundle,
            threads=threads,
            adapter_bytes=adapter_bytes,
            verified=True,
            false_reject=false_reject,
        )
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
        self.opened.reopen()
        threads, adapter_bytes, _ = self.opened.settings
        return self._of_store(self._store, threads, adapter_bytes, self.false_reject, self)

    @classmethod
    def _of_store(
        cls,
        store: Store,
        threads: int,
        adapter_bytes: int | None,
        false_reject: FalseReject,
        before: Engine | None = None,
    ) -> Engine:
        from cfedge.runtime.opening_store import of_store

        with of_store(
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
                false_reject=false_reject,
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
        threads, adapter_bytes, _ = self.opened.settings
        settings = {
            "threads": threads,
            "adapter_bytes": adapter_bytes,
            "false_reject": self.false_reject,
        }
        place = pickling.place_of(self._path)
        return Engine._opened_again, (place, self.manifest.digest, settings)

    @classmethod
    def _opened_again(cls, path: str, digest: str, settings: Mapping[str, Any]) -> Engine:
        """Open what a pickled engine was opened from; errors as of `pickling.check_same`."""
        engine = cls.open(path, **settings)
        pickling.check_same(path, digest, engine.manifest.digest)
        return engine

    def warm_up(self) -> None:
        """Do now what the first inputs would wait for.

        It prepares the lookup's further stages (some 100 ms with ten tasks), opens the tail, and
        answers one or two made-up inputs, so that all that reads inputs is loaded.
        """
        self.router.warm_up()
        self.predict(self.modality.warm_up())
        self.opened.encoder.tail.open()

    @property
    def adapters(self) -> Adapters:
        """The adapters in memory; ``engine.adapters.stats`` counts how they were used."""
        return self.opened.adapters

    @property
    def router(self) -> Finder:
        """The lookup, which finds the task of an input."""
        return self.opened.router

    @property
    def modality(self) -> Modality:
        """What prepares inputs of the backbone's kind."""
        return self.opened.encoder.modality

    @checked
    def predict(
        self,
        inputs: Input | Iterable[Input],
        *,
        task: str | None = None,
        false_reject: FalseReject = None,
        top: int | None = None,
        coverage: float | None = None,
    ) -> list[Prediction]:
        """Answer each input.

        Parameters
        ----------
        inputs
            Any number, of the backbone's kind: a list, tuple, generator, NumPy array, pandas Series
            or column of a table; the answers come in their order. One input alone, such as a
            string, is answered as a list of one.
        task
            The name of the task, where it is known. The input is then answered by that task, and
            the lookup says only how well the input fits it. None lets the lookup find the task.
        false_reject
            The share of a task's own inputs that may be called unknown: one number for all tasks,
            or a number for each by name. None takes the engine's. The bundle knows the shares of
            `cfedge.calibration.RATES`; the largest that is not above yours is taken.
        top
            How many of the likeliest answers to name as ``top``; the ordinary answer is the first.
        coverage
            The probability with which the set ``label_set`` is to hold the right answer, for inputs
            of any one task. The bundle knows those of `cfedge.calibration.COVERAGES`; the least
            that is not below yours is taken. `top` and `coverage` take a run of the tail for each
            further task that may matter, and change nothing else of an answer.

        Returns
        -------
        list of Prediction

        Raises
        ------
        InputError
            An input is not of the backbone's kind, or what is computed from it is not finite. The
            error names it by its position, from 0, and no input is answered.
        TaskError
            There is no task of the name `task`, or of a name in `false_reject`.
        UsageError
            The bundle was not measured for such a share, `top` is below 1, or `coverage` cannot be
            promised; the error then says how many held-out examples that takes.
        """
        start = time.perf_counter()
        listed = self.modality.several(inputs)
        opened = self.opened
        given = None if task is None else self.tasks.index(opened.named(task).name)
        answering = opened.answering
        asked = self.false_reject if false_reject is None else false_reject
        limit = Limits(answering.tasks, asked)
        more = wanted(answering.tasks, given, top, coverage)
        if not listed:
            return []
        encoded = opened.encode(listed)
        answering = opened.answering  # a forked child's own
        return answering.answered(encoded, given, limit, more, start)

    @checked
    def check_wanted(
        self, task: str | None = None, *, top: int | None = None, coverage: float | None = None
    ) -> None:
        """Refuse what `predict` would refuse of these, before there is an input.

        Raises
        ------
        TaskError, UsageError
            See `predict`.
        """
        given = None if task is None else self.tasks.index(self.opened.named(task).name)
        wanted(self.opened.answering.tasks, given, top, coverage)

    @checked
    def evidence(self, prediction: Prediction) -> dict[str, object]:
        """Return a prediction as JSON types, with what is certified of its task, and the digest of
        the `bundle` that answered.

        `wrong_task_at_most` bounds the share of the task's inputs that go to another task, and
        `wrong_answer_at_most` the share of its inputs that get a wrong answer (task or label). An
        unknown input counts by the task and label that its answer names, so both hold at every
        false-reject rate.
        """
        certificate = self.opened.named(prediction.task).certificate
        return {
            **prediction.as_dict(),
            "wrong_task_at_most": certificate.wrong_task_at_most,
            "wrong_answer_at_most": certificate.wrong_answer_at_most,
            "bundle": self.manifest.digest,
        }
