"""The package tokenizers: imported where it is first needed, its version, and what it raises."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfedge.errors import IncompatibleError, MissingExtraError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["not_stopped", "open_tokenizer", "versions"]


def open_tokenizer(data: bytes, max_tokens: int) -> Tokenizer:
    """Return the tokenizer of a ``tokenizer.json``, which cuts to `max_tokens` and pads nothing.

    Raises
    ------
    IncompatibleError
        The package cannot read it.
    MissingExtraError
        It is not installed.
    """
    try:
        tokenizer: Tokenizer = _package().Tokenizer.from_str(data.decode("utf-8"))
    except BaseException as error:  # tokenizers raises plain Exception, and panics
        not_stopped(error)
        raise IncompatibleError(
            f"tokenizer: expected a tokenizer.json, found {error}; export the bundle again"
        ) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def not_stopped(error: BaseException) -> None:
    """Let through what stops the program: a panic of Rust is no Exception either, but an error."""
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
        raise error


def versions() -> dict[str, str]:
    """Return the version of the package tokenizers, which is not imported for that where its
    installer left it beside.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    spec = None if "tokenizers" in sys.modules else importlib.util.find_spec("tokenizers")
    if spec is not None and spec.origin is not None:
        with contextlib.suppress(OSError):
            # a tenth of Path.glob's time
            names = os.listdir(Path(spec.origin).parent.parent)  # noqa: PTH208
            records = [
                name
                for name in names
                if name.startswith("tokenizers-") and name.endswith(".dist-info")
            ]
            if len(records) == 1:
                version = records[0].removeprefix("tokenizers-").removesuffix(".dist-info")
                return {"tokenizers": version}
    return {"tokenizers": _package().__version__}


def _package() -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError as error:
        raise MissingExtraError(
            "text input needs the package tokenizers: pip install 'cfedge[text]'"
        ) from error
    return tokenizers
