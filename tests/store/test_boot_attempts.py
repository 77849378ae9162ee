"""Starts of a generation that has yet to open are counted on the disk before they go on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from powercut import Disk, refusing

from cfedge.errors import StorageError
from cfedge.store.boot_attempts import MAX_STARTS, BootAttempts


@pytest.fixture
def attempts(tmp_path: Path) -> BootAttempts:
    return BootAttempts(tmp_path)


def test_a_generation_that_nobody_expects_anything_of_is_neither_pending_nor_failed(
    attempts: BootAttempts, tmp_path: Path
) -> None:
    for _ in range(MAX_STARTS):
        attempts.start(1)
    assert (attempts.pending(1), attempts.failed(1)) == (False, False)
    assert list(tmp_path.iterdir()) == []


def test_a_generation_fails_with_its_last_start_and_not_before(attempts: BootAttempts) -> None:
    attempts.expect(1)
    for _ in range(MAX_STARTS):
        assert (attempts.pending(1), attempts.failed(1)) == (True, False)
        attempts.start(1)
    assert (attempts.pending(1), attempts.failed(1)) == (True, True)


def test_a_generation_that_opens_in_its_last_start_has_passed_for_good(
    attempts: BootAttempts,
) -> None:
    attempts.expect(1)
    for _ in range(MAX_STARTS):
        attempts.start(1)
    attempts.passed(1)
    assert (attempts.pending(1), attempts.failed(1)) == (False, False)
    attempts.start(1)
    assert not attempts.pending(1)


def test_each_generation_is_counted_on_its_own(attempts: BootAttempts) -> None:
    attempts.expect(1)
    attempts.expect(11)
    for _ in range(MAX_STARTS):
        attempts.start(11)
    assert (attempts.failed(1), attempts.failed(11)) == (False, True)


def test_a_number_that_is_used_again_begins_at_nothing(attempts: BootAttempts) -> None:
    attempts.expect(1)
    for _ in range(MAX_STARTS):
        attempts.start(1)
    attempts.expect(1)
    assert (attempts.pending(1), attempts.failed(1)) == (True, False)


def test_the_counters_of_generations_that_are_no_more_go(
    attempts: BootAttempts, tmp_path: Path
) -> None:
    for number in (1, 2, 10):
        attempts.expect(number)
    attempts.keep([2, 3])
    assert [path.name for path in tmp_path.iterdir()] == ["2"]
    attempts.forget(2)
    attempts.forget(2)
    assert list(tmp_path.iterdir()) == []


def test_a_start_is_on_the_disk_before_it_goes_on(attempts: BootAttempts, tmp_path: Path) -> None:
    attempts.expect(1)
    with Disk(tmp_path) as disk:
        attempts.start(1)
    assert [op.kind for op in disk.ops] == ["write", "sync"]


def test_a_pass_is_on_the_disk_before_it_is_relied_on(
    attempts: BootAttempts, tmp_path: Path
) -> None:
    attempts.expect(1)
    with Disk(tmp_path) as disk:
        attempts.passed(1)
    assert [op.kind for op in disk.ops] == ["unlink", "sync"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_stops_no_reader(
    attempts: BootAttempts, tmp_path: Path, number: int
) -> None:
    attempts.expect(1)
    for at in (1, 2, 3):
        for call in (attempts.start, attempts.passed, attempts.forget):
            with Disk(tmp_path, on_step=refusing(at, number)):
                call(1)
        attempts.expect(1)
    with Disk(tmp_path, on_step=refusing(1, number)):
        attempts.keep([])


def test_a_disk_that_refuses_stops_the_writer_who_could_not_guard_what_comes(
    attempts: BootAttempts, tmp_path: Path
) -> None:
    with (
        Disk(tmp_path, on_step=refusing(1, errno.ENOSPC)),
        pytest.raises(StorageError, match=os.strerror(errno.ENOSPC)),
    ):
        attempts.expect(1)
