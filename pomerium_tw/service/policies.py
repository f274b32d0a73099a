"""The policies of all routes, compiled; every fault with its place."""

from __future__ import annotations

import time
from collections.abc import Callable

from policy_grammar import Path, Policy, PolicySyntaxError, Span, did_you_mean, parse_data

from ..config import InlinePolicy, KeyPath, Loaded, PolicyFile, PolicyName, RouteSettings
from ..policy import AccessLists, CompiledPolicy, Environment, ExternalData, legacy_policy
from .policy_check import PolicyCheck


class Policies:
    """Those of policy files, and those of routes."""

    def __init__(self, loaded: Loaded, now: Callable[[], float] = time.time) -> None:
        """``now``: seconds since the epoch, for criteria that ask for the time."""
        settings = loaded.settings
        self._loaded = loaded
        self._strict = settings.strict_policy
        records = ExternalData(settings.external_data, strict=self._strict)
        world = Environment(now=now, records=records)
        self.check = PolicyCheck(world, strict=self._strict)
        self.check.know(loaded.span().file, loaded.text)
        self.compiled: dict[str, CompiledPolicy] = {}
        """Route id → policy."""
        self._named: dict[str, Policy] = {}
        for file in settings.policy_files:
            for policy in self.check.read(file.path, file.text):
                self._name(policy)
        for path, route in settings.all_routes:
            self._compile(path, route)

    def _name(self, policy: Policy) -> None:
        """A policy of a file is checked even where no route uses it yet."""
        first = self._named.setdefault(policy.name, policy) if policy.name else policy
        if first.span != policy.span:
            message = f"a second policy of the name {policy.name!r}; the first stands at {first.span}"
            self.check.report(PolicySyntaxError(message, policy.span))
        else:
            self.check.compile(policy)

    def _compile(self, path: KeyPath, route: RouteSettings) -> None:
        try:
            policies = self._policies_of(path, route)
        except PolicySyntaxError as error:
            self.check.report(error)
            return

        written = (rule for policy in policies for rule in policy.rules)
        if self._strict and route.policy is not None and not any(rule.operators for rule in written):
            span = self._loaded.span(*path, "policy")
            self.check.report(PolicySyntaxError("the policy holds no rule", span, "say who is let in"))

        def span_of(*inner: str | int) -> Span:
            return self._loaded.span(*path, *inner)

        merged = legacy_policy(
            [AccessLists(route.allowed_domains, route.allowed_idp_claims, route.allowed_users, span_of)],
            public=route.allow_public_unauthenticated_access,
            cors=route.cors_allow_preflight,
            any_user=route.allow_any_authenticated_user,
            policies=policies,
            span=self._loaded.span(*path),
        )
        compiled = self.check.compile(merged)
        if compiled is not None:
            # Of equal routes, the first one takes the requests: its policy is the one that counts.
            self.compiled.setdefault(route.id, compiled)

    def _policies_of(self, path: KeyPath, route: RouteSettings) -> tuple[Policy, ...]:
        policy = route.policy
        if isinstance(policy, InlinePolicy):

            def spans(inner: Path) -> Span:
                # A word of the language is named where it stands, not where its value begins.
                at = (*path, "policy", *inner)
                named = bool(inner) and isinstance(inner[-1], str)
                return self._loaded.spans.key(at) if named else self._loaded.span(*at)

            return (parse_data(policy.data, spans),)
        if isinstance(policy, PolicyFile):
            return self.check.read(policy.file.path, policy.file.text)
        if isinstance(policy, PolicyName):
            return (self._by_name(policy.name, self._loaded.span(*path, "policy")),)
        return ()

    def _by_name(self, name: str, span: Span) -> Policy:
        found = self._named.get(name)
        if found is None and self.check.unread:
            return Policy(name)  # it may stand in a file whose faults are told
        if found is None:
            known = sorted(self._named)
            hint = did_you_mean(name, known) if known else "list its file under policy_files"
            raise PolicySyntaxError(f"there is no policy called {name!r}", span, hint)
        return found
