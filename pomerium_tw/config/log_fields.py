"""Which fields of the logs Pomerium knows and we do not write yet (spec/proxy §5.7)."""

from __future__ import annotations

from pomerium_tw.telemetry import ACCESS_FIELDS, AUTHORIZE_FIELDS

ACCESS_NOT_BUILT = frozenset({"client-certificate"}) - ACCESS_FIELDS

AUTHORIZE_NOT_BUILT = (
    frozenset(
        {
            "body",
            "envoy-route-checksum",
            "envoy-route-id",
            "headers",
            "id-token",
            "id-token-claims",
            "impersonate-email",
            "impersonate-session-id",
            "impersonate-user-id",
            "mcp-method",
            "mcp-tool",
            "mcp-tool-parameters",
            "removed-groups-count",
            "route-checksum",
            "service-account-id",
        }
    )
    - AUTHORIZE_FIELDS
)

_HEADER = "headers."


def access_fault(name: str) -> str:
    """Why a field of the access log is left out; "" where it is written (``headers.NAME`` is)."""
    if name in ACCESS_FIELDS or (name.startswith(_HEADER) and len(name) > len(_HEADER)):
        return ""
    return "is not built yet" if name in ACCESS_NOT_BUILT else "does not exist"


def authorize_fault(name: str) -> str:
    """Why a field of the authorize log is left out; "" where it is written."""
    if name in AUTHORIZE_FIELDS:
        return ""
    known = name in AUTHORIZE_NOT_BUILT or (name.startswith(_HEADER) and len(name) > len(_HEADER))
    return "is not built yet" if known else "does not exist"
