"""Debian's chromium against the demo as a newcomer starts it."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from collections.abc import Iterator
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

    def key_hash(self) -> str:
        """SHA-256 of the server's public key: what chromium is told to trust, and nothing else.

        That the names and the CA's signature are good is shown in tests/demo with OpenSSL.
        """
        certificate = x509.load_pem_x509_certificate((self.state / "server.pem").read_bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(key).digest()).decode()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    port = free_port()
    arguments = ["-m", "pomerium_tw.cli", "demo", "--port", str(port), "--state-dir", str(folder / "state")]
    with running(arguments, folder / "output.txt") as process:
        process.wait_for_text("Stop with Ctrl-C")
        yield Demo(port, folder / "state", process)


@pytest.fixture(scope="session")
def chromium(demo: Demo) -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing, and in CI it must not be: apt-get install chromium")
        pytest.skip("chromium is missing: sudo apt-get install chromium")
    arguments = ["--no-sandbox", f"--ignore-certificate-errors-spki-list={demo.key_hash()}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


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
