"""Files that are not what their suffix says: known by their first bytes, and what to do with them.

A door would find odd characters in them, or no columns; somebody who was sent a login page instead
of a file, or renamed a workbook, is told so.
"""

from __future__ import annotations

import re

from cfedge.first_bytes import known

__all__ = ["disguised", "step_of"]

#: What files of a suffix begin with, where all of them do.
_BEGIN = {".xlsx": b"PK", ".xlsm": b"PK", ".parquet": b"PAR1"}
#: What to do with rows that stand in a file of another kind.
_STEPS = {
    "a Parquet file": "name it .parquet",
    "a ZIP archive or a workbook": "name it .xlsx if Excel wrote it, or unpack it",
}
_ARRAYS = "write them as one .npy file each, in a folder of their label, for an encoder of your own"
#: What to do with files that hold no rows.
_FILES = {
    "a sound file": "write the windows of each as .npy files in a folder of their label, for an encoder"
    " of your own (cfedge init NEW --backbone onnx --model FILE --input array)",
    "a video": "save the frames that count as pictures, in one folder a label",
    "arrays in MNIST's own format (IDX)": "write them as one picture each, in a folder of their label,"
    " or give them to Workspace.add as NumPy arrays",
    "a pickle of Python or an older PyTorch file": "none is opened, as it may run any program: write"
    " its pictures or arrays as one file each, in a folder of their label, or its rows as CSV",
    "a NumPy array (.npy)": _ARRAYS,
    "several arrays (.npz)": _ARRAYS,
    "an HDF5 file": _ARRAYS,
    "a MATLAB file": _ARRAYS,
}
_TABLES = (".csv", ".tsv", ".tab")
_OBJECT = re.compile(rb"[\s\xef\xbb\xbf]*(?:\[\s*)?\{\s*\"").match
_HEADER = re.compile(rb"[\s\xef\xbb\xbf]*[A-Za-z_][\w ]*[,;\t|][\w ,;\t|]*[\r\n]").match


def disguised(start: bytes, suffix: str) -> tuple[str, str] | None:
    """Say what a file is, and what to do, where that is not what its suffix, in lower case, says;
    None: nothing speaks against it.

    Parameters
    ----------
    start
        Its first `cfedge.first_bytes.FIRST_BYTES` bytes.
    """
    begin = _BEGIN.get(suffix)
    if begin is not None and start.startswith(begin):
        return None
    found = known(start)
    if found is not None:
        return found.what, _STEPS.get(found.what) or found.step or "save its rows as CSV"
    if suffix in _TABLES and _OBJECT(start):
        return "JSON", "name it .jsonl or .json"
    if suffix not in _TABLES and suffix != ".txt" and _HEADER(start):
        return "lines with columns", "name it .csv"
    if begin is not None and start:
        return "something else", "save it again, or as CSV"
    return None


def step_of(what: str, *, labelled: bool = False) -> str | None:
    """Return what to do with a file that holds no rows, by what `cfedge.first_bytes.known` calls it;
    None for all others. `labelled`: it lies in a folder of a label.
    """
    if what.startswith("a picture") and labelled:
        return "give its name the ending of its format, such as .jpg or .png"
    if what.startswith("a picture"):
        return (
            "move each into a folder that is called as its label, or write a CSV of their paths and"
            " labels (columns image and label)"
        )
    return _FILES.get(what)
