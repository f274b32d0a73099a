"""The policies of all routes, compiled; every fault with its place."""

from __future__ import annotations

from twisted.logger import Logger

from policy_grammar import (
    Criterion,
    Path,
    Policy,
    PolicySyntaxError,
    Span,
    did_you_mean,
    parse_data,
    parse_text,
)

from ..config import InlinePolicy, KeyPath, Loaded, PolicyFile, PolicyName, Problem, RouteSettings
from ..policy import CompiledPolicy, compile_policy, legacy_policy

log = Logger("pomerium.policy")


class Policies:
    """Compiles as it goes and gathers what is wrong instead of stopping at the first fault."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self.problems: list[Problem] = []
        self.compiled: dict[str, CompiledPolicy] = {}
        """Route id → policy."""
        self._named: dict[str, Policy] = {}
        self._texts: dict[str, str] = {}
        for index, file in enumerate(loaded.settings.policy_files):
            for policy in self._read(file.text, str(file.path)):
                self._name(policy, loaded.span("policy_files", index))
                self._try(policy)
        for path, route in loaded.settings.all_routes:
            self._compile(path, route)

    def _name(self, policy: Policy, span: Span) -> None:
        if policy.name in self._named:
            self.problems.append(Problem(policy.span or span, f"the policy {policy.name!r} is defined twice"))
        self._named[policy.name] = policy

    def _try(self, policy: Policy) -> None:
        """A named policy is checked even where no route uses it yet."""
        try:
            compile_policy([policy])
        except PolicySyntaxError as error:
            self._report(error)

    def _read(self, text: str, file: str) -> tuple[Policy, ...]:
        self._texts[file] = text
        try:
            return parse_text(text, file)
        except PolicySyntaxError as error:
            self._report(error)
            return ()

    def _compile(self, path: KeyPath, route: RouteSettings) -> None:
        span = self._loaded.span(*path)
        try:
            policies = self._policies_of(path, route)
            merged = legacy_policy(
                public=route.allow_public_unauthenticated_access,
                cors=route.cors_allow_preflight,
                any_user=route.allow_any_authenticated_user,
                domains=route.allowed_domains,
                claims=[route.allowed_idp_claims] if route.allowed_idp_claims else [],
                users=route.allowed_users,
                policies=policies,
                span=span,
            )
            self.compiled[route.id] = compile_policy([merged], on_error=_criterion_failed)
        except PolicySyntaxError as error:
            self._report(error)

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
            return self._read(policy.file.text, str(policy.file.path))
        if isinstance(policy, PolicyName):
            return (self._by_name(policy.name, self._loaded.span(*path, "policy")),)
        return ()

    def _by_name(self, name: str, span: Span) -> Policy:
        found = self._named.get(name)
        if found is None:
            hint = (
                did_you_mean(name, sorted(self._named)) if self._named else "list its file under policy_files"
            )
            raise PolicySyntaxError(f"there is no policy called {name!r}", span, hint)
        return found

    def _report(self, error: PolicySyntaxError) -> None:
        shown = error.with_source(self._texts.get(error.span.file, ""))
        problem = Problem(error.span, error.message, error.hint, shown.excerpt)
        if problem not in self.problems:
            self.problems.append(problem)


def _criterion_failed(criterion: Criterion | None, error: Exception) -> None:
    name = criterion.name if criterion else "a policy"
    place = str(criterion.span) if criterion else ""
    log.error("criterion {name} failed and denies: {error!r} ({place})", name=name, error=error, place=place)
