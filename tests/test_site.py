"""The site builds without a warning, takes nothing from elsewhere, and has no link that leads nowhere."""

from __future__ import annotations

import html.parser
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from every import every

ROOT = Path(__file__).parent.parent
#: Attributes by which a page loads something by itself.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(html.parser.HTMLParser):
    """What a page loads, links to, and can be linked to at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if identifier := named.get("id") or named.get("name"):
            self.places.add(identifier)
        if tag in LOADED and (target := named.get(LOADED[tag])):
            self.loaded.append(target)
        if tag == "a" and (target := named.get("href")):
            self.links.append(target)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """Every page of the site, just built, warnings as errors."""
    pytest.importorskip("mkdocs", reason="MkDocs is not installed: pip install 'cfedge[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {path.resolve(): Page(path) for path in folder.rglob("*.html")}


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: dict[Path, Page]) -> None:
    elsewhere = {
        f"{path.name}: {target}"
        for path, page in site.items()
        for target in page.loaded
        if urlsplit(target).netloc
    }
    assert not elsewhere
    assert any(page.loaded for page in site.values())


@pytest.mark.slow
def test_every_link_leads_to_a_page_and_to_a_place_in_it(site: dict[Path, Page]) -> None:
    def leads(case: tuple[Path, str]) -> None:
        path, link = case
        target = urlsplit(link)
        there = (path.parent / unquote(target.path)).resolve() if target.path else path
        assert there.is_file(), "there is no such file"
        if target.fragment and there in site:
            assert unquote(target.fragment) in site[there].places, "there is no such place"

    every(
        (
            (f"{path.name} -> {link}", (path, link))
            for path, page in site.items()
            if path.name != "404.html"  # its links are those of a server's root
            for link in page.links
            if not urlsplit(link).netloc and not link.startswith("mailto:")
        ),
        leads,
    )


@pytest.mark.slow
def test_the_public_names_have_their_pages(site: dict[Path, Page]) -> None:
    import cfedge

    places = set().union(*(page.places for path, page in site.items() if path.parent.name == "api"))
    for name in cfedge.__all__:
        assert name.startswith("__") or any(re.search(rf"\b{name}$", place) for place in places), (
            name
        )
