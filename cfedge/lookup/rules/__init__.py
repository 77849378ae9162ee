"""The lookups that can be shipped: `RULES` by the names of `cfedge.lookups`, which is the one table of
them. One is loaded when it is asked for: a device has one.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import cache

from cfedge.errors import UsageError
from cfedge.lookup.rules.rule import LookupRule, Signature
from cfedge.lookups import DEFAULT, LOOKUPS

__all__ = ["DEFAULT", "LookupRule", "RULES", "Signature", "rule_named"]


@cache
def _loaded(where: str) -> LookupRule:
    module, _, name = where.partition(":")
    rule: LookupRule = getattr(importlib.import_module(module), name)()
    return rule


class _Rules(Mapping[str, LookupRule]):
    def __getitem__(self, name: str) -> LookupRule:
        return _loaded(LOOKUPS[name])

    def __iter__(self) -> Iterator[str]:
        return iter(LOOKUPS)

    def __len__(self) -> int:
        return len(LOOKUPS)


RULES = _Rules()


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
