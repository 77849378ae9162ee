"""The workshop's side of syncing: keys, a signed repository in a folder, and merging what other
sites published.
"""

from cfedge.errors import MissingExtraError

try:
    import cryptography  # noqa: F401
    import filelock  # noqa: F401
    import tuf  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        f"cfedge.publish needs {error.name}: pip install 'cfedge[publish]'"
    ) from error
