"""The import directions of docs/architecture.md hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "mltoolkit"

# Room → the rooms it may import besides itself; docs/architecture.md says the same in words.
ALLOWED = {
    "errors": set(),
    "formats": {"errors"},
    "reports": {"errors"},
    "markup": {"errors", "formats"},
    "custom_layers": {"errors"},
    "graph": {"errors", "formats", "custom_layers"},
    "converters": {"errors", "formats", "graph", "custom_layers"},
    "runtime": {"errors", "formats", "graph", "custom_layers", "converters"},
    "model_description": {"errors", "formats", "markup"},
    # quantization and model name each other's classes in annotations only.
    "model": {"errors", "formats", "graph", "custom_layers", "converters", "runtime", "model_description"},
    "quantization": {"errors", "formats", "reports", "markup", "model"},
    "comparison": {"errors", "formats", "reports", "markup", "runtime", "model"},
    "calibration": {
        "errors",
        "formats",
        "reports",
        "markup",
        "graph",
        "runtime",
        "model",
        "quantization",
        "comparison",
    },
    "conversion": {
        "errors",
        "formats",
        "reports",
        "markup",
        "graph",
        "custom_layers",
        "converters",
        "runtime",
        "model",
        "comparison",
    },
    "layer_checks": {"errors", "graph", "custom_layers", "converters", "runtime"},
    "swift_package": {"errors", "formats", "custom_layers", "runtime", "model"},
    "visualization": {"errors", "formats", "markup", "custom_layers", "graph", "converters", "model", "quantization"},
    "digits": {"errors", "formats", "model", "quantization", "comparison"},
    "sweeps": {
        "errors",
        "formats",
        "reports",
        "markup",
        "runtime",
        "model",
        "quantization",
        "comparison",
        "calibration",
    },
    "cli": {
        "errors",
        "formats",
        "reports",
        "markup",
        "graph",
        "custom_layers",
        "converters",
        "runtime",
        "model",
        "quantization",
        "comparison",
        "sweeps",
        "calibration",
        "conversion",
        "digits",
        "swift_package",
        "visualization",
    },
    "__main__": {"cli"},
    "__init__": set(),
}


def room_folders(project: Path) -> dict[Path, str]:
    files: dict[Path, str] = {}
    for path in (project / "mltoolkit").rglob("*.py"):
        relative = path.relative_to(project / "mltoolkit")
        # The two symlinks lead to the rooms below.
        if relative.parts[0] not in ("converters", "custom_layers", "sample_images"):
            files[path] = relative.parts[0].removesuffix(".py")
    for room in ("converters", "custom_layers"):
        files.update((path, room) for path in (project / room).rglob("*.py"))
    return files


def imported_rooms(path: Path) -> set[str]:
    """Rooms imported when the code runs: imports under ``if TYPE_CHECKING`` do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "mltoolkit":
                names.update(f"mltoolkit.{alias.name}" for alias in node.names)
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    rooms = {name.split(".")[1] for name in names if name.startswith("mltoolkit.")}
    # Plain names of the package itself, such as __version__, are no rooms.
    return {room for room in rooms if room in ALLOWED or (PACKAGE / room).exists()}


def test_rooms_import_only_what_the_architecture_allows(project: Path) -> None:
    wrong = [
        f"{path.relative_to(project)} imports {room}"
        for path, home in room_folders(project).items()
        for room in sorted(imported_rooms(path) - ALLOWED.get(home, set()) - {home})
    ]
    assert not wrong, "\n".join(wrong)


def test_every_room_is_known(project: Path) -> None:
    unknown = set(room_folders(project).values()) - set(ALLOWED)
    assert not unknown, f"say in docs/architecture.md and here what {sorted(unknown)} may import"


@pytest.mark.parametrize("room", [room for room in ALLOWED if not room.startswith("__")])
def test_the_document_names_every_room(project: Path, room: str) -> None:
    text = (project / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert re.search(rf"`(mltoolkit/)?{room}[/.]", text), f"docs/architecture.md does not name {room}"


def test_files_stay_small(project: Path) -> None:
    long = {
        str(path.relative_to(project)): lines
        for path in room_folders(project)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long, f"more than 400 lines, so more than one idea? {long}"


# The only rooms that need more of coremltools than its protobuf classes: its MIL passes and serialisers.
USES_COREMLTOOLS = ("converters/mil/", "converters/coremltools_front_ends/")


def test_coremltools_itself_is_imported_late_and_in_few_rooms(project: Path) -> None:
    at_once = re.compile(r"^(import coremltools|from coremltools)", re.MULTILINE)
    late = re.compile(r"^\s+(import coremltools|from coremltools)", re.MULTILINE)
    found = []
    for path in room_folders(project):
        name, text = path.relative_to(project).as_posix(), path.read_text(encoding="utf-8")
        text = re.sub(r"if TYPE_CHECKING:\n(?:(?:    .*)?\n)+", "", text)
        if at_once.search(text) or (late.search(text) and not name.startswith(USES_COREMLTOOLS)):
            found.append(name)
    assert not found, f"use mltoolkit.formats.protobuf: {found}"


def test_test_files_have_names_of_their_own(project: Path) -> None:
    # pytest imports them by their name alone.
    names = [path.name for path in (project / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})
