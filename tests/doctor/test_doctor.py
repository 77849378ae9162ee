from __future__ import annotations

from pathlib import Path

import pytest
from boards.fake import load

from cfedge.doctor import Limits, Report, examine, require_fit
from cfedge.doctor.checks import judge
from cfedge.errors import MachineError, UsageError


def _report(name: str, folder: Path) -> Report:
    fake = load(name, folder)
    return Report(
        fake.board,
        fake.host,
        fake.trial,
        tuple(judge(fake.board, fake.host, fake.trial, limits=Limits())),
    )


def test_this_machine_is_examined() -> None:
    report = examine()
    assert report.fit
    require_fit(report)


def test_an_unfit_machine_is_an_error_that_names_the_first_fault_and_counts_the_others(
    tmp_path: Path,
) -> None:
    report = _report("alpine", tmp_path)
    assert not report.fit
    with pytest.raises(MachineError) as refusal:
        require_fit(report)
    assert refusal.value.exit_code == 13
    sentence = str(refusal.value)
    assert sentence.startswith(
        "libc: expected glibc >= 2.27, or macOS >= 13: there is no wheel of ONNX Runtime for"
        " others, found musl; use a system"
    )
    assert sentence.endswith("(and 3 more: onnxruntime, import, int8)")


def test_warnings_leave_a_machine_fit(tmp_path: Path) -> None:
    report = _report("rpi-3b", tmp_path)
    assert {check.status for check in report.checks} == {"ok", "warn"}
    require_fit(report)


def test_an_unknown_profile_is_refused_before_anything_is_tried() -> None:
    with pytest.raises(
        UsageError,
        match=(
            r"^profile: expected one of apple-m, .*, found 'pi'; they are explained by: cfedge"
            r" devices$"
        ),
    ):
        examine(profile="pi", limits=Limits(start_timeout_s=0.0))
