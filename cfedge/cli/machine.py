"""doctor, devices: what this machine is fit for, and what is known of boards. Nothing here imports
numpy or ONNX Runtime.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.show import print_json, print_table, say

if TYPE_CHECKING:
    from cfedge.device import Profile

__all__ = ["register"]

JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("doctor", epilog="Example: cfedge doctor bundle --profile rpi-5")(doctor)
    app.command("devices", epilog="Example: cfedge devices rpi-5")(devices)


def doctor(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            metavar="[BUNDLE]", help="Bundle to open as well; all its golden vectors are answered."
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Board (see cfedge devices) that this machine should be.")
    ] = None,
    json: JSON = False,
) -> None:
    """Check whether this machine is fit.

    What may crash is tried in a child process. The exit code is 13 where a check fails.
    """
    from cfedge.doctor import examine, require_fit

    report = examine(bundle, profile=profile)
    if json:
        print_json({"fit": report.fit, **dataclasses.asdict(report)})
    else:
        name = report.board.model or report.board.cpu or report.board.machine
        print_table(
            f"{name}: {'fit for cfedge' if report.fit else 'not fit for cfedge'}",
            ("check", "status", "found", "what to do"),
            [
                (
                    check.name,
                    check.status,
                    check.found,
                    "" if check.next is None else f"expected {check.expected}; {check.next}",
                )
                for check in report.checks
            ],
        )
    require_fit(report)


def devices(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Name of the board; without it all are listed."),
    ] = None,
    json: JSON = False,
) -> None:
    """List the known boards.

    With a name, that board is explained: each figure with its source, and whether this machine is
    such a board.
    """
    from cfedge.device import contradictions, profiles, this_board
    from cfedge.errors import UsageError

    known, board = profiles(), this_board()
    if name is not None and name not in known:
        raise UsageError(
            f"profile: expected one of {', '.join(known)}, found {name!r}; list them with: cfedge"
            " devices"
        )
    shown = list(known.values()) if name is None else [known[name]]
    differences = {profile.name: contradictions(profile, board) for profile in shown}
    if json:
        documents = [
            {
                **dataclasses.asdict(profile),
                "this_machine": not differences[profile.name],
                "contradictions": differences[profile.name],
            }
            for profile in shown
        ]
        print_json(documents if name is None else documents[0])
    elif name is None:
        _show_all(shown, differences)
    else:
        _explain(shown[0], differences[name])


def _show_all(shown: list[Profile], differences: Mapping[str, Sequence[str]]) -> None:
    print_table(
        f"{len(shown)} boards; explain one with: cfedge devices NAME",
        (
            "name",
            "board",
            "support",
            "machine",
            "cores",
            "memory",
            "threads",
            "budget",
            "p50",
            "this machine",
        ),
        [
            (
                profile.name,
                profile.title,
                profile.support,
                profile.machine,
                profile.cores.value if profile.cores else None,
                _sizes(profile),
                profile.threads.value,
                f"{profile.memory_budget_bytes.value >> 20} MiB",
                _latency(profile),
                "no" if differences[profile.name] else "yes",
            )
            for profile in shown
        ],
    )


def _explain(profile: Profile, differences: Sequence[str]) -> None:
    print_table(
        f"{profile.name}: {profile.title} ({profile.support})",
        ("what", "value", "source"),
        _explained(profile),
    )
    if profile.note:
        say(f"note: {profile.note}")
    for line in differences:
        say(f"this machine is not one: {line}")


def _explained(profile: Profile) -> list[tuple[str, Any, str]]:
    rows: list[tuple[str, Any, str]] = [
        (
            "machine",
            f"{profile.system or 'any system'} on {profile.machine}",
            "as Python's platform spells it",
        )
    ]
    if profile.model:
        rows.append(("name", f"contains {profile.model}", "as the kernel names the board"))
    if profile.cores:
        rows.append(("cores", profile.cores.value, profile.cores.source))
    if profile.memory_mib:
        rows.append(("memory as sold", _sizes(profile), profile.memory_mib.source))
    if profile.flags:
        rows.append(("CPU flags", " ".join(profile.flags.value.present), profile.flags.source))
        if profile.flags.value.absent:
            rows.append(
                ("CPU flags it has not", " ".join(profile.flags.value.absent), profile.flags.source)
            )
    rows.append(("threads", profile.threads.value, profile.threads.source))
    rows.append(
        (
            "memory of one engine",
            f"{profile.memory_budget_bytes.value >> 20} MiB",
            profile.memory_budget_bytes.source,
        )
    )
    rows.append(
        (
            "one input, p50",
            _latency(profile),
            profile.latency_ms.source
            if profile.latency_ms
            else "nobody has reported it: cfedge bench",
        )
    )
    return rows


def _sizes(profile: Profile) -> str | None:
    return " / ".join(map(str, profile.memory_mib.value)) + " MiB" if profile.memory_mib else None


def _latency(profile: Profile) -> str:
    return f"{profile.latency_ms.value:g} ms" if profile.latency_ms else "unmeasured"
