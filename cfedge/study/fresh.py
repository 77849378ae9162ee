"""Compare on a backbone that is made for the study and thrown away after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfedge.progress import Progress
from cfedge.runtime.engine import Engine
from cfedge.scratch import scratch_folder
from cfedge.study.compare import compare
from cfedge.study.options import Options
from cfedge.study.results import Study
from cfedge.study.stream import Splits
from cfedge.train.measures.open_set import OpenSet, open_set
from cfedge.train.settings import Settings
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build
from cfedge_export.make_backbone import make_backbone

__all__ = ["Weights", "compare_fresh"]


@dataclass(frozen=True)
class Weights:
    """Which backbone to make: see `cfedge_export.make_backbone.make_backbone`."""

    name: str
    folder: Path | None
    split: int | None
    target_modules: tuple[str, ...] | None


def compare_fresh(
    stream: Mapping[str, Splits],
    weights: Weights,
    options: Options,
    *,
    unknown: Sequence[str] = (),
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Study:
    """Make a backbone and compare on it; parameters and errors as of
    `cfedge.study.compare.compare`.

    Parameters
    ----------
    unknown
        Inputs of no task; none: how well they are told apart is not measured.
    """
    with scratch_folder() as scratch:
        base = make_backbone(
            scratch / "base",
            weights.name,
            folder=weights.folder,
            split=weights.split,
            target_modules=weights.target_modules,
            progress=progress,
        )
        return compare(
            base,
            stream,
            options,
            open_set=_open_set(stream, unknown) if unknown else None,
            settings=settings,
            progress=progress,
        )


def _open_set(
    stream: Mapping[str, Splits], unknown: Sequence[str]
) -> Callable[[WorkspaceFolder], OpenSet]:
    """What measures inputs of no task on a learned workspace, through the runtime that ships."""

    def measured(workspace: WorkspaceFolder) -> OpenSet:
        engine = Engine(build(workspace))
        return open_set(
            {name: splits.test.labels for name, splits in stream.items()},
            {name: engine.predict(splits.test.inputs) for name, splits in stream.items()},
            engine.predict(unknown),
        )

    return measured
