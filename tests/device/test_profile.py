from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from boards.fake import NAMES, load
from every import cases

from cfedge.device import Board, contradictions, load_profile, profiles, read_board
from cfedge.device.cpu import FLAGS
from cfedge.device.profile import MEMORY_SEEN
from cfedge.device.profile_file import parse_profile
from cfedge.errors import UsageError

DEVICES = sorted((Path(__file__).parents[2] / "devices").glob("*.toml"))
PLAIN = (
    'title = "T"\nsupport = "documented"\nmachine = "aarch64"\n[cores]\ncount = 4\nsource ='
    ' "s"\n[memory]\nsizes_mib = [1024]\nsource = "s"\n[flags]\npresent = ["asimd"]\nabsent ='
    ' ["i8mm"]\nsource = "s"\n[threads]\ncount = 1\nsource = "s"\n[budget]\nmemory_mib ='
    ' 512\nsource = "s"\n[latency]\np50_ms = "unmeasured"\n'
)


def _fitting(name: str) -> Board:
    """A machine that is what the profile says."""
    one = profiles()[name]
    board = read_board(one.machine, one.system or "Linux", root=Path("/nonexistent"))
    present = one.flags.value.present if one.flags else ()
    return replace(
        board,
        cores=one.cores.value if one.cores else 64,
        memory_bytes=one.memory_mib.value[-1] * 2**20 * 9 // 10 if one.memory_mib else 2**40,
        flags=tuple(flag for flag in FLAGS if flag in present),
    )


def test_the_boards_asked_for_are_there() -> None:
    assert {path.stem for path in DEVICES} >= {
        "apple-m", "celeron-no-avx", "generic-arm64", "generic-x86-64", "intel-n100", "jetson-orin-nano", "rk3588", "rpi-3b", "rpi-4b",
        "rpi-5", "rpi-zero-2w", "termux", "x86-64-avx2", "x86-64-avx512", "x86-64-vnni",
    }  # fmt: skip


def test_the_known_profiles_are_the_files_in_order() -> None:
    assert list(profiles()) == [path.stem for path in DEVICES]


@cases("name", [path.stem for path in DEVICES])
def test_a_profile_loads_on_its_machine_and_gives_a_source_for_each_figure(name: str) -> None:
    loaded = load_profile(name, _fitting(name))
    assert loaded == profiles()[name]
    assert loaded.name == name
    figures = (
        loaded.cores,
        loaded.memory_mib,
        loaded.flags,
        loaded.threads,
        loaded.memory_budget_bytes,
    )
    assert all(len(figure.source) > 10 for figure in figures if figure)
    assert loaded.threads.value >= 1
    assert loaded.latency_ms is None  # none of these boards was measured
    if loaded.memory_mib:
        assert loaded.memory_budget_bytes.value <= min(loaded.memory_mib.value) * 2**20 / 2
    if loaded.flags:
        assert not set(loaded.flags.value.present) & set(loaded.flags.value.absent)


def test_a_documented_board_claims_what_its_maker_says() -> None:
    for one in profiles().values():
        assert (one.support != "documented") or one.flags is not None
        assert (one.support != "generic") or (one.cores, one.memory_mib, one.flags) == (
            None,
            None,
            None,
        )


@cases("name", [path.stem for path in DEVICES])
def test_a_profile_of_another_architecture_is_refused(name: str) -> None:
    expected = (
        f"profile {name}: expected a machine of type {profiles()[name].machine}, found riscv64;"
        " choose another: cfedge devices"
    )
    with pytest.raises(UsageError, match=re.escape(expected)):
        load_profile(name, replace(_fitting(name), machine="riscv64"))


