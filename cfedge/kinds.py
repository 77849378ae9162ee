"""The table of the kinds of input: name -> the folder that knows it. Plain values, so that a
command names them before anything is loaded; `cfedge.inputs` loads them.

A kind's name is also what the column of such inputs is called in a table, and the field of one in a
request.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DEFAULT_KIND", "KINDS", "NEW_WORKSPACE"]

#: Of data of which nothing else is said.
DEFAULT_KIND = "text"
KINDS: Mapping[str, str] = {
    DEFAULT_KIND: "cfedge.inputs.text",
    "image": "cfedge.inputs.image",
    "array": "cfedge.inputs.array",
}
#: The command that makes a workspace for inputs of a kind.
NEW_WORKSPACE: Mapping[str, str] = {
    DEFAULT_KIND: "cfedge init NEW",
    "image": "cfedge init NEW --backbone lite0",
    "array": "cfedge init NEW --backbone onnx --model FILE --input array",
}
