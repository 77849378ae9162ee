"""The front door for teaching: `Workspace`. Make one, add tasks, see what is certified, evaluate,
export.

It stands above the workshop's rooms. Each method calls one function of theirs, and the command line
calls the same functions. `from cfedge import Workspace` loads this file when the name is first
asked for, since a device that answers needs none of it.

::

    from cfedge import Workspace

    workspace = Workspace.create("ws")
    workspace.add("lighting", inputs, labels)
    workspace.add("climate", "climate.csv")
    print(workspace.certificates())
    workspace.export("bundle")

Longer than other files: most of it says what each method takes, gives and raises.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfedge.arguments import from_python
from cfedge.progress import Progress
from cfedge.train.certify.certificates import Certificates, certificates
from cfedge.train.certify.task_certificate import TaskCertificate
from cfedge.train.change.edit import remove_class, rename, rename_label
from cfedge.train.change.joining import Joined, join
from cfedge.train.change.parts import split
from cfedge.train.change.update import MAX_DROP, update
from cfedge.train.examples.given_data import Labelled, task_data, tasks_data
from cfedge.train.jobs.choosing import chosen_place
from cfedge.train.settings import Settings
from cfedge.train.teach import Taught, learn, learn_tasks, with_choices
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge.train.workspace.learned_task import LearnedTask

if TYPE_CHECKING:
    from cfedge.train.measures.metrics import Scores
    from cfedge_export.pack import Exported

__all__ = ["Workspace"]


class Workspace(WorkspaceFolder):
    """A folder with one frozen backbone and the tasks it was taught.

    Parameters
    ----------
    folder
        The folder that `create` made, or ``cfedge init``.

    Raises
    ------
    WorkspaceError
        The workspace is missing, damaged, or of another schema.
    """

    @from_python
    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(Path(folder))

    @classmethod
    @from_python
    def create(
        cls,
        folder: str | os.PathLike[str],
        backbone: str = "minilm-l6",
        *,
        weights: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Workspace:
        """Make a workspace: find a backbone, cut it, quantise it, freeze it.

        Parameters
        ----------
        folder
            The name of a folder that does not exist yet.
        backbone
            The encoder. ``minilm-l6`` reads words; ``lite0`` and ``lite0-224`` read pictures, whose
            tasks take paths of files or arrays uint8 [H, W, 3] as inputs. ``local`` is the encoder
            in the folder `weights`. ``onnx`` is your own encoder of arrays, the ONNX file
            `weights`; its tasks take NumPy arrays as inputs.
        weights
            The folder, or for ``onnx`` the file, of the weights. None looks for them.
        options
            ``split``: the number of blocks in the trunk. ``target_modules``: the modules of each
            block that adapters change. ``scheme``: the quantisation scheme, such as ``int8-row``.
            ``lookup``: what finds the task of an input. ``sample``: labelled examples to measure
            the split on. Each has a default, as in ``cfedge init --help``.

        Raises
        ------
        BackboneError
            The encoder is not known, or its weights are not there. Nothing was written.
        UsageError
            An option cannot be, or the folder exists. Nothing was written.
        StorageError
            The disk refused. Nothing was written.
        """
        from cfedge_export.make_backbone import make_backbone

        target, source = Path(folder), None if weights is None else Path(weights)
        make_backbone(target, backbone, folder=source, progress=progress, **options)
        return cls(target)

    @from_python
    def add(
        self,
        name: str,
        inputs: Iterable[object] | str | os.PathLike[str],
        labels: Iterable[object] | None = None,
        *,
        groups: Iterable[object] | str | None = None,
        held_out: Labelled | None = None,
        same_labels: Iterable[str] = (),
        settings: Settings | None = None,
        replace: bool = False,
        executor: Executor | None = None,
        progress: Progress | None = None,
        **choices: Any,
    ) -> TaskCertificate:
        """Learn a task; nothing of the others changes.

        Parameters
        ----------
        name
            The task's name, of lower-case letters, digits, ``-`` and ``_``.
        inputs, labels
            The inputs with a label each: lists, generators, NumPy arrays, or columns of pandas or
            datasets. Or `inputs` is the path of a file or folder that ``cfedge add --data`` takes,
            and `labels` is left out.
        groups
            What each input belongs to, such as a video, a person or a device: a group is learned
            from or held out as a whole. One for each input; with a path, the name of the column.
        held_out
            Examples that neither adapter nor head learns from, as a path or a pair of inputs and
            labels: certificate, threshold and export are measured on them. None holds out a share.
        same_labels
            Labels that mean the same as another task's: ``LABEL``, or ``LABEL=OTHER``.
        settings, choices
            How to learn, and single fields of `cfedge.train.settings.Settings` (``method``,
            ``rank``, ``threads``...).
        replace
            Whether to learn a task anew that has this name already.
        executor
            A `concurrent.futures.Executor` that learns the task; None learns it in this process.

        Returns
        -------
        TaskCertificate
            What is certified of the task, beside all tasks that the workspace has when this is
            first read. It is computed then, because each further task moves every limit.

        Raises
        ------
        TaskError, DataError, UsageError
            The name, the data or a setting cannot be. The error comes before anything is computed,
            and the workspace is unchanged.
        """
        data = task_data(name, inputs, labels, held_out, kind=self.kind, groups=groups)
        with chosen_place(executor=executor) as place:
            learn(
                self, name, data.train, data.held_out, same_labels=same_labels, place=place,
                settings=with_choices(settings, choices), replace=replace, progress=progress,
            )  # fmt: skip
        return self._certified(name)

    @from_python
    def add_tasks(
        self,
        tasks: Mapping[str, Labelled] | str | os.PathLike[str],
        *,
        settings: Settings | None = None,
        replace: bool = False,
        jobs: int = 1,
        on: str | None = None,
        executor: Executor | None = None,
        progress: Progress | None = None,
        **choices: Any,
    ) -> Taught:
        """Learn several tasks, and add each when it is done; one that fails leaves the others alone.
        After an interruption, the same call continues where it stopped.

        Parameters
        ----------
        tasks
            Task names with paths, or with inputs and labels; or the path of a folder of tasks, or
            of a file with a column ``task``.
        jobs
            Processes on this machine that share the work.
        on
            A cluster that does the work: ``dask://HOST:8786``, or ``dask+tls://...``.
        executor
            Any `concurrent.futures.Executor` that does the work; you make it and you end it.
        settings, replace, choices
            As for `add`.

        Returns
        -------
        Taught
            What was learned, what stopped the others, and what to know of the workers;
            ``check()`` raises the first error.

        Raises
        ------
        TaskError, DataError, UsageError
            Before anything is learned.
        """
        data = tasks_data(tasks, kind=self.kind)
        chosen = with_choices(settings, choices)
        with chosen_place(
            jobs=jobs,
            on=on,
            executor=executor,
            inputs=self.kind,
            torch=chosen.method != "closed-form",
        ) as place:
            return learn_tasks(
                self, data, settings=chosen, place=place, replace=replace, progress=progress
            )

    @from_python
    def update(
        self,
        name: str,
        inputs: Iterable[object] | str | os.PathLike[str],
        labels: Iterable[object] | None = None,
        *,
        groups: Iterable[object] | str | None = None,
        held_out: Labelled | None = None,
        max_drop: float = MAX_DROP,
        progress: Progress | None = None,
    ) -> TaskCertificate:
        """Add examples, of known or new classes, to a task whose old data are gone.

        Parameters
        ----------
        inputs, labels, groups, held_out
            As for `add`; the new examples alone.
        max_drop
            Most points of accuracy, the task known, that the old held-out examples may lose.

        Raises
        ------
        TaskError, DataError
            There is no such task, or the new version is worse: the old one stays.
        """
        data = task_data(name, inputs, labels, held_out, kind=self.kind, groups=groups)
        update(self, name, data.train, data.held_out, max_drop=max_drop, progress=progress)
        return self._certified(name)

    @from_python
    def join(self, name: str, other: str, new: str | None = None, **options: Any) -> Joined:
        """Make one task of two that are confused because they are one topic.

        Parameters
        ----------
        name, other
            The two tasks; they are gone afterwards.
        new
            The name of the joined task: a new name, or that of one of them. None keeps `name`.
        options
            ``same_labels``: labels that both tasks have and that mean the same; each becomes one
            class. ``max_drop``: most points of the held-out examples with the right task and
            label that may be lost.

        Raises
        ------
        TaskError
            There are no such two tasks, the name is taken, both have a label that is not said to
            mean the same, or the joined task answers worse. The workspace is unchanged.
        """
        return join(self, name, other, name if new is None else new, **options)

    @from_python
    def split(
        self, name: str, new: str, labels: Collection[str]
    ) -> tuple[LearnedTask, LearnedTask]:
        """Give the classes `labels` of the task `name` to a new task `new`; nothing is learned.

        Raises
        ------
        TaskError
            There is no such task or class, the new name is taken, or a part would have no class.
        """
        return split(self, name, new, labels)

    @from_python
    def rename(self, name: str, new: str, *, label: str | None = None) -> None:
        """Call the task `name` otherwise, or its class `label`; nothing is learned.

        Raises
        ------
        TaskError
            There is no such task or class, or the new name is taken or cannot be one.
        """
        if label is None:
            rename(self, name, new)
        else:
            rename_label(self, name, label, new)

    @from_python
    def remove_class(self, name: str, label: str) -> None:
        """Take the class `label` out of the task `name`; nothing is learned.

        Raises
        ------
        TaskError
            There is no such task or class, or it is the only one.
        """
        remove_class(self, name, label)

    def _certified(self, name: str) -> TaskCertificate:
        def read() -> TaskCertificate:
            self.record(name)  # which says so where the task has gone since
            return certificates(self, of=()).tasks[name]

        return TaskCertificate.when_read(read)

    @from_python
    def certificates(self, *, tail_share: float | None = None) -> Certificates:
        """Return what is certified of every task, with all tasks of the workspace together.

        Parameters
        ----------
        tail_share
            The largest share of inputs that the lookup may run through the frozen tail; None: .4, or
            more where few inputs are held out.
        """
        return certificates(self, tail_share=tail_share)

    @from_python
    def evaluate(
        self,
        tests: Mapping[str, Labelled],
        *,
        unknown: Iterable[object] | Path | str = (),
        jobs: int = 1,
        on: str | None = None,
        executor: Executor | None = None,
        progress: Progress | None = None,
    ) -> Scores:
        """Measure on test data, one input at a time, through the int8 runtime that ships.

        Parameters
        ----------
        tests
            By task: a path, or inputs and labels.
        unknown
            Inputs of no task, or the path of a file of them, to measure how well they are told
            apart.
        jobs, on, executor
            Who answers, if not this process alone: as for `add_tasks`.

        Raises
        ------
        TaskError, DataError, UsageError
            A task is not there, or one of its labels was never learned.
        """
        from cfedge_export.evaluation import evaluated

        with chosen_place(
            jobs=jobs, on=on, executor=executor, inputs=self.kind, torch=False
        ) as place:
            return evaluated(self, tests, unknown, place, progress)

    @from_python
    def export(
        self,
        target: str | os.PathLike[str],
        *,
        replace: bool = False,
        progress: Progress | None = None,
        **options: Any,
    ) -> Exported:
        """Write a quantised bundle, if it answers as the float model does.

        Parameters
        ----------
        target
            The bundle's folder.
        replace
            Whether to put the bundle in the place of what is there.
        options
            ``gate``: what accuracy int8 may lose. ``budget``: the memory and time to keep to.
            ``false_reject_rate``: the share of a task's own inputs that may be called unknown.
            ``tail_share``: the largest share of inputs that the lookup may run through the frozen
            tail. ``lookup``: what finds the task of an input. ``synthetic_golden``: whether the
            golden vectors are made up, so that no held-out input travels.

        Raises
        ------
        ParityError
            The int8 model does not answer as the float model does. Nothing was written.
        BudgetError
            No number of threads keeps to the budget. Nothing was written.
        StorageError
            The disk refused, or `target` exists and `replace` is false. Nothing was written.
        """
        from cfedge_export.pack import export

        return export(self, Path(target), replace=replace, progress=progress, **options)
