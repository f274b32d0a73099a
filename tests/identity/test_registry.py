from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from twisted.plugin import IPlugin
from zope.interface import implementer

from pomerium_tw.identity import (
    IIdentityProvider,
    IIdentityProviderFactory,
    ProviderRegistry,
    ProviderSettings,
    UnknownProviderError,
    find_factory,
)
from pomerium_tw.identity.oidc import factory as oidc


@implementer(IPlugin, IIdentityProviderFactory)
class Directory:
    kind = "directory"
    settings_model = ProviderSettings

    def build(self, settings: Any, client: Any, now: Any) -> IIdentityProvider:
        raise NotImplementedError


@implementer(IPlugin, IIdentityProviderFactory)
class OldStyle:
    kind = "old"
    settings_model = ProviderSettings

    def build(self, settings: Any) -> Any:
        raise NotImplementedError


class Usurper(Directory):
    kind = "oidc"


directory = Directory()


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "pomerium_tw.identity_providers")


def test_the_built_in_kind_is_found_by_both_doors_and_is_one() -> None:
    own = point("oidc", "pomerium_tw.identity.oidc:factory")
    registry = ProviderRegistry(points=lambda: [own])
    assert registry.find("oidc") is oidc is find_factory("oidc")
    assert registry.problems == []
    assert ProviderRegistry(plugins=list, points=lambda: [own]).find("oidc") is oidc


def test_an_unknown_kind_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownProviderError, match=r"'okto'.*installed: directory, oidc"):
        ProviderRegistry(lambda: [oidc, directory], list).find("okto")


def test_an_entry_point_that_fails_to_load_is_named_and_the_rest_runs() -> None:
    points = [
        point("broken", "no.such.module:factory"),
        point("empty", "tests.identity.test_registry:missing"),
        point("directory", "tests.identity.test_registry:directory"),
    ]
    registry = ProviderRegistry(lambda: [oidc], lambda: points)
    assert registry.kinds == ("directory", "oidc")
    assert [problem.partition(" = ")[0] for problem in registry.problems] == ["broken", "empty"]


def test_a_plugin_of_another_interface_version_is_refused() -> None:
    points = [point("old", "tests.identity.test_registry:OldStyle"), point("text", "os:sep")]
    registry = ProviderRegistry(lambda: [oidc, OldStyle()], lambda: points)
    assert registry.kinds == ("oidc",)
    assert len(registry.problems) == 3 and "OldStyle" in registry.problems[0]


def test_a_plugin_cannot_take_the_name_of_another() -> None:
    registry = ProviderRegistry(lambda: [oidc, Usurper()], list)
    assert registry.find("oidc") is oidc
    assert len(registry.problems) == 1 and "taken" in registry.problems[0]


def test_looking_for_plugins_does_not_install_a_reactor() -> None:
    script = (
        "import sys; from pomerium_tw.identity import ProviderRegistry; ProviderRegistry();"
        "sys.exit('twisted.internet.reactor' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
