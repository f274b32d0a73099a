"""The built-in steps: route, identify, authorize, forward. Normalising and stripping is done by then."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import IResource
from zope.interface import implementer

from ..authorize import Authorizer, Proof, UpstreamHeaders
from ..databroker import Mirror, StoreUnavailable
from ..model import ANONYMOUS, OWN_PATHS, Decision, Identity, Outcome, Reply, Request, Route, reserved
from ..pages import ASSET_PATHS, Detail, Way, denial_reply, local_reply, response_for, texts
from ..session import Identities
from . import failures, upgrade
from .again import without_parameters_of
from .chain import IChainStep
from .cluster import Endpoint
from .escaped_slashes import settle
from .exchange import IExchange, Respond, Rest, StepOutcome
from .forward import Forward
from .plan import RoutePlan
from .rewriting import NoHost
from .router import Router
from .serve import Serve
from .target import ASTERISK, EscapedSlashAction, HeldTarget

log = Logger("pomerium.proxy")

MAX_HEAD_MEMO = 32
"""Entries that one header block's memo may hold."""
MAX_HEAD_MEMO_BYTES = 32 * 1024
"""Bytes that its lines for upstreams may have together, all counted as long as those that are added; those of
one upstream may be longer if they are alone."""

_ABOUT_SERVER = Reply(200, ((b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),))
_ANYWHERE = ASSET_PATHS.union(("/ping", "/healthz", "/.well-known/pomerium/jwks.json"))
"""Answered at hosts of nobody's too: probes, public keys, and what the page that says 404 there is made of.
Nothing that signs anything is.
"""


@implementer(IChainStep)
class RouteStep:
    """Finds the route, or the tree of our own that answers."""

    name = "route"
    reads = ("request",)
    edits = ("request", "plan", "identity", "flag")

    def __init__(
        self,
        router: Router,
        own: IResource,
        services: Mapping[str, tuple[frozenset[str], IResource]],
        identify: Callable[[Request, str], Identity],
        escaped_slashes: EscapedSlashAction = "reject_request",
    ) -> None:
        """``services``: the authenticate service's host → (paths reserved there besides the usual, tree).

        ``identify``: who is asking on one of our own pages, given the route's provider id.
        ``escaped_slashes``: what becomes of them where no route says otherwise.
        """
        self._escaped_slashes = escaped_slashes
        self._find = router.find
        self._knows = router.knows
        self._own = own
        self._services = dict(services)
        self._identify = identify

    def advance(self, exchange: IExchange) -> StepOutcome | None:
        request = exchange.request
        target = request[3]
        if type(target) is HeldTarget:
            settled = settle(request, self._find, self._escaped_slashes)
            if isinstance(settled, Respond):
                return settled
            request = exchange.request = settled
            target = request[3]
        path = target[1]
        if request[4].host in self._services:
            paths, tree = self._services[request.host]
            if path in paths or reserved(path):
                return self._serve(exchange, tree)
        if path.startswith("/.") or path in OWN_PATHS:
            if reserved(path) and (path in _ANYWHERE or self._knows(request.head)):
                return self._serve(exchange, self._own)
        elif target is ASTERISK:
            return Respond(_ABOUT_SERVER, "direct_response")
        plan = exchange.plan = self._find(request)
        if plan is None:
            exchange.flag = "NR"
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


