"""Which function deals with which kind of layer: what the registries of all converters have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Entries by name. The modules of a package register them when they are imported.

    Args:
        package: the package's full name.
        families: its modules that register something; they are imported when the entries are first asked for.
        what: what a name stands for, such as ``layer type``, for the message about one registered twice.
    """

    def __init__(self, package: str, families: Sequence[str], what: str) -> None:
        self._modules = [f"{package}.{family}" for family in families]
        self._what = what
        self._entries: dict[str, Entry] = {}
        self._complete = False

    def register(self, *names: str) -> Callable[[Entry], Entry]:
        """Register what it decorates under each of the names."""

        def decorate(entry: Entry) -> Entry:
            self.add(names, entry)
            return entry

        return decorate

    def add(self, names: Sequence[str], entry: Entry) -> None:
        """Register an entry under each of the names.

        Raises:
            RuntimeError: a name has an entry already.
        """
        for name in names:
            if name in self._entries:
                raise RuntimeError(f"the {self._what} {name!r} is registered twice")
            self._entries[name] = entry

    def entries(self) -> dict[str, Entry]:
        """All entries by name, those of modules that nobody has imported yet included."""
        if not self._complete:
            for module in self._modules:
                import_module(module)
            self._complete = True
        return self._entries
