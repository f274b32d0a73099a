"""Which fields of the logs Pomerium knows and we do not write (spec/proxy §5.7, spec/ppl §8)."""

from __future__ import annotations

from pomerium_tw.telemetry import ACCESS_FIELDS, AUTHORIZE_FIELDS

ACCESS_NOT_BUILT = frozenset({"client-certificate"}) - ACCESS_FIELDS

AUTHORIZE_NEVER = {
    "body": "is not known before the decision",
    "id-token": "would make a caller of everybody who reads the log",
}
"""Fields of the authorize log that we never write, and why."""

_HEADER = "headers."


def access_fault(name: str) -> str:
    """Why a field of the access log is left out; "" where it is written (``headers.NAME`` is)."""
    if name in ACCESS_FIELDS or (name.startswith(_HEADER) and len(name) > len(_HEADER)):
        return ""
    return "is not built yet" if name in ACCESS_NOT_BUILT else "does not exist"


def authorize_fault(name: str) -> str:
    """Why a field of the authorize log is left out; "" where it is written (``headers.NAME`` is)."""
    if name in AUTHORIZE_FIELDS or (name.startswith(_HEADER) and len(name) > len(_HEADER)):
        return ""
    return AUTHORIZE_NEVER.get(name, "does not exist")
