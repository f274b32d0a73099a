"""A WSGI application of gunicorn's behind a unix socket, which verifies the assertion of every request."""

from __future__ import annotations

import hashlib
import http.client
import json
import signal
import socket
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.sign_in import sign_in
from tests.running import ROOT, Running, free_port, running, wait_for

SECONDS = 20.0
WORKERS = 2
CALLERS = 4
REQUESTS = 25
"""Of each caller in a round."""
RELOADS = 4
"""Rounds, and times that gunicorn is asked for new workers."""

APPLICATION = '''
import hashlib
import json

from pomerium_tw.verify import AssertionVerifier
from pomerium_tw.verify.wsgi import ENVIRON_KEY, AssertionMiddleware


def read(body):
    """Its SHA-256, read a piece at a time."""
    digest = hashlib.sha256()
    while piece := body.read(65536):
        digest.update(piece)
    return digest.hexdigest()


def answer(environ, start_response):
    if environ["PATH_INFO"] == "/pieces":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"%d\\n" % number for number in range(10000))
    seen = {{
        "user": environ[ENVIRON_KEY].user_id,
        "path": environ["PATH_INFO"],
        "host": environ["HTTP_HOST"],
        "body": read(environ["wsgi.input"]),
    }}
    body = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


app = AssertionMiddleware(answer, AssertionVerifier("app.localhost", jwks_url="{keys}"))
'''

CONFIG = """
address: 127.0.0.1:{port}
insecure_server: true
authenticate_service_url: https://authenticate.localhost:{port}
state_dir: {folder}/state
idp_provider: oidc
idp_provider_url: http://127.0.0.1:{provider}
idp_client_id: tests
idp_client_secret: secret
pass_identity_headers: true
routes:
  - from: https://app.localhost:{port}
    to: unix://{folder}/app.sock
    allow_any_authenticated_user: true
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A signed-in caller of the proxy, with gunicorn behind it."""

    port: int
    cookie: str
    socket: Path
    gunicorn: Running

    def workers_ended(self) -> int:
        return self.gunicorn.text().count("Worker exiting")

    def open(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
    ) -> tuple[int, bytes]:
        headers = {"Host": f"app.localhost:{self.port}", "Cookie": self.cookie}
        connection.request(method, path, body, headers, encode_chunked=not isinstance(body, bytes | None))
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, provider: int) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("unix")
    port = free_port()
    (folder / "config.yaml").write_text(CONFIG.format(port=port, folder=folder, provider=provider))
    keys = f"http://127.0.0.1:{port}/.well-known/pomerium/jwks.json"
    (folder / "application.py").write_text(APPLICATION.format(keys=keys))
    gunicorn = ["-m", "gunicorn", "--bind", f"unix:{folder / 'app.sock'}", "--worker-class", "gthread"]
    gunicorn += ["--workers", str(WORKERS), "--threads", "4", "--keep-alive", "30", "application:app"]
    environ = {"PYTHONPATH": f"{ROOT}:{folder}"}
    with (
        running(["-m", "pomerium_tw.cli", "run", str(folder / "config.yaml")], folder / "proxy.txt") as proxy,
        running(gunicorn, folder / "gunicorn.txt", environ) as behind,
    ):
        proxy.wait_for_text("ready, routes: 1")
        behind.wait_for_text("Listening at")
        yield Place(port, sign_in(f"https://app.localhost:{port}/"), folder / "app.sock", behind)


def test_the_application_knows_who_asks_for_what(place: Place) -> None:
    with closing(place.open()) as connection:
        status, body = place.ask(connection, "GET", "/a%20page")
    assert status == 200
    seen = json.loads(body)
    assert (seen["user"], seen["path"]) == ("bench-user", "/a page")
    assert seen["host"] == f"app.localhost:{place.port}"


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_upload_arrives_whole(place: Place, chunked: bool) -> None:
    pieces = [bytes([number]) * 100_000 for number in range(40)]
    with closing(place.open()) as connection:
        status, body = place.ask(connection, "POST", "/", pieces if chunked else b"".join(pieces))
    assert status == 200
    assert json.loads(body)["body"] == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_an_answer_in_pieces_arrives_whole(place: Place) -> None:
    with closing(place.open()) as connection:
        assert place.ask(connection, "GET", "/pieces") == (200, b"".join(b"%d\n" % n for n in range(10000)))


def test_workers_that_end_cost_no_request(place: Place) -> None:
    """They close connections between the requests of a round, and all that are idle after it."""

    def ask_often(_: int) -> list[int]:
        with closing(place.open()) as connection:
            return [place.ask(connection, "GET", "/")[0] for _ in range(REQUESTS)]

    for _ in range(RELOADS):
        ended = place.workers_ended()
        with ThreadPoolExecutor(CALLERS) as callers:
            answered = callers.map(ask_often, range(CALLERS))
            place.gunicorn.process.send_signal(signal.SIGHUP)
            assert list(answered) == [[200] * REQUESTS] * CALLERS
        wait_for(lambda wanted=ended + WORKERS: place.workers_ended() >= wanted, "the old workers to end")


def test_whoever_goes_around_the_proxy_is_refused(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SECONDS)
        connection.connect(str(place.socket))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")
