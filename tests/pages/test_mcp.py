"""What agents are told that are not let in."""

from __future__ import annotations

from typing import Any

import pytest

from pomerium_tw.model import MCPCall
from pomerium_tw.pages.mcp import call_denied_reply, unauthorized_reply

from .memory import REQUEST_ID, headers_of, incoming, json_of


@pytest.mark.parametrize(
    ("path", "metadata"),
    [
        ("/", ""),
        ("/api/mcp/v1", "/api/mcp/v1"),
        ("/mcp/", "/mcp/"),
        ("/a%20b", "/a%20b"),
        ('/a"b\\c', "/a%22b%5Cc"),
    ],
)
def test_a_client_without_a_token_learns_where_tokens_come_from(path: str, metadata: str) -> None:
    reply = unauthorized_reply(incoming(path, accept="application/json, text/event-stream"))
    assert reply.status == 401
    assert json_of(reply) == {"error": "Unauthorized", "request_id": REQUEST_ID}
    (challenge,) = [value for name, value in reply.headers if name == b"WWW-Authenticate"]
    url = f"https://app.example.com/.well-known/oauth-protected-resource{metadata}"
    assert challenge.decode() == f'Bearer resource_metadata="{url}"'


def test_pages_of_other_sites_may_read_the_answer() -> None:
    for reply in (unauthorized_reply(incoming()), call_denied_reply(incoming(), MCPCall(1, "tools/call"))):
        headers = headers_of(reply)
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers
        assert "WWW-Authenticate" in headers["access-control-expose-headers"]


@pytest.mark.parametrize("call_id", [789, "call-1", None])
def test_a_denied_call_is_an_error_of_json_rpc(call_id: Any) -> None:
    reply = call_denied_reply(incoming(accept="text/html"), MCPCall(call_id, "tools/call", "drop"))
    assert reply.status == 200
    found = json_of(reply)
    assert (found["jsonrpc"], found["id"]) == ("2.0", call_id)
    assert (found["error"]["code"], found["error"]["data"]) == (-32602, {"request_id": REQUEST_ID})
