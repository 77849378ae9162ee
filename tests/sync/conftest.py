"""One published site, copied for each test that attacks it."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
from channels import Site

from cfedge.publish.keys import Keys
from cfedge.publish.repository import Repository


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site(tmp_path_factory.mktemp("site"))
    made.teach("lights")
    made.teach("heating")
    return made


@pytest.fixture
def site(_site: Site, tmp_path: Path) -> Site:
    """A site with the tasks lights and heating, free to change."""
    mine = copy.copy(_site)
    mine.folder = Path(shutil.copytree(_site.folder, tmp_path / "site"))
    mine.keys = Keys(mine.folder / "keys")
    mine.repository = Repository(mine.folder / "repo")
    return mine
