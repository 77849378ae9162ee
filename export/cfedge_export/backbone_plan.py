"""What a backbone is to be, decided before it is made: scheme, layers left in float32, depth of the
cut, and threads.

Whatever is asked for is taken, the rest is measured or the default. Order of preference under
budgets: one thread and the given or measured cut with the scheme that would be picked without
budgets, then other schemes, then more threads, then deeper cuts, which cost accuracy
(docs/decisions/0002-split-and-slots.md).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cfedge import footprint
from cfedge.device import Profile, here, usable_cores
from cfedge.errors import ParityError, UsageError
from cfedge.inputs.text.device import TextInputs
from cfedge.progress import Progress
from cfedge.train.examples import Examples
from cfedge.train.workspace import Workspace
from cfedge.train.workspace_index import file_name
from cfedge_export import parity, scheme_selection, schemes, sensitivity
from cfedge_export.budget import Budget, BudgetFit, Configuration, fit, thread_counts
from cfedge_export.graph import blocks, without_mask
from cfedge_export.make_backbone import Draft, Source, choose_split, draft, slot_parts
from cfedge_export.schemes import Choice
from cfedge_export.sensitivity import Sensitivity

__all__ = ["Plan", "plan", "repair"]


@dataclass(frozen=True)
class Plan:
    """What to make and why: the choice of the scheme, the blocks in the trunk, what was found of
    layers and budgets, where asked.
    """

    choice: Choice
    split: int
    sensitivity: Sensitivity | None = None
    fitted: BudgetFit | None = None


def plan(
    source: Source,
    texts: Sequence[str],
    *,
    parts: Collection[str],
    scheme: str | None = None,
    split: int | None = None,
    sample: Examples | None = None,
    profile: Profile | None = None,
    at_least: float | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Decide.

    Parameters
    ----------
    texts
        To measure on.
    parts
        Products that get a slot.
    scheme
        Of the table; ``auto``: measured; None: measured under a budget, else by the profile's
        rules, else the default.
    split, sample
        As in `cfedge_export.make_backbone.make_backbone`.
    profile
        The board that will answer; times are this machine's all the same.
    at_least
        Mean cosine with float32 that leaving layers in float32 must reach; None: as it comes, but
        for what is measured.
    budget
        None: none.

    Raises
    ------
    BudgetError
        No configuration keeps to it.
    UsageError
        An argument cannot be used.
    """
    if at_least is not None and not 0 < at_least < 1:
        raise UsageError(
            f"sensitivity: expected a mean cosine above 0 and below 1, found {at_least};"
            f" {sensitivity.MIN_COSINE} is usual"
        )
    rng, found = np.random.default_rng(0), None
    if scheme == "auto" or budget or at_least is not None:
        some, ids = scheme_selection.token_ids(
            TextInputs(source.tokenizer, source.max_tokens), texts, rng=rng
        )
    if scheme == "auto" or (budget and scheme is None):
        least = sensitivity.MIN_COSINE if at_least is None else at_least
        measured = scheme_selection.measure(
            source.encoder, ids, profile or here(), rng=rng, at_least=least, progress=progress
        )
        choice, ranked = scheme_selection.pick(measured, least), scheme_selection.order(measured)
        float_layers = {one.scheme: one.float_layers for one in ranked}
    else:
        choice = schemes.by_request(scheme, profile)
        if at_least is not None:
            ship = schemes.find(choice.scheme).ship
            found = sensitivity.search(
                without_mask(source.encoder),
                ship,
                ids,
                rng=rng,
                at_least=at_least,
                progress=progress,
            )
            choice = Choice(choice.scheme, choice.why, (), found.layers)
        float_layers = {choice.scheme: choice.float_layers}
    first = choose_split(source, sample) if split is None else split
    if budget is None:
        return Plan(choice, first, found)
    deepest = len(blocks(source.encoder)) - 2
    cuts = [first, *range(first + 1, deepest + 1)] if split is None else [first]
    configurations = [
        Configuration(name, cut, threads)
        for cut in cuts
        for threads in thread_counts(usable_cores())
        for name in float_layers
    ]

    @lru_cache(maxsize=len(float_layers))
    def shipped(scheme: str, cut: int) -> Draft:
        made = draft(source, cut, parts=parts, scheme=scheme, float_layers=float_layers[scheme])
        return Draft(
            made.backbone,
            {role: made.files[file_name(role)] for role in made.backbone.files()},
        )

    def measure(configuration: Configuration) -> footprint.Footprint:
        made = shipped(configuration.scheme, configuration.split)
        return footprint.of_backbone(made.backbone, made.files, some, threads=configuration.threads)

    fitted = fit(
        configurations, measure, budget, progress=progress,
        advice=lambda trials: "allow more, or take a smaller encoder (--backbone local --folder DIR)",
    )  # fmt: skip
    chosen = fitted.configuration.scheme
    why = (
        choice.why
        if chosen == choice.scheme
        else f"keeps to the budgets where {choice.scheme} does not"
    )
    return Plan(
        Choice(chosen, why, choice.measured, float_layers[chosen]),
        fitted.configuration.split,
        found,
        fitted,
    )


def repair(
    workspace: Workspace,
    source: Source,
    *,
    gate: parity.Gate | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Leave layers in float32 until the tasks of a workspace pass the parity gate that refused
    them.

    Scheme and cut are the workspace's. Layers are ranked on the tasks' held-out texts.

    Raises
    ------
    UsageError
        `source` are other weights than the workspace's, it has no task, or they pass.
    ParityError
        Its tasks fail with every layer in float32, too.
    """
    backbone = workspace.backbone
    if backbone.source_sha256 != source.sha256:
        raise UsageError(
            f"--repair: expected the weights {backbone.source_sha256[:12]} of {workspace.folder},"
            f" found {source.sha256[:12]}; name them with --backbone and --folder"
        )
    if not workspace.tasks:
        raise UsageError(
            f"--repair: expected a workspace with tasks, found none in {workspace.folder}; add one,"
            " or use --sensitivity"
        )
    ship, rng = schemes.find(backbone.scheme).ship, np.random.default_rng(0)
    candidates = parity.Candidates(workspace, progress)

    def check(left: tuple[str, ...]) -> None:
        made = draft(
            source,
            backbone.split,
            parts=slot_parts(backbone),
            scheme=backbone.scheme,
            float_layers=left,
        )
        parity.check(candidates.compare(made.files["trunk.onnx"], made.files["tail.onnx"]), gate)

    def passes(left: tuple[str, ...]) -> bool:
        try:
            check(left)
        except ParityError:
            return False
        return True

    texts = [text for name in workspace.tasks for text in workspace.held_out(name).inputs]
    _, ids = scheme_selection.token_ids(
        TextInputs(source.tokenizer, source.max_tokens), texts, rng=rng
    )
    found = sensitivity.search(
        without_mask(source.encoder), ship, ids, rng=rng, passes=passes, progress=progress
    )
    if not found.layers:
        raise UsageError(
            "--repair: expected tasks that the parity gate refuses, found that those of"
            f" {workspace.folder} pass with every layer quantised; export it, or give the limits"
            " that refused them (--drop, --strict)"
        )
    check(found.layers)  # where torch and ONNX Runtime disagree, no layer helps
    why = f"as in {workspace.folder}, whose tasks pass the gate so"
    return Plan(Choice(backbone.scheme, why, (), found.layers), backbone.split, found)
