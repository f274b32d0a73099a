"""Debian's chromium: against the demo as a newcomer starts it, and against others."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.running import Running, free_port, running

CHROMIUM = shutil.which("chromium")
WAIT_MILLISECONDS = 15_000


@dataclass
class Demo:
    """A running demo."""

    port: int
    state: Path
    process: Running

    def url(self, name: str, path: str = "/") -> str:
        return f"https://{name}.localhost:{self.port}{path}"

    @property
    def log(self) -> Running:
        return Running(self.process.process, self.state / "pomerium.log")


def trust(certificate: bytes) -> str:
    """The argument that has chromium trust this certificate (PEM) by its public key, and nothing else.

    That names and signatures of the demo's are good is shown in tests/demo with OpenSSL.
    """
    key = x509.load_pem_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"--ignore-certificate-errors-spki-list={base64.b64encode(hashlib.sha256(spki).digest()).decode()}"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    port = free_port()
    arguments = ["-m", "pomerium_tw.cli", "demo", "--port", str(port), "--state-dir", str(folder / "state")]
    with running(arguments, folder / "output.txt") as process:
        process.wait_for_text("Stop with Ctrl-C")
        yield Demo(port, folder / "state", process)


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Browser]]:
    """Starts chromium with arguments of its own."""
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing, and in CI it must not be: apt-get install chromium")
        pytest.skip("chromium is missing: sudo apt-get install chromium")
    with sync_playwright() as playwright, ExitStack() as started:

        def start(*arguments: str) -> Browser:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *arguments])
            started.callback(browser.close)
            return browser

        yield start


@pytest.fixture(scope="session")
def chromium(demo: Demo, launch: Callable[..., Browser]) -> Browser:
    return launch(trust((demo.state / "server.pem").read_bytes()))


@pytest.fixture
def person(chromium: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile; the test fails when a page breaks its own content security policy."""
    context = chromium.new_context()
    context.set_default_timeout(WAIT_MILLISECONDS)
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Refused to" in message.text:
            complaints.append(message.text)

    context.on("console", heard)
    yield context
    context.close()
    assert not complaints


@pytest.fixture
def page(person: BrowserContext) -> Page:
    return person.new_page()
