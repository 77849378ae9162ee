"""A request's body -> the inputs that are asked about. Pure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from cfedge.errors import InputError, UsageError
from cfedge.inputs.modality import Input, Modality
from cfedge.inputs.several import json_kind
from cfedge.runtime.engine import Engine
from cfedge.runtime.prediction import Prediction
from cfedge.serve.limits import Limits
from cfedge.values import json_fault

__all__ = ["Asked", "check_top", "read_request"]


class Asked(NamedTuple):
    """Inputs, the task where it is known, whether one input was asked about by itself, and what is
    wanted beside the ordinary answers (`Engine.predict`).
    """

    inputs: list[Input]
    task: str | None
    single: bool
    top: int | None = None
    coverage: float | None = None

    def answered(self, engine: Engine) -> list[Prediction]:
        """Return the engine's answers; for errors see `Engine.predict`."""
        return engine.predict(self.inputs, task=self.task, top=self.top, coverage=self.coverage)


def read_request(body: bytes, modality: Modality, limits: Limits) -> Asked:
    """Read a JSON body: ``{NOUN: ...}``, by the kind's name, or ``{"inputs": [...]}``.

    Raises
    ------
    UsageError
        It is no such JSON.
    InputError
        It is, and asks for too much; what an input must be else is for the engine.
    """
    noun = modality.noun
    expected = (
        f'expected {{"{noun}": ...}} or {{"inputs": [..., ...]}}, "task" where it is known, "top" and'
        ' "coverage" where they are wanted'
    )
    try:
        content = json.loads(
            body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:  # also of bytes that are not UTF-8
        raise UsageError(f"body: {expected}, found no JSON: {json_fault(error)}") from error
    if not isinstance(content, dict):
        raise UsageError(f"body: {expected}, found {json_kind(content)}")
    if odd := sorted(set(content) - {noun, "inputs", "task", "top", "coverage"}):
        raise UsageError(f"body: {expected}, found the key {odd[0][:40]!r}")
    task = content.get("task")
    if not (task is None or isinstance(task, str)):
        raise UsageError(f"task: expected a name, found {json_kind(task)}")
    top, coverage = content.get("top"), content.get("coverage")
    if isinstance(top, float) and top.is_integer():
        top = int(top)  # JSON has numbers alone: 2.0 is 2
    if not (top is None or type(top) is int):
        raise UsageError(f"top: expected a whole number, found {json_kind(top)}")
    if not (coverage is None or type(coverage) in (int, float)):
        raise UsageError(f"coverage: expected a number, found {json_kind(coverage)}")
    check_top(top, limits)
    if (noun in content) == ("inputs" in content):
        stated = "both" if noun in content else "neither"
        raise UsageError(f"body: {expected}, found {stated} of {noun} and inputs")
    single = noun in content
    values = [content[noun]] if single else content["inputs"]
    if not isinstance(values, list):
        raise UsageError(f"inputs: expected an array, found {json_kind(values)}")
    if len(values) > limits.inputs:
        raise InputError(
            f"inputs: expected at most {limits.inputs} in one request, found {len(values)}; ask in"
            " several"
        )
    inputs = [modality.parse(value, f"input {position}") for position, value in enumerate(values)]
    return Asked(inputs, task, single, top, coverage)


def check_top(top: int | None, limits: Limits) -> None:
    """Refuse to name more answers than the server does.

    Raises
    ------
    InputError
    """
    if top is not None and top > limits.top:
        raise InputError(f"top: expected at most {limits.top}, found {top!s:.20}; ask for fewer")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key that comes twice")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name}, which is no JSON")
