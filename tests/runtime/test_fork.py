"""Children that a process forks after it opened an engine, in interpreters of their own: a fork of
pytest would be one too many.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

#: Forks CHILDREN times while other threads answer; each child answers and ends as MODE says. Prints
#: what each came to.
_PROGRAM = """
import json, os, sys, threading, time
from dataclasses import replace
from cfedge import Engine
from cfedge.bundle.files import Bundle, read
from pathlib import Path

path, threads, children, mode, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], json.loads(sys.argv[5])
texts = ["crimson please", "puppy nest", "the of"]
if mode == "memory":
    bundle = read(Path(path))
    engine = Engine(Bundle(bundle.manifest, dict(bundle.objects)), threads=threads)
else:
    engine = Engine.open(path, threads=threads, adapter_bytes=limit)
right = [replace(one, ms=0) for one in engine.predict(texts)]

def busy():
    while True:
        engine.predict(texts)

for _ in range(2 if children > 1 else 0):
    threading.Thread(target=busy, daemon=True).start()

def child():
    if mode == "unused":
        sys.exit(0)
    found = []
    asking = [threading.Thread(target=lambda: found.append([replace(one, ms=0) for one in engine.predict(texts)])) for _ in range(3)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    if mode == "memory":
        try:
            engine.predict(texts)
        except Exception as error:
            print(type(error).__name__, error, flush=True)
        sys.exit(0)
    grandchild = os.fork() if mode == "deep" else 1
    if grandchild == 0:
        found.append([replace(one, ms=0) for one in engine.predict(texts)])
    elif mode == "deep":
        os.waitpid(grandchild, 0)
    sys.exit(0 if all(one == right for one in found) and len(found) >= 3 else 1)

ended = []
for _ in range(children):
    time.sleep(0.005)
    pid = os.fork()
    if pid == 0:
        child()
    ended.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print("ended", ended, "parent", right == [replace(one, ms=0) for one in engine.predict(texts)], flush=True)
os._exit(0)
"""


def _run(
    bundle: Path, mode: str, *, threads: int = 1, children: int = 1, limit: int | None = None
) -> str:
    options = [
        str(bundle),
        str(threads),
        str(children),
        mode,
        "null" if limit is None else str(limit),
    ]
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _PROGRAM, *options],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_child_answers_as_its_parent_does_and_so_does_its_own_child(
    tiny_bundle: Path, threads: int
) -> None:
    assert _run(tiny_bundle, "deep", threads=threads) == "ended [0] parent True"


def test_a_child_answers_with_adapters_that_are_read_again(tiny_bundle: Path) -> None:
    assert _run(tiny_bundle, "deep", limit=0) == "ended [0] parent True"


def test_children_of_a_parent_whose_threads_are_answering_do_not_wait_for_them(
    tiny_bundle: Path,
) -> None:
    assert _run(tiny_bundle, "used", children=6) == f"ended {[0] * 6} parent True"


def test_a_child_that_never_asks_ends(tiny_bundle: Path) -> None:
    assert _run(tiny_bundle, "unused", threads=2) == "ended [0] parent True"


def test_a_child_whose_engine_was_made_in_memory_is_told_so(tiny_bundle: Path) -> None:
    assert (
        "UsageError engine: expected the process that made it from a bundle in memory, found a"
        " child forked from that" in _run(tiny_bundle, "memory")
    )
