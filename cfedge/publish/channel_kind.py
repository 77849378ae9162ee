"""A channel has one encoder, so all its tasks read inputs of one kind."""

from __future__ import annotations

from typing import cast

from cfedge.bundle.manifest import Backbone
from cfedge.catalogue.view import View
from cfedge.errors import UsageError

__all__ = ["check_kind"]


def check_kind(
    seen: View, backbone: Backbone, who: str = "bundle", *, step: str = "publish it to"
) -> None:
    """Refuse inputs of another kind: every task of the channel would wait, on every device.

    Parameters
    ----------
    seen
        What the channel holds.
    backbone
        Of what is to be added to it.
    who, step
        What the error names, and how it comes into another channel.

    Raises
    ------
    UsageError
        Naming both kinds.
    """
    before = None if seen.backbone is None else cast(Backbone, seen.backbone.body).input.kind
    if before not in (None, backbone.input.kind):
        raise UsageError(
            f"{who}: expected inputs of the channel's kind, {before}, found {backbone.input.kind};"
            f" {step} a channel of its own with --channel"
        )
