"""PyTorch's Adam without PyTorch's compiler.

`torch.optim` tells its methods apart from compiled code, and imports the compiler to do so: some 800
modules, a second of each process that learns. The methods below are those that it wraps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer

__all__ = ["Adam"]


def _unwrapped(method: Any) -> Any:
    return getattr(method, "__wrapped__", method)


class Adam(torch.optim.Adam):
    """The same steps, to the last bit."""

    add_param_group = _unwrapped(Optimizer.add_param_group)
    zero_grad = _unwrapped(Optimizer.zero_grad)
    step = torch.no_grad()(_unwrapped(torch.optim.Adam.step))
