"""What a user asks of a new workspace's backbone: parsed and checked once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cfedge.device import Profile
from cfedge.errors import UsageError
from cfedge.lookup.rules import rule_named
from cfedge.lookups import DEFAULT
from cfedge.train.workspace.backbones import kind_of
from cfedge_export import schemes, sensitivity
from cfedge_export.budget import Budget
from cfedge_export.parity_gate import Gate

__all__ = ["BackboneRequest"]


@dataclass(frozen=True)
class BackboneRequest:
    """A new backbone, another workshop's, or that of a workspace that `export` refused.

    Attributes
    ----------
    backbone, folder
        See `cfedge_export.source.load_source`.
    model, kind
        The ONNX file of an encoder of one's own, with the backbone ``onnx``, and the kind of its
        inputs: ``array``; None: what the backbone reads.
    split
        Blocks in the trunk; None: measured where there are labelled examples, or the default.
    target_modules
        Those of each block that get a slot; None: the architecture's default.
    scheme
        Of the table; ``auto``: measured; None: measured under a budget, else by the profile's
        rules, else the default.
    profile
        The board that will answer; times are this machine's all the same.
    sensitivity
        Mean cosine with float32 that leaving layers in float32 must reach; None: as it comes, but
        for what is measured.
    budget
        Memory and time to keep to; None: none.
    lookup
        What finds the task of an input in its bundles: a name of `cfedge.lookups.LOOKUPS`; None:
        that of the other bundle or workspace, else the default.
    same_backbone
        A bundle or store whose very backbone is made.
    repair, gate
        A workspace that `export` refused, and the gate that did; None: the default one.

    Raises
    ------
    UsageError
        Two of them decide the same, or one cannot be used.
    """

    backbone: str = "minilm-l6"
    folder: Path | None = None
    model: Path | None = None
    kind: str | None = None
    split: int | None = None
    target_modules: tuple[str, ...] | None = None
    scheme: str | None = None
    profile: Profile | None = None
    sensitivity: float | None = None
    budget: Budget | None = None
    lookup: str | None = None
    same_backbone: Path | None = None
    repair: Path | None = None
    gate: Gate | None = None

    def __post_init__(self) -> None:
        self._check_own()
        rule_named(DEFAULT if self.lookup is None else self.lookup)
        budget = self.budget or Budget()
        asked = {
            "--scheme": self.scheme,
            "--profile": self.profile,
            "--sensitivity": self.sensitivity,
            "--ram": budget.ram_bytes,
            "--p90": budget.p90_ms,
        }
        if self.same_backbone is not None:
            _alone("--same-backbone", {**asked, "--repair": self.repair})
        if self.repair is not None:
            _alone("--repair", {**asked, "--split": self.split})
        elif self.gate is not None:
            raise UsageError(
                "--drop, --strict: expected --repair with them, found none; without tasks there is"
                " no accuracy to lose"
            )
        if self.sensitivity is not None and not 0 < self.sensitivity < 1:
            raise UsageError(
                f"sensitivity: expected a mean cosine above 0 and below 1, found"
                f" {self.sensitivity}; {sensitivity.MIN_COSINE} is usual"
            )
        if self.scheme not in (None, "auto"):  # refused before weights are looked for
            schemes.check_request(str(self.scheme), self.profile)

    def _check_own(self) -> None:
        """Refuse an encoder of one's own that is half named."""
        if (self.backbone == "onnx") != (self.model is not None):
            found = "no --model" if self.model is None else f"--backbone {self.backbone}"
            raise UsageError(
                f"--model: expected an ONNX file with --backbone onnx, found {found}; name both"
            )
        reads = kind_of(self.backbone)
        if self.kind is not None and self.kind != reads:
            raise UsageError(
                f"--input: expected {reads} for --backbone {self.backbone}, found {self.kind!r};"
                " leave it out"
            )
        if self.model is not None:
            _alone("--model", {"--folder": self.folder, "--target-modules": self.target_modules})

    @property
    def weights(self) -> Path | None:
        """Where the weights are: a folder or an ONNX file; None: they are looked for."""
        return self.folder if self.model is None else self.model

    @property
    def is_measured(self) -> bool:
        """Whether inputs are needed to decide."""
        return self.scheme == "auto" or self.sensitivity is not None or self.budget is not None


def _alone(name: str, others: dict[str, object]) -> None:
    """Refuse what decides the same as the option `name`."""
    found = [other for other, value in others.items() if value is not None]
    if found:
        raise UsageError(
            f"{name}: expected no {found[0]} with it, found both; leave one of them out"
        )
