"""From a loaded configuration to one immutable generation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.web.resource import IResource

from ..authenticate import (
    Conversation,
    Destinations,
    SignInLinks,
    route_host_resources,
    service_host_resources,
)
from ..authorize import Authorizer, ForwardedAssertions, UpstreamHeaders
from ..config import ConfigError, KeyPath, Loaded, Problem, Settings
from ..model import Identity, Request, Route
from ..pages import UserDocument, UserPage, own_tree
from ..proxy import (
    Again,
    AuthorizeStep,
    Chain,
    ConfiguredHeaders,
    ForwardStep,
    Generation,
    HeadRules,
    IdentifyStep,
    RequestIds,
    RoutePlan,
    Router,
    RouteStep,
    TargetRules,
    Timeouts,
    Trust,
    alias,
)
from ..session import CookieSettings, SessionTokens, owned_cookie_pattern
from ..tls import ServerCertificate, TLSError, TrustRoots
from ..token import AssertionSigner, SignedURLs, SigningKeyError, SigningKeys
from .certificate_dates import out_of_date
from .parts import Parts
from .policies import Policies
from .provider import Provider
from .routes import build_route, with_checksum
from .secrets import Secrets
from .told_groups import ToldGroups
from .upstreams import build_cluster, check_upstreams, guarded


@dataclass(frozen=True)
class DryBuild:
    """All of a generation that can be made without sockets, clock or network."""

    loaded: Loaded
    routes: tuple[Route, ...]
    policies: Policies
    provider: Provider
    trust: TrustRoots
    certificates: tuple[ServerCertificate, ...]
    signing_keys: SigningKeys
    warnings: tuple[Problem, ...]
    """What building finds beside those of loading."""

    @classmethod
    def of(cls, loaded: Loaded, secrets: Secrets, now: Callable[[], float] = time.time) -> DryBuild:
        """``now``: seconds since the epoch, for policies and the dates of certificates.

        Raises ConfigError with everything that a dry build finds wrong (DESIGN §7.9).
        """
        settings = loaded.settings
        policies, provider = Policies(loaded, now), Provider(loaded)
        problems = [*policies.check.problems, *provider.problems]
        certificates = []
        for path, pair in zip(_certificate_paths(settings), settings.certificate_pairs, strict=True):
            try:
                certificates.append((loaded.span(*path), ServerCertificate.load(pair.chain, pair.key)))
            except TLSError as error:
                problems.append(Problem(loaded.span(*path), str(error)))
        trust, signing_keys = TrustRoots(), None
        try:
            trust = TrustRoots(settings.certificate_authority)
        except TLSError as error:
            key = (
                "certificate_authority_file"
                if settings.certificate_authority_file
                else "certificate_authority"
            )
            problems.append(Problem(loaded.span(key), str(error)))
        problems += _upstream_problems(loaded, trust)
        try:
            signing_keys = secrets.signing_keys(settings.signing_key)
        except SigningKeyError as error:
            key = "signing_key_file" if settings.signing_key_file else "signing_key"
            problems.append(Problem(loaded.span(key), str(error)))
        warnings = (*policies.check.warnings, *out_of_date(certificates, now()))
        if problems or signing_keys is None:
            said = (*loaded.warnings, *loaded.left_out, *warnings)
            raise ConfigError(sorted(problems, key=_place), said)
        loaded_certificates = tuple(certificate for _span, certificate in certificates)
        routes = tuple(
            with_checksum(
                build_route(settings, route, provider.id),
                policies.compiled[route.id].policies,
                strict=settings.strict_policy,
            )
            for _path, route in settings.all_routes
        )
        return cls(loaded, routes, policies, provider, trust, loaded_certificates, signing_keys, warnings)


def _place(problem: Problem) -> tuple[str, int, int]:
    return problem.span.file, problem.span.line, problem.span.column


def _certificate_paths(settings: Settings) -> list[KeyPath]:
    """Where each of ``settings.certificate_pairs`` is written."""
    paths: list[KeyPath] = [("certificate",)] if settings.certificate is not None else []
    paths += [("certificates", index) for index in range(len(settings.certificates))]
    if settings.certificate_file is not None:
        paths.append(("certificate_file",))
    return paths


def _upstream_problems(loaded: Loaded, trust: TrustRoots) -> list[Problem]:
    problems = []
    for path, route in loaded.settings.all_routes:
        key = "tls_custom_ca"
        try:
            roots = TrustRoots(route.tls_custom_ca, system=False) if route.tls_custom_ca else trust
            key = "to"
            check_upstreams(build_route(loaded.settings, route, ""), roots)
        except TLSError as error:
            problems.append(Problem(loaded.span(*path, key), str(error)))
    return problems


def build_generation(dry: DryBuild, parts: Parts, number: int) -> Generation:
    """A generation ready to run."""
    return _Builder(dry, parts, number).build()


def _destinations(settings: Settings, cookies: CookieSettings) -> Destinations:
    """Every route, at its own port or at those that browsers reach us by."""
    service = settings.authenticate_service_url
    ports = [settings.address.port, *([service.port] if service and service.port else [])]
    routes = [(route.from_.host, route.from_.port) for _path, route in settings.all_routes]
    return Destinations(routes, ports, cookies.covers)


class _Builder:
    def __init__(self, dry: DryBuild, parts: Parts, number: int) -> None:
        self._dry = dry
        self._parts = parts
        self._number = number
        self._settings: Settings = dry.loaded.settings
        service = self._settings.authenticate_service_url
        self._cookies = parts.cookies.set_by(service.host if service else "")
        self._conversation = self._make_conversation()
        self._headers = self._make_headers(dry.routes)
        self._told_groups = ToldGroups(
            dry.routes,
            self._settings.jwt_groups_filter,
            any_port=self._settings.flag("match_any_incoming_port"),
        )

    def _make_headers(self, routes: Sequence[Route]) -> UpstreamHeaders:
        settings, now, keys = self._settings, self._parts.reactor.seconds, self._dry.signing_keys
        return UpstreamHeaders(
            # 1 µs each; a uuid.uuid4() costs 3, of which most is its system call.
            AssertionSigner(keys, now, RequestIds()),
            settings.jwt_claims_headers,
            now,
            self._number,
            tokens_of=SessionTokens(self._parts.mirror, self._conversation.keys.tokens).of,
            forwarded=ForwardedAssertions(
                keys,
                now,
                grace=settings.forwarded_assertion_grace,
                unverified=settings.compat_forward_unverified_assertion,
            ),
            routes=routes,
        )

    def _make_conversation(self) -> Conversation:
        settings, parts = self._settings, self._parts
        service = settings.authenticate_service_url
        key, previous = parts.secrets.shared_keys("signed-url")
        return Conversation(
            authenticate_url=service.url if service else "",
            cookies=self._cookies,
            keys=parts.secrets.conversation_keys(),
            urls=SignedURLs(key, parts.reactor.seconds, previous),
            codec=parts.codec,
            store=parts.store,
            mirror=parts.mirror,
            identities=parts.identities,
            providers=self._dry.provider.build(parts.reactor, settings.certificate_authority),
            clock=parts.reactor,
            destinations=_destinations(settings, self._cookies),
            signout_redirect_url=settings.signout_redirect_url,
        )

    def build(self) -> Generation:
        settings, parts = self._settings, self._parts
        routes = self._dry.routes
        own_cookies = owned_cookie_pattern(settings.cookie_name)
        reactor = guarded(parts.reactor, settings.upstream_deny_networks)
        clusters = [
            build_cluster(reactor, route, self._dry.trust, own_cookies) if route.upstreams else None
            for route in routes
        ]
        plans = [RoutePlan(route, cluster) for route, cluster in zip(routes, clusters, strict=True)]
        links = SignInLinks(self._conversation)
        authorizer = Authorizer(self._dry.policies.compiled, parts.decision_log)
        router = Router(plans, any_port=settings.flag("match_any_incoming_port"))
        cookie_name = self._cookies.session_name
        chain = Chain(
            [
                self._route_step(router),
                IdentifyStep(parts.identities, parts.mirror, cookie_name),
                AuthorizeStep(authorizer, links.start, links.login_url),
                ForwardStep(self._headers),
            ],
            parts.finish,
        )
        return Generation(
            number=self._number,
            run=chain.run,
            decide_again=Again(router, parts.identities, authorizer, cookie_name).allows,
            head_rules=HeadRules(
                own_cookies=own_cookies,
                owned_names=frozenset(alias(name.encode("ascii")) for name in settings.jwt_claims_headers),
                underscores=settings.headers_with_underscores_action,
            ),
            target_rules=TargetRules(
                settings.normalize_path,
                settings.merge_slashes,
                settings.path_with_escaped_slashes_action,
                escaped_slashes_by_route=any(route.escaped_slashes is not None for route in routes),
            ),
            trust=Trust.of(
                settings.xff_num_trusted_hops, settings.trusted_proxies, append=not settings.skip_xff_append
            ),
            timeouts=Timeouts(
                settings.timeout_header,
                settings.timeout_read,
                settings.timeout_idle,
                settings.min_body_rate,
                settings.timeout_write,
            ),
            response_headers=ConfiguredHeaders(settings.response_headers()),
            clusters=tuple(cluster for cluster in clusters if cluster is not None),
        )

    def _route_step(self, router: Router) -> RouteStep:
        c = self._conversation
        links, idp_id = SignInLinks(c), self._dry.provider.id

        def sign_in_url(request: Request) -> str:
            return links.login_url(request, idp_id) if idp_id else ""

        services = {}
        if c.authenticate_host:
            resources = service_host_resources(c)
            services[c.authenticate_host] = (frozenset(resources), self._tree(dict(resources), None))
        return RouteStep(
            router,
            self._tree(dict(route_host_resources(c)), sign_in_url),
            services,
            self._identify,
            self._settings.path_with_escaped_slashes_action,
        )

    def _tree(self, extra: dict[str, IResource], sign_in_url: Callable[[Request], str] | None) -> IResource:
        clock = self._parts.reactor

        return own_tree(
            jwks=self._dry.signing_keys.jwks,
            callback_url=self._conversation.provider_callback,
            user_page=UserPage(clock, sign_in_url, claims_of=self._claims_of),
            user_document=UserDocument(clock, self._claims_of),
            extra=extra,
        )

    def _claims_of(self, request: Request, identity: Identity) -> dict[str, object]:
        """What our own pages tell of a caller: no group that the routes of their host withhold."""
        return self._headers.claims(identity, self._told_groups.at(request))

    def _identify(self, request: Request, idp_id: str) -> Identity:
        """Who asks for one of our own pages: the authenticate host has a cookie of its own."""
        cookies = self._cookies
        own = request.host == self._conversation.authenticate_host
        name = cookies.authenticate_name if own else cookies.session_name(request.host)
        return self._parts.identities.from_cookies(request.head, name, request.host, "" if own else idp_id)
