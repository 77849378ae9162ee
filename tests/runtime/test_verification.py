"""A bundle is opened in a child under limits before it is opened here: what loops, grows or kills
is a sentence.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny import turned, written

from cfedge import Engine
from cfedge.bundle.files import read
from cfedge.device.fingerprint import this_cpu
from cfedge.errors import BundleError, DamagedError, IncompatibleError, MachineError
from cfedge.runtime import verification
from cfedge.runtime.child import Limits
from cfedge.runtime.verification import verify, verify_once
from cfedge.runtime.verified import is_verified, note_verified

pytestmark = pytest.mark.usefixtures("verified_by_a_child")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing has passed."""
    monkeypatch.setenv("CFEDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads of each child that was started."""
    started: list[int] = []
    real = verification.verify

    def counted(*rest: object, threads: int, **more: object) -> None:
        started.append(threads)
        real(*rest, threads=threads, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(verification, "verify", counted)
    return started


def test_a_bundle_is_proven_when_first_opened_and_again_where_the_machine_is_another(
    tiny_bundle: Path, cache: Path, proven: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for threads in (1, 1, 2, 2):
        Engine.open(tiny_bundle, threads=threads)
    assert proven == [1, 2]
    other = this_cpu()._replace(flags=("made_up",))
    monkeypatch.setattr("cfedge.runtime.verified.this_cpu", lambda: other)
    for _ in range(2):
        Engine.open(tiny_bundle)
    assert proven == [1, 2, 1]
    assert len(list((cache / "verified").iterdir())) == 3


def test_opening_refuses_a_machine_that_answers_otherwise_every_time(
    tiny_bundle: Path, tmp_path: Path, cache: Path
) -> None:
    folder = written(turned(read(tiny_bundle), "animals"), tmp_path / "turned")
    for _ in range(2):
        with pytest.raises(
            IncompatibleError, match=r"^golden vectors of task 'animals': expected .* for vector 0"
        ):
            Engine.open(folder)
    assert not cache.exists()


def test_where_nothing_can_be_noted_a_bundle_opens_all_the_same(
    tiny_bundle: Path, cache: Path, proven: list[int]
) -> None:
    cache.write_text("a file where the folder should be", encoding="utf-8")
    for _ in range(2):
        assert Engine.open(tiny_bundle).tasks == ("animals", "colors")
    assert proven == [1, 1]


def test_what_the_child_refuses_is_refused_here_by_its_own_error(
    tiny_bundle: Path, cache: Path
) -> None:
    manifest = read(tiny_bundle).manifest
    (tiny_bundle / "objects" / manifest.backbone.tail.sha256).unlink()
    with pytest.raises(
        DamagedError, match=r"\(tail\): expected a file, found none; get the bundle again$"
    ):
        verify(tiny_bundle, manifest)


def test_a_child_that_finds_another_bundle_refuses_it(
    tiny_bundle: Path, tmp_path: Path, cache: Path
) -> None:
    manifest = read(tiny_bundle).manifest
    folder = written(turned(read(tiny_bundle), "animals"), tmp_path / "turned")
    with pytest.raises(
        IncompatibleError, match=r"expected bundle .*, found .*, which took its place"
    ):
        verify(folder, manifest)


def test_a_bundle_that_takes_the_place_of_the_proven_one_is_proven_too(
    tiny_bundle: Path, cache: Path, proven: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, other = verification.verify_once, turned(read(tiny_bundle), "animals")

    def swapped(*rest: object, **more: object) -> None:
        real(*rest, **more)  # type: ignore[arg-type]
        if len(proven) == 1:
            written(other, tiny_bundle)

    monkeypatch.setattr("cfedge.runtime.opening.verify_once", swapped)
    with pytest.raises(IncompatibleError, match="golden vectors of task 'animals'"):
        Engine.open(tiny_bundle)
    assert len(proven) == 2


def test_a_child_has_so_much_time_and_no_more(tiny_bundle: Path, cache: Path) -> None:
    with pytest.raises(
        IncompatibleError,
        match=r"in a child process: no answer in 0\.01 s; get the bundle again$",
    ):
        verify(tiny_bundle, read(tiny_bundle).manifest, limits=Limits(start_s=0.01, task_s=0.0))


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not hold a process to a limit of memory"
)
def test_a_child_has_so_much_memory_and_no_more(tiny_bundle: Path, cache: Path) -> None:
    manifest = read(tiny_bundle).manifest
    with pytest.raises(BundleError) as caught:
        verify(tiny_bundle, manifest, limits=Limits(room_bytes=1 << 16, copies=0))
    assert "\n" not in str(caught.value)
    verify(tiny_bundle, manifest, limits=Limits(room_bytes=256 << 20))


@pytest.mark.parametrize("kind", ["none", "frozen", "missing"])
def test_a_program_that_cannot_start_a_python_is_told_how_to_go_on(
    tiny_bundle: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    else:
        monkeypatch.setattr(sys, "executable", "" if kind == "none" else str(tmp_path / "none"))
    with pytest.raises(MachineError, match=r"in a child process(, found|: )"):
        Engine.open(tiny_bundle)
    note_verified(read(tiny_bundle).manifest, 1)  # as `cfedge predict` of another process does
    assert Engine.open(tiny_bundle).tasks == ("animals", "colors")


def test_a_child_imports_what_its_parent_would_and_nothing_of_the_current_folder(
    tiny_bundle: Path, tmp_path: Path, cache: Path
) -> None:
    for name in ("json.py", "numpy.py", "cfedge.py"):
        (tmp_path / name).write_text(
            "raise SystemExit('imported what lies about')", encoding="utf-8"
        )
    code = (
        "import os, sys; from cfedge import Engine; os.chdir(sys.argv[2]); sys.path[:] = [one for"
        " one in sys.path if one]; Engine.open(sys.argv[1])"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tiny_bundle), str(tmp_path)],
        check=True,
        cwd=Path(verification.__file__).parents[2],
    )
    assert len(list((cache / "verified").iterdir())) == 1


def test_threads_count_for_what_was_proven(tiny_bundle: Path, cache: Path) -> None:
    manifest = read(tiny_bundle).manifest
    verify_once(tiny_bundle, manifest, threads=2)
    assert (is_verified(manifest, 1), is_verified(manifest, 2)) == (False, True)
