"""A file that is not what its suffix says is named for what it is."""

from __future__ import annotations

import gzip
import io
import zipfile

from every import cases

from cfedge.doors import suffixes
from cfedge.doors.disguises import FIRST_BYTES, disguised


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("x", "y")
    return buffer.getvalue()


@cases(
    ("content", "what"),
    [
        (archive(), "a ZIP archive or a workbook"),
        (gzip.compress(b"text,label\n"), "a gzip archive"),
        (b"PAR1" + bytes(20), "a Parquet file"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\xef\xbb\xbf\r\n <!DOCTYPE HTML><html>", "a web page"),
        (b"<HTML lang=en>", "a web page"),
    ],
)
def test_it_is_known_by_its_first_bytes(content: bytes, what: str) -> None:
    found = disguised(content[:FIRST_BYTES], ".csv")
    assert found is not None
    assert found[0].startswith(what)


def test_what_a_suffix_says_is_no_disguise() -> None:
    assert disguised(archive(), ".xlsx") is None
    assert disguised(b"PAR1" + bytes(20), ".parquet") is None
    for suffix in suffixes():
        for content in (b"", b"text,label\n", b'{"text": "<html>"}', "öffne".encode()):
            assert disguised(content, suffix) is None
