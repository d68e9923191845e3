"""Hooks of mkdocs: pages that lie outside of ``docs/``, and links between here and there.

The texts are written for people who read them in the checkout: a link goes to where the file lies.
On the site the same files are pages, so links are turned to them; a link to a file that is no page,
such as a module, becomes its path.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = (
    "benchmarks/README.md",
    "watchdog/dualmacl/README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "README.zh-CN.md",
)
"""Pages of the site by their place in the checkout; the site has them at the same place."""

INDEX = {"README.md": "index.md"}
"""What the site has a page of its own for."""

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!\w+:|#)([^)\s#]+)(#[^)]*)?\)")
PICTURE = re.compile(r"(!\[[^\]]*\]\()docs/")


FOLDERS = {"Every code": "codes", "Decisions": "decisions"}
"""Titles of the contents that stand for every page of a folder."""


def on_config(config: Any) -> Any:
    """Fills in the pages of the folders."""
    for section in config.nav:
        for entry in next(iter(section.values())) if isinstance(section, dict) else ():
            for title in FOLDERS.keys() & entry if isinstance(entry, dict) else ():
                entry[title] = _pages(Path(config.docs_dir), FOLDERS[title])
    return config


def _pages(docs: Path, folder: str) -> list[str]:
    pages = sorted((docs / folder).glob("*.md"), key=lambda page: (page.stem != "README", page))
    return [f"{folder}/{page.name}" for page in pages]


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that lie elsewhere."""
    for name in OUTSIDE:
        if (ROOT / name).exists():
            files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turns links that are right in the checkout into those of the site."""
    here = page.file.src_uri
    place = here if here in OUTSIDE else f"docs/{here}"

    def turned(match: re.Match[str]) -> str:
        text, target, anchor = match.group(1), match.group(2), match.group(3) or ""
        there = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        goal = INDEX.get(there, there.removeprefix("docs/"))
        if goal in files.src_uris:
            return f"[{text}]({os.path.relpath(goal, posixpath.dirname(here) or '.')}{anchor})"
        if not (ROOT / there).exists():
            return match.group()  # mkdocs says that it leads nowhere
        return text if text == f"`{there}`" else f"{text} (`{there}`)"

    return PICTURE.sub(r"\1", LINK.sub(turned, markdown))
