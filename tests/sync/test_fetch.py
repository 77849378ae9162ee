"""Objects over cuts, restarts, mirrors and full disks: whole, or not there, and nothing that came
is thrown away.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from every import cases
from servers import Clock, Handler, Raw, Static, cut, drip, endless, once, other, status

from cfedge.bundle.fileref import FileRef
from cfedge.errors import CfedgeError, OfflineError, StorageError, TamperedError
from cfedge.sync.fetch import Fetcher
from cfedge.sync.patience import Patience
from cfedge.sync.sinks import digest_of
from cfedge.sync.transport import Folder, Host, Mirrors, Pace, Source

DATA = bytes(itertools.islice(itertools.cycle(hashlib.sha256(b"object").digest()), 1_000_000))
REF = FileRef(hashlib.sha256(DATA).hexdigest(), len(DATA))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    (tmp_path / "repo" / "objects").mkdir(parents=True)
    (tmp_path / "repo" / "objects" / REF.sha256).write_bytes(DATA)
    return tmp_path / "repo"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "object"


def fetcher(source: Source, tmp_path: Path, **more: object) -> Fetcher:
    return Fetcher(source, tmp_path / "partial", Patience(1e12, wait=lambda seconds: None), **more)  # type: ignore[arg-type]


def test_an_object_comes_whole_and_leaves_no_part(repo: Path, target: Path, tmp_path: Path) -> None:
    told: list[int] = []
    with Static(repo) as server:
        mine = fetcher(Host(server.url), tmp_path)
        mine.into(target, "trunk", REF, told.append)
    assert target.read_bytes() == DATA
    assert (mine.fetched_bytes, mine.requests, sum(told)) == (len(DATA), 1, len(DATA))
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_resume_after_a_cut_at_forty_percent_keeps_what_came(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    with Static(repo) as server:
        server.faults["*"] = once(cut(0.4))
        fetcher(Host(server.url), tmp_path).into(target, "trunk", REF)
        assert server.body_bytes <= len(DATA) + 0.1 * 0.4 * len(DATA)
    assert target.read_bytes() == DATA


def test_a_resume_in_a_later_run_keeps_what_came(repo: Path, target: Path, tmp_path: Path) -> None:
    with Static(repo) as server:
        server.faults["*"] = once(cut(0.4))
        first = Fetcher(Host(server.url), tmp_path / "partial", Patience(1e12, wait=_stop))
        with pytest.raises(KeyboardInterrupt):
            first.into(target, "trunk", REF)
        assert not target.exists()
        fetcher(Host(server.url), tmp_path).into(target, "trunk", REF)
        assert server.body_bytes <= len(DATA) + 0.1 * 0.4 * len(DATA)
    assert target.read_bytes() == DATA


def _stop(seconds: float) -> None:
    raise KeyboardInterrupt


def test_a_resume_at_another_mirror_keeps_what_came(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    with Static(repo) as dying, Static(repo) as other_mirror:
        dying.faults["*"] = cut(0.4)
        fetcher(Mirrors([Host(dying.url), Host(other_mirror.url)]), tmp_path).into(
            target, "trunk", REF
        )
        assert dying.body_bytes + other_mirror.body_bytes <= len(DATA) + 0.1 * 0.4 * len(DATA)
        assert other_mirror.requests[0][1] >= 0.9 * 0.4 * len(DATA)
    assert target.read_bytes() == DATA


def test_a_resume_from_a_folder_keeps_what_came_from_a_host(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    with Static(repo) as server:
        server.faults["*"] = once(cut(0.4))
        with pytest.raises(KeyboardInterrupt):
            Fetcher(Host(server.url), tmp_path / "partial", Patience(1e12, wait=_stop)).into(
                target, "trunk", REF
            )
    mine = fetcher(Folder(repo), tmp_path)
    mine.into(target, "trunk", REF)
    assert mine.fetched_bytes <= 0.64 * len(DATA)


def test_a_host_that_ignores_the_range_is_read_from_the_beginning(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    told: list[int] = []
    with Static(repo, ranges=False) as server:
        server.faults["*"] = once(cut(0.4))
        fetcher(Host(server.url), tmp_path).into(target, "trunk", REF, told.append)
    assert target.read_bytes() == DATA
    assert sum(told) == len(DATA)


def test_a_host_that_dies_ever_again_is_given_up_when_nothing_more_comes(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    waits: list[float] = []
    with Static(repo) as server:
        server.faults["*"] = status(503)
        mine = Fetcher(Host(server.url), tmp_path / "partial", Patience(1e12, wait=waits.append))
        with pytest.raises(OfflineError, match="found 503"):
            mine.into(target, "trunk", REF)
        assert len(server.requests) == 3
    assert len(waits) == 2
    assert 0.5 <= waits[0] <= 1
    assert 1 <= waits[1] <= 2


def test_a_host_that_dies_ever_again_is_not_given_up_while_more_comes(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    with Static(repo) as server:
        server.faults["*"] = lambda handler, data: (
            cut(0.3) if len(server.requests) < 12 else Handler.serve
        )(handler, data)
        fetcher(Host(server.url), tmp_path).into(target, "trunk", REF)
        assert len(server.requests) == 12
    assert target.read_bytes() == DATA


@pytest.mark.parametrize(
    "evil",
    [
        bytes(len(DATA)),
        DATA[:-1] + b"\x00",
        DATA[:-1],
        b"",
        DATA + b"x",
        DATA[::-1],
    ],
    ids=["tampered", "last byte", "truncated", "empty", "longer", "swapped"],
)
def test_an_object_that_is_not_what_was_signed_is_never_there(
    evil: bytes, repo: Path, target: Path, tmp_path: Path
) -> None:
    (repo / "objects" / REF.sha256).write_bytes(evil)
    for source in (Folder(repo), Host("")):
        with Static(repo) as server:
            source = source if isinstance(source, Folder) else Host(server.url)
            if evil[: len(DATA)] == DATA:  # what is beyond the signed length is not read
                fetcher(source, tmp_path).into(target, "trunk", REF)
                assert target.read_bytes() == DATA
                target.unlink()
                continue
            with pytest.raises((TamperedError, OfflineError), match=r"\(?trunk"):
                fetcher(source, tmp_path).into(target, "trunk", REF)
            assert not target.exists()


def test_an_object_without_end_is_read_to_its_length_and_no_further(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    with Static(repo) as server:
        server.faults["*"] = lambda handler, data: endless(handler, bytes(100))
        mine = fetcher(Host(server.url), tmp_path)
        with pytest.raises(TamperedError, match=f"expected {len(DATA)} bytes of this SHA-256"):
            mine.into(target, "trunk", REF)
    assert mine.fetched_bytes < len(DATA) + (1 << 16)
    assert sum(path.stat().st_size for path in tmp_path.joinpath("partial").iterdir()) == 0


def test_a_part_that_was_damaged_costs_one_more_download(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    (tmp_path / "partial").mkdir()
    for begun in (b"x" * 1000, bytes(len(DATA)), bytes(len(DATA) + 5)):
        (tmp_path / "partial" / REF.sha256).write_bytes(begun)
        with Static(repo) as server:
            fetcher(Host(server.url), tmp_path).into(target, "trunk", REF)
        assert target.read_bytes() == DATA


def test_a_mirror_that_tampers_costs_one_more_download(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    with Static(repo) as evil, Static(repo) as good:
        evil.faults["*"] = other(bytes(len(DATA)))
        fetcher(Mirrors([Host(evil.url), Host(good.url)]), tmp_path).into(target, "trunk", REF)
        assert (len(evil.requests), len(good.requests)) == (1, 1)
    assert target.read_bytes() == DATA


def test_a_mirror_that_tampers_with_a_resume_costs_one_more_download(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    with Static(repo) as dying, Static(repo) as evil:
        dying.faults["*"] = once(cut(0.4))
        evil.faults["*"] = other(bytes(len(DATA)))
        fetcher(Mirrors([Host(dying.url), Host(evil.url)]), tmp_path).into(target, "trunk", REF)
    assert target.read_bytes() == DATA


def test_an_object_that_is_not_there_is_named(repo: Path, target: Path, tmp_path: Path) -> None:
    (repo / "objects" / REF.sha256).unlink()
    with Static(repo) as server:
        with pytest.raises(
            OfflineError, match=rf"objects/{REF.sha256} \(trunk\): expected it, found nothing there"
        ):
            fetcher(Host(server.url), tmp_path).into(target, "trunk", REF)
        assert len(server.requests) == 1


# Time


def test_a_slow_object_stops_at_the_deadline_and_is_resumed(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    clock = Clock(step_s=1.0)
    with Static(repo) as server:
        mine = Fetcher(
            Host(server.url),
            tmp_path / "partial",
            Patience(clock.now_s + 8, clock, lambda seconds: None),
        )
        with pytest.raises(OfflineError, match=r"before the deadline.*sync again to resume"):
            mine.into(target, "trunk", REF)
        assert 0 < mine.fetched_bytes < len(DATA)
        assert len(server.requests) == 1
        late = fetcher(Host(server.url), tmp_path)
        late.into(target, "trunk", REF)
    assert target.read_bytes() == DATA
    assert late.fetched_bytes == len(DATA) - mine.fetched_bytes


def test_nothing_is_asked_for_after_the_deadline(repo: Path, target: Path, tmp_path: Path) -> None:
    with Static(repo) as server:
        mine = Fetcher(Host(server.url), tmp_path / "partial", Patience(0.0, Clock()))
        with pytest.raises(OfflineError, match="deadline"):
            mine.into(target, "trunk", REF)
        with pytest.raises(OfflineError, match="deadline"):
            mine.read("metadata/timestamp.json")
        assert server.requests == []


def test_metadata_that_drip_stop_at_the_deadline(repo: Path, tmp_path: Path) -> None:
    clock = Clock(step_s=1.0)
    with Static(repo) as server:
        server.faults["*"] = drip(0.001)
        mine = Fetcher(Host(server.url), tmp_path / "partial", Patience(clock.now_s + 8, clock))
        with pytest.raises(OfflineError, match="deadline"):
            b"".join(mine.read(f"objects/{REF.sha256}").pieces)
    assert mine.fetched_bytes < 50


def test_a_mirror_below_the_least_rate_is_left_for_another(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    clock, steady = Clock(step_s=1.0), Clock()
    with Static(repo) as slow, Static(repo) as quick:
        mirrors = Mirrors(
            [
                Host(slow.url, pace=Pace(least_bytes_s=1e9), now_s=clock),
                Host(quick.url, now_s=steady),
            ]
        )
        fetcher(mirrors, tmp_path).into(target, "trunk", REF)
        assert (len(slow.requests), len(quick.requests)) == (1, 1)
    assert target.read_bytes() == DATA


# The disk


class Full:
    """A disk below `root` that refuses every call of its kind from number `at` on; the calls are
    the system's.
    """

    def __init__(self, patch: pytest.MonkeyPatch, name: str, at: int, code: int) -> None:
        self.calls = 0
        real: Callable[..., object] = getattr(os, name)

        def refuse(*args: object, **more: object) -> object:
            self.calls += 1
            if self.calls >= at:
                raise OSError(code, os.strerror(code))
            return real(*args, **more)

        patch.setattr(os, name, refuse)


@cases("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_full_disk_at_each_call_leaves_no_object_and_the_next_start_works(
    code: int, repo: Path, tmp_path: Path
) -> None:
    for call, at in (("mkdir", 1), ("fsync", 1), ("fsync", 2), ("fsync", 3), ("replace", 1)):
        kept = tmp_path / f"{call}{at}"
        kept.mkdir()
        target = kept / "trunk"
        with pytest.MonkeyPatch.context() as patch:
            Full(patch, call, at, code)
            with pytest.raises(StorageError, match=f"{target}.*trunk.*check the disk"):
                fetcher(Folder(repo), kept).into(target, "trunk", REF)
        assert not target.exists()
        fetcher(Folder(repo), kept).into(target, "trunk", REF)
        assert target.read_bytes() == DATA


def test_a_disk_that_is_full_while_bytes_come_keeps_what_it_can(
    repo: Path, target: Path, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        with pytest.raises(StorageError, match="File too large; check the disk"):
            fetcher(Folder(repo), tmp_path).into(target, "trunk", REF)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not target.exists()
    mine = fetcher(Folder(repo), tmp_path)
    mine.into(target, "trunk", REF)
    assert target.read_bytes() == DATA
    assert mine.fetched_bytes <= len(DATA) - 250_000


# Blocks of the log


def test_the_rest_of_a_block_is_fetched_into_memory(repo: Path, tmp_path: Path) -> None:
    with Static(repo) as server:
        mine = fetcher(Host(server.url), tmp_path)
        assert mine.bytes_from(REF, "block 0", DATA[:1234]) == DATA
        assert server.requests == [(f"objects/{REF.sha256}", 1234)]
        assert mine.bytes_from(REF, "block 0", b"x" * 1234) == DATA
        server.faults["*"] = other(bytes(len(DATA)))
        with pytest.raises(TamperedError, match="block 0"):
            mine.bytes_from(REF, "block 0", b"")


def test_no_bytes_of_a_server_raise_anything_but_errors_of_cfedge(
    target: Path, tmp_path: Path
) -> None:
    import random

    rng = random.Random(5)
    good = (
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\nConnection:"
        b" close\r\n\r\n0123456789"
    )
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection:"
        b" close\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"
    )
    ref = FileRef(hashlib.sha256(b"0123456789").hexdigest(), 10)
    raws = []
    for _ in range(150):
        raw = bytearray(rng.choice([good, chunked]))
        for _ in range(rng.randint(0, 4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        raws.append(bytes(raw[: rng.choice([len(raw), rng.randrange(len(raw))])]))
    outcomes = set()
    with Raw(*raws) as server:
        for _ in raws:
            try:
                fetcher(Host(server.url, pace=Pace(silence_s=0.2)), tmp_path).into(
                    target, "trunk", ref
                )
                outcomes.add(digest_of(target))
            except CfedgeError as error:
                outcomes.add("refused" if str(error).isprintable() else str(error))
    assert outcomes == {ref.sha256, "refused"}
