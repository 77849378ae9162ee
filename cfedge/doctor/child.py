"""Run the trial in a child and say how it went, also where the child can no longer say it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfedge.doctor.trial import MARK, STAGES

__all__ = ["Trial", "read_trial", "try_out"]

#: What the kernel means by a signal, for the sentence.
_SIGNALS = {
    "SIGILL": "an illegal instruction", "SIGSEGV": "a wild memory access", "SIGBUS": "a bad memory access",
    "SIGABRT": "an abort", "SIGFPE": "an arithmetic trap", "SIGKILL": "killed, most likely for want of memory",
    "SIGSYS": "a forbidden system call",
}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What a child process did.

    Attributes
    ----------
    done
        Stages that ended well, in order (`cfedge.doctor.trial.STAGES`).
    stopped
        The stage in which it stopped; None where all ended well.
    how
        How it stopped: "died with SIGILL (an illegal instruction)", "did not answer within 120 s",
        "ImportError: ...".
    signal
        The name of the signal, where it was one.
    numpy, onnxruntime
        Versions imported.
    exact_8_bit, exact_7_bit
        Whether int8 products with weights of so many bits are exact.
    exported_with
        The ONNX Runtime of the workshop, by the bundle; known as soon as it is read.
    tasks, cosine, peak_bytes
        Of the bundle: tasks answered, smallest cosine with the workshop's features, peak memory of
        the process.
    """

    done: tuple[str, ...]
    stopped: str | None = None
    how: str | None = None
    signal: str | None = None
    numpy: str | None = None
    onnxruntime: str | None = None
    exact_8_bit: bool | None = None
    exact_7_bit: bool | None = None
    exported_with: str | None = None
    tasks: int | None = None
    cosine: float | None = None
    peak_bytes: int | None = None


def try_out(bundle: Path | None, *, timeout_s: float) -> Trial:
    """Run the trial in a new process and wait for it at most `timeout_s` seconds."""
    program = "from cfedge.doctor.trial import main; main()"
    command = [sys.executable, "-c", program, *([str(bundle)] if bundle else [])]
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "PYTHONSAFEPATH": "1"}
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as late:
        return read_trial(_decode(late.stdout), _decode(late.stderr), None, timeout_s=timeout_s)
    except OSError as error:
        return Trial((), STAGES[0], f"could not be started: {error.strerror or error}")
    return read_trial(
        _decode(ended.stdout), _decode(ended.stderr), ended.returncode, timeout_s=timeout_s
    )


def read_trial(output: str, errors: str, status: int | None, *, timeout_s: float) -> Trial:
    """Read what a child left behind.

    Parameters
    ----------
    output, errors
        Its two streams; lines of others in between are skipped.
    status
        Its exit status, below 0 the signal that ended it; None where it was stopped for being late.
    """
    lines = [_parsed(line) for line in output.splitlines() if line.startswith(MARK)]
    done = {str(line["done"]): line for line in lines if line.get("done") in STAGES}
    begun = [str(line["begin"]) for line in lines if line.get("begin") in STAGES]
    failed = next((line for line in lines if line.get("failed") in STAGES), None)
    stopped = (
        str(failed["failed"])
        if failed
        else next((name for name in begun if name not in done), None)
    )
    name = None
    if failed:
        how: str | None = f"{failed.get('kind')}: {failed.get('message')}"
    elif status is None:
        stopped, how = stopped or STAGES[0], f"did not answer within {timeout_s:.0f} s"
    elif status:
        name = _signal_name(status)
        last = (errors.strip().splitlines() or [""])[-1].strip()[:200]
        meaning = _SIGNALS.get(name or "")
        how = (
            f"died with {name}{f' ({meaning})' if meaning else ''}"
            if name
            else f"ended with status {status}"
        )
        how += f", its last words: {last}" if last else ""
        stopped = stopped or (begun[-1] if begun else STAGES[0])
    else:
        how = None if stopped is None and begun else "ended without a word"
        stopped = None if how is None else stopped or STAGES[0]
    int8, bundle = done.get("int8", {}), done.get("bundle", {})
    return Trial(
        done=tuple(stage for stage in STAGES if stage in done),
        stopped=stopped,
        how=how,
        signal=name,
        numpy=done.get("numpy", {}).get("version"),
        onnxruntime=done.get("onnxruntime", {}).get("version"),
        exact_8_bit=int8.get("exact_8_bit"),
        exact_7_bit=int8.get("exact_7_bit"),
        exported_with=next(
            (line["onnxruntime"] for line in lines if line.get("read") == "bundle"), None
        ),
        tasks=bundle.get("tasks"),
        cosine=bundle.get("cosine"),
        peak_bytes=bundle.get("peak_bytes"),
    )


def _parsed(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line[len(MARK) :])
    except ValueError:  # cut short by a death
        return {}
    return value if isinstance(value, dict) else {}


def _signal_name(status: int) -> str | None:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return None


def _decode(stream: bytes | str | None) -> str:
    return stream.decode("utf-8", "replace") if isinstance(stream, bytes) else stream or ""
