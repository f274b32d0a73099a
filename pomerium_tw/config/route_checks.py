"""What must hold between the keys of one route (spec/proxy §2.3, spec/ppl §5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from .headers import confusable, kept_anyway, spelled_twice
from .host_header import no_hosts
from .problem import Finding
from .rewriting import groups_of, highest_group
from .route_settings import RouteSettings
from .template_checks import never_read, unread
from .without_upstream import answers_itself, without_effect

_TOKEN = re.compile(rb"[\x21-\x7e]+")
_DOLLAR_GROUP = re.compile(r"\$[0-9{]")
_ANSWERS = ("to", "redirect", "response")
_HOSTS = ("host_rewrite", "host_rewrite_header", "host_path_regex_rewrite_pattern", "preserve_host_header")
"""What makes the Host for the upstream, the first one first (spec/proxy §3.3)."""
_SOCKETS = ("unix", "https+unix")


def findings(route: RouteSettings) -> Iterator[Finding]:
    """What is wrong between keys of this route (spec/proxy §2.3, spec/ppl §5), errors and warnings."""
    yield from _matching(route)
    yield from _answer(route)
    yield from spelled_twice("set_response_headers", route.set_response_headers)
    yield from never_read(route.set_response_headers)
    yield from without_effect(route) if answers_itself(route) else _forwarding(route)
    yield from _access(route)


def _forwarding(route: RouteSettings) -> Iterator[Finding]:
    """What is about upstreams and their requests."""
    yield from _targets(route)
    yield from _paths(route)
    yield from _path_rewriting(route)
    yield from _host_rewriting(route)
    # Values that are set under one name are joined (spec/proxy §3.5): no error, and seldom meant.
    yield from confusable("set_request_headers", route.set_request_headers, warning=True)
    yield from unread(route.set_request_headers)
    yield from kept_anyway(route.remove_request_headers)
    yield from _kubernetes(route)


def _matching(route: RouteSettings) -> Iterator[Finding]:
    if not route.from_.host:
        yield Finding(
            ("from",), "the route has no from", "write what callers ask for: https://app.example.com"
        )
    if route.from_.host and route.from_.scheme == "http":
        message = "from begins with http://: callers reach it by the main listener all the same"
        yield Finding(("from",), message, "write https://", warning=True)
    rules = [name for name in ("regex", "path", "prefix") if getattr(route, name)]
    for unused in rules[1:]:
        message = f"{unused} has no effect beside {rules[0]}"
        yield Finding((unused,), message, "keep one of regex, path and prefix", warning=True)
    for name in ("prefix", "path"):
        if (value := getattr(route, name)) and not value.startswith("/"):
            yield Finding(
                (name,), f"{name} never matches: paths begin with /", f"write /{value}", warning=True
            )


def _answer(route: RouteSettings) -> Iterator[Finding]:
    """Exactly one of upstreams, redirect and response (spec/proxy §2.1)."""
    given = [name for name in _ANSWERS if getattr(route, name)]
    if not given:
        hint = "write to: http://host:port, or redirect: or response: in its place"
        yield Finding(("to",), "the route has no upstream", hint)
    for name in given[1:]:
        yield Finding((name,), f"{given[0]} and {name} are both set", "keep one of to, redirect and response")
    for name, answer in (("redirect", route.redirect), ("response", route.response)):
        for each in () if answer is None else answer.findings():
            yield replace(each, path=(name, *each.path))


def _targets(route: RouteSettings) -> Iterator[Finding]:
    weighted = sum(target.weighted for target in route.to)
    if weighted and weighted < len(route.to):
        index = next(index for index, target in enumerate(route.to) if not target.weighted)
        yield Finding(
            ("to", index), "this upstream has no weight, others have", "give a weight to all or to none"
        )
    sockets = [upstream.scheme in _SOCKETS for upstream in route.upstreams]
    if any(sockets) and not all(sockets):
        message = "unix sockets do not go together with other upstreams"
        yield Finding(("to", sockets.index(not sockets[0])), message, "write a route for each kind")
    named = route.server_name or route.tls_skip_verify
    for index, upstream in enumerate(route.upstreams):
        if upstream.scheme == "https+unix" and not named:
            message = "a socket has no name to verify its certificate by"
            yield Finding(("to", index), message, "set tls_upstream_server_name")


def _paths(route: RouteSettings) -> Iterator[Finding]:
    """Paths of upstreams: the first one's is that of all (spec/proxy §2.5)."""
    if route.prefix_rewrite or route.regex_rewrite_pattern:
        return
    paths = [upstream.path or "/" for upstream in route.upstreams]
    for index, path in enumerate(paths):
        if path != paths[0]:
            message = "requests to this upstream get the path of the first one"
            hint = "write one path for all, or a route for each"
            yield Finding(("to", index), message, hint, warning=True)


