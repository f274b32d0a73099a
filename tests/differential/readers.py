"""The readers: real HTTP/1 servers, each a process, behind one real proxy."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.running import Running, free_port, running, wait_for

from .readings import VARIABLE

HERE = Path(__file__).parent
PLAIN = "plain"
TOLD_BY_NGINX = ("content-type", "cookie", "x-a", "x-b", "te", "connection", "x-pomerium-claim-email")
"""nginx tells only the headers that it is asked for, and before 1.23 the first of each."""


@dataclass
class Reading:
    """One request as one reader understood it."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: str

    def header(self, name: str) -> str:
        """All values joined, blanks about the commas left out; absent and empty look alike."""
        values = [value for found, value in self.fields if found == name]
        return ",".join(part.strip(" \t") for value in values for part in value.split(","))

    def meaning(self, own: bytes, *, first: bool) -> tuple[str, ...]:
        """What every reader has to agree on; ``own`` is what it is called itself. An empty query is none.

        ``first``: of repeated headers, only the first value.
        """
        headers = [self.header(name) for name in TOLD_BY_NGINX]
        if first:
            headers = [value.partition(",")[0] for value in headers]
        facts = (self.method, self.target.removesuffix("?"), self.header("host").lower(), self.body, *headers)
        return tuple(fact.replace(own.decode(), "HOST") for fact in facts)


@dataclass
class Reader:
    """A running server and the file in which it tells what it reads."""

    name: str
    port: int
    log: Path
    _at: int = field(default=0)

    @property
    def host(self) -> bytes:
        # As long for each as HOST_BYTES says, so that one Content-Length is right for all of them.
        return f"{self.name:0<9}.test".encode()

    def readings(self, fence: str) -> list[Reading]:
        """Those since the last fence, once this one has arrived: it is the last thing that is sent."""
        found: list[Reading] = []

        def fenced() -> bool:
            with self.log.open("rb") as file:
                file.seek(self._at)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._at += len(line)
                    found.append(self._parsed(line))
            return bool(found) and found[-1].target == fence

        wait_for(fenced, f"{self.name} to read {fence}", 5)
        return found[:-1]

    @staticmethod
    def _parsed(line: bytes) -> Reading:
        read = json.loads(line.decode("latin-1"))
        return Reading(
            read["method"], read["target"], [(name, value) for name, value in read["fields"]], read["body"]
        )


@dataclass(frozen=True)
class Kind:
    """How one reader is started."""

    name: str
    command: Callable[[Path, int], list[str]]
    module: str = ""
    """Python module that must be importable."""
    program: str = ""
    """Program that must be on the path."""

    @property
    def installed(self) -> bool:
        if self.module:
            return importlib.util.find_spec(self.module) is not None
        return not self.program or shutil.which(self.program) is not None


def _nginx(folder: Path, port: int) -> list[str]:
    sink = free_port()
    fields = ",".join(f'["{name}","$http_{name.replace("-", "_")}"]' for name in TOLD_BY_NGINX)
    (folder / "nginx.conf").write_text(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid nginx.pid;\nerror_log nginx-errors.log;\n"
        "events {}\n"
        "http {\n"
        "  log_format readings escape=json"
        ' \'{"method":"$request_method","target":"$request_uri","fields":[["host","$http_host"],'
        + fields
        + '],"body":"$request_body"}\';\n'
        "  client_body_buffer_size 256k;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n"
        "  large_client_header_buffers 8 160k;\n  keepalive_requests 100000;\n"
        "  fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n"
        f"  server {{\n    listen 127.0.0.1:{port};\n"
        "    location / {\n"
        f"      access_log {folder / 'readings'} readings if=$upstream_status;\n"
        f"      proxy_pass http://127.0.0.1:{sink};\n"
        "    }\n  }\n"
        f"  server {{\n    listen 127.0.0.1:{sink};\n    access_log off;\n    return 200 read;\n  }}\n"
        "}\n"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def _module(name: str) -> Callable[[Path, int], list[str]]:
    return lambda _folder, port: [sys.executable, "-m", f"tests.differential.{name}", str(port)]


APP = "tests.differential.readings:"
KINDS = (
    Kind(PLAIN, _module("reader_plain")),
    Kind(
        "gunicorn",
        lambda _folder, port: [
            *(sys.executable, "-m", "gunicorn", APP + "wsgi", "--bind", f"127.0.0.1:{port}"),
            *("--worker-class", "gthread", "--threads", "1", "--keep-alive", "60", "--log-level", "error"),
            *(
                "--limit-request-line",
                "0",
                "--limit-request-field_size",
                "0",
                "--limit-request-fields",
                "1000",
            ),
        ],
        module="gunicorn",
    ),
    Kind(
        "waitress",
        lambda _folder, port: [
            *(
                sys.executable,
                "-m",
                "waitress",
                "--listen",
                f"127.0.0.1:{port}",
                "--threads",
                "1",
                APP + "wsgi",
            ),
        ],
        module="waitress",
    ),
    Kind(
        "hypercorn",
        lambda _folder, port: [
            *(sys.executable, "-m", "hypercorn", APP + "asgi", "--bind", f"127.0.0.1:{port}"),
            *("--keep-alive", "60", "--log-level", "error"),
        ],
        module="hypercorn",
    ),
    Kind("aiohttp", _module("reader_aiohttp"), module="aiohttp"),
    Kind("nginx", _nginx, program="nginx"),
    Kind(
        "node",
        lambda _folder, port: [
            "node",
            "--max-http-header-size=262144",
            str(HERE / "reader_node.js"),
            str(port),
        ],
        program="node",
    ),
)


@contextmanager
def reading(folder: Path) -> Iterator[list[Reader]]:
    """All installed readers, the plain one first."""
    with ExitStack() as stack:
        readers = []
        for kind in KINDS:
            if kind.installed:
                own = folder / kind.name
                own.mkdir()
                reader = Reader(kind.name, free_port(), own / "readings")
                reader.log.touch()
                environ = {VARIABLE: str(reader.log)}
                program, *arguments = kind.command(own, reader.port)
                process = stack.enter_context(
                    running(arguments, own / "output.txt", environ, program=program)
                )
                readers.append(reader)
                wait_for(
                    lambda reader=reader, process=process: _listening(reader, process),
                    f"{kind.name} to listen",
                )
        yield readers


def _listening(reader: Reader, process: Running) -> bool:
    assert process.process.poll() is None, f"{reader.name} ended: {process.text()}"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", reader.port)) == 0


def configuration(readers: list[Reader], port: int, state: Path) -> dict[str, Any]:
    """A proxy with one route for each of them."""
    routes = [
        {
            "from": f"https://{reader.host.decode()}",
            "to": f"http://127.0.0.1:{reader.port}",
            "allow_public_unauthenticated_access": True,
            "preserve_host_header": True,
            "timeout": "5s",
        }
        for reader in readers
    ]
    return {
        "address": f"127.0.0.1:{port}",
        "insecure_server": True,
        "state_dir": str(state),
        "routes": routes,
    }
