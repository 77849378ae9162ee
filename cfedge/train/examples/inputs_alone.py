"""Inputs without labels: of one file, or all files of the kind in a folder."""

from __future__ import annotations

from pathlib import Path

from cfedge.errors import DataError
from cfedge.inputs import DEFAULT_KIND, reader
from cfedge.inputs.modality import Input
from cfedge.train.examples.data import INPUT_AND_LABEL, read_file
from cfedge.train.examples.rows import Columns

__all__ = ["load_inputs"]


def load_inputs(
    path: Path,
    columns: Columns = INPUT_AND_LABEL,
    encoding: str | None = None,
    kind: str = DEFAULT_KIND,
) -> tuple[Input, ...]:
    """Load the inputs of one file, or of all files of the kind in a folder, without labels; errors
    as of `cfedge.train.examples.data.load`.
    """
    if not path.is_dir():
        return read_file([path], columns._replace(label=None), encoding, kind).inputs
    suffixes = reader(kind).suffixes
    found = sorted(
        str(one) for one in path.rglob("*") if one.suffix.lower() in suffixes and one.is_file()
    )
    if not found:
        wanted = f"files of {', '.join(suffixes)} in it" if suffixes else f"a file of {kind} inputs"
        raise DataError(f"{path}: expected {wanted}, found a folder without; name another")
    return tuple(found)