def _path_rewriting(route: RouteSettings) -> Iterator[Finding]:
    if route.prefix_rewrite and route.regex_rewrite_pattern:
        message = "prefix_rewrite and regex_rewrite_pattern are both set"
        yield Finding(("regex_rewrite_pattern",), message, "keep one of the two")
    yield from _substitution(route, "regex_rewrite")


def _host_rewriting(route: RouteSettings) -> Iterator[Finding]:
    yield from _substitution(route, "host_path_regex_rewrite")
    used = [name for name in _HOSTS if getattr(route, name)]
    for unused in used[1:]:
        message = f"{unused} has no effect beside {used[0]}"
        yield Finding((unused,), message, f"keep one of {', '.join(_HOSTS)}", warning=True)
    if used[:1] == ["host_path_regex_rewrite_pattern"] and route.to:
        yield from _unsubstituted(route)
    if used[:1] == ["host_rewrite_header"]:
        yield from no_hosts(route.host_rewrite_header, route.set_request_headers)


def _unsubstituted(route: RouteSettings) -> Iterator[Finding]:
    """A Host is seldom what is left of a path; whoever means that writes so."""
    if "host_path_regex_rewrite_substitution" not in route.model_fields_set:
        message = "host_path_regex_rewrite_pattern stands alone: what it finds is left out of the Host"
        hint = 'set host_path_regex_rewrite_substitution: \\1 for the first group, "" where that is meant'
        yield Finding(("host_path_regex_rewrite_pattern",), message, hint, warning=True)


def _substitution(route: RouteSettings, stem: str) -> Iterator[Finding]:
    """A pattern and what its matches become."""
    pattern, replacement = f"{stem}_pattern", f"{stem}_substitution"
    if not getattr(route, pattern):
        if getattr(route, replacement):
            message = f"{replacement} has no effect without {pattern}"
            yield Finding((replacement,), message, f"set {pattern}", warning=True)
        return
    if groups_of(getattr(route, pattern)) and _DOLLAR_GROUP.search(getattr(route, replacement)):
        message = f"$1 and its like are plain text in {replacement}"
        yield Finding((replacement,), message, "write \\1 for the first group", warning=True)
    groups, wanted = groups_of(getattr(route, pattern)), highest_group(getattr(route, replacement))
    if wanted > groups:
        message = f"{replacement} names the group {wanted}, {pattern} has {groups}"
        yield Finding((replacement,), message, "put what is meant into ( ) in the pattern")


def _kubernetes(route: RouteSettings) -> Iterator[Finding]:
    inline, in_file = "kubernetes_service_account_token", "kubernetes_service_account_token_file"
    token, file = route.kubernetes_service_account_token, route.kubernetes_service_account_token_file
    if file is not None and token is not file.secret:
        yield Finding((in_file,), f"{inline} and {in_file} are both set", "keep one of the two")
    if token is not None and not _TOKEN.fullmatch(token.reveal()):
        message = "a token is one word of letters, digits and signs"
        yield Finding((inline if file is None else in_file,), message, "give the token alone")


def _access(route: RouteSettings) -> Iterator[Finding]:
    lists = [name for name in ("allowed_users", "allowed_domains") if getattr(route, name)]
    if route.allow_public_unauthenticated_access:
        others = ["allow_any_authenticated_user"] * route.allow_any_authenticated_user + lists
        for name in others:
            message = f"{name} has no meaning on a route that lets everybody in"
            yield Finding((name,), message, "remove it, or allow_public_unauthenticated_access")
    elif route.allow_any_authenticated_user:
        for name in lists:
            message = f"{name} has no meaning on a route that lets every signed-in user in"
            yield Finding((name,), message, "remove it, or allow_any_authenticated_user")
    if not route.lets_somebody_in:
        what = "the policy holds no rule" if route.policy is not None else "the route has no policy"
        yield Finding(("policy",), f"{what}: nobody is let in", "say who is let in", warning=True)
