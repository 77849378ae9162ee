"""Restate golden vectors in a child process under limits: what a channel will hold may be another
site's, and this process holds the keys.

The child has the limits of one that verifies a bundle on a device (`cfedge.runtime.child`), so no
state is signed that devices could not open.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from cfedge.bundle.fileref import FileRef
from cfedge.bundle.files import Bundle, read, write
from cfedge.bundle.graph import check_graphs
from cfedge.errors import IncompatibleError, InputError
from cfedge.plain_files import LARGEST_BYTES, read_plain
from cfedge.progress import Progress, Quiet
from cfedge.publish.restate_golden import Restated, restate
from cfedge.runtime.child import LIMITS, answer_parent, ask_child
from cfedge.runtime.engine import Engine
from cfedge.runtime.verify_here import answer_largest
from cfedge.scratch import scratch_folder

__all__ = ["main", "restate_here", "restate_in_child"]

#: As a device's.
_LIMITS = LIMITS
#: Files beside the bundle: other golden vectors to take, and those that the child made.
_SPARE, _MADE = "spare", "made"


def restate_in_child(
    bundle: Bundle,
    spare: Mapping[str, FileRef] | None = None,
    progress: Progress | None = None,
    here: Collection[str] = (),
) -> Restated:
    """Open `bundle` in a child process and `restate` its golden vectors there.

    Raises
    ------
    BundleError, StorageError
        What the child was refused with; or it died, or took longer or more memory than it may.
    MachineError
        No child could be started.
    """
    manifest, spare = bundle.manifest, spare or {}
    tasks = len(manifest.tasks)
    with (
        scratch_folder() as temporary,
        (progress or Quiet()).track("checking golden vectors", tasks) as advance,
    ):
        folder = temporary / "bundle"
        files = {ref.sha256: bundle[ref] for ref in manifest.files().values()}
        write(Bundle(manifest, files), folder)
        for part in (_SPARE, _MADE):
            (temporary / part).mkdir()
        for ref in spare.values():
            (temporary / _SPARE / ref.sha256).write_bytes(bundle[ref])
        named = {task: dataclasses.asdict(ref) for task, ref in spare.items()}
        asked = {"spare": named, "here": sorted(here)}
        said = ask_child(__name__, folder, manifest, asked, limits=_LIMITS)
        golden = {task: FileRef(**ref) for task, ref in said["golden"].items()}
        made = {name: _made(temporary / _MADE / name) for name in said["made"]}
        advance(tasks)
    return Restated(
        golden=golden,
        made=made,
        moved={(task, rival): count for task, rival, count in said["moved"]},
        inputs=said["inputs"],
        confusions={(task, rival): share for task, rival, share in said["confusions"]},
    )


def restate_here(
    bundle: Bundle,
    spare: Mapping[str, FileRef] | None = None,
    progress: Progress | None = None,
    here: Collection[str] = (),
) -> Restated:
    """Do what the child of `restate_in_child` does in this process."""
    check_graphs(bundle)
    engine = Engine(bundle)
    try:
        found = restate(engine, bundle, spare, progress, here)
        answer_largest(engine, bundle)
    except InputError as error:
        raise IncompatibleError(
            f"golden vectors: expected to be answered, found {error}; export the bundle again"
        ) from error
    return found


def main() -> None:
    """Be the child of `restate_in_child`."""
    answer_parent(_restated)


def _restated(asked: dict[str, Any]) -> dict[str, object]:
    folder = Path(asked["folder"])
    spare = {task: FileRef(**ref) for task, ref in asked["spare"].items()}
    bundle = read(folder)
    beside = {
        ref.sha256: read_plain(folder.parent / _SPARE / ref.sha256, whole_bytes=LARGEST_BYTES)
        for ref in spare.values()
    }
    found = restate_here(
        Bundle(bundle.manifest, {**bundle.objects, **beside}), spare, here=asked["here"]
    )
    for name, data in found.made.items():
        (folder.parent / _MADE / name).write_bytes(data)
    return {
        "golden": {task: dataclasses.asdict(ref) for task, ref in found.golden.items()},
        "made": sorted(found.made),
        "moved": [[*pair, count] for pair, count in found.moved.items()],
        "inputs": dict(found.inputs),
        "confusions": [[*pair, share] for pair, share in found.confusions.items()],
    }


def _made(path: Path) -> bytes:
    data = read_plain(path, whole_bytes=LARGEST_BYTES)
    if hashlib.sha256(data).hexdigest() != path.name:
        raise IncompatibleError(
            f"golden vectors: expected SHA-256 {path.name}, found another; publish again"
        )
    return data
