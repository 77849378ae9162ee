"""The device half reaches for no network and writes nothing but its note and what it computes of a
bundle in the cache, once: watched by the kernel, native code included.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import quiet
from test_storage import tree

TESTS = Path(quiet.__file__).parent
SETUP = (
    "import sys; sys.path.insert(0, sys.argv[1]); from quiet import forbid;"
    " forbid(sockets={sockets}, changes={changes})\n"
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, with nothing set that switches telemetry off, and all that packages take for a
    cache in it.
    """
    folder = tmp_path / "home"
    (folder / "tmp").mkdir(parents=True)
    for name in (
        "ORT_DISABLE_TELEMETRY",
        "HF_HUB_OFFLINE",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return folder


def run(
    code: str, *arguments: object, changes: bool, sockets: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process that may not send; with `sockets` nor make a socket, and with
    `changes` nor change a file.
    """
    if not quiet.supported():
        pytest.skip("there is no seccomp here")
    command = [
        sys.executable,
        "-c",
        SETUP.format(sockets=sockets, changes=changes) + code,
        str(TESTS),
        *map(str, arguments),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Error" in done.stderr and "prctl" in done.stderr:
        pytest.skip(f"no filter can be set here: {done.stderr.splitlines()[-1]}")
    return done


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("import socket; socket.socket()", False),
        ("import ctypes; ctypes.CDLL(None).socket(2, 1, 0)", False),
        ("import socket; socket.socketpair()", False),
        ("import threading, socket; threading.Thread(target=socket.socket).start()", False),
        ("open(sys.argv[2] + '/file', 'w')", True),
        ("import ctypes; ctypes.CDLL(None).fopen((sys.argv[2] + '/file').encode(), b'a')", True),
        ("import os; os.mkdir(sys.argv[2] + '/folder')", True),
        ("import os; os.rename(sys.argv[2], sys.argv[2] + '-2')", True),
    ],
)
def test_the_kernel_kills_what_it_should(code: str, changes: bool, home: Path) -> None:
    assert run(code, home, changes=changes).returncode == -signal.SIGSYS
    assert (
        run(
            "import socket; socket.socket().connect(('127.0.0.1', 9))", changes=False, sockets=False
        ).returncode
        == -signal.SIGSYS
    )
    assert run("print(sys.version_info[0])", changes=changes).stdout == "3\n"


def test_a_child_of_a_watched_process_is_watched(home: Path) -> None:
    code = (
        "import subprocess; print(subprocess.run([sys.executable, '-c', 'import socket;"
        " socket.socket()']).returncode)"
    )
    assert run(code, changes=False).stdout == f"{-signal.SIGSYS}\n"


ANSWER = """
from cfedge import Engine
engine = Engine.open(sys.argv[2])
engine.warm_up()
print(engine.predict(["crimson please", "puppy nest"] * 20)[0].task, engine.latest() is engine)
"""


def test_opening_and_answering_reaches_for_no_network_and_changes_no_file(
    tiny_bundle: Path, home: Path
) -> None:
    run(ANSWER, tiny_bundle, changes=False)  # noted and kept: the first time is below
    before = tree(tiny_bundle)
    done = run(ANSWER, tiny_bundle, changes=True)
    assert (done.returncode, done.stdout.split()[1:]) == (0, ["True"]), done.stderr
    assert tree(tiny_bundle) == before
    assert tree(home) == {"tmp": None}


def test_the_first_time_writes_its_note_and_what_it_computes_and_nothing_else(
    tiny_bundle: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CFEDGE_CACHE")
    before = tree(tiny_bundle)
    done = run(ANSWER, tiny_bundle, changes=False)
    assert (done.returncode, done.stdout.split()[1:]) == (0, ["True"]), done.stderr
    assert tree(tiny_bundle) == before
    cache = home / ".cache" / "cfedge"
    (note,), rooms = (cache / "verified").iterdir(), (cache / "tables", cache / "records")
    tables, records = (tuple(room.iterdir()) for room in rooms)
    assert (len(tables), len(records)) == (6, 4)  # of each part of the encoder three, and two
    made = (cache.parent, cache, note.parent, note, *rooms, *tables, *records)
    assert set(tree(home)) == {"tmp", *(str(path.relative_to(home)) for path in made)}


SYNC = """
from datetime import datetime, timezone
from pathlib import Path
from cfedge.store import Store
from cfedge.sync.client import sync
from cfedge.sync.transport import Folder
now = datetime.fromisoformat(sys.argv[4])
print(*sync(Store(Path(sys.argv[2])), Folder(Path(sys.argv[3])), now=lambda: now).added)
"""


def test_a_sync_from_a_folder_sends_nothing_and_writes_to_the_store_alone(
    tiny_site: Path, home: Path, tmp_path: Path
) -> None:
    """Sockets are made: urllib3, when it is imported, binds one to ::1 to see whether there is
    IPv6.
    """
    from channels import NOW
    from tiny import new_store

    store = new_store(tiny_site, tmp_path / "store")
    before = tree(tiny_site)
    done = run(
        SYNC, store.folder, tiny_site / "repo", NOW.isoformat(), changes=False, sockets=False
    )
    assert (done.returncode, done.stdout) == (0, "animals colors\n"), done.stderr
    assert tree(tiny_site) == before
    assert tree(home) == {"tmp": None}


@pytest.mark.parametrize(
    "entry", ["cfedge.runtime.session", "cfedge.runtime.engine", "cfedge.runtime.verify_here"]
)
def test_telemetry_is_off_before_onnx_runtime_is_imported(entry: str, home: Path) -> None:
    code = f"""
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.meta_path.insert(0, Watch())
import {entry}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout == "1\n"
