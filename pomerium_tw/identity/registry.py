"""Finding provider plugins. The built-in ones come through the same two doors as anyone's (DESIGN §7.10).

``getPlugins`` reads modules under ``twisted/plugins/`` anywhere on ``sys.path``; ours is
``twisted/plugins/pomerium_identity_providers.py``, so that a checkout works without being installed. Entry
points are the second door: editable installs hide ``twisted/plugins``. A factory that comes through both is
the same object once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points

from twisted.logger import Logger
from twisted.plugin import getPlugins
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from .errors import UnknownProviderError
from .interfaces import IIdentityProviderFactory

log = Logger("pomerium.identity")

ENTRY_POINT_GROUP = "pomerium_tw.identity_providers"


def installed_entry_points() -> Iterable[EntryPoint]:
    return entry_points(group=ENTRY_POINT_GROUP)


def twisted_plugins() -> Iterable[object]:
    return getPlugins(IIdentityProviderFactory)


class ProviderRegistry:
    """Every usable factory by its kind.

    A plugin that is broken is named in the log, and the rest runs (PL-01).
    """

    def __init__(
        self,
        plugins: Callable[[], Iterable[object]] = twisted_plugins,
        points: Callable[[], Iterable[EntryPoint]] = installed_entry_points,
    ) -> None:
        self._factories: dict[str, IIdentityProviderFactory] = {}
        self.problems: list[str] = []
        """Plugins that were refused, each with the reason."""
        for name, candidate in (*((_name(plugin), plugin) for plugin in plugins()), *self._loaded(points())):
            self._admit(name, candidate)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted(self._factories))

    def find(self, kind: str) -> IIdentityProviderFactory:
        """The factory of that kind. Raises UnknownProviderError."""
        try:
            return self._factories[kind]
        except KeyError:
            known = ", ".join(self.kinds) or "none"
            raise UnknownProviderError(
                f"there is no identity provider of the kind {kind!r}; installed: {known}"
            ) from None

    def _loaded(self, points: Iterable[EntryPoint]) -> Iterator[tuple[str, object]]:
        for point in points:
            try:
                yield f"{point.name} = {point.value}", point.load()
            except Exception as error:  # whatever a foreign module raises at import
                self._refuse(f"{point.name} = {point.value}", f"it cannot be loaded: {error!r}")

    def _admit(self, name: str, candidate: object) -> None:
        try:
            verifyObject(IIdentityProviderFactory, candidate)
        except Invalid as error:
            self._refuse(name, f"it does not offer what this version asks of a provider factory: {error}")
            return
        factory = IIdentityProviderFactory(candidate)
        holder = self._factories.setdefault(factory.kind, factory)
        if holder is not factory:
            self._refuse(name, f"the kind {factory.kind!r} is taken already by {_name(holder)}")

    def _refuse(self, name: str, reason: str) -> None:
        self.problems.append(f"{name}: {reason}")
        log.error("identity provider plugin {name} is not used: {reason}", name=name, reason=reason)


def _name(plugin: object) -> str:
    kind = type(plugin)
    return f"{kind.__module__}.{kind.__qualname__}"


def find_factory(kind: str) -> IIdentityProviderFactory:
    """The installed factory of that kind. Raises UnknownProviderError."""
    return ProviderRegistry().find(kind)
