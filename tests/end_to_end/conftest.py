"""A real proxy process, a real upstream, and an OpenID Provider that nobody here wrote."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench.sign_in import Browser
from tests.running import Running, free_port, running, wait_for


class _Echo(BaseHTTPRequestHandler):
    """Answers every request with what it received, as JSON."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Quiet."""


@pytest.fixture(scope="session")
def upstream() -> Iterator[int]:
    """Port of an echo application."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture(scope="session")
def provider() -> Iterator[int]:
    """Port of PyPI's oidc-provider-mock."""
    import oidc_provider_mock  # here, where the warnings of what it stands on are filtered

    with oidc_provider_mock.run_server_in_thread() as server:
        yield server.server_port


CONFIG = """
address: 127.0.0.1:{port}
insecure_server: true
authenticate_service_url: https://authenticate.localhost:{port}
shared_secret: c2hhcmVkLXNlY3JldC1mb3ItdGVzdHMtMzItYnl0ZXM=
cookie_secret: Y29va2llLXNlY3JldC1mb3ItdGVzdHMtMzItYnl0ZXM=
state_dir: {folder}/state
idp_provider: oidc
idp_provider_url: http://127.0.0.1:{provider}
idp_client_id: tests
idp_client_secret: secret
pass_identity_headers: true
routes:
  - from: https://app.localhost:{port}
    to: http://127.0.0.1:{upstream}
    allow_any_authenticated_user: true
    jwt_groups_filter: [staff, on-call]
    set_request_headers:
      X-Access: $pomerium.access_token
      X-Id: ${{pomerium.id_token}}
      X-Again: '${{pomerium.jwt}} ${{pomerium.request.headers["X-Said"]}}'
  - from: https://broken.localhost:{port}
    to: http://127.0.0.1:{nowhere}
    allow_any_authenticated_user: true
  - from: https://nobody.localhost:{port}
    to: http://127.0.0.1:{upstream}
    policy:
      - allow:
          or:
            - email: {{is: somebody-else@example.com}}
"""


class Door:
    """One running configuration."""

    def __init__(self, port: int, process: Running) -> None:
        self.port = port
        self.process = process

    def url(self, name: str, path: str = "/") -> str:
        return f"https://{name}.localhost:{self.port}{path}"


@pytest.fixture
def open_door(tmp_path: Path, upstream: int, provider: int) -> Iterator[Callable[..., Door]]:
    """Starts the proxy; keyword arguments replace parts of the configuration."""
    with ExitStack() as stack:

        def start(**values: Any) -> Door:
            port = values.setdefault("port", free_port())
            parts = {"upstream": upstream, "provider": provider, "nowhere": free_port()}
            filled = {**parts, "folder": tmp_path, **values}
            config = tmp_path / "config.yaml"
            config.write_text(CONFIG.format(**filled))
            arguments = ["-m", "pomerium_tw.cli", "run", str(config)]
            process = stack.enter_context(running(arguments, tmp_path / f"output-{port}-{len(filled)}.txt"))
            process.wait_for_line(message="ready, routes: 3")
            door = Door(port, process)
            wait_for(lambda: Browser().open(door.url("app", "/ping")).status == 200, "the front door")
            return door

        yield start
