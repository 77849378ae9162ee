from __future__ import annotations

import os
from pathlib import Path

import pytest
from every import cases, every


def test_every_case_that_fails_is_listed_by_its_name_and_none_is_a_failure_too() -> None:
    def check(number: int) -> None:
        assert number % 2 == 0
        with pytest.raises(ZeroDivisionError):
            1 / number

    every([("zero", 0)], check)
    with pytest.raises(AssertionError) as caught:
        every([("zero", 0), ("odd", 1), ("even", 2)], check)
    first, *rest = str(caught.value).splitlines()
    assert first == "2 of 3 cases fail"
    assert [line.split(":")[:2] for line in rest] == [
        ["odd", " AssertionError"],
        ["even", " Failed"],
    ]
    with pytest.raises(AssertionError, match="0 of 0"):
        every([], check)


def test_cases_are_tried_as_one_test_with_its_fixtures() -> None:
    @cases("number, half", [(2, 1), (4, 2), (5, 3)])
    def halves(number: int, half: int, fixture: str) -> None:
        assert number == 2 * half, fixture

    with pytest.raises(AssertionError, match=r"1 of 3 cases fail\n\(5, 3\): AssertionError: here"):
        halves(fixture="here")


def test_every_case_has_a_folder_of_its_own_and_what_it_patches_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    @cases("number", [1, 2])
    def tried(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "CFEDGE_CASE" not in os.environ
        monkeypatch.setenv("CFEDGE_CASE", str(number))
        assert not list(tmp_path.iterdir())
        (tmp_path / "left").touch()
        seen.append(tmp_path)

    tried(tmp_path=tmp_path, monkeypatch=monkeypatch)
    assert len(set(seen)) == 2
    assert "CFEDGE_CASE" not in os.environ
