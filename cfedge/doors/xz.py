"""A file that xz packed, read within bounds: its header says how much memory unpacking takes, up to 4
GB, and `lzma.LZMAFile` would take it.
"""

from __future__ import annotations

import io
import lzma
from pathlib import Path
from typing import Any

__all__ = ["opened_xz"]

#: What ``xz -9`` asks for is 65 MB.
_MEMORY_BYTES = 128 << 20
_PIECE = 1 << 16


class _Unpacked(io.RawIOBase):
    """The unpacked bytes; going back begins anew."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._begin()

    def _begin(self) -> None:
        self._file.seek(0)
        self._packed = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_BYTES)
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        while True:
            if self._packed.eof:
                rest = self._packed.unused_data or self._file.read(_PIECE)
                if not rest.strip(b"\0"):
                    return 0
                self._packed = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_BYTES)
            else:
                rest = self._file.read(_PIECE) if self._packed.needs_input else b""
                if self._packed.needs_input and not rest:
                    raise EOFError("its end is missing")
            data = self._packed.decompress(rest, max_length=len(view))
            if data:
                view[: len(data)] = data
                self._place += len(data)
                return len(data)

    def seek(self, place: int, whence: int = io.SEEK_SET, /) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("seek from elsewhere than the beginning")
        if place < self._place:
            self._begin()
        while self._place < place:
            if not self.read(min(_PIECE, place - self._place)):
                break
        return self._place

    def close(self) -> None:
        self._file.close()
        super().close()


def opened_xz(path: Path) -> io.BufferedReader:
    """Open a file that xz packed, to read what it holds.

    Raises
    ------
    OSError
        The disk refused.
    lzma.LZMAError
        While it is read: it is none, is damaged, or asks for more memory than it may.
    EOFError
        While it is read: its end is missing.
    """
    return io.BufferedReader(_Unpacked(path))
