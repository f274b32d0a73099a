"""The built-in steps: route, identify, authorize, forward. Normalising and stripping is done by then."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.web.resource import IResource
from zope.interface import implementer

from ..authorize import Authorizer, UpstreamHeaders
from ..databroker import Mirror, StoreUnavailable
from ..model import ANONYMOUS, Decision, Identity, Outcome, Reply, Request, Route
from ..pages import Detail, Way, denial_reply, local_reply, response_for, texts
from ..session import Identities
from .chain import IChainStep
from .cluster import Endpoint
from .exchange import Forward, IExchange, Respond, Serve, StepOutcome
from .plan import RoutePlan
from .router import Router
from .target import ASTERISK

MAX_HEAD_MEMO = 32
"""Entries that one header block's memo may hold."""

_ABOUT_SERVER = Reply(200, ((b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),))
_OWN_PATHS = frozenset(("/ping", "/healthz", "/.pomerium", "/.well-known/pomerium"))
_OWN_PREFIXES = ("/.pomerium/", "/.well-known/pomerium/")
"""Reserved on every host of ours, whatever the routes say (spec/proxy §3.1)."""
_ANYWHERE = frozenset(("/ping", "/healthz", "/.well-known/pomerium/jwks.json"))
"""Answered at hosts of nobody's too: probes and public keys. Nothing that signs anything is."""


@implementer(IChainStep)
class RouteStep:
    """Finds the route, or the tree of our own that answers."""

    name = "route"
    reads = ("request",)
    edits = ("plan", "identity")

    def __init__(
        self,
        router: Router,
        own: IResource,
        services: Mapping[str, tuple[frozenset[str], IResource]],
        identify: Callable[[Request, str], Identity],
    ) -> None:
        """``services``: the authenticate service's host → (paths reserved there besides the usual, tree).

        ``identify``: who is asking on one of our own pages, given the route's provider id.
        """
        self._find = router.find
        self._knows = router.knows
        self._own = own
        self._services = dict(services)
        self._identify = identify

    def advance(self, exchange: IExchange) -> StepOutcome | None:
        request = exchange.request
        path = request.target.path
        service = self._services.get(request.head.host)
        if service is not None and (path in service[0] or reserved(path)):
            return self._serve(exchange, service[1])
        if path.startswith("/.") or path in _OWN_PATHS:
            if reserved(path) and (path in _ANYWHERE or self._knows(request.head)):
                return self._serve(exchange, self._own)
        elif request.target is ASTERISK:
            return Respond(_ABOUT_SERVER, "direct_response")
        plan = exchange.plan = self._find(request)
        if plan is None:
            return Respond(local_reply(texts.route_not_found(), request), "route_not_found")
        return None

    def _serve(self, exchange: IExchange, tree: IResource) -> StepOutcome:
        request = exchange.request
        plan = self._find(request)
        try:
            exchange.identity = self._identify(request, plan.route.idp_id if plan else "")
        except StoreUnavailable:
            pass  # our own pages work without: they show nobody as signed in
        return Serve(tree)


def reserved(path: str) -> bool:
    """Whether the address is one of ours on every host, whatever the routes say."""
    return path in _OWN_PATHS or path.startswith(_OWN_PREFIXES)


@implementer(IChainStep)
class IdentifyStep:
    """Finds out who is asking, from memory."""

    name = "identify"
    reads = ("request", "plan")
    edits = ("identity",)

    def __init__(self, identities: Identities, mirror: Mirror, cookie_name: str) -> None:
        self._identities = identities
        self._mirror = mirror
        self._cookie_name = cookie_name

    def advance(self, exchange: IExchange) -> Deferred[StepOutcome | None] | StepOutcome | None:
        refusal = self._look_up(exchange)
        if exchange.identity is ANONYMOUS and refusal is None and exchange.request.head.cookie is not None:
            head = exchange.request.head
            ahead = self._identities.version_ahead(head, self._cookie_name, head.host)
            if ahead:
                return Deferred.fromCoroutine(self._wait(exchange, ahead))
        return refusal

    def _look_up(self, exchange: IExchange) -> StepOutcome | None:
        plan = exchange.plan
        assert plan is not None  # noqa: S101 - the route step ran
        head = exchange.request.head
        try:
            exchange.identity = self._identities.from_cookies(
                head, self._cookie_name, head.host, plan.route.idp_id
            )
        except StoreUnavailable:
            return _unavailable(exchange)
        return None

    async def _wait(self, exchange: IExchange, version: int) -> StepOutcome | None:
        """The slow way, once: a session made elsewhere will be here in a moment (spec/identity §6.6)."""
        try:
            await self._mirror.wait_for(version)
        except StoreUnavailable:
            return _unavailable(exchange)
        return self._look_up(exchange)


def _unavailable(exchange: IExchange) -> StepOutcome:
    return Respond(local_reply(texts.store_unavailable(), exchange.request), "databroker_unavailable")


