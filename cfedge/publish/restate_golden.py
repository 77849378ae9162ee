"""Golden vectors of a channel whose tasks change: they are checked among all of its tasks, and
restated where those moved them.

Which task an input is taken for depends on what other tasks there are, so what holds at one site,
or held last week, may not among these. What a task itself answers does not: features and labels
must hold, or nothing is published.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from cfedge.bundle.arrays import dump_arrays, load_arrays, load_note
from cfedge.bundle.fileref import FileRef
from cfedge.bundle.files import Bundle, reference
from cfedge.bundle.manifest import Task
from cfedge.errors import IncompatibleError
from cfedge.progress import Progress, Quiet
from cfedge.runtime.engine import Engine
from cfedge.runtime.golden import check_golden, golden_inputs

__all__ = ["Restated", "restate"]

#: Vectors that are answered at most, dealt out among the tasks.
VECTORS = 4096


@dataclass(frozen=True)
class Restated:
    """Golden vectors that hold.

    Attributes
    ----------
    golden
        By task.
    made
        Those that were restated, by SHA-256.
    moved
        By task and rival: inputs that went to the task and now go to the rival.
    inputs
        By task, how many there are.
    confusions
        By task and rival, of which one is here and one is not, and of those that moved: a bound on
        the share of the task's inputs that the rival takes, by the lookup's model
        (`cfedge.lookup`).
    """

    golden: Mapping[str, FileRef]
    made: Mapping[str, bytes]
    moved: Mapping[tuple[str, str], int]
    inputs: Mapping[str, int]
    confusions: Mapping[tuple[str, str], float]

    @property
    def names(self) -> frozenset[str]:
        """Tasks whose vectors were restated."""
        return frozenset(name for name, ref in self.golden.items() if ref.sha256 in self.made)


def restate(
    engine: Engine,
    bundle: Bundle,
    spare: Mapping[str, FileRef] | None = None,
    progress: Progress | None = None,
    here: Collection[str] = (),
) -> Restated:
    """Check the golden vectors of `bundle`, which `engine` has open, among all of its tasks.

    Parameters
    ----------
    engine, bundle
        Of all tasks that will be.
    spare
        Other golden vectors, by task, to take where those of the manifest do not hold; `bundle`
        holds them too.
    here
        Tasks of this site, where others' are to join them; none otherwise. Of ten thousand
        tasks there are a hundred million pairs.

    Raises
    ------
    IncompatibleError
        A task does not answer as it should; naming the vector.
    """
    golden: dict[str, FileRef] = {}
    made: dict[str, bytes] = {}
    moved: dict[tuple[str, str], int] = {}
    inputs: dict[str, int] = {}
    tasks = bundle.manifest.tasks
    with (progress or Quiet()).track("checking golden vectors", len(tasks)) as advance:
        for task in tasks:
            refs = dict.fromkeys(
                [task.golden, *([spare[task.name]] if spare and task.name in spare else [])]
            )
            for ref in refs:
                if _holds(engine, bundle, task, ref):
                    break
            else:
                data, rivals = _restated(engine, task, bundle[ref])
                ref = reference(data)
                made[ref.sha256] = data
                moved |= {(task.name, rival): count for rival, count in rivals.items()}
                _check(
                    engine, Bundle(bundle.manifest, {**bundle.objects, ref.sha256: data}), task, ref
                )
            golden[task.name] = ref
            inputs[task.name] = len(
                cast(list[Any], load_note(made.get(ref.sha256) or bundle[ref])["inputs"])
            )
            advance(1)
    return Restated(golden, made, moved, inputs, _confusions(engine, here, moved))


def _confusions(
    engine: Engine, here: Collection[str], moved: Collection[tuple[str, str]]
) -> dict[tuple[str, str], float]:
    """Those of pairs of which one is `here` and one is not, and of those that `moved`."""
    own = frozenset(here)
    rivals: dict[str, set[str]] = {}
    if own:
        others = set(engine.tasks) - own
        rivals = {name: set(others if name in own else own) for name in engine.tasks}
    for name, rival in moved:
        rivals.setdefault(name, set()).add(rival)
    return {
        (name, rival): share
        for name, among in rivals.items()
        for rival, share in engine.router.confusions(name, among).items()
    }


def _check(engine: Engine, bundle: Bundle, task: Task, ref: FileRef) -> None:
    alone = replace(bundle.manifest, tasks=(replace(task, golden=ref),))
    some = {task.name: max(1, VECTORS // len(bundle.manifest.tasks))}
    check_golden(engine, Bundle(alone, bundle.objects), some, among=engine.tasks)


def _holds(engine: Engine, bundle: Bundle, task: Task, ref: FileRef) -> bool:
    try:
        _check(engine, bundle, task, ref)
    except IncompatibleError:
        return False
    return True


def _restated(engine: Engine, task: Task, data: bytes) -> tuple[bytes, dict[str, int]]:
    """The same vectors with the tasks that the inputs are taken for now, and how many went to which
    rival.
    """
    what = f"golden vectors of task {task.name!r}"
    note = load_note(data, what)
    tasks = cast(list[str], note["tasks"])
    inputs = golden_inputs(engine.modality, data, what)
    found = [answer.task for answer in engine.predict(inputs)]
    rivals: dict[str, int] = {}
    for expected, rival in zip(tasks, found, strict=True):
        if expected == task.name != rival:
            rivals[rival] = rivals.get(rival, 0) + 1
    return dump_arrays(load_arrays(data, what), {**note, "tasks": found}), rivals
