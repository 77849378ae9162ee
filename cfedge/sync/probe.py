"""Try a generation before it answers: open it and answer golden vectors, in a child process under limits.

What kills, hangs or fills the memory of the child does so to nobody else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from cfedge.errors import CfedgeError, IncompatibleError, MachineError
from cfedge.runtime.engine import Engine
from cfedge.runtime.golden import check_golden, note_passed
from cfedge.store import Store

__all__ = ["PROBE_VECTORS", "probe", "probe_here"]

#: Golden vectors that are answered: of new tasks first, then of the others, evenly. Some 4 ms each on a desktop CPU.
PROBE_VECTORS = 256
LIMIT_S, LIMIT_BYTES = 300, 8 << 30


def probe(store: Store, generation: int, new: Collection[str]) -> None:
    """Open `generation` in a child process.

    Raises
    ------
    IncompatibleError
        It does not open or does not answer as it should; naming the cause.
    MachineError
        No child could be started.
    """
    command = [sys.executable, "-m", "cfedge.sync.probe", str(store.folder), str(generation)]
    names = json.dumps(sorted(new))  # not as arguments: their length is bounded
    try:
        done = subprocess.run(
            command, input=names, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _failed(generation, f"no answer in {LIMIT_S} s") from error
    except OSError as error:
        raise MachineError(
            f"generation {generation}: expected to try it in a child process, found {error.strerror}; make room and sync again"
        ) from error
    if done.returncode < 0:
        raise _failed(generation, f"death by signal {-done.returncode}")
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise _failed(generation, last.removeprefix("cfedge: "))


def probe_here(store: Store, generation: int, new: Collection[str]) -> None:
    """Open `generation` and answer golden vectors in this process.

    Raises
    ------
    BundleError
        See `Engine.open` and `check_golden`.
    """
    bundle = store.bundle(generation)
    engine = Engine(bundle)
    check_golden(engine, bundle, _shares(engine.tasks, new))
    note_passed(bundle.manifest, 1)


def _shares(tasks: Collection[str], new: Collection[str]) -> dict[str, int]:
    """Deal `PROBE_VECTORS` out, one to each task and round again, new ones first."""
    order = sorted(tasks, key=lambda name: (name not in new, name))
    every, more = divmod(PROBE_VECTORS, len(order))
    return {name: every + (place < more) for place, name in enumerate(order)}


def _failed(generation: int, found: str) -> IncompatibleError:
    return IncompatibleError(
        f"generation {generation}: expected to pass its golden vectors on this machine, found {found}; what was installed before goes on"
    )


def _main(folder: str, generation: str) -> int:
    try:
        import resource
    except ImportError:
        pass  # Windows has no such limits
    else:
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        probe_here(Store(Path(folder)), int(generation), set(json.load(sys.stdin)))
    except CfedgeError as error:
        print(f"cfedge: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
