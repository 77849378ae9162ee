from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from every import cases

from cfedge.doctor.child import Trial, read_trial, try_out
from cfedge.doctor.trial import MARK, STAGES


def _fake(folder: Path, package: str, code: str) -> dict[str, str]:
    """A package that shadows the real one in children."""
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text(code, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def _try(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], *, timeout_s: float = 60
) -> Trial:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return try_out(None, timeout_s=timeout_s)


def test_on_a_sound_machine_every_stage_ends_well() -> None:
    found = try_out(None, timeout_s=60)
    assert found.done == ("numpy", "onnxruntime", "int8")
    assert (found.stopped, found.how, found.signal) == (None, None, None)
    assert found.exact_7_bit is True
    assert found.numpy
    assert found.onnxruntime


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@cases(
    ("signal", "meaning"),
    [
        ("SIGILL", "an illegal instruction"),
        ("SIGSEGV", "a wild memory access"),
        ("SIGABRT", "an abort"),
        ("SIGKILL", "want of memory"),
    ],
)
def test_a_package_that_kills_the_process_becomes_a_sentence(
    signal: str, meaning: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"import os, signal, sys; print('noise'); os.kill(os.getpid(), signal.{signal})"
    found = _try(monkeypatch, _fake(tmp_path, "onnxruntime", code))
    assert (found.done, found.stopped, found.signal) == (("numpy",), "onnxruntime", signal)
    assert f"died with {signal} (" in (found.how or "")
    assert meaning in (found.how or "")


def test_an_instruction_that_the_cpu_lacks_is_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import ctypes, mmap\n"
        "memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "memory.write(b'\\x0f\\x0b' * 8 if __import__('platform').machine() == 'x86_64' else b'\\0'"
        " * 16)\n"  # ud2; udf
        "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()\n"
    )
    found = _try(monkeypatch, _fake(tmp_path, "onnxruntime", code))
    assert found.how == "died with SIGILL (an illegal instruction)"


def test_a_package_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _try(
        monkeypatch, _fake(tmp_path, "onnxruntime", "import time; time.sleep(600)"), timeout_s=3
    )
    assert (found.done, found.stopped, found.how) == (
        ("numpy",),
        "onnxruntime",
        "did not answer within 3 s",
    )


@cases(
    ("code", "how"),
    [
        ("raise ImportError('libonnx.so: cannot\\nopen')", "ImportError: libonnx.so: cannot open"),
        ("raise RuntimeError('x' * 10000)", f"RuntimeError: {'x' * 500}"),
        ("import os; os._exit(3)", "ended with status 3"),
        ("import os, sys; print('Fatal glibc error', file=sys.stderr, flush=True); os._exit(127)", "ended with status 127, its last words: Fatal glibc error"),
        ("import os; os._exit(0)", "ended without a word"),
        ("raise SystemExit(0)", "ended without a word"),
    ],
)  # fmt: skip
def test_a_package_that_gives_up_is_told(
    code: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _try(monkeypatch, _fake(tmp_path, "onnxruntime", code))
    assert (found.stopped, found.how) == ("onnxruntime", how)


def test_a_package_without_what_is_needed_fails_in_the_stage_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _try(monkeypatch, _fake(tmp_path, "onnxruntime", "__version__ = '1.28.0'"))
    assert (found.done, found.stopped) == (("numpy", "onnxruntime"), "int8")
    assert (found.how or "").startswith("AttributeError: module 'onnxruntime' has no attribute")


def test_a_broken_numpy_is_told_before_onnx_runtime_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _try(monkeypatch, _fake(tmp_path, "numpy", "raise ImportError('no')"))
    assert (found.done, found.stopped, found.how) == ((), "numpy", "ImportError: no")


@pytest.mark.skipif(os.name != "posix", reason="core files are POSIX's")
def test_a_death_leaves_no_core_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import json, os, resource; open(os.environ['SEEN'],"
        " 'w').write(json.dumps(resource.getrlimit(resource.RLIMIT_CORE)))"
    )
    _try(monkeypatch, {**_fake(tmp_path, "numpy", code), "SEEN": str(tmp_path / "seen")})
    assert json.loads((tmp_path / "seen").read_text()) == [0, 0]


def test_the_child_is_told_not_to_phone_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    code = "import os; raise ImportError(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert _try(monkeypatch, _fake(tmp_path, "onnxruntime", code)).how == "ImportError: 1"


@pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="older Pythons look into the working folder whatever one says",
)
def test_a_stray_file_in_the_working_folder_is_not_taken_for_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise RuntimeError('stray')")
    monkeypatch.chdir(tmp_path)
    assert try_out(None, timeout_s=60).stopped is None


def test_a_python_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert try_out(None, timeout_s=5).how == "could not be started: No such file or directory"


def test_a_whole_bundle_answers_and_its_cost_is_measured(tiny_bundle: Path) -> None:
    found = try_out(tiny_bundle, timeout_s=120)
    assert found.done == STAGES
    assert found.tasks == 2
    assert found.exported_with == found.onnxruntime
    assert (found.cosine or 0) > 0.99
    assert 10_000_000 < (found.peak_bytes or 0) < 2_000_000_000


def test_a_damaged_bundle_is_told_with_its_file(tiny_bundle: Path) -> None:
    victim = next(path for path in (tiny_bundle / "objects").rglob("*") if path.is_file())
    victim.write_bytes(victim.read_bytes()[:-1] + b"\0")
    found = try_out(tiny_bundle, timeout_s=120)
    assert (found.done, found.stopped) == (("numpy", "onnxruntime", "int8"), "bundle")
    assert (found.how or "").startswith("DamagedError: ")


def _line(**fields: object) -> str:
    return f"{MARK}{json.dumps(fields)}\n"


def test_lines_of_others_and_lines_cut_short_are_skipped() -> None:
    output = (
        "warning:"
        f' x\n{_line(begin="numpy")}{_line(done="numpy", version="2")}{MARK}[1]\n{_line(begin="onnxruntime")}{MARK}{{"done":'
        ' "onn'
    )
    found = read_trial(output, "", -11, timeout_s=1)
    assert (found.done, found.stopped, found.how) == (
        ("numpy",),
        "onnxruntime",
        "died with SIGSEGV (a wild memory access)",
    )


def test_a_death_on_the_way_out_is_told_too() -> None:
    output = "".join(_line(begin=name) + _line(done=name) for name in STAGES[:3])
    found = read_trial(output, "", -6, timeout_s=1)
    assert (found.done, found.stopped, found.signal) == (STAGES[:3], "int8", "SIGABRT")


def test_an_unknown_signal_is_a_status() -> None:
    assert read_trial("", "", -200, timeout_s=1).how == "ended with status -200"
