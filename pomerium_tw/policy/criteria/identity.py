"""Criteria on who is asking (spec/ppl §4.1 to §4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final

from zope.interface import implementer

from policy_grammar import Criterion
from pomerium_tw.model import Identity, ascii_domain, believable_email

from ..branches import Branch, Input, Operand, decided_signed_in
from ..errors import PolicyError
from ..interface import ICriterion
from ..matchers import LIST_MATCHER, LIST_SCHEMA, list_matcher
from .kinds import IDENTITY, Condition, Path, Text, folded, in_normal_form

SUBJECT: Final = Input("subject", ("identity.subject",))
EMAIL: Final = Input("email", ("identity.email",))
DOMAIN: Final = Input("domain", ("identity.domain",))


def _strict_domain(identity: Identity) -> str | None:
    domain = identity.domain if believable_email(identity) is not None else None
    return domain and domain.lower()


_CUT: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {"starts_with": (-1,), "ends_with": (0,), "contains": (0, -1)}
)
"""Which labels of an operand may be parts of a caller's: ``xn--…`` of a part is not in that of the whole."""


def _in_ascii(criterion: Criterion, path: Path, name: str) -> str:
    """A domain, or part of one, as the DNS spells it. Raises PolicyError where it could never match."""
    spelled = ascii_domain(name, valid=True)
    if not spelled.isascii():
        message = f"a text of {criterion.key} is no name that the DNS knows: it has no xn-- form"
        raise PolicyError(message, criterion.where(*path), "write the xn-- form if there is such a domain")
    labels = name.split(".")
    if path and any(not labels[end].isascii() for end in _CUT.get(str(path[0]), ())):
        message = (
            f"{path[0]} of {criterion.key} may cut a label that is not ASCII: such a label has to be whole"
        )
        hint = "put a dot where the label ends, or write its xn-- form"
        raise PolicyError(message, criterion.where(*path), hint)
    return spelled


def _in_lower_ascii(criterion: Criterion, path: Path, name: str) -> str:
    return _in_ascii(criterion, path, name).lower()


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
            list_matcher(folded(criterion, in_normal_form), values), "claim-ok", "claim-unauthorized"
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
    Text("email", EMAIL, "email", IDENTITY, fold=in_normal_form),
    Text("domain", DOMAIN, "domain", IDENTITY, optional=True, fold=_in_ascii),
    Claim(),
    Groups(),
)

STRICT: Final[tuple[ICriterion, ...]] = (
    Text("email", STRICT_EMAIL, "email", IDENTITY, optional=True, fold=in_normal_form),
    Text(
        "domain",
        STRICT_DOMAIN,
        "domain",
        IDENTITY,
        optional=True,
        fold=_in_lower_ascii,
    ),
)
"""What takes the place of criteria under ``strict_policy``: addresses that could mean two things, or that the
provider calls unverified, are no addresses; domains are compared without case (threats PO-03)."""
