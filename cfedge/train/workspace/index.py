"""``workspace.json``: which backbone a workspace has, and which folders are its tasks. Pure: bytes
in, an `Index` out, and back.

It states its own SHA-256, so that a changed digit is not taken for another workspace.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfedge.bundle.canonical import canonical_json, typed
from cfedge.bundle.manifest import Backbone
from cfedge.errors import SchemaError, WorkspaceError
from cfedge.lookups import DEFAULT, LOOKUPS
from cfedge.train.examples.labels import TASK_NAME

__all__ = ["FOREIGN", "Index", "backbone_files", "file_name"]

SCHEMA = 6
#: What the workshop keeps beside what ships.
_WORKSHOP_FILES = ("train_tail.onnx", "float_trunk.onnx", "float_tail.onnx")
#: Features of inputs of no task, where the backbone has a background: what certificates count on.
FOREIGN = "foreign.safetensors"
_FOLDER = re.compile(rf"{TASK_NAME.pattern}-[0-9a-f]{{16}}")


@dataclass(frozen=True)
class Index:
    """The backbone's record, the SHA-256 of its files by name, the tasks' folders by task, and the
    lookup that its bundles have unless another is asked for; the default one is not written.
    """

    backbone: Backbone
    files: Mapping[str, str]
    tasks: Mapping[str, str]
    lookup: str = DEFAULT

    def dumped(self) -> bytes:
        """Return the bytes of its file."""
        content = {
            "schema": SCHEMA,
            "backbone": dataclasses.asdict(self.backbone),
            "files": dict(self.files),
            "tasks": dict(self.tasks),
            **({} if self.lookup == DEFAULT else {"lookup": self.lookup}),
        }
        return canonical_json({**content, "sha256": _seal(content)})

    @classmethod
    def parsed(cls, data: bytes, what: str) -> Index:
        """Read what `dumped` wrote; `what` names it in errors.

        Raises
        ------
        WorkspaceError
            It is of another schema, or damaged.
        """
        try:
            content = json.loads(data)
            if content["schema"] != SCHEMA:
                raise WorkspaceError(
                    f"{what}: expected schema {SCHEMA}, found {content['schema']!r:.80}: made by"
                    " another cfedge; make the workspace again with: cfedge init"
                )
            stated = content.pop("sha256")
            if stated != _seal(content):
                raise ValueError(f"SHA-256 {stated!r:.80} where its content has {_seal(content)}")
            backbone = typed(Backbone, content["backbone"], "backbone")
            return cls(
                backbone,
                _digests(dict(content["files"]), backbone),
                _folders(dict(content["tasks"])),
                _lookup(content.get("lookup", DEFAULT)),
            )
        except (SchemaError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise WorkspaceError(
                f"{what}: expected a workspace's index, found a damaged one ({error}); restore it"
                " from a copy, or make the workspace again"
            ) from error


def file_name(role: str, *, float32: bool = False) -> str:
    """Return the name in ``backbone/`` of what `Backbone.files` calls `role`."""
    if role == "background":
        return "background.safetensors"
    if role not in ("trunk", "tail"):
        return f"{role}.json"
    return f"{'float_' if float32 else ''}{role}.onnx"


def backbone_files(backbone: Backbone) -> set[str]:
    """Return the names in ``backbone/``."""
    foreign = () if backbone.background is None else (FOREIGN,)
    return {*(file_name(role) for role in backbone.files()), *_WORKSHOP_FILES, *foreign}


def _digests(files: dict[str, str], backbone: Backbone) -> dict[str, str]:
    are_digests = all(isinstance(digest, str) for digest in files.values())
    if set(files) != backbone_files(backbone) or not are_digests:
        raise ValueError(f"files {sorted(files)}")
    return files


def _folders(tasks: dict[str, str]) -> dict[str, str]:
    for name, folder in tasks.items():
        if not isinstance(folder, str) or not _FOLDER.fullmatch(folder):
            raise ValueError(f"folder {folder!r} of task {name!r}")
    return tasks


def _lookup(name: object) -> str:
    if not isinstance(name, str) or name not in LOOKUPS:
        raise ValueError(f"lookup {name!r:.80} where {', '.join(LOOKUPS)} are known")
    return name


def _seal(content: dict[str, Any]) -> str:
    """The digest of the index without its own."""
    return hashlib.sha256(canonical_json(json.loads(canonical_json(content)))).hexdigest()