@cases(
    ("name", "change", "sentence"),
    [
        ("rpi-5", {"cores": 8}, "profile rpi-5: expected 4 cores, found 8"),
        ("rpi-3b", {"memory_bytes": 8 * 2**30}, "profile rpi-3b: expected 1024 MiB of memory, of which the kernel shows 70% or more, found 8192 MiB"),
        ("rpi-3b", {"memory_bytes": int(0.69 * 2**30)}, "profile rpi-3b: expected 1024 MiB of memory, of which the kernel shows 70% or more, found 707 MiB"),
        ("rpi-5", {"flags": ("asimd",), "cpu": "Cortex-A72"}, "profile rpi-5: expected a CPU with atomics, asimdhp, asimddp, found Cortex-A72 without"),
        ("celeron-no-avx", {"flags": ("sse4_2", "avx", "avx2"), "cpu": "N100"}, "profile celeron-no-avx: expected a CPU without avx, avx2, found N100 with"),
        ("rpi-4b", {"model": "Raspberry Pi 3 Model B Rev 1.2"}, "profile rpi-4b: expected a board called Raspberry Pi 4 Model B, found Raspberry Pi 3 Model B Rev 1.2"),
        ("apple-m", {"system": "Linux"}, "profile apple-m: expected the system Darwin, found Linux"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_naming_both(
    name: str, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(
        UsageError, match=f"^{re.escape(sentence)}; choose another: cfedge devices$"
    ):
        load_profile(name, replace(_fitting(name), **change))  # type: ignore[arg-type]


def test_what_a_machine_does_not_tell_contradicts_nothing() -> None:
    silent = replace(_fitting("rpi-5"), cores=None, memory_bytes=None, flags=None)
    assert contradictions(profiles()["rpi-5"], silent) == ()


def test_memory_may_be_less_than_sold_by_what_the_kernel_keeps_and_no_more() -> None:
    one = profiles()["rpi-zero-2w"]
    for share, fits in (
        (MEMORY_SEEN[0], True),
        (MEMORY_SEEN[1], True),
        (MEMORY_SEEN[0] - 0.01, False),
        (MEMORY_SEEN[1] + 0.01, False),
    ):
        board = replace(
            _fitting("rpi-zero-2w"),
            memory_bytes=math.ceil(share * 512 * 2**20) if share < 1 else int(share * 512 * 2**20),
        )
        assert (contradictions(one, board) == ()) is fits


@cases("name", NAMES)
def test_a_fake_board_is_what_its_profile_says_and_no_other_board(
    name: str, tmp_path: Path
) -> None:
    fake = load(name, tmp_path)
    fitting = {one.name for one in profiles().values() if not contradictions(one, fake.board)}
    assert fake.profile is None or fake.profile.name in fitting
    own = {fake.profile.name} if fake.profile else {"rpi-4b"} if name == "rpi-4b-32-bit" else set()
    assert {one for one in fitting if profiles()[one].support == "documented"} <= own


@cases("name", ["pi", "", "../devices/generic-arm64", "generic-arm64.toml"])
def test_an_unknown_profile_is_refused_listing_the_known(name: str) -> None:
    with pytest.raises(UsageError, match=r"^profile: expected one of ") as refusal:
        load_profile(name)
    assert repr(name) in str(refusal.value)
    assert all(path.stem in str(refusal.value) for path in DEVICES)
    assert "\n" not in str(refusal.value)


def test_the_format_in_full_is_read() -> None:
    one = parse_profile(
        "x",
        'note = "n"\nsystem = "Linux"\n'
        + PLAIN.replace('"unmeasured"', '12.5\nsource = "cfedge bench, 2026-11-23"'),
    )
    assert (one.note, one.system, one.cores, one.memory_mib) == (
        "n",
        "Linux",
        one.cores,
        one.memory_mib,
    )
    assert one.latency_ms is not None
    assert (one.latency_ms.value, one.latency_ms.source) == (12.5, "cfedge bench, 2026-11-23")
    assert one.memory_budget_bytes.value == 512 * 2**20


@cases(
    ("old", "new", "sentence"),
    [
        ('title = "T"', "", "expected a string as title, found nothing"),
        ('title = "T"', 'title = " "', "expected a string as title, found ' '"),
        ('"documented"', '"best"', "expected one of documented, class, generic, community as support, found 'best'"),
        ("count = 4", "count = 0", "[cores]: expected a whole number >= 1 as count, found 0"),
        ("count = 4", "count = true", "[cores]: expected a whole number >= 1 as count, found True"),
        ('count = 4\nsource = "s"', "count = 4", "[cores]: expected a string as source, found nothing"),
        ("[1024]", "[]", "[memory]: expected a list of whole numbers >= 1 as sizes_mib, found []"),
        ("[1024]", "[1024.5]", "[memory]: expected a list of whole numbers >= 1 as sizes_mib, found [1024.5]"),
        ('["i8mm"]', '["i8m"]', "as absent, found ['i8m']"),
        ('"unmeasured"', '"fast"', "[latency]: expected \"unmeasured\" or a number > 0 as p50_ms, found 'fast'"),
        ('"unmeasured"', "5", "[latency]: expected a string as source, found nothing"),
        ('"unmeasured"', "nan", "expected \"unmeasured\" or a number > 0 as p50_ms, found nan"),
        ('[latency]\np50_ms = "unmeasured"\n', "", "expected a table as [latency], found nothing"),
        ("[threads]\ncount = 1", "[threads]\ncount = 1\nspin = true", "[threads]: expected no further field, found spin; remove it"),
        ('title = "T"', 'title = "T"\nfast = 1', "expected no further field, found fast; remove it"),
        ("[cores]", "[cores", "expected TOML, found "),
    ],
)  # fmt: skip
def test_a_malformed_profile_is_refused_naming_the_field(old: str, new: str, sentence: str) -> None:
    assert old in PLAIN
    with pytest.raises(UsageError, match=re.escape(sentence)) as refusal:
        parse_profile("x", PLAIN.replace(old, new, 1))
    assert str(refusal.value).startswith("devices/x.toml")
