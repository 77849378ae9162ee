"""doctor, devices: what this machine is fit for, and what is known of boards. Nothing here imports
numpy or ONNX Runtime.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfedge.cli.show import print_json, print_table

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
        typer.Argument(metavar="[BUNDLE]", help="Also open it and answer all its golden vectors."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="A board of devices/ that this machine should be.")
    ] = None,
    json: JSON = False,
) -> None:
    """Check this machine: what may crash is tried in a child process. The exit code is 13 where a
    check fails.
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
                    one.name,
                    one.status,
                    one.found,
                    "" if one.next is None else f"expected {one.expected}; {one.next}",
                )
                for one in report.checks
            ],
        )
    require_fit(report)


def devices(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Without it: all of them, one a line.")
    ] = None,
    json: JSON = False,
) -> None:
    """List the boards that are known, or explain one: each figure with its source, and whether this
    machine is one.
    """
    from cfedge.device import contradictions, here, profiles
    from cfedge.errors import UsageError

    known, board = profiles(), here()
    if name is not None and name not in known:
        raise UsageError(
            f"profile: expected one of {', '.join(known)}, found {name!r}; list them with: cfedge"
            " devices"
        )
    shown = list(known.values()) if name is None else [known[name]]
    against = {one.name: contradictions(one, board) for one in shown}
    if json:
        documents = [
            {
                **dataclasses.asdict(one),
                "this_machine": not against[one.name],
                "contradictions": against[one.name],
            }
            for one in shown
        ]
        print_json(documents if name is None else documents[0])
        return
    if name is None:
        print_table(
            f"{len(shown)} boards; explain one with: cfedge devices NAME",
            ("name", "board", "support", "machine", "cores", "memory", "threads", "budget", "p50", "this machine"),
            [
                (
                    one.name, one.title, one.support, one.machine, one.cores.value if one.cores else None, _sizes(one),
                    one.threads.value, f"{one.memory_budget_bytes.value >> 20} MiB", _latency(one),
                    "no" if against[one.name] else "yes",
                )
                for one in shown
            ],
        )  # fmt: skip
        return
    one = shown[0]
    print_table(
        f"{one.name}: {one.title} ({one.support})", ("what", "value", "source"), _explained(one)
    )
    for line in ([f"note: {one.note}"] if one.note else []) + [
        f"this machine is not one: {line}" for line in against[one.name]
    ]:
        print(line)


def _explained(one: Profile) -> list[tuple[str, Any, str]]:
    rows: list[tuple[str, Any, str]] = [
        (
            "machine",
            f"{one.system or 'any system'} on {one.machine}",
            "as Python's platform spells it",
        )
    ]
    if one.model:
        rows.append(("name", f"contains {one.model}", "as the kernel names the board"))
    if one.cores:
        rows.append(("cores", one.cores.value, one.cores.source))
    if one.memory_mib:
        rows.append(("memory as sold", _sizes(one), one.memory_mib.source))
    if one.flags:
        rows.append(("CPU flags", " ".join(one.flags.value.present), one.flags.source))
        if one.flags.value.absent:
            rows.append(
                ("CPU flags it has not", " ".join(one.flags.value.absent), one.flags.source)
            )
    rows.append(("threads", one.threads.value, one.threads.source))
    rows.append(
        (
            "memory of one engine",
            f"{one.memory_budget_bytes.value >> 20} MiB",
            one.memory_budget_bytes.source,
        )
    )
    rows.append(
        (
            "one text, p50",
            _latency(one),
            one.latency_ms.source if one.latency_ms else "nobody has reported it: cfedge bench",
        )
    )
    return rows


def _sizes(one: Profile) -> str | None:
    return " / ".join(map(str, one.memory_mib.value)) + " MiB" if one.memory_mib else None


def _latency(one: Profile) -> str:
    return f"{one.latency_ms.value:g} ms" if one.latency_ms else "unmeasured"
