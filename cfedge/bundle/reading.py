"""Read a manifest, refusing all that is not exactly what `cfedge.bundle.manifest.serialize` would
write. Pure.

Unknown fields are refused (a newer program raises `schema` when it adds one), as is any form but
the canonical one, and what the fields' meaning excludes (`cfedge.bundle.consistency`).
"""

from __future__ import annotations

import hashlib

from cfedge.bundle.canonical import canonical_json, quoted, read_json, typed
from cfedge.bundle.consistency import check_manifest
from cfedge.bundle.limits import LIMITS
from cfedge.bundle.manifest import SCHEMA, Manifest
from cfedge.errors import SchemaError
from cfedge.values import json_fault

__all__ = ["parse"]


def parse(data: bytes) -> Manifest:
    """Read a manifest, refusing all that is not exactly what `serialize` would write.

    Raises
    ------
    SchemaError
        Naming the field, the expected and the found value.
    """
    _check_amount(data)
    body = read_json(data, "manifest")
    if not isinstance(body, dict):
        raise SchemaError(
            f"manifest: expected an object, found {type(body).__name__}; get the bundle again"
        )
    _check_schema(body.get("schema"))
    stated = body.pop("sha256", None)
    try:
        found = hashlib.sha256(canonical_json(body)).hexdigest()
        canonical = canonical_json({**body, "sha256": stated}) == data
    except (ValueError, UnicodeEncodeError, RecursionError) as error:
        raise SchemaError(
            f"manifest: expected canonical JSON, found {json_fault(error)}; get the bundle again"
        ) from error
    if stated != found:
        raise SchemaError(
            f"manifest: expected SHA-256 {quoted(stated)}, found {found}: it was changed or cut;"
            " get the bundle again"
        )
    if not canonical:
        raise SchemaError(
            "manifest: expected canonical JSON, found other spacing or order; get the bundle again"
        )
    manifest: Manifest = typed(Manifest, body, "manifest")
    check_manifest(manifest)
    manifest.__dict__["digest"] = hashlib.sha256(
        data
    ).hexdigest()  # what is canonical has no other bytes
    return manifest


def _check_amount(data: bytes) -> None:
    """Refuse more than a manifest may hold, before anything of it is read."""
    if len(data) > LIMITS.manifest_bytes:
        raise SchemaError(
            f"manifest: expected at most {LIMITS.manifest_bytes} bytes, found {len(data)}; get the"
            " bundle again"
        )
    values = sum(data.count(byte) for byte in b",[{")
    if values > LIMITS.values:
        raise SchemaError(
            f"manifest: expected at most {LIMITS.values} values, found {values}; get the bundle"
            " again"
        )
    tasks = data.count(b'"adapter":{')  # each has one; in a string the quotes would be escaped
    if tasks > LIMITS.tasks:
        raise SchemaError(
            f"tasks: expected at most {LIMITS.tasks}, found {tasks}; export the bundle again"
        )


def _check_schema(schema: object) -> None:
    """Refuse the manifest of another program."""
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise SchemaError(
            f"manifest: expected schema <= {SCHEMA}, found {quoted(schema)}; install a newer"
            " cfedge to read this bundle"
        )
    if schema != SCHEMA:
        raise SchemaError(
            f"manifest: expected schema {SCHEMA}, found {quoted(schema)}; export the bundle again"
        )
