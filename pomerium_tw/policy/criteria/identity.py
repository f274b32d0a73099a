"""Criteria on who is asking (spec/ppl §4.1 to §4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from zope.interface import implementer

from policy_grammar import Criterion
from pomerium_tw.model import Identity, ascii_domain, believable_email

from ..branches import Branch, Input, Operand, decided_signed_in
from ..errors import PolicyError
from ..interface import ICriterion
from ..matchers import LIST_MATCHER, LIST_SCHEMA, list_matcher
from .kinds import IDENTITY, Condition, Text, folded, nfc

SUBJECT: Final = Input("subject", ("identity.subject",))
EMAIL: Final = Input("email", ("identity.email",))
DOMAIN: Final = Input("domain", ("identity.domain",))


def _strict_domain(identity: Identity) -> str | None:
    email = believable_email(identity)
    return email and _folded_domain(email.partition("@")[2])


def _folded_domain(name: str) -> str:
    return ascii_domain(name).lower()


STRICT_EMAIL: Final = Input("strict_email", (Operand(believable_email), "(identity)"))
STRICT_DOMAIN: Final = Input("strict_domain", (Operand(_strict_domain), "(identity)"))
DIRECTORY: Final = Input("directory", ("identity.directory",))
GROUP_IDS: Final = Input("groups", (DIRECTORY, ".group_ids if ", DIRECTORY, " is not None else None"))
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
        values = Input("claim", (CLAIMS, ".get(", Operand(criterion.sub_path), ", ())"), inline=True)
        return decided_signed_in(
            list_matcher(folded(criterion, nfc), values), "claim-ok", "claim-unauthorized"
        )


@implementer(ICriterion)
@dataclass(frozen=True)
class Groups:
    """A list matcher on the ids of the directory groups; the claim of that name is another thing.

    Without a directory record nothing matches, not even ``exclude`` (spec/ppl §4.7).
    """

    name: str = "groups"
    accepts: ClassVar[str] = LIST_MATCHER
    schema: ClassVar[Mapping[str, Any]] = LIST_SCHEMA
    reads: frozenset[str] = IDENTITY

    def prepare(self, criterion: Criterion) -> tuple[Branch, ...]:
        when = list_matcher(criterion, GROUP_IDS, optional=True)
        return decided_signed_in(when, "groups-ok", "groups-unauthorized")


CRITERIA: Final[tuple[ICriterion, ...]] = (
    Condition(
        "authenticated_user",
        (SUBJECT, " is not None"),
        "user-ok",
        "user-unauthorized",
        IDENTITY,
        signed_in=True,
    ),
    Text("user", SUBJECT, "user", IDENTITY, optional=True),
    Text("email", EMAIL, "email", IDENTITY, fold=nfc),
    Text("domain", DOMAIN, "domain", IDENTITY, optional=True, fold=ascii_domain),
    Claim(),
    Groups(),
)

STRICT: Final[tuple[ICriterion, ...]] = (
    Text("email", STRICT_EMAIL, "email", IDENTITY, optional=True, fold=nfc),
    Text(
        "domain",
        STRICT_DOMAIN,
        "domain",
        IDENTITY,
        optional=True,
        fold=lambda name: ascii_domain(name).lower(),
    ),
)
"""What takes the place of criteria under ``strict_policy``: addresses that could mean two things, or that the
provider calls unverified, are no addresses; domains are compared without case (threats PO-03)."""
