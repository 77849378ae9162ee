"""inspect --model: what the lookup's own model expects, beside held-out truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cfedge.cli.show import print_table, say

if TYPE_CHECKING:
    from cfedge.train.certify.inspection import Inspection

__all__ = ["print_models"]

#: What each status of `cfedge.train.certify.inspection.Inspection` means.
_STATUSES = {
    "holds": "no more inputs went to another task than the model expects",
    "undecided": "more did than the model expects, but chance could explain it",
    "violated": (
        "more did than the model expects, and more than chance explains; trust the held-out count"
        " and its limit, which do not need the model"
    ),
    "vacuous": "the model expects nothing, as its limit is 100% or more",
    "untested": "nothing is held out",
}


def print_models(
    rows: Sequence[Mapping[str, Any]], models: Mapping[str, Inspection], *, mixtures: bool
) -> None:
    """Show, by task, what the model expects and whether the held-out inputs agree."""
    print_table(
        "what the lookup's model expects of its first stage alone, and whether the held-out inputs"
        " agree",
        (
            "task",
            "wrong task, found",
            "expected, at most",
            "model",
            *(("likelier mixture, found", "expected, at most", "model") if mixtures else ()),
            "nearest clusters",
            "separation",
        ),
        [_model_row(row, models[row["task"]]) for row in rows],
    )
    told = {one.status for one in models.values()} | {
        one.mixture_status for one in models.values() if one.mixture_status
    }
    for status in (status for status in _STATUSES if status in told):
        say(f"{status}: {_STATUSES[status]}")


def _model_row(row: Mapping[str, Any], model: Inspection) -> tuple[object, ...]:
    held_out = row["held_out"]
    return (
        row["task"],
        f"{model.errors / held_out:.2%}",
        _bound(model.bound),
        model.status,
        *_mixture(model, held_out),
        model.nearest,
        None if model.separation is None else f"{model.separation:.1f}",
    )


def _mixture(model: Inspection, held_out: int) -> tuple[str, ...]:
    if model.mixture_errors is None or model.mixture_bound is None or model.mixture_status is None:
        return ()
    return (
        f"{model.mixture_errors / held_out:.2%}",
        _bound(model.mixture_bound),
        model.mixture_status,
    )


def _bound(share: float) -> str:
    return f"{share:.2%}" if share < 1 else ">= 100%"
