"""compare: which way to find the task is best on the user's own data, and at what cost."""

from __future__ import annotations

import dataclasses
import json as jsonlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.learning import with_settings
from cfedge.cli.panels import SectionedCommand
from cfedge.cli.places import JOBS, ON
from cfedge.cli.show import PLOT, TerminalProgress, print_json
from cfedge.cli.study_commands import commands
from cfedge.cli.study_words import print_study
from cfedge.train.settings import Settings

if TYPE_CHECKING:
    from cfedge.study.results import Study


_USUAL = "minilm-l6"
#: Options that `init` has too.
_GIVEN = ("backbone", "folder", "split", "target_modules")

DATA = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help=(
            "A folder of tasks, or a file with a column task; with --tasks any labelled examples."
        ),
    ),
]
TASKS = Annotated[int | None, typer.Option(help="Split the labels at random into this many tasks.")]
ORDERS = Annotated[
    int, typer.Option(help="Number of orders of the tasks, each with a seed of its own.")
]
UNKNOWN = Annotated[
    Path | None,
    typer.Option(
        help="Inputs of no task, a file or a folder: measure how well they are told apart."
    ),
]
MODELS = Annotated[
    str | None, typer.Option(help="Models to measure, separated by commas; otherwise all.")
]
JOINT = Annotated[
    bool, typer.Option("--joint", help="Also train one adapter on all classes together.")
]
SEQUENTIAL = Annotated[
    bool,
    typer.Option(
        "--sequential",
        help="Also train one adapter and one head task after task, which forgets.",
    ),
]
BACKBONE = Annotated[
    str,
    typer.Option(
        help=(
            "The encoder: minilm-l6; lite0 or lite0-224 for pictures; local for the one in --folder."
        )
    ),
]
FOLDER = Annotated[
    Path | None,
    typer.Option(help="Folder with the encoder's weights; otherwise cfedge looks for them."),
]
SPLIT = Annotated[
    int | None, typer.Option(help="Number of blocks in the trunk; otherwise cfedge chooses it.")
]
TARGET_MODULES = Annotated[
    str | None,
    typer.Option(
        help=(
            "Target modules of each block, separated by commas: some of qkv,o,fc1,fc2; for"
            " pictures, of expand,project."
        ),
        show_default="the backbone's",
    ),
]
OUT = Annotated[
    Path | None,
    typer.Option(help="JSON file for everything that was measured, accuracy matrices too."),
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "compare",
        cls=SectionedCommand,
        epilog="Example: cfedge compare intents.csv --tasks 5 --orders 3",
    )(compare)


@with_settings(without=("method", "held_out"))
def compare(
    data: DATA,
    settings: Settings,
    tasks: TASKS = None,
    orders: ORDERS = 3,
    unknown: UNKNOWN = None,
    models: MODELS = None,
    joint: JOINT = False,
    sequential: SEQUENTIAL = False,
    jobs: JOBS = 1,
    on: ON = None,
    backbone: BACKBONE = _USUAL,
    folder: FOLDER = None,
    split: SPLIT = None,
    target_modules: TARGET_MODULES = None,
    out: OUT = None,
    plot: PLOT = None,
    json: JSON = False,
) -> None:
    """Compare methods on your own data.

    Every method learns the tasks one after another. Recommended is the cheapest one that can be
    shipped and is as good as the best. The last lines are the commands that make it.

    To see what one part of the method brings, compare again with it changed: --reuse (with
    --orthogonality none, --l1 0 or --l2 0), --split, --rank, --target-modules, --class-rank or
    --exit-share 0.
    """
    from cfedge.study.fresh import Weights, compare_fresh
    from cfedge.study.options import Options
    from cfedge.study.results import MODELS, recommended
    from cfedge.study.stream import load_stream
    from cfedge.train.examples.inputs_alone import load_inputs
    from cfedge.train.workspace.backbones import kind_of

    _check_out(out)
    named = _names(models)
    measured = tuple(MODELS) if named is None else named
    options = Options(measured, orders, joint, sequential, jobs, on)
    options.check(settings)
    kind = kind_of(backbone, folder)
    study = compare_fresh(
        load_stream(data, tasks=tasks, seed=settings.seed, kind=kind),
        Weights(backbone, folder, split, _names(target_modules)),
        options,
        unknown=load_inputs(unknown, kind=kind) if unknown else (),
        settings=settings,
        progress=TerminalProgress(),
    )
    if json:
        print_json(_record(study))
    else:
        given = (None if backbone == _USUAL else backbone, folder, split, target_modules)
        ship = partial(commands, data, tasks, dict(zip(_GIVEN, given, strict=True)), settings)
        print_study(str(data), study, orders, jobs, recommended(study), ship)
    _keep(study, out, plot)


def _record(study: Study) -> dict[str, Any]:
    """Return everything that was measured, and what follows, as JSON types."""
    from cfedge.study.results import most_accurate, recommended, summary

    return {
        "best": most_accurate(study),
        "recommended": recommended(study),
        "summary": summary(study),
        **dataclasses.asdict(study),
    }


def _keep(study: Study, out: Path | None, plot: Path | None) -> None:
    """Write what was measured, and draw it, where that was asked for."""
    from cfedge.storage import write_file

    if out is not None:
        write_file(out, jsonlib.dumps(_record(study), indent=1).encode())
    if plot is not None:
        from cfedge.plot.figure import save
        from cfedge.plot.study import draw_study

        save(draw_study(study), plot)


def _names(listed: str | None) -> tuple[str, ...] | None:
    if listed is None:
        return None
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _check_out(out: Path | None) -> None:
    from cfedge.outside import check_file

    if out is not None:
        check_file(out, "--out")
