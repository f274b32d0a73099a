"""The policies of all routes, compiled; every fault with its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

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
        self._alike: dict[tuple[int, ...], CompiledPolicy] = {}
        """By the flags of a route and the ids of its policies' rules, which stand in what was compiled."""
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
        compiled = self._compiled(route, policies, merged)
        if compiled is not None:
            self._idle(path, route, policies)
            # Of equal routes, the first one takes the requests: its policy is the one that counts.
            self.compiled.setdefault(route.id, compiled)

    def _compiled(
        self, route: RouteSettings, policies: tuple[Policy, ...], merged: Policy
    ) -> CompiledPolicy | None:
        """Routes that differ in nothing but their place share what is costly: the function."""
        flags = (
            route.allow_public_unauthenticated_access,
            route.cors_allow_preflight,
            route.allow_any_authenticated_user,
        )
        lists = route.allowed_domains or route.allowed_idp_claims or route.allowed_users
        if lists or not any(flags):
            return self.check.compile(merged)
        key = (*flags, *(id(rule) for policy in policies for rule in policy.rules))
        if key in self._alike:
            # Explanations name the place of the flag: each route keeps its own.
            return replace(self._alike[key], policies=(merged,))
        compiled = self.check.compile(merged)
        if compiled is not None:
            self._alike[key] = compiled
        return compiled

    def _idle(self, path: KeyPath, route: RouteSettings, policies: tuple[Policy, ...]) -> None:
        """Allow rules beside a key that lets in all of theirs: they seem to restrict (spec/ppl §5)."""
        wider = "allow_public_unauthenticated_access"
        if not route.allow_public_unauthenticated_access:
            wider = "allow_any_authenticated_user"
            if not route.allow_any_authenticated_user:
                return
        allows = [rule for policy in policies for rule in policy.rules if rule.action == "allow"]
        idle = bool(allows) and (
            route.allow_public_unauthenticated_access or self.check.asks_for_session(allows)
        )
        found = (
            ("policy", idle, "the allow rules let in nobody"),
            ("allowed_idp_claims", bool(route.allowed_idp_claims), "allowed_idp_claims lets in nobody"),
        )
        for key, told, what in found:
            if told:
                message = f"{what} who is not let in already: {wider} is set"
                hint = f"remove {wider}, or deny those who must stay out in a deny rule"
                self.check.surprise(PolicySyntaxError(message, self._loaded.span(*path, key), hint))

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
        if found is None and "\n" in name:
            hint = "rules stand below policy: as they are: take the | away"
            raise PolicySyntaxError("the policy is a text of several lines, not rules", span, hint)
        if found is None:
            known = sorted(self._named)
            hint = did_you_mean(name, known) if known else "list its file under policy_files"
            raise PolicySyntaxError(f"there is no policy called {name!r}", span, hint)
        return found
