"""What a study measures, and what is refused before anything is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cfedge.errors import UsageError
from cfedge.study.results import MODELS
from cfedge.study.stream import Splits
from cfedge.train.examples.examples import check_labels
from cfedge.train.settings import Settings
from cfedge.train.workspace.folder import WorkspaceFolder

__all__ = ["Options", "check"]


@dataclass(frozen=True)
class Options:
    """What a study measures.

    Attributes
    ----------
    models
        Names of `cfedge.study.results.MODELS`.
    orders
        In which the stream is learned.
    joint
        Also train one adapter on all classes together, with as many steps as all tasks have.
    sequential
        Also train one adapter and one head task after task.
    jobs
        Processes on this machine that learn the tasks of an order.
    on
        The cluster that learns them instead (`cfedge.train.jobs.choosing.chosen_place`).
    """

    models: tuple[str, ...] = tuple(MODELS)
    orders: int = 3
    joint: bool = False
    sequential: bool = False
    jobs: int = 1
    on: str | None = None

    def check(self, settings: Settings) -> None:
        """Refuse what can be refused before data and encoder are read.

        Raises
        ------
        UsageError
        """
        _check_models(self.models)
        if self.orders < 1:
            raise UsageError(f"--orders: expected >= 1, found {self.orders}; give how many")
        if settings.reuse and (self.jobs > 1 or self.on):
            raise UsageError(
                f"--jobs: expected 1, and no --on, with --reuse, found {self.on or self.jobs}; a task"
                " that reuses others' units waits for them"
            )


def _check_models(models: Sequence[str]) -> None:
    unheard = sorted(set(models) - set(MODELS))
    if unheard or not models:
        raise UsageError(
            f"--models: expected some of {', '.join(MODELS)}, found"
            f" {repr(unheard[0]) if unheard else 'none'}; name some of them"
        )
    if len(set(models)) < len(models):
        raise UsageError(f"--models: expected each once, found {', '.join(models)}; name it once")


def check(
    base: WorkspaceFolder, stream: Mapping[str, Splits], settings: Settings, options: Options
) -> None:
    """Refuse what would stop the study after hours of learning.

    Raises
    ------
    TaskError, DataError, UsageError
        Before anything is learned.
    """
    options.check(settings)
    if base.tasks:
        raise UsageError(
            f"{base.folder}: expected a workspace without tasks, found {len(base.tasks)}; make a"
            " new one"
        )
    slots = base.backbone.slots
    least = min((min(slot.rows, slot.columns) for slot in slots), default=0)
    if not slots and (options.joint or options.sequential or settings.reuse):
        raise UsageError(
            f"--joint, --sequential, --reuse: expected a backbone with slots for adapters, found"
            f" {base.backbone.name!r}; leave them out"
        )
    if (
        settings.reuse
        and settings.orthogonality == "projection"
        and settings.pool_limit + settings.rank > least
    ):
        raise UsageError(
            f"--pool-limit: expected at most {least - settings.rank} with rank {settings.rank},"
            f" found {settings.pool_limit}; lower it or use --orthogonality penalty"
        )
    base.check_several(
        {name: splits.train.classes for name, splits in stream.items()}, replace=False
    )
    for splits in stream.values():
        for part in (splits.held_out, splits.test):
            check_labels(part, splits.train.classes)
