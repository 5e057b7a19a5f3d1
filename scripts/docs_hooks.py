"""Lets the pages of docs/ show what lies in results/, which is beside docs/ and not in it. For MkDocs.

A page links to `../results/...`, as it reads in the repository; in the site `results/` is below the pages. The title of
a block, the name of its file, stands above it: MkDocs alone takes no block with a title for one.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]


def on_files(files: Any, config: Any) -> Any:
    for path in sorted((ROOT / "results").rglob("*")):
        if path.is_file():
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    titled = re.compile(r'^```(\w+) title="([^"]+)"$', re.MULTILINE)
    return titled.sub(r"`\2`\n\n```\1", markdown.replace("](../results/", "](results/"))
