"""The lookups that can be shipped, loaded: `RULES` by the names of `cfedge.lookups`, which is the one
table of them.
"""

from __future__ import annotations

import importlib

from cfedge.errors import UsageError
from cfedge.lookup.rules.rule import LookupRule, Signature
from cfedge.lookups import DEFAULT, LOOKUPS

__all__ = ["DEFAULT", "LookupRule", "RULES", "Signature", "rule_named"]


def _loaded(where: str) -> LookupRule:
    module, _, name = where.partition(":")
    rule: LookupRule = getattr(importlib.import_module(module), name)()
    return rule


RULES = {name: _loaded(where) for name, where in LOOKUPS.items()}


def rule_named(name: str) -> LookupRule:
    """Return a lookup of the table.

    Raises
    ------
    UsageError
        It has none of that name.
    """
    if name not in RULES:
        raise UsageError(
            f"lookup: expected one of {', '.join(RULES)}, found {name!r:.80}; see: cfedge compare"
        )
    return RULES[name]
