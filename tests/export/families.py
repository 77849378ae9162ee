"""A tiny encoder of random weights for each family, and what it is fed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfedge.bundle.fileref import FileRef
from cfedge.inputs import Spec
from cfedge.inputs.image.spec import Image
from cfedge.inputs.text.spec import Text

Feeds = dict[str, np.ndarray]


@dataclass(frozen=True)
class Family:
    """How to make a model's folder, what it reads, B inputs for its graph, and its own library's
    features of these: float32 [B, D], not yet of length 1, which the graph's are within
    `rounding` of.
    """

    make: Callable[[Path], None]
    spec: Spec
    feeds: Callable[[np.random.Generator, int], Feeds]
    reference: Callable[[Path, Feeds], np.ndarray]
    rounding: float = 2e-6


def _text(rng: np.random.Generator, batch: int) -> Feeds:
    ids = rng.integers(5, 40, (batch, 9))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def _mean_of_tokens(folder: Path, feeds: Feeds) -> np.ndarray:
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    ids, mask = (torch.from_numpy(feeds[name]) for name in ("input_ids", "attention_mask"))
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return np.asarray((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))


def _transformer(name: str, **settings: object) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        import torch
        import transformers

        torch.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(
            vocab_size=40, initializer_range=0.15, attn_implementation="eager", **settings
        )
        getattr(transformers, f"{name}Model")(config).eval().save_pretrained(folder)

    return make


_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
_ROBERTA = {**_SIZES, "max_position_embeddings": 26, "pad_token_id": 1, "type_vocab_size": 1}

_TEXT = Text("text", 24, FileRef("0" * 64, 0))

#: Of the tiny EfficientNet: channels behind the stem and behind each block.
_CHANNELS = (8, 8, 12, 12, 8, 8, 12, 12, 12, 16, 16, 16, 24, 24, 24, 24, 20)
_KERNELS = (3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3)
_STEPS = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)


def _efficientnet(folder: Path) -> None:
    """Weights as the published file names them, each channel of a size of its own."""
    import torch

    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = {}

    def convolution(name: str, norm: str, out: int, each: int, kernel: int) -> None:
        fan = (each * kernel * kernel) ** 0.5
        state[f"{name}.weight"] = torch.randn(out, each, kernel, kernel) * 1.5 / fan
        state[f"{norm}.weight"] = 1 + 0.2 * torch.randn(out)
        state[f"{norm}.bias"] = 0.5 + 0.2 * torch.randn(out)
        state[f"{norm}.running_mean"] = 0.1 * torch.randn(out)
        state[f"{norm}.running_var"] = 0.5 + torch.rand(out)

    convolution("_conv_stem", "_bn0", _CHANNELS[0], 3, 3)
    for block, kernel in enumerate(_KERNELS):
        name, narrow = f"_blocks.{block}", _CHANNELS[block]
        wide = narrow if block == 0 else 2 * narrow
        if block:
            convolution(f"{name}._expand_conv", f"{name}._bn0", wide, narrow, 1)
        convolution(f"{name}._depthwise_conv", f"{name}._bn1", wide, 1, kernel)
        convolution(f"{name}._project_conv", f"{name}._bn2", _CHANNELS[block + 1], wide, 1)
    torch.save(state, folder / "tiny.pth")


def _pixels(rng: np.random.Generator, batch: int) -> Feeds:
    return {"pixels": rng.integers(0, 256, (batch, 3, 64, 64)).astype(np.uint8)}


def _maps_pooled(folder: Path, feeds: Feeds) -> np.ndarray:
    """The network in torch, layer by layer, norms by themselves."""
    import torch
    from torch.nn import functional

    state = torch.load(folder / "tiny.pth", weights_only=True)

    def layer(x: torch.Tensor, name: str, norm: str, step: int, *, clip: bool) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        kernel, groups = weight.shape[2], x.shape[1] if weight.shape[1] == 1 else 1
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = max((-(-size // step) - 1) * step + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        x = functional.conv2d(functional.pad(x, pads), weight, stride=step, groups=groups)
        parts = [state[f"{norm}.{part}"] for part in ("running_mean", "running_var")]
        x = functional.batch_norm(
            x, *parts, state[f"{norm}.weight"], state[f"{norm}.bias"], eps=1e-3
        )
        return functional.relu6(x) if clip else x

    x = (torch.from_numpy(feeds["pixels"]).float() - 127) / 128
    x = layer(x, "_conv_stem", "_bn0", 2, clip=True)
    views = []
    for block, step in enumerate(_STEPS):
        name, source = f"_blocks.{block}", x
        if block:
            x = layer(x, f"{name}._expand_conv", f"{name}._bn0", 1, clip=True)
        x = layer(x, f"{name}._depthwise_conv", f"{name}._bn1", step, clip=True)
        x = layer(x, f"{name}._project_conv", f"{name}._bn2", 1, clip=False)
        x = x + source if step == 1 and x.shape == source.shape and block else x
        if block in (14, 15):
            views = [x.mean(dim=(2, 3)), x.amax(dim=(2, 3)), *views]  # the deepest first
    return np.concatenate([functional.normalize(view).numpy() for view in views], axis=1)


_VISION = {**_SIZES, "image_size": 32, "patch_size": 8, "initializer_range": 0.15}
_MEAN, _DEVIATION = (0.48, 0.46, 0.41), (0.23, 0.25, 0.27)


def _vision(name: str, side: int = 32, **settings: object) -> Callable[[Path], None]:
    """A tiny vision transformer, whose norms and scales are not those of a fresh model."""

    def make(folder: Path) -> None:
        import torch
        import transformers

        torch.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(
            attn_implementation="eager", **{**_VISION, **settings}
        )
        model = getattr(transformers, f"{name}Model")(config).eval()
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape)
        model.save_pretrained(folder)
        processor = {
            "image_mean": _MEAN,
            "image_std": _DEVIATION,
            "size": {"height": side, "width": side},
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(processor), "utf-8")

    return make


def _small_pixels(side: int = 32) -> Callable[[np.random.Generator, int], Feeds]:
    return lambda rng, batch: {
        "pixels": rng.integers(0, 256, (batch, 3, side, side)).astype(np.uint8)
    }


def _states(folder: Path, feeds: Feeds) -> np.ndarray:
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (_MEAN, _DEVIATION))
    pixels = (torch.from_numpy(feeds["pixels"]).float() / 255 - mean) / deviation
    options = {"interpolate_pos_encoding": True} if pixels.shape[-1] != 32 else {}
    with torch.inference_mode():
        return np.asarray(model(pixel_values=pixels, **options).last_hidden_state)


def _class_token(folder: Path, feeds: Feeds) -> np.ndarray:
    return _states(folder, feeds)[:, 0]


def _mean_of_patches(folder: Path, feeds: Feeds) -> np.ndarray:
    return _states(folder, feeds).mean(axis=1)


def _whole_siglip(folder: Path) -> None:
    """The model of texts and pictures, of which the tower is a part."""
    import torch
    from transformers import SiglipConfig, SiglipModel

    torch.manual_seed(0)
    text = {**_SIZES, "vocab_size": 40, "projection_size": 32}
    config = SiglipConfig(
        text_config=text, vision_config={**_VISION, "hidden_act": "gelu_pytorch_tanh"}
    )
    SiglipModel(config).eval().save_pretrained(folder)
    processor = {"image_mean": _MEAN, "image_std": _DEVIATION, "size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor), "utf-8")


def _tower(folder: Path, feeds: Feeds) -> np.ndarray:
    import torch
    from transformers import SiglipModel

    model = SiglipModel.from_pretrained(folder, attn_implementation="eager").eval()
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (_MEAN, _DEVIATION))
    pixels = (torch.from_numpy(feeds["pixels"]).float() / 255 - mean) / deviation
    with torch.inference_mode():
        states = model.vision_model(pixel_values=pixels).last_hidden_state
    return np.asarray(states.mean(1))


_PICTURE = Image("image", 32, 32, "squash")

FAMILIES: dict[str, Family] = {
    "bert": Family(
        _transformer("Bert", max_position_embeddings=24, **_SIZES), _TEXT, _text, _mean_of_tokens
    ),
    "camembert": Family(_transformer("Camembert", **_ROBERTA), _TEXT, _text, _mean_of_tokens),
    "deit": Family(_vision("DeiT"), _PICTURE, _small_pixels(), _class_token, rounding=5e-6),
    "dinov2": Family(
        _vision("Dinov2", side=48, mlp_ratio=2),
        Image("image", 48, 48, "squash"),
        _small_pixels(48),
        _class_token,
        rounding=5e-6,
    ),
    "distilbert": Family(
        _transformer(
            "DistilBert", dim=32, n_layers=3, n_heads=4, hidden_dim=64, max_position_embeddings=24
        ),
        _TEXT,
        _text,
        _mean_of_tokens,
    ),
    "efficientnet-lite": Family(
        _efficientnet,
        Image("image", 64, 64, "squash"),
        _pixels,
        _maps_pooled,
        rounding=1e-5,  # of 49 convolutions, whose norms are folded in
    ),
    "modernbert": Family(
        _transformer(
            "ModernBert",
            max_position_embeddings=24,
            pad_token_id=1,
            local_attention=6,
            reference_compile=False,
            norm_bias=False,
            **_SIZES,
        ),
        _TEXT,
        _text,
        _mean_of_tokens,
    ),
    "mpnet": Family(
        _transformer("MPNet", max_position_embeddings=26, pad_token_id=1, **_SIZES),
        _TEXT,
        _text,
        _mean_of_tokens,
    ),
    "roberta": Family(_transformer("Roberta", **_ROBERTA), _TEXT, _text, _mean_of_tokens),
    "siglip": Family(_whole_siglip, _PICTURE, _small_pixels(), _tower, rounding=5e-6),
    "siglip_vision_model": Family(
        _vision("SiglipVision"), _PICTURE, _small_pixels(), _mean_of_patches, rounding=5e-6
    ),
    "vit": Family(_vision("ViT"), _PICTURE, _small_pixels(), _class_token, rounding=5e-6),
    "xlm-roberta": Family(_transformer("XLMRoberta", **_ROBERTA), _TEXT, _text, _mean_of_tokens),
}
