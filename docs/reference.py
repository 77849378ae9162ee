"""Write docs/cli.md, the page of every command and option, from the commands themselves.

``--check`` only compares.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

import click
import typer

from cfedge.cli import app
from cfedge.cli.panels import PANELS

PAGE = Path(__file__).parent / "cli.md"
HEAD = """# Every command and option

`python docs/reference.py` writes this page from the commands; a test compares them. `cfedge COMMAND
--help` shows the same in the terminal. With `--json` a command prints JSON alone, so that programs
can read it.
"""


def page() -> str:
    """Return the whole of docs/cli.md."""
    root = typer.main.get_command(app)
    assert isinstance(root, click.Group)
    parts = [HEAD.strip("\n"), _prose(root.epilog or "")]
    for title, names in PANELS.items():
        parts.append(f"## {title}")
        for name in names:
            parts += _command(f"cfedge {name}", root.commands[name])
    return "\n\n".join(parts) + "\n"


def _command(path: str, command: click.Command) -> list[str]:
    """Return the paragraphs about one command, and about those of its group."""
    summary, *rest = (command.help or "").split("\n\n")
    parts = [f"### {path}", _prose(summary), *map(_prose, rest)]
    if command.epilog:
        parts.append(f"```sh\n{_example(command.epilog)}\n```")
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            parts += _command(f"{path} {name}", inner)
        return parts
    params = sorted(command.params, key=lambda one: not isinstance(one, click.Argument))
    rows = [_row(option, command, path) for option in params if option.name != "help"]
    return [*parts, "\n".join(["| option | what it is | default |", "|---|---|---|", *rows])]


def _example(epilog: str) -> str:
    return "\n".join(
        part.strip() for part in epilog.removeprefix("Example: ").split("; or ") if part
    )


def _row(option: click.Parameter, command: click.Command, path: str) -> str:
    ctx = click.Context(command, info_name=path)
    record = option.get_help_record(ctx)
    assert record is not None, f"{path}: {option.name} has no help"
    name, text = record
    text, _, extra = text.removesuffix("]").partition("[")
    default = re.search(r"default: \(?([^;)]*)", extra)
    told = default[1] if default else "required" if option.required else ""
    name, text = (" ".join(part.split()).replace("|", "\\|") for part in (name, text))
    return f"| `{name}` | {text} | {told} |"


def _prose(text: str) -> str:
    told = " ".join(text.split())
    return textwrap.fill(told, 100, break_long_words=False, break_on_hyphens=False)


def main() -> int:
    """Write the page, or compare it."""
    wanted = page()
    if "--check" in sys.argv:
        same = PAGE.is_file() and PAGE.read_text("utf-8") == wanted
        print("same" if same else "docs/cli.md differs: run python docs/reference.py")
        return int(not same)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
