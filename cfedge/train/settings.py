"""How to train: every choice with its default, checked when it is made.

The command line, `cfedge.Workspace` and the studies take their defaults from here. Nothing is
imported but the errors, so that a command can show a default without loading what trains.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from cfedge.errors import UsageError

__all__ = [
    "ALL_VIEWS_RANK",
    "CLASS_RANK",
    "EXIT_SHARE",
    "METHODS",
    "MIRRORS",
    "MOST_EXAMPLES",
    "OF_ADAPTERS",
    "Settings",
]

METHODS = ("auto", "adapter", "closed-form", "trial")
MIRRORS = ("auto", "yes", "no")
#: Directions of a class's own shape that the lookup keeps, at most
#: (docs/decisions/0036-class-gaussians.md).
CLASS_RANK = 12
#: The same where the lookup reads all views of a trunk, in as many bytes as both of its parts take
#: elsewhere (docs/decisions/0057-all-views.md).
ALL_VIEWS_RANK = 8
#: Of the held-out examples, those with the widest margins that may be answered before the tail; the
#: rest is where both parts of a head are needed (docs/decisions/0026-early-exit.md).
EXIT_SHARE = 0.95
#: What a task is learned of: with MiniLM's features of short inputs some 1.6 GB for an adapter,
#: .3 GB for a head in closed form, and two minutes to encode them on one core
#: (docs/decisions/0049-many-examples.md).
MOST_EXAMPLES = 50_000
#: Threads of torch, far more than cores: OpenMP ends the process where it cannot make them.
#: Seeds that NumPy and torch both take, also with some more added for further orders.
_SEEDS = 1 << 63
_MOST_THREADS = 256
#: What a field may be, in words.
_TYPES = {"int": "a whole number", "float": "a number", "bool": "True or False", "str": "a name"}


#: What says how an adapter is trained, and nothing of a head in closed form.
OF_ADAPTERS = (
    "rank", "epochs", "mirror", "reuse", "device", "precision",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """How to train. Defaults were chosen on CLINC150's validation split
    (docs/decisions/0002-split-and-slots.md).

    Attributes
    ----------
    method
        ``adapter``: train one; ``closed-form``: a head alone, without torch
        (`cfedge.train.learn.head`); ``trial``: train an adapter, and keep it where it is better by
        more than one standard error (`cfedge.train.measures.trial`); ``auto``: a closed form where
        examples are few, a trial on pictures, else an adapter (`cfedge.train.teach.decided`).
    rank
        The rank of every low-rank pair.
    epochs, min_steps
        Passes over the data, and at least so many optimiser steps: small tasks need more passes.
    batch
        How many examples one step takes.
    learning_rate
        The peak of the one-cycle schedule (Adam).
    clip
        The largest gradient norm.
    position_dropout
        Share of each example's positions left out of a step, drawn anew each time: hidden states know
        their position, so an input with gaps is another example of its class.
    held_out
        The share of each class that is kept for the certificate where no held-out data are given.
    mirror
        Whether an adapter is trained on mirror images too, left for right: ``yes``, ``no``, or
        ``auto``: where examples that are set aside do not speak against it
        (`cfedge.train.learn.mirror`). Kinds without left and right have none.
    most_examples
        The most examples that are learned from. Where there are more, every class gives as many as
        the others, if it has them (`cfedge.train.examples.draw`).
    reuse
        Whether to mix earlier tasks' low-rank units in, through trained scalars
        (`cfedge.train.learn.composition`).
    pool_limit
        The most units of a site that are reused.
    max_rank
        The largest rank of the exported pair, once reused and new units are folded into one.
    orthogonality
        How new units are kept apart from the pool: ``none``, ``penalty`` or ``projection`` (exact).
    penalty
        The weight of |A_pool' A|^2 + |B_pool B'|^2, summed over the sites.
    class_rank
        The most directions of a class's own shape that the lookup keeps. None: `CLASS_RANK`, or
        `ALL_VIEWS_RANK` where it reads all views of a trunk at once.
    exit_share
        The share of the task's inputs that may be answered before the tail; 0 lets none
        (`cfedge.train.measures.early_exit`).
    l1, l2
        The weights of the scalars' sum of absolute values and of squares.
    seed
        The seed of initial values, order and split.
    threads
        How many threads torch uses, and examples that are in the encoder at once; None takes as
        many as this process may use cores. Two trained adapters are equal to the byte only with the
        same number.
    device
        The device on which the tail is trained: ``cpu``, ``cuda``, ``cuda:1``... Features come from the shipped
        int8 trunk on the CPU whatever it is.
    precision
        The arithmetic of the products while training: ``float32``, or ``bf16`` (autocast; parameters and their
        updates stay float32).
    """

    method: str = "auto"
    rank: int = 8
    epochs: int = 6
    min_steps: int = 240
    batch: int = 32
    learning_rate: float = 3e-3
    clip: float = 1.0
    position_dropout: float = 0.15
    held_out: float = 0.2
    mirror: str = "auto"
    most_examples: int = MOST_EXAMPLES
    reuse: bool = False
    pool_limit: int = 32
    max_rank: int = 16
    orthogonality: str = "projection"
    penalty: float = 0.006
    l1: float = 0.006
    l2: float = 0.006
    class_rank: int | None = None
    exit_share: float = EXIT_SHARE
    seed: int = 0
    threads: int | None = None
    device: str = "cpu"
    precision: str = "float32"

    def of_adapters(self) -> list[str]:
        """Return the fields that are chosen anew and say something of adapters alone."""
        usual = Settings()
        return [name for name in OF_ADAPTERS if getattr(self, name) != getattr(usual, name)]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _of_type(field.name, str(field.type), getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        if self.method not in METHODS:
            raise UsageError(
                f"method: expected {', '.join(METHODS)}, found {self.method!r}; choose one"
            )
        if self.mirror not in MIRRORS:
            raise UsageError(
                f"mirror: expected {', '.join(MIRRORS)}, found {self.mirror!r}; choose one"
            )
        if self.method == "closed-form" and self.reuse:
            raise UsageError(
                "--head-only: expected no --reuse with it, found both; a closed-form head has no"
                " low-rank units to mix"
            )
        for name in (
            "rank",
            "epochs",
            "batch",
            "min_steps",
            "pool_limit",
            "max_rank",
            "class_rank",
            "most_examples",
        ):
            if (value := getattr(self, name)) is not None and value < 1:
                raise UsageError(f"{name}: expected >= 1, found {getattr(self, name)}; give more")
        if not 0 <= self.seed < _SEEDS:
            raise UsageError(f"seed: expected 0 to {_SEEDS - 1}, found {self.seed}; choose another")
        if not 0 < self.held_out < 1:
            raise UsageError(
                f"held_out: expected a share in (0, 1), found {self.held_out}; such as 0.2"
            )
        if not 0 <= self.position_dropout < 1:
            raise UsageError(
                f"position_dropout: expected a share in [0, 1), found {self.position_dropout};"
                " such as 0.1"
            )
        if not 0 <= self.exit_share < 1:
            raise UsageError(
                f"exit_share: expected a share in [0, 1), found {self.exit_share}; such as 0.5"
            )
        self._check_training()

    def _check_training(self) -> None:
        if self.precision not in ("float32", "bf16"):
            raise UsageError(
                f"precision: expected float32 or bf16, found {self.precision!r}; choose one"
            )
        if self.threads is not None and not 1 <= self.threads <= _MOST_THREADS:
            raise UsageError(
                f"threads: expected 1 to {_MOST_THREADS}, found {self.threads}; one a free core"
            )
        if self.orthogonality not in ("none", "penalty", "projection"):
            raise UsageError(
                f"orthogonality: expected none, penalty or projection, found"
                f" {self.orthogonality!r}; choose one"
            )
        for name in ("penalty", "l1", "l2"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(
                    f"{name}: expected a weight >= 0, found {getattr(self, name)}; 0 is none"
                )
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(
                    f"{name}: expected a number > 0, found {getattr(self, name)}; give a larger one"
                )


def _of_type(name: str, wanted: str, value: object) -> object:
    """Return a value as its field's type; NumPy's numbers become Python's.

    Raises
    ------
    UsageError
        It is of another type.
    """
    wanted, _, none = wanted.partition(" | ")
    if value is None and none:
        return None
    is_truth = isinstance(value, bool)
    try:
        if wanted == "float" and hasattr(value, "__float__") and not is_truth:
            return value.__float__()
        if wanted == "int" and hasattr(value, "__index__") and not is_truth:
            return value.__index__()
    except TypeError:
        pass  # an array has these methods, and is no number
    if (wanted == "bool" and is_truth) or (wanted == "str" and isinstance(value, str)):
        return value
    raise UsageError(f"{name}: expected {_TYPES[wanted]}, found {value!r:.80}; give one")
