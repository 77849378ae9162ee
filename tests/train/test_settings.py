"""Choices that make no sense are refused by name before anything is learned."""

from __future__ import annotations

import math

import numpy as np
import pytest
from every import cases

from cfedge.errors import UsageError
from cfedge.train.settings import Settings


@cases(
    ("changes", "found"),
    [
        ({"rank": 0}, "rank: expected >= 1, found 0"),
        ({"class_rank": 0}, "class_rank: expected >= 1, found 0"),
        ({"seed": -1}, "seed: expected 0 to 9223372036854775807, found -1"),
        ({"seed": 1 << 63}, "seed: expected 0 to"),
        ({"held_out": 1.0}, r"held_out: expected a share in \(0, 1\), found 1.0"),
        ({"position_dropout": 1.0}, r"position_dropout: expected a share in \[0, 1\), found 1.0"),
        ({"exit_share": 1.0}, r"exit_share: expected a share in \[0, 1\), found 1.0"),
        ({"exit_share": -0.1}, r"exit_share: expected a share in \[0, 1\), found -0.1"),
        ({"exit_share": math.nan}, r"exit_share: expected a share in \[0, 1\), found nan"),
        ({"precision": "fp16"}, "precision: expected float32 or bf16, found 'fp16'"),
        ({"threads": 0}, "threads: expected 1 to 256, found 0"),
        ({"threads": 100_000}, "threads: expected 1 to 256, found 100000"),
        (
            {"orthogonality": "some"},
            "orthogonality: expected none, penalty or projection, found 'some'",
        ),
        ({"l1": -1.0}, "l1: expected a weight >= 0, found -1.0"),
        ({"learning_rate": 0.0}, "learning_rate: expected a number > 0, found 0.0"),
        ({"learning_rate": float("inf")}, "learning_rate: expected a number > 0, found inf"),
        ({"clip": 0.0}, "clip: expected a number > 0, found 0.0"),
        ({"clip": float("nan")}, "clip: expected a number > 0, found nan"),
        ({"l1": float("inf")}, "l1: expected a weight >= 0, found inf"),
        ({"epochs": "3"}, "epochs: expected a whole number, found '3'; give one"),
        ({"epochs": np.ones(2, int)}, "epochs: expected a whole number, found array"),
        ({"learning_rate": np.ones(2)}, "learning_rate: expected a number, found array"),
        ({"epochs": 3.5}, "epochs: expected a whole number, found 3.5"),
        ({"rank": True}, "rank: expected a whole number, found True"),
        ({"threads": "2"}, "threads: expected a whole number, found '2'"),
        ({"held_out": None}, "held_out: expected a number, found None"),
        ({"reuse": "no"}, "reuse: expected True or False, found 'no'"),
        ({"method": ["adapter"]}, r"method: expected a name, found \['adapter'\]"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(changes: dict[str, object], found: str) -> None:
    usual = Settings(class_rank=None, seed=np.int64(0), l1=np.float32(0))  # type: ignore[arg-type]
    assert (type(usual.seed), type(usual.l1), usual.class_rank) == (int, float, None)
    with pytest.raises(UsageError, match=f"^{found}"):
        Settings(**changes)  # type: ignore[arg-type]
