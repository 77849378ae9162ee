"""Where a backbone's bytes are: embeddings, attention, MLP, the input's files and the rest."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import ModelProto

from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.draft import family_of

__all__ = ["REST", "bytes_by_part", "shipped_bytes"]

#: What belongs to no group: biases, norms and the graph itself.
REST = "rest"


def bytes_by_part(shipped: ModelProto, groups: Mapping[str, str]) -> dict[str, int]:
    """Return the bytes of `shipped` by group and `REST`; their sum is the file's size.

    Parameters
    ----------
    shipped
        A graph that a scheme made: scales, shifts and zero points count with the weight that they
        belong to.
    groups
        Of the float32 graph that it was made of: a constant's group by its name.
    """
    found = dict.fromkeys([*groups.values(), REST], 0)
    for tensor in shipped.graph.initializer:
        stem = next(
            (
                tensor.name[: -len(end)]
                for end in (".q", ".scale", ".shift", ".zero")
                if tensor.name.endswith(end)
            ),
            tensor.name,
        )
        found[groups.get(stem, REST)] += len(tensor.raw_data)
    found[REST] += shipped.ByteSize() - sum(found.values())
    return found


def shipped_bytes(workspace: WorkspaceFolder) -> dict[str, int]:
    """Return the bytes of a workspace's trunk and tail by group, and of what its inputs need."""
    total: dict[str, int] = {}
    for role in ("trunk", "tail"):
        exact, shipped = (
            onnx.load_from_string(workspace.backbone_file(name))
            for name in (f"float_{role}.onnx", f"{role}.onnx")
        )
        family = family_of(exact, workspace.folder)
        for group, size in bytes_by_part(shipped, family.groups(exact)).items():
            total[group] = total.get(group, 0) + size
    return {**total, **{role: ref.size for role, ref in workspace.backbone.input.files().items()}}
