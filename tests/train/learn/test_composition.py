"""Pools and folding against dense matrices in float64. Letters: P units, R rank."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from every import cases
from made import make_texts
from typer.testing import CliRunner

from cfedge.bundle.manifest import Slot
from cfedge.cli import app
from cfedge.errors import TaskError, UsageError
from cfedge.train.examples.examples import Examples
from cfedge.train.learn.composition import KEPT_ENERGY, SitePool, contributions, fold, pool, units
from cfedge.train.learn.lora import LowRankPairs
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder


def shown(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


SLOTS = (Slot("l0.qkv", 12, 20), Slot("l0.fc1", 12, 16))


def make_adapter(seed: int, rank: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {}
    for slot in SLOTS:
        arrays[f"a.{slot.name}"] = rng.normal(size=(1, slot.rows, rank)).astype(np.float32)
        arrays[f"b.{slot.name}"] = rng.normal(size=(1, rank, slot.columns)).astype(np.float32)
    return arrays


def make_pairs(orthogonality: str, **changes: float) -> tuple[LowRankPairs, dict[str, SitePool]]:
    """Pairs over a pool of two tasks, with parameters away from their start."""
    pools = pool({"one": make_adapter(1), "two": make_adapter(2)}, SLOTS, 5)
    settings = Settings(rank=2, orthogonality=orthogonality, reuse=True, **changes)  # type: ignore[arg-type]
    pairs = LowRankPairs(SLOTS, pools, settings, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    for value in pairs.parameters():
        value.data = torch.randn(value.shape, generator=generator)
    return pairs, pools


def penalty(pairs: LowRankPairs) -> float:
    return float(torch.as_tensor(pairs.penalty()).detach())


def test_units_are_the_singular_value_decomposition_of_the_product() -> None:
    adapter = make_adapter(0, rank=4)
    a, b = adapter["a.l0.qkv"][0], adapter["b.l0.qkv"][0]
    u, s, v = units(a, b)
    np.testing.assert_allclose((u * s) @ v, a @ b, atol=1e-5)
    np.testing.assert_allclose(
        s, np.linalg.svd(a.astype(np.float64) @ b, compute_uv=False)[:4], rtol=1e-5
    )
    np.testing.assert_allclose(u.T @ u, np.eye(4), atol=1e-6)
    np.testing.assert_allclose(v @ v.T, np.eye(4), atol=1e-6)


def test_the_pool_holds_the_strongest_units_of_all_tasks_whatever_their_order() -> None:
    adapters = {"one": make_adapter(1), "two": make_adapter(2)}
    found = pool(adapters, SLOTS, 4)["l0.fc1"]
    again = pool(dict(reversed(adapters.items())), SLOTS, 4)["l0.fc1"]
    strength = sorted(
        (
            (-value, name)
            for name, arrays in adapters.items()
            for value in np.linalg.svd(
                arrays["a.l0.fc1"][0] @ arrays["b.l0.fc1"][0], compute_uv=False
            )[:3]
        )
    )
    assert found.owners == tuple(name for _, name in strength[:4])
    assert np.array_equal(found.a, again.a)
    assert np.array_equal(found.b, again.b)
    np.testing.assert_allclose(np.linalg.norm(found.a, axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.b, axis=1), 1, rtol=1e-5)


def test_a_unit_that_a_later_task_reused_is_in_the_pool_once() -> None:
    """Against the residual of least squares on the dense units, one after the other."""
    first, other = make_adapter(1), make_adapter(2)
    again = {name: array * (1.5 if name.startswith("a.") else 1.0) for name, array in first.items()}
    found = pool({"first": first, "later": again, "other": other}, SLOTS, 12)["l0.qkv"]
    assert sorted(found.owners) == ["later"] * 3 + ["other"] * 3
    dense = np.stack([np.outer(found.a[:, unit], found.b[unit]).ravel() for unit in range(6)])
    telling = []
    for unit in range(6):
        rest = (
            dense[unit]
            - dense[:unit].T @ np.linalg.lstsq(dense[:unit].T, dense[unit], rcond=None)[0]
            if unit
            else dense[0]
        )
        telling.append(float(rest @ rest))
    assert min(telling) > 0.1
    strength = {
        name: (
            np.linalg.svd(
                arrays["a.l0.qkv"][0].astype(np.float64) @ arrays["b.l0.qkv"][0], compute_uv=False
            )[:3]
            ** 2
        )
        for name, arrays in (("later", again), ("other", other))
    }
    places = {"later": 0, "other": 0}
    order = []
    for owner, left in zip(found.owners, telling, strict=True):
        order.append(strength[owner][places[owner]] * left)
        places[owner] += 1
    assert order == sorted(order, reverse=True)


def test_a_first_task_has_an_empty_pool_and_an_untrained_task_gives_no_units() -> None:
    assert pool({}, SLOTS, 4)["l0.qkv"].a.shape == (12, 0)
    zero = {name: np.zeros_like(array) for name, array in make_adapter(1).items()}
    assert pool({"zero": zero}, SLOTS, 4)["l0.qkv"].owners == ()


@cases("rank", [1, 3, 8])
def test_folding_is_the_best_approximation_of_its_rank_and_says_what_it_kept(rank: int) -> None:
    reused = pool({"one": make_adapter(1), "two": make_adapter(2)}, SLOTS, 6)["l0.qkv"]
    rng = np.random.default_rng(3)
    scalars, a, b = (
        rng.normal(size=shape).astype(np.float32) for shape in ((6,), (12, 2), (2, 20))
    )
    whole = (reused.a * scalars).astype(np.float64) @ reused.b + a.astype(np.float64) @ b
    folded = fold(reused, scalars, a, b, rank=rank, energy=1.0)
    u, s, v = np.linalg.svd(whole)
    np.testing.assert_allclose(
        folded.a[0] @ folded.b[0], (u[:, :rank] * s[:rank]) @ v[:rank], atol=1e-5
    )
    assert folded.kept == pytest.approx((s[:rank] ** 2).sum() / (s**2).sum(), rel=1e-6)


def test_folding_takes_the_least_rank_that_keeps_the_energy() -> None:
    reused = SitePool(np.zeros((12, 0), np.float32), np.zeros((0, 20), np.float32), ())
    a, b = (
        np.eye(12, 4, dtype=np.float32),
        np.eye(4, 20, dtype=np.float32) * np.array([[10], [1], [0.1], [0.01]], np.float32),
    )
    empty = np.zeros(0, np.float32)
    assert [
        fold(reused, empty, a, b, rank=4, energy=energy).a.shape[2]
        for energy in (0.9, 0.999, 0.99999)
    ] == [1, 2, 3]
    nothing = fold(reused, empty, a * 0, b, rank=4)
    assert (nothing.kept, float(np.abs(nothing.a).sum())) == (1.0, 0.0)


@cases("orthogonality", ["none", "penalty", "projection"])
def test_what_the_tail_is_fed_is_the_reused_part_plus_the_new_one(orthogonality: str) -> None:
    pairs, pools = make_pairs(orthogonality)
    fed = pairs.slots()
    for slot in SLOTS:
        reused, scalars = pools[slot.name], pairs._scalars[slot.name].detach()
        a, b = (value.detach()[0] for value in pairs._new(slot.name))
        expected = (
            torch.from_numpy(reused.a) @ torch.diag(scalars) @ torch.from_numpy(reused.b) + a @ b
        )
        found = (fed[f"a.{slot.name}"] @ fed[f"b.{slot.name}"])[0]
        torch.testing.assert_close(found.detach(), expected, atol=1e-5, rtol=1e-5)
        exactly = orthogonality == "projection"
        assert (float((torch.from_numpy(reused.a).T @ a).abs().max()) < 1e-5) is exactly
        assert (float((torch.from_numpy(reused.b) @ b.T).abs().max()) < 1e-5) is exactly


def test_each_part_of_the_penalty_can_be_switched_off_alone() -> None:
    pairs, pools = make_pairs("penalty", l1=0.0, l2=0.0, penalty=0.5)
    overlap = 0.0
    for slot in SLOTS:
        a, b = pairs._a[slot.name].detach().numpy()[0], pairs._b[slot.name].detach().numpy()[0]
        overlap += float(
            ((pools[slot.name].a.T @ a) ** 2).sum() + ((pools[slot.name].b @ b.T) ** 2).sum()
        )
    assert penalty(pairs) == pytest.approx(0.5 * overlap, rel=1e-4)
    scalars = np.concatenate([value.detach().numpy() for value in pairs._scalars.values()])
    only_l1, _ = make_pairs("projection", l1=0.25, l2=0.0)
    assert penalty(only_l1) == pytest.approx(0.25 * np.abs(scalars).sum(), rel=1e-5)
    only_l2, _ = make_pairs("none", l1=0.0, l2=0.25)
    assert penalty(only_l2) == pytest.approx(0.25 * (scalars**2).sum(), rel=1e-5)
    assert penalty(make_pairs("none", l1=0.0, l2=0.0)[0]) == 0.0


def test_contributions_of_orthogonal_parts_are_shares_of_energy_by_task() -> None:
    pools = {
        "x": SitePool(
            np.eye(4, 2, dtype=np.float32), np.eye(2, 5, dtype=np.float32), ("one", "two")
        )
    }
    new = (np.eye(4, 1, k=-2, dtype=np.float32) * 2, np.eye(1, 5, k=2, dtype=np.float32))
    assert contributions(pools, {"x": np.array([1, 2], np.float32)}, {"x": new}) == {
        "new": pytest.approx(4 / 9), "one": pytest.approx(1 / 9), "two": pytest.approx(4 / 9)
    }  # fmt: skip


def test_contributions_are_inner_products_with_the_whole_update_so_that_what_cancels_counts_for_nothing() -> (
    None
):
    pools = pool({"one": make_adapter(1), "two": make_adapter(2)}, SLOTS, 5)
    rng = np.random.default_rng(4)
    scalars = {slot.name: rng.normal(size=5).astype(np.float32) for slot in SLOTS}
    new = {
        slot.name: (
            rng.normal(size=(slot.rows, 2)).astype(np.float32),
            rng.normal(size=(2, slot.columns)).astype(np.float32),
        )
        for slot in SLOTS
    }
    parts = {"one": 0.0, "two": 0.0, "new": 0.0}
    total = 0.0
    for slot in SLOTS:
        one = pools[slot.name]
        whole = (one.a * scalars[slot.name]) @ one.b + new[slot.name][0] @ new[slot.name][1]
        for owner in ("one", "two"):
            own = np.array([name == owner for name in one.owners])
            parts[owner] += float(((one.a * (scalars[slot.name] * own)) @ one.b * whole).sum())
        parts["new"] += float((new[slot.name][0] @ new[slot.name][1] * whole).sum())
        total += float((whole**2).sum())
    found = contributions(pools, scalars, new)
    assert found == {name: pytest.approx(value / total, rel=1e-4) for name, value in parts.items()}
    assert sum(found.values()) == pytest.approx(1)
    twice = SitePool(pools["l0.qkv"].a[:, [0, 0]], pools["l0.qkv"].b[[0, 0]], ("one", "two"))
    nothing = (np.zeros((12, 1), np.float32), np.zeros((1, 20), np.float32))
    assert contributions({"x": twice}, {"x": np.array([1, -1], np.float32)}, {"x": nothing}) == {
        "new": 0,
        "one": 0,
        "two": 0,
    }


@cases(
    "changes",
    [{"orthogonality": "some"}, {"l1": -1.0}, {"penalty": float("nan")}, {"pool_limit": 0}],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(changes))}: expected"):
        Settings(**changes)  # type: ignore[arg-type]


def test_a_pool_that_leaves_nothing_to_be_orthogonal_is_refused() -> None:
    pools = pool(
        {name: make_adapter(seed, rank=4) for seed, name in enumerate(("one", "two", "three"))},
        SLOTS,
        11,
    )
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(
        UsageError,
        match=r"pool_limit: expected at most 10 for l0.qkv \(12 x 20\) with rank 2, found 11 units",
    ):
        LowRankPairs(SLOTS, pools, Settings(rank=2, reuse=True), generator)
    LowRankPairs(SLOTS, pools, Settings(rank=2, reuse=True, orthogonality="penalty"), generator)
    LowRankPairs(SLOTS, pools, Settings(rank=1, reuse=True), generator)


@pytest.fixture
def reusing(tiny_workspace: Path) -> WorkspaceFolder:
    """The tiny workspace with the task food learned on top of animals and colors."""
    workspace = WorkspaceFolder(tiny_workspace)
    examples = Examples(*zip(*make_texts("food", 12, seed=0), strict=True), "food")
    learn(
        workspace,
        "food",
        examples,
        settings=Settings(rank=2, min_steps=60, reuse=True, pool_limit=3, max_rank=2, threads=1),
    )
    return workspace


def test_no_task_is_called_as_what_no_other_task_had(tiny_workspace: Path) -> None:
    with pytest.raises(
        TaskError,
        match="task name: expected another than 'new', which says what a task reuses of none",
    ):
        WorkspaceFolder(tiny_workspace).check_new("new", ("a", "b"), replace=False)


def test_a_task_that_reuses_others_says_how_much_of_each_is_in_it(reusing: WorkspaceFolder) -> None:
    record = reusing.record("food")
    assert set(record.transfer) <= {"new", "animals", "colors"}
    assert sum(record.transfer.values()) == pytest.approx(1)
    assert sum(share for name, share in record.transfer.items() if name != "new") > 0
    assert 0.5 < record.kept_energy <= 1


def test_inspect_shows_what_was_reused_and_what_folding_lost(reusing: WorkspaceFolder) -> None:
    (row,) = [
        row
        for row in json.loads(shown("inspect", reusing.folder, "--json"))
        if row["task"] == "food"
    ]
    record = reusing.record("food")
    assert row["transfer"] == dict(record.transfer)
    assert row["kept_energy"] == record.kept_energy < KEPT_ENERGY
    parts = {
        name: share
        for name, share in record.transfer.items()
        if name != "new" and abs(share) >= 0.005
    }
    table = " ".join(shown("inspect", reusing.folder).split())
    assert all(f"{name} {share:.0%}" in table for name, share in parts.items())
    assert (
        f"food: its adapter keeps {record.kept_energy:.2%} of what was learned, less than 99.9%:"
        " raise --max-rank" in table
    )
    assert "animals: its adapter keeps" not in table


def test_a_task_that_reuses_others_outlives_them(reusing: WorkspaceFolder) -> None:
    before = reusing.task("food")
    for name in ("animals", "colors"):
        reusing.remove(name)
    after = WorkspaceFolder(reusing.folder).task("food")
    assert all(np.array_equal(before.adapter[name], after.adapter[name]) for name in before.adapter)
    assert (
        max(array.shape[-1] for name, array in after.adapter.items() if name.startswith("a.")) == 2
    )
