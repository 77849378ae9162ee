"""Write docs/cli.md, the page of every command and option, from the commands themselves, and
docs/api/README.md, what is imported from `cfedge`, from the docstrings.

``--check`` only compares.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import typer

import cfedge
from cfedge.cli import app
from cfedge.cli.panels import PANELS

DOCS = Path(__file__).parent
#: What is imported from `cfedge`: name -> its page.
API = {"Workspace": "workspace.md", "Engine": "engine.md", "Prediction": "prediction.md",
       "Session": "session.md", "CfedgeError": "errors.md"}  # fmt: skip
API_HEAD = """# API

Everything here is imported from `cfedge`. Teaching needs the extras `train` and `export`; answering
needs none of them. `python docs/reference.py` writes this page: each call with the first lines of
its docstring. The whole docstrings, with parameters and errors, stand in the source, on the site
(`make site`), and in `help(cfedge.Engine)`.

Inputs are counted from 0 in the messages of these calls and of `cfedge serve`, as in a list. The
commands count lines and inputs from 1.
"""
#: Where click begins to say of an option whether it is required, its default and its range.
_EXTRA = re.compile(r"\s*\[(?=default: |required|x[<>]|\d)")
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


def api() -> str:
    """Return the whole of docs/api/README.md."""
    return "\n\n".join([API_HEAD.strip("\n"), *(part for name in API for part in _of(name))]) + "\n"


def _of(name: str) -> Iterator[str]:
    """Give the paragraphs about one public class and its methods."""
    kind = getattr(cfedge, name)
    source = Path(inspect.getfile(kind)).relative_to(DOCS.parent).as_posix()
    yield f"## {name}"
    yield _prose(_first(kind))
    yield f"[{name} on the site]({API[name]}) \u00b7 [source](../../{source})"
    if rows := [*_attributes(kind)]:
        yield "\n".join(rows)
    for method, value in vars(kind).items():
        called = getattr(value, "__func__", value)
        if method.startswith("_") or not inspect.isfunction(called):
            continue
        parameters = [*inspect.signature(called).parameters.values()][1:]
        # Without types: those are in the source, and make a line that nobody reads.
        bare = [one.replace(annotation=inspect.Parameter.empty) for one in parameters]
        signature = str(inspect.Signature(bare)).replace("'", '"')
        yield f"```python\n{_wrapped(f'{name}.{method}{signature}')}\n```"
        yield _prose(_first(called))


def _attributes(kind: type) -> Iterator[str]:
    """Give a line of a list for each attribute that the class's docstring or a property tells of."""
    _, _, section = (inspect.getdoc(kind) or "").partition("Attributes\n----------\n")
    section = re.split(r"\n\w+\n-+\n", section)[0]
    for names, told in re.findall(r"^(\S.*)\n((?:    .*\n?)+)", section, re.MULTILINE):
        yield _item(names, told)
    for name, value in vars(kind).items():
        if isinstance(value, property) and not name.startswith("_"):
            yield _item(name, _first(value))


def _item(names: str, told: str) -> str:
    names = ", ".join(f"`{name}`" for name in names.split(", "))
    line = " ".join(f"- {names}: {told}".split())
    return textwrap.fill(line, 100, subsequent_indent="  ", break_on_hyphens=False)


def _first(documented: object) -> str:
    text = inspect.getdoc(documented)
    assert text, f"{documented} has no docstring"
    return text.split("\n\n")[0]


def _wrapped(call: str) -> str:
    return textwrap.fill(call, 100, subsequent_indent="    ", break_long_words=False)


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
    text, extra = (*_EXTRA.split(text.removesuffix("]"), maxsplit=1), "")[:2]
    default = re.search(r"default: \(?([^;)]*)", extra)
    told = default[1] if default else "required" if option.required else ""
    name, text = (" ".join(part.split()).replace("|", "\\|") for part in (name, text))
    return f"| `{name}` | {text} | {told} |"


def _prose(text: str) -> str:
    told = " ".join(text.split())
    return textwrap.fill(told, 100, break_long_words=False, break_on_hyphens=False)


def main() -> int:
    """Write the pages, or compare them."""
    wanted = {DOCS / "cli.md": page(), DOCS / "api" / "README.md": api()}
    if "--check" not in sys.argv:
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
        return 0
    differ = [
        f"docs/{path.relative_to(DOCS).as_posix()}"
        for path, text in wanted.items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]
    print(f"{', '.join(differ)} differ: run python docs/reference.py" if differ else "same")
    return int(bool(differ))


if __name__ == "__main__":
    raise SystemExit(main())
