"""The authorize step carries decisions out, and only an allowing one lets a request through."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pomerium_tw.authorize import decide
from pomerium_tw.model import ANONYMOUS, Decision, Reply, Request, Route, redirect
from pomerium_tw.policy import Evaluation
from pomerium_tw.proxy import AuthorizeStep, Respond
from tests.pages.memory import BROWSER, headers_of, incoming

SIGN_IN = "https://authenticate.test/.pomerium/sign_in"
REGISTER = "https://authenticate.test/.pomerium/webauthn"


def decision(*why: str, allow: bool = False, device_type: str = "") -> Decision:
    data = {"device_type": device_type} if device_type else {}
    return decide(Evaluation(allow, frozenset(why), False, frozenset(), data))


class Step:
    """A step whose policy has always decided the same."""

    def __init__(self, decided: Decision, *, registers: bool = False, **route: Any) -> None:
        authorizer: Any = SimpleNamespace(check=lambda _request, _route, _identity, _now: decided)
        self.route = Route("r1", "r1", "app.example.com", None, (), idp_id="idp", **route)
        self.step = AuthorizeStep(
            authorizer,
            lambda _request, idp: redirect(f"{SIGN_IN}?{idp}"),
            lambda _request, _idp: SIGN_IN,
            self._register if registers else None,
        )

    def _register(self, _request: Request, idp_id: str, device_type: str) -> Reply:
        return redirect(f"{REGISTER}?{idp_id}&{device_type}")

    def answer(self, request: Request) -> Reply | None:
        exchange: Any = SimpleNamespace(
            request=request,
            plan=SimpleNamespace(route=self.route),
            identity=ANONYMOUS,
            decision=None,
            started=0.0,
        )
        outcome = self.step.advance(exchange)
        assert exchange.decision is not None
        if outcome is None:
            return None
        assert isinstance(outcome, Respond)
        assert outcome.details == "ext_authz_denied"
        return outcome.reply

    def reply(self, request: Request) -> Reply:
        found = self.answer(request)
        assert found is not None
        return found


PAGE = incoming("/x", accept=BROWSER)
NO_DEVICE = decision("device-unauthenticated", device_type="enclave_only")


def test_what_is_allowed_goes_on() -> None:
    assert Step(decision("accept", allow=True)).answer(PAGE) is None


def test_browsers_are_sent_to_sign_in_with_the_provider_of_the_route() -> None:
    reply = Step(decision("user-unauthenticated")).reply(PAGE)
    assert (reply.status, headers_of(reply)["location"]) == (302, f"{SIGN_IN}?idp")


def test_browsers_are_sent_to_register_the_type_of_device_that_is_asked_for() -> None:
    reply = Step(NO_DEVICE, registers=True).reply(PAGE)
    assert (reply.status, headers_of(reply)["location"]) == (302, f"{REGISTER}?idp&enclave_only")


def test_where_no_device_can_be_registered_the_denial_says_so() -> None:
    reply = Step(NO_DEVICE).reply(PAGE)
    assert reply.status == 450
    assert b"cannot be registered" in reply.body
    assert "location" not in headers_of(reply)


@pytest.mark.parametrize("registers", [False, True])
@pytest.mark.parametrize("path", ["/.pomerium/webauthn", "/.pomerium/device-enrolled"])
def test_paths_of_the_registration_lead_to_no_upstream(path: str, registers: bool) -> None:
    assert Step(NO_DEVICE, registers=registers).reply(incoming(path, accept=BROWSER)).status == 450


def test_programs_are_told_401() -> None:
    for why in ("user-unauthenticated", "device-unauthenticated"):
        assert Step(decision(why), registers=True).reply(incoming(accept="application/json")).status == 401


@pytest.mark.parametrize(("shown", "found"), [(True, 1), (False, 0)])
@pytest.mark.parametrize("why", ["email-unauthorized", "device-unauthenticated"])
def test_reasons_are_shown_where_the_route_says_so(why: str, shown: bool, found: int) -> None:
    reply = Step(decision(why), show_error_details=shown).reply(PAGE)
    assert reply.body.count(why.encode()) == found
