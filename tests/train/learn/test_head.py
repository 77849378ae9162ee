"""The closed-form head against scikit-learn, and a task added where torch and its kin cannot be
imported.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from every import cases
from made import make_texts, write_csv
from scipy.stats import multivariate_normal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import normalize

from cfedge.cli import main
from cfedge.errors import UsageError
from cfedge.lookup import ClusterStatistics, Features, Lookup
from cfedge.lookup.class_gaussians import ridge
from cfedge.runtime.adapter import NEVER, Adapter
from cfedge.runtime.engine import Engine
from cfedge.train.examples.examples import Examples
from cfedge.train.features.feature_cache import features_of
from cfedge.train.features.signature import exact_statistics, learn_signature, signature
from cfedge.train.learn.class_shapes import SHAPE_RANK
from cfedge.train.learn.closed_part import shape_share, trunk_share
from cfedge.train.learn.head import FEW, _temperature, closed_form, few_examples
from cfedge.train.measures.folds import FOLDS
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder
from cfedge_export.build_bundle import build

_BARRED = """
import sys
from cfedge.demo.device import Barrier
sys.meta_path.insert(0, Barrier())
from cfedge.cli import main
main(sys.argv[1:])
"""


def make_data(seed: int, examples: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(5).normal(size=(3, 12))
    classes = np.arange(examples) % 3
    return normalize(
        means[classes] + rng.normal(size=(examples, 12)) * rng.uniform(0.3, 1, 12)
    ).astype(np.float32), classes


def test_the_head_is_scikit_learns_discriminant_analysis_with_the_lookups_shrinkage() -> None:
    features, classes = make_data(0)
    weight, bias = closed_form(features, classes)
    shrinkage = Lookup({"": signature(features, classes, rank=12)}).shrinkage
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=[1 / 3] * 3)
    # scikit-learn standardises before it shrinks and counts n - classes; the decisions must agree
    # where they are clear.
    inputs, _ = make_data(1)
    ours, theirs = (
        inputs @ weight + bias,
        reference.fit(features, classes).decision_function(inputs),
    )
    gap = np.sort(ours, axis=1)
    clear = gap[:, -1] - gap[:, -2] > 1.0
    assert clear.mean() > 0.5
    assert np.array_equal(ours.argmax(axis=1)[clear], theirs.argmax(axis=1)[clear])


def test_the_linear_form_is_the_cluster_scores() -> None:
    features, classes = make_data(2)
    lookup = Lookup(
        {"a": signature(features[:60], classes[:60]), "b": signature(features[60:], classes[60:])}
    )
    weight, bias = lookup.linear()
    np.testing.assert_allclose(features @ weight + bias, lookup.cluster_scores(features), atol=2e-3)


def test_the_temperature_is_the_one_with_the_least_cross_entropy() -> None:
    rng = np.random.default_rng(3)
    classes = rng.integers(0, 3, 4000)
    scores = rng.normal(size=(4000, 3)).astype(np.float32)
    chosen = np.exp(scores * 0.25) / np.exp(scores * 0.25).sum(axis=1, keepdims=True)
    classes = np.array(
        [
            rng.choice(3, p=row)
            for row in chosen.astype(np.float64) / chosen.astype(np.float64).sum(axis=1)[:, None]
        ]
    )
    assert _temperature(scores, classes) == np.float32(0.25)


def food(count: int) -> Examples:
    return Examples(*zip(*make_texts("food", count, seed=0), strict=True), "food")


def test_a_task_with_a_closed_form_head_is_exported_and_answered(tiny_workspace: Path) -> None:
    workspace = WorkspaceFolder(tiny_workspace)
    others = {name: workspace.task(name) for name in workspace.tasks}
    learned = learn(workspace, "food", food(20), settings=Settings(method="closed-form"))
    assert learned.record.settings.method == "closed-form"
    assert all(
        not array.any() for name, array in learned.adapter.items() if name.startswith(("a.", "b."))
    )
    engine = Engine(build(workspace))
    rows = make_texts("food", 8, seed=3)
    answers = engine.predict([text for text, _ in rows], task="food")
    assert (
        np.mean([one.label == label for one, (_, label) in zip(answers, rows, strict=True)]) > 0.7
    )
    assert [workspace.task(name).record for name in others] == [
        task.record for task in others.values()
    ]


def test_a_closed_form_head_is_that_of_the_frozen_tail_and_a_share_of_the_trunks(
    tiny_workspace: Path,
) -> None:
    """Against scikit-learn's discriminants of the same features and shrinkage, where they are
    clear.
    """
    workspace = WorkspaceFolder(tiny_workspace)
    learned = learn(workspace, "food", food(30), food(15), settings=Settings(method="closed-form"))
    encoder = workspace.encoder(threads=1)
    train, seen = (features_of(encoder, food(count).inputs)[1] for count in (30, 15))
    targets, known = (
        np.array([learned.record.classes.index(label) for label in food(count).labels])
        for count in (30, 15)
    )
    share = float(trunk_share(len(targets), 2, adapter=False))
    own = float(shape_share(len(targets), 2, adapter=False))
    width = workspace.backbone.lookup_width
    near = exact_statistics(train.trunk[:, :width], targets)

    def expected(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """By how much the second class is ahead, by trunk and tail of a head that knows `rows`."""
        classes = np.concatenate([targets, known[rows]])
        every = Features(*(np.concatenate([a, b[rows]]) for a, b in zip(train, seen, strict=True)))
        trunk, tail = (_ahead(a, classes, b) for a, b in zip(every, seen, strict=True))
        shapes = _densities(near, every.trunk[:, :width], classes, seen.trunk[:, :width])
        return share * trunk + own * (shapes[1] - shapes[0]), tail

    adapter = learned.adapter
    head = Adapter.from_arrays(adapter)
    alone, behind = head.trunk(seen.trunk), head.adapted(seen.tail)
    trunk, tail = expected(np.ones(len(known), bool))
    gap, whole = np.diff(alone + behind)[:, 0], trunk + tail
    factor = float(gap @ whole / (whole @ whole))
    np.testing.assert_allclose(gap, factor * whole, atol=2e-2 * np.abs(gap).max())
    assert factor > 0  # the temperature
    # A held-out example is judged by a head that knows all but its part; and where the trunk's two
    # classes are as far apart as the exit asks, its part answers alone.
    for part in range(FOLDS):
        mine = learned.folds.of == part
        trunk[mine], tail[mine] = (one[mine] for one in expected(~mine))
    early = np.abs(factor * trunk) >= adapter["exit.margin"][0]
    assert 0 < early.sum() < len(early)
    answered = factor * np.where(early, trunk, trunk + tail)
    sure = learned.held_out.confidences.astype(np.float64)
    clear = sure < 1 - 1e-5
    found = np.log(sure[clear] / (1 - sure[clear]))
    np.testing.assert_allclose(found, np.abs(answered)[clear], atol=2e-2 * np.abs(gap).max())


def _ahead(own: np.ndarray, targets: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """By how much linear discriminants put the second class ahead."""
    lookup = Lookup({"": exact_statistics(own, targets)}, min_spread=0.0)
    means = np.stack([own[targets == one].mean(axis=0) for one in (0, 1)])
    center = own - means[targets]
    covariance = (1 - lookup.shrinkage) * center.T @ center / len(own)
    level = np.trace(center.T @ center / len(own)) / own.shape[1]
    covariance += (lookup.shrinkage + 1e-6) * level * np.eye(own.shape[1])
    solved = np.linalg.solve(covariance.astype(np.float64), (means[1] - means[0]).astype(float))
    return (inputs - means.mean(axis=0)) @ solved


def _densities(
    learned: ClusterStatistics, known: np.ndarray, targets: np.ndarray, seen: np.ndarray
) -> list[np.ndarray]:
    """The log-density of each class by SciPy, with what a mean of few examples is given back."""
    statistics = exact_statistics(known, targets)
    within = learned.factor.T @ learned.factor / learned.counts.sum()
    intensity = Lookup({"": learned}).shrinkage
    level = np.trace(within) / len(within)
    shared = within + ridge(intensity) * level * np.eye(len(within))
    found = []
    for place, count in enumerate(statistics.counts.tolist()):
        _, lengths, rows = np.linalg.svd(statistics.factor[targets == place])
        kept = lengths[:SHAPE_RANK, None] * rows[: min(len(lengths), SHAPE_RANK)]
        covariance = 0.55 * shared + 0.45 * kept.T @ kept / count
        density = multivariate_normal(statistics.means[place], covariance).logpdf(seen)
        doubt = np.trace(np.linalg.inv(shared) @ within)
        found.append(density + doubt / count / 1.1)
    return found


@cases(
    ("examples", "with_adapter", "with_tail"), [(2, 0.002, 0.2), (20, 0.02, 0.4), (400, 0.05, 2.0)]
)
def test_the_trunks_share_grows_with_the_examples_of_a_class(
    examples: int, with_adapter: float, with_tail: float
) -> None:
    assert trunk_share(3 * examples, 3, adapter=True) == np.float32(with_adapter)
    assert trunk_share(3 * examples, 3, adapter=False) == np.float32(with_tail)


def test_clusters_and_early_exits_are_chosen_for_a_closed_form_head_too(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    data = write_csv(tmp_path / "food.csv", make_texts("food", 60, 0))
    found = {}
    for options in ((), ("--class-rank", "1", "--exit-share", "0")):
        with pytest.raises(SystemExit) as exit_code:
            main(
                [
                    "add",
                    str(tiny_workspace),
                    "food",
                    "--data",
                    str(data),
                    "--head-only",
                    "--replace",
                    *options,
                ]
            )
        assert exit_code.value.code == 0
        task = WorkspaceFolder(tiny_workspace).task("food")
        found[options] = (
            len(task.signature.trunk.factor_classes),
            bool(task.adapter["exit.margin"][0] == NEVER),
        )
    assert list(found.values()) == [(24, False), (2, True)]


def test_few_means_the_median_class() -> None:
    assert few_examples(food(FEW - 1), None)
    assert not few_examples(food(FEW), None)
    assert few_examples(food(FEW), 0.2)  # one is held out
    assert not few_examples(food(FEW + 1), 0.2)
    assert few_examples(food(4 * FEW - 2), 0.75)


def test_where_examples_are_few_the_tool_takes_the_closed_form_and_says_so(
    tiny_workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_csv(tmp_path / "food.csv", make_texts("food", FEW - 1, 0))
    for arguments, method in (
        ([], "closed-form"),
        (["--train", "--epochs", "1", "--replace"], "adapter"),
    ):
        with pytest.raises(SystemExit) as exit_code:
            main(
                [
                    "add",
                    str(tiny_workspace),
                    "food",
                    "--data",
                    str(data),
                    "--threads",
                    "1",
                    *arguments,
                ]
            )
        assert exit_code.value.code == 0
        assert ("It has no adapter, as a class has fewer than" in capsys.readouterr().out) is (
            method == "closed-form"
        )
        assert WorkspaceFolder(tiny_workspace).record("food").settings.method == method


def test_a_task_is_added_where_torch_and_its_kin_cannot_be_imported(
    tiny_workspace: Path, tmp_path: Path
) -> None:
    data = write_csv(tmp_path / "food.csv", make_texts("food", 20, 0))
    command = [
        sys.executable,
        "-c",
        _BARRED,
        "add",
        str(tiny_workspace),
        "food",
        "--data",
        str(data),
    ]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 11
    assert "learning an adapter needs" in refused.stderr
    assert "--head-only" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    done = subprocess.run([*command, "--head-only"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert WorkspaceFolder(tiny_workspace).tasks == ("animals", "colors", "food")


def test_a_command_of_the_workshop_says_what_to_install_on_a_device(tiny_workspace: Path) -> None:
    command = [sys.executable, "-c", _BARRED, "export", str(tiny_workspace), "nowhere"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 11
    assert refused.stderr.strip().splitlines() == [refused.stderr.strip()]
    assert "pip install" in refused.stderr


def test_a_closed_form_head_has_nothing_to_reuse(
    tiny_workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_code:
        main(
            ["add", str(tiny_workspace), "food", "--data", str(tmp_path), "--head-only", "--reuse"]
        )
    assert exit_code.value.code == UsageError.exit_code
    assert "--head-only: expected no --reuse with it" in capsys.readouterr().err


def test_five_thousand_classes_of_one_to_three_examples_are_told_apart() -> None:
    rng = np.random.default_rng(6)
    classes = np.concatenate([np.arange(5000), np.arange(5000), np.arange(2500)])
    means = rng.normal(size=(5000, 24))
    features = normalize(means[classes] + rng.normal(size=(12500, 24)) * 0.02).astype(np.float32)
    weight, bias = closed_form(features, classes)
    assert weight.shape == (24, 5000)
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()
    inputs = normalize(means).astype(np.float32)
    assert ((inputs @ weight + bias).argmax(axis=1) == np.arange(5000)).mean() > 0.95
    stages = learn_signature(Features(features, features), classes)
    assert len(stages.trunk.counts) == 5000
    assert all(np.isfinite(array.astype(np.float64)).all() for array in stages.arrays().values())
