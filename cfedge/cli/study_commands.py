"""The commands that make and ship the model that `compare` recommends."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path

from cfedge.train.settings import OF_ADAPTERS, Settings

__all__ = ["commands"]

#: Of settings that `add` calls otherwise, their option.
_OPTIONS = {"held_out": "--share"}
#: What `--head-only` and `--train` say, and what changes no byte.
_UNSAID = ("method", "threads")


def commands(
    data: Path,
    tasks: int | None,
    backbone: Mapping[str, object],
    settings: Settings,
    lookup: str,
    adapters: bool,
) -> list[str]:
    """Return the command lines, ready to paste.

    Parameters
    ----------
    data, tasks
        As `compare` was given them. Where it drew the tasks itself there is no file of each, and
        the line that adds one has words in capitals to replace.
    backbone
        The options of `compare` that `init` has too, by name; None: not given.
    settings
        Those that differ from the defaults are named.
    lookup, adapters
        Of the model: what finds the task, and whether its tasks have adapters.
    """
    init = ["cfedge", "init", "ws"]
    for name, value in backbone.items():
        if value is not None:
            init += [f"--{name.replace('_', '-')}", str(value)]
    where = ["--data", str(data)] if tasks is None else ["TASK", "--data", "FILE"]
    add = ["cfedge", "add", "ws", *where, "--train" if adapters else "--head-only"]
    usual = Settings()
    for field in dataclasses.fields(Settings):
        value = getattr(settings, field.name)
        idle = not adapters and field.name in OF_ADAPTERS
        if idle or field.name in _UNSAID or value == getattr(usual, field.name):
            continue
        option = _OPTIONS.get(field.name, f"--{field.name.replace('_', '-')}")
        add += [option] if value is True else [option, str(value)]
    export = ["cfedge", "export", "ws", "bundle", "--lookup", lookup]
    return [shlex.join(line) for line in (init, add, export)]
