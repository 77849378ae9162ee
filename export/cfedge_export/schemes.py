"""The quantisation schemes: what each does, what it claims, and which CPUs it is fit for. One
contract holds for all of them (tests/export/test_schemes.py); how their graphs are made is
`cfedge_export.quantize`, which is best here `cfedge_export.scheme_selection`.

The rule for CPUs: x86 without VNNI adds pairs of products of unsigned with signed 8-bit numbers in
16 bits, which 2 x 255 x 127 overflows, silently; 2 x 255 x 63 does not, and products of unsigned
with unsigned are added in 32 bits. There, int8 activations need weights that are unsigned or of 7
bits. ARM adds in 32 bits, with its dot-product instructions or without. ``cfedge doctor`` measures
it on the board (docs/decisions/0052-unsigned-weights.md).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from onnx import ModelProto

from cfedge.device import Profile
from cfedge.device.cpu import VNNI, X86
from cfedge.errors import UsageError
from cfedge_export import norms, quantize, rounding, static

__all__ = [
    "Choice", "DEFAULT", "Measured", "Rewrite", "SCHEMES", "Scheme",
    "by_request", "by_rules", "check_fit", "check_request", "find",
]  # fmt: skip

DEFAULT = "int8-row"


class Rewrite(Protocol):
    """A float32 graph -> another one; nodes that `keep` names stay float32."""

    def __call__(self, model: ModelProto, *, keep: Collection[str] = ()) -> ModelProto:
        """Return a new graph."""


@dataclass(frozen=True)
class Scheme:
    """One way to ship an encoder.

    Attributes
    ----------
    about
        What it does, in a few words.
    quantized, train
        A float32 graph -> its quantised form, and the float32 graph that training runs.
    weight_bits, activation_bits
        Of the products with constants; 32: float32.
    unsigned_weights
        The weights of products are stored from 0 on, around 128.
    batch_independent
        A row's answer is the same to the bit whatever it shares a run with; otherwise the engine
        runs each row alone.
    padding_independent
        So are the hidden states of its positions, however much is padded behind them.
    splits_norms
        Layer norms ship as instance norms (`cfedge_export.norms`).
    """

    about: str
    quantized: Rewrite
    train: Rewrite
    weight_bits: int
    activation_bits: int
    unsigned_weights: bool = False
    batch_independent: bool = True
    padding_independent: bool = True
    splits_norms: bool = True

    def ship(self, model: ModelProto, *, keep: Collection[str] = ()) -> ModelProto:
        """Return the graph that ships for a float32 one; nodes that `keep` names stay float32."""
        made = self.quantized(model, keep=keep)
        return norms.by_instance(made) if self.splits_norms else made

    def unfit(self, machine: str, flags: Collection[str] | None) -> str | None:
        """Say why it is not for a CPU: ``platform.machine()``, flags or None where they are not
        known. None: it is.
        """
        if (
            self.activation_bits > 8
            or self.weight_bits < 8
            or self.unsigned_weights
            or machine not in X86
            or set(flags or ()) & set(VNNI)
        ):
            return None
        lacks = "may lack" if flags is None else "lacks"
        return (
            f"x86 that {lacks} VNNI: it adds pairs of products in 16 bits, which signed"
            f" {self.weight_bits}-bit weights overflow"
        )


SCHEMES: dict[str, Scheme] = {
    "float32": Scheme("as it was trained", rounding.unchanged, rounding.unchanged, 32, 32),
    "int8-row": Scheme(
        "activations scaled by the position",
        quantize.rows,
        rounding.rounded_weights,
        8,
        8,
        unsigned_weights=True,
    ),
    "int8-row-7bit": Scheme(
        "int8-row with signed weights of 7 bits",
        partial(quantize.rows, largest=63),
        partial(rounding.rounded_weights, largest=63),
        7,
        8,
    ),
    "int8-dynamic": Scheme(
        "ONNX Runtime's own: activations scaled by the run",
        quantize.dynamic,
        rounding.rounded_weights,
        8,
        8,
        batch_independent=False,
        padding_independent=False,
    ),
    "int8-static": Scheme(
        "convolutions with ranges measured before",
        static.static,
        rounding.rounded_weights,
        8,
        8,
        unsigned_weights=True,
    ),
    "int8-weight-only": Scheme(
        "int8 in the file, float32 in memory",
        quantize.weights_only,
        rounding.rounded_weights,
        8,
        32,
    ),
    "as-given": Scheme(
        "the owner's own graph, one input a run",
        rounding.unchanged,
        rounding.unchanged,
        32,
        32,
        batch_independent=False,
        splits_norms=False,
    ),
}


@dataclass(frozen=True)
class Measured:
    """What one scheme did on this machine, with `float_layers` left in float32; `reason` says why
    it cannot be picked, None where it can.
    """

    scheme: str
    size_bytes: int
    mean_cosine: float
    least_cosine: float
    time_ratio: float
    reason: str | None
    float_layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """A scheme, the layers that it leaves in float32, and why; what was measured of all of them,
    where that decided.
    """

    scheme: str
    why: str
    measured: tuple[Measured, ...] = ()
    float_layers: tuple[str, ...] = ()


def find(name: str) -> Scheme:
    """Return a scheme by its name.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    if name not in SCHEMES:
        raise UsageError(
            f"scheme: expected one of {', '.join(SCHEMES)}, found {name!r}; or let it be measured:"
            " --scheme auto"
        )
    return SCHEMES[name]


def by_rules(profile: Profile, names: Sequence[str]) -> Choice:
    """Pick for a board without measuring: the first of `names` that is fit for it."""
    flags = profile.flags.value.present if profile.flags else None
    first = next(name for name in names if SCHEMES[name].unfit(profile.machine, flags) is None)
    return Choice(first, f"{profile.name} computes it exactly")


def by_request(name: str | None, profile: Profile | None, names: Sequence[str]) -> Choice:
    """Take the scheme that was asked for, if a board that was named computes it exactly; without
    one, the board's or the first of `names`, the encoder's.

    Raises
    ------
    UsageError
    """
    if profile and name is None:
        return by_rules(profile, names)
    chosen = name or names[0]
    check_request(chosen, profile)
    if chosen not in names:
        raise UsageError(
            f"scheme: expected one of {', '.join(names)} for this encoder, found {chosen!r};"
            " choose one of them"
        )
    return Choice(chosen, "as it was asked for" if name else "")


def check_request(name: str, profile: Profile | None) -> None:
    """Refuse what is no scheme, or one that a board that was named computes wrongly.

    Raises
    ------
    UsageError
    """
    find(name)
    if profile:
        check_fit(name, profile)


def check_fit(name: str, profile: Profile) -> None:
    """Refuse a scheme that a board computes wrongly.

    Raises
    ------
    UsageError
    """
    reason = find(name).unfit(
        profile.machine, profile.flags.value.present if profile.flags else None
    )
    if reason is not None:
        raise UsageError(
            f"scheme {name}: expected one that {profile.name} computes exactly, found {reason};"
            " leave --scheme out or take int8-row"
        )
