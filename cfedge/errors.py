"""Every error that cfedge raises on purpose, with the exit code of the command line.

::

    CfedgeError              1   anything below
    ├── UsageError           2   an argument's value cannot be used
    ├── DataError            3   training or test data
    ├── TaskError            4   a task's name, classes or labels
    ├── BackboneError        5   weights or graph of the encoder
    ├── WorkspaceError       6   the workshop's folder
    ├── BundleError          7   a bundle that must not be used
    │   ├── DamagedError         a file is missing, cut short or changed
    │   ├── SchemaError          the manifest breaks the format, or is newer than this program
    │   └── IncompatibleError    a file is whole but does not fit the rest
    ├── ParityError          8   quantised answers differ too much: nothing was exported
    ├── StorageError         9   the disk refused: full, read-only, broken
    │   └── NoSpaceError         too little room for what is to come
    ├── InputError          10   an input that cannot be answered
    ├── MissingExtraError   11   a part of cfedge that is not installed
    ├── SyncError           12   a repository, on either side of it
    │   ├── OfflineError         nothing could be reached, or it came too slowly
    │   ├── TamperedError        not what was signed
    │   ├── RolledBackError      older than what was seen before
    │   └── StaleError           expired: nobody vouches for it any more
    ├── MachineError        13   this machine is not fit: cfedge doctor says why
    └── BudgetError         14   memory or time allowed is less than what answering takes here

A message is one line: the thing, what was expected, what was found, the next step. Nothing
half-written stays behind.
"""

from __future__ import annotations

from typing import ClassVar

from cfedge.printable import in_a_line

__all__ = [
    "BackboneError",
    "BudgetError",
    "BundleError",
    "CfedgeError",
    "DamagedError",
    "DataError",
    "IncompatibleError",
    "InputError",
    "MachineError",
    "MissingExtraError",
    "NoSpaceError",
    "OfflineError",
    "ParityError",
    "RolledBackError",
    "SchemaError",
    "StaleError",
    "StorageError",
    "SyncError",
    "TamperedError",
    "TaskError",
    "UsageError",
    "WorkspaceError",
]


class CfedgeError(Exception):
    """Root of all deliberate errors. What cannot be printed in one line (a file's name may hold
    anything) is escaped, and the middle of what nobody would read to its end is left out.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(in_a_line(message))


class UsageError(CfedgeError):
    """An argument's value cannot be used."""

    exit_code = 2


class DataError(CfedgeError):
    """Training or test data is missing, malformed or too little."""

    exit_code = 3


class TaskError(CfedgeError):
    """A task's name or labels clash, or there is no such task."""

    exit_code = 4


class BackboneError(CfedgeError):
    """The encoder's weights or graph cannot be used."""

    exit_code = 5


class WorkspaceError(CfedgeError):
    """The workshop's folder is missing, busy or damaged."""

    exit_code = 6


class BundleError(CfedgeError):
    """The bundle must not be used."""

    exit_code = 7


class DamagedError(BundleError):
    """A file is missing, cut short or changed."""


class SchemaError(BundleError):
    """The manifest breaks the format or is newer than this program."""


class IncompatibleError(BundleError):
    """A file is whole but does not fit the rest."""


class ParityError(CfedgeError):
    """The quantised answers differ too much from the float ones."""

    exit_code = 8


class StorageError(CfedgeError):
    """The disk refused."""

    exit_code = 9


class InputError(CfedgeError):
    """An input that cannot be answered."""

    exit_code = 10


class MissingExtraError(CfedgeError, ImportError):
    """A part of cfedge whose packages are not installed."""

    exit_code = 11


class NoSpaceError(StorageError):
    """There is too little room for what is to come."""


class SyncError(CfedgeError):
    """A repository cannot be published to or synced from."""

    exit_code = 12


class OfflineError(SyncError):
    """Nothing could be reached, or it came too slowly."""


class TamperedError(SyncError):
    """Not what was signed."""


class RolledBackError(SyncError):
    """Older than what was seen before."""


class StaleError(SyncError):
    """Expired: nobody vouches for it any more."""


class MachineError(CfedgeError):
    """The machine is not fit for cfedge."""

    exit_code = 13


class BudgetError(CfedgeError):
    """The memory or time that is allowed is less than what answering takes on this machine."""

    exit_code = 14
