"""Verify a bundle in this process: open it and answer its golden vectors. What the child of
`cfedge.runtime.verification` runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfedge.bundle.files import Bundle, read
from cfedge.bundle.graph import check_graphs
from cfedge.errors import IncompatibleError, InputError
from cfedge.runtime.child import answer_parent
from cfedge.runtime.engine import Engine
from cfedge.runtime.golden import check_golden, golden_inputs
from cfedge.runtime.verified import arithmetic
from cfedge.store import Store

__all__ = ["answer_largest", "main", "verify_here"]


def verify_here(
    bundle: Bundle,
    *,
    threads: int = 1,
    vectors: Mapping[str, int] | None = None,
) -> None:
    """Open a bundle and answer its golden vectors in this process.

    Parameters
    ----------
    threads, vectors
        See `cfedge.runtime.verification.verify`.

    Raises
    ------
    BundleError
        See `check_graphs`, `Engine` and `check_golden`; or an input as large as the backbone reads
        cannot be answered.
    """
    check_graphs(bundle)
    engine = Engine(bundle, threads=threads)
    try:
        check_golden(engine, bundle, vectors)
        answer_largest(engine, bundle)
    except InputError as error:
        raise IncompatibleError(
            f"could not answer the golden vectors: {error}; export the bundle again"
        ) from error


def answer_largest(engine: Engine, bundle: Bundle) -> None:
    """Answer an input as large as the backbone reads: none takes more (docs/format.md).

    Raises
    ------
    IncompatibleError, InputError
        It cannot be answered.
    """
    first = bundle.manifest.tasks[0]
    what = f"golden vectors of task {first.name!r}"
    (value,) = golden_inputs(engine.modality, bundle[first.golden], what, most=1)
    engine.predict([engine.modality.largest(value)])


def main() -> None:
    """Be the child of `cfedge.runtime.verification`."""
    answer_parent(_verify)


def _verify(asked: dict[str, Any]) -> dict[str, object]:
    folder = Path(asked["folder"])
    bundle = (
        read(folder) if asked["generation"] is None else Store(folder).bundle(asked["generation"])
    )
    if bundle.manifest.digest != asked["digest"]:
        raise IncompatibleError(
            f"{folder}: expected bundle {asked['digest'][:12]}, found"
            f" {bundle.manifest.digest[:12]}, which took its place; try again"
        )
    verify_here(bundle, threads=asked["threads"], vectors=asked["vectors"])
    return {"arithmetic": arithmetic(bundle.manifest)}
