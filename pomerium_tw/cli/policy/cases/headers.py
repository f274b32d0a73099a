"""Cases about what an upstream is told: the kinds headers, header_template and comma_list."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pomerium_tw.authorize import (
    ForwardedAssertions,
    IssuedTokens,
    UpstreamHeaders,
    comma_list,
    routing_key,
)
from pomerium_tw.config import RouteSettings, Settings
from pomerium_tw.model import Route, Secret, Template
from pomerium_tw.token import AssertionSigner, derive_signing_key

from .identity import caller, session_record
from .request import request_of

Case = Mapping[str, Any]
Answer = dict[str, Any]

_KEYS = derive_signing_key(Secret(b"policy eval"))
"""Signs what nobody is ever sent."""
_HASHED = frozenset(("ring_hash", "maglev"))
_SOMETIMES = ("X-Pomerium-Routing-Key", "X-Pomerium-Jwt-Assertion-For")
"""Headers whose absence is an answer too."""


def header_template(case: Case) -> Answer:
    """How a value is read: each of its references as its names between angle brackets."""
    return {"rendered": Template.parse(case["input"]).render(lambda names: f"<{','.join(names)}>")}


def comma_joined(case: Case) -> Answer:
    """Values as one list in a header."""
    return {"joined": comma_list(case["input"])}


def headers(case: Case) -> Answer:
    """All that the upstream is told of a caller, on a route that passes identity headers.

    Assertions of original users pass unread, as in Pomerium: cases hold no genuine ones.
    """
    given = case["input"]
    request, identity = request_of(given), caller(given)
    route = _route(given)
    settings = _settings(given)

    def now() -> float:
        return float(given.get("now", time.time()))

    built = UpstreamHeaders(
        AssertionSigner(_KEYS, now, lambda: str(uuid.uuid4())),
        settings.jwt_claims_headers,
        now,
        0,
        tokens_of=lambda _identity: _tokens(given),
        forwarded=ForwardedAssertions(_KEYS, now, unverified=True),
    )
    sent = built.headers(request, route, identity)
    told: dict[str, str | None] = {**dict.fromkeys(_SOMETIMES), **dict(sent.headers)}
    if given.get("load_balancing_policy") in _HASHED:
        told["X-Pomerium-Routing-Key"] = routing_key(identity.session_id)
    removed = 0
    if identity.directory is not None:
        groups = identity.directory.groups
        removed = len(groups) - len(identity.directory.groups_among(route.jwt_groups_filter))
    return {"headers": told, "jwt": dict(sent.payload), "removed_groups_count": removed or None}


ANSWERS: Mapping[str, Callable[[Case], Answer]] = MappingProxyType(
    {"headers": headers, "header_template": header_template, "comma_list": comma_joined}
)
"""Kind → what answers it, with the keys that the kind's ``expect`` may hold."""


def answer(case: Case) -> Answer:
    """The answer to a case of any of these kinds; KeyError for others."""
    return ANSWERS[case["kind"]](case)


def _settings(given: Case) -> Settings:
    """The top level, through the checks of a configuration."""
    named = {
        "jwt_claims_headers": "jwt_claims_headers",
        "jwt_groups_filter_global": "jwt_groups_filter",
        "jwt_issuer_format_global": "jwt_issuer_format",
    }
    return Settings.model_validate({key: given[name] for name, key in named.items() if given.get(name)})


def _route(given: Case) -> Route:
    settings = _settings(given)
    named = {
        "set_request_headers": "set_request_headers",
        "kubernetes_service_account_token": "kubernetes_service_account_token",
        "jwt_groups_filter_route": "jwt_groups_filter",
        "jwt_issuer_format_route": "jwt_issuer_format",
    }
    route = RouteSettings.model_validate({key: given[name] for name, key in named.items() if given.get(name)})
    return Route(
        "case",
        "case",
        "",
        None,
        (),
        pass_identity_headers=True,
        jwt_issuer_format=route.jwt_issuer_format or settings.jwt_issuer_format,
        jwt_groups_filter=frozenset((*settings.jwt_groups_filter, *route.jwt_groups_filter)),
        set_request_headers=route.set_request_headers,
        kubernetes_service_account_token=route.kubernetes_service_account_token,
    )


def _tokens(given: Case) -> IssuedTokens:
    record = session_record(given)
    return IssuedTokens(Secret(record.get("access_token") or ""), Secret(record.get("id_token") or ""))
