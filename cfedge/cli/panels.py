"""The commands by role, and what `cfedge` says when it is asked nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from cfedge.cli.streams import guarded
from cfedge.kinds import DEFAULT_KIND
from cfedge.printable import in_a_line

if TYPE_CHECKING:
    import click  # newer typers bring their own, and do without this package

__all__ = ["FIRST_STEPS", "PANELS", "Panels", "SectionedCommand"]

#: Every command stands in one panel, in the order in which somebody comes to need it.
PANELS: dict[str, tuple[str, ...]] = {
    "Teach": (
        "demo",
        "init",
        "check",
        "add",
        "update",
        "rename",
        "join",
        "split",
        "remove",
        "compare",
    ),
    "Look": ("console", "report", "list", "inspect", "evaluate", "drift"),
    "Deploy": ("export", "predict", "serve", "sync", "generations", "rollback"),
    "Publish": ("keys", "publish", "rollout", "withdraw", "renew", "merge"),
    "Machine": ("doctor", "devices", "bench"),
}

#: Words that people try, and the command that does what they mean.
_MEANT = {
    "teach": "add",
    "train": "add",
    "fit": "add",
    "learn": "add",
    "test": "evaluate",
    "run": "predict",
    "infer": "predict",
    "classify": "predict",
    "start": "init",
    "create": "init",
    "upload": "publish",
    "push": "publish",
    "pull": "sync",
    "download": "sync",
    "delete": "remove",
}

FIRST_STEPS = f"""\
cfedge teaches a deployed model new tasks without the data of the old ones.

See everything at work, on built-in data, in some minutes:

  cfedge demo

Or teach a task of your own, from a file with the columns {DEFAULT_KIND},label:

  cfedge init ws                              prepare the encoder, once
  cfedge add ws billing --data billing.csv    learn the task
  cfedge export ws bundle                     write what a device answers from
  cfedge predict bundle "where is my invoice"

For pictures: cfedge init ws --backbone lite0, and a folder for each label.

All commands: cfedge --help. What one does: cfedge add --help.
"""


@contextlib.contextmanager
def _in_a_line() -> Iterator[None]:
    """Let errors of usage repeat arguments as `cfedge.errors` do; click repeats them as they are."""
    try:
        yield
    except Exception as error:
        said = getattr(error, "message", None)
        if isinstance(said, str):  # of click, or of what typer has in its place
            error.__dict__["message"] = in_a_line(said)
        raise


class Panels(TyperGroup):
    """A group whose help lists its commands by role, and whose output may have no reader or no
    room: click would end with 1 where the reader is gone.
    """

    def make_context(self, *rest: Any, **more: Any) -> click.Context:
        """Parse the arguments, and print the help that they may ask for."""
        with guarded(), _in_a_line():
            return super().make_context(*rest, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with guarded(), _in_a_line():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; where there is none of that name, name the one that does what it says."""
        meant = _MEANT.get(args[0].lower()) if args and args[0] not in self.commands else None
        if meant in self.commands:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {meant!r}?")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of their panels; what is in none comes last."""
        placed = [name for names in PANELS.values() for name in names if name in self.commands]
        return placed + sorted(set(self.commands) - set(placed))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section a panel, each command with the first line of its help."""
        for title, names in PANELS.items():
            shown = [name for name in names if name in self.commands]
            with formatter.section(title):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(80)) for name in shown],
                    col_max=11,
                )


class SectionedCommand(TyperCommand):
    """A command whose help shows the options of each ``rich_help_panel`` under that heading, last:
    typer does so with markup alone.
    """

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the arguments, the options, and the options that have a heading of their own."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in self.get_params(ctx):
            usual = "Arguments" if param.param_type_name == "argument" else "Options"
            record = param.get_help_record(ctx)
            if record is not None:
                heading = getattr(param, "rich_help_panel", None) or usual
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)
