"""Criteria on who is asking (spec/ppl §4.1 to §4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from zope.interface import implementer

from policy_grammar import Criterion

from ..branches import Branch, Input, Operand, decided_signed_in
from ..errors import PolicyError
from ..interface import ICriterion
from ..matchers import LIST_MATCHER, LIST_SCHEMA, list_matcher
from .kinds import IDENTITY, Condition, Text

USER_ID: Final = Input("user_id", ("identity.user_id or None",))
EMAIL: Final = Input("email", ("identity.email",))
DOMAIN: Final = Input("domain", (EMAIL, ".split('@', 2)[1] if '@' in ", EMAIL, " else None"))
"""The second piece of the e-mail address split at ``@``; None when there is no ``@``."""
CLAIMS: Final = Input("claims", ("identity.claims",))


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
    reads: frozenset[str] = IDENTITY

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        if not criterion.sub_path:
            raise PolicyError(
                "claim names no claim", criterion.span, "write claim/NAME, such as claim/groups"
            )
        values = Input("claim", (CLAIMS, ".get(", Operand(criterion.sub_path), ", ())"))
        return decided_signed_in(list_matcher(criterion, values), "claim-ok", "claim-unauthorized")


CRITERIA: Final[tuple[ICriterion, ...]] = (
    Condition(
        "authenticated_user",
        (USER_ID, " is not None"),
        "user-ok",
        "user-unauthorized",
        IDENTITY,
        signed_in=True,
    ),
    Text("user", USER_ID, "user", IDENTITY, optional=True),
    Text("email", EMAIL, "email", IDENTITY),
    Text("domain", DOMAIN, "domain", IDENTITY, optional=True),
    Claim(),
)
