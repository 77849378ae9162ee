"""What a backbone is to be, decided before it is made: scheme, layers left in float32, depth of the
cut, and threads.

Whatever is asked for is taken, the rest is measured or the default. Order of preference under
budgets: one thread and the given or measured cut with the scheme that would be picked without
budgets, then other schemes, then more threads, then deeper cuts, which cost accuracy
(docs/decisions/0002-split-and-slots.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from cfedge import footprint
from cfedge.device import this_board, usable_cores
from cfedge.progress import Progress
from cfedge.train.examples.examples import Examples
from cfedge.train.workspace.index import file_name
from cfedge_export import scheme_selection, schemes, sensitivity
from cfedge_export.backbone_request import BackboneRequest
from cfedge_export.budget import BudgetFit, Configuration, fit, thread_counts
from cfedge_export.draft import Draft, check_target_modules, draft
from cfedge_export.graph import layers
from cfedge_export.schemes import Choice
from cfedge_export.sensitivity import MIN_COSINE, Sensitivity
from cfedge_export.source import Source
from cfedge_export.split_choice import choose_split

__all__ = ["Plan", "plan"]


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
    request: BackboneRequest,
    inputs: Sequence[Any],
    *,
    sample: Examples | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Decide what a new backbone is to be.

    Parameters
    ----------
    inputs
        To measure on.
    sample
        Labelled examples to measure the split on; None: none.

    Raises
    ------
    BudgetError
        No configuration keeps to the budget.
    UsageError
        An argument cannot be used.
    """
    rng, wanted = np.random.default_rng(0), _target_modules(source, request)
    check_target_modules(source, wanted)
    some = scheme_selection.some_of(inputs, rng=rng) if request.is_measured else []
    choice, float_layers, found = _choose_scheme(source, request, some, rng, progress)
    split = choose_split(source, sample) if request.split is None else request.split
    if request.budget is None:
        return Plan(choice, split, found)
    deepest = source.blocks - 1
    cuts = [split] if request.split is not None else list(range(split, deepest + 1))
    fitted = fit(
        _by_preference(list(float_layers), cuts),
        _footprint(source, some, wanted, float_layers),
        request.budget,
        progress=progress,
        advice=lambda trials: (
            "allow more, or take a smaller encoder (--backbone local --folder DIR)"
        ),
    )
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


def _target_modules(source: Source, request: BackboneRequest) -> tuple[str, ...]:
    if request.target_modules is None:
        return source.architecture.default_parts
    return request.target_modules


def _choose_scheme(
    source: Source,
    request: BackboneRequest,
    inputs: Sequence[Any],
    rng: np.random.Generator,
    progress: Progress | None,
) -> tuple[Choice, dict[str, tuple[str, ...]], Sensitivity | None]:
    """The scheme; those that may be tried, in order, each with the layers that it leaves in
    float32; what a search for such layers found, where that was asked for.
    """
    feeds = source.feeds(inputs)
    if request.scheme == "auto" or (request.budget and request.scheme is None):
        least = MIN_COSINE if request.sensitivity is None else request.sensitivity
        measured = scheme_selection.measure(
            source,
            feeds,
            request.profile or this_board(),
            rng=rng,
            at_least=least,
            progress=progress,
        )
        ranked = scheme_selection.order(measured)
        choice = scheme_selection.pick(measured, least)
        return choice, {scheme.scheme: scheme.float_layers for scheme in ranked}, None
    names = source.architecture.schemes
    choice, found = schemes.by_request(request.scheme, request.profile, names), None
    if request.sensitivity is not None:
        found = sensitivity.search(
            source.deployed(),
            layers(source.architecture, source.encoder),
            schemes.find(choice.scheme).ship,
            feeds,
            rng=rng,
            at_least=request.sensitivity,
            progress=progress,
        )
        choice = Choice(choice.scheme, choice.why, (), found.layers)
    return choice, {choice.scheme: choice.float_layers}, found


def _by_preference(names: Sequence[str], cuts: Sequence[int]) -> list[Configuration]:
    """As the module's docstring says."""
    return [
        Configuration(name, cut, threads)
        for cut in cuts
        for threads in thread_counts(usable_cores())
        for name in names
    ]


def _footprint(
    source: Source,
    inputs: Sequence[Any],
    modules: Sequence[str],
    float_layers: dict[str, tuple[str, ...]],
) -> Callable[[Configuration], footprint.Footprint]:
    """What measures a configuration in a fresh process; graphs are made once for all numbers of
    threads.
    """

    @lru_cache(maxsize=len(float_layers))
    def shipped(scheme: str, cut: int) -> Draft:
        kept = float_layers[scheme]
        made = draft(source, cut, target_modules=modules, scheme=scheme, float_layers=kept)
        files = {role: made.files[file_name(role)] for role in made.backbone.files()}
        return Draft(made.backbone, files)

    def measure(configuration: Configuration) -> footprint.Footprint:
        made = shipped(configuration.scheme, configuration.split)
        threads = configuration.threads
        return footprint.of_backbone(made.backbone, made.files, inputs, threads=threads)

    return measure
