"""The workshop's half: learn one task at a time in PyTorch. Needs the extra ``train``."""

from __future__ import annotations

from cfedge.errors import MissingExtraError

try:
    import sklearn  # noqa: F401
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError(f"cfedge.train needs {error.name}: pip install 'cfedge[train]'") from error
