"""Finding plugins, by two doors (DESIGN §7.10).

``getPlugins`` reads modules under ``twisted/plugins/`` anywhere on ``sys.path``, so that a checkout works
without being installed. Entry points are the second door: editable installs hide ``twisted/plugins``. What
comes through both is the same object once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from twisted.logger import Logger
from twisted.plugin import getPlugins
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

log = Logger("pomerium.plugins")

_P = TypeVar("_P")


class Plugins(Generic[_P]):
    """Every usable plugin of one interface by its name.

    A plugin that is broken is named in the log, and the rest runs (PL-01).
    """

    def __init__(
        self,
        interface: Any,
        name_of: Callable[[_P], str],
        what: str,
        found: Iterable[object],
        points: Iterable[EntryPoint],
    ) -> None:
        """``what`` they are, for messages; ``found`` are those of ``getPlugins``."""
        self._interface = interface
        self._name_of = name_of
        self._what = what
        self.by_name: dict[str, _P] = {}
        self.problems: list[str] = []
        """Plugins that were refused, each with the reason."""
        for shown, candidate in (*((_shown(plugin), plugin) for plugin in found), *self._loaded(points)):
            self._admit(shown, candidate)

    def _loaded(self, points: Iterable[EntryPoint]) -> Iterator[tuple[str, object]]:
        for point in points:
            shown = f"{point.name} = {point.value}"
            try:
                yield shown, point.load()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # whatever a foreign module raises at import, SystemExit too
                self._refuse(shown, f"it cannot be loaded: {error!r}")

    def _admit(self, shown: str, candidate: object) -> None:
        try:
            verifyObject(self._interface, candidate)
        except Invalid as error:
            self._refuse(shown, f"it does not offer what this version asks of {self._what}: {error}")
            return
        plugin: _P = self._interface(candidate)
        name = self._name_of(plugin)
        holder = self.by_name.setdefault(name, plugin)
        if holder is not plugin:
            self._refuse(shown, f"the name {name!r} is taken already by {_shown(holder)}")

    def _refuse(self, shown: str, reason: str) -> None:
        self.problems.append(f"{shown}: {reason}")
        log.error("plugin {name} is not used: {reason}", name=shown, reason=reason)


def installed(group: str) -> Iterable[EntryPoint]:
    """The entry points of a group."""
    return entry_points(group=group)


def twisted_plugins(interface: Any) -> Iterable[object]:
    """What modules under ``twisted/plugins/`` offer."""
    return getPlugins(interface)


def _shown(plugin: object) -> str:
    kind = type(plugin)
    return f"{kind.__module__}.{kind.__qualname__}"
