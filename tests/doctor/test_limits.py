from __future__ import annotations

import re
from pathlib import Path

from every import cases

from cfedge.doctor.limits import Limits, version_of

ROOT = Path(__file__).parents[2]


@cases(
    ("text", "numbers"), [("1.28.0", (1, 28, 0)), ("1.28.0rc1", (1, 28, 0)), ("3.15.0a1+local", (3, 15, 0)), ("2.36", (2, 36)), ("dev", ()), ("", ())]
)  # fmt: skip
def test_a_version_is_its_leading_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert version_of(text) == numbers


def test_the_range_is_that_of_pyproject_and_holds_what_is_pinned() -> None:
    limits = Limits()
    project, pins = (
        (ROOT / "pyproject.toml").read_text("utf-8"),
        (ROOT / "constraints.txt").read_text("utf-8"),
    )
    floor = re.search(r'"onnxruntime>=([0-9.]+)"', project)
    python = re.search(r'requires-python = ">=([0-9.]+)"', project)
    assert floor
    assert python
    assert limits.onnxruntime_oldest.startswith(floor[1])
    assert limits.python_oldest == version_of(python[1])
    for pinned in re.findall(r"^onnxruntime==([0-9.]+)", pins, re.MULTILINE):
        assert (
            version_of(limits.onnxruntime_oldest)
            <= version_of(pinned)
            <= version_of(limits.onnxruntime_newest)
        )


def test_what_is_good_is_more_than_what_is_least() -> None:
    limits = Limits()
    assert limits.memory_good_bytes > limits.memory_least_bytes
    assert limits.disk_good_bytes > limits.disk_least_bytes
    assert limits.bundle_timeout_s > limits.start_timeout_s
