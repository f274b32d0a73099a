"""Cases about the language itself: the kinds parse, policy, fingerprint and client_cert_validity."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from policy_grammar import Criterion, Policy, PolicySyntaxError, parse_data, to_data
from pomerium_tw.model import ClientCertificate
from pomerium_tw.policy import Environment, Evaluation, canonical_fingerprint, compile_policy
from pomerium_tw.tls import ClientCertificateVerifier

from .identity import caller
from .request import request_of
from .responses import http_status, route_policy

Case = Mapping[str, Any]
Answer = dict[str, Any]


_PARSER_ONLY = "parse-"
"""How the ids of cases begin that ask for the parser alone: their criteria are made up, and nothing else in a
case tells them from those whose criteria have to be refused."""


def parse(case: Case) -> Answer:
    """The rules as read, or at which stage they are refused."""
    try:
        policy = parse_data(case["ppl"])
    except PolicySyntaxError as error:
        return _refused("parser", error)
    if str(case["id"]).startswith(_PARSER_ONLY):
        return {"parse_error": False} | _read(policy)
    try:
        compile_policy([policy])
    except PolicySyntaxError as error:
        return _refused("criterion", error) | _read(policy)
    return {"parse_error": False} | _read(policy)


def policy(case: Case) -> Answer:
    """What a policy comes to for one request, and the status that a browser gets."""
    given = case["input"]
    try:
        written, environment = world(case)
        compiled = compile_policy([written], environment=environment)
    except PolicySyntaxError as error:
        return {"parse_error": True, "error": str(error)}
    request = request_of(given)
    found = compiled.evaluate(request, caller(given))
    return _evaluated(found) | {"parse_error": False, "http_status": http_status(found, request)}


def world(case: Case) -> tuple[Policy, Environment]:
    """The whole policy of a case of the kind policy, and what it reads besides its input.

    Raises PolicySyntaxError.
    """
    given = case["input"]
    config = dict(case.get("config") or {})
    if case["ppl"] is not None:
        config["policy"] = case["ppl"]
    authority = _authority(config)
    if authority is not None and config.get("downstream_mtls", {}).get("enforcement") != "policy":
        config["add_default_client_certificate_rule"] = True
    environment = Environment(
        now=lambda: float(given.get("now", time.time())), certificate_valid=_validity(given, authority)
    )
    return route_policy(config), environment


def fingerprint(case: Case) -> Answer:
    """A certificate's fingerprint in the one form that is compared."""
    return {"canonical": canonical_fingerprint(case["input"])}


def client_cert_validity(case: Case) -> Answer:
    """Whether a client's certificate is good, or cannot be read."""
    given = case["input"]
    verifier = _verifier(given["ca_pem"], given)
    asked = {"leaf": given["leaf_pem"], "intermediates": given["intermediates_pem"]}
    certificate = request_of({"request": {"client_certificate": asked}}).certificate
    try:
        return {"valid": verifier.valid(certificate), "error": False}
    except ValueError:
        return {"valid": False, "error": True}


ANSWERS: Mapping[str, Callable[[Case], Answer]] = MappingProxyType(
    {
        "parse": parse,
        "policy": policy,
        "fingerprint": fingerprint,
        "client_cert_validity": client_cert_validity,
    }
)
"""Kind → what answers it, with the keys that the kind's ``expect`` may hold."""


def _refused(stage: str, error: PolicySyntaxError) -> Answer:
    return {"parse_error": True, "error_stage": stage, "error": str(error)}


def _read(policy: Policy) -> Answer:
    rules = [
        {"action": rule.action}
        | {operator.kind: [_criterion(each) for each in operator.criteria] for operator in rule.operators}
        for rule in policy.rules
    ]
    return {"rules": rules, "to_json": to_data(policy)}


def _criterion(criterion: Criterion) -> dict[str, Any]:
    return {"name": criterion.name, "sub_path": criterion.sub_path, "data": criterion.data}


def _evaluated(found: Evaluation) -> Answer:
    sides = {"allow": found.allow_data, "deny": found.deny_data}
    return {
        "allow": found.allow,
        "deny": found.deny,
        "reasons": sorted(found.allow_reasons | found.deny_reasons),
        "allow_reasons": sorted(found.allow_reasons),
        "deny_reasons": sorted(found.deny_reasons),
        "additional_data": {side: dict(data) for side, data in sides.items() if data},
    }


def _authority(config: Mapping[str, Any]) -> str | None:
    """The client CA in force: the route's takes the place of the global one."""
    found: str | None = config.get("tls_downstream_client_ca_pem")
    return found or config.get("downstream_mtls", {}).get("ca_pem")


def _validity(given: Mapping[str, Any], authority: str | None) -> Callable[[ClientCertificate | None], bool]:
    if "is_valid_client_certificate" in given:
        stated = bool(given["is_valid_client_certificate"])
        return lambda _certificate: stated
    if authority is None:
        return Environment().certificate_valid
    return _verifier(authority, given).valid


def _verifier(authority: str, given: Mapping[str, Any]) -> ClientCertificateVerifier:
    matchers = given.get("san_matchers") or {}
    return ClientCertificateVerifier(
        authority.encode(),
        (given.get("crl_pem") or "").encode(),
        max_verify_depth=given.get("max_verify_depth", 0),
        subject_alt_names={kind: [pattern] for kind, pattern in matchers.items()},
        now=lambda: float(given.get("now", time.time())),
    )
