"""Files that are not what their suffix says: known by their first bytes, and what to do with them.

A door would find odd characters in them, or no columns; somebody who was sent a login page instead
of a file, or renamed a workbook, is told so.
"""

from __future__ import annotations

__all__ = ["FIRST_BYTES", "disguised"]

#: Of a file that `disguised` looks at.
FIRST_BYTES = 512
#: First bytes, what they begin, the suffixes that such a file may have, and what to do.
_KNOWN: tuple[tuple[bytes, str, tuple[str, ...], str], ...] = (
    (b"PK\x03\x04", "a ZIP archive or a workbook", (".xlsx", ".xlsm"),
     "name it .xlsx if Excel wrote it, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook that is old or has a password", (),
     "save it as .xlsx without a password, or as CSV"),
    (b"PAR1", "a Parquet file", (".parquet",), "name it .parquet"),
    (b"\x1f\x8b", "a gzip archive", (), "unpack it"),
    (b"BZh", "a bzip2 archive", (), "unpack it"),
    (b"\xfd7zXZ", "an xz archive", (), "unpack it"),
    (b"%PDF", "a PDF document", (), "save its rows as CSV"),
    (b"SQLite format 3", "a database", (), "save its rows as CSV"),
    (b"version https://git-lfs", "a pointer of Git LFS to a file that is not here", (),
     "fetch it with: git lfs pull"),
)  # fmt: skip
_PAGE = (b"<!doctype html", b"<html")


def disguised(start: bytes, suffix: str) -> tuple[str, str] | None:
    """Say what a file is, and what to do, where that is not what its suffix, in lower case, says;
    None: nothing speaks against it.

    Parameters
    ----------
    start
        Its first `FIRST_BYTES` bytes.
    """
    for mark, what, suffixes, step in _KNOWN:
        if start.startswith(mark) and suffix not in suffixes:
            return what, step
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE):
        return (
            "a web page, such as a site shows before somebody logs in",
            "open the address in a browser and download the file itself",
        )
    return None
