"""Options that say how an adapter is trained, told of where none will be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfedge.cli.learning import option_of
from cfedge.train.settings import Settings

if TYPE_CHECKING:
    from cfedge.bundle.manifest import Backbone

__all__ = ["idle"]


def idle(settings: Settings, backbone: Backbone) -> list[str]:
    """Return one sentence for each option that was given and changes nothing."""
    why = "--head-only trains none" if settings.method == "closed-form" else ""
    if not backbone.slots:
        why = f"{backbone.name} has no slots for one"
    if not why:
        return []
    return [
        f"{option_of(field)} says how an adapter is trained, and {why}: it changed nothing"
        for field in settings.of_adapters()
    ]
