"""What a file is, by its first bytes and whatever its name says: for errors that name what was found
where something else was expected. Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["FIRST_BYTES", "Known", "UNPACK", "known"]

#: Of a file that `known` looks at.
FIRST_BYTES = 512

#: What to do with an archive.
UNPACK = "unpack it"


class Known(NamedTuple):
    """What a file is, and what to do with it; `step` is empty where that depends on what is asked
    for.
    """

    what: str
    step: str = ""


_POINTER = Known("a pointer of Git LFS to a file that is not here", "fetch it with: git lfs pull")
_PAGE = Known(
    "a web page, such as a site shows before somebody logs in",
    "open the address in a browser and download the file itself",
)
_CONVERT = "convert it to JPEG or PNG"
_RAW = Known("a camera's raw picture", "develop it to JPEG")
#: Netpbm's, with binary pixels: nothing else of letters goes on so.
_PIXMAP = re.compile(rb"P[4-6fF]\s+(?:#[^\n]*\n\s*)?\d+\s+\d+\s").match
_HEIC = (b"hei", b"hev", b"mif1", b"msf1")
#: Where a mark stands, the mark, and what it begins. Before one that stands further in there is a
#: NUL, which no file of letters has.
_MARKS: tuple[tuple[int, bytes, Known], ...] = (
    (0, b"\xd0\xcf\x11\xe0", Known("an Excel workbook that is old or has a password",
                                   "save it as .xlsx without a password, or as CSV")),
    (0, b"\x1f\x8b", Known("a gzip archive", UNPACK)),
    (0, b"BZh", Known("a bzip2 archive", UNPACK)),
    (0, b"\xfd7zXZ", Known("an xz archive", UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", Known("a Zstandard archive", UNPACK)),
    (0, b"7z\xbc\xaf", Known("a 7-Zip archive", UNPACK)),
    (0, b"Rar!\x1a", Known("a RAR archive", UNPACK)),
    (257, b"ustar", Known("a tar archive", UNPACK)),
    (0, b"version https://git-lfs", _POINTER),
    (0, b"PAR1", Known("a Parquet file")),
    (0, b"ARROW1", Known("an Arrow file")),
    (0, b"%PDF", Known("a PDF document")),
    (0, b"{\\rtf", Known("an RTF document")),
    (0, b"SQLite format 3", Known("a database")),
    (0, b"\x93NUMPY", Known("a NumPy array (.npy)")),
    (0, b"\0\0\x08\1", Known("arrays in MNIST's own format (IDX)")),
    (0, b"\0\0\x08\3", Known("arrays in MNIST's own format (IDX)")),
    (0, b"\x89HDF", Known("an HDF5 file")),
    (0, b"MATLAB 5.0", Known("a MATLAB file")),
    (0, b"ID3\3", Known("a sound file")),
    (0, b"ID3\4", Known("a sound file")),
    (0, b"fLaC", Known("a sound file")),
    (0, b"OggS", Known("a sound file")),
    (0, b"\x1aE\xdf\xa3", Known("a video")),
    (0, b"\x89PNG", Known("a picture (PNG)")),
    (0, b"\xff\xd8\xff", Known("a picture (JPEG)")),
    (0, b"GIF8", Known("a picture (GIF)")),
    (0, b"II*\0", Known("a picture (TIFF)")),
    (0, b"MM\0*", Known("a picture (TIFF)")),
    (0, b"8BPS", Known("a Photoshop picture", _CONVERT)),
    (0, b"\0\0\0\x0cjP  ", Known("JPEG 2000", _CONVERT)),
    (0, b"\xffO\xffQ", Known("JPEG 2000", _CONVERT)),
    (0, b"\0\0\0\x0cJXL ", Known("JPEG XL", _CONVERT)),
    (0, b"\xff\x0a", Known("JPEG XL", _CONVERT)),
    (0, b"\0\0\1\0", Known("an icon", _CONVERT)),
    (0, b"FUJIFILMCCD-RAW", _RAW),
    (4, b"ftypcrx ", _RAW),
    (0, b"v/1\1", Known("OpenEXR")),
    (128, b"DICM", Known("a DICOM file")),
    *((4, b"ftyp" + brand, Known("a HEIC picture", _CONVERT)) for brand in _HEIC),
    (4, b"ftypavi", Known("an AVIF picture", _CONVERT)),
    (4, b"ftyp", Known("a video")),
    (4, b"TFL3", Known("a TensorFlow Lite model")),
    (4, b"ORTM", Known("ONNX Runtime's own file format")),
    (0, b"GGUF", Known("a GGUF model")),
    (8, b'{"', Known("weights without a graph (safetensors)")),
)  # fmt: skip
#: What the files are that begin with RIFF.
_RIFF = {b"WAVE": "a sound file", b"AVI ": "a video", b"WEBP": "a picture (WebP)"}
#: Where a ZIP archive states the name of its first member.
_MEMBER = slice(30, 90)


def known(start: bytes) -> Known | None:
    """Return what the first `FIRST_BYTES` bytes of a file say that it is; None: nothing that is
    known.
    """
    if start.startswith(b"PK\x03\x04"):
        return _archive(start[_MEMBER])
    if start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return Known("a pickle of Python or an older PyTorch file")
    for at, mark, found in _MARKS:
        if start[at : at + len(mark)] == mark and (not at or 0 in start[:at]):
            return found
    if start[:4] == b"RIFF" and start[8:12] in _RIFF:
        return Known(_RIFF[start[8:12]])
    if _PIXMAP(start):
        return Known("a portable pixmap (PPM)", _CONVERT)
    page = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if page.startswith((b"<!doctype html", b"<html")):
        return _PAGE
    if page.startswith((b"<?xml", b"<error", b"<table")):
        return Known("an XML or HTML document")
    return None


def _archive(member: bytes) -> Known:
    """Tell archives apart by their first member's name."""
    if b"data.pkl" in member or b"/byteorder" in member or b".format_version" in member:
        return Known("a PyTorch file")
    if b".npy" in member:
        return Known("several arrays (.npz)")
    return Known("a ZIP archive or a workbook", UNPACK)
