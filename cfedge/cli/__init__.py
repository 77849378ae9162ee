"""The command line: thin commands, each one library call. Exit codes are those of `cfedge.errors`."""

from __future__ import annotations

import copy
import errno
import sys
from typing import Annotated, Any

import typer

from cfedge.cli import (
    answer,
    bench,
    check,
    console,
    demo,
    drift,
    evaluate,
    evidence,
    export,
    generations,
    init,
    inspecting,
    keys,
    machine,
    merge,
    publish,
    report,
    serve,
    study,
    sync,
    tasks,
    update,
    workshop,
)
from cfedge.cli.panels import FIRST_STEPS, Panels
from cfedge.cli.show import say
from cfedge.cli.streams import prepare
from cfedge.errors import CfedgeError, MissingExtraError, StorageError
from cfedge.version import __version__

__all__ = ["app", "main"]

#: Packages of the workshop's extras: on a device a command that needs one says so in a line.
WORKSHOP = {"onnx", "optimum", "scipy", "sklearn", "torch", "transformers"}

#: What a disk refuses where no part of cfedge looks for it, and the next step.
_REFUSED = {
    errno.ENAMETOOLONG: "shorten it",
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room, or ask for more",
    errno.EFBIG: "ask for the right to write larger files",
    errno.EROFS: "choose another place",
    errno.EIO: "check the disk",
    errno.EACCES: "get the right to use it",
    errno.EPERM: "get the right to use it",
}
#: As a shell says it of what Ctrl-C ended.
_INTERRUPTED = 130

app = typer.Typer(
    name="cfedge",
    cls=Panels,
    invoke_without_command=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Teach a deployed model new tasks without the old data; answer on a CPU, offline.",
    epilog=(
        "Exit codes: 0 done, 2 usage, 3 data, 4 task, 5 backbone, 6 workspace, 7 bundle, 8 parity"
        " gate, 9 disk, 10 input, 11 not installed, 12 sync, 13 machine not fit, 14 over budget, 1"
        " other."
    ),
)


def _tell_version(asked: bool) -> None:
    if asked:
        say(f"cfedge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    if ctx.invoked_subcommand is None:
        for line in FIRST_STEPS.splitlines():
            say(line)


for group in (
    init,
    check,
    workshop,
    update,
    tasks,
    export,
    evidence,
    inspecting,
    evaluate,
    report,
    answer,
    drift,
    bench,
    serve,
    console,
    sync,
    generations,
    keys,
    publish,
    merge,
    study,
    demo,
    machine,
):
    group.register(app)


def _asked_for(words: list[str]) -> typer.Typer:
    """Return the commands with the one that `words` begin with alone, where they begin with one:
    typer builds every command that it is given, which takes longer than many of them.
    """
    name = words[0] if words else None
    one = copy.copy(app)
    one.registered_commands = [each for each in app.registered_commands if each.name == name]
    one.registered_groups = [each for each in app.registered_groups if each.name == name]
    return one if one.registered_commands or one.registered_groups else app


def _refusal(error: OSError) -> str | None:
    """Say what a disk refused to a package that cfedge uses; None where it was no disk."""
    if error.errno == errno.ENOENT and error.filename is None:  # `tempfile`: torch asks for one too
        return (
            f"could not make a temporary file: {error.strerror}; make room, or name a folder of"
            " another disk in TMPDIR"
        )
    step = _REFUSED.get(error.errno or 0)
    named = "a file" if error.filename is None else repr(str(error.filename)[:70])
    return step and f"could not use {named}: {error.strerror}; {step}"


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; a deliberate error becomes one line and its exit code."""
    prepare()
    asked = _asked_for(sys.argv[1:] if arguments is None else arguments)
    try:
        return asked(args=arguments, prog_name="cfedge", standalone_mode=True)
    except CfedgeError as error:
        say(f"cfedge: {' '.join(str(error).split())}", error=True)
        raise SystemExit(error.exit_code) from error
    except OSError as error:
        if (said := _refusal(error)) is None:
            raise
        say(f"cfedge: {said}", error=True)
        raise SystemExit(StorageError.exit_code) from error
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in WORKSHOP:
            raise
        say(f"cfedge: this command needs {error.name}: pip install 'cfedge[export]'", error=True)
        raise SystemExit(MissingExtraError.exit_code) from error
