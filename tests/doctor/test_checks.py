from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

from boards.fake import FOLDER, NAMES, Fake, load
from every import cases

from cfedge.device import profiles
from cfedge.doctor.check import Check
from cfedge.doctor.checks import judge
from cfedge.doctor.child import Trial
from cfedge.doctor.limits import Limits

LIMITS = Limits()


def _judge(fake: Fake, *, limits: Limits = LIMITS) -> dict[str, Check]:
    with_bundle = "bundle" in (*fake.trial.done, fake.trial.stopped)
    found = judge(
        fake.board,
        fake.host,
        fake.trial,
        limits=limits,
        profile=fake.profile,
        with_bundle=with_bundle,
    )
    assert len({check.name for check in found}) == len(found)
    return {check.name: check for check in found}


@cases("name", NAMES)
def test_a_board_is_judged_as_its_snapshot_says(name: str, tmp_path: Path) -> None:
    fake = load(name, tmp_path)
    found = {
        "board": asdict(fake.board),
        "checks": [asdict(check) for check in _judge(fake).values()],
    }
    path = FOLDER / name / "expected.json"
    if os.environ.get("CFEDGE_WRITE_SNAPSHOTS"):
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(json.dumps(found)) == json.loads(path.read_text("utf-8"))


@cases("name", NAMES)
def test_whatever_is_not_ok_says_what_to_do_and_all_is_one_line(name: str, tmp_path: Path) -> None:
    for check in _judge(load(name, tmp_path)).values():
        assert check.status in ("ok", "warn", "fail")
        assert (check.next is None) == (check.status == "ok"), check
        assert "\n" not in f"{check.found}{check.expected}{check.next}"
        assert check.found
        assert "None" not in check.found


#: What each board was made to bring out: the checks that fail, and those that warn.
BROUGHT_OUT = {
    "alpine": ({"libc", "onnxruntime", "import", "int8"}, set()),
    "celeron-no-avx": ({"import", "int8"}, {"cpu"}),
    "gateway-avx2": (set(), {"heat"}),
    "intel-n100": (set(), set()),
    "jetson-orin-nano": (set(), {"onnxruntime", "clock"}),
    "mac-m2": (set(), set()),
    "old-gateway": (
        {"libc", "numpy", "onnxruntime", "import", "int8", "memory", "disk"},
        {"cpu", "load"},
    ),
    "rk3588": (set(), set()),
    "rpi-3b": (set(), {"heat"}),
    "rpi-4b": ({"import", "int8"}, set()),
    "rpi-4b-32-bit": ({"64-bit", "onnxruntime", "import", "int8"}, set()),
    "rpi-5": (set(), {"heat"}),
    "rpi-zero-2w": (set(), {"memory"}),
    "sandbox-arm": ({"import", "int8"}, set()),
    "server-avx512": (set(), {"memory"}),
    "server-vnni": ({"memory"}, {"onnxruntime", "cores"}),
    "termux": (set(), {"libc"}),
}


@cases("name", NAMES)
def test_a_board_fails_and_warns_where_it_was_made_to(name: str, tmp_path: Path) -> None:
    checks = _judge(load(name, tmp_path)).values()
    fails, warns = BROUGHT_OUT[name]
    assert {check.name for check in checks if check.status == "fail"} == fails
    assert {check.name for check in checks if check.status == "warn"} == warns


def test_a_death_by_sigill_becomes_a_sentence_with_its_known_cause(tmp_path: Path) -> None:
    check = _judge(load("rpi-4b", tmp_path))["import"]
    assert check.found.startswith(
        "that it died with SIGILL (an illegal instruction): ONNX Runtime 1.21.0 was built with"
    )
    assert check.next == "install onnxruntime 1.20 or 1.22 and later"


def test_the_same_death_of_another_release_is_not_blamed_on_that_cause(tmp_path: Path) -> None:
    fake = load("rpi-4b", tmp_path)
    other = replace(fake, host=replace(fake.host, onnxruntime=(("onnxruntime", "1.28.0"),)))
    assert _judge(other)["import"].found == "that it died with SIGILL (an illegal instruction)"
    able = replace(fake, board=replace(fake.board, flags=(*(fake.board.flags or ()), "atomics")))
    assert "1.21.0 was built" not in _judge(able)["import"].found


def test_a_system_without_wheels_only_warns_where_a_build_runs(tmp_path: Path) -> None:
    fake = load("alpine", tmp_path)
    built = replace(
        fake,
        host=replace(fake.host, onnxruntime=(("onnxruntime", "1.28.0"),)),
        trial=load("intel-n100", tmp_path).trial,
    )
    assert _judge(fake)["libc"].status == "fail"
    assert _judge(built)["libc"].status == "warn"
    riscv = replace(built, board=replace(built.board, machine="riscv64"))
    assert _judge(riscv)["machine"].status == "warn"
    assert _judge(replace(riscv, trial=fake.trial))["machine"].status == "fail"


@cases(
    ("python", "status"),
    [("3.9.18", "fail"), ("3.10.0", "ok"), ("3.14.2", "ok"), ("3.15.0a1", "warn"), ("4.0", "warn")],
)
def test_python_is_compared_with_the_wheels_there_are(
    python: str, status: str, tmp_path: Path
) -> None:
    fake = load("intel-n100", tmp_path)
    assert _judge(replace(fake, host=replace(fake.host, python=python)))["python"].status == status


