"""Deciding once more what was let through a while ago (DESIGN §7.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..authorize import Authorizer
from ..model import Identity, Outcome, Request
from ..session import Identities
from . import upgrade
from .exchange import IExchange
from .router import Router
from .target import without_parameters

if TYPE_CHECKING:
    from .generation import Generation


def without_parameters_of(request: Request) -> Request:
    """The request as upstreams see it that cut ``;x=1`` off segments: it has to be allowed too (PN-07)."""
    cut = without_parameters(request.target) if ";" in request.target.path else None
    return request if cut is None else request._replace(target=cut)


def _read_by(exchange: IExchange, generation: Generation) -> Request | None:
    """The request as ``generation`` would have read it; None where that is not known any more.

    What decided on may have been a header that another rule drops, or a path that another rule refuses, and
    the bytes of both are gone. Who asked is still known, and whom the proxies in front of us named.
    """
    request, before = exchange.request, exchange.generation
    if before is generation:
        return request
    rules = (generation.head_rules, generation.target_rules)
    if (before.head_rules, before.target_rules) != rules:
        return None
    if before.trust == generation.trust:
        return request
    peer, scheme, forwarded_for = exchange.client_by(generation.trust)
    return request._replace(peer=peer, scheme=scheme, forwarded_for=forwarded_for)


def _caller(identity: Identity) -> tuple[str, str, str]:
    """Who asks, and as whom: both end with either, an impersonation too."""
    session = identity.session
    return identity.session_id, session.id if session is not None else "", identity.user_id


class Again:
    """Looks at a request as if it came now: its route, its caller, the policy of today."""

    def __init__(
        self,
        router: Router,
        identities: Identities,
        authorizer: Authorizer,
        cookie_name: Callable[[str], str],
    ) -> None:
        """``cookie_name``: of the session, by host."""
        self._router = router
        self._identities = identities
        self._authorizer = authorizer
        self._cookie_name = cookie_name

    def allows(self, exchange: IExchange, generation: Generation) -> bool:
        """Whether it would go the same way for the same caller. The exchange stays as it is.

        ``generation``: what it would be read by. Raises StoreUnavailable when nobody can tell who is asking.
        """
        request, before = _read_by(exchange, generation), exchange.plan
        plan = None if request is None else self._router.find(request)
        if request is None or plan is None or before is None:
            return False
        # A route's id stands for its addresses too: what leads elsewhere today is another route.
        if plan.route.id != before.route.id or plan.route.escaped_slashes != before.route.escaped_slashes:
            return False
        head = request.head
        if head.upgrade is not None and upgrade.refusal(request, plan.route) is not None:
            return False
        identity = self._identities.from_cookies(
            head, self._cookie_name(head.host), head.host, plan.route.idp_id
        )
        if _caller(identity) != _caller(exchange.identity):
            return False
        asked = {id(each): each for each in (request, without_parameters_of(request))}
        decide = self._authorizer.decide
        return all(decide(each, plan.route, identity).outcome is Outcome.ALLOW for each in asked.values())
