"""One application of a domain that shares its sessions wants those of the others, in a real browser."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import trustme
from playwright.sync_api import Browser, Page

from tests.running import free_port, running

from .conftest import WAIT_MILLISECONDS, trust

pytestmark = pytest.mark.browser

WORKER = b"""
addEventListener('install', () => skipWaiting())
addEventListener('activate', event => event.waitUntil(clients.claim()))
addEventListener('fetch', event => {
    const told = '/told?' + encodeURIComponent(event.request.url)
    event.respondWith(fetch(told).then(() => fetch(event.request)))
})
"""
PAGE = b"""<script>
navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready)
    .then(() => document.title = 'listening')
</script>"""


@dataclass
class Curious:
    """An application that has a service worker tell it every address that its visitors are sent to."""

    port: int = 0
    told: list[str] = field(default_factory=list)
    """Paths and Referers of requests."""

    @contextmanager
    def serving(self) -> Iterator[None]:
        curious = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                curious.told += [self.path, self.headers.get("Referer", "")]
                kind, body = "text/html", PAGE
                if self.path == "/worker.js":
                    kind, body = "text/javascript", WORKER
                elif self.path == "/who":
                    body = self.headers.get("X-Pomerium-Claim-Sub", "").encode()
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_port
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def configuration(folder: Path, port: int, provider: int, behind: int) -> str:
    ca = trustme.CA()
    certificate = ca.issue_cert("*.corp.example")
    certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
    certificate.private_key_pem.write_to_path(folder / "server-key.pem")
    routes = "".join(
        f"  - {{from: 'https://{name}.corp.example:{port}', to: 'http://127.0.0.1:{behind}', "
        "allow_any_authenticated_user: true}\n"
        for name in ("curious", "admin")
    )
    return f"""
address: 127.0.0.1:{port}
certificate_file: {folder}/server.pem
certificate_key_file: {folder}/server-key.pem
authenticate_service_url: https://auth.corp.example:{port}
cookie_domain: corp.example
state_dir: {folder}/state
idp_provider: oidc
idp_provider_url: http://127.0.0.1:{provider}
idp_client_id: tests
idp_client_secret: secret
pass_identity_headers: true
jwt_claims_headers: [sub]
routes:
{routes}"""


def asked(port: int, name: str, target: str, cookie: str = "") -> str:
    """An answer to somebody who has no browser."""
    context = ssl._create_unverified_context()  # noqa: S323 - not what is tested
    host = f"{name}.corp.example"
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5), server_hostname=host) as peer:
        lines = (f"GET {target} HTTP/1.1", f"Host: {host}:{port}", "Accept: text/html", "Connection: close")
        peer.sendall("\r\n".join((*lines, *([f"Cookie: {cookie}"] if cookie else ()), "", "")).encode())
        return b"".join(iter(lambda: peer.recv(65536), b"")).decode("latin-1")


def sign_in(page: Page, url: str) -> None:
    page.goto(url)
    page.fill("input[name=sub]", "victim")
    page.click("button, input[type=submit]")
    page.wait_for_url(url)


def test_a_link_of_one_application_gets_it_no_session_of_its_visitors(
    tmp_path: Path, launch: Callable[..., Browser]
) -> None:
    import oidc_provider_mock  # here, where the warnings of what it stands on are filtered

    curious, port = Curious(), free_port()
    with oidc_provider_mock.run_server_in_thread() as provider, curious.serving():
        config = tmp_path / "config.yaml"
        config.write_text(configuration(tmp_path, port, provider.server_port, curious.port), "utf-8")
        arguments = ["-m", "pomerium_tw.cli", "run", str(config)]
        with running(arguments, tmp_path / "output.txt") as process:
            process.wait_for_line(message="ready, routes: 2")
            chromium = launch(
                trust((tmp_path / "server.pem").read_bytes()),
                "--host-resolver-rules=MAP *.corp.example 127.0.0.1",
            )
            page = chromium.new_context().new_page()
            page.set_default_timeout(WAIT_MILLISECONDS)
            here = f"https://curious.corp.example:{port}/"
            sign_in(page, here)
            page.wait_for_function("document.title == 'listening'")
            # Its owner begins a sign-in of his own, and has the victim follow the link.
            begun = asked(port, "curious", "/who")
            found = re.search(r"(?im)^location: (\S+)", begun)
            assert found is not None
            flow = re.search(r"(?im)^set-cookie: ([^;]+)", begun)
            page.goto(found[1])
            assert page.locator("body").inner_text() == "victim", "who has a session anyway, his own"
            told = "".join(curious.told)
            assert "told?" in told and "who" in told, "the worker did see where the victim was sent"
            assert "session_encrypted" not in told and ".pomerium" not in told
            own = asked(port, "admin", "/who", flow[1] if flow else "")
            assert own.startswith("HTTP/1.1 302")
            page.goto(f"https://admin.corp.example:{port}/who")
            assert page.locator("body").inner_text() == "victim"
