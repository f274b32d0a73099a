"""The criteria of spec/ppl §4.2 that need nothing but a request and an identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final

from zope.interface import implementer

from policy_grammar import Criterion

from .branches import Branch, Expression, Input, Operand, decided, decided_signed_in
from .errors import PolicyError
from .interface import ICriterion
from .matchers import LIST_MATCHER, LIST_SCHEMA, STRING_MATCHER, STRING_SCHEMA, list_matcher, string_matcher

UNUSED: Final = "any data; it is not used"
ANYTHING: Final[Mapping[str, Any]] = MappingProxyType({})

METHOD: Final = Input("method", ("request.method",))
PATH: Final = Input("path", ("request.target.path",))
HEAD: Final = Input("head", ("request.head",))
USER_ID: Final = Input("user_id", ("identity.user_id or None",))
EMAIL: Final = Input("email", ("identity.email",))
DOMAIN: Final = Input("domain", (EMAIL, ".split('@', 2)[1] if '@' in ", EMAIL, " else None"))
"""The second piece of the e-mail address split at ``@``; None when there is no ``@``."""
CLAIMS: Final = Input("claims", ("identity.claims",))

_IDENTITY: Final = frozenset({"identity"})


@implementer(ICriterion)
@dataclass(frozen=True)
class Fixed:
    """``accept`` and ``reject``: one answer, whatever the request."""

    name: str
    value: bool
    reason: str
    accepts: ClassVar[str] = UNUSED
    schema: ClassVar[Mapping[str, Any]] = ANYTHING
    reads: frozenset[str] = frozenset()

    def prepare(self, _criterion: Criterion) -> tuple[Branch, ...]:
        return (Branch(None, self.value, self.reason),)


@implementer(ICriterion)
@dataclass(frozen=True)
class Condition:
    """One condition without data."""

    name: str
    when: Expression
    ok: str
    failed: str
    reads: frozenset[str]
    signed_in: bool = False
    accepts: ClassVar[str] = UNUSED
    schema: ClassVar[Mapping[str, Any]] = ANYTHING

    def prepare(self, _criterion: Criterion) -> tuple[Branch, ...]:
        decide = decided_signed_in if self.signed_in else decided
        return decide(self.when, self.ok, self.failed)


@implementer(ICriterion)
@dataclass(frozen=True)
class Text:
    """A string matcher on one text of the request or the identity."""

    name: str
    left: Input
    reasons: str
    """``X`` of the reasons ``X-ok`` and ``X-unauthorized``."""
    reads: frozenset[str]
    optional: bool = False
    """The text may be undefined."""
    accepts: ClassVar[str] = STRING_MATCHER
    schema: ClassVar[Mapping[str, Any]] = STRING_SCHEMA

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        when = string_matcher(criterion, self.left, optional=self.optional)
        decide = decided_signed_in if self.reads == _IDENTITY else decided
        return decide(when, f"{self.reasons}-ok", f"{self.reasons}-unauthorized")


@implementer(ICriterion)
@dataclass(frozen=True)
class Claim:
    """``claim/NAME``: a list matcher on the values of one claim.

    Stored claims are flat, so only the exact name finds one: the nested look-up that Pomerium tries next
    (spec/ppl §4.3) has nothing to find in them.
    """

    name: str = "claim"
    accepts: ClassVar[str] = LIST_MATCHER
    schema: ClassVar[Mapping[str, Any]] = LIST_SCHEMA
    reads: frozenset[str] = _IDENTITY

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        if not criterion.sub_path:
            raise PolicyError(
                "claim names no claim", criterion.span, "write claim/NAME, such as claim/groups"
            )
        values = Input("claim", (CLAIMS, ".get(", Operand(criterion.sub_path), ", ())"))
        return decided_signed_in(list_matcher(criterion, values), "claim-ok", "claim-unauthorized")


_CORS_PREFLIGHT: Final[Expression] = (
    METHOD, " == ", Operand("OPTIONS"),
    " and ", HEAD, ".get(", Operand(b"access-control-request-method"), ")",
    " and ", HEAD, ".get(", Operand(b"origin"), ")",
)  # fmt: skip

_ALL: Final[tuple[ICriterion, ...]] = (
    Fixed("accept", True, "accept"),
    Fixed("reject", False, "reject"),
    Condition(
        "authenticated_user",
        (USER_ID, " is not None"),
        "user-ok",
        "user-unauthorized",
        _IDENTITY,
        signed_in=True,
    ),
    Text("user", USER_ID, "user", _IDENTITY, optional=True),
    Text("email", EMAIL, "email", _IDENTITY),
    Text("domain", DOMAIN, "domain", _IDENTITY, optional=True),
    Claim(),
    Text("http_method", METHOD, "http-method", frozenset({"method"})),
    Text("http_path", PATH, "http-path", frozenset({"path"})),
    Condition(
        "cors_preflight",
        _CORS_PREFLIGHT,
        "cors-request",
        "non-cors-request",
        frozenset({"method", "headers"}),
    ),
)

BUILT_IN: Final[Mapping[str, ICriterion]] = MappingProxyType({each.name: each for each in _ALL})
"""Criteria by name, declared as a plugin declares its own."""

NOT_BUILT: Final = frozenset(
    {
        "client_certificate",
        "date",
        "day_of_week",
        "device",
        "groups",
        "invalid_client_certificate",
        "mcp_tool",
        "pomerium_routes",
        "record",
        "source_ip",
        "ssh_ca",
        "ssh_publickey",
        "ssh_username",
        "ssh_username_matches_claim",
        "ssh_username_matches_email",
        "time_of_day",
    }
)
"""Words of Pomerium's language that are known and not built yet: a policy that uses one does not load."""
