"""Adapters are trained on mirror images too, unless examples that are set aside speak against it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pictures import taught

from cfedge.errors import UsageError
from cfedge.train.examples.data import load
from cfedge.train.learn.fitting import States
from cfedge.train.learn.mirror import mirror_harms
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.folder import WorkspaceFolder

Floats = NDArray[np.float32]


def seen(rng: np.random.Generator, *, lopsided: bool) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Features whose second half is what the first is in a mirror; classes that are lopsided are
    each other's mirror images.
    """
    classes = np.arange(160) % 2
    means = np.eye(8)[[0, 4]] if lopsided else np.eye(8)[[0, 1]] + np.eye(8)[[4, 5]]
    features = (means[classes] + 0.4 * rng.normal(size=(160, 8))).astype(np.float32)
    return features, np.roll(features, 4, axis=1), classes.astype(np.int64)


def test_mirror_images_are_half_of_what_is_trained_on_unless_they_do_harm() -> None:
    rows, aside = list(range(80)), list(range(80, 160))
    for lopsided in (False, True):
        found = seen(np.random.default_rng(1), lopsided=lopsided)
        assert mirror_harms(*found, rows, aside) is lopsided
        assert not mirror_harms(*found, rows, [])
    with pytest.raises(UsageError, match="mirror: expected auto, yes, no, found 'left'"):
        Settings(mirror="left")
    own, other = [np.full(2, 1.0, np.float32)] * 400, [np.full(2, 2.0, np.float32)] * 400
    generator = torch.Generator().manual_seed(0)
    batch = States(own, other).of(list(range(400)), generator)
    assert 150 < sum(float(one[0]) == 2.0 for one in batch) < 250
    state = generator.get_state()
    assert States(own, []).of([3, 5], generator)[0] is own[3]
    assert torch.equal(state, generator.get_state())  # what is drawn without them stays


def test_an_adapter_for_pictures_is_another_with_mirror_images(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    made = taught(tmp_path_factory)
    every = load(made / "data" / "low", kind="image").train
    examples = every.take(list(range(0, len(every), 5)))
    arrays, said = {}, {}
    for mirror in ("yes", "no", "auto"):
        workspace = WorkspaceFolder(shutil.copytree(made / "ws", tmp_path / mirror))
        settings = Settings(
            method="adapter", mirror=mirror, rank=1, epochs=1, min_steps=1, threads=1
        )
        task = learn(workspace, "again", examples, settings=settings)
        arrays[mirror], said[mirror] = task.adapter, task.record.settings.mirror
    same = {
        mirror: all(np.array_equal(arrays[mirror][name], arrays["auto"][name]) for name in one)
        for mirror, one in arrays.items()
    }
    assert same["auto"]
    assert same["yes"] is not same["no"]  # it is one of both
    assert said == {"yes": "yes", "no": "no", "auto": "yes" if same["yes"] else "no"}