@implementer(IChainStep)
class IdentifyStep:
    """Finds out who is asking, from memory."""

    name = "identify"
    reads = ("request", "plan")
    edits = ("identity",)

    def __init__(self, identities: Identities, mirror: Mirror, cookie_name: Callable[[str], str]) -> None:
        """``cookie_name``: of the session, by host."""
        self._identities = identities
        self._find = identities.from_cookies
        self._mirror = mirror
        self._cookie_name = cookie_name

    def advance(self, exchange: IExchange) -> Deferred[StepOutcome | None] | StepOutcome | None:
        head = exchange.request[4]
        if head.cookie is None:
            return None
        cookie_name = self._cookie_name(head.host)
        try:
            identity = self._find(head, cookie_name, head.host, exchange.plan.route.idp_id)  # type: ignore[union-attr]  # the route step ran
        except StoreUnavailable:
            return _unavailable(exchange)
        if identity is not ANONYMOUS:
            exchange.identity = identity
            return None
        ahead = self._identities.version_ahead(head, cookie_name, head.host)
        return Deferred.fromCoroutine(self._wait(exchange, ahead)) if ahead else None

    async def _wait(self, exchange: IExchange, version: int) -> StepOutcome | None:
        """The slow way, once: a session made elsewhere will be here in a moment (spec/identity §6.6)."""
        try:
            await self._mirror.wait_for(version)
            head, plan = exchange.request.head, exchange.plan
            assert plan is not None  # noqa: S101 - the route step ran
            exchange.identity = self._find(head, self._cookie_name(head.host), head.host, plan.route.idp_id)
        except StoreUnavailable:
            return _unavailable(exchange)
        return None


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
        request, identity = exchange.request, exchange.identity
        try:
            decision = exchange.decision = self._check(request, plan.route, identity, exchange.started)
            if ";" in request[3][1] and decision.outcome is Outcome.ALLOW:
                asked = without_parameters_of(request)
                decision = exchange.decision = self._check(asked, plan.route, identity, exchange.started)
            if decision.outcome is Outcome.ALLOW:
                return None
            return Respond(self._answer(exchange, decision, plan.route), "ext_authz_denied")
        except Exception:
            # Whatever went wrong, the request is not let through.
            log.failure("authorize failed", request_id=request[0])
            return Respond(local_reply(texts.authorization_failed(), request), "ext_authz_error")

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
    """Writes the head for the upstream: what the client may say, then what we say, ours last.

    Routes without an upstream answer here.
    """

    name = "forward"
    reads = ("request", "plan", "identity")
    edits = ("body_limit",)

    def __init__(self, headers: UpstreamHeaders) -> None:
        self._headers = headers

    def advance(self, exchange: IExchange) -> StepOutcome | Rest | None:
        request = exchange.request
        plan = exchange.plan
        assert plan is not None  # noqa: S101 - the route step ran
        cluster = plan.cluster
        if plan.answer is not None or cluster is None:
            return self._answer(plan, request)
        head = request[4]
        endpoint = cluster.pick()
        target = plan.target(request)
        if target is None:
            return _rejected(request)
        # While nothing that they are made of has changed, the lines are those that this head had before.
        known = head.memo.get(endpoint)
        if known is not None and known[0] is exchange.identity and known[1] <= exchange.started < known[2]:
            lines = known[3]
        else:
            proof = self._headers.unproved(request, plan.route, exchange.identity)
            if proof is not None:
                # In rounds: 118 µs for a caller never met, 131 when each is signed between all else. A caller
                # who comes twice in one turn is proved twice.
                return Rest(
                    lambda _exchange: proof.write(),
                    lambda _exchange: proof.sign(),
                    lambda exchange: self._made(exchange, plan, endpoint, target, proof),
                )
            return self._made(exchange, plan, endpoint, target)
        return self._forward(exchange, plan, endpoint, target, lines)

    def _made(
        self,
        exchange: IExchange,
        plan: RoutePlan,
        endpoint: Endpoint,
        target: bytes,
        proof: Proof | None = None,
    ) -> StepOutcome:
        """What is made where no lines are known."""
        try:
            lines = self._lines(exchange, plan, endpoint, proof)
        except NoHost:
            return _rejected(exchange.request)
        return self._forward(exchange, plan, endpoint, target, lines)

    def _forward(
        self, exchange: IExchange, plan: RoutePlan, endpoint: Endpoint, target: bytes, lines: bytes
    ) -> StepOutcome:
        request_id, method, _scheme, _target, head, *_ = exchange.request
        if exchange.body_done and head.upgrade is None:
            framing = b"" if head.content_length is None else b"Content-Length: 0\r\n"
        else:
            framing_or_refusal = self._framing(exchange, plan)
            if not isinstance(framing_or_refusal, bytes):
                return framing_or_refusal
            framing = framing_or_refusal
        return Forward(
            endpoint,
            b"%b %b HTTP/1.1\r\n%b%bX-Request-Id: %b\r\n\r\n"
            % (method.encode(), target, lines, framing, request_id.encode()),
            upgrade=head.upgrade is not None,
        )

    def _answer(self, plan: RoutePlan, request: Request) -> StepOutcome:
        if plan.answer is None:
            raise RuntimeError("a route has neither an upstream nor an answer")
        return Respond(plan.answer(request), "direct_response")

    def _framing(self, exchange: IExchange, plan: RoutePlan) -> bytes | StepOutcome:
        """How the body or the upgrade is announced, or why it is not taken."""
        request = exchange.request
        head = request.head
        if head.upgrade is not None:
            return upgrade.refusal(request, plan.route) or upgrade.lines(request)
        limit = exchange.body_limit = plan.route.max_request_body
        if head.chunked:
            return b"Transfer-Encoding: chunked\r\n"
        if 0 < limit < (head.content_length or 0):
            failed = failures.BODY_TOO_LARGE
            return Respond(local_reply(failed.facts, request), failed.details)
        return b"Content-Length: %d\r\n" % (head.content_length or 0)

    def _lines(
        self, exchange: IExchange, plan: RoutePlan, endpoint: Endpoint, proof: Proof | None = None
    ) -> bytes:
        request, identity = exchange.request, exchange.identity
        own, since, until = self._headers.lines(request, plan.route, identity, proof)
        lines = plan.lines(request, endpoint.upstream, request.forwarded_for, own)
        memo = request.head.memo
        if not plan.lines_by_path:
            # The newest goes first: of endpoints that take turns, those that still find room then stay.
            while memo and (len(memo) >= MAX_HEAD_MEMO or (len(memo) + 1) * len(lines) > MAX_HEAD_MEMO_BYTES):
                memo.popitem()
            memo[endpoint] = (identity, since, until, lines)
        return lines


def _rejected(request: Request) -> Respond:
    facts = texts.bad_request("The rewritten path or host of this address would lead elsewhere.")
    return Respond(local_reply(facts, request), "rewritten_path_rejected")
