"""What a reader says that it understood: one line of JSON for each whole request.

Runs inside the readers' processes too, so it imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

VARIABLE = "READINGS"
"""Environment variable that names the file of the lines."""


def write(method: str, target: str, fields: Iterable[tuple[str, str]], body: bytes) -> None:
    """Append one; all text is one character a byte."""
    reading = {
        "method": method,
        "target": target,
        "fields": [[name.lower().replace("_", "-"), value] for name, value in fields],
        "body": body.decode("latin-1"),
    }
    with Path(os.environ[VARIABLE]).open("a", encoding="ascii") as file:
        file.write(json.dumps(reading) + "\n")


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """For gunicorn and waitress."""
    body = environ["wsgi.input"].read()
    if len(body) < int(environ.get("CONTENT_LENGTH") or 0):
        raise ConnectionError("the body was cut off")
    fields = [(name[5:], value) for name, value in environ.items() if name.startswith("HTTP_")]
    fields += [(name, environ[name]) for name in ("CONTENT_TYPE",) if name in environ]
    write(environ["REQUEST_METHOD"], environ.get("RAW_URI") or environ["REQUEST_URI"], fields, body)
    start_response("200 OK", [("Content-Length", "4"), ("Content-Type", "text/plain")])
    # waitress sends what it is given, to a HEAD too: then the next answer could not be told from it.
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"read"]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """For hypercorn."""
    if scope["type"] != "http":
        raise NotImplementedError("only requests are read here")
    body = b""
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        body += event.get("body", b"")
        more = event.get("more_body", False)
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    write(scope["method"], (scope["raw_path"] + query).decode("latin-1"), fields, body)
    headers = [(b"content-length", b"4"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"read"})
