"""What an encoder is: one file a family, chosen by the ``model_type`` of its ``config.json``.

A new family is a file in the folder of what it reads and a line in `ARCHITECTURES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfedge.errors import BackboneError
from cfedge_export.architectures.architecture import Architecture, TargetModule
from cfedge_export.architectures.own import OWN_ENCODER
from cfedge_export.architectures.text.bert import BERT
from cfedge_export.architectures.text.distilbert import DISTILBERT
from cfedge_export.architectures.text.modernbert import MODERNBERT
from cfedge_export.architectures.text.mpnet import MPNET
from cfedge_export.architectures.text.roberta import ROBERTA
from cfedge_export.architectures.vision.deit import DEIT
from cfedge_export.architectures.vision.dinov2 import DINOV2
from cfedge_export.architectures.vision.efficientnet_lite import EFFICIENTNET_LITE
from cfedge_export.architectures.vision.siglip import SIGLIP
from cfedge_export.architectures.vision.vit import VIT

__all__ = ["ARCHITECTURES", "Architecture", "TargetModule", "config_of", "find"]

ARCHITECTURES: dict[str, Architecture] = {
    "bert": BERT,
    "camembert": ROBERTA,
    "deit": DEIT,
    "dinov2": DINOV2,
    "distilbert": DISTILBERT,
    "efficientnet-lite": EFFICIENTNET_LITE,
    "modernbert": MODERNBERT,
    "mpnet": MPNET,
    "roberta": ROBERTA,
    "siglip": SIGLIP,
    "siglip_vision_model": SIGLIP,
    "vit": VIT,
    "xlm-roberta": ROBERTA,
}
#: Families whose encoders are files of their owners: no ``config.json`` names them.
_OWN: dict[str, Architecture] = {"onnx": OWN_ENCODER}


def config_of(folder: Path) -> Mapping[str, Any]:
    """Return the ``config.json`` of a model's folder, with what the library fills in.

    The library sees it only where its ``model_type`` is one of ours: other types of it may name code
    to run (CVE-2026-5241).

    Raises
    ------
    BackboneError
        There is none that it can read, or of another type.
    """
    from transformers import AutoConfig, PretrainedConfig

    try:
        stated, _ = PretrainedConfig.get_config_dict(folder)
        if "model_type" not in stated:  # which the library would guess from the folder's name
            raise ValueError("no config.json that states its model_type")
        _known(str(stated["model_type"]), folder, ARCHITECTURES)
        config: dict[str, Any] = AutoConfig.from_pretrained(folder).to_dict()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BackboneError(
            f"{folder}: expected a Hugging Face model folder, found: {reason}; give another"
            " --folder"
        ) from error
    return config


def find(model_type: str, where: object) -> Architecture:
    """Return the family of that name; `where` names the model in errors.

    Raises
    ------
    BackboneError
        There is none.
    """
    return _known(model_type, where, ARCHITECTURES | _OWN)


def _known(model_type: str, where: object, families: Mapping[str, Architecture]) -> Architecture:
    if model_type not in families:
        raise BackboneError(
            f"{where}: expected a model type of {', '.join(ARCHITECTURES)}, found {model_type!r};"
            " use one of these encoders"
        )
    return families[model_type]
