"""The version, by itself: asking the installed package for it costs more than importing the rest of
the device half.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
