"""Inputs that were not known, kept on this machine until a person decides: ``--keep DIR``. Needs
``cfedge[keep]``; an engine never imports this.

Nothing is kept unless it is asked for. What is kept is sealed (`cfedge.kept.seal`), bounded in
bytes, and can be erased.
"""

from cfedge.errors import MissingExtraError

try:
    import cryptography  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        f"--keep needs {error.name}, as nothing is kept in clear: pip install 'cfedge[keep]'"
    ) from error
