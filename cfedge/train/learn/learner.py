"""Learn one task: the frozen encoder's features once, adapter and head on the tail, a head in
closed form on the trunk, then signature and held-out evidence.

"Quantise first, then adapt": hidden states come from the shipped int8 trunk, and the tail that is
trained holds the de-quantised int8 weights, so the adapter also learns away the quantisation error.
Nothing of another task is read but its list of labels and, where `Settings.reuse` is on, its
adapter. The same seed, data, thread count and machine give the same bytes.

Letters: N examples, S sequence, D width.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cfedge.errors import MissingExtraError
from cfedge.progress import Progress
from cfedge.train.examples.examples import Examples
from cfedge.train.learn.closed_part import shares
from cfedge.train.learn.composition import SitePool, pool
from cfedge.train.learn.head import closed_form_arrays, train_head, with_closed_form
from cfedge.train.learn.prepared_task import PreparedTask, prepare_task
from cfedge.train.measures.trial import Trial, is_tried, set_aside
from cfedge.train.settings import Settings
from cfedge.train.workspace.backbone_source import BackboneSource
from cfedge.train.workspace.learned_task import LearnedTask

try:
    import onnx
    import torch

    from cfedge.train.learn.fitting import Head, States, device_of, fit, pinned
    from cfedge.train.learn.lora import LowRankPairs
    from cfedge.train.learn.tail import TorchTail
except ImportError as error:
    raise MissingExtraError(
        f"learning an adapter needs {error.name}: pip install 'cfedge[train]', or add the task with"
        " --head-only"
    ) from error

__all__ = ["train"]

Floats = NDArray[np.float32]


def train(
    workspace: BackboneSource,
    name: str,
    examples: Examples,
    held_out: Examples | None,
    *,
    settings: Settings,
    progress: Progress,
) -> LearnedTask:
    """Learn a task with an adapter and return it; the workspace is read, and features are kept in
    its cache. Where the adapter has to prove itself (`cfedge.train.measures.trial`) and does not,
    and where the backbone has no slots, the task has a head in closed form.

    Parameters
    ----------
    workspace
        Whose backbone is adapted.
    examples
        To learn from.
    held_out
        For certificate, threshold and parity; None: `Settings.held_out` of `examples`.

    Raises
    ------
    TaskError, DataError
        Before anything is computed.
    """
    if not workspace.backbone.slots:
        return train_head(workspace, name, examples, held_out, settings=settings, progress=progress)
    device_of(settings.device)
    with pinned(settings.threads):
        prepared = prepare_task(
            workspace,
            name,
            examples,
            held_out,
            settings=settings,
            threads=torch.get_num_threads(),
            hidden=True,
            progress=progress,
        )
        pools = _pools(workspace, name, settings)
        trial = None
        if is_tried(settings, workspace.backbone):
            trial = _trial(workspace, pools, prepared, settings, progress)
            if not trial.adapter_pays:
                return with_closed_form(workspace, prepared, settings, trial)
        adapter, transfer, kept = _train(workspace, pools, prepared, settings, progress)
    return prepared.learned(
        workspace,
        adapter,
        settings=dataclasses.replace(
            settings, method="adapter", mirror="yes" if prepared.mirrored else "no"
        ),
        packages=("cfedge", "numpy", "onnxruntime", "torch"),
        transfer=transfer,
        kept_energy=kept,
        trial=trial,
    )


def _pools(workspace: BackboneSource, name: str, settings: Settings) -> dict[str, SitePool]:
    """Return the units of other tasks that may be reused, by slot; none where none are to be."""
    others = [other for other in workspace.tasks if settings.reuse and other != name]
    earlier = {other: workspace.adapter(other) for other in others}
    return pool(earlier, workspace.backbone.slots, settings.pool_limit)


def _trial(
    workspace: BackboneSource,
    pools: Mapping[str, SitePool],
    prepared: PreparedTask,
    settings: Settings,
    progress: Progress,
) -> Trial:
    """Hold an adapter against the closed form on examples that neither was learned from."""
    rng = np.random.default_rng(settings.seed)
    rows, aside = set_aside(prepared.keys, prepared.targets, settings.held_out, rng)
    if not aside:
        return Trial(0, 0, 0, 0.0)
    part = prepared.part(rows, aside)
    adapter = _train(workspace, pools, part, settings, progress)[0]
    return Trial.of(part.right(closed_form_arrays(workspace.backbone, part)), part.right(adapter))


def _train(
    workspace: BackboneSource,
    pools: Mapping[str, SitePool],
    prepared: PreparedTask,
    settings: Settings,
    progress: Progress,
) -> tuple[dict[str, Floats], dict[str, float], float]:
    """Train slots and head; return them by name, float32, with the shares of what is in closed
    form, what came from whom, and the energy kept in folding.
    """
    device = device_of(settings.device)
    tail = TorchTail(onnx.load_from_string(workspace.backbone_file("train_tail.onnx")), device)
    generator = torch.Generator().manual_seed(settings.seed)
    pairs = LowRankPairs(workspace.backbone.slots, pools, settings, generator, device)
    head = Head.drawn(workspace.backbone.width, len(prepared.classes), generator, device)
    states = States(prepared.hidden, prepared.mirrored)
    fit(tail, pairs, head, states, prepared.targets, settings, generator, progress)
    arrays, folded = head.arrays("base"), pairs.folded()
    for site, one in folded.items():
        arrays |= {f"a.{site}": one.a, f"b.{site}": one.b}
    arrays |= shares(len(prepared.targets), len(prepared.classes), adapter=True)
    return arrays, pairs.transfer(), min(one.kept for one in folded.values())
