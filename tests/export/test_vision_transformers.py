"""Vision transformers from a folder to answers, and folders that cannot serve."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from every import cases
from families import FAMILIES

from cfedge import Engine
from cfedge.errors import BackboneError
from cfedge.inputs.image.spec import Image
from cfedge.train.examples.examples import Examples
from cfedge.train.settings import Settings
from cfedge.train.teach import learn
from cfedge.train.workspace.backbones import BackboneSource, kind_of
from cfedge_export.architectures import ARCHITECTURES, find
from cfedge_export.make_backbone import make_backbone
from cfedge_export.pack import export
from cfedge_export.parity_gate import Gate

NAMES = ("deit", "dinov2", "siglip", "siglip_vision_model", "vit")


def _frames(count: int, seed: int) -> Examples:
    """Bright above or bright below."""
    rng = np.random.default_rng(seed)
    frames, labels = [], []
    for number in range(count):
        frame = rng.integers(0, 60, (40, 40, 3)).astype(np.uint8)
        half = slice(0, 20) if number % 2 else slice(20, 40)
        frame[half] += 180
        frames.append(frame)
        labels.append("above" if number % 2 else "below")
    return Examples(tuple(frames), tuple(labels), "made", kind="image")


def test_a_folder_is_cut_taught_exported_and_answers(tmp_path: Path) -> None:
    folder = tmp_path / "vit"
    folder.mkdir()
    FAMILIES["vit"].make(folder)
    workspace = make_backbone(tmp_path / "ws", "local", folder=folder)
    assert workspace.kind == kind_of("local", folder) == "image"
    assert workspace.backbone.scheme == "int8-row"
    settings = Settings(method="adapter", rank=2, epochs=1, min_steps=60, batch=8, threads=1)
    learn(workspace, "light", _frames(40, 0), settings=settings)
    export(workspace, tmp_path / "bundle", gate=Gate(100, 1e9))
    engine, test = Engine.open(tmp_path / "bundle"), _frames(40, 1)
    answers = engine.predict(list(test.inputs))
    right = [one.label == label for one, label in zip(answers, test.labels, strict=True)]
    assert np.mean(right) > 0.65  # of a network that was never trained; half would be chance
    alone = engine.predict(test.inputs[0])[0]
    assert (alone.label, alone.probability) == (answers[0].label, answers[0].probability)


@pytest.mark.parametrize("name", NAMES)
def test_every_family_of_pictures_is_known_as_one_before_it_is_read(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": name}), "utf-8")
    assert kind_of("local", tmp_path) == "image"
    assert 1 in ARCHITECTURES[name].pooled_axes


def test_those_are_all_families_of_transformers_that_read_pictures() -> None:
    read = {name for name, family in FAMILIES.items() if isinstance(family.spec, Image)}
    assert read - {"efficientnet-lite"} == set(NAMES)


_GOOD = {
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
    "size": {"height": 32, "width": 32},
}


@cases(
    "change, said",
    [
        (None, "expected size, image_mean and image_std of the pictures"),
        ({"image_mean": [0.5]}, "not of three colours"),
        ({"image_std": None}, "expected size, image_mean and image_std"),
        ({"size": {"height": 32, "width": 64}}, "expected the size of square pictures"),
        ({"size": {"shortest_edge": 32}}, "expected the size of square pictures"),
        ({"size": {"height": 0, "width": 0}}, "expected the size of square pictures"),
        ({"size": {"height": 36, "width": 36}}, "expected a size that patches of 8 pixels divide"),
    ],
)
def test_preprocessing_that_cannot_be_followed_is_refused(
    change: dict[str, object] | None, said: str, tmp_path: Path
) -> None:
    config = {"model_type": "vit", "patch_size": 8, "image_size": 32}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    if change is not None:
        stated = json.dumps({**_GOOD, **change})
        (tmp_path / "preprocessor_config.json").write_text(stated, "utf-8")
    with pytest.raises(BackboneError, match=said):
        find("vit", tmp_path).reads(tmp_path, BackboneSource())


def test_a_processor_that_crops_makes_pictures_that_are_cropped(tmp_path: Path) -> None:
    config = {"model_type": "vit", "patch_size": 8, "image_size": 32}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    crop = {"do_center_crop": True, "crop_size": 32, "size": {"shortest_edge": 40}}
    stated = json.dumps({**_GOOD, **crop})
    (tmp_path / "preprocessor_config.json").write_text(stated, "utf-8")
    spec, files = find("vit", tmp_path).reads(tmp_path, BackboneSource())
    assert (spec, files) == (Image("image", 32, 32, "crop"), {})


def test_weights_that_are_missing_and_mlps_that_are_gated_are_refused(tmp_path: Path) -> None:
    spec = FAMILIES["vit"].spec
    FAMILIES["vit"].make(tmp_path)
    for content, said in ((b"", "expected weights"), (None, "expected weights")):
        weights = tmp_path / "model.safetensors"
        weights.unlink() if content is None else weights.write_bytes(content)
        with pytest.raises(BackboneError, match=said):
            find("vit", tmp_path).to_onnx(tmp_path, spec)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_act": "selu"}), "utf-8")
    with pytest.raises(BackboneError, match=r"expected an activation of gelu, .*, found 'selu'"):
        find("vit", tmp_path).to_onnx(tmp_path, spec)
    FAMILIES["dinov2"].make(tmp_path)  # weights of another family
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(BackboneError, match=r"expected the weights 'encoder\.layer\.0\.layernorm"):
        find("vit", tmp_path).to_onnx(tmp_path, spec)
