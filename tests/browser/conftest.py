"""A real browser, once a process; a page of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe import axe_source
from chromium import Browser, missing, started


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if why := missing():
        pytest.skip(why)
    with started(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(_chromium: Browser) -> Browser:
    """A browser at an empty page, without cookies; skips where there is none."""
    _chromium.reset()
    return _chromium


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script; skips where it was not fetched."""
    source = axe_source()
    if source is None:
        pytest.skip("axe-core is not here: python tests/browser/axe.py fetches it")
    return source
