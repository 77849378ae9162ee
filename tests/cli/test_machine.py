"""doctor and devices as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from every import cases

from cfedge.device import profiles, this_board

_MAIN = "from cfedge.cli import main; main()"


def _run(
    *arguments: object, code: str = _MAIN, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


def test_doctor_finds_this_machine_fit() -> None:
    done = _run("doctor", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, report["checks"]
    assert report["fit"] is True
    assert set(report) == {"fit", "board", "host", "trial", "checks"}
    assert [check["name"] for check in report["checks"]] == [
        "64-bit", "machine", "python", "libc", "cpu", "numpy", "onnxruntime", "import", "int8", "memory", "disk", "cores", "load", "heat", "clock",
    ]  # fmt: skip
    assert all(
        set(check) == {"name", "status", "found", "expected", "next"} for check in report["checks"]
    )
    assert "fit for cfedge" in _run("doctor").stdout


def test_doctor_answers_a_bundles_golden_vectors_whatever_was_noted_before(
    tiny_bundle: Path,
) -> None:
    report = json.loads(_run("doctor", tiny_bundle, "--json").stdout)
    assert [(check["name"], check["status"]) for check in report["checks"]][-1] == ("bundle", "ok")
    assert report["trial"]["tasks"] == 2


def test_doctor_fails_with_its_own_exit_code_naming_the_first_fault(tmp_path: Path) -> None:
    done = _run("doctor", tmp_path / "none", "--json")
    assert done.returncode == 13
    assert json.loads(done.stdout)["fit"] is False
    error = done.stderr.strip()
    assert error.startswith("cfedge: bundle: expected every golden vector to be answered")
    assert "\n" not in error


def test_doctor_survives_an_onnx_runtime_that_kills_whoever_imports_it(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").write_text(
        "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
    )
    done = _run("doctor", PYTHONPATH=str(tmp_path))
    assert done.returncode == 13
    assert (
        "import: expected onnxruntime to import, found that it died with SIGILL (an illegal"
        " instruction)" in done.stderr
    )
    assert "not fit for cfedge" in done.stdout
    assert "Traceback" not in done.stderr
    assert _run("devices", PYTHONPATH=str(tmp_path)).returncode == 0
    assert _run("--help", PYTHONPATH=str(tmp_path)).returncode == 0


@cases("command", ["doctor", "devices"])
def test_neither_command_brings_what_may_be_broken_into_its_own_process(command: str) -> None:
    code = (
        "import sys; from cfedge.cli import main\ntry: main()\nexcept SystemExit:"
        " pass\nprint(sorted({'numpy', 'onnxruntime', 'tokenizers', 'safetensors'} &"
        " set(sys.modules)), file=sys.stderr)"
    )
    assert _run(command, code=code).stderr.strip().splitlines()[-1] == "[]"


def test_doctor_compares_with_a_profile(tiny_bundle: Path) -> None:
    other = "rpi-5" if this_board().machine != "aarch64" else "intel-n100"
    done = _run("doctor", tiny_bundle, "--profile", other, "--json")
    assert done.returncode == 13
    assert (
        f"profile {other}: expected a machine of type {profiles()[other].machine}, found"
        f" {this_board().machine}" in done.stderr
    )
    assert [check["name"] for check in json.loads(done.stdout)["checks"]][-3:] == [
        "bundle",
        "profile",
        "budget",
    ]
    unknown = _run("doctor", "--profile", "pi")
    assert unknown.returncode == 2
    assert "found 'pi'" in unknown.stderr


def test_devices_lists_all_and_explains_one_with_sources() -> None:
    listed = json.loads(_run("devices", "--json").stdout)
    assert [one["name"] for one in listed] == list(profiles())
    assert all(one["latency_ms"] is None for one in listed)
    assert {one["name"] for one in listed if one["this_machine"]} & {
        "generic-arm64",
        "generic-x86-64",
        "apple-m",
    }
    one = json.loads(_run("devices", "rpi-4b", "--json").stdout)
    assert one == next(row for row in listed if row["name"] == "rpi-4b")
    assert one["cores"]["value"] == 4
    assert one["flags"]["value"] == {"present": ["asimd"], "absent": ["atomics", "asimddp", "i8mm"]}
    text = _run("devices", "rpi-4b").stdout
    assert "unmeasured" in text
    assert "raspberrypi.com" in text
    assert "1.21.0 dies here on import" in text
    table = _run("devices").stdout
    assert all(name in table for name in profiles())


def test_an_unknown_device_is_refused() -> None:
    done = _run("devices", "pi")
    assert done.returncode == 2
    assert done.stderr.startswith("cfedge: profile: expected one of apple-m, ")


@cases("command", ["doctor", "devices"])
def test_help_has_an_example(command: str) -> None:
    assert f"Example: cfedge {command}" in _run(command, "--help").stdout
