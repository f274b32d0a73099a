"""What is asked of every engine: three policies, and requests that each of them allows and denies."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

from policy_grammar import Policy, parse_data
from pomerium_tw.model import (
    ANONYMOUS,
    Head,
    Identity,
    Peer,
    Request,
    Session,
    Target,
    User,
    flatten_claims,
)
from pomerium_tw.policy import compile_policy

RING = 256
"""Unlike requests of one outcome; an engine meets the same one again only after all others."""

Asked = Mapping[str, Any]
"""One request as plain data: method, path, and user with id, email and claims, or None for nobody."""

OUTCOMES: Final = ("allow", "deny")

_SEED = 20250101
_SEARCHED = 100_000
"""Requests looked at for a ring of each outcome."""
_METHODS = ("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE")
_TEAMS = tuple(f"team-{number:02}" for number in range(15))
_DEPARTMENTS = ("sales", "finance", "legal", "people", "research", "support")
_PARTNERS = ("partner.example.net", "supplier.example.org", "audit.example.com", "agency.example")
_GUESTS = tuple(f"guest-{number:02}@visitors.example" for number in range(20))
_ROBOTS = ("api-access", *(f"robot-{number}" for number in range(1, 10)))
_BLOCKED = ("00u000007", "00u00000d", "00u000013")
_AREAS = ("/admin", "/internal/metrics", "/api/v2/keys")


def policies() -> dict[int, Policy]:
    """Number of criteria → policy."""
    return {size: parse_data(data, name=f"of-{size}") for size, data in _written().items()}


def large_policy(rules: int = 1000) -> Policy:
    """For the time to load: rules of one to four criteria, no two alike."""
    return parse_data([_large_rule(number) for number in range(rules)], name="large")


def requests() -> Iterator[Asked]:
    """Requests without end, the same in every run; no two are equal."""
    dice = random.Random(_SEED)
    callers: list[Mapping[str, Any] | None] = [*users(), *[None] * 10]
    number = 0
    while True:
        number += 1
        yield {"method": dice.choice(_METHODS), "path": _path(dice, number), "user": dice.choice(callers)}


def rings(policy: Policy) -> dict[str, list[Asked]]:
    """Outcome → ``RING`` unlike requests that our engine answers so. Raises ValueError if there are fewer."""
    evaluate = compile_policy([policy]).evaluate
    found: dict[str, list[Asked]] = {outcome: [] for outcome in OUTCOMES}
    for asked in itertools.islice(requests(), _SEARCHED):
        said = evaluate(*values(asked))
        ring = found["allow" if said.allow and not said.deny else "deny"]
        if len(ring) < RING:
            ring.append(asked)
        elif all(len(each) == RING for each in found.values()):
            return found
    raise ValueError(f"{policy.name} allows or denies too few requests")


def values(asked: Asked) -> tuple[Request, Identity]:
    """Our values from plain data, by their public constructors."""
    path = asked["path"]
    head = Head(host="app.example.com", port=None, fields=(), passed=b"")
    target = Target(path.encode(), path, None)
    request = Request("id", asked["method"], "https", target, head, Peer("192.0.2.1", 4000))
    if (user := asked["user"]) is None:
        return request, ANONYMOUS
    session = Session("session", user["id"], "idp", 0.0, 3600.0)
    claims = flatten_claims(user["claims"])
    return request, Identity(session, User(user["id"], "", user["email"], claims))


def users() -> list[Mapping[str, Any]]:
    """Everybody who may ask: employees, partners, guests and programs."""
    dice = random.Random(_SEED)
    domains = ("example.com",) * 4 + (*_PARTNERS, "elsewhere.example")
    people = [f"person{number}@{dice.choice(domains)}" for number in range(44)]
    known = [(f"00u{number:06x}", email) for number, email in enumerate([*people, *_GUESTS])]
    return [
        {
            "id": user_id,
            "email": email,
            "claims": {
                "groups": dice.sample((*_TEAMS, "engineering", "admins", "on-call"), dice.randrange(1, 5)),
                "department": [dice.choice(_DEPARTMENTS)],
            },
        }
        for user_id, email in [*known, *((robot, "") for robot in _ROBOTS)]
    ]


def _path(dice: random.Random, number: int) -> str:
    folders = (
        "/public",
        "/dashboard",
        f"/teams/{dice.choice(_TEAMS)}",
        f"/reports/{dice.choice(_DEPARTMENTS)}",
        dice.choice(_AREAS),
    )
    return f"{dice.choice(folders)}/items/{number}"


def _written() -> dict[int, list[dict[str, Any]]]:
    """The policies as people write them, in Pomerium's form."""
    domain = {"domain": {"is": "example.com"}}
    ten: list[dict[str, Any]] = [
        {"allow": {"or": [domain, {"user": "api-access"}, {"claim/groups": {"has": "engineering"}}]}},
        {"allow": {"and": [{"http_method": {"in": ["GET", "HEAD"]}}, {"http_path": _below("/public/")}]}},
        {"allow": {"and": [{"email": _GUESTS[0]}, {"http_path": _below("/dashboard/")}]}},
        {"deny": {"and": [{"http_path": _below("/admin")}, {"claim/groups": {"exclude": "admins"}}]}},
        {"deny": {"or": [{"http_method": {"is": "TRACE"}}]}},
    ]
    teams = [
        {
            "allow": {
                "and": [
                    {"claim/groups": {"has": team}},
                    {"http_path": _below(f"/teams/{team}/")},
                    {"http_method": {"in": ["GET", "HEAD", "POST"]}},
                ]
            }
        }
        for team in _TEAMS
    ]
    listed = [
        *({"email": {"is": guest}} for guest in _GUESTS),
        *({"user": {"is": robot}} for robot in _ROBOTS),
        *({"domain": {"is": partner}} for partner in _PARTNERS),
    ]
    reports = [
        {"allow": {"and": [{"claim/department": {"has": name}}, {"http_path": _below(f"/reports/{name}/")}]}}
        for name in _DEPARTMENTS
    ]
    guarded = [
        {"deny": {"and": [{"http_path": _below(area)}, {"claim/groups": {"exclude": "admins"}}]}}
        for area in _AREAS
    ]
    blocked = {"deny": {"or": [{"user": {"is": user}} for user in _BLOCKED]}}
    hundred: list[dict[str, Any]] = [*teams, {"allow": {"or": listed}}, *reports, *guarded, blocked]
    return {1: [{"allow": {"or": [domain]}}], 10: ten, 100: hundred}


def _below(path: str) -> dict[str, str]:
    return {"starts_with": path}


def _large_rule(number: int) -> dict[str, Any]:
    area = {"http_path": _below(f"/areas/{number}/")}
    forms = (
        {"allow": {"and": [{"claim/groups": {"has": f"group-{number}"}}, area, {"http_method": "GET"}]}},
        {"allow": {"or": [{"email": f"p{number}-{each}@example.com"} for each in range(4)]}},
        {"deny": {"and": [{"claim/groups": {"exclude": f"group-{number}"}}, area]}},
        {"allow": {"or": [{"domain": f"d{number}.example"}]}},
    )
    return forms[number % len(forms)]
