"""An encoder before it is cut: its weights found and checked, its float32 graph, what it reads.

Letters: B batch.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from cfedge import inputs
from cfedge.errors import BackboneError, CfedgeError
from cfedge.inputs import Spec
from cfedge.inputs.modality import Input
from cfedge.train.workspace.backbones import BACKBONES
from cfedge.train.workspace.backbones import find as find_weights
from cfedge_export import architectures, calibration
from cfedge_export.architectures import Architecture
from cfedge_export.names import IDS, MASK

__all__ = ["Feeds", "Source", "load_source"]

#: One input, [1, ...] by the names of a graph's inputs.
Feeds = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Source:
    """An encoder before it is cut.

    Attributes
    ----------
    name, sha256
        Of `cfedge.train.workspace.backbones`; of the weights' file.
    architecture, model_type
        Its family, and the name that it goes by.
    encoder
        The whole float32 graph, with a mask where it reads one.
    input, files
        What it reads, and the files that this needs, by role.
    """

    name: str
    sha256: str
    model_type: str
    encoder: ModelProto
    input: Spec
    files: Mapping[str, bytes]

    @property
    def architecture(self) -> Architecture:
        """Its family."""
        return architectures.find(self.model_type, self.name)

    @property
    def blocks(self) -> int:
        """How many there are."""
        return len(self.architecture.cuts(self.encoder)) - 1

    @property
    def width(self) -> int:
        """Of its features."""
        return int(self.encoder.graph.output[0].type.tensor_type.shape.dim[-1].dim_value)

    def deployed(self) -> ModelProto:
        """Return the whole graph in the form that answers one input, without padding."""
        return self.architecture.deployed(self.encoder)

    def feeds(self, values: Sequence[Input]) -> list[Feeds]:
        """Return what the deployed graph is fed for each input.

        Raises
        ------
        InputError
            One of them cannot be read.
        """
        modality = inputs.of(self.input, self.files)
        return [modality.prepare(value, row).feeds for row, value in enumerate(values)]

    def mask(self, feeds: Feeds) -> Feeds:
        """Return what the whole graph reads beside `feeds`: every position counts."""
        masked = MASK in [value.name for value in self.encoder.graph.input]
        return {MASK: np.ones_like(feeds[IDS])} if masked else {}


#: Of a file that is not there or of another kind; libraries' own errors have no number.
_OF_THE_MODEL = (None, errno.ENOENT, errno.EISDIR, errno.ENOTDIR)


@contextlib.contextmanager
def _read(folder: Path) -> Iterator[None]:
    """Tell in a line, by the name of the folder, what libraries say of a damaged model: each raises
    errors of its own. What the machine lacks is no fault of the model: a package, memory, a disk.
    """
    try:
        yield
    except (CfedgeError, ImportError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in _OF_THE_MODEL:
            raise
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise BackboneError(
            f"{folder}: expected a model that can be read, found: {reason}; save it anew, or give"
            " another --folder"
        ) from error


def load_source(name: str, folder: Path | None = None) -> Source:
    """Find an encoder's weights and export them to ONNX.

    Parameters
    ----------
    name
        A key of `cfedge.train.workspace.backbones.BACKBONES`.
    folder
        Where the weights are, or the file of ``onnx``; None: found.

    Raises
    ------
    BackboneError
        There are none, they are of a family that is not known, or something of them is damaged.
    """
    found = find_weights(name, folder)
    known = BACKBONES[name]
    with _read(found.folder):
        model_type = known.model_type or str(architectures.config_of(found.folder)["model_type"])
        family = architectures.find(model_type, found.folder)
        spec, files = family.reads(found.folder, known)
        encoder = family.to_onnx(found.folder, spec)
    if ranges := calibration.table(found.sha256, encoder):
        calibration.state_ranges(encoder, ranges)
    return Source(name, found.sha256, model_type, encoder, spec, files)
