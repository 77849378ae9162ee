"""Learn a task by the method that its settings have decided on: an adapter, with torch, or a head in
closed form, without.
"""

from __future__ import annotations

from cfedge.progress import Progress
from cfedge.train.examples.examples import LabelledData
from cfedge.train.learn.head import train_head
from cfedge.train.settings import Settings
from cfedge.train.workspace.backbone_source import BackboneSource
from cfedge.train.workspace.learned_task import LearnedTask

__all__ = ["train_task"]


def train_task(
    source: BackboneSource, name: str, data: LabelledData, settings: Settings, progress: Progress
) -> LearnedTask:
    """Learn a task and return it.

    Parameters
    ----------
    source
        Whose backbone is adapted.
    settings
        ``method`` decided (`cfedge.train.teach.decided`).

    Raises
    ------
    TaskError, DataError
        Before anything is computed.
    MissingExtraError
        An adapter is to be trained, and there is no torch.
    """
    train = train_head
    if settings.method != "closed-form":
        from cfedge.train.learn.learner import train  # torch: only where an adapter is trained
    return train(source, name, data.train, data.held_out, settings=settings, progress=progress)
