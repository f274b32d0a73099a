"""The words of the policy language on this machine: the built-in ones and those of plugins (DESIGN §7.10)."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint

from twisted.plugin import IPlugin
from zope.interface import classImplements

from ..config import Plugins, installed, twisted_plugins
from ..policy import BUILT_IN, FunctionCriterion, ICriterion

# So that modules under twisted/plugins/ may offer what the decorator makes; its own room knows no Twisted.
classImplements(FunctionCriterion, IPlugin)

ENTRY_POINT_GROUP = "pomerium_tw.criteria"


def installed_criteria(
    plugins: Iterable[object] | None = None, points: Iterable[EntryPoint] | None = None
) -> Plugins[ICriterion]:
    """Criteria by name. A plugin that is broken, or takes a built-in word, is left out and told of.

    ``plugins`` and ``points``: what both doors give, for those who know better than to look.
    """
    return Plugins(
        ICriterion,
        lambda criterion: criterion.name,
        "a criterion",
        [*BUILT_IN.values(), *(twisted_plugins(ICriterion) if plugins is None else plugins)],
        installed(ENTRY_POINT_GROUP) if points is None else points,
    )
