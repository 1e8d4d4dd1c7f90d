"""The site: its reference covers the public names, its links lead somewhere, and it builds without a warning."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_code import PROJECT, pages

import mltoolkit
from mltoolkit import errors

REFERENCE = PROJECT / "docs" / "reference"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def directives() -> list[str]:
    """The names that the pages of the reference ask mkdocstrings for."""
    texts = [page.read_text(encoding="utf-8") for page in sorted(REFERENCE.glob("*.md"))]
    return re.findall(r"^::: (\S+)$", "\n".join(texts), re.MULTILINE)


def test_the_reference_has_every_public_name_once() -> None:
    found = [name.removeprefix("mltoolkit.") for name in directives() if name.count(".") == 1]
    # What is no function or class has no page of mkdocstrings': it stands in the page on models in words.
    assert "__version__" in (REFERENCE / "models.md").read_text(encoding="utf-8").replace("\\_", "_")
    assert sorted([*found, "__version__"]) == sorted(mltoolkit.__all__), "add the name to a page of docs/reference/"


def test_the_reference_has_every_error() -> None:
    tree = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    found = {name.rsplit(".", 1)[1] for name in directives() if name.startswith("mltoolkit.errors.")}
    assert found | {"MLToolkitError"} == tree
    drawn = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    assert inspect.cleandoc(errors.__doc__ or "").split("\n\n")[1].replace("\n    ", "\n").strip() in drawn


def headings(path: Path) -> set[str]:
    """The anchors that forges and mkdocs make of a page's headings."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = set()
    for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", title.lower().replace("`", ""))
        found.add(plain.strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", [*pages(), "examples/README.md", "sample_images/CREDITS.md", "news/README.md"])
def test_links_lead_somewhere_in_the_checkout(page: str) -> None:
    text = re.sub(r"```.*?```", "", (PROJECT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in LINK.findall(text):
        if "://" in link:
            continue
        target, _, anchor = unquote(link).partition("#")
        path = (PROJECT / page).parent / target if target else PROJECT / page
        assert path.exists(), f"{page}: {link}"
        if anchor and path.suffix == ".md":
            assert anchor in headings(path), f"{page}: {link}; there are {sorted(headings(path))}"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    if not (find_spec("mkdocs") and find_spec("mkdocstrings_handlers")):
        pytest.skip("needs the dependency group docs; python develop.py check builds the site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "reference" / "quantization.html").read_text(encoding="utf-8")
    assert 'id="mltoolkit.quantize_weights"' in reference
    assert ":class:" not in reference, "docstrings.py turns roles into code"
    commands = (tmp_path / "reference" / "command-line.html").read_text(encoding="utf-8")
    assert "--min-agreement" in commands
    assert 'href="conversion.html"' in (tmp_path / "index.html").read_text(encoding="utf-8")
    everything = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html"))
    fetched = set(re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?(https?://[^"'\s>]+)""", everything))
    assert not fetched, "the site fetches nothing from other servers"
