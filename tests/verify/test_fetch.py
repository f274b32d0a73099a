"""The HTTPS client: names under localhost, trust, bounds of size and time."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from pomerium_tw.verify import FetchError, fetch_document
from pomerium_tw.verify.fetch import check_url, is_localhost, is_loopback


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/keys")
            self.end_headers()
            return
        body = b"x" * 2000 if self.path == "/large" else f"{self.path} {self.headers['Host']}".encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def peer(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that accepts one connection and does with it what it likes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        with listening.accept()[0] as sock:
            try:
                talk(sock)
            except OSError:
                pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        thread.join(10)
        listening.close()


def tls(name: str, folder: Path) -> tuple[ssl.SSLContext, str]:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    return context, str(ca_file)


def test_a_name_under_localhost_is_this_machine_whatever_the_resolver_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolver(host: object, *args: object, **kwargs: object) -> object:
        assert host in {"127.0.0.1", "::1"}, f"{host} was looked up"
        return original(host, *args, **kwargs)  # type: ignore[arg-type]  # passes on what it was given

    original = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    context, ca_file = tls("app.localhost", tmp_path)
    with serving(context) as port:
        body = fetch_document(f"https://app.localhost:{port}/keys?x=1", ca_file=ca_file)
    assert body == f"/keys?x=1 app.localhost:{port}".encode()


def test_the_name_is_verified_on_loopback_too(tmp_path: Path) -> None:
    context, ca_file = tls("app.localhost", tmp_path)
    with serving(context) as port:
        with pytest.raises(FetchError, match="certificate verify failed"):
            fetch_document(f"https://other.localhost:{port}/", ca_file=ca_file)
        with pytest.raises(FetchError, match="certificate verify failed"):
            fetch_document(f"https://app.localhost:{port}/")


def test_clear_text_is_for_loopback_alone() -> None:
    with serving() as port:
        assert fetch_document(f"http://keys.localhost:{port}/a").startswith(b"/a ")
    for url in ("http://example.com/", "http://localhost.example.com/", "http://10.0.0.1/"):
        with pytest.raises(ValueError, match="clear text"):
            fetch_document(url)


def test_redirects_are_not_followed_and_large_bodies_not_read() -> None:
    with serving() as port:
        with pytest.raises(FetchError, match="status 302"):
            fetch_document(f"http://localhost:{port}/moved")
        with pytest.raises(FetchError, match="more than 1999 bytes"):
            fetch_document(f"http://localhost:{port}/large", limit=1999)
        assert len(fetch_document(f"http://localhost:{port}/large", limit=2000)) == 2000


def drip(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(200):
        sock.sendall(b"x")
        time.sleep(0.05)


def drip_body(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    drip(sock)


def hang(sock: socket.socket) -> None:
    while sock.recv(1000):
        pass


@pytest.mark.parametrize("talk", [drip, drip_body, hang])
def test_a_server_that_drips_or_hangs_is_left_in_time(talk: Callable[[socket.socket], None]) -> None:
    with peer(talk) as port:
        began = time.monotonic()
        with pytest.raises(FetchError, match=r"within 0\.3 seconds"):
            fetch_document(f"http://localhost:{port}/", timeout=0.3)
        assert time.monotonic() - began < 3


def test_a_handshake_that_drips_is_left_in_time() -> None:
    def talk(sock: socket.socket) -> None:
        sock.recv(100)
        for byte in b"\x16\x03\x03\x40\x00" + bytes(100):
            sock.sendall(bytes([byte]))
            time.sleep(0.05)

    with peer(talk) as port, pytest.raises(FetchError):
        fetch_document(f"https://localhost:{port}/", timeout=0.3)


def test_a_server_that_is_not_there_or_speaks_nonsense_is_an_error_of_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(FetchError, match="could not be fetched"):
        fetch_document(f"http://localhost:{port}/")
    with peer(lambda sock: sock.sendall(b"SSH-2.0-x\r\n")) as other, pytest.raises(FetchError):
        fetch_document(f"http://localhost:{other}/")


@pytest.mark.parametrize(
    "url", ["https://", "https:///x", "file:///etc/passwd", "https://h:x/", "https://h/\n", "https://h/ä"]
)
def test_odd_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|[Pp]ort"):
        check_url(url)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "a.b.localhost"])
def test_names_that_are_this_machine(name: str) -> None:
    assert is_localhost(name)
    assert is_loopback(name)


@pytest.mark.parametrize("name", ["localhost.evil", "notlocalhost", "127.0.0.1.evil", "10.1.1.1", "", "::2"])
def test_names_that_are_not_this_machine(name: str) -> None:
    assert not is_loopback(name)


def test_literals_of_this_machine() -> None:
    assert is_loopback("127.8.8.8")
    assert is_loopback("::1")
