"""How configurations call the activations of an MLP, and the operator that each is."""

from __future__ import annotations

from pathlib import Path

from cfedge.errors import BackboneError

__all__ = ["ACTIVATIONS", "activation"]

#: By the configuration's name, the operator of ``com.microsoft``.
ACTIVATIONS = {
    "gelu": "Gelu",
    "gelu_new": "FastGelu",
    "gelu_pytorch_tanh": "FastGelu",
    "quick_gelu": "QuickGelu",
}


def activation(stated: str, where: Path) -> str:
    """Return the operator of an activation.

    Raises
    ------
    BackboneError
        It is none of `ACTIVATIONS`.
    """
    if stated not in ACTIVATIONS:
        raise BackboneError(
            f"{where}: expected an activation of {', '.join(ACTIVATIONS)}, found {stated!r};"
            " use another encoder"
        )
    return ACTIVATIONS[stated]
