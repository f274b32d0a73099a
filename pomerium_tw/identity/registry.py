"""Finding provider plugins. The built-in ones come through the same two doors as anyone's (DESIGN §7.10).

For a checkout that is not installed, ours stand in ``twisted/plugins/pomerium_identity_providers.py`` too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint

from ..config import Plugins, installed, twisted_plugins
from .errors import UnknownProviderError
from .interfaces import IIdentityProviderFactory

ENTRY_POINT_GROUP = "pomerium_tw.identity_providers"


class ProviderRegistry:
    """Every usable factory by its kind."""

    def __init__(
        self,
        plugins: Callable[[], Iterable[object]] = lambda: twisted_plugins(IIdentityProviderFactory),
        points: Callable[[], Iterable[EntryPoint]] = lambda: installed(ENTRY_POINT_GROUP),
    ) -> None:
        self._plugins: Plugins[IIdentityProviderFactory] = Plugins(
            IIdentityProviderFactory,
            lambda factory: factory.kind,
            "a provider factory",
            plugins(),
            points(),
        )

    @property
    def problems(self) -> list[str]:
        """Plugins that were refused, each with the reason."""
        return self._plugins.problems

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted(self._plugins.by_name))

    def find(self, kind: str) -> IIdentityProviderFactory:
        """The factory of that kind. Raises UnknownProviderError."""
        try:
            return self._plugins.by_name[kind]
        except KeyError:
            known = ", ".join(self.kinds) or "none"
            raise UnknownProviderError(
                f"there is no identity provider of the kind {kind!r}; installed: {known}"
            ) from None


def find_factory(kind: str) -> IIdentityProviderFactory:
    """The installed factory of that kind. Raises UnknownProviderError."""
    return ProviderRegistry().find(kind)
