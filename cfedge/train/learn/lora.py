"""The trained low-rank pairs of every slot: new units, and scalars over a frozen pool of earlier
tasks' units.

What the tail is fed and what is exported is always one pair A, B a site; see
`cfedge.train.learn.composition` for the algebra.

Letters: P units in the pool, R new rank.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter

from cfedge.bundle.manifest import Slot
from cfedge.errors import UsageError
from cfedge.train.learn.composition import Folded, SitePool, contributions, fold
from cfedge.train.settings import Settings

__all__ = ["LowRankPairs"]

Floats = NDArray[np.float32]


class LowRankPairs:
    """Parameters and frozen pools of all slots.

    New units begin as A ~ N(0, 1 / rows), B = 0, and scalars as 0: no change (Hu et al. 2021,
    section 4.1).
    """

    def __init__(
        self,
        slots: tuple[Slot, ...],
        pools: Mapping[str, SitePool],
        settings: Settings,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        self._settings, self._pools = settings, pools
        self._a: dict[str, Tensor] = {}
        self._b: dict[str, Tensor] = {}
        self._scalars: dict[str, Tensor] = {}
        self._frozen: dict[str, tuple[Tensor, Tensor]] = {}
        self._spans: dict[str, tuple[Tensor, Tensor]] = {}
        for slot in slots:
            name, reused = slot.name, pools[slot.name]
            first = torch.randn(1, slot.rows, settings.rank, generator=generator) / slot.rows**0.5
            self._a[name] = Parameter(first.to(device))
            self._b[name] = Parameter(torch.zeros(1, settings.rank, slot.columns, device=device))
            free = min(slot.rows, slot.columns) - len(reused.owners)
            if settings.orthogonality == "projection" and reused.owners and free < settings.rank:
                raise UsageError(
                    f"pool_limit: expected at most {min(slot.rows, slot.columns) - settings.rank}"
                    f" for {name} ({slot.rows} x {slot.columns}) with rank {settings.rank}, found"
                    f" {len(reused.owners)} units to be orthogonal to; lower it or use"
                    " --orthogonality penalty"
                )
            if reused.owners:
                self._scalars[name] = Parameter(torch.zeros(len(reused.owners), device=device))
                a_pool, b_pool = torch.from_numpy(reused.a), torch.from_numpy(reused.b)
                self._frozen[name] = a_pool.to(device), b_pool.to(device)
                if settings.orthogonality == "projection":
                    self._spans[name] = (
                        torch.linalg.qr(a_pool)[0].to(device),
                        torch.linalg.qr(b_pool.T)[0].to(device),
                    )

    def parameters(self) -> list[Tensor]:
        """All that is trained."""
        return [value for name in self._a for value in (self._a[name], self._b[name])] + list(
            self._scalars.values()
        )

    def slots(self) -> dict[str, Tensor]:
        """``a.<site>`` [1, rows, P + R] and ``b.<site>`` [1, P + R, columns] to feed the tail."""
        fed: dict[str, Tensor] = {}
        for name in self._a:
            a, b = self._new(name)
            if name in self._scalars:
                a_pool, b_pool = self._frozen[name]
                a = torch.cat([a_pool[None], a], dim=2)
                b = torch.cat([(self._scalars[name][:, None] * b_pool)[None], b], dim=1)
            fed[f"a.{name}"], fed[f"b.{name}"] = a, b
        return fed

    def penalty(self) -> Tensor | float:
        """What is added to the loss: l1 and l2 of the scalars, and of the overlap with the pool
        where it is penalised.
        """
        settings = self._settings
        total: Tensor | float = 0.0
        for name, scalars in self._scalars.items():
            total = total + settings.l1 * scalars.abs().sum() + settings.l2 * (scalars**2).sum()
            if settings.orthogonality == "penalty":
                a_pool, b_pool = self._frozen[name]
                overlap = ((a_pool.T @ self._a[name][0]) ** 2).sum() + (
                    (b_pool @ self._b[name][0].T) ** 2
                ).sum()
                total = total + settings.penalty * overlap
        return total

    def folded(self) -> dict[str, Folded]:
        """Each site's update as one pair of its own: as learned where nothing is reused, else
        folded and recompressed.
        """
        done: dict[str, Folded] = {}
        for name in self._a:
            a, b = (value.detach().cpu() for value in self._new(name))
            if name in self._scalars:
                scalars = self._scalars[name].detach().cpu().numpy()
                done[name] = fold(
                    self._pools[name],
                    scalars,
                    a[0].numpy(),
                    b[0].numpy(),
                    rank=self._settings.max_rank,
                )
            else:
                done[name] = Folded(a.numpy(), b.numpy(), 1.0)
        rank = max(one.a.shape[2] for one in done.values())
        return {name: _padded(one, rank) for name, one in done.items()}

    def transfer(self) -> dict[str, float]:
        """The share of each earlier task, and of the new units, in the whole update."""
        news = {
            name: tuple(value.detach()[0].cpu().numpy() for value in self._new(name))
            for name in self._a
        }
        scalars = {
            name: (
                self._scalars[name].detach().cpu().numpy()
                if name in self._scalars
                else np.zeros(0, np.float32)
            )
            for name in self._a
        }
        return contributions(self._pools, scalars, news)  # type: ignore[arg-type]

    def _new(self, name: str) -> tuple[Tensor, Tensor]:
        a, b = self._a[name], self._b[name]
        if name in self._spans:
            q_a, q_b = self._spans[name]
            a, b = a - q_a @ (q_a.T @ a), b - (b @ q_b) @ q_b.T
        return a, b


def _padded(one: Folded, rank: int) -> Folded:
    """The same pair with zeros up to `rank`: all slots of a task have one rank."""
    missing = rank - one.a.shape[2]
    return Folded(
        np.pad(one.a, ((0, 0), (0, 0), (0, missing))),
        np.pad(one.b, ((0, 0), (0, missing), (0, 0))),
        one.kept,
    )
