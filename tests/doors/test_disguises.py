"""A file that is not what its suffix says is named for what it is."""

from __future__ import annotations

import gzip
import io
import zipfile

from every import cases

from cfedge.doors import suffixes
from cfedge.doors.disguises import disguised
from cfedge.first_bytes import FIRST_BYTES


def packed(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, "y")
    return buffer.getvalue()


@cases(
    ("content", "what"),
    [
        (packed("x"), "a ZIP archive or a workbook; name it .xlsx if Excel wrote it, or unpack it"),
        (packed("archive/data.pkl"), "a PyTorch file; "),
        (packed("arr_0.npy"), "several arrays (.npz); "),
        (gzip.compress(b"text,label\n"), "a gzip archive; unpack it"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "a Zstandard archive; unpack it"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it"),
        (b"Rar!\x1a\x07", "a RAR archive; unpack it"),
        (bytes(257) + b"ustar", "a tar archive; unpack it"),
        (b"PAR1" + bytes(20), "a Parquet file; name it .parquet"),
        (b"\0\0\x08\1\0\0\0\4", "arrays in MNIST's own format (IDX); save its rows as CSV"),
        (b"%PDF-1.7", "a PDF document; save its rows as CSV"),
        (b"{\\rtf1 x}", "an RTF document; "),
        (b"\x89PNG\r\n", "a picture (PNG); "),
        (b"\x93NUMPY", "a NumPy array (.npy); "),
        (b"\x80\x04K\x01.", "a pickle of Python"),
        (b"RIFF1234WAVE", "a sound file; "),
        (b"\0\0\0\x18ftypmp42", "a video; "),
        (bytes(128) + b"DICM", "a DICOM file; "),
        (b"\x10" + bytes(7) + b'{"a":{}}', "weights without a graph (safetensors); "),
        (b"\xef\xbb\xbf\r\n <!DOCTYPE HTML><html>", "a web page"),
        (b"<HTML lang=en>", "a web page"),
        (b'<?xml version="1.0"?><rows/>', "an XML or HTML document; "),
        (b'{"text": "a"}\n', "JSON; name it .jsonl or .json"),
        (b'[\n {"text": "a"}]', "JSON; "),
    ],
)
def test_it_is_known_by_its_first_bytes(content: bytes, what: str) -> None:
    found = disguised(content[:FIRST_BYTES], ".csv")
    assert found is not None
    assert "; ".join(found).startswith(what)


@cases(
    ("content", "suffix", "what"),
    [
        (b"text,label\na,b\n", ".xlsx", "lines with columns"),
        (b"text;label\r\n", ".json", "lines with columns"),
        (b"text\tlabel\n", ".parquet", "lines with columns"),
        (b"<table><tr>", ".xlsx", "an XML or HTML document"),
        (b"a book", ".xlsx", "something else"),
    ],
)
def test_a_name_that_promises_more_is_told_what_it_holds(
    content: bytes, suffix: str, what: str
) -> None:
    found = disguised(content, suffix)
    assert found is not None
    assert found[0] == what


def test_what_a_suffix_says_is_no_disguise() -> None:
    assert disguised(packed("x"), ".xlsx") is None
    assert disguised(b"PAR1" + bytes(20), ".parquet") is None
    tables = {".csv", ".tsv", ".tab"}
    for suffix in suffixes():
        assert disguised(b"", suffix) is None
        if suffix in (".xlsx", ".xlsm", ".parquet"):
            continue
        assert disguised("öffne".encode(), suffix) is None
        good = b"text,WAVEftyp\n" if suffix in tables else b'[       {"text": "<html>"}]'
        assert disguised(good, suffix) is None
