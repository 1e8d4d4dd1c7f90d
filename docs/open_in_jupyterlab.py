"""Opens the notebooks of examples/ in a real JupyterLab, runs them there, and photographs them in light and dark.

    python -m venv labvenv && labvenv/bin/pip install jupyterlab
    python docs/open_in_jupyterlab.py --jupyter labvenv/bin/jupyter [quantize low_bits …]

JupyterLab stands in an environment of its own; the cells run in the Python that runs this script, which needs mltoolkit
with what the notebooks ask for, ipykernel and Playwright, and Chromium (``apt-get install chromium``). Copies of the
notebooks are run, with settings of their own: neither the checkout nor the reader's JupyterLab changes.

It fails where a cell does, where a card has not the colours of the theme or is wider than its cell, and where the graph
that ``visualize`` shows does not answer a click. Whether the rest looks well, the pictures in build/jupyterlab tell.
With ``--docs`` the two that the documentation shows are made anew.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from make_pictures import keep
from playwright.sync_api import sync_playwright

from mltoolkit.markup.colours import DARK, LIGHT

PROJECT = Path(__file__).resolve().parent.parent
THEMES = {"light": ("JupyterLab Light", LIGHT), "dark": ("JupyterLab Dark", DARK)}
# What of which notebook stands in the documentation: theme, cell, file.
SHOWN_IN_DOCS = {
    "quantize": [("dark", ".jp-Cell:has(iframe)", "jupyterlab-graph.png")],
    "low_bits": [("light", ".jp-Cell:has(.mlt)", "jupyterlab-calibrated.png")],
}
WIDTH, HEIGHT = 1100, 1500
# Seconds that the server or a page may take, and a notebook to run.
PATIENCE, LONG = 60, 900

_RUN = """async () => {
  const app = window.jupyterapp, panel = app.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  app.commands.execute('notebook:run-all-cells').then(() => { window.hasRun = true });
}"""
_FAILURES = """() => window.jupyterapp.shell.currentWidget.context.model.toJSON().cells.flatMap((cell) =>
  (cell.outputs || []).filter((output) => output.output_type === 'error')
    .map((output) => `${output.ename}: ${output.evalue}`))"""
_UNRUN = """() => window.jupyterapp.shell.currentWidget.context.model.toJSON().cells
  .filter((cell) => cell.cell_type === 'code' && !cell.execution_count).length"""
_CARDS = """() => [...document.querySelectorAll('.mlt')].map((card) => {
  const box = card.getBoundingClientRect(), around = card.parentElement.getBoundingClientRect();
  return {ground: getComputedStyle(card).backgroundColor, ink: getComputedStyle(card).color,
    sides: [...new Set([...card.querySelectorAll('td:not(.n)')].map((cell) => getComputedStyle(cell).textAlign))],
    wider: Math.round(box.right - around.right), hidden: card.scrollWidth - card.clientWidth};
})"""
# Of a screen, and of what is below its upper edge.
_HEIGHTS = """(element) => {
  const last = [...element.querySelectorAll('.jp-Cell')].at(-1);
  return [element.clientHeight, last.getBoundingClientRect().bottom - element.getBoundingClientRect().top];
}"""
_SCROLLER = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer"


def main() -> None:
    """Run the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="notebooks of examples/ without .ipynb; all by default")
    parser.add_argument("--jupyter", default="jupyter", help="the command of JupyterLab's environment")
    parser.add_argument("--docs", action="store_true", help="also write the pictures of docs/pictures")
    parser.add_argument("--output", "-o", type=Path, default=PROJECT / "build" / "jupyterlab", help="for the pictures")
    arguments = parser.parse_args()
    names = arguments.names or sorted(path.stem for path in (PROJECT / "examples").glob("*.ipynb"))
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    jupyter = shutil.which(arguments.jupyter)
    if chromium is None or jupyter is None:
        sys.exit(
            "Chromium is missing: apt-get install chromium" if jupyter else f"no such command: {arguments.jupyter}"
        )
    arguments.output.mkdir(parents=True, exist_ok=True)
    wrong = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        jupyterlab(jupyter, Path(scratch)) as address,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for name in names:
            # Without Playwright's own choice of light or dark, which would hold in frames whatever is around them.
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="null")
            found = look_at(page, address.format(name=name), arguments.output / name)
            for theme, selector, picture in SHOWN_IN_DOCS.get(name, ()) if arguments.docs else ():
                set_theme(page, theme)
                keep(page.locator(selector).last.screenshot(), picture)
            say(f"{name}: {'; '.join(found) or 'as it should be'}")
            wrong += found
            page.close()
        browser.close()
    say(f"Pictures to look at are in {arguments.output}")
    sys.exit(bool(wrong))


