"""docs/serving.md says what the code does: its limits, its metrics, and a program that runs."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from made import make_texts

from cfedge import Engine
from cfedge.serve.limits import Limits
from cfedge.serve.meters import Meters
from cfedge.serve.pool import Pool

DOC = (Path(__file__).parent.parent / "docs" / "serving.md").read_text("utf-8")
#: Made by the server rather than by its meters.
_SERVER = {"cfedge_body_bytes", "cfedge_sessions"}


def test_every_limit_is_listed_with_its_value() -> None:
    listed = {
        name: float(value.replace(",", ""))
        for name, value in re.findall(r"^\| `(\w+)`[^|]*\| ([\d,]+) \|", DOC, re.M)
    }
    assert listed == dataclasses.asdict(Limits())


def test_every_metric_is_listed() -> None:
    kinds = re.findall(r"^# TYPE (\w+) (\w+)$", Meters(Pool(1, 1)).exposition().decode(), re.M)
    made = {
        name for name, _ in kinds if name.startswith("cfedge_") and not name.endswith("_created")
    }
    assert set(re.findall(r"`(cfedge_\w+)`", DOC.partition("**Metrics**")[2])) == made | _SERVER


def test_the_program_runs_and_refuses_what_does_not_fit(tiny_bundle: Path) -> None:
    space: dict[str, Any] = {}
    program = re.findall(r"```python\n(.*?)```", DOC, re.S)
    assert len(program) == 1
    exec(program[0], space)
    texts = [text for text, _ in make_texts("colors", 3, 0)]

    async def run() -> list[Any]:
        answers = space["Answers"](str(tiny_bundle), workers=1, waiting=1)
        following = asyncio.create_task(answers.follow(0.001))
        found = await asyncio.gather(
            *(answers.predict(texts) for _ in range(4)), return_exceptions=True
        )
        await asyncio.sleep(0.01)
        following.cancel()
        return found

    found = asyncio.run(run())
    expected = [replace(one, ms=0) for one in Engine.open(tiny_bundle).predict(texts)]
    assert [[replace(one, ms=0) for one in answer] for answer in found[:2]] == [expected] * 2
    assert [str(error) for error in found[2:]] == ["too much to do"] * 2
