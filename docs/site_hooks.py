"""What the documentation site needs besides the pages: the checkout's own pages, their links, the commands' options.

README.md, CONTRIBUTING.md and CHANGELOG.md become pages. All pages keep the links that work on the forge; here those to
pages are turned to where the page is on the site, and those to other files of the checkout lead to the repository where
mkdocs.yml names one, and else stay as text.
"""

from __future__ import annotations

import os.path
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PROJECT = Path(__file__).resolve().parent.parent
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
COMMANDS = "<!-- commands -->"


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie above docs/."""
    for name, page in PAGES.items():
        text = (PROJECT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn the links, and fill in the commands."""
    uri = page.file.src_uri
    above = {page: name for name, page in PAGES.items()}
    source = above.get(uri, f"docs/{uri}")
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, command_reference())
    return LINK.sub(lambda match: _turned(match, source, uri, config.repo_url), markdown)


def _turned(match: re.Match[str], source: str, uri: str, repository: str | None) -> str:
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match["target"]))
    if "://" in match["target"] or not (PROJECT / target).exists():
        return match[0]  # another server, code, or an error that mkdocs reports
    page = PAGES.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
    anchor = match["anchor"] or ""
    if page:
        link = os.path.relpath(page, posixpath.dirname(uri) or ".").replace(os.sep, "/")
        return f"{match['picture']}[{match['text']}]({link}{anchor})"
    if repository:
        return f"{match['picture']}[{match['text']}]({repository.rstrip('/')}/blob/main/{target}{anchor})"
    return match["text"]


def command_reference() -> str:
    """Every command with its arguments and options, from the command line itself."""
    import typer.main

    from mltoolkit.cli import app

    group: Any = typer.main.get_command(app)
    parts = []
    for name, command in group.commands.items():
        context = command.make_context(name, [], resilient_parsing=True)
        parameters = command.get_params(context)
        usage = " ".join(_metavar(one) for one in parameters if one.param_type_name == "argument")
        rows = [record for one in parameters if (record := _record(one, context))]
        head = [f"## mltoolkit {name}", "", f"    mltoolkit {name} {usage} [OPTIONS]", "", command.help, ""]
        table = [
            "| argument, option | |",
            "|---|---|",
            *(f"| `{_cell(left)}` | {_cell(right)} |" for left, right in rows),
        ]
        lines = [line for line in (command.epilog or "").splitlines()[1:] if line]
        examples = ["```sh", *lines, "```", ""]
        parts.append("\n".join([*head, *examples, *table]))
    return "\n\n".join(parts)


def _metavar(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper()) + ("…" if argument.nargs == -1 else "")


def _record(parameter: Any, context: Any) -> tuple[str, str] | None:
    if parameter.param_type_name == "argument":
        return _metavar(parameter), parameter.help or ""
    record: tuple[str, str] | None = parameter.get_help_record(context)
    return record


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
