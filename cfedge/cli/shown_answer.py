"""How `cfedge predict` shows an answer, or why there is none: a sentence, or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfedge.cli.show import print_json, say
from cfedge.printable import in_a_line

__all__ = ["doubt", "show_answer", "show_refusal"]


def show_refusal(message: str, number: int, *, lines: bool, json: bool) -> None:
    """Show why a word of the command line, or a line of standard input, has no answer."""
    if json:
        print_json({"error": message, "line" if lines else "input": number})
    else:
        say(f"cfedge: {message}", error=True)


def show_answer(name: str, answer: Mapping[str, Any], *, json: bool) -> None:
    """Show the answer to the input that is called `name`, on one line."""
    if json:
        print_json(answer)
        return
    where = f"{answer['task']}/{answer['label']}"
    rival = (
        f"margin {answer['margin']:.1f} over {answer['runner_up']}"
        if answer["runner_up"]
        else "the only task"
    )
    # A probability supposes that the input is of one of the tasks.
    unknown = answer["unknown"]
    verdict = (
        f"unknown: {answer['reason']}; closest is {where}"
        if unknown
        else f"{doubt(answer['probability'])}{where} ({answer['probability']:.0%})"
    )
    others = "".join(f", then {_named(one, unknown)}" for one in answer.get("top", ())[1:])
    stream = f", {answer['posterior']:.0%} by the stream" if "posterior" in answer else ""
    say(
        f"{in_a_line(name)}: {verdict}{others}{_set(answer)}; {rival}{stream}, {answer['ms']:.1f} ms"
    )


def doubt(probability: float) -> str:
    """Return the words before an answer that is more likely wrong than right."""
    return "not sure: " if probability < 0.5 else ""


def _set(answer: Mapping[str, Any]) -> str:
    if "label_set" not in answer:
        return ""
    names = ", ".join(_named(one, unknown=True) for one in answer["label_set"])
    supposed = ", if it is of a task" if answer["unknown"] else ""
    return f"; {answer['coverage'] * 100:g}% set{supposed}: {names}"


def _named(choice: Mapping[str, Any], unknown: bool) -> str:
    where = f"{choice['task']}/{choice['label']}"
    return where if unknown else f"{where} ({choice['probability']:.0%})"