@cases(
    ("version", "status"),
    [
        ("1.19.2", "fail"),
        ("1.20.0", "ok"),
        ("1.28.0", "ok"),
        ("1.32.0", "ok"),
        ("1.32.1", "warn"),
        ("2.0.0.dev1", "warn"),
    ],
)
def test_onnx_runtime_is_compared_with_the_range_tried(
    version: str, status: str, tmp_path: Path
) -> None:
    fake = load("intel-n100", tmp_path)
    host, trial = (
        replace(fake.host, onnxruntime=(("onnxruntime", version),)),
        replace(fake.trial, onnxruntime=version),
    )
    assert _judge(replace(fake, host=host, trial=trial))["onnxruntime"].status == status


@cases(("libc", "status"), [("2.26", "fail"), ("2.27", "ok"), ("2.28", "ok"), ("2.41", "ok")])
def test_glibc_is_compared_with_the_tags_of_the_wheels(
    libc: str, status: str, tmp_path: Path
) -> None:
    fake = load("intel-n100", tmp_path)
    host = replace(fake.host, libc_version=libc)
    assert (
        _judge(replace(fake, host=host, trial=Trial((), "numpy", "ImportError: no")))["libc"].status
        == status
    )


def test_wrong_sums_fail_and_saturating_ones_warn(tmp_path: Path) -> None:
    fake = load("intel-n100", tmp_path)
    assert (
        _judge(replace(fake, trial=replace(fake.trial, exact_8_bit=False)))["int8"].status == "warn"
    )
    assert (
        _judge(replace(fake, trial=replace(fake.trial, exact_8_bit=True, exact_7_bit=False)))[
            "int8"
        ].status
        == "fail"
    )
    died = replace(
        fake.trial,
        done=("numpy", "onnxruntime"),
        stopped="int8",
        how="died with SIGILL (an illegal instruction)",
    )
    assert (
        _judge(replace(fake, trial=died))["int8"].found
        == "that it died with SIGILL (an illegal instruction)"
    )


def test_memory_is_the_tighter_of_what_is_free_and_what_is_allowed(tmp_path: Path) -> None:
    fake = load("intel-n100", tmp_path)
    for available, limit, status in (
        (10**9, None, "ok"),
        (10**9, 2 * 10**8, "warn"),
        (10**8, 10**9, "fail"),
        (None, 10**8, "fail"),
    ):
        board = replace(fake.board, available_bytes=available, memory_limit_bytes=limit)
        assert _judge(replace(fake, board=board))["memory"].status == status


def test_memory_is_compared_with_what_the_bundle_took(tmp_path: Path) -> None:
    fake = load("rpi-5", tmp_path)
    assert "161 MB (this bundle's engine, measured)" in _judge(fake)["memory"].expected
    greedy = replace(fake, trial=replace(fake.trial, peak_bytes=8 * 10**9))
    assert _judge(greedy)["memory"].status == "fail"
    assert _judge(greedy)["budget"].status == "fail"
    assert "found" not in _judge(greedy)["budget"].found


def test_a_bundle_that_is_refused_or_kills_fails_and_names_how(tmp_path: Path) -> None:
    fake = load("rpi-5", tmp_path)
    killed = "died with SIGKILL (killed, most likely for want of memory)"
    again = "export for this machine and this onnxruntime, or fetch it again"
    for how, found, step in (
        ("IncompatibleError: golden vectors: no", "was refused: golden vectors: no", again),
        (
            "DamagedError: b: expected x, found y; get it",
            "was refused: b: expected x, found y",
            "get it",
        ),
        ("ValueError: no", "raised ValueError: no", again),
        (killed, killed, again),
    ):
        trial = replace(
            fake.trial,
            done=("numpy", "onnxruntime", "int8"),
            stopped="bundle",
            how=how,
            peak_bytes=None,
            tasks=None,
        )
        check = _judge(replace(fake, trial=trial))["bundle"]
        assert check.status == "fail"
        assert (check.found, check.next) == (f"that it {found}", step)
    untried = judge(
        fake.board, fake.host, Trial((), "numpy", "no"), limits=LIMITS, with_bundle=True
    )
    assert [check.found for check in untried if check.name == "bundle"] == ["not tried"]


def test_a_profile_that_the_machine_contradicts_fails_naming_both(tmp_path: Path) -> None:
    fake = replace(load("rpi-4b", tmp_path), profile=profiles()["rpi-5"])
    check = _judge(fake)["profile"]
    assert check.status == "fail"
    assert (
        "profile rpi-5: expected a CPU with atomics, asimdhp, asimddp, found Cortex-A72 without"
        in check.found
    )


def test_one_runnable_process_a_core_is_too_busy_to_measure(tmp_path: Path) -> None:
    fake = load("intel-n100", tmp_path)
    assert _judge(replace(fake, board=replace(fake.board, load=2.0)))["load"].status == "ok"
    assert _judge(replace(fake, board=replace(fake.board, load=2.01)))["load"].status == "warn"
