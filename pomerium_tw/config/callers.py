"""Whom a route lets in, in one form for what can be written in several: lists, flags and policies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policy_grammar import Criterion, Operator, Policy, PolicySyntaxError, parse_data
from pomerium_tw.model import ascii_domain, flatten_claims

from .files import TextFile
from .policy_files import read_policy_file
from .route_settings import InlinePolicy, PolicyFile, PolicyName, RouteSettings
from .settings import Settings

_Use = tuple[str, str, str]
"""Name, sub-path and data of a criterion, as text."""
_Rules = frozenset[tuple[str, frozenset[_Use]]]
"""Operators of one action with what they ask; an ``or`` is an ``and`` for each of its criteria."""

_EVERYBODY = ("and", frozenset({("accept", "", "")}))
_FLAGS = frozenset({"accept", "reject", "authenticated_user", "cors_preflight"})
"""Criteria whose data mean nothing."""
_ADDRESSES = frozenset({"domain", "email", "user"})
"""Criteria where a text alone stands for ``is``."""


@dataclass(frozen=True, slots=True)
class Callers:
    """Equal for routes that let in the same callers; unequal ones may still do."""

    allow: _Rules
    deny: _Rules

    @property
    def everybody(self) -> bool:
        """Whether everybody is let in who is not denied."""
        return _EVERYBODY in self.allow


class CallersOf:
    """Tells them by route; policy files are parsed once, when the first route asks for them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files: dict[TextFile, tuple[Policy, ...]] = {}
        self._named: dict[str, Policy] | None = None

    def __call__(self, route: RouteSettings) -> Callers | None:
        """None where the policy cannot be read: that is told when it is compiled."""
        try:
            policies = self._policies(route)
        except (PolicySyntaxError, KeyError):
            return None
        operators = [(rule.action, each) for own in policies for rule in own.rules for each in rule.operators]
        found: dict[str, set[tuple[str, frozenset[_Use]]]] = {"allow": set(), "deny": set()}
        found["allow"].update(self._alternatives(_lists(route)))
        for action, operator in operators:
            found[action].update(self._asked(operator))
        allow = {_EVERYBODY} if _EVERYBODY in found["allow"] else found["allow"]
        return Callers(frozenset(allow), frozenset(found["deny"]))

    def _policies(self, route: RouteSettings) -> tuple[Policy, ...]:
        match route.policy:
            case InlinePolicy(data):
                return (parse_data(data),)
            case PolicyFile(file):
                return self._read(file)
            case PolicyName(name):
                if self._named is None:
                    files = self._settings.policy_files
                    self._named = {each.name: each for file in files for each in self._read(file)}
                return (self._named[name],)
        return ()

    def _read(self, file: TextFile) -> tuple[Policy, ...]:
        if file not in self._files:
            self._files[file] = read_policy_file(file.path, file.text).policies
        return self._files[file]

    def _asked(self, operator: Operator) -> Iterator[tuple[str, frozenset[_Use]]]:
        if operator.kind == "or":
            yield from self._alternatives(operator.criteria)
        else:
            yield operator.kind, frozenset(self._use(each) for each in operator.criteria)

    def _alternatives(self, criteria: Iterable[Criterion]) -> Iterator[tuple[str, frozenset[_Use]]]:
        for each in criteria:
            yield "and", frozenset({self._use(each)})

    def _use(self, criterion: Criterion) -> _Use:
        data = criterion.data
        if criterion.name in _FLAGS:
            return (criterion.name, "", "")
        if criterion.name in _ADDRESSES and isinstance(data, str):
            data = {"is": data}
        if criterion.name == "domain" and isinstance(data, Mapping):
            data = {name: self._domain(value) for name, value in data.items()}
        return (criterion.name, criterion.sub_path, json.dumps(data, sort_keys=True, default=str))

    def _domain(self, value: Any) -> Any:
        """As policies compare domains: without case only where they are strict."""
        if not isinstance(value, str):
            return value
        name = ascii_domain(value)
        return name.lower() if self._settings.strict_policy else name


def _lists(route: RouteSettings) -> Iterator[Criterion]:
    """The older keys as criteria (spec/ppl §5)."""
    if route.allow_public_unauthenticated_access:
        yield Criterion("accept")
    if route.cors_allow_preflight:
        yield Criterion("cors_preflight")
    if route.allow_any_authenticated_user:
        yield Criterion("authenticated_user")
    for domain in route.allowed_domains:
        yield Criterion("domain", "", {"is": domain})
    for name, values in flatten_claims(route.allowed_idp_claims).items():
        for value in values:
            yield Criterion("claim", name, value)
    for user in route.allowed_users:
        yield Criterion("email", "", {"is": user})
        if "@" not in user:  # an address is hardly ever an id as well
            yield Criterion("user", "", {"is": user})
