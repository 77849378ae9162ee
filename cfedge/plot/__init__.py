"""Figures of what is better seen than read: a study, certificates, an evaluation. Needs
``cfedge[plot]``; only commands import this.
"""

from cfedge.errors import MissingExtraError

try:
    import matplotlib  # noqa: F401 - asked for here, before any module of this room imports a part of it
except ImportError as error:
    raise MissingExtraError(f"a figure needs {error.name}: pip install 'cfedge[plot]'") from error
