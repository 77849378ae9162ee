"""The paper's condition is computed as its authors' checker does, and stands beside the truth."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from typer.testing import CliRunner

from cfedge.cli import app
from cfedge.errors import UsageError
from cfedge.train.certify.paper import paper_rows
from cfedge.train.measures.paper_condition import Adapted, paper_terms
from cfedge.train.workspace.folder import WorkspaceFolder


def tasks_of(seed: int, width: int = 5) -> tuple[dict[str, Adapted], dict[str, np.ndarray]]:
    """Three tasks, and one cluster's inputs under the adapters of the second and the third."""
    rng = np.random.default_rng(seed)
    tasks = {}
    for place, clusters in enumerate((2, 3, 1)):
        root = rng.normal(size=(width, width))
        covariance = root @ root.T + 0.5 * np.eye(width)
        tasks[f"{place}"] = Adapted(rng.normal(size=(clusters, width)) * 3, covariance)
    return tasks, {name: rng.normal(size=(7, width)) * 0.3 for name in ("1", "2")}


def test_the_terms_are_those_of_the_formula_computed_in_another_way() -> None:
    for seed in range(20):
        tasks, inputs = tasks_of(seed)
        own, others = tasks.pop("0"), tasks
        found = paper_terms(own, others, inputs, epsilon=0.05)
        squares, logs, spread = [], [], []
        for name, other in others.items():
            inverse = np.linalg.inv(other.covariance)
            mean = np.array([np.mean(column) for column in inputs[name].T])
            squares += [mahalanobis(mean, point, inverse) ** 2 / 5 for point in other.means]
            logs.append(np.log(np.linalg.eigvalsh(other.covariance)).sum())
            spread += [np.mean((c - np.mean(c)) ** 2) for c in inputs[name].T]
        kappa = min(logs) - np.log(np.linalg.eigvalsh(own.covariance)).sum()
        assert found.delta == pytest.approx(min(squares) - 1)
        assert found.kappa == pytest.approx(kappa)
        assert found.variance == pytest.approx(max(spread))
        assert found.clusters == 2 * (2 + 3 + 1) + 1
        odds = np.log(13 / 0.05)
        assert found.t2 == pytest.approx(np.log(13 / 0.05 * (np.sqrt(1 + 20 / odds) + 1)))
        # t1 is where M - 4 u and the root meet: the larger u of 2 u^2 - M u + 3 d s k = 0, less k
        big = 15 * max(spread) - kappa
        roots = np.roots([2, -big, 3 * 5 * max(spread) * kappa])
        if np.isreal(roots).all():
            assert found.t1 == pytest.approx(max(roots.real) - kappa)
            assert found.needed == pytest.approx(2 / 5 * max(max(roots.real) - kappa, found.t2))
            assert found.holds == (found.delta > found.needed)
        else:
            assert (found.t1, found.needed, found.holds) == (None, None, False)


def test_it_holds_far_away_fails_near_by_and_is_not_met_where_the_root_is_undefined() -> None:
    def terms(apart: float, rival: float = 1.0) -> tuple[bool, float | None]:
        own = Adapted(np.zeros((1, 4)), np.eye(4))
        other = Adapted(np.full((1, 4), apart), rival * np.eye(4))
        inputs = np.random.default_rng(0).normal(size=(50, 4))
        found = paper_terms(own, {"other": other}, {"other": inputs})
        return found.holds, found.t1

    assert terms(10.0)[0]
    assert not terms(0.5)[0]
    # kappa = 4 log 3 is .31 to 30 times d sigma^2 here
    assert terms(1000.0, rival=3.0) == (False, None)


def test_rescaled_features_change_the_verdict_as_the_first_caution_says() -> None:
    def holds(scale: float) -> bool:
        own = Adapted(np.zeros((1, 4)), scale**2 * np.eye(4))
        other = Adapted(scale * np.full((1, 4), 4.0), scale**2 * np.eye(4))
        inputs = scale * np.random.default_rng(0).normal(size=(50, 4))
        return paper_terms(own, {"other": other}, {"other": inputs}).holds

    assert holds(0.1)
    assert not holds(10.0)


def test_every_class_of_a_workspace_has_its_terms_beside_the_truth(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    rows = paper_rows(workspace)
    assert [(row.task, row.label) for row in rows] == [
        (name, label) for name in workspace.tasks for label in workspace.record(name).classes
    ]
    classes = sum(len(workspace.record(name).classes) for name in workspace.tasks)
    assert {row.terms.clusters for row in rows} == {classes + 1}
    held_out = sum(len(workspace.held_out(name).classes) for name in workspace.tasks)
    assert sum(row.held_out for row in rows) == held_out
    found = json.loads(
        CliRunner().invoke(app, ["inspect", str(tiny_workspace), "--paper", "--json"]).stdout
    )
    assert [row["delta"] for row in found] == [row.terms.delta for row in rows]
    assert sum(row["errors"] for row in found) == sum(row.errors for row in rows)
    shown = CliRunner().invoke(app, ["inspect", str(tiny_workspace), "--paper"]).output
    assert shown.count("caution") == 3
    assert math.isfinite(rows[0].terms.t2)


def test_one_task_alone_has_nothing_to_be_compared_with(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    workspace.remove(workspace.tasks[0])
    with pytest.raises(UsageError, match="--paper: expected 2 tasks or more, found 1"):
        paper_rows(workspace)