@contextmanager
def jupyterlab(command: str, scratch: Path) -> Iterator[str]:
    """A server on copies of the examples, whose kernel is this Python; gives the address of a notebook ``{name}``."""
    shutil.copytree(PROJECT / "examples", scratch / "root" / "examples")
    # The notebooks' way to the photographs.
    (scratch / "root" / "sample_images").symlink_to(PROJECT / "sample_images")
    kernel = scratch / "data" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    paths = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    description = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "env": {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    }
    (kernel / "kernel.json").write_text(json.dumps(description), encoding="utf-8")
    folders = {
        "JUPYTER_PATH": "data",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    own = scratch / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    own.parent.mkdir(parents=True)
    own.write_text('{"fetchNews": "false", "checkForUpdates": false}', encoding="utf-8")
    token = secrets.token_hex()
    environment = os.environ | {name: str(scratch / folder) for name, folder in folders.items()}
    environment["JUPYTER_TOKEN"] = token
    server = subprocess.Popen(
        [
            *(command, "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"),
            *("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--expose-app-in-browser"),
            f"--ServerApp.root_dir={scratch / 'root'}",
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=(scratch / "server.log").open("wb"),
    )
    try:
        yield f"{address_of(server, scratch)}lab/tree/examples/{{name}}.ipynb?reset&token={token}"
    finally:
        server.terminate()
        server.wait(30)


def address_of(server: subprocess.Popen[bytes], scratch: Path) -> str:
    """Where the server listens; its own file says so once it does."""
    end = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < end:
        for path in (scratch / "runtime").glob("jpserver-*.json"):
            try:
                return str(json.loads(path.read_text(encoding="utf-8"))["url"])
            except ValueError:
                continue  # half written
        time.sleep(0.2)
    sys.exit("JupyterLab does not start:\n" + (scratch / "server.log").read_text(errors="replace")[-3000:])


def look_at(page: Any, address: str, pictures: Path) -> list[str]:
    """Run a notebook and photograph it in each theme; what is wrong with it."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error in the page: {error}"))
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(address)
    page.wait_for_selector(_SCROLLER)
    page.evaluate("() => window.jupyterapp.restored")
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    page.evaluate(_RUN)
    page.wait_for_function("() => window.hasRun", timeout=1000 * LONG)
    wrong += page.evaluate(_FAILURES)
    if unrun := page.evaluate(_UNRUN):
        wrong.append(f"{unrun} cells were not run")
    for name, (_, palette) in THEMES.items():
        set_theme(page, name)
        photograph(page, f"{pictures}-{name}")
        found = [*check_cards(page, palette), *check_graphs(page, palette, f"{pictures}-{name}-graph.png")]
        wrong += [f"{name}: {text}" for text in found]
    return wrong


def set_theme(page: Any, name: str) -> None:
    """Light or dark, with the command of the menu."""
    page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", THEMES[name][0])
    page.locator(f"body[data-jp-theme-light={'true' if name == 'light' else 'false'}]").wait_for(state="attached")
    page.wait_for_timeout(1000)


def photograph(page: Any, beginning: str) -> None:
    """The whole notebook, a screen at a time, in files whose names begin so."""
    scroller = page.locator(_SCROLLER).first
    top, number = 0, 1
    while True:
        scroller.evaluate("(element, top) => { element.scrollTop = top }", top)
        page.wait_for_timeout(400)
        scroller.screenshot(path=f"{beginning}-{number}.png")
        height, end = scroller.evaluate(_HEIGHTS)
        if end <= height:
            return
        top, number = top + height - 40, number + 1


def check_cards(page: Any, palette: dict[str, str]) -> list[str]:
    """Whether models and reports have the theme's colours and fit."""
    wrong = []
    for place, card in enumerate(page.evaluate(_CARDS), start=1):
        if (card["ground"], card["ink"]) != (rgb(palette["surface"]), rgb(palette["text"])):
            wrong.append(f"card {place} is {card['ink']} on {card['ground']}")
        if set(card["sides"]) - {"left"}:
            wrong.append(f"card {place} has cells that stand {card['sides']}")
        if card["wider"] > 0 or card["hidden"] > 0:
            wrong.append(f"card {place} is {card['wider']} px wider than its cell and hides {card['hidden']} px")
    return wrong


def check_graphs(page: Any, palette: dict[str, str], picture: str) -> list[str]:
    """Whether the graphs that ``visualize`` shows are there, have the theme's colours and answer a click."""
    wrong = []
    for frame in page.locator(f"{_SCROLLER} iframe[srcdoc]").all():
        frame.scroll_into_view_if_needed()
        inside = frame.content_frame
        inside.locator("body[data-ready]").wait_for(state="attached")
        whole, box = frame.bounding_box(), inside.locator(".node").first.bounding_box()
        if not whole or not box or not whole["x"] < box["x"] < box["x"] + box["width"] < whole["x"] + whole["width"]:
            wrong.append("the graph begins outside its frame")
        inside.locator(".node.f-convolution").first.click()
        if not inside.locator("#panel .histogram").count():
            wrong.append("a click on a convolution does not show its weights")
        ground = inside.locator("body").evaluate("(body) => getComputedStyle(body).backgroundColor")
        if ground != rgb(palette["page"]):
            wrong.append(f"the graph's ground is {ground}")
        frame.screenshot(path=picture)
        page.keyboard.press("Escape")
    return wrong


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def rgb(colour: str) -> str:
    """``#14171c`` as browsers give it: ``rgb(20, 23, 28)``."""
    return f"rgb({', '.join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5))})"


if __name__ == "__main__":
    main()
