"""A reference to a content-addressed file: what manifest, catalogue and inputs name files
by. Pure.
"""

from __future__ import annotations

from cfedge.errors import SchemaError
from cfedge.records import record

__all__ = ["FILE_BYTES", "FileRef", "check_digest", "check_file"]

#: Largest accepted file; far above any use.
FILE_BYTES = 2 << 30


@record(frozen=True)
class FileRef:
    """One content-addressed file: ``objects/<sha256>``."""

    sha256: str
    size: int


def check_digest(what: str, sha256: str, remedy: str = "export the bundle again") -> None:
    """Refuse what is no SHA-256 in lower case.

    Raises
    ------
    SchemaError
    """
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise SchemaError(f"{what}: expected 64 hexadecimal digits, found {sha256!r:.80}; {remedy}")


def check_file(role: str, ref: FileRef) -> None:
    """Refuse a file reference that names nothing.

    Raises
    ------
    SchemaError
    """
    check_digest(role, ref.sha256)
    if not 0 < ref.size <= FILE_BYTES:
        raise SchemaError(
            f"{role}: expected 1..{FILE_BYTES} bytes, found {ref.size}; export the bundle again"
        )
