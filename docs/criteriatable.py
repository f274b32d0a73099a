"""Sphinx directive that writes the table of criteria from the code; each of them needs a line here."""

from __future__ import annotations

from keytable import FromCode, code, table

from policy_grammar import Criterion
from pomerium_tw.policy import BUILT_IN, ICriterion

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB" + "A" * 42

SAYS: dict[str, tuple[object, str]] = {
    "accept": (True, "always: for everybody, without signing in"),
    "authenticated_user": (True, "the session has a user id"),
    "claim": ("a", "the claim NAME of `claim/NAME` meets the matcher"),
    "client_certificate": ({"san_dns": "a"}, "the presented certificate meets every condition, good or not"),
    "cors_preflight": (
        True,
        "method `OPTIONS`, headers `Access-Control-Request-Method` and `Origin` not empty",
    ),
    "date": ({"after": "2026-01-01"}, "the request comes between the two"),
    "day_of_week": ("*", "today is one of the days"),
    "device": ({"approved": True}, "the session's first device of the type meets every condition"),
    "domain": ("a", "the part of the e-mail address behind its first `@` (and before a second one)"),
    "email": ("a", "the e-mail address: the directory's if it has one, else the user's, else empty"),
    "groups": ("a", "ids of the groups in the user's directory record; never names, never a claim"),
    "http_method": ("a", "the method"),
    "http_path": ("a", "the normalised path, percent-decoded once, without the query"),
    "invalid_client_certificate": (True, "a client CA is configured and no good certificate was presented"),
    "mcp_tool": ("a", "the tool that an MCP request calls (method `tools/call`)"),
    "pomerium_routes": (
        True,
        "the path is under `/.pomerium/`; such requests are answered before any policy is asked",
    ),
    "record": ({"type": "a", "exists": True}, "the caller's record of that type meets every operator"),
    "reject": (True, "never"),
    "source_ip": ("192.0.2.1", "the address of the direct peer is in one of the networks"),
    "ssh_ca": (_KEY, "the key is a user certificate of one of these authorities, and names the user"),
    "ssh_publickey": (_KEY, "the key is one of these; comments do not count"),
    "ssh_username": ("a", "the SSH user name; empty where there is none"),
    "ssh_username_matches_claim": ("a", "the SSH user name is among the values of that claim"),
    "ssh_username_matches_email": (
        True,
        "the SSH user name is the e-mail address up to its first `@`",
    ),
    "time_of_day": ({"timezone": "UTC", "after": "8:00"}, "the wall clock of the zone shows a time between"),
    "user": ("a", "the user id of the session"),
}
"""Criterion → data that it takes, and when it holds (of a matcher: what it looks at)."""

LINKED = {
    BUILT_IN["user"].accepts: "[string matcher](#string-matcher)",
    BUILT_IN["groups"].accepts: "[list matcher](#list-matcher)",
    BUILT_IN["accept"].accepts: "not used",
}
"""What many criteria accept, shorter."""


class CriteriaTable(FromCode):
    """``{criteriatable}``: every built-in criterion."""

    def markdown(self) -> list[str]:
        rows = [self._row(name, criterion) for name, criterion in sorted(BUILT_IN.items())]
        return table(["criterion", "data", "holds if", "reads", "reasons: true · false"], rows)

    @staticmethod
    def _row(name: str, criterion: ICriterion) -> list[str]:
        data, says = SAYS[name]
        branches = criterion.prepare(Criterion(name, "a" if name == "claim" else "", data))
        reasons = {
            value: ", ".join(code(each.reason) for each in branches if each.value is value) or "–"
            for value in (True, False)
        }
        shown = f"{name}/NAME" if name == "claim" else name
        reads = ", ".join(code(each) for each in sorted(criterion.reads))
        accepts = LINKED.get(criterion.accepts, criterion.accepts)
        return [code(shown), accepts, says, reads or "–", f"{reasons[True]} · {reasons[False]}"]


def setup(app: object) -> dict[str, bool]:
    app.add_directive("criteriatable", CriteriaTable)  # type: ignore[attr-defined]
    return {"parallel_read_safe": True}
