"""From a signed repository into a store, over any static host or a folder. Needs ``cfedge[sync]``;
nothing else imports this.
"""

from cfedge.errors import MissingExtraError

try:
    import filelock  # noqa: F401
    import tuf  # noqa: F401
    import urllib3  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        f"cfedge.sync needs {error.name}: pip install 'cfedge[sync]'"
    ) from error
