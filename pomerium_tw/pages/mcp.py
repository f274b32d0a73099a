"""How agents learn that they are not let in: answers of MCP server routes (spec/ppl §6)."""

from __future__ import annotations

from urllib.parse import quote

from ..model import MCPCall, Reply, Request
from . import texts
from .errors import denial_reply
from .render import Headers, json_reply

METADATA_PATH = "/.well-known/oauth-protected-resource"
"""Where a client finds who issues tokens for a resource, the resource's path after it (RFC 9728 §3.1)."""

INVALID_PARAMETERS = -32602
"""The JSON-RPC error of a call that was understood and is not carried out (JSON-RPC 2.0 §5.1)."""

CORS: Headers = (
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Access-Control-Allow-Methods", b"GET, POST, DELETE, OPTIONS"),
    (
        b"Access-Control-Allow-Headers",
        b"Accept, Authorization, Content-Type, Last-Event-ID, MCP-Protocol-Version, Mcp-Session-Id",
    ),
    (b"Access-Control-Expose-Headers", b"Mcp-Session-Id, WWW-Authenticate"),
)
"""Agents in browsers may read the answer. It is about no cookie: such a route is reached by bearer tokens."""

_URL_CHARACTERS = "%!$&'()*+,-./:;=@_~[]"
"""What stays as it is in the URL; a quotation mark would end the parameter that holds it."""


def unauthorized_reply(request: Request) -> Reply:
    """401 that says where the route's tokens come from; a client with none begins there."""
    path = request.target.raw_path.decode("ascii")
    about = METADATA_PATH if path == "/" else METADATA_PATH + path
    metadata = quote(f"https://{request.authority}{about}", safe=_URL_CHARACTERS)
    challenge = (b"WWW-Authenticate", f'Bearer resource_metadata="{metadata}"'.encode("ascii"))
    return denial_reply(texts.mcp_sign_in(), request, (challenge, *CORS))


def call_denied_reply(request: Request, call: MCPCall) -> Reply:
    """The JSON-RPC error of a call that the policy denies; HTTP itself went well."""
    error = {
        "code": INVALID_PARAMETERS,
        "message": "the policy does not allow this call",
        "data": {"request_id": request.id},
    }
    return json_reply({"jsonrpc": "2.0", "id": call.id, "error": error}, headers=CORS)