BeginSignIn = Callable[[Request, str], Reply]
"""Sends an anonymous browser off to sign in: (request, provider id) → redirect."""
LoginURL = Callable[[Request, str], str]
"""Where a program may send its user to sign in."""
BeginStepUp = Callable[[Request, str, str], Reply]
"""Sends a browser off to register its device: (request, provider id, type of device) → redirect."""


@implementer(IChainStep)
class AuthorizeStep:
    """Decides, and answers unless the decision is to let the request through."""

    name = "authorize"
    reads = ("request", "plan", "identity")
    edits = ("decision",)

    def __init__(
        self,
        authorizer: Authorizer,
        begin_sign_in: BeginSignIn,
        login_url: LoginURL,
        begin_step_up: BeginStepUp | None = None,
    ) -> None:
        """``begin_step_up``: None where no page registers devices; whoever needs one is then denied."""
        self._check = authorizer.check
        self._begin_sign_in = begin_sign_in
        self._login_url = login_url
        self._begin_step_up = begin_step_up

    def advance(self, exchange: IExchange) -> StepOutcome | None:
        plan = exchange.plan
        assert plan is not None  # noqa: S101 - the route step ran
        decision = exchange.decision = self._check(exchange.request, plan.route, exchange.identity)
        if decision.outcome is Outcome.ALLOW:
            return None
        return Respond(self._answer(exchange, decision, plan.route), "ext_authz_denied")

    def _answer(self, exchange: IExchange, decision: Decision, route: Route) -> Reply:
        request, idp_id = exchange.request, route.idp_id
        details = _details(decision, route)
        response = response_for(
            decision,
            request,
            identity=exchange.identity,
            details=details,
            login_url=lambda: self._login_url(request, idp_id),
        )
        if isinstance(response, Reply):
            return response
        if response is Way.SIGN_IN:
            return self._begin_sign_in(request, idp_id)
        if response is Way.STEP_UP and self._begin_step_up is not None:
            return self._begin_step_up(request, idp_id, decision.device_type)
        # Only an allowing decision leads to the upstream: what else may pass is a page of ours, and those
        # are served before a route is sought.
        return denial_reply(texts.device_not_registered(details), request)


def _details(decision: Decision, route: Route) -> tuple[Detail, ...]:
    """Why, for routes that show it."""
    if not route.show_error_details:
        return ()
    reasons = decision.deny_reasons if decision.deny else decision.allow_reasons
    return tuple(Detail(route.id, reason) for reason in sorted(reasons))


@implementer(IChainStep)
class ForwardStep:
    """Writes the head for the upstream: what the client may say, then what we say, ours last."""

    name = "forward"
    reads = ("request", "plan", "identity")
    edits = ()

    def __init__(self, headers: UpstreamHeaders, *, keep_forwarded_for: bool) -> None:
        """``keep_forwarded_for``: pass on what the client sent, for a trusted proxy in front of us."""
        self._identity_lines = headers.lines
        self._keep = keep_forwarded_for

    def advance(self, exchange: IExchange) -> StepOutcome | None:
        plan = exchange.plan
        assert plan is not None  # noqa: S101 - the route step ran
        request = exchange.request
        endpoint = plan.cluster.pick()
        target = plan.target(request)
        if target is None:
            facts = texts.bad_request("The rewritten path of this address would lead elsewhere.")
            return Respond(local_reply(facts, request), "rewritten_path_rejected")
        lines = self._lines(request, plan, endpoint, exchange.identity)
        head = request.head
        framing = b""
        if head.chunked:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif head.content_length is not None:
            framing = b"Content-Length: %d\r\n" % head.content_length
        return Forward(
            plan.cluster.name,
            endpoint,
            b"%b %b HTTP/1.1\r\n%b%bX-Request-Id: %b\r\n\r\n"
            % (request.method.encode(), target, lines, framing, request.id.encode()),
        )

    def _lines(self, request: Request, plan: RoutePlan, endpoint: Endpoint, identity: Identity) -> bytes:
        """The header lines, from the head's memo while nothing that they are made of has changed."""
        identity_lines = self._identity_lines(request, plan.route, identity)
        memo = request.head.memo
        found = memo.get(endpoint)
        if found is not None and found[0] is identity_lines:
            remembered: bytes = found[1]
            return remembered
        lines = plan.lines(request, endpoint.upstream, self._forwarded_for(request), identity_lines)
        if len(memo) >= MAX_HEAD_MEMO:
            memo.clear()
        memo[endpoint] = (identity_lines, lines)
        return lines

    def _forwarded_for(self, request: Request) -> bytes:
        """The peer. What an untrusted client says of itself is not passed on (spec/threats HS-10)."""
        sent = request.head.get(b"x-forwarded-for") if self._keep else None
        return sent or request.peer.address.encode()
