"""The words that the language has by itself, one module a subject, declared as a plugin declares its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..interface import ICriterion
from . import http, identity

_SUBJECTS = (http, identity)

BUILT_IN: Final[Mapping[str, ICriterion]] = MappingProxyType(
    {each.name: each for subject in _SUBJECTS for each in subject.CRITERIA}
)
"""Criteria by name."""

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
