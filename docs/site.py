"""What the site takes from the rest of the repository: README as its home, the documents that stand
beside it as pages, and the lists of pages that folders hold.

MkDocs calls these functions while it builds (``make site``). Links between the documents are written
for readers of the repository; here they are led to the pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
#: Documents beside this folder, and the pages that they become.
BESIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changes.md",
}
#: What a document says to those alone who read it in the repository.
_REPOSITORY = re.compile(r"<!--repository-->.*?<!--/repository-->\n*", re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([^)\s#]*)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages of the folders that grow: how-to, API and decisions."""
    nav: list[Any] = config.nav or []
    _fill(nav, "How-to", "how-to")
    _fill(nav, "API", "api")
    design = next(entry["Design"] for entry in nav if "Design" in entry)
    _fill(design, "Decisions", "decisions")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents that stand beside this folder."""
    for name, page in BESIDE.items():
        text = (ROOT / name).read_text("utf-8")
        files.append(File.generated(config, page, content=_LINK.sub(_from_root, text)))
    readme = files.get_file_from_path("README.md")
    if readme is not None:
        files.remove(readme)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Leave out what is not for the site, and lead links that leave this folder to pages; where
    there is none, words stay.
    """
    here = Path(page.file.src_uri).parent
    markdown = _REPOSITORY.sub("", markdown)

    def led(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        path = (ROOT / "docs" / here / target).resolve()
        if path.is_relative_to(ROOT / "docs"):
            if path.name == "README.md" and path.parent == ROOT / "docs":
                return f"[{words}]({'../' * len(here.parts)}index.md{anchor})"
            return match[0]
        name = path.relative_to(ROOT).as_posix()
        if name in BESIDE:
            return f"[{words}]({'../' * len(here.parts)}{BESIDE[name]}{anchor})"
        return words

    return _LINK.sub(led, markdown) if page.file.src_uri not in BESIDE.values() else markdown


def _from_root(match: re.Match[str]) -> str:
    """A link of a document beside this folder, seen from this folder."""
    words, target, anchor = match[1], match[2], match[3] or ""
    if target in BESIDE:
        return f"[{words}]({BESIDE[target]}{anchor})"
    if target.startswith("docs/"):
        inside = target.removeprefix("docs/")
        return f"[{words}]({'index.md' if inside in ('', 'README.md') else inside}{anchor})"
    return words


def _fill(nav: list[Any], title: str, folder: str) -> None:
    """Put the pages of a folder under their entry: README first, the others by name."""
    pages = sorted((ROOT / "docs" / folder).glob("*.md"), key=lambda p: (p.name != "README.md", p))
    entry = next(entry for entry in nav if title in entry)
    entry[title] = [f"{folder}/{path.name}" for path in pages]
