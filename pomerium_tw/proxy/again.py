"""Deciding once more what was let through a while ago (DESIGN §7.7)."""

from __future__ import annotations

from ..authorize import Authorizer
from ..model import Outcome, Request
from ..session import Identities
from . import upgrade
from .exchange import IExchange
from .router import Router
from .target import without_parameters


def without_parameters_of(request: Request) -> Request:
    """The request as upstreams see it that cut ``;x=1`` off segments: it has to be allowed too (PN-07)."""
    cut = without_parameters(request.target) if ";" in request.target.path else None
    return request if cut is None else request._replace(target=cut)


class Again:
    """Looks at a request as if it came now: its route, its caller, the policy of today."""

    def __init__(
        self, router: Router, identities: Identities, authorizer: Authorizer, cookie_name: str
    ) -> None:
        self._router = router
        self._identities = identities
        self._authorizer = authorizer
        self._cookie_name = cookie_name

    def allows(self, exchange: IExchange) -> bool:
        """Whether it would go the same way for the same session. The exchange stays as it is.

        Raises StoreUnavailable when nobody can tell who is asking.
        """
        request, before = exchange.request, exchange.plan
        plan = self._router.find(request)
        # A route's id stands for its addresses too: what leads elsewhere today is another route.
        if plan is None or before is None or plan.route.id != before.route.id:
            return False
        head = request.head
        if head.upgrade is not None and upgrade.refusal(request, plan.route) is not None:
            return False
        identity = self._identities.from_cookies(head, self._cookie_name, head.host, plan.route.idp_id)
        if identity.session_id != exchange.identity.session_id:
            return False
        asked = {id(each): each for each in (request, without_parameters_of(request))}
        decide = self._authorizer.decide
        return all(decide(each, plan.route, identity).outcome is Outcome.ALLOW for each in asked.values())
