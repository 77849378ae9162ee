"""What the library says to people at a command line, in the words of a page where a person clicks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from cfedge.console.wording import STEPS, in_console

ROOT = Path(__file__).parents[2]


def said() -> list[str]:
    """Every string of the library, values in it written as {}."""
    found = []
    for path in [*(ROOT / "cfedge").rglob("*.py"), *(ROOT / "export").rglob("*.py")]:
        if path.relative_to(ROOT).parts[1] == "console":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(
                        str(one.value) if isinstance(one, ast.Constant) else "{}"
                        for one in node.values
                    )
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_every_step_that_is_put_in_other_words_is_one_that_the_library_says() -> None:
    """Else the words of the library changed, and a person would read of options again."""
    strings = [one for one in said() if "--" in one or "cfedge " in one]
    assert [step for step in STEPS if not any(re.search(step, one) for one in strings)] == []
    for step, here in STEPS.items():
        assert "--" not in here
        (one, *_) = (string for string in strings if re.search(step, string))
        assert re.search(step, in_console(one)) is None


def test_a_step_that_the_console_has_none_for_says_where_it_is_done() -> None:
    told = in_console(
        "repo: expected a rollout, found none; begin one with: cfedge publish --rollout"
    )
    assert told == (
        "repo: expected a rollout, found none; this console cannot do it, the command line can:"
        " begin one with: cfedge publish --rollout"
    )
    for fine in (
        "label: expected text, found nothing; type one",
        "review: expected kept inputs, found none; start the console with --keep DIR",
        "no step -- and no option",
    ):
        assert in_console(fine) == fine
