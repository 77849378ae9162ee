"""What an input is: one folder a kind. A new kind is a folder beside these and a line in
`cfedge.kinds`.

Nothing here imports a kind's packages until one of its inputs is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from cfedge.inputs.array.spec import Array
from cfedge.inputs.image.spec import Image
from cfedge.inputs.reader import Reader  # before the function of the module's name is defined
from cfedge.inputs.text.spec import Text
from cfedge.kinds import DEFAULT_KIND, KINDS

if TYPE_CHECKING:  # NumPy's: whoever reads a manifest only, such as a sync, needs none
    from cfedge.inputs.modality import Modality, Stored

__all__ = ["DEFAULT_KIND", "KINDS", "Spec", "of", "reader", "stored", "versions"]

#: What the manifest holds: one dataclass a kind, told apart by its field ``kind``.
Spec: TypeAlias = Text | Image | Array


class _Device(Protocol):
    """A kind's ``device.py``."""

    def opened(self, spec: Spec, files: Mapping[str, bytes], *, verified: bool) -> Modality: ...

    def stored(self, spec: Spec) -> Stored: ...

    def versions(self) -> dict[str, str]: ...


class _Data(Protocol):
    """A kind's ``data.py``."""

    def reader(self) -> Reader: ...


def of(spec: Spec, files: Mapping[str, bytes], *, verified: bool = False) -> Modality:
    """Open a backbone's inputs.

    Parameters
    ----------
    spec
        From the manifest.
    files
        By role, as of ``spec.files()``.
    verified
        This machine has read these files before: they are read again when they are first needed.

    Raises
    ------
    IncompatibleError
        A file is none of its kind.
    MissingExtraError
        A package is not installed.
    """
    return cast(_Device, import_module(f"{KINDS[spec.kind]}.device")).opened(
        spec, files, verified=verified
    )


def stored(spec: Spec) -> Stored:
    """Return how files hold inputs; nothing of the backbone is read."""
    return cast(_Device, import_module(f"{KINDS[spec.kind]}.device")).stored(spec)


def versions(kind: str) -> dict[str, str]:
    """Return the versions of the packages that decide what a kind's inputs become.

    Raises
    ------
    MissingExtraError
        One is not installed.
    """
    return cast(_Device, import_module(f"{KINDS[kind]}.device")).versions()


def reader(kind: str) -> Reader:
    """Return how the workshop reads inputs of a kind."""
    return cast(_Data, import_module(f"{KINDS[kind]}.data")).reader()
